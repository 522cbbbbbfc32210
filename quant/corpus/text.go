// A text file: one document as it stands. Also what counts as text at all: UTF-8, without a byte order mark.

package corpus

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// bom is UTF-8's byte order mark; only a leading one is dropped.
const bom = "\ufeff"

type text struct {
	name   string
	r      io.Reader
	closer io.Closer
	limit  int64
	err    error
}

func newText(name string, r io.Reader, c io.Closer) Source {
	return &text{name: name, r: r, closer: c, limit: maxDocument}
}

func (t *text) Next() (Sample, error) {
	if t.err != nil {
		return Sample{}, t.err
	}
	s, err := t.read()
	if t.err = err; err == nil {
		t.err = io.EOF
	}
	return s, err
}

func (t *text) read() (Sample, error) {
	var b strings.Builder
	n, err := io.Copy(&b, io.LimitReader(t.r, t.limit+1))
	if err != nil {
		return Sample{}, fmt.Errorf("%s: %w", t.name, err)
	}
	if n > t.limit {
		return Sample{}, fmt.Errorf("%s: %w: a document of more than %d bytes", t.name, ErrText, t.limit)
	}
	if err := checkUTF8(t.name, b.String(), 0); err != nil {
		return Sample{}, err
	}
	s := Sample{Text: strings.TrimPrefix(b.String(), bom), Place: t.name}
	if strings.TrimSpace(s.Text) == "" {
		return Sample{}, fmt.Errorf("%s: %w: empty, %d bytes", t.name, ErrText, n)
	}
	return s, nil
}

func (t *text) Close() error { return closeAll(t.closer) }

// checkUTF8 names the first byte that is not UTF-8; base is the offset of the text in its file.
func checkUTF8(place, text string, base int64) error {
	if utf8.ValidString(text) {
		return nil
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && n == 1 {
			hint := ""
			if base == 0 && i == 0 && (strings.HasPrefix(text, "\xff\xfe") || strings.HasPrefix(text, "\xfe\xff")) {
				hint = "; it looks like UTF-16"
			}
			return fmt.Errorf("%s: %w: not UTF-8: byte 0x%02x at offset %d%s", place, ErrText, text[i], base+int64(i), hint)
		}
		i += n
	}
	return nil
}
