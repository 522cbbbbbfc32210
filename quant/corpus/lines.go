// JSON objects, one a line. Empty lines are passed over.

package corpus

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

type lines struct {
	name   string
	r      *bufio.Reader
	closer io.Closer
	column string
	limit  int
	line   int64 // the number of the line read last, from 1
	offset int64 // where the next line begins
	found  bool
	err    error
}

func newLines(name string, r *bufio.Reader, c io.Closer, column string) Source {
	return &lines{name: name, r: r, closer: c, column: column, limit: maxDocument}
}

func (l *lines) Next() (Sample, error) {
	for l.err == nil {
		var s Sample
		var ok bool
		if s, ok, l.err = l.next(); l.err == nil && ok {
			l.found = true
			return s, nil
		}
	}
	return Sample{}, l.err
}

func (l *lines) next() (Sample, bool, error) {
	begin := l.offset
	line, err := l.read()
	if errors.Is(err, io.EOF) {
		if !l.found {
			err = fmt.Errorf("%s: %w: empty, no document in %d lines", l.name, ErrText, l.line)
		}
		return Sample{}, false, err
	}
	place := fmt.Sprintf("%s:%d", l.name, l.line)
	if err != nil {
		return Sample{}, false, fmt.Errorf("%s: %w", place, err)
	}
	if err := checkUTF8(place, string(line), begin); err != nil {
		return Sample{}, false, err
	}
	if l.line == 1 {
		line = bytes.TrimPrefix(line, []byte(bom))
	}
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return Sample{}, false, nil
	}
	return parseObject(line, l.column, place)
}

// read gives the next line with its end; io.EOF when there is none.
func (l *lines) read() ([]byte, error) {
	var line []byte
	l.line++
	for {
		part, err := l.r.ReadSlice('\n')
		line = append(line, part...)
		l.offset += int64(len(part))
		switch {
		case len(line) > l.limit:
			return nil, fmt.Errorf("%w: a line of more than %d bytes", ErrText, l.limit)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case errors.Is(err, io.EOF):
			l.line--
		}
		return line, err
	}
}

func (l *lines) Close() error { return closeAll(l.closer) }
