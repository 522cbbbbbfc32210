// Formatting with the % operator.

package jinja

import (
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

// percent is "s % args"; v is s with its type.
func (r *run) percent(v Value, s string, args Value) (Value, error) {
	_, markup := v.(Markup)
	var pos []Value
	mapped, _ := args.(*Object)
	switch x := args.(type) {
	case *Tuple:
		pos = x.items
	case *Object:
	default:
		pos = []Value{args}
	}
	var b strings.Builder
	used := 0
	next := func() (Value, error) {
		if mapped != nil && used == 0 {
			used++
			return mapped, nil
		}
		if used >= len(pos) {
			return nil, fail("not enough arguments for format string")
		}
		used++
		return pos[used-1], nil
	}
	for i := 0; i < len(s); {
		if s[i] != '%' {
			j := strings.IndexByte(s[i:], '%')
			if j < 0 {
				j = len(s) - i
			}
			b.WriteString(s[i : i+j])
			i += j
			continue
		}
		i++
		var arg Value
		keyed := false
		if i < len(s) && s[i] == '(' {
			end := matchParen(s, i)
			if end < 0 {
				return nil, fail("incomplete format key")
			}
			if mapped == nil {
				return nil, fail("format requires a mapping")
			}
			x, ok := mapped.Get(s[i+1 : end])
			if !ok {
				return nil, fail("KeyError: %s", reprString(s[i+1:end]))
			}
			arg, keyed = x, true
			i = end + 1
		}
		l, j, err := percentLayout(s, i, next)
		if err != nil {
			return nil, err
		}
		i = j
		if l.verb == '%' {
			b.WriteByte('%')
			continue
		}
		if !keyed {
			if arg, err = next(); err != nil {
				return nil, err
			}
		}
		text, err := r.percentField(l, arg, markup)
		if err != nil {
			return nil, err
		}
		if err := r.alloc(len(text)); err != nil {
			return nil, err
		}
		b.WriteString(text)
	}
	if mapped == nil && used < len(pos) {
		return nil, fail("not all arguments converted during string formatting")
	}
	return sameKind(v, b.String()), r.alloc(len(s))
}

func matchParen(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func percentLayout(s string, i int, next func() (Value, error)) (layout, int, error) {
	l := layout{fill: " ", prec: -1, align: '>'}
	for ; i < len(s) && strings.IndexByte("-+ #0", s[i]) >= 0; i++ {
		switch s[i] {
		case '-':
			l.align = '<'
		case '+':
			l.sign = '+'
		case ' ':
			if l.sign == 0 {
				l.sign = ' '
			}
		case '#':
			l.alt = true
		case '0':
			l.zero = true
		}
	}
	number := func() (int, error) {
		if i < len(s) && s[i] == '*' {
			i++
			v, err := next()
			if err != nil {
				return 0, err
			}
			n, ok := asSmall(v)
			if !ok {
				return 0, fail("* wants int")
			}
			if n > maxWidth || n < -maxWidth {
				return 0, failKind(Limit, "width of %d", n)
			}
			return int(n), nil
		}
		n, j, ok := scanNumber(s, i)
		if !ok {
			return 0, failKind(Limit, "width above %d", maxWidth)
		}
		i = j
		return n, nil
	}
	var err error
	if l.width, err = number(); err != nil {
		return l, i, err
	}
	if l.width < 0 {
		l.align, l.width = '<', -l.width
	}
	if i < len(s) && s[i] == '.' {
		i++
		if l.prec, err = number(); err != nil {
			return l, i, err
		}
		l.prec = max(l.prec, 0)
	}
	if i < len(s) && strings.IndexByte("hlL", s[i]) >= 0 {
		i++
	}
	if i >= len(s) {
		return l, i, fail("incomplete format")
	}
	l.verb = s[i]
	return l, i + 1, nil
}

func (r *run) percentField(l layout, v Value, markup bool) (string, error) {
	switch l.verb {
	case 's', 'r', 'a', 'c':
		text, err := r.percentText(l.verb, v)
		if err != nil {
			return "", err
		}
		if _, safe := v.(Markup); markup && (!safe || l.verb != 's') {
			text = escapeHTML(text)
		}
		if l.prec >= 0 && l.verb != 'c' {
			text = runeSlice(text, 0, l.prec)
		}
		l.zero = false
		return l.pad(text, ""), nil
	case 'd', 'i', 'u', 'x', 'X', 'o':
		b, ok := asInt(v)
		if f, isFloat := v.(float64); isFloat && strings.IndexByte("diu", l.verb) >= 0 {
			if math.IsInf(f, 0) || math.IsNaN(f) {
				return "", fail("cannot convert float to integer")
			}
			b, ok = asInt(floatToInt(f, nil))
		}
		if !ok {
			return "", fail("%%%c format: a number is required, not %s", l.verb, typeName(v))
		}
		base := 10
		switch l.verb {
		case 'x', 'X':
			base = 16
		case 'o':
			base = 8
		}
		digits := new(big.Int).Abs(b).Text(base)
		if l.prec > len(digits) {
			digits = strings.Repeat("0", l.prec-len(digits)) + digits
		}
		prefix := ""
		if l.alt && strings.IndexByte("xXo", l.verb) >= 0 {
			prefix = "0" + string(rune(l.verb))
		}
		if l.verb == 'X' {
			digits = strings.ToUpper(digits)
		}
		return l.pad(digits, signOf(b.Sign() < 0, l.sign)+prefix), nil
	case 'e', 'E', 'f', 'F', 'g', 'G':
		f, ok := asFloat(v)
		if !ok {
			return "", fail("must be real number, not %s", typeName(v))
		}
		return l.float(f), nil
	}
	return "", fail("unsupported format character '%c'", l.verb)
}

func (r *run) percentText(verb byte, v Value) (string, error) {
	switch verb {
	case 's':
		return r.str(v)
	case 'c':
		if s, ok := asString(v); ok && utf8.RuneCountInString(s) == 1 {
			return s, nil
		}
		n, ok := asSmall(v)
		if !ok || n < 0 || n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
			return "", fail("%%c requires int or char")
		}
		return string(rune(n)), nil
	}
	s, err := r.repr(v)
	if verb == 'a' {
		s = asciiOnly(s)
	}
	return s, err
}

func asciiOnly(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c < 0x80:
			b.WriteRune(c)
		case c < 0x100:
			b.WriteString(`\x` + hexPad(c, 2))
		case c < 0x10000:
			b.WriteString(`\u` + hexPad(c, 4))
		default:
			b.WriteString(`\U` + hexPad(c, 8))
		}
	}
	return b.String()
}

func signOf(negative bool, sign byte) string {
	switch {
	case negative:
		return "-"
	case sign == '+' || sign == ' ':
		return string(rune(sign))
	}
	return ""
}
