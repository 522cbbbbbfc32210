// Formatting with str.format.

package jinja

import (
	"math"
	"math/big"
	"strings"
)

// formatValue is Python's format(v, spec).
func (r *run) formatValue(v Value, spec string) (string, error) {
	_, isInt := asInt(v)
	if spec == "" {
		return r.str(v)
	}
	l, err := parseLayout(spec)
	if err != nil {
		return "", err
	}
	bad := fail("Unknown format code '%c' for object of type '%s'", max(l.verb, ' '), typeName(v))
	f, isFloat := v.(float64)
	if s, ok := asString(v); ok {
		if l.verb != 0 && l.verb != 's' || l.sign != 0 || l.align == '=' || l.group != 0 || l.alt {
			return "", bad
		}
		if l.prec >= 0 {
			s = runeSlice(s, 0, l.prec)
		}
		if l.zero {
			l.fill, l.zero, l.align = "0", false, '<'
		}
		if l.align == 0 {
			l.align = '<'
		}
		return l.pad(s, ""), nil
	}
	if l.zero && l.group != 0 {
		return "", failKind(Unsupported, "zero padding with separators is not supported")
	}
	switch {
	case isInt && strings.IndexByte("\x00dbcnoxX", l.verb) >= 0:
		return r.formatInt(l, v)
	case !isInt && !isFloat:
		return "", fail("unsupported format string passed to %s.__format__", typeName(v))
	case isInt:
		f, _ = asFloat(v)
	}
	switch l.verb {
	case 'e', 'E', 'f', 'F', 'g', 'G':
		return l.float(f), nil
	case '%':
		l.verb = 'f'
		width := l.width
		l.width = 0
		s := l.float(f*100) + "%"
		sign := ""
		if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") || strings.HasPrefix(s, " ") {
			sign, s = s[:1], s[1:]
		}
		l.width = width
		return l.pad(s, sign), nil
	case 0:
		neg := math.Signbit(f) && !math.IsNaN(f)
		text := floatRepr(math.Abs(f))
		if l.prec >= 0 && !math.IsInf(f, 0) && !math.IsNaN(f) {
			text = floatDigits(math.Abs(f), 'g', l.prec, l.alt)
			if !strings.ContainsAny(text, ".e") {
				if len(text) >= l.prec {
					return "", failKind(Unsupported, "a precision that cuts off the decimal point is not supported")
				}
				text += ".0"
			}
		}
		return l.pad(grouped(text, l.group), signOf(neg, l.sign)), nil
	}
	return "", bad
}

func (r *run) formatInt(l layout, v Value) (string, error) {
	b, _ := asInt(v)
	if l.prec >= 0 {
		return "", fail("Precision not allowed in integer format specifier")
	}
	if l.verb == 'c' {
		s, err := r.percentText('c', normBig(b))
		if l.align == 0 {
			l.align = '<'
		}
		return l.pad(s, ""), err
	}
	base := map[byte]int{'b': 2, 'o': 8, 'x': 16, 'X': 16}[l.verb]
	prefix := ""
	if base == 0 {
		base = 10
	} else {
		if l.group == ',' {
			return "", fail("Cannot specify ',' with '%c'.", l.verb)
		}
		if l.group == '_' {
			return "", failKind(Unsupported, "separators between binary digits are not supported")
		}
		if l.alt {
			prefix = "0" + string(rune(l.verb))
		}
	}
	digits := new(big.Int).Abs(b).Text(base)
	if base == 10 && len(digits) > maxIntDigits {
		return "", fail("Exceeds the limit (%d digits) for integer string conversion", maxIntDigits)
	}
	if l.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	return l.pad(grouped(digits, l.group), signOf(b.Sign() < 0, l.sign)+prefix), nil
}

// formatMethod is str.format and str.format_map.
func formatMethod(r *run, t *text, a *callArgs, name string) (Value, error) {
	named := NewObject()
	for i, n := range a.names {
		named.Set(n, a.vals[i])
	}
	pos := a.pos
	if name == "format_map" {
		args, err := a.positional(name, 1, 1)
		if err != nil {
			return nil, err
		}
		o, ok := args[0].(*Object)
		if !ok {
			return nil, fail("format_map() argument must be a mapping")
		}
		named, pos = o, nil
	}
	f := &formatter{r: r, pos: pos, named: named, markup: t.markup}
	s, err := f.run(t.s, 0)
	return t.of(s), err
}

type formatter struct {
	r      *run
	pos    []Value
	named  *Object
	markup bool
	auto   int // next automatic index; -1 after an explicit one
}

func (f *formatter) run(s string, depth int) (string, error) {
	if depth > 2 {
		return "", fail("Max string recursion exceeded")
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		c := s[i]
		i++
		if c != '{' && c != '}' {
			b.WriteByte(c)
			continue
		}
		if i < len(s) && s[i] == c {
			b.WriteByte(c)
			i++
			continue
		}
		if c == '}' {
			return "", fail("Single '}' encountered in format string")
		}
		end, level := i, 1
		for ; end < len(s); end++ {
			if s[end] == '{' {
				level++
			} else if s[end] == '}' {
				if level--; level == 0 {
					break
				}
			}
		}
		if level > 0 {
			return "", fail("expected '}' before end of string")
		}
		text, err := f.field(s[i:end], depth)
		if err != nil {
			return "", err
		}
		if err := f.r.alloc(len(text)); err != nil {
			return "", err
		}
		b.WriteString(text)
		i = end + 1
	}
	return b.String(), f.r.alloc(len(s))
}

func (f *formatter) field(s string, depth int) (string, error) {
	nameEnd := 0
	for inBrackets := false; nameEnd < len(s); nameEnd++ {
		c := s[nameEnd]
		if c == '[' {
			inBrackets = true
		} else if c == ']' {
			inBrackets = false
		} else if !inBrackets && (c == '!' || c == ':') {
			break
		}
	}
	name, rest := s[:nameEnd], s[nameEnd:]
	conv := byte(0)
	if strings.HasPrefix(rest, "!") {
		if len(rest) < 2 || len(rest) > 2 && rest[2] != ':' {
			return "", fail("expected ':' after conversion specifier")
		}
		conv, rest = rest[1], rest[2:]
	}
	v, err := f.lookup(name)
	if err != nil {
		return "", err
	}
	switch conv {
	case 0:
	case 's', 'r', 'a':
		t, err := f.r.percentText(conv, v)
		if err != nil {
			return "", err
		}
		v = t
	default:
		return "", fail("Unknown conversion specifier '%c'", conv)
	}
	spec, err := f.run(strings.TrimPrefix(rest, ":"), depth+1)
	if err != nil {
		return "", err
	}
	if _, safe := v.(Markup); f.markup && safe && spec == "" {
		return f.r.str(v)
	}
	out, err := f.r.formatValue(v, spec)
	if f.markup {
		out = escapeHTML(out)
	}
	return out, err
}

func (f *formatter) lookup(name string) (Value, error) {
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	first, rest := name[:end], name[end:]
	var v Value
	n, i, ok := scanNumber(first, 0)
	switch {
	case first == "":
		if f.auto < 0 {
			return nil, fail("cannot switch from manual field specification to automatic field numbering")
		}
		n = f.auto
		f.auto++
	case ok && i == len(first):
		if f.auto > 0 {
			return nil, fail("cannot switch from automatic field numbering to manual field specification")
		}
		f.auto = -1
	default:
		x, ok := f.named.Get(first)
		if !ok {
			return nil, fail("KeyError: %s", reprString(first))
		}
		v, n = x, -1
	}
	if n >= 0 {
		if n >= len(f.pos) {
			return nil, fail("Replacement index %d out of range for positional args tuple", n)
		}
		v = f.pos[n]
	}
	return f.path(v, rest)
}

// path follows .attr and [item] steps.
func (f *formatter) path(v Value, rest string) (Value, error) {
	var err error
	for rest != "" {
		if rest[0] == '[' {
			end := strings.IndexByte(rest, ']')
			if end < 2 {
				return nil, fail("Missing ']' in format string")
			}
			var key Value = rest[1:end]
			if n, i, ok := scanNumber(rest[1:end], 0); ok && i == end-1 {
				key = int64(n)
			}
			v, err = f.r.getitem(v, key)
			rest = rest[end+1:]
		} else {
			end := strings.IndexAny(rest[1:], ".[") + 1
			if end == 0 {
				end = len(rest)
			}
			if rest[0] != '.' || end == 1 {
				return nil, fail("Empty attribute in format string")
			}
			v, err = f.r.getattr(v, rest[1:end])
			rest = rest[end:]
		}
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}
