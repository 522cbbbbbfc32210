// The answers of the tokenizers library, written by testdata/generate.py, against this package.

package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func readJSON(t testing.TB, name string, to any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

type documents struct{ All, Components, Added []string }

// golden is an answer: [ids, ids before, ids behind, text, text without special tokens], or null for a refusal.
type golden struct {
	refused             bool
	ids, before, behind []int32
	text, plain         string
}

func (g *golden) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		g.refused = true
		return nil
	}
	return json.Unmarshal(data, &[]any{&g.ids, &g.before, &g.behind, &g.text, &g.plain})
}

func loadFile(t testing.TB, name string) *Tokenizer {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".tokenizer.json"))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := Load(data)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return tok
}

// pipelines lists the tokenizers in testdata.
func pipelines(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.tokenizer.json")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d tokenizers in testdata: %v", len(files), err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".tokenizer.json")
	}
	return files
}

func TestPipelines(t *testing.T) {
	var docs documents
	readJSON(t, "documents.json", &docs)
	for _, name := range pipelines(t) {
		t.Run(name, func(t *testing.T) {
			tok := loadFile(t, name)
			var want struct {
				Size    int
				Answers []golden
			}
			readJSON(t, name+".golden.json", &want)
			texts := docs.All
			if name == "added_tokens" {
				texts = docs.Added
			}
			if len(texts) != len(want.Answers) {
				t.Fatalf("%d documents, %d answers", len(texts), len(want.Answers))
			}
			if tok.VocabSize() != want.Size {
				t.Errorf("VocabSize = %d, want %d", tok.VocabSize(), want.Size)
			}
			for i, text := range texts {
				if err := check(tok, text, want.Answers[i]); err != nil {
					t.Errorf("document %d, %.100q: %v", i, text, err)
				}
			}
		})
	}
}

func check(tok *Tokenizer, text string, want golden) error {
	ids, err := tok.Encode(text, false)
	if (err != nil) != want.refused {
		return fmt.Errorf("error %v, refused by the library: %v", err, want.refused)
	}
	if err != nil {
		return nil
	}
	if !slices.Equal(ids, want.ids) {
		return fmt.Errorf("ids %v, want %v", ids, want.ids)
	}
	special, err := tok.Encode(text, true)
	if err != nil {
		return err
	}
	if all := slices.Concat(want.before, want.ids, want.behind); !slices.Equal(special, all) {
		return fmt.Errorf("with special tokens %v, want %v", special, all)
	}
	for _, d := range []struct {
		skip bool
		want string
	}{{false, want.text}, {true, want.plain}} {
		got, err := tok.Decode(special, d.skip)
		if err != nil || got != d.want {
			return fmt.Errorf("decoded (skip %v) %q, %v, want %q", d.skip, got, err, d.want)
		}
	}
	return nil
}

// TestComponents runs single normalizers and pre-tokenizers into a model that writes bytes and ends each word with a
// mark, so that the words themselves are compared.
func TestComponents(t *testing.T) {
	var docs documents
	readJSON(t, "documents.json", &docs)
	var cases []struct {
		Normalizer   json.RawMessage
		PreTokenizer json.RawMessage `json:"pre_tokenizer"`
		Words        []string
	}
	readJSON(t, "components.json", &cases)
	vocab := map[string]int{}
	for b := range 256 {
		vocab[fmt.Sprintf("<0x%02X>", b)] = b
	}
	for _, c := range cases {
		name := string(c.Normalizer) + string(c.PreTokenizer)
		file, err := json.Marshal(map[string]any{
			"normalizer": c.Normalizer, "pre_tokenizer": c.PreTokenizer,
			"model": map[string]any{
				"type": "BPE", "vocab": vocab, "merges": []string{}, "byte_fallback": true, "end_of_word_suffix": "\u241e",
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		tok, err := Load(file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for i, text := range docs.Components {
			ids, err := tok.Encode(text, false)
			if err != nil {
				t.Errorf("%s: %q: %v", name, text, err)
				continue
			}
			raw := make([]byte, len(ids))
			for k, id := range ids {
				raw[k] = byte(id)
			}
			if got := strings.ReplaceAll(string(raw), "\u241e", "|"); got != c.Words[i] {
				t.Errorf("%s: %q\n got %q\nwant %q", name, text, got, c.Words[i])
			}
		}
	}
}

func TestPatterns(t *testing.T) {
	var cases struct {
		Texts    []string
		Patterns []struct {
			Pattern string
			Matches []string
		}
	}
	readJSON(t, "patterns.json", &cases)
	for _, c := range cases.Patterns {
		re, err := compileRegex(c.Pattern)
		if err != nil {
			t.Errorf("%q: %v", c.Pattern, err)
			continue
		}
		for i, text := range cases.Texts {
			spans, err := findAll(&state{budget: 1 << 20}, "", re, text, nil)
			if err != nil {
				t.Errorf("%q on %q: %v", c.Pattern, text, err)
			}
			var found []string
			for _, s := range spans {
				if s.match && s.start < s.end {
					found = append(found, text[s.start:s.end])
				}
			}
			if got := strings.Join(found, "\n"); got != c.Matches[i] {
				t.Errorf("%q on %q\n got %q\nwant %q", c.Pattern, text, got, c.Matches[i])
			}
		}
	}
}

func TestDecoders(t *testing.T) {
	var cases struct {
		Tokens   []string
		Decoders []struct {
			Decoder json.RawMessage
			Texts   [][2]json.RawMessage
		}
	}
	readJSON(t, "decoders.json", &cases)
	vocab := map[string]int{}
	for i, tok := range cases.Tokens {
		vocab[tok] = i
	}
	for _, c := range cases.Decoders {
		file, err := json.Marshal(map[string]any{
			"decoder": c.Decoder, "model": map[string]any{"type": "WordLevel", "vocab": vocab, "unk_token": "a"},
		})
		if err != nil {
			t.Fatal(err)
		}
		tok, err := Load(file)
		if err != nil {
			t.Errorf("%s: %v", c.Decoder, err)
			continue
		}
		for _, text := range c.Texts {
			var ids []int32
			var want string
			if err := json.Unmarshal(text[0], &ids); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text[1], &want); err != nil {
				t.Fatal(err)
			}
			if got, err := tok.Decode(ids, false); err != nil || got != want {
				t.Errorf("%s of %s: %q, %v, want %q", c.Decoder, text[0], got, err, want)
			}
		}
	}
}
