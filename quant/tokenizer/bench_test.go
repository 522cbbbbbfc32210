// Speed, in MB/s of text on one core.

package tokenizer

import (
	"os"
	"strings"
	"testing"
)

// benchText is ordinary prose and code of about 200 KB, with numbers in it so that not every word repeats.
func benchText(b *testing.B) string {
	b.Helper()
	var docs documents
	readJSON(b, "documents.json", &docs)
	source, err := os.ReadFile("testdata/generate.py")
	if err != nil {
		b.Fatal(err)
	}
	return strings.Repeat(string(source)+strings.Join(docs.All, "\n"), 6)
}

func BenchmarkEncode(b *testing.B) {
	text := benchText(b)
	for _, name := range []string{"gpt2", "llama3", "qwen", "o200k", "deepseek", "llama2", "gemma", "unigram_metaspace", "bert"} {
		tok := loadFile(b, name)
		b.Run("file="+name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := tok.Encode(text, true); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLongWord is a document without a blank: one word for the model.
func BenchmarkLongWord(b *testing.B) {
	text := strings.Repeat("xyzzyplughabcdefgh", 20000)
	for _, name := range []string{"gpt2", "llama2", "unigram_bytes"} {
		tok := loadFile(b, name)
		b.Run("file="+name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := tok.Encode(text, false); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	data, err := os.ReadFile("testdata/llama2.tokenizer.json")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Load(data); err != nil {
			b.Fatal(err)
		}
	}
}
