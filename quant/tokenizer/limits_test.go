// Bad files, bad texts, and bounds: everything is an error with a name, nothing panics or runs away.

package tokenizer

import (
	"errors"
	"math/rand"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const emptyBPE = `"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}`

func TestLoadErrors(t *testing.T) {
	for _, c := range []struct {
		file string
		is   error
		has  string
	}{
		{``, ErrFormat, "the file: expected an object"},
		{`[]`, ErrFormat, "expected an object"},
		{`{"model":null}`, ErrFormat, "no model"},
		{`{` + emptyBPE + `} x`, ErrFormat, "after the end"},
		{`{` + emptyBPE + `,}`, ErrFormat, "byte"},
		{`{"version":"2.0",` + emptyBPE + `}`, ErrUnsupported, "version 2.0"},
		{`{"normalizer":{"type":"Rot13"},` + emptyBPE + `}`, ErrUnsupported, "normalizer Rot13"},
		{`{"normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Rot13"}]},` + emptyBPE + `}`, ErrUnsupported, "normalizers[1]"},
		{`{"pre_tokenizer":{"type":"Magic"},` + emptyBPE + `}`, ErrUnsupported, "pre-tokenizer Magic"},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a)\\1"},"behavior":"Isolated"},` + emptyBPE + `}`, ErrUnsupported, `\1`},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?i)straße"},"behavior":"Isolated"},` + emptyBPE + `}`, ErrUnsupported, "ß"},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?i)class"},"behavior":"Isolated"},` + emptyBPE + `}`, ErrUnsupported, "case-insensitive"},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"},` + emptyBPE + `}`, ErrUnsupported, "without end"},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"\\p{Nonsense}"},"behavior":"Isolated"},` + emptyBPE + `}`, ErrUnsupported, "Nonsense"},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Sideways"},` + emptyBPE + `}`, ErrUnsupported, "Sideways"},
		{`{"pre_tokenizer":{"type":"Metaspace","replacement":"xy"},` + emptyBPE + `}`, ErrFormat, "one character"},
		{`{"post_processor":{"type":"Stamp"},` + emptyBPE + `}`, ErrUnsupported, "post-processor Stamp"},
		{`{"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}],"special_tokens":{}},` + emptyBPE + `}`, ErrFormat, `"<s>"`},
		{`{"decoder":{"type":"Ouija"},` + emptyBPE + `}`, ErrUnsupported, "decoder Ouija"},
		{`{"model":{"type":"GPT","vocab":{}}}`, ErrUnsupported, "model GPT"},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}`, ErrFormat, "not in the vocabulary"},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":["a"]}}`, ErrFormat, "not two tokens"},
		{`{"model":{"type":"BPE","dropout":0.1,"vocab":{},"merges":[]}}`, ErrUnsupported, "dropout"},
		{`{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}`, ErrFormat, "id -1"},
		{`{"model":{"type":"BPE","vocab":{"a":4294967295},"merges":[]}}`, ErrFormat, "id 4294967295"},
		{`{"model":{"type":"BPE","vocab":{"a":1e3},"merges":[]}}`, ErrFormat, "id 1e3"},
		{`{"model":{"type":"Unigram","unk_id":3,"vocab":[["a",-1.5]]}}`, ErrFormat, "outside"},
		{`{"model":{"type":"Unigram","vocab":[["a"]]}}`, ErrFormat, "byte"},
		{`{"added_tokens":[{"id":3}],` + emptyBPE + `}`, ErrFormat, "content"},
		{`{"added_tokens":[{"content":" ","normalized":true}],"normalizer":{"type":"Strip","strip_left":true,"strip_right":true},` + emptyBPE + `}`, ErrFormat, "empty"},
		{`{"normalizer":{"type":"Precompiled","precompiled_charsmap":"////"},` + emptyBPE + `}`, ErrFormat, "map"},
		{"{\"x\":\"\xff\"}", ErrFormat, "UTF-8"},
		{`{"x":"\ud800"}`, ErrFormat, "escape"},
		{`{"x":` + strings.Repeat("[", 100000), ErrFormat, "deep"},
		{`{"normalizer":` + strings.Repeat(`{"type":"Sequence","normalizers":[`, 5000), ErrFormat, "deep"},
		{`{"x":0123}`, ErrFormat, "value"},
	} {
		_, err := Load([]byte(c.file))
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.has) {
			t.Errorf("%.120s: %v, want %v with %q", c.file, err, c.is, c.has)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%.120s: the error has several lines: %q", c.file, err)
		}
	}
}

func TestEncodeErrors(t *testing.T) {
	for _, c := range []struct {
		file, text string
		is         error
	}{
		{`{` + emptyBPE + `}`, "a\xffb", ErrInput},
		{`{"model":{"type":"BPE","vocab":{"a":0},"merges":[],"unk_token":"?"}}`, "b", ErrInput},
		{`{"model":{"type":"Unigram","vocab":[["a",-1]]}}`, "b", ErrInput},
		{`{"model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"?"}}`, "b", ErrInput},
		{`{"model":{"type":"WordPiece","vocab":{"a":0}}}`, "b", ErrInput},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?:a|aa)+$b"},"behavior":"Isolated"},` + emptyBPE + `}`, strings.Repeat("a", 500), ErrBudget},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?:a*)*b"},"behavior":"Isolated"},` + emptyBPE + `}`, strings.Repeat("a", 5000), ErrBudget},
		{`{"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?:a|b)+c"},"behavior":"Isolated"},` + emptyBPE + `}`, strings.Repeat("ab", 3_000_000), ErrBudget},
	} {
		tok, err := Load([]byte(c.file))
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		if _, err = tok.Encode(c.text, true); !errors.Is(err, c.is) {
			t.Errorf("%s on %.40q: %v, want %v", c.file, c.text, err, c.is)
		}
	}
	tok := loadFile(t, "gpt2")
	if _, err := tok.Decode([]int32{1, -1}, false); !errors.Is(err, ErrInput) {
		t.Errorf("Decode of a negative id: %v", err)
	}
	if s, err := tok.Decode([]int32{1 << 30}, false); s != "" || err != nil {
		t.Errorf("Decode of an id that no token has: %q, %v", s, err)
	}
}

// TestHugePatterns asks for programs out of all proportion.
func TestHugePatterns(t *testing.T) {
	for _, pattern := range []string{
		strings.Repeat("(", 10000), strings.Repeat("[", 10000), strings.Repeat("a", 1<<15),
		"(((((a{1000}){1000}){1000}){1000}){1000}){1000}", "((((((){1000}){1000}){1000}){1000}){1000}){1000}", "a{2147483647}",
		strings.Repeat("(?:", 59) + "ab" + strings.Repeat("){2}", 59), "(?<=" + strings.Repeat("(?:", 20) + "a" + strings.Repeat("){1000}", 20) + ")b",
		strings.Repeat("a|", 8000), "a" + strings.Repeat("+?", 5000),
	} {
		start := time.Now()
		re, err := compileRegex(pattern)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%.40q took %v", pattern, took)
		}
		if err == nil && len(re.program) > maxProgram {
			t.Errorf("%.40q: %d instructions", pattern, len(re.program))
		}
	}
}

func TestLookups(t *testing.T) {
	tok := loadFile(t, "roberta")
	for _, token := range []string{"<mask>", "Ġharbour", "a", "</s>"} {
		id, ok := tok.TokenID(token)
		back, found := tok.Token(id)
		if !ok || !found || back != token || id < 0 || int(id) >= tok.VocabSize() {
			t.Errorf("%q: id %d, %v, back %q, %v", token, id, ok, back, found)
		}
	}
	if id, ok := tok.TokenID("no such token"); ok {
		t.Errorf("id %d for a token that is not there", id)
	}
	for _, id := range []int32{-1, int32(tok.VocabSize())} {
		if s, ok := tok.Token(id); ok {
			t.Errorf("token %q for id %d", s, id)
		}
	}
	sparse, err := Load([]byte(`{"model":{"type":"WordLevel","vocab":{"a":0,"b":2000000000},"unk_token":"a"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := sparse.Token(2000000000); s != "b" || !ok || sparse.VocabSize() != 2000000001 {
		t.Errorf("a far id: %q, %v, size %d", s, ok, sparse.VocabSize())
	}
}

// TestLongWords compares the merging with a heap to the definition, merge by merge, and keeps it from being quadratic.
func TestLongWords(t *testing.T) {
	tok := loadFile(t, "llama2")
	table := &tok.model.(*bpe).merges
	rnd := rand.New(rand.NewSource(1))
	var s bpeScratch
	for n := 1; n < 400; n++ {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(259 + rnd.Intn(60))
		}
		want := slices.Clone(ids)
		for {
			best, at, into := uint32(noRank), 0, int32(0)
			for i := 0; i+1 < len(want); i++ {
				if rank, id := table.get(want[i], want[i+1]); rank < best {
					best, at, into = rank, i, id
				}
			}
			if best == noRank {
				break
			}
			want = slices.Replace(want, at, at+2, into)
		}
		long := slices.Clone(ids)
		long = long[:table.mergeLong(&s, long)]
		if !slices.Equal(long, want) {
			t.Fatalf("%d symbols, heap: %v, want %v", n, long, want)
		}
		if n <= shortWord {
			if ids = ids[:table.mergeShort(ids)]; !slices.Equal(ids, want) {
				t.Fatalf("%d symbols, scan: %v, want %v", n, ids, want)
			}
		}
	}
	start := time.Now()
	for _, text := range []string{strings.Repeat("x", 2_000_000), strings.Repeat("the boats ", 200_000), strings.Repeat(" ", 2_000_000)} {
		if _, err := tok.Encode(text, true); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("6 MB of long words took %v", took)
	}
}

// TestConcurrent encodes from several places at once; -race watches.
func TestConcurrent(t *testing.T) {
	var docs documents
	readJSON(t, "documents.json", &docs)
	tok := loadFile(t, "llama3")
	want := make([][]int32, len(docs.All))
	for i, text := range docs.All {
		want[i], _ = tok.Encode(text, true)
	}
	var wait sync.WaitGroup
	for range 4 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i, text := range docs.All {
				if got, err := tok.Encode(text, true); err != nil || !slices.Equal(got, want[i]) {
					t.Errorf("document %d: %v, %v, want %v", i, got, err, want[i])
				}
			}
		}()
	}
	wait.Wait()
}

// TestDamaged cuts and changes a file at many places: Load must answer, whatever it says.
func TestDamaged(t *testing.T) {
	for _, name := range []string{"gemma", "unigram_precompiled", "bert"} {
		data, err := os.ReadFile("testdata/" + name + ".tokenizer.json")
		if err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewSource(2))
		for range 150 {
			bad := slices.Clone(data)
			if rnd.Intn(2) == 0 {
				bad = bad[:rnd.Intn(len(bad))]
			}
			for range rnd.Intn(4) {
				if len(bad) > 0 {
					bad[rnd.Intn(len(bad))] = `{}[]",:0a\`[rnd.Intn(10)]
				}
			}
			if tok, err := Load(bad); err == nil {
				if _, err := tok.Encode("The boats came ﬁ back.", true); err != nil {
					t.Log(err)
				}
			}
		}
	}
}
