// The methods of str.

package jinja

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// stringMethod returns a method bound to s; markup says that s is a Markup, whose methods return Markup.
func stringMethod(s string, markup bool, name string) (Value, bool) {
	f := findStringMethod(name)
	if f == nil {
		if hasWord("casefold encode expandtabs maketrans translate", name) {
			f = func(r *run, s *text, a *callArgs) (Value, error) {
				return nil, failKind(Unsupported, "str.%s is not supported", name)
			}
		} else {
			return nil, false
		}
	}
	return &builtin{name: name, call: func(r *run, a *callArgs) (Value, error) {
		if err := r.alloc(len(s)); err != nil {
			return nil, err
		}
		return f(r, &text{s, markup}, a)
	}}, true
}

// text is the receiver of a method.
type text struct {
	s      string
	markup bool
}

type strMethod func(r *run, t *text, a *callArgs) (Value, error)

// of gives a result the receiver's type.
func (t *text) of(s string) Value {
	if t.markup {
		return Markup(s)
	}
	return s
}

func (t *text) list(parts []string) Value {
	l := &List{items: make([]Value, len(parts))}
	for i, p := range parts {
		l.items[i] = t.of(p)
	}
	return l
}

func findStringMethod(name string) strMethod {
	switch name {
	case "upper":
		return mapping(toUpper)
	case "lower":
		return mapping(toLower)
	case "capitalize":
		return mapping(capitalize)
	case "title":
		return mapping(titleCase)
	case "swapcase":
		return mapping(swapCase)
	case "strip":
		return stripping(true, true)
	case "lstrip":
		return stripping(true, false)
	case "rstrip":
		return stripping(false, true)
	case "split", "rsplit":
		return func(r *run, t *text, a *callArgs) (Value, error) { return splitMethod(r, t, a, name == "rsplit") }
	case "splitlines":
		return splitlinesMethod
	case "partition", "rpartition":
		return func(r *run, t *text, a *callArgs) (Value, error) { return partitionMethod(t, a, name == "rpartition") }
	case "startswith", "endswith":
		return func(r *run, t *text, a *callArgs) (Value, error) { return affixMethod(t, a, name == "startswith") }
	case "removeprefix", "removesuffix":
		return func(r *run, t *text, a *callArgs) (Value, error) {
			arg, err := a.oneString(name)
			if name == "removeprefix" {
				return t.of(strings.TrimPrefix(t.s, arg)), err
			}
			return t.of(strings.TrimSuffix(t.s, arg)), err
		}
	case "find", "rfind", "index", "rindex", "count":
		return func(r *run, t *text, a *callArgs) (Value, error) { return findMethod(t, a, name) }
	case "replace":
		return replaceMethod
	case "join":
		return joinMethod
	case "center", "ljust", "rjust", "zfill":
		return func(r *run, t *text, a *callArgs) (Value, error) { return padMethod(r, t, a, name) }
	case "format", "format_map":
		return func(r *run, t *text, a *callArgs) (Value, error) { return formatMethod(r, t, a, name) }
	case "islower":
		return predicate(isLower)
	case "isupper":
		return predicate(isUpper)
	case "isascii":
		return predicate(func(s string) bool {
			return strings.IndexFunc(s, func(c rune) bool { return c >= 0x80 }) < 0
		})
	case "isalpha":
		return every(unicode.IsLetter)
	case "isalnum":
		return every(func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) })
	case "isdecimal":
		return every(unicode.IsDigit)
	case "isdigit":
		return every(func(c rune) bool { return unicode.IsDigit(c) || isSuperDigit(c) })
	case "isnumeric":
		return every(unicode.IsNumber)
	case "isspace":
		return every(isSpace)
	case "isprintable":
		return predicate(func(s string) bool {
			return strings.IndexFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) < 0
		})
	case "isidentifier":
		return predicate(func(s string) bool {
			for i, c := range s {
				if c != '_' && !unicode.IsLetter(c) && (i == 0 || !isWord(c)) {
					return false
				}
			}
			return s != ""
		})
	case "istitle":
		return predicate(isTitleCase)
	}
	return nil
}

// isSuperDigit is true for the superscript digits, which Python counts as digits though not decimal.
func isSuperDigit(c rune) bool {
	return c == 0xb2 || c == 0xb3 || c == 0xb9 || 0x2070 <= c && c <= 0x2089 && c != 0x2071 || 0x2460 <= c && c <= 0x2468
}

func isTitleCase(s string) bool {
	inWord, any := false, false
	for _, c := range s {
		switch {
		case isUpperRune(c) || isTitleRune(c):
			if inWord {
				return false
			}
			inWord, any = true, true
		case isLowerRune(c):
			if !inWord {
				return false
			}
		default:
			inWord = false
		}
	}
	return any
}

func mapping(f func(string) string) strMethod {
	return func(r *run, t *text, a *callArgs) (Value, error) {
		_, err := a.positional("str method", 0, 0)
		if err == nil {
			err = r.alloc(4 * len(t.s))
		}
		if err != nil {
			return nil, err
		}
		return t.of(f(t.s)), nil
	}
}

func predicate(f func(string) bool) strMethod {
	return func(r *run, t *text, a *callArgs) (Value, error) {
		_, err := a.positional("str method", 0, 0)
		return f(t.s), err
	}
}

func every(f func(rune) bool) strMethod {
	return predicate(func(s string) bool {
		return s != "" && strings.IndexFunc(s, func(c rune) bool { return !f(c) }) < 0
	})
}

func (a *callArgs) oneString(fn string) (string, error) {
	v, err := a.positional(fn, 1, 1)
	if err != nil {
		return "", err
	}
	s, ok := asString(v[0])
	if !ok {
		return "", fail("%s() argument must be str, not %s", fn, typeName(v[0]))
	}
	return s, nil
}

func stripText(s string, left, right bool, chars Value) (string, error) {
	f := isSpace
	if chars != nil {
		set, ok := asString(chars)
		if !ok {
			return "", fail("strip arg must be None or str")
		}
		f = func(c rune) bool { return strings.ContainsRune(set, c) }
	}
	if left {
		s = strings.TrimLeftFunc(s, f)
	}
	if right {
		s = strings.TrimRightFunc(s, f)
	}
	return s, nil
}

func stripping(left, right bool) strMethod {
	return func(r *run, t *text, a *callArgs) (Value, error) {
		v, err := a.positional("strip", 0, 1)
		if err != nil {
			return nil, err
		}
		var chars Value
		if len(v) > 0 {
			chars = v[0]
		}
		if set, ok := asString(chars); ok {
			if err := r.step(len(set) / 16 * (1 + len(t.s)/16)); err != nil {
				return nil, err
			}
		}
		s, err := stripText(t.s, left, right, chars)
		return t.of(s), err
	}
}

func splitMethod(r *run, t *text, a *callArgs, fromRight bool) (Value, error) {
	v, err := a.bind("split", 0, "sep", "maxsplit")
	if err != nil {
		return nil, err
	}
	limit, err := indexArg(or(v[1], int64(-1)))
	if err != nil {
		return nil, err
	}
	if limit < 0 {
		limit = math.MaxInt32
	}
	var parts []string
	if sep := or(v[0], nil); sep == nil {
		parts = splitSpace(t.s, int(min(limit, math.MaxInt32)), fromRight)
	} else {
		s, ok := asString(sep)
		if !ok {
			return nil, fail("must be str or None, not %s", typeName(sep))
		}
		if s == "" {
			return nil, fail("empty separator")
		}
		if err := r.alloc(32 * strings.Count(t.s, s)); err != nil {
			return nil, err
		}
		parts = splitOn(t.s, s, int(min(limit, math.MaxInt32-1)), fromRight)
	}
	if err := r.alloc(32 * len(parts)); err != nil {
		return nil, err
	}
	return t.list(parts), nil
}

func splitOn(s, sep string, limit int, fromRight bool) []string {
	if !fromRight {
		return strings.SplitN(s, sep, limit+1)
	}
	var parts []string
	for limit > 0 {
		i := strings.LastIndex(s, sep)
		if i < 0 {
			break
		}
		parts = append(parts, s[i+len(sep):])
		s = s[:i]
		limit--
	}
	parts = append(parts, s)
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return parts
}

func splitSpace(s string, limit int, fromRight bool) []string {
	var parts []string
	if fromRight {
		s = strings.TrimRightFunc(s, isSpace)
		for s != "" {
			i := strings.LastIndexFunc(s, isSpace)
			if i < 0 || len(parts) == limit {
				parts = append(parts, s)
				break
			}
			_, n := utf8.DecodeRuneInString(s[i:])
			parts = append(parts, s[i+n:])
			s = strings.TrimRightFunc(s[:i], isSpace)
		}
		for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
			parts[i], parts[j] = parts[j], parts[i]
		}
		return parts
	}
	s = strings.TrimLeftFunc(s, isSpace)
	for s != "" {
		i := strings.IndexFunc(s, isSpace)
		if i < 0 || len(parts) == limit {
			return append(parts, s)
		}
		parts = append(parts, s[:i])
		s = strings.TrimLeftFunc(s[i:], isSpace)
	}
	return parts
}

// splitLines is str.splitlines, which knows ten line ends.
func splitLines(s string, keep bool) []string {
	var parts []string
	for s != "" {
		i := strings.IndexFunc(s, func(c rune) bool {
			return '\n' <= c && c <= '\r' || 0x1c <= c && c <= 0x1e || c == 0x85 || c == 0x2028 || c == 0x2029
		})
		if i < 0 {
			return append(parts, s)
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		if strings.HasPrefix(s[i:], "\r\n") {
			n = 2
		}
		if keep {
			parts = append(parts, s[:i+n])
		} else {
			parts = append(parts, s[:i])
		}
		s = s[i+n:]
	}
	return parts
}

func splitlinesMethod(r *run, t *text, a *callArgs) (Value, error) {
	v, err := a.bind("splitlines", 0, "keepends")
	if err != nil {
		return nil, err
	}
	parts := splitLines(t.s, truth(or(v[0], false)))
	if err := r.alloc(32 * len(parts)); err != nil {
		return nil, err
	}
	return t.list(parts), nil
}

func partitionMethod(t *text, a *callArgs, fromRight bool) (Value, error) {
	sep, err := a.oneString("partition")
	if err != nil {
		return nil, err
	}
	if sep == "" {
		return nil, fail("empty separator")
	}
	i := strings.Index(t.s, sep)
	if fromRight {
		i = strings.LastIndex(t.s, sep)
	}
	switch {
	case i >= 0:
		return &Tuple{items: []Value{t.of(t.s[:i]), t.of(sep), t.of(t.s[i+len(sep):])}}, nil
	case fromRight:
		return &Tuple{items: []Value{t.of(""), t.of(""), t.of(t.s)}}, nil
	}
	return &Tuple{items: []Value{t.of(t.s), t.of(""), t.of("")}}, nil
}

// window cuts the part of s between two optional character indices; ok is false if it lies outside s.
func window(s string, args []Value) (part string, offset int, ok bool, err error) {
	n := utf8.RuneCountInString(s)
	bounds := [3]Value{}
	copy(bounds[:], args)
	start, _, count, err := sliceBounds(bounds, n)
	if err != nil {
		return "", 0, false, err
	}
	if len(args) > 0 && args[0] != nil {
		if i, _ := indexArg(args[0]); i > int64(n) {
			return "", 0, false, nil
		}
	}
	return runeSlice(s, int(start), int(start+count)), int(start), true, nil
}

func affixMethod(t *text, a *callArgs, prefix bool) (Value, error) {
	v, err := a.positional("startswith", 1, 3)
	if err != nil {
		return nil, err
	}
	options := []Value{v[0]}
	if tuple, ok := v[0].(*Tuple); ok {
		options = tuple.items
	}
	s, inside := t.s, true
	if len(v) > 1 {
		if s, _, inside, err = window(t.s, v[1:]); err != nil {
			return nil, err
		}
	}
	for _, o := range options {
		p, ok := asString(o)
		if !ok {
			return nil, fail("startswith first arg must be str or a tuple of str, not %s", typeName(o))
		}
		if inside && (prefix && strings.HasPrefix(s, p) || !prefix && strings.HasSuffix(s, p)) {
			return true, nil
		}
	}
	return false, nil
}

func findMethod(t *text, a *callArgs, name string) (Value, error) {
	v, err := a.positional(name, 1, 3)
	if err != nil {
		return nil, err
	}
	sub, ok := asString(v[0])
	if !ok {
		return nil, fail("must be str, not %s", typeName(v[0]))
	}
	s, offset, inside, err := window(t.s, v[1:])
	if err != nil {
		return nil, err
	}
	if name == "count" {
		if !inside {
			return int64(0), nil
		}
		return int64(strings.Count(s, sub)), nil
	}
	i := -1
	if inside {
		i = strings.Index(s, sub)
		if name[0] == 'r' {
			i = strings.LastIndex(s, sub)
		}
	}
	if i < 0 {
		if strings.HasSuffix(name, "index") {
			return nil, fail("substring not found")
		}
		return int64(-1), nil
	}
	return int64(offset + utf8.RuneCountInString(s[:i])), nil
}

// replaceText is str.replace, charged before it allocates.
func (r *run) replaceText(s, old, repl string, limit int64) (string, error) {
	n := int64(strings.Count(s, old))
	if limit >= 0 {
		n = min(n, limit)
	}
	if size := int64(len(s)) + n*int64(len(repl)); size > int64(r.memory) {
		return "", failKind(Limit, "too much memory")
	} else if err := r.alloc(int(size)); err != nil {
		return "", err
	}
	return strings.Replace(s, old, repl, int(n)), nil
}

func replaceMethod(r *run, t *text, a *callArgs) (Value, error) {
	v, err := a.positional("replace", 2, 3)
	if err != nil {
		return nil, err
	}
	old, ok1 := asString(v[0])
	repl, ok2 := asString(v[1])
	if !ok1 || !ok2 && !t.markup {
		return nil, fail("replace() arguments must be str")
	}
	if t.markup {
		if repl, err = r.escaped(v[1]); err != nil {
			return nil, err
		}
	}
	limit := int64(-1)
	if len(v) > 2 {
		if limit, err = indexArg(v[2]); err != nil {
			return nil, err
		}
	}
	s, err := r.replaceText(t.s, old, repl, limit)
	return t.of(s), err
}

// escaped is markupsafe.escape: the text of v, escaped unless it is Markup already.
func (r *run) escaped(v Value) (string, error) {
	if m, ok := v.(Markup); ok {
		return string(m), nil
	}
	s, err := r.str(v)
	if err != nil {
		return "", err
	}
	if err := r.alloc(5 * len(s)); err != nil {
		return "", err
	}
	return escapeHTML(s), nil
}

func joinMethod(r *run, t *text, a *callArgs) (Value, error) {
	v, err := a.positional("join", 1, 1)
	if err != nil {
		return nil, err
	}
	items, err := r.collect(v[0])
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, item := range items {
		s, ok := asString(item)
		if t.markup {
			if s, err = r.escaped(item); err != nil {
				return nil, err
			}
		} else if !ok {
			return nil, fail("sequence item %d: expected str instance, %s found", i, typeName(item))
		}
		if err := r.alloc(len(s) + len(t.s)); err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(t.s)
		}
		b.WriteString(s)
	}
	return t.of(b.String()), nil
}

func padMethod(r *run, t *text, a *callArgs, name string) (Value, error) {
	hi := 2
	if name == "zfill" {
		hi = 1
	}
	v, err := a.positional(name, 1, hi)
	if err != nil {
		return nil, err
	}
	width, err := indexArg(v[0])
	if err != nil {
		return nil, err
	}
	fill := " "
	if len(v) > 1 {
		var ok bool
		if fill, ok = asString(v[1]); ok && t.markup {
			fill, _ = r.escaped(v[1])
		}
		if !ok || utf8.RuneCountInString(fill) != 1 {
			return nil, fail("The fill character must be exactly one character long")
		}
	}
	n := max(0, width-int64(utf8.RuneCountInString(t.s)))
	if n > int64(r.memory)/4 {
		return nil, failKind(Limit, "too much memory")
	}
	if err := r.alloc(int(n) * len(fill)); err != nil {
		return nil, err
	}
	left, right := int64(0), int64(0)
	switch name {
	case "ljust":
		right = n
	case "rjust":
		left = n
	case "zfill":
		sign := ""
		if t.s != "" && (t.s[0] == '-' || t.s[0] == '+') {
			sign = t.s[:1]
		}
		return t.of(sign + strings.Repeat("0", int(n)) + t.s[len(sign):]), nil
	default:
		left = n/2 + (n & width & 1)
		right = n - left
	}
	return t.of(strings.Repeat(fill, int(left)) + t.s + strings.Repeat(fill, int(right))), nil
}
