// Formatting: the % operator on strings, and str.format with its specifications.

package jinja

import (
	"math"
	"math/big"
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
