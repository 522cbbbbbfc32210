// Fuzzing: no template and no JSON may make the engine panic, hang or return half an answer.

package jinja

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func seeds(f *testing.F) []feature {
	var cases []feature
	readJSON(f, "features.json", &cases)
	paths, err := filepath.Glob("testdata/templates/*.jinja")
	if err != nil || len(paths) == 0 {
		f.Fatal("no templates", err)
	}
	for _, p := range paths {
		source, err := os.ReadFile(p)
		if err != nil {
			f.Fatal(err)
		}
		cases = append(cases, feature{Template: string(source)})
	}
	return cases
}

// oneError checks that an error is an *Error of one line.
func oneError(t *testing.T, err error) {
	var e *Error
	if !errors.As(err, &e) || strings.ContainsAny(err.Error(), "\r\n") {
		t.Fatalf("error %T %q", err, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range seeds(f) {
		f.Add(c.Template)
	}
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := Parse(source)
		if err != nil {
			oneError(t, err)
		} else if tmpl == nil {
			t.Fatal("neither template nor error")
		}
	})
}

func FuzzRender(f *testing.F) {
	const vars = `{"messages": [{"role": "user", "content": "Hi <b>", "n": [1, 2.5, null, true]}], "xs": [3, 1, 2], "s": "Wörld", "d": {"a": {"b": 1}}, "n": 7}`
	for _, c := range seeds(f) {
		f.Add(c.Template, vars)
	}
	f.Fuzz(func(t *testing.T, source, vars string) {
		v, err := FromJSON([]byte(vars))
		if err != nil {
			return
		}
		o, _ := v.(*Object)
		tmpl, err := Parse(source)
		if err != nil {
			return
		}
		small := Options{Now: goldenNow, MaxSteps: 20000, MaxOutput: 1 << 16, MaxMemory: 1 << 20, MaxDepth: 20}
		first, err := tmpl.Render(o, small)
		if err != nil {
			oneError(t, err)
			return
		}
		if second, err := tmpl.Render(o, small); err != nil || second != first {
			t.Fatalf("first %q, then %q, %v", first, second, err)
		}
	})
}

func FuzzFromJSON(f *testing.F) {
	f.Add([]byte(`{"a": [1, 2.5, "\ud83d\ude00", null], "b": {"c": false}}`))
	f.Add([]byte(`[1e400, -0, 123456789012345678901234567890]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := FromJSON(data)
		if err != nil {
			return
		}
		text, err := newRun(nil, Options{}).tojson(v, &callArgs{})
		if err != nil {
			t.Fatal(err)
		}
		if s := text.(string); !strings.Contains(s, "Infinity") && !json.Valid([]byte(s)) {
			t.Fatalf("wrote invalid JSON %q", s)
		}
	})
}
