// A JSON reader made for one kind of file: tens of megabytes of vocabulary beside a few small objects. It walks the
// bytes, builds no generic values, and bounds its nesting.

package tokenizer

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth bounds the nesting of the whole file, and with it every recursion over what was read from it.
const maxDepth = 100

// scanner is a position in the file; all values it hands out are checked to be well-formed.
type scanner struct {
	data    []byte
	pos     int
	scratch []byte // for strings that are only passed over
}

func (s *scanner) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", ErrFormat, what, s.pos)
}

// next returns the first byte of the next token without consuming it, 0 at the end.
func (s *scanner) next() byte {
	for s.pos < len(s.data) {
		switch c := s.data[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

func (s *scanner) take(c byte) error {
	if s.next() != c {
		return s.fail("expected " + strconv.QuoteRune(rune(c)))
	}
	s.pos++
	return nil
}

// more steps to the next element of a list or object that ends with end; first is true before the first element.
func (s *scanner) more(end byte, first bool) (bool, error) {
	if s.next() == end {
		s.pos++
		return false, nil
	}
	if first {
		return true, nil
	}
	return true, s.take(',')
}

// text appends the next string, unescaped, to buf.
func (s *scanner) text(buf []byte) ([]byte, error) {
	if err := s.take('"'); err != nil {
		return nil, err
	}
	for {
		rest := s.data[s.pos:]
		n := 0
		for n < len(rest) && rest[n] != '"' && rest[n] != '\\' && rest[n] >= ' ' {
			n++
		}
		if !utf8.Valid(rest[:n]) {
			return nil, s.fail("a string that is not UTF-8")
		}
		buf = append(buf, rest[:n]...)
		s.pos += n
		if n == len(rest) || rest[n] < ' ' {
			return nil, s.fail("an unfinished string")
		}
		s.pos++
		if rest[n] == '"' {
			return buf, nil
		}
		var err error
		if buf, err = s.escape(buf); err != nil {
			return nil, err
		}
	}
}

// escape appends what the escape after a backslash means.
func (s *scanner) escape(buf []byte) ([]byte, error) {
	if s.pos == len(s.data) {
		return nil, s.fail("an unfinished string")
	}
	c := s.data[s.pos]
	s.pos++
	switch c {
	case '"', '\\', '/':
		return append(buf, c), nil
	case 'b':
		return append(buf, '\b'), nil
	case 'f':
		return append(buf, '\f'), nil
	case 'n':
		return append(buf, '\n'), nil
	case 'r':
		return append(buf, '\r'), nil
	case 't':
		return append(buf, '\t'), nil
	case 'u':
		r, ok := s.hex4()
		if ok && utf16.IsSurrogate(r) && bytes.HasPrefix(s.data[s.pos:], []byte(`\u`)) {
			s.pos += 2
			var low rune
			if low, ok = s.hex4(); ok {
				r = utf16.DecodeRune(r, low)
				ok = r != utf8.RuneError
			}
		} else if utf16.IsSurrogate(r) {
			ok = false
		}
		if ok {
			return utf8.AppendRune(buf, r), nil
		}
	}
	return nil, s.fail("a wrong escape")
}

func (s *scanner) hex4() (rune, bool) {
	if len(s.data)-s.pos < 4 {
		return 0, false
	}
	var r rune
	for _, c := range s.data[s.pos : s.pos+4] {
		d := hexDigit(c)
		if d < 0 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	s.pos += 4
	return r, true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// scalar returns the next number, true, false or null as it is written.
func (s *scanner) scalar() (string, error) {
	s.next()
	n := s.pos
	for n < len(s.data) {
		c := s.data[n]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' && c != '+' && c != '.' && c != 'E' {
			break
		}
		n++
	}
	if n == s.pos {
		return "", s.fail("expected a value")
	}
	word := string(s.data[s.pos:n])
	if word != "true" && word != "false" && word != "null" && !validNumber(word) {
		return "", s.fail("expected a value")
	}
	s.pos = n
	return word, nil
}

// validNumber keeps out what strconv takes and JSON does not (nan, inf, hexadecimal, a leading plus or zero).
func validNumber(w string) bool {
	i := 0
	digits := func() int {
		n := i
		for i < len(w) && w[i] >= '0' && w[i] <= '9' {
			i++
		}
		return i - n
	}
	if i < len(w) && w[i] == '-' {
		i++
	}
	if n := digits(); n == 0 || n > 1 && w[i-n] == '0' {
		return false
	}
	if i < len(w) && w[i] == '.' {
		i++
		if digits() == 0 {
			return false
		}
	}
	if i < len(w) && (w[i] == 'e' || w[i] == 'E') {
		i++
		if i < len(w) && (w[i] == '+' || w[i] == '-') {
			i++
		}
		if digits() == 0 {
			return false
		}
	}
	return i == len(w)
}

func (s *scanner) skipText() error {
	b, err := s.text(s.scratch[:0])
	s.scratch = b
	return err
}

// skip passes one value of any kind.
func (s *scanner) skip(depth int) error {
	if depth > maxDepth {
		return s.fail("nesting too deep")
	}
	switch s.next() {
	case '"':
		return s.skipText()
	case '[', '{':
		open := s.data[s.pos]
		s.pos++
		for first := true; ; first = false {
			ok, err := s.more(open+2, first) // in ASCII the closing brackets lie two after the opening ones
			if err != nil || !ok {
				return err
			}
			if open == '{' {
				if err := s.skipText(); err != nil {
					return err
				}
				if err := s.take(':'); err != nil {
					return err
				}
			}
			if err := s.skip(depth + 1); err != nil {
				return err
			}
		}
	default:
		_, err := s.scalar()
		return err
	}
}

// value is one JSON value of the file and the place it stands at, for error messages.
type value struct {
	raw   []byte
	place string
	depth int
}

func (v value) errorf(format string, args ...any) error {
	place := v.place
	if place == "" {
		place = "the file"
	}
	return fmt.Errorf("%w: %s: %s", ErrFormat, place, fmt.Sprintf(format, args...))
}

// unsupported names a component that this package does not know.
func (v value) unsupported(what string) error {
	return fmt.Errorf("%w: %s: %s", ErrUnsupported, v.place, what)
}

func (v value) kind() byte {
	s := scanner{data: v.raw}
	return s.next()
}

// isNull reports whether the value is null or was not in the file.
func (v value) isNull() bool { return len(v.raw) == 0 || v.kind() == 'n' }

// object splits the value into its fields; of a repeated field the last one counts.
func (v value) object() (object, error) {
	o := object{fields: map[string]value{}, value: v}
	if v.kind() != '{' {
		return o, v.errorf("expected an object")
	}
	s := scanner{data: v.raw}
	s.next()
	s.pos++
	for first := true; ; first = false {
		ok, err := s.more('}', first)
		if err != nil {
			return o, err
		}
		if !ok {
			if s.next(); s.pos != len(s.data) {
				return o, s.fail("text after the end")
			}
			return o, nil
		}
		key, err := s.text(nil)
		if err != nil {
			return o, err
		}
		if err := s.take(':'); err != nil {
			return o, err
		}
		s.next()
		start := s.pos
		if err := s.skip(v.depth + 1); err != nil {
			return o, err
		}
		place := string(key)
		if v.place != "" {
			place = v.place + "." + place
		}
		o.fields[string(key)] = value{raw: v.raw[start:s.pos], place: place, depth: v.depth + 1}
	}
}

// list splits the value into its elements.
func (v value) list() ([]value, error) {
	if v.kind() != '[' {
		return nil, v.errorf("expected a list")
	}
	s := scanner{data: v.raw}
	s.next()
	s.pos++
	var out []value
	for first := true; ; first = false {
		ok, err := s.more(']', first)
		if err != nil || !ok {
			return out, err
		}
		s.next()
		start := s.pos
		if err := s.skip(v.depth + 1); err != nil {
			return nil, err
		}
		place := v.place + "[" + strconv.Itoa(len(out)) + "]"
		out = append(out, value{raw: v.raw[start:s.pos], place: place, depth: v.depth + 1})
	}
}

func (v value) string() (string, error) {
	if v.kind() != '"' {
		return "", v.errorf("expected a string")
	}
	s := scanner{data: v.raw}
	b, err := s.text(nil)
	return string(b), err
}

func (v value) bool() (bool, error) {
	s := scanner{data: v.raw}
	switch w, _ := s.scalar(); w {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, v.errorf("expected true or false")
}

func (v value) int() (int, error) {
	s := scanner{data: v.raw}
	w, err := s.scalar()
	if err == nil {
		var n int64
		if n, err = strconv.ParseInt(w, 10, 32); err == nil {
			return int(n), nil
		}
	}
	return 0, v.errorf("expected an integer of 32 bits")
}

func (v value) rune() (rune, error) {
	t, err := v.string()
	if err != nil {
		return 0, err
	}
	r, n := utf8.DecodeRuneInString(t)
	if n == 0 || n != len(t) {
		return 0, v.errorf("expected one character, not %q", t)
	}
	return r, nil
}

// object is a value split into fields. Its getters report a field of the wrong type; what they return for a missing
// one (or null) is the default they were given.
type object struct {
	value
	fields map[string]value
}

func (o object) get(key string) value {
	if v, ok := o.fields[key]; ok {
		return v
	}
	place := key
	if o.place != "" {
		place = o.place + "." + key
	}
	return value{place: place, depth: o.depth + 1}
}

func (o object) str(key, def string) (string, error) {
	if v := o.get(key); !v.isNull() {
		return v.string()
	}
	return def, nil
}

func (o object) flag(key string, def bool) (bool, error) {
	if v := o.get(key); !v.isNull() {
		return v.bool()
	}
	return def, nil
}

func (o object) num(key string, def int) (int, error) {
	if v := o.get(key); !v.isNull() {
		return v.int()
	}
	return def, nil
}

// typeName returns the field "type" that names a component.
func (o object) typeName() (string, error) {
	v := o.get("type")
	if v.isNull() {
		return "", o.errorf("no type")
	}
	return v.string()
}
