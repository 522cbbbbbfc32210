// The filters: their table, and those on single values.

package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

func knownFilter(name string) bool { return findFilter(name) != nil || unsupportedFilter(name) }

// unsupportedFilter names what Jinja2 has and no chat template uses.
func unsupportedFilter(name string) bool {
	return hasWord("filesizeformat pprint random striptags urlencode urlize wordwrap xmlattr", name)
}

type filterFunc func(r *run, v Value, a *callArgs) (Value, error)

func (r *run) filter(name string, v Value, a *callArgs) (Value, error) {
	if f := findFilter(name); f != nil {
		return f(r, v, a)
	}
	if unsupportedFilter(name) {
		return nil, failKind(Unsupported, "the filter %s is not supported", reprString(name))
	}
	return nil, fail("No filter named %s.", reprString(name))
}

func findFilter(name string) filterFunc {
	switch name {
	case "abs":
		return absFilter
	case "attr":
		return attrFilter
	case "batch":
		return batchFilter
	case "capitalize":
		return textFilter(capitalize)
	case "center":
		return centerFilter
	case "count", "length":
		return lengthFilter
	case "d", "default":
		return defaultFilter
	case "dictsort":
		return dictsortFilter
	case "e", "escape", "forceescape":
		return func(r *run, v Value, a *callArgs) (Value, error) {
			if _, err := a.positional(name, 0, 0); err != nil {
				return nil, err
			}
			if s, ok := asString(v); ok && name == "forceescape" {
				v = s
			}
			s, err := r.escaped(v)
			return Markup(s), err
		}
	case "first":
		return firstFilter
	case "float":
		return floatFilter
	case "format":
		return formatFilter
	case "groupby":
		return groupbyFilter
	case "indent":
		return indentFilter
	case "int":
		return intFilter
	case "items":
		return itemsFilter
	case "join":
		return joinFilter
	case "last":
		return lastFilter
	case "list":
		return listFilter
	case "lower":
		return textFilter(toLower)
	case "map":
		return mapFilter
	case "max":
		return func(r *run, v Value, a *callArgs) (Value, error) { return extremeFilter(r, v, a, ">") }
	case "min":
		return func(r *run, v Value, a *callArgs) (Value, error) { return extremeFilter(r, v, a, "<") }
	case "reject":
		return func(r *run, v Value, a *callArgs) (Value, error) { return selectFilter(r, v, a, false, false) }
	case "rejectattr":
		return func(r *run, v Value, a *callArgs) (Value, error) { return selectFilter(r, v, a, false, true) }
	case "replace":
		return replaceFilter
	case "reverse":
		return reverseFilter
	case "round":
		return roundFilter
	case "safe":
		return safeFilter
	case "select":
		return func(r *run, v Value, a *callArgs) (Value, error) { return selectFilter(r, v, a, true, false) }
	case "selectattr":
		return func(r *run, v Value, a *callArgs) (Value, error) { return selectFilter(r, v, a, true, true) }
	case "slice":
		return sliceFilter
	case "sort":
		return sortFilter
	case "string":
		return stringFilter
	case "sum":
		return sumFilter
	case "title":
		return textFilter(titleWords)
	case "tojson":
		return func(r *run, v Value, a *callArgs) (Value, error) { return r.tojson(v, a) }
	case "trim":
		return trimFilter
	case "truncate":
		return truncateFilter
	case "unique":
		return uniqueFilter
	case "upper":
		return textFilter(toUpper)
	case "wordcount":
		return wordcountFilter
	}
	return nil
}

// soft is soft_str: the text of v, and whether it is Markup.
func (r *run) soft(v Value) (*text, error) {
	if m, ok := v.(Markup); ok {
		return &text{string(m), true}, nil
	}
	s, err := r.str(v)
	return &text{s: s}, err
}

func textFilter(f func(string) string) filterFunc {
	return func(r *run, v Value, a *callArgs) (Value, error) {
		t, err := r.soft(v)
		if err != nil {
			return nil, err
		}
		return mapping(f)(r, t, a)
	}
}

// titleWords is the filter title, which unlike the method starts words at spaces, hyphens and brackets only.
func titleWords(s string) string {
	var b strings.Builder
	var word []rune
	flush := func() {
		if len(word) > 0 {
			b.WriteString(toUpper(string(word[:1])) + toLower(string(word[1:])))
			word = word[:0]
		}
	}
	for _, c := range s {
		if isSpace(c) || strings.ContainsRune("-({[<", c) {
			flush()
			b.WriteRune(c)
		} else {
			word = append(word, c)
		}
	}
	flush()
	return b.String()
}

func stringFilter(r *run, v Value, a *callArgs) (Value, error) {
	if _, err := a.positional("string", 0, 0); err != nil {
		return nil, err
	}
	t, err := r.soft(v)
	if err != nil {
		return nil, err
	}
	return t.of(t.s), nil
}

func safeFilter(r *run, v Value, a *callArgs) (Value, error) {
	if _, err := a.positional("safe", 0, 0); err != nil {
		return nil, err
	}
	s, err := r.str(v)
	return Markup(s), err
}

func trimFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("trim", 0, "chars")
	if err != nil {
		return nil, err
	}
	t, err := r.soft(v)
	if err != nil {
		return nil, err
	}
	return stripping(true, true)(r, t, &callArgs{pos: []Value{or(args[0], nil)}})
}

func replaceFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("replace", 2, "old", "new", "count")
	if err != nil {
		return nil, err
	}
	var s [3]string
	for i, x := range []Value{v, args[0], args[1]} {
		if s[i], err = r.str(x); err != nil {
			return nil, err
		}
	}
	limit := int64(-1)
	if n := or(args[2], nil); n != nil {
		if limit, err = indexArg(n); err != nil {
			return nil, err
		}
	}
	return r.replaceText(s[0], s[1], s[2], limit)
}

func indentFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("indent", 0, "width", "first", "blank")
	if err != nil {
		return nil, err
	}
	s, ok := asString(v)
	if !ok {
		if u, isUndefined := v.(*undefined); isUndefined {
			return nil, fail("%s", u.msg)
		}
		return nil, fail("can't indent a value of type '%s'", typeName(v))
	}
	_, markup := v.(Markup)
	pad, ok := asString(or(args[0], int64(4)))
	switch {
	case !ok:
		n, err := indexArg(or(args[0], int64(4)))
		if err != nil {
			return nil, err
		}
		if n > 1<<20 {
			return nil, failKind(Limit, "indent of %d", n)
		}
		pad = strings.Repeat(" ", int(max(n, 0)))
	case markup:
		if pad, err = r.escaped(or(args[0], "")); err != nil {
			return nil, err
		}
	}
	lines := splitLines(s+"\n", false)
	blank := truth(or(args[2], false))
	if err := r.alloc(len(s) + len(lines)*(len(pad)+17)); err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, line := range lines {
		if i > 0 {
			b.WriteByte('\n')
		}
		if i == 0 && truth(or(args[1], false)) || i > 0 && (blank || line != "") {
			b.WriteString(pad)
		}
		b.WriteString(line)
	}
	if markup {
		return Markup(b.String()), nil
	}
	return b.String(), nil
}

func truncateFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("truncate", 0, "length", "killwords", "end", "leeway")
	if err != nil {
		return nil, err
	}
	s, ok := asString(v)
	end, okEnd := asString(or(args[2], "..."))
	if !ok || !okEnd {
		return nil, fail("truncate needs strings")
	}
	limit, err := indexArg(or(args[0], int64(255)))
	if err != nil {
		return nil, err
	}
	leeway := int64(5)
	if x := or(args[3], nil); x != nil {
		if leeway, err = indexArg(x); err != nil {
			return nil, err
		}
	}
	tail := int64(utf8.RuneCountInString(end))
	if limit < tail || leeway < 0 {
		return nil, fail("expected length >= %d and leeway >= 0, got %d and %d", tail, limit, leeway)
	}
	if err := r.alloc(len(s)); err != nil {
		return nil, err
	}
	if int64(utf8.RuneCountInString(s)) <= limit+leeway {
		return v, nil
	}
	cut := runeSlice(s, 0, int(limit-tail))
	if !truth(or(args[1], false)) {
		if i := strings.LastIndexByte(cut, ' '); i >= 0 {
			cut = cut[:i]
		}
	}
	return r.add(sameKind(v, cut), or(args[2], "..."))
}

func centerFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("center", 0, "width")
	if err != nil {
		return nil, err
	}
	t, err := r.soft(v)
	if err != nil {
		return nil, err
	}
	return padMethod(r, t, &callArgs{pos: []Value{or(args[0], int64(80))}}, "center")
}

func wordcountFilter(r *run, v Value, a *callArgs) (Value, error) {
	if _, err := a.positional("wordcount", 0, 0); err != nil {
		return nil, err
	}
	t, err := r.soft(v)
	if err != nil {
		return nil, err
	}
	n := len(strings.FieldsFunc(t.s, func(c rune) bool { return !isWord(c) || c == 0xb7 }))
	return int64(n), r.scan(len(t.s))
}

func defaultFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("default", 0, "default_value", "boolean")
	if err != nil {
		return nil, err
	}
	_, isUndefined := v.(*undefined)
	if isUndefined || truth(or(args[1], false)) && !truth(v) {
		return or(args[0], ""), nil
	}
	return v, nil
}

func attrFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("attr", 1, "name")
	if err != nil {
		return nil, err
	}
	name, ok := asString(args[0])
	if !ok {
		return nil, fail("attribute name must be string")
	}
	f, ok, err := r.attr(v, name)
	if err != nil || ok {
		return f, err
	}
	return undefinedAttr(v, name), nil
}

func formatFilter(r *run, v Value, a *callArgs) (Value, error) {
	if len(a.pos) > 0 && len(a.names) > 0 {
		return nil, fail("can't handle positional and keyword arguments at the same time")
	}
	t, err := r.soft(v)
	if err != nil {
		return nil, err
	}
	var args Value = &Tuple{items: a.pos}
	if len(a.names) > 0 {
		if args, err = makeDict(r, &callArgs{names: a.names, vals: a.vals}); err != nil {
			return nil, err
		}
	}
	return r.percent(t.of(t.s), t.s, args)
}

func absFilter(r *run, v Value, a *callArgs) (Value, error) {
	if _, err := a.positional("abs", 0, 0); err != nil {
		return nil, err
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	b, ok := asInt(v)
	if !ok {
		return nil, fail("bad operand type for abs(): '%s'", typeName(v))
	}
	return normBig(new(big.Int).Abs(b)), nil
}

func intFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("int", 0, "default", "base")
	if err != nil {
		return nil, err
	}
	base, err := indexArg(or(args[1], int64(10)))
	if err != nil {
		return nil, err
	}
	def := or(args[0], int64(0))
	s, isString := asString(v)
	switch x := v.(type) {
	case *undefined:
		return nil, fail("%s", x.msg)
	case float64:
		if math.IsInf(x, 0) {
			return nil, fail("cannot convert float infinity to integer")
		}
		return floatToInt(x, def), nil
	}
	if !isString {
		if b, ok := asInt(v); ok {
			return normBig(b), nil
		}
		return def, nil
	}
	if err := r.scan(len(s)); err != nil {
		return nil, err
	}
	if b, ok := parseInt(s, int(base)); ok {
		return normBig(b), nil
	}
	f, ok := parseFloat(s)
	if !ok {
		return def, nil
	}
	return floatToInt(f, def), nil
}

func floatToInt(f float64, def Value) Value {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return def
	}
	b, _ := big.NewFloat(math.Trunc(f)).Int(nil)
	return normBig(b)
}

// parseInt is int(s, base) for a string.
func parseInt(s string, base int) (*big.Int, bool) {
	s = strings.TrimFunc(s, isSpace)
	neg := strings.HasPrefix(s, "-")
	if neg || strings.HasPrefix(s, "+") {
		s = s[1:]
	}
	if base != 0 && (base < 2 || base > 36) || s == "" || s[0] == '-' || s[0] == '+' {
		return nil, false
	}
	if len(s) > 2 && s[0] == '0' {
		prefix := map[byte]int{'x': 16, 'o': 8, 'b': 2}[s[1]|0x20]
		if prefix != 0 && (base == prefix || base == 0) {
			base = prefix
			s = strings.TrimPrefix(s[2:], "_")
		}
	}
	if base == 0 {
		if base = 10; s[0] == '0' && strings.Trim(s, "0_") != "" {
			return nil, false
		}
	}
	if s == "" || s[0] == '_' || s[len(s)-1] == '_' || strings.Contains(s, "__") {
		return nil, false
	}
	s = strings.ReplaceAll(s, "_", "")
	if len(s) > maxIntDigits {
		return nil, false
	}
	for i := 0; i < len(s); i++ {
		if digitValue(s[i]) >= base {
			return nil, false
		}
	}
	b, ok := new(big.Int).SetString(s, base)
	if ok && neg {
		b.Neg(b)
	}
	return b, ok
}

// parseFloat is float(s).
func parseFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, isSpace)
	for i := 0; i < len(s); i++ {
		if s[i] == '_' && (i == 0 || i == len(s)-1 || !isDigit(s[i-1]) || !isDigit(s[i+1])) || s[i]|0x20 == 'x' || s[i]|0x20 == 'p' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	return f, err == nil || math.IsInf(f, 0)
}

func floatFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("float", 0, "default")
	if err != nil {
		return nil, err
	}
	if u, ok := v.(*undefined); ok {
		return nil, fail("%s", u.msg)
	}
	if s, ok := asString(v); ok {
		if f, ok := parseFloat(s); ok {
			return f, r.scan(len(s))
		}
		return or(args[0], 0.0), nil
	}
	if f, ok := asFloat(v); ok {
		if _, isFloat := v.(float64); math.IsInf(f, 0) && !isFloat {
			return nil, fail("int too large to convert to float")
		}
		return f, nil
	}
	return or(args[0], 0.0), nil
}

func roundFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("round", 0, "precision", "method")
	if err != nil {
		return nil, err
	}
	method, _ := asString(or(args[1], "common"))
	if !hasWord("common ceil floor", method) {
		return nil, fail("method must be common, ceil or floor")
	}
	p, err := indexArg(or(args[0], int64(0)))
	if err != nil {
		return nil, err
	}
	f, ok := asFloat(v)
	if !ok {
		return nil, fail("type %s doesn't define __round__ method", typeName(v))
	}
	b, isInt := asInt(v)
	if method != "common" {
		scale, err := intPow(big.NewInt(10), big.NewInt(p))
		if err != nil {
			return nil, err
		}
		scaled, err := r.binary("*", v, scale)
		if err != nil {
			return nil, err
		}
		if g, ok := scaled.(float64); ok {
			if method == "ceil" {
				g = math.Ceil(g)
			} else {
				g = math.Floor(g)
			}
			if math.IsInf(g, 0) || math.IsNaN(g) {
				return nil, fail("cannot convert float to integer")
			}
			scaled = floatToInt(g, nil)
		}
		return r.binary("/", scaled, scale)
	}
	if isInt {
		if p >= 0 {
			return normBig(b), nil
		}
		if p < -maxIntDigits {
			return int64(0), nil
		}
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(-p), nil)
		return normBig(new(big.Int).Mul(roundHalfEven(new(big.Rat).SetFrac(b, unit)), unit)), nil
	}
	if math.IsInf(f, 0) || math.IsNaN(f) || p > 330 {
		return f, nil
	}
	if p < -330 {
		return math.Copysign(0, f), nil
	}
	unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(max(p, -p)), nil))
	if p < 0 {
		unit.Inv(unit)
	}
	x := new(big.Rat).SetFloat64(f)
	q := new(big.Rat).SetInt(roundHalfEven(x.Mul(x, unit)))
	g, _ := q.Quo(q, unit).Float64()
	if g == 0 {
		g = math.Copysign(0, f)
	}
	return g, nil
}

func roundHalfEven(x *big.Rat) *big.Int {
	twice := new(big.Int).Lsh(x.Num(), 1)
	twice.Add(twice, x.Denom())
	q, m := new(big.Int).DivMod(twice, new(big.Int).Lsh(x.Denom(), 1), new(big.Int))
	if m.Sign() == 0 && q.Bit(0) == 1 {
		q.Sub(q, big.NewInt(1))
	}
	return q
}
