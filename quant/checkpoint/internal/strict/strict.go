// Package strict reads JSON that nobody vouches for: one pass over the bytes, no
// trees, UTF-8 checked, depth bounded, duplicate keys refused, numbers kept to
// what the grammar allows.
package strict

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of any document.
const (
	MaxDepth   = 64
	MaxMembers = 1 << 20 // of one object whose keys are checked for duplicates
)

// Scanner walks over one document. Its methods leave it behind what they read.
type Scanner struct {
	buf   []byte
	pos   int
	depth int
}

// New starts at the beginning of a document.
func New(buf []byte) *Scanner { return &Scanner{buf: buf} }

// Pos returns the offset of the next byte.
func (s *Scanner) Pos() int { return s.pos }

// Errorf makes an error that carries the offset.
func (s *Scanner) Errorf(format string, args ...any) error {
	return fmt.Errorf("at byte %d: "+format, append([]any{s.pos}, args...)...)
}

func (s *Scanner) unexpected(wanted string) error {
	if s.pos >= len(s.buf) {
		return s.Errorf("text ends where %s is due", wanted)
	}
	return s.Errorf("%q where %s is due", rune(s.buf[s.pos]), wanted)
}

// Space skips white space and returns the byte that follows, 0 at the end.
func (s *Scanner) Space() byte {
	for s.pos < len(s.buf) {
		switch c := s.buf[s.pos]; c {
		case ' ', '\t', '\n', '\r':
			s.pos++
		default:
			return c
		}
	}
	return 0
}

// End checks that only white space is left.
func (s *Scanner) End() error {
	if s.Space(); s.pos < len(s.buf) {
		return s.unexpected("the end")
	}
	return nil
}

func (s *Scanner) take(c byte, wanted string) error {
	if s.Space() != c {
		return s.unexpected(wanted)
	}
	s.pos++
	return nil
}

func (s *Scanner) enter() error {
	if s.depth++; s.depth > MaxDepth {
		return s.Errorf("nested deeper than %d levels", MaxDepth)
	}
	return nil
}

// Members reads an object. The function gets each key, still to be copied if it is
// kept, and has to read the value. Duplicates are its own business.
func (s *Scanner) Members(member func(key []byte) error) error {
	if err := s.take('{', "an object"); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	if s.Space() == '}' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		key, err := s.String()
		if err != nil {
			return err
		}
		if err := s.take(':', "a colon"); err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		switch s.Space() {
		case ',':
			s.pos++
		case '}':
			s.pos++
			s.depth--
			return nil
		default:
			return s.unexpected("a comma or }")
		}
	}
}

// UniqueMembers is Members with duplicate keys refused.
func (s *Scanner) UniqueMembers(member func(key []byte) error) error {
	var few []string
	var many map[string]struct{}
	return s.Members(func(key []byte) error {
		if many == nil {
			for _, k := range few {
				if k == string(key) {
					return s.Errorf("duplicate key %.120q", key)
				}
			}
			few = append(few, string(key))
			if len(few) > 16 {
				many = make(map[string]struct{}, 2*len(few))
				for _, k := range few {
					many[k] = struct{}{}
				}
			}
			return member(key)
		}
		if _, ok := many[string(key)]; ok {
			return s.Errorf("duplicate key %.120q", key)
		}
		if len(many) >= MaxMembers {
			return s.Errorf("an object with more than %d keys", MaxMembers)
		}
		many[string(key)] = struct{}{}
		return member(key)
	})
}

// Elements reads an array; the function has to read each element.
func (s *Scanner) Elements(element func() error) error {
	if err := s.take('[', "an array"); err != nil {
		return err
	}
	if err := s.enter(); err != nil {
		return err
	}
	if s.Space() == ']' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch s.Space() {
		case ',':
			s.pos++
		case ']':
			s.pos++
			s.depth--
			return nil
		default:
			return s.unexpected("a comma or ]")
		}
	}
}

// String reads a string and returns its text, which may lie inside the document.
func (s *Scanner) String() ([]byte, error) {
	if err := s.take('"', "a string"); err != nil {
		return nil, err
	}
	start := s.pos
	for i := start; i < len(s.buf); i++ {
		switch c := s.buf[i]; {
		case c == '"':
			text := s.buf[start:i]
			if !utf8.Valid(text) {
				return nil, s.Errorf("a string that is not UTF-8")
			}
			s.pos = i + 1
			return text, nil
		case c == '\\':
			return s.escaped(start)
		case c < 0x20:
			s.pos = i
			return nil, s.Errorf("control character %#x in a string", c)
		}
	}
	s.pos = len(s.buf)
	return nil, s.unexpected("the end of a string")
}

// escaped reads a string that holds a backslash; the offset is behind the quote.
func (s *Scanner) escaped(start int) ([]byte, error) {
	end := start // find the closing quote first, so that the copy has its final size
	for ; end < len(s.buf) && s.buf[end] != '"'; end++ {
		if s.buf[end] == '\\' {
			end++
		}
	}
	if end >= len(s.buf) {
		s.pos = len(s.buf)
		return nil, s.unexpected("the end of a string")
	}
	out := make([]byte, 0, end-start)
	for s.pos = start; s.pos < end; {
		c := s.buf[s.pos]
		switch {
		case c < 0x20:
			return nil, s.Errorf("control character %#x in a string", c)
		case c != '\\':
			out = append(out, c)
			s.pos++
			continue
		}
		s.pos++
		c = s.buf[s.pos]
		s.pos++
		if c == 'u' {
			r, err := s.unicode()
			if err != nil {
				return nil, err
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		at := bytes.IndexByte([]byte(`"\/bfnrt`), c)
		if at < 0 {
			s.pos--
			return nil, s.unexpected("an escape")
		}
		out = append(out, "\"\\/\b\f\n\r\t"[at])
	}
	if !utf8.Valid(out) {
		return nil, s.Errorf("a string that is not UTF-8")
	}
	s.pos = end + 1
	return out, nil
}

// unicode reads the digits behind \u, and the second half of a pair.
func (s *Scanner) unicode() (rune, error) {
	r, err := s.hex()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if bytes.HasPrefix(s.buf[s.pos:], []byte(`\u`)) {
		s.pos += 2
		low, err := s.hex()
		if err != nil {
			return 0, err
		}
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, nil
		}
	}
	return 0, s.Errorf("a lone surrogate in a string")
}

func (s *Scanner) hex() (rune, error) {
	var r rune
	for range 4 {
		if s.pos >= len(s.buf) {
			return 0, s.unexpected("a hexadecimal digit")
		}
		switch c := s.buf[s.pos]; {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, s.unexpected("a hexadecimal digit")
		}
		s.pos++
	}
	return r, nil
}

// Uint reads a natural number written in plain digits.
func (s *Scanner) Uint() (uint64, error) {
	s.Space()
	start := s.pos
	var n uint64
	for ; s.pos < len(s.buf); s.pos++ {
		c := s.buf[s.pos]
		if c < '0' || c > '9' {
			break
		}
		if s.pos > start && s.buf[start] == '0' {
			return 0, s.Errorf("a number with leading zeros")
		}
		d := uint64(c - '0')
		if n > (math.MaxUint64-d)/10 {
			return 0, s.Errorf("a number beyond 2^64")
		}
		n = n*10 + d
	}
	if s.pos == start {
		return 0, s.unexpected("a natural number")
	}
	if s.pos < len(s.buf) && bytes.IndexByte([]byte(".eE"), s.buf[s.pos]) >= 0 {
		return 0, s.unexpected("a natural number in plain digits")
	}
	return n, nil
}

// Skip reads any value and checks it. Nesting is bounded by MaxDepth.
func (s *Scanner) Skip() error {
	switch c := s.Space(); {
	case c == '{':
		return s.UniqueMembers(func([]byte) error { return s.Skip() })
	case c == '[':
		return s.Elements(s.Skip)
	case c == '"':
		_, err := s.String()
		return err
	case c == '-' || '0' <= c && c <= '9':
		return s.number()
	}
	for _, word := range []string{"true", "false", "null"} {
		if bytes.HasPrefix(s.buf[s.pos:], []byte(word)) {
			s.pos += len(word)
			return nil
		}
	}
	return s.unexpected("a value")
}

func (s *Scanner) number() error {
	digits := func() error {
		start := s.pos
		for s.pos < len(s.buf) && '0' <= s.buf[s.pos] && s.buf[s.pos] <= '9' {
			s.pos++
		}
		if s.pos == start {
			return s.unexpected("a digit")
		}
		return nil
	}
	at := func(set string) bool {
		return s.pos < len(s.buf) && bytes.IndexByte([]byte(set), s.buf[s.pos]) >= 0
	}
	if at("-") {
		s.pos++
	}
	if at("0") {
		s.pos++
		if at("0123456789") {
			return s.Errorf("a number with leading zeros")
		}
	} else if err := digits(); err != nil {
		return err
	}
	if at(".") {
		s.pos++
		if err := digits(); err != nil {
			return err
		}
	}
	if at("eE") {
		if s.pos++; at("+-") {
			s.pos++
		}
		return digits()
	}
	return nil
}
