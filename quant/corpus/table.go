// A parquet table: a document a row. A row becomes the fields of a JSON object, so that both kinds follow the same rules.

package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"libawq/quant/corpus/parquet"
)

type table struct {
	name    string
	closer  io.Closer
	column  string
	columns []string
	rows    *parquet.Rows
	row     int64
	found   bool
	err     error
}

func newTable(name string, r io.ReaderAt, c io.Closer, size int64, column string) (Source, error) {
	if size == 0 {
		return nil, fmt.Errorf("%s: %w: empty, 0 bytes", name, ErrText)
	}
	f, err := parquet.Open(r, size)
	if err != nil {
		return nil, tableError(name, err)
	}
	names := []string{column}
	if column == defaultColumn {
		names = wanted()
	}
	has := f.Columns()
	read := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(has, name) })
	if len(read) == 0 {
		return nil, missing(name, names, has)
	}
	rows, err := f.Rows(read...)
	if err != nil {
		return nil, tableError(name, err)
	}
	return &table{name: name, closer: c, column: column, columns: read, rows: rows}, nil
}

// tableError puts the reader's two kinds of failure in this package's terms.
func tableError(name string, err error) error {
	switch {
	case errors.Is(err, parquet.ErrUnsupported):
		return fmt.Errorf("%s: %w: %w", name, ErrUnsupported, err)
	case errors.Is(err, parquet.ErrCorrupt):
		return fmt.Errorf("%s: %w: %w", name, ErrText, err)
	}
	return fmt.Errorf("%s: %w", name, err)
}

func (t *table) Next() (Sample, error) {
	for t.err == nil {
		var s Sample
		var ok bool
		if s, ok, t.err = t.next(); t.err == nil && ok {
			t.found = true
			return s, nil
		}
	}
	return Sample{}, t.err
}

func (t *table) next() (Sample, bool, error) {
	cells, err := t.rows.Next()
	if errors.Is(err, io.EOF) {
		if !t.found {
			err = fmt.Errorf("%s: %w: empty, no document in %d rows", t.name, ErrText, t.row)
		}
		return Sample{}, false, err
	}
	if err != nil {
		return Sample{}, false, tableError(t.name, err)
	}
	t.row++
	fields := make(map[string]json.RawMessage, len(cells))
	for i, cell := range cells {
		fields[t.columns[i]] = cell
	}
	return choose(fields, t.column, fmt.Sprintf("%s:%d", t.name, t.row))
}

func (t *table) Close() error { return closeAll(t.closer) }
