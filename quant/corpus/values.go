// A JSON file: an array of objects, or objects one after the other, read element by element.

package corpus

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

type values struct {
	name   string
	r      *budget
	closer io.Closer
	column string
	dec    *json.Decoder
	array  bool
	base   int64 // bytes before the decoder's first
	count  int64
	found  bool
	err    error
}

func newValues(name string, r *bufio.Reader, c io.Closer, column string) Source {
	v := &values{name: name, r: &budget{r: r, limit: maxDocument}, closer: c, column: column}
	if head, _ := r.Peek(len(bom)); string(head) == bom {
		v.base = int64(len(bom))
		_, v.err = r.Discard(len(bom))
	}
	v.dec = json.NewDecoder(v.r)
	return v
}

func (v *values) Next() (Sample, error) {
	for v.err == nil {
		var s Sample
		var ok bool
		if s, ok, v.err = v.next(); v.err == nil && ok {
			v.found = true
			return s, nil
		}
	}
	return Sample{}, v.err
}

func (v *values) next() (Sample, bool, error) {
	if v.count == 0 && !v.array {
		if err := v.begin(); err != nil {
			return Sample{}, false, err
		}
	}
	v.r.left = v.r.limit
	if v.array && !v.dec.More() {
		return Sample{}, false, v.end()
	}
	var raw json.RawMessage
	if err := v.dec.Decode(&raw); err != nil {
		if errors.Is(err, io.EOF) && !v.array {
			return Sample{}, false, v.finished()
		}
		return Sample{}, false, v.fail(err)
	}
	v.count++
	place := fmt.Sprintf("%s:%d", v.name, v.count)
	if err := checkUTF8(place, string(raw), v.base+v.dec.InputOffset()-int64(len(raw))); err != nil {
		return Sample{}, false, err
	}
	return parseObject(raw, v.column, place)
}

// begin steps into the array, if the file is one.
func (v *values) begin() error {
	v.r.left = v.r.limit
	head := make([]byte, 0, 1)
	for {
		c, err := v.r.r.Peek(1)
		if errors.Is(err, io.EOF) {
			return v.finished()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		if !strings.ContainsRune(" \t\r\n", rune(c[0])) {
			head = append(head, c[0])
			break
		}
		if _, err := v.r.r.Discard(1); err != nil {
			return fmt.Errorf("%s: %w", v.name, err)
		}
		v.base++
	}
	if head[0] != '[' {
		return nil
	}
	v.array = true
	if _, err := v.dec.Token(); err != nil {
		return v.fail(err)
	}
	return nil
}

// end steps out of the array; nothing may follow.
func (v *values) end() error {
	if _, err := v.dec.Token(); err != nil {
		return v.fail(err)
	}
	if _, err := v.dec.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: %w: something follows the array, at byte %d", v.name, ErrText, v.base+v.dec.InputOffset())
	}
	return v.finished()
}

func (v *values) finished() error {
	if !v.found {
		return fmt.Errorf("%s: %w: empty, no document in %d objects", v.name, ErrText, v.count)
	}
	return io.EOF
}

// fail says where the file stops being JSON.
func (v *values) fail(err error) error {
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("%s: %w: not JSON after %d objects, near byte %d: %w", v.name, ErrText, v.count, v.base+syntax.Offset, err)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: %w: not JSON: the file ends within the array or object %d", v.name, ErrText, v.count+1)
	}
	return fmt.Errorf("%s: %w", v.name, err)
}

func (v *values) Close() error { return closeAll(v.closer) }

// budget stops a decoder that would gather one value without end.
type budget struct {
	r     *bufio.Reader
	limit int64
	left  int64
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("%w: an object of more than %d bytes", ErrText, b.limit)
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}
