// Character classes of regular expressions: brackets with nesting and intersection, properties, escapes.

package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// class parses a bracket class after its opening bracket.
func (p *parser) class() ([]runeRange, error) {
	if p.depth++; p.depth > maxGroups {
		return nil, p.errorf("classes nested deeper than %d", maxGroups)
	}
	defer func() { p.depth-- }()
	not := p.accept("^")
	var set []runeRange
	var both []runeRange // what stands left of && so far
	intersect := false
	for first := true; ; first = false {
		if p.pos >= len(p.text) {
			return nil, p.errorf("a class without end")
		}
		if p.peek() == ']' && !first {
			p.pos++
			break
		}
		if p.accept("&&") {
			if set = mergeRanges(set); intersect {
				set = intersectRanges(both, set)
			}
			both, set, intersect = set, nil, true
			continue
		}
		part, lo, err := p.classItem()
		if err != nil {
			return nil, err
		}
		if part != nil {
			set = append(set, part...)
			continue
		}
		hi, err := p.rangeEnd(lo)
		if err != nil {
			return nil, err
		}
		set = append(set, runeRange{lo, hi})
	}
	if set = mergeRanges(set); intersect {
		set = intersectRanges(both, set)
	}
	if p.fold {
		set = foldRanges(set)
	}
	if not {
		set = invertRanges(set)
	}
	if set == nil {
		set = []runeRange{}
	}
	return set, nil
}

// classItem parses a nested class, a property or one character.
func (p *parser) classItem() ([]runeRange, rune, error) {
	switch {
	case strings.HasPrefix(p.text[p.pos:], "[:"):
		if set, ok := p.posix(); ok {
			return set, 0, nil
		}
		fallthrough
	case p.peek() == '[':
		p.pos++
		set, err := p.class()
		return set, 0, err
	case p.accept(`\`):
		return p.classEscape()
	}
	return nil, p.rune(), nil
}

// rangeEnd parses -x after a character, if a range it is.
func (p *parser) rangeEnd(lo rune) (rune, error) {
	rest := p.text[p.pos:]
	if len(rest) < 2 || rest[0] != '-' || rest[1] == ']' || strings.HasPrefix(rest, "-[") || strings.HasPrefix(rest, "-&&") {
		return lo, nil
	}
	p.pos++
	part, hi, err := p.classItem()
	if err != nil {
		return 0, err
	}
	if part != nil || hi < lo {
		return 0, p.errorf("a wrong range in a class")
	}
	return hi, nil
}

// posix parses [:name:] or [:^name:].
func (p *parser) posix() ([]runeRange, bool) {
	end := strings.Index(p.text[p.pos:], ":]")
	if end < 0 {
		return nil, false
	}
	name, not := strings.CutPrefix(p.text[p.pos+2:p.pos+end], "^")
	set, ok := tables().ranges["posix="+name]
	if !ok {
		return nil, false
	}
	p.pos += end + 2
	return maybeInvert(set, not), true
}

// maybeInvert returns a copy that the caller may change.
func maybeInvert(set []runeRange, not bool) []runeRange {
	if not {
		set = invertRanges(set)
	}
	return append([]runeRange{}, set...)
}

// classEscape parses what may follow a backslash in and out of classes: a set, or one character.
func (p *parser) classEscape() ([]runeRange, rune, error) {
	if p.pos >= len(p.text) {
		return nil, 0, p.errorf("a backslash at the end")
	}
	c := p.rune()
	switch c {
	case 'd', 's', 'w', 'h':
		return maybeInvert(tables().ranges["esc="+string(c)], false), 0, nil
	case 'D', 'S', 'W', 'H':
		return maybeInvert(tables().ranges["esc="+string(c+'a'-'A')], true), 0, nil
	case 'N', 'O':
		if c == 'N' {
			return []runeRange{{0, '\n' - 1}, {'\n' + 1, utf8.MaxRune}}, 0, nil
		}
		return []runeRange{{0, utf8.MaxRune}}, 0, nil
	case 'p', 'P':
		set, err := p.property(c == 'P')
		return set, 0, err
	case 'n':
		return nil, '\n', nil
	case 't':
		return nil, '\t', nil
	case 'r':
		return nil, '\r', nil
	case 'f':
		return nil, '\f', nil
	case 'v':
		return nil, '\v', nil
	case 'a':
		return nil, '\a', nil
	case 'e':
		return nil, 0x1B, nil
	case 'b': // only reached within a class
		return nil, '\b', nil
	case 'x', 'u':
		r, err := p.hexEscape(c)
		return nil, r, err
	case '0':
		end := p.pos
		for end < len(p.text) && end < p.pos+2 && p.text[end] >= '0' && p.text[end] <= '7' {
			end++
		}
		n, _ := strconv.ParseUint("0"+p.text[p.pos:end], 8, 16)
		p.pos = end
		return nil, rune(n), nil
	}
	if c >= '1' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
		return nil, 0, p.errorf(`unsupported escape \%c`, c)
	}
	return nil, c, nil
}

// hexEscape parses \xHH, \x{H...} and \uHHHH.
func (p *parser) hexEscape(kind rune) (rune, error) {
	rest := p.text[p.pos:]
	var digits string
	switch {
	case kind == 'x' && strings.HasPrefix(rest, "{"):
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return 0, p.errorf("a code point without end")
		}
		digits = rest[1:end]
		p.pos += end + 1
	case kind == 'u' && len(rest) >= 4:
		digits = rest[:4]
		p.pos += 4
	default:
		n := 0
		for n < 2 && n < len(rest) && hexDigit(rest[n]) >= 0 {
			n++
		}
		digits = rest[:n]
		p.pos += n
	}
	r, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || r > utf8.MaxRune || kind == 'x' && len(digits) <= 2 && rest[0] != '{' && r > 0x7F {
		return 0, p.errorf("a wrong code point %q", digits)
	}
	return rune(r), nil
}

// property parses {Name} or {^Name} after \p.
func (p *parser) property(not bool) ([]runeRange, error) {
	rest := p.text[p.pos:]
	end := strings.IndexByte(rest, '}')
	if !strings.HasPrefix(rest, "{") || end < 0 {
		return nil, p.errorf("a property without braces")
	}
	name, inverse := strings.CutPrefix(rest[1:end], "^")
	set, ok := propertyRanges(name)
	if !ok {
		return nil, p.errorf("unknown property %q", name)
	}
	p.pos += end + 1
	return maybeInvert(set, not != inverse), nil
}

// propertyRanges looks up a property as Oniguruma does: without regard to case, blanks, hyphens and underscores.
func propertyRanges(name string) ([]runeRange, bool) {
	plain := func(s string) string {
		return strings.ToLower(strings.NewReplacer(" ", "", "_", "", "-", "").Replace(s))
	}
	want := plain(name)
	switch want {
	case "any":
		return []runeRange{{0, utf8.MaxRune}}, true
	case "assigned":
		return invertRanges(tables().ranges["gc=Cn"]), true
	case "whitespace":
		return tables().ranges["white"], true
	case "lc":
		want = "l&"
	}
	if long, ok := longCategories[want]; ok {
		want = plain(long)
	}
	var out []runeRange
	for key, ranges := range tables().ranges {
		kind, short, ok := strings.Cut(key, "=")
		if !ok || kind == "esc" {
			continue
		}
		short = plain(short)
		general := kind == "gc" && (short == want || len(want) == 1 && short[:1] == want ||
			want == "l&" && (short == "lu" || short == "ll" || short == "lt"))
		if general || kind != "gc" && short == want {
			out = append(out, ranges...)
		}
	}
	return mergeRanges(out), out != nil
}

// longCategories spells out the general categories.
var longCategories = map[string]string{
	"letter": "L", "casedletter": "L&", "uppercaseletter": "Lu", "lowercaseletter": "Ll", "titlecaseletter": "Lt",
	"modifierletter": "Lm", "otherletter": "Lo", "mark": "M", "combiningmark": "M", "nonspacingmark": "Mn",
	"spacingmark": "Mc", "enclosingmark": "Me", "number": "N", "decimalnumber": "Nd", "letternumber": "Nl",
	"othernumber": "No", "punctuation": "P", "connectorpunctuation": "Pc", "dashpunctuation": "Pd",
	"openpunctuation": "Ps", "closepunctuation": "Pe", "initialpunctuation": "Pi", "finalpunctuation": "Pf",
	"otherpunctuation": "Po", "symbol": "S", "mathsymbol": "Sm", "currencysymbol": "Sc", "modifiersymbol": "Sk",
	"othersymbol": "So", "separator": "Z", "spaceseparator": "Zs", "lineseparator": "Zl", "paragraphseparator": "Zp",
	"other": "C", "control": "Cc", "format": "Cf", "surrogate": "Cs", "privateuse": "Co", "unassigned": "Cn",
}
