// Package corpus reads the texts that a model is calibrated and evaluated with: plain text, JSON objects, parquet tables, and
// a text of its own for those who bring none. This file says what a document is and picks the reader by the file's name.
package corpus

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

var (
	// ErrText says that a text can't be used as it is: empty, not UTF-8, not JSON, without the wanted column, a broken table.
	ErrText = errors.New("unusable text")
	// ErrUnsupported says that a text is of a kind that is not read here.
	ErrUnsupported = errors.New("unsupported")
)

// Sample is one document. An object may give several of the three forms; the caller chooses.
type Sample struct {
	Text     string
	Messages json.RawMessage // a chat: an array of objects, as it stood in the file
	IDs      []int32         // tokens; not nil when the object has `input_ids`
	Place    string          // "file.jsonl:17", for errors
}

// Source gives documents in the order of the file. Next ends with io.EOF, or with an error that every later call repeats.
type Source interface {
	Next() (Sample, error)
	Close() error
}

// Options say how to read a text.
type Options struct {
	// Column names the field that holds the document: a string, a chat or a list of tokens. "" and "text" mean whichever of
	// `text`, `messages` and `input_ids` are there.
	Column string
	// Stdin is what the path "-" reads.
	Stdin io.Reader
}

// maxDocument bounds one document: a text file, a JSON line or element, a cell of a table.
const maxDocument = 256 << 20

const defaultColumn = "text"

// wanted lists the columns that are read without an explicit one.
func wanted() []string { return []string{defaultColumn, "messages", "input_ids"} }

// Kinds lists the file name extensions that Open knows.
func Kinds() []string { return []string{".txt", ".jsonl", ".ndjson", ".json", ".parquet"} }

// Open reads a text by its file name's extension, or standard input by its content where path is "-".
func Open(path string, opt Options) (Source, error) {
	if opt.Column == "" {
		opt.Column = defaultColumn
	}
	if path == "-" {
		return openStdin(opt)
	}
	ext := strings.ToLower(filepath.Ext(path))
	switch ext {
	case ".txt", ".jsonl", ".ndjson", ".json", ".parquet":
	default:
		return nil, fmt.Errorf("%s: %w: extension %q is not one of %s", path, ErrUnsupported, ext, strings.Join(Kinds(), " "))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.IsDir() {
		err = fmt.Errorf("%s: %w: a directory, not a file", path, ErrText)
	}
	var src Source
	if err == nil {
		switch ext {
		case ".txt":
			src = newText(path, f, f)
		case ".jsonl", ".ndjson":
			src = newLines(path, bufio.NewReaderSize(f, 1<<16), f, opt.Column)
		case ".json":
			src = newValues(path, bufio.NewReaderSize(f, 1<<16), f, opt.Column)
		case ".parquet":
			src, err = newTable(path, f, f, info.Size(), opt.Column)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return src, nil
}

// openStdin tells JSON from text by the first characters: an object that begins with a key, or an array that begins with an
// object, is nothing that a plain text begins with.
func openStdin(opt Options) (Source, error) {
	const name = "standard input"
	if opt.Stdin == nil {
		return nil, fmt.Errorf("%s: %w: there is none", name, ErrText)
	}
	r := bufio.NewReaderSize(opt.Stdin, 1<<16)
	begin, err := opening(r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case begin == "PA":
		if head, _ := r.Peek(4); string(head) == "PAR1" {
			return nil, fmt.Errorf("%s: %w: a parquet table is read from its end, so it has to be a file", name, ErrUnsupported)
		}
	case begin == `{"`, begin == `{}`:
		return newLines(name, r, nil, opt.Column), nil
	case begin == `[{`:
		return newValues(name, r, nil, opt.Column), nil
	}
	return newText(name, r, nil), nil
}

// opening is the first two characters that are neither white space nor a byte order mark, as far as the buffer reaches. It
// looks at no more of a slow pipe than it needs.
func opening(r *bufio.Reader) (string, error) {
	var begin []byte
	for n := 1; n <= r.Size() && len(begin) < 2; n++ {
		head, err := r.Peek(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		switch c := head[n-1]; {
		case c == ' ', c == '\t', c == '\n', c == '\r', n <= len(bom) && c == bom[n-1]:
		default:
			begin = append(begin, c)
		}
	}
	return string(begin), nil
}

// closeAll closes what a source was opened on; nil for standard input, which belongs to the caller.
func closeAll(c io.Closer) error {
	if c == nil {
		return nil
	}
	return c.Close()
}
