// Fuzz targets; their seeds run in every go test.

package tokenizer

import (
	"errors"
	"os"
	"testing"
	"unicode/utf8"
)

func FuzzLoad(f *testing.F) {
	for _, name := range pipelines(f) {
		data, err := os.ReadFile("testdata/" + name + ".tokenizer.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"normalizer":{"type":"Replace","pattern":{"Regex":"(?i:a|[b-d&&[^c]])*?"},"content":""},"model":{"vocab":{},"merges":[]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tok, err := Load(data)
		if err != nil {
			return
		}
		ids, err := tok.Encode("The boats, 12 ﬁne\u0301 boxes.\n\n ▁港", true)
		if err != nil {
			return
		}
		if _, err := tok.Decode(ids, false); err != nil && !errors.Is(err, ErrBudget) {
			t.Errorf("ids of Encode do not decode: %v", err)
		}
	})
}

func FuzzEncode(f *testing.F) {
	var docs documents
	readJSON(f, "documents.json", &docs)
	for _, text := range docs.All {
		f.Add(text)
	}
	var toks []*Tokenizer
	names := pipelines(f)
	for _, name := range names {
		toks = append(toks, loadFile(f, name))
	}
	f.Fuzz(func(t *testing.T, text string) {
		for i, tok := range toks {
			ids, err := tok.Encode(text, false)
			if !utf8.ValidString(text) {
				if !errors.Is(err, ErrInput) {
					t.Fatalf("%s: %v for text that is not UTF-8", names[i], err)
				}
				continue
			}
			if err != nil {
				continue
			}
			for _, id := range ids {
				if _, ok := tok.Token(id); !ok {
					t.Fatalf("%s: id %d has no token", names[i], id)
				}
			}
			back, err := tok.Decode(ids, false)
			if err != nil {
				t.Fatalf("%s: %v", names[i], err)
			}
			if names[i] == "gpt2" && back != text { // every byte has a token and nothing is normalized
				t.Fatalf("%s: %q came back as %q", names[i], text, back)
			}
		}
	})
}

func FuzzPattern(f *testing.F) {
	var cases struct{ Patterns []struct{ Pattern string } }
	readJSON(f, "patterns.json", &cases)
	for _, c := range cases.Patterns {
		f.Add(c.Pattern, "The boats aab\n12")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if !utf8.ValidString(pattern) || !utf8.ValidString(text) {
			return
		}
		re, err := compileRegex(pattern)
		if err != nil {
			return
		}
		spans, err := findAll(&state{budget: 1 << 18}, "", re, text, nil)
		if err != nil {
			return
		}
		at := 0
		for _, s := range spans {
			if s.start != at || s.end < s.start {
				t.Fatalf("%q on %q: spans %v do not cover the text", pattern, text, spans)
			}
			at = s.end
		}
		if at != len(text) {
			t.Fatalf("%q on %q: spans %v end at %d", pattern, text, spans, at)
		}
	})
}
