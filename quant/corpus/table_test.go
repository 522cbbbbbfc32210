// Parquet tables as documents: the same rows give the same documents as a table and as JSON lines.

package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const tables = "parquet/testdata/"

func TestTable(t *testing.T) {
	rows, err := os.ReadFile(tables + "base.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(string(rows)), "\n") {
		var row []json.RawMessage
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, `{"text":%s,"messages":%s,"input_ids":%s}`+"\n", row[0], row[1], row[2])
	}
	path := filepath.Join(t.TempDir(), "base.jsonl")
	if err := os.WriteFile(path, []byte(lines.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	collect := func(path, column string) (all []Sample) {
		t.Helper()
		src, err := Open(path, Options{Column: column})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		for {
			s, err := src.Next()
			if err != nil {
				if err.Error() != "EOF" {
					t.Fatal(err)
				}
				return all
			}
			_, s.Place, _ = strings.Cut(s.Place, filepath.Ext(path))
			all = append(all, s)
		}
	}
	for _, column := range []string{"", "text", "messages", "input_ids"} {
		want := collect(path, column)
		if len(want) < 20 {
			t.Fatalf("%q: only %d documents", column, len(want))
		}
		for _, name := range []string{"base_gzip_v1_plain", "base_zstd_v2_dict"} {
			if got := collect(tables+name+".parquet", column); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, column %q:\n got %v\nwant %v", name, column, got, want)
			}
		}
	}
}

func TestTableErrors(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"empty": "", "short": "PAR1", "text": "this is no table at all", "footer": "PAR1\xff\xff\xff\x7fPAR1"} {
		if err := os.WriteFile(filepath.Join(dir, name+".parquet"), []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		dir, file, column, want string
		kind                    error
	}{
		{dir, "empty", "", "open: empty.parquet: unusable text: empty, 0 bytes", ErrText},
		{dir, "short", "", "open: short.parquet: unusable text: corrupt parquet: 4 bytes are too few for a file", ErrText},
		{dir, "text", "", `open: text.parquet: unusable text: corrupt parquet: it ends in " all", not in "PAR1"`, ErrText},
		{dir, "footer", "", "open: footer.parquet: unusable text: corrupt parquet: metadata of 2147483647 bytes in a file of 12", ErrText},
		{tables, "no_text", "", "open: no_text.parquet: unusable text: no column `text` or `messages` or `input_ids`; there are `id`, `body`", ErrText},
		{tables, "no_text", "body", `no_text.parquet:1 "y"; `, nil},
		{tables, "no_text", "id", "error: no_text.parquet:1: unusable text: `id`: the number 1 where a string is wanted", ErrText},
		{tables, "no_rows", "", "error: no_rows.parquet: unusable text: empty, no document in 0 rows", ErrText},
		{tables, "no_brotli", "", "error: no_brotli.parquet: unsupported: row group 0, column \"text\": not read from parquet: compression 4, Brotli; none, Snappy, gzip and Zstandard are read", ErrUnsupported},
		{tables, "no_types", "map", `open: no_types.parquet: unsupported: column "map": not read from parquet: a map, "map"`, ErrUnsupported},
		{tables, "no_types", "bytes", `error: no_types.parquet: unusable text: row 1, column "bytes": corrupt parquet: not UTF-8: byte 0xff at offset 0 of 1`, ErrText},
	} {
		path := filepath.Join(c.dir, c.file+".parquet")
		src, err := Open(path, Options{Column: c.column})
		got := strings.ReplaceAll(strings.ReplaceAll(show(src, err), c.dir+string(filepath.Separator), ""), tables, "")
		if got != c.want {
			t.Errorf("%s, %q:\n got %s\nwant %s", c.file, c.column, got, c.want)
		}
		if err == nil {
			if src, err = Open(path, Options{Column: c.column}); err == nil {
				_, err = src.Next()
			}
			src.Close()
		}
		if !errors.Is(err, c.kind) {
			t.Errorf("%s, %q: %v is not %v", c.file, c.column, err, c.kind)
		}
	}
}
