// Files of another writer, read back row by row; the rows they hold are written beside them.

package parquet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rows gives every row of a file as a line of JSON.
func rows(b []byte, names ...string) (lines []string, err error) {
	f, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		names = f.Columns()
	}
	r, err := f.Rows(names...)
	for err == nil {
		var cells []json.RawMessage
		if cells, err = r.Next(); err == nil {
			parts := make([]string, len(cells))
			for i, c := range cells {
				parts[i] = string(c)
			}
			lines = append(lines, "["+strings.Join(parts, ",")+"]")
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return lines, err
}

func TestFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.parquet")
	if err != nil || len(files) < 25 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".parquet")
		kind, _, _ := strings.Cut(name, "_")
		if kind == "no" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			got, err := rows(read(t, name+".parquet"))
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Split(strings.TrimSuffix(string(read(t, kind+".jsonl")), "\n"), "\n")
			if len(got) != len(want) {
				t.Fatalf("%d rows, want %d", len(got), len(want))
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("row %d:\n got %s\nwant %s", i+1, got[i], want[i])
				}
				if !json.Valid([]byte(got[i])) {
					t.Errorf("row %d is not JSON: %s", i+1, got[i])
				}
			}
		})
	}
}

// TestSomeColumns reads a column alone and columns in another order.
func TestSomeColumns(t *testing.T) {
	b := read(t, "base_snappy_v1_dict.parquet")
	var want [][]json.RawMessage
	for _, line := range strings.Split(strings.TrimSpace(string(read(t, "base.jsonl"))), "\n") {
		var row []json.RawMessage
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		want = append(want, row)
	}
	for _, order := range [][]int{{0}, {1}, {2}, {2, 0}} {
		names := make([]string, len(order))
		for i, c := range order {
			names[i] = []string{"text", "messages", "input_ids"}[c]
		}
		got, err := rows(b, names...)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%v: %d rows, %v", names, len(got), err)
		}
		for i, row := range want {
			parts := make([]string, len(order))
			for j, c := range order {
				parts[j] = string(row[c])
			}
			if line := "[" + strings.Join(parts, ",") + "]"; got[i] != line {
				t.Errorf("%v, row %d: got %s, want %s", names, i+1, got[i], line)
			}
		}
	}
}

func TestNotRead(t *testing.T) {
	for _, c := range []struct{ file, column, want string }{
		{"no_brotli", "", `row group 0, column "text": not read from parquet: compression 4, Brotli; none, Snappy, gzip and Zstandard are read`},
		{"no_lz4", "", `row group 0, column "text": not read from parquet: compression 7, LZ4 raw; none, Snappy, gzip and Zstandard are read`},
		{"no_types", "map", `column "map": not read from parquet: a map, "map"`},
		{"no_types", "when", `column "when": not read from parquet: "when" of type 2, annotation -1, logical type 8`},
		{"no_types", "bytes", `row 1, column "bytes": corrupt parquet: not UTF-8: byte 0xff at offset 0 of 1`},
		{"no_types", "floats", `column "floats": not read from parquet: "element" of type 7, annotation -1, logical type 15`},
		{"no_text", "text", `not read from parquet: no column "text"`},
		{"no_rows", "text", `<nil>`},
	} {
		names := []string{c.column}
		if c.column == "" {
			names = nil
		}
		if _, err := rows(read(t, c.file+".parquet"), names...); fmt.Sprint(err) != c.want {
			t.Errorf("%s, %s:\n got %v\nwant %s", c.file, c.column, err, c.want)
		}
	}
}

// known says whether a failure is of one of the two kinds, on one line.
func known(err error) bool {
	return err == nil || (errors.Is(err, ErrCorrupt) || errors.Is(err, ErrUnsupported)) && !strings.ContainsAny(err.Error(), "\n\r")
}

// TestCut cuts files everywhere, and TestFlip changes bytes of some: an error of a known kind or rows, never a panic.
func TestCut(t *testing.T) {
	for _, name := range []string{"base_zstd_v2_dict", "types_v1"} {
		b := read(t, name+".parquet")
		for n := 0; n < len(b); n += 1 + n/20 {
			if _, err := rows(b[:n]); err == nil || !known(err) {
				t.Errorf("%s, %d bytes: %v", name, n, err)
			}
		}
	}
}

func TestFlip(t *testing.T) {
	for _, name := range []string{"base_none_v1_plain", "base_snappy_v2_dict", "delta_byte_v1", "types_v2"} {
		b := read(t, name+".parquet")
		failed := 0
		step := 1 + len(b)/2000
		for i := 0; i < len(b); i += step {
			was := b[i]
			b[i] ^= []byte{0xff, 0x01, 0x80}[i/step%3]
			f, err := Open(bytes.NewReader(b), int64(len(b)))
			if err == nil {
				f.pageValues = 1000
				err = walk(f)
			}
			if !known(err) {
				t.Fatalf("%s, byte %d: %v", name, i, err)
			}
			if err != nil {
				failed++
			}
			b[i] = was
		}
		if failed < len(b)/step/4 {
			t.Errorf("%s: only %d of %d changes were noticed", name, failed, len(b)/step)
		}
	}
}

// walk reads every column that can be read, by itself.
func walk(f *File) error {
	var failed error
	for _, name := range f.Columns() {
		r, err := f.Rows(name)
		for n := 0; err == nil && n < 5000; n++ {
			_, err = r.Next()
		}
		if err != nil && !errors.Is(err, io.EOF) {
			failed = err
		}
	}
	return failed
}

func FuzzParquet(f *testing.F) {
	files, err := filepath.Glob("testdata/*.parquet")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add(read(f, filepath.Base(file)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := Open(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			file.pageValues = 1000
			err = walk(file)
		}
		if !known(err) {
			t.Fatal(err)
		}
	})
}
