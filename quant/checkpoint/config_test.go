package checkpoint

// config.json: one key changes, everything else stays; nonsense is refused.

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

type quantization struct {
	Method string  `json:"quant_method"`
	Bits   int     `json:"bits"`
	Not    *string `json:"modules_to_not_convert"`
}

func TestWithQuantization(t *testing.T) {
	q := quantization{Method: "awq<&>", Bits: 4}
	const quoted = "{\n    \"quant_method\": \"awq<&>\",\n    \"bits\": 4,\n    \"modules_to_not_convert\": null\n  }"
	for _, c := range []struct{ name, raw, want string }{
		{"empty", `{}`, "{\n  \"quantization_config\": " + quoted + "\n}\n"},
		{"space", " {\n\n} \n", "{\n  \"quantization_config\": " + quoted + "\n}\n"},
		{"order and literals", `{"z":1.0e-05,"a":[1,2.50,-0],"é":"\u00e9<>","m":{},"n":[]}`,
			"{\n  \"z\": 1.0e-05,\n  \"a\": [\n    1,\n    2.50,\n    -0\n  ],\n  \"é\": \"\\u00e9<>\",\n  \"m\": {},\n  \"n\": [],\n  \"quantization_config\": " + quoted + "\n}\n"},
		{"replaced in place", `{"a":1,"quantization_config":{"x":[{}]},"b":2}`, "{\n  \"a\": 1,\n  \"quantization_config\": " + quoted + ",\n  \"b\": 2\n}\n"},
		{"key by escape", `{"quantization\u005fconfig":null}`, "{\n  \"quantization\\u005fconfig\": " + quoted + "\n}\n"},
		{"only below", `{"a":{"quantization_config":1}}`, "{\n  \"a\": {\n    \"quantization_config\": 1\n  },\n  \"quantization_config\": " + quoted + "\n}\n"},
		{"brace in a string", "{\"a\":\"}\"}", "{\n  \"a\": \"}\",\n  \"quantization_config\": " + quoted + "\n}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			raw := []byte(c.raw)
			got, err := WithQuantization(raw, q)
			if err != nil || string(got) != c.want {
				t.Fatalf("%v\n%s\nwant\n%s", err, got, c.want)
			}
			if string(raw) != c.raw {
				t.Fatal("the input was changed")
			}
			again, err := WithQuantization(got, q)
			if err != nil || string(again) != c.want {
				t.Fatalf("a second time: %v\n%s", err, again)
			}
		})
	}
	if got, err := WithKey([]byte(`{"do_sample":false}`), "do_sample", true); err != nil || string(got) != "{\n  \"do_sample\": true\n}\n" {
		t.Fatal(string(got), err)
	}
	if _, err := WithQuantization([]byte("{}"), func() {}); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
}

func TestBadConfig(t *testing.T) {
	for _, c := range []struct{ name, raw, want string }{
		{"empty", "", "text ends"},
		{"array", "[]", "an object is due"},
		{"null", "null", "an object is due"},
		{"byte order mark", "\ufeff{}", "an object is due"},
		{"rest", "{}1", "the end is due"},
		{"unfinished", `{"a":1`, "a comma or }"},
		{"NaN", `{"a":NaN}`, "a value is due"},
		{"Infinity", `{"a":Infinity}`, "a value is due"},
		{"minus Infinity", `{"a":-Infinity}`, "a digit is due"},
		{"plus", `{"a":+1}`, "a value is due"},
		{"leading zero", `{"a":01}`, "leading zeros"},
		{"no digits", `{"a":1.}`, "a digit is due"},
		{"no exponent", `{"a":1e}`, "a digit is due"},
		{"comma", `{"a":1,}`, "a string is due"},
		{"comment", "{//\n}", "a string is due"},
		{"duplicate key", `{"a":1,"a":1}`, `duplicate key "a"`},
		{"duplicate key by escape", `{"a":1,"\u0061":1}`, `duplicate key "a"`},
		{"duplicate key below", `{"x":[{"a":1,"a":1}]}`, `duplicate key "a"`},
		{"duplicate of the twentieth key", `{"a":{"0":0,"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"10":0,"11":0,"12":0,"13":0,"14":0,"15":0,"16":0,"17":0,"18":0,"19":0,"19":0}}`, `duplicate key "19"`},
		{"not UTF-8", "{\"a\":\"\xff\"}", "not UTF-8"},
		{"control character", "{\"a\":\"\x01\"}", "control character"},
		{"lone surrogate", `{"a":"\udfff"}`, "lone surrogate"},
		{"66 levels", `{"a":` + strings.Repeat("[", 65) + strings.Repeat("]", 65) + `}`, "deeper than 64"},
		{"too large", `{"a":"` + strings.Repeat("a", MaxConfigBytes) + `"}`, "limit 16777216"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := WithQuantization([]byte(c.raw), 1); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), c.want) {
				t.Fatal(err)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(c.raw), 0o666); err != nil {
				t.Fatal(err)
			}
			if _, err := ReadConfig(dir); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "config.json") {
				t.Fatal(err)
			}
		})
	}
	deep := `{"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}`
	if _, err := WithQuantization([]byte(deep), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConfig(t.TempDir()); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5e-3,{"b":null}],"quantization_config":{"x":1},"é":"\ud83d\ude00"}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Add([]byte(`{"a":NaN}`))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, err := WithQuantization(raw, map[string]int{"bits": 4})
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("no sentinel: %v", err)
			}
			return
		}
		var before, after map[string]any
		if err := json.Unmarshal(raw, &before); err != nil {
			t.Skip("a number beyond float64") // the grammar was checked by Indent
		}
		if err := json.Unmarshal(out, &after); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(after[quantizationKey], map[string]any{"bits": 4.0}) {
			t.Fatalf("%v", after[quantizationKey])
		}
		delete(before, quantizationKey)
		delete(after, quantizationKey)
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%v became %v", before, after)
		}
		again, err := WithQuantization(out, map[string]int{"bits": 4})
		if err != nil || string(again) != string(out) {
			t.Fatalf("not stable: %v\n%s\n%s", err, out, again)
		}
	})
}
