// Formatting: widths, signs, zeros and digits, common to % and str.format.

package jinja

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxWidth bounds a field's width and precision.
const maxWidth = 10000

// layout is one field's format specification.
type layout struct {
	fill      string
	align     byte // < > ^ = or 0
	sign      byte // + - space or 0
	alt, zero bool
	width     int
	group     byte // , _ or 0
	prec      int  // -1 if absent
	verb      byte // 0 if absent
}

// number scans digits at s[i:].
func scanNumber(s string, i int) (n, next int, ok bool) {
	for i < len(s) && isDigit(s[i]) {
		if n = n*10 + int(s[i]-'0'); n > maxWidth {
			return 0, i, false
		}
		i++
	}
	return n, i, true
}

// pad fills text to the width; prefix (sign, 0x) stays left of zeros.
func (l layout) pad(text, prefix string) string {
	n := max(0, l.width-utf8.RuneCountInString(text)-len(prefix))
	fill, align := l.fill, l.align
	if l.zero && align != '<' && align != '^' {
		fill, align = "0", '='
	}
	switch align {
	case '<':
		return prefix + text + strings.Repeat(fill, n)
	case '^':
		return strings.Repeat(fill, n/2) + prefix + text + strings.Repeat(fill, n-n/2)
	case '=':
		return prefix + strings.Repeat(fill, n) + text
	}
	return strings.Repeat(fill, n) + prefix + text
}

// float formats with the verbs e, f, g and %.
func (l layout) float(f float64) string {
	neg := math.Signbit(f) && !math.IsNaN(f)
	f = math.Abs(f)
	text := ""
	switch {
	case math.IsInf(f, 0):
		text = "inf"
	case math.IsNaN(f):
		text = "nan"
	default:
		text = floatDigits(f, l.verb|0x20, l.prec, l.alt)
	}
	if 'A' <= l.verb && l.verb <= 'Z' {
		text = strings.ToUpper(text)
	}
	return l.pad(grouped(text, l.group), signOf(neg, l.sign))
}

func floatDigits(f float64, verb byte, prec int, alt bool) string {
	if prec < 0 {
		prec = 6
	}
	switch verb {
	case 'f':
		return strconv.FormatFloat(f, 'f', prec, 64)
	case 'e':
		return strconv.FormatFloat(f, 'e', prec, 64)
	}
	prec = max(prec, 1)
	e := strconv.FormatFloat(f, 'e', prec-1, 64)
	exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	trim := func(s string) string {
		if alt || !strings.Contains(s, ".") {
			return s
		}
		return strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if exp < -4 || exp >= prec {
		i := strings.IndexByte(e, 'e')
		return trim(e[:i]) + e[i:]
	}
	return trim(strconv.FormatFloat(f, 'f', max(0, prec-1-exp), 64))
}

// grouped puts separators between the thousands of the integer part.
func grouped(s string, sep byte) string {
	if sep == 0 {
		return s
	}
	end := 0
	for end < len(s) && isDigit(s[end]) {
		end++
	}
	var b strings.Builder
	for i := 0; i < end; i++ {
		if i > 0 && (end-i)%3 == 0 {
			b.WriteByte(sep)
		}
		b.WriteByte(s[i])
	}
	return b.String() + s[end:]
}

// parseLayout reads a specification of str.format.
func parseLayout(s string) (layout, error) {
	l := layout{fill: " ", prec: -1}
	_, n := utf8.DecodeRuneInString(s)
	i := 0
	if len(s) > n && strings.IndexByte("<>^=", s[n]) >= 0 {
		l.fill, l.align = s[:n], s[n]
		i = n + 1
	} else if s != "" && strings.IndexByte("<>^=", s[0]) >= 0 {
		l.align = s[0]
		i = 1
	}
	at := func(set string) bool { return i < len(s) && strings.IndexByte(set, s[i]) >= 0 }
	if at("+- ") {
		l.sign = s[i]
		i++
	}
	if at("#") {
		l.alt = true
		i++
	}
	if at("0") {
		if l.zero = l.align == 0; l.align != 0 && i > 0 && l.fill == " " && s[0] == l.align {
			l.fill = "0"
		}
		i++
	}
	var ok bool
	if l.width, i, ok = scanNumber(s, i); !ok {
		return l, failKind(Limit, "width above %d", maxWidth)
	}
	if at(",_") {
		l.group = s[i]
		i++
	}
	if at(".") {
		i++
		start := i
		if l.prec, i, ok = scanNumber(s, i); !ok {
			return l, failKind(Limit, "precision above %d", maxWidth)
		}
		if i == start {
			return l, fail("Format specifier missing precision")
		}
	}
	if i < len(s) {
		l.verb = s[i]
		i++
	}
	if i < len(s) {
		return l, fail("Invalid format specifier")
	}
	return l, nil
}
