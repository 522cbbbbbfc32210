// Package parquet reads columns of a parquet file, row by row, as JSON values. It is made for tables of texts, chats and token
// ids: no statistics, no filters, no writing. A page a column is in memory at a time, and nothing that a file claims is
// believed before the bytes are there. This file is the way in: the footer and the row loop.
package parquet

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrCorrupt says that a file is not what the format asks for.
	ErrCorrupt = errors.New("corrupt parquet")
	// ErrUnsupported says that a file is right but uses something that is not read here.
	ErrUnsupported = errors.New("not read from parquet")
)

const (
	maxFooter     = 64 << 20  // bytes of metadata
	maxHeader     = 1 << 20   // bytes of one page's header
	maxPage       = 512 << 20 // bytes of one page, packed or not
	maxPageValues = 1 << 26   // values of one page; runs make many of them cheap to claim
	maxCell       = 256 << 20 // bytes of one value as JSON
	maxDepth      = 32        // levels of a schema
	magic         = "PAR1"
)

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}

// File is an opened table.
type File struct {
	r          io.ReaderAt
	end        int64 // where the metadata begins, and the data ends
	root       *node
	leaves     []*node
	groups     []rowGroup
	pageValues int
}

// Open reads the metadata of a file of `size` bytes. The file is read from as rows are asked for.
func Open(r io.ReaderAt, size int64) (*File, error) {
	const tail = 8
	if size < int64(len(magic))+tail {
		return nil, corrupt("%d bytes are too few for a file", size)
	}
	var last [tail]byte
	if err := readAt(r, last[:], size-tail); err != nil {
		return nil, err
	}
	switch string(last[4:]) {
	case magic:
	case "PARE":
		return nil, unsupported("encryption")
	default:
		return nil, corrupt("it ends in %q, not in %q", last[4:], magic)
	}
	n := int64(binary.LittleEndian.Uint32(last[:]))
	if n > size-tail-int64(len(magic)) || n > maxFooter {
		return nil, corrupt("metadata of %d bytes in a file of %d", n, size)
	}
	footer := make([]byte, n)
	if err := readAt(r, footer, size-tail-n); err != nil {
		return nil, err
	}
	f := &File{r: r, end: size - tail - n, pageValues: maxPageValues}
	meta, err := parseMetadata(footer)
	if err != nil {
		return nil, err
	}
	if f.root, f.leaves, err = buildSchema(meta.schema); err != nil {
		return nil, err
	}
	for i, g := range meta.groups {
		if len(g.columns) != len(f.leaves) {
			return nil, corrupt("row group %d has %d columns, the schema %d", i, len(g.columns), len(f.leaves))
		}
	}
	f.groups = meta.groups
	return f, nil
}

func readAt(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return corrupt("the file ends at byte %d, %d bytes are wanted at %d", off+int64(n), len(p), off)
	}
	return err
}

// Columns lists the names of the table's columns, in its order.
func (f *File) Columns() []string {
	names := make([]string, len(f.root.children))
	for i, c := range f.root.children {
		names[i] = c.name
	}
	return names
}

// Rows reads the named columns from the first row on.
func (f *File) Rows(names ...string) (*Rows, error) {
	r := &Rows{f: f}
	for _, name := range names {
		found := false
		for _, c := range f.root.children {
			if c.name == name && !found {
				found = true
				if err := c.check(); err != nil {
					return nil, fmt.Errorf("column %.60q: %w", name, err)
				}
				r.roots = append(r.roots, c)
			}
		}
		if !found {
			return nil, fmt.Errorf("%w: no column %.60q", ErrUnsupported, name)
		}
	}
	return r, nil
}

// Rows walks over a table.
type Rows struct {
	f       *File
	roots   []*node
	group   int // the next row group
	left    int64
	columns []*column // by leaf; nil where it is not read
	row     int64
}

// Next gives one row: for each column asked for, a JSON value that is the caller's to keep. It ends with io.EOF.
func (r *Rows) Next() ([]json.RawMessage, error) {
	for r.left == 0 {
		if err := r.finish(); err != nil {
			return nil, err
		}
		if r.group == len(r.f.groups) {
			return nil, io.EOF
		}
		if err := r.open(); err != nil {
			return nil, err
		}
	}
	r.left--
	r.row++
	cells := make([]json.RawMessage, len(r.roots))
	for i, root := range r.roots {
		for _, c := range r.columns[root.first:root.last] {
			rep, _, err := c.peek()
			if err != nil {
				return nil, r.place(root, err)
			}
			if rep != 0 {
				return nil, r.place(root, corrupt("repetition level %d at the begin of a row", rep))
			}
		}
		cell, err := r.append(nil, root)
		if err != nil {
			return nil, r.place(root, err)
		}
		cells[i] = cell
	}
	return cells, nil
}

func (r *Rows) place(root *node, err error) error {
	return fmt.Errorf("row %d, column %.60q: %w", r.row, root.name, err)
}

// open begins the next row group.
func (r *Rows) open() error {
	g := r.f.groups[r.group]
	r.group++
	r.left = g.rows
	r.columns = make([]*column, len(r.f.leaves))
	for _, root := range r.roots {
		for i := root.first; i < root.last; i++ {
			c, err := r.f.openColumn(g.columns[i], r.f.leaves[i])
			if err != nil {
				return fmt.Errorf("row group %d, column %.60q: %w", r.group-1, root.name, err)
			}
			r.columns[i] = c
		}
	}
	return nil
}

// finish checks that a row group's columns have ended with its rows.
func (r *Rows) finish() error {
	for _, c := range r.columns {
		if c == nil {
			continue
		}
		if more, err := c.more(); err != nil {
			return fmt.Errorf("row group %d: %w", r.group-1, err)
		} else if more {
			return corrupt("row group %d: column %.60q has more values than the rows take", r.group-1, c.leaf.name)
		}
	}
	r.columns = nil
	return nil
}
