// Every kind of text file but parquet: what is read, and what is said of a file that can't be.

package corpus

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// show writes what a source gives in one string, so that cases can be compared as text.
func show(src Source, err error) string {
	if err != nil {
		return "open: " + err.Error()
	}
	var b strings.Builder
	for {
		s, err := src.Next()
		if err != nil {
			if _, again := src.Next(); again != err {
				fmt.Fprintf(&b, "the end changes from %v to %v; ", err, again)
			}
			if closed := src.Close(); closed != nil {
				fmt.Fprintf(&b, "close: %v; ", closed)
			}
			if !errors.Is(err, io.EOF) {
				b.WriteString("error: " + err.Error())
			}
			return b.String()
		}
		fmt.Fprintf(&b, "%s", s.Place)
		if s.Text != "" {
			fmt.Fprintf(&b, " %q", s.Text)
		}
		if s.Messages != nil {
			fmt.Fprintf(&b, " chat %s", s.Messages)
		}
		if s.IDs != nil {
			fmt.Fprintf(&b, " ids %v", s.IDs)
		}
		b.WriteString("; ")
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for i, c := range []struct {
		name, content, column, want string
	}{
		// Text.
		{"a.txt", "one\r\n\r\ntwo\n", "", `a.txt "one\r\n\r\ntwo\n"; `},
		{"a.TXT", "\ufeffé\ufeff", "", `a.TXT "é\ufeff"; `},
		{"a.txt", "", "", `error: a.txt: unusable text: empty, 0 bytes`},
		{"a.txt", "\ufeff \n\n", "", `error: a.txt: unusable text: empty, 6 bytes`},
		{"a.txt", "abc\xff", "", `error: a.txt: unusable text: not UTF-8: byte 0xff at offset 3`},
		{"a.txt", "\xff\xfea\x00", "", `error: a.txt: unusable text: not UTF-8: byte 0xff at offset 0; it looks like UTF-16`},
		{"a.txt", "{\"text\":1}", "", `a.txt "{\"text\":1}"; `},
		{"a.doc", "x", "", `open: a.doc: unsupported: extension ".doc" is not one of .txt .jsonl .ndjson .json .parquet`},
		{"a", "x", "", `open: a: unsupported: extension "" is not one of .txt .jsonl .ndjson .json .parquet`},
		// Lines.
		{"a.jsonl", "{\"text\":\"x\"}\r\n\n \n{\"id\":1, \"text\":\"y\\n\\u00e9\\ud83d\\ude00\"}", "", `a.jsonl:1 "x"; a.jsonl:4 "y\né😀"; `},
		{"a.ndjson", "\ufeff{\"text\":\"x\"}\n", "", `a.ndjson:1 "x"; `},
		{"a.jsonl", `{"input_ids":[0,5,2147483647]}` + "\n" + `{"input_ids":[]}`, "", `a.jsonl:1 ids [0 5 2147483647]; a.jsonl:2 ids []; `},
		{"a.jsonl", `{"messages":[ {"role":"user" , "z":1,"content":"é"}],"text":"t"}`, "", `a.jsonl:1 "t" chat [ {"role":"user" , "z":1,"content":"é"}]; `},
		{"a.jsonl", `{"messages":[]}`, "", `a.jsonl:1 chat []; `},
		{"a.jsonl", `{"text":null}` + "\n" + `{"text":null,"messages":[{}]}` + "\n" + `{"text":""}`, "", `a.jsonl:2 chat [{}]; a.jsonl:3; `},
		{"a.jsonl", `{"prompt":"p","text":"t"}`, "prompt", `a.jsonl:1 "p"; `},
		{"a.jsonl", `{"c":[ {"role":"a"}]}` + "\n" + `{"c":[7]}`, "c", `a.jsonl:1 chat [ {"role":"a"}]; a.jsonl:2 ids [7]; `},
		{"a.jsonl", `{"text":"a\\ud800"}`, "", `a.jsonl:1 "a\\ud800"; `},
		{"a.jsonl", "", "", `error: a.jsonl: unusable text: empty, no document in 0 lines`},
		{"a.jsonl", "\n\n{\"text\":null}\n", "", `error: a.jsonl: unusable text: empty, no document in 3 lines`},
		{"a.jsonl", "{\"text\":\"x\"}\n{\"text\":", "", `a.jsonl:1 "x"; error: a.jsonl:2: unusable text: not JSON: unexpected end of JSON input, at byte 8 of 8`},
		{"a.jsonl", "plain text", "", `error: a.jsonl:1: unusable text: not JSON: invalid character 'p' looking for beginning of value, at byte 1 of 10`},
		{"a.jsonl", `["x"]`, "", `error: a.jsonl:1: unusable text: a list where an object is wanted`},
		{"a.jsonl", `null`, "", `error: a.jsonl:1: unusable text: null where an object is wanted`},
		{"a.jsonl", `"s"`, "", `error: a.jsonl:1: unusable text: a string where an object is wanted`},
		{"a.jsonl", `{"text":"a"} {"text":"b"}`, "", `error: a.jsonl:1: unusable text: not JSON: invalid character '{' after top-level value, at byte 14 of 25`},
		{"a.jsonl", `{"url":"","body":"x"}`, "", "error: a.jsonl:1: unusable text: no column `text` or `messages` or `input_ids`; there are `body`, `url`"},
		{"a.jsonl", `{"text":"x"}`, "body", "error: a.jsonl:1: unusable text: no column `body`; there are `text`"},
		{"a.jsonl", `{}`, "", "error: a.jsonl:1: unusable text: no column `text` or `messages` or `input_ids`; there are none"},
		{"a.jsonl", `{"text":5}`, "", "error: a.jsonl:1: unusable text: `text`: the number 5 where a string is wanted"},
		{"a.jsonl", `{"text":true}`, "", "error: a.jsonl:1: unusable text: `text`: a truth value where a string is wanted"},
		{"a.jsonl", `{"t":{}}`, "t", "error: a.jsonl:1: unusable text: `t`: an object where a string is wanted"},
		{"a.jsonl", `{"text":"a\ud800b"}`, "", "error: a.jsonl:1: unusable text: `text`: half a surrogate pair, \\ud800, at byte 2"},
		{"a.jsonl", `{"text":"\udc00\ud800"}`, "", "error: a.jsonl:1: unusable text: `text`: half a surrogate pair, \\udc00, at byte 1"},
		{"a.jsonl", `{"messages":"x"}`, "", "error: a.jsonl:1: unusable text: `messages`: a string where a list of messages is wanted"},
		{"a.jsonl", `{"messages":[{},3]}`, "", "error: a.jsonl:1: unusable text: `messages`: message 2 is the number 3, not an object"},
		{"a.jsonl", `{"input_ids":[1,-1]}`, "", "error: a.jsonl:1: unusable text: `input_ids`: entry 2, -1, is not a token id"},
		{"a.jsonl", `{"input_ids":[1,null]}`, "", "error: a.jsonl:1: unusable text: `input_ids`: entry 2, null, is not a token id"},
		{"a.jsonl", `{"input_ids":[2147483648]}`, "", "error: a.jsonl:1: unusable text: `input_ids`: entry 1, 2147483648, is not a token id"},
		{"a.jsonl", `{"input_ids":[1.0]}`, "", "error: a.jsonl:1: unusable text: `input_ids`: entry 1, 1.0, is not a token id"},
		{"a.jsonl", `{"input_ids":"5"}`, "", "error: a.jsonl:1: unusable text: `input_ids`: a string where a list of token ids is wanted"},
		{"a.jsonl", "{\"text\":\"x\"}\n{\"text\":\"é\xc3\"}", "", `a.jsonl:1 "x"; error: a.jsonl:2: unusable text: not UTF-8: byte 0xc3 at offset 24`},
		{"a.jsonl", strings.Repeat(`{"x":`, 20000), "", `error: a.jsonl:1: unusable text: not JSON: invalid character '{' exceeded max depth, at byte 50001 of 100000`},
		// Arrays and objects in a row.
		{"a.json", `[{"text":"x"}, {"text":"y"}]`, "", `a.json:1 "x"; a.json:2 "y"; `},
		{"a.json", "\ufeff\n {\n \"text\": \"x\"\n}\n{\"text\":\"y\"}", "", `a.json:1 "x"; a.json:2 "y"; `},
		{"a.json", "", "", `error: a.json: unusable text: empty, no document in 0 objects`},
		{"a.json", "[ ]", "", `error: a.json: unusable text: empty, no document in 0 objects`},
		{"a.json", `[{"text":"x"}`, "", `a.json:1 "x"; error: a.json: unusable text: not JSON: the file ends within the array or object 2`},
		{"a.json", `[{"text":"x"`, "", `error: a.json: unusable text: not JSON: the file ends within the array or object 1`},
		{"a.json", `{"text":"x"`, "", `error: a.json: unusable text: not JSON: the file ends within the array or object 1`},
		{"a.json", ` [{"text":"x"};`, "", `a.json:1 "x"; error: a.json: unusable text: not JSON after 1 objects, near byte 14: expected comma after array element`},
		{"a.json", `[{"text":"x"}] 5`, "", `a.json:1 "x"; error: a.json: unusable text: something follows the array, at byte 16`},
		{"a.json", `["x"]`, "", `error: a.json:1: unusable text: a string where an object is wanted`},
		{"a.json", "[{\"text\":\"x\"},\n {\"text\":\"\xff\"}]", "", `a.json:1 "x"; error: a.json:2: unusable text: not UTF-8: byte 0xff at offset 25`},
		{"a.json", `hello`, "", `error: a.json: unusable text: not JSON after 0 objects, near byte 1: invalid character 'h' looking for beginning of value`},
	} {
		t.Run(fmt.Sprintf("%02d%s", i, filepath.Ext(c.name)), func(t *testing.T) {
			sub := filepath.Join(dir, fmt.Sprint(i))
			if err := os.Mkdir(sub, 0o777); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(sub, c.name)
			if err := os.WriteFile(path, []byte(c.content), 0o666); err != nil {
				t.Fatal(err)
			}
			src, err := Open(path, Options{Column: c.column})
			if got := strings.ReplaceAll(show(src, err), sub+string(filepath.Separator), ""); got != c.want {
				t.Errorf("%.80q, column %q:\n got %s\nwant %s", c.content, c.column, got, c.want)
			}
		})
	}
}

func TestOpenStdin(t *testing.T) {
	for _, c := range []struct{ content, want string }{
		{"some text\n", `standard input "some text\n"; `},
		{"x", `standard input "x"; `},
		{"", `error: standard input: unusable text: empty, 0 bytes`},
		{"[1] The first\n", `standard input "[1] The first\n"; `},
		{"{x}", `standard input "{x}"; `},
		{"{\"text\":\"a\"}\n{\"text\":\"b\"}\n", `standard input:1 "a"; standard input:2 "b"; `},
		{"\ufeff\n\n { \"text\":\"a\"}", `standard input:3 "a"; `},
		{"\n[\n {\"text\":\"a\"}]", `standard input:1 "a"; `},
		{"\xff", `error: standard input: unusable text: not UTF-8: byte 0xff at offset 0`},
		{"PAR1....", `open: standard input: unsupported: a parquet table is read from its end, so it has to be a file`},
		{strings.Repeat(" ", 70000) + "a", `standard input "` + strings.Repeat(" ", 70000) + `a"; `},
	} {
		for _, r := range []io.Reader{strings.NewReader(c.content), iotest.OneByteReader(strings.NewReader(c.content))} {
			if got := show(Open("-", Options{Stdin: r})); got != c.want {
				t.Errorf("%.80q:\n got %.200s\nwant %.200s", c.content, got, c.want)
			}
		}
	}
	if got := show(Open("-", Options{})); got != "open: standard input: unusable text: there is none" {
		t.Errorf("without standard input: %s", got)
	}
	broken := errors.New("broken pipe")
	for _, begin := range []string{"", "text", "{\"text\":\"x\"}\n", "[{\"text\":\"x\"},"} {
		src, err := Open("-", Options{Stdin: io.MultiReader(strings.NewReader(begin), iotest.ErrReader(broken))})
		for err == nil {
			_, err = src.Next()
		}
		if !errors.Is(err, broken) {
			t.Errorf("after %q: %v", begin, err)
		}
	}
}

func TestOpenFile(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none.txt"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "folder.txt")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrText) {
		t.Errorf("a folder: %v", err)
	}
}

// TestEndless holds a limit against input that never ends.
func TestEndless(t *testing.T) {
	r := func(begin string) *bufio.Reader {
		return bufio.NewReader(io.MultiReader(strings.NewReader(begin), endless{}))
	}
	array := newValues("x", r(`[{"text": "`), nil, "text").(*values)
	array.r.limit = 100000
	for want, src := range map[string]Source{
		"x: unusable text: a document of more than 100000 bytes": &text{name: "x", r: r(""), limit: 100000},
		"x:1: unusable text: a line of more than 100000 bytes":   &lines{name: "x", r: r(`{"text":"`), limit: 100000},
		"x: unusable text: an object of more than 100000 bytes":  array,
	} {
		if got := show(src, nil); got != "error: "+want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// FuzzJSONL reads anything as lines, as an array and as standard input: an error or documents, never a panic.
func FuzzJSONL(f *testing.F) {
	for _, seed := range []string{
		"{\"text\":\"x\"}\n{\"text\":null}\n", `{"messages":[{"role":"user","content":"x"}]}`, `{"input_ids":[1,2]}`,
		`[{"text":"a"},{"text":"b"}]`, "{\"text\":\"\xff\"}", "{\"text\":\"\\ud83d\\ude00\"}", "\ufeff{}", "[[[[", "{\"c\":[{}]}",
	} {
		f.Add(seed, "")
		f.Add(seed, "c")
	}
	f.Fuzz(func(t *testing.T, content, column string) {
		for _, kind := range []string{".jsonl", ".json", "-"} {
			src, err := openReader(kind, content, column)
			for err == nil {
				var s Sample
				if s, err = src.Next(); err == nil && s.Place == "" {
					t.Fatal("a document without a place")
				}
			}
			if !errors.Is(err, io.EOF) && !errors.Is(err, ErrText) && !errors.Is(err, ErrUnsupported) {
				t.Fatalf("%s: %v is of no known kind", kind, err)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\n\r") {
				t.Fatalf("%s: %q is more than one line", kind, err)
			}
		}
	})
}

func openReader(kind, content, column string) (Source, error) {
	if column == "" {
		column = defaultColumn
	}
	r := bufio.NewReader(strings.NewReader(content))
	switch kind {
	case ".jsonl":
		return newLines("x.jsonl", r, nil, column), nil
	case ".json":
		return newValues("x.json", r, nil, column), nil
	}
	return Open("-", Options{Column: column, Stdin: r})
}
