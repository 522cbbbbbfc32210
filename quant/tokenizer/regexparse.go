// The parser of regular expressions: the part of Oniguruma's syntax that describes how to cut text into words.

package tokenizer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds on what a pattern may ask for.
const (
	maxPattern = 1 << 14 // bytes of a pattern
	maxGroups  = 60      // nested groups and classes
	maxRepeat  = 1000    // of a counted repetition
	maxProgram = 1 << 15 // instructions
)

type nodeKind uint8

const (
	nodeEmpty     nodeKind = iota
	nodeSet                // one character of set
	nodeSequence           // list
	nodeChoice             // list
	nodeRepeat             // list[0], lo to hi times
	nodeLook               // look-ahead over list[0], or look-behind
	nodeAtomic             // list[0], never re-entered
	nodeAssertion          // op names it
)

type node struct {
	kind   nodeKind
	set    *classSet
	list   []*node
	lo, hi int // hi < 0: without end
	lazy   bool
	keep   bool // possessive
	not    bool
	behind bool
	op     opcode
}

// classSet is a set of characters under construction; equal ones are frozen once.
type classSet struct{ ranges []runeRange }

// parser holds the options that are in force at its place.
type parser struct {
	text   string
	pos    int
	depth  int
	fold   bool // (?i)
	dotAll bool // (?m), which in this dialect lets a dot match a line end
	extend bool // (?x)

	foldLast rune // the last literal under (?i), and where one right behind it would end
	foldEnd  int
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("%s at byte %d of the regular expression %q", fmt.Sprintf(format, args...), p.pos, shorten(p.text))
}

func shorten(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

func (p *parser) accept(s string) bool {
	if strings.HasPrefix(p.text[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

func (p *parser) rune() rune {
	r, n := utf8.DecodeRuneInString(p.text[p.pos:])
	p.pos += n
	return r
}

// choice parses alternatives up to the end or a closing parenthesis. Options set within hold up to there.
func (p *parser) choice() (*node, error) {
	if p.depth++; p.depth > maxGroups {
		return nil, p.errorf("groups nested deeper than %d", maxGroups)
	}
	fold, dotAll, extend := p.fold, p.dotAll, p.extend
	defer func() {
		p.depth--
		p.fold, p.dotAll, p.extend = fold, dotAll, extend
	}()
	list := []*node{}
	for {
		n, err := p.sequence()
		if err != nil {
			return nil, err
		}
		list = append(list, n)
		if !p.accept("|") {
			break
		}
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return &node{kind: nodeChoice, list: list}, nil
}

func (p *parser) sequence() (*node, error) {
	seq := &node{kind: nodeSequence}
	for p.pos < len(p.text) {
		c := p.peek()
		if c == '|' || c == ')' {
			break
		}
		if p.extend && strings.IndexByte(" \t\n\r\f\v", c) >= 0 {
			p.pos++
			continue
		}
		if p.extend && c == '#' {
			for p.pos < len(p.text) && p.peek() != '\n' {
				p.pos++
			}
			continue
		}
		n, err := p.atom()
		if err != nil {
			return nil, err
		}
		if n == nil {
			continue
		}
		if n, err = p.quantified(n); err != nil {
			return nil, err
		}
		seq.list = append(seq.list, n)
	}
	if len(seq.list) == 1 {
		return seq.list[0], nil
	}
	return seq, nil
}

// quantified parses what may follow an atom: * + ? {n,m}, each greedy, lazy or possessive.
func (p *parser) quantified(n *node) (*node, error) {
	for levels := 0; ; levels++ {
		lo, hi := 0, -1
		braces := false
		switch c := p.peek(); {
		case p.pos >= len(p.text):
			return n, nil
		case c == '*':
			p.pos++
		case c == '+':
			p.pos++
			lo = 1
		case c == '?':
			p.pos++
			hi = 1
		case c == '{':
			var ok bool
			var err error
			if lo, hi, ok, err = p.braces(); err != nil || !ok {
				return n, err
			}
			braces = true
		default:
			return n, nil
		}
		if levels > maxGroups {
			return nil, p.errorf("more than %d quantifiers in a row", maxGroups)
		}
		if n.kind == nodeLook || n.kind == nodeAssertion {
			return nil, p.errorf("a quantifier after an assertion is not supported")
		}
		r := &node{kind: nodeRepeat, list: []*node{n}, lo: lo, hi: hi}
		switch {
		case p.accept("?"):
			r.lazy = true
		case !braces && p.accept("+"):
			r.keep = true
		}
		n = r
	}
}

// braces parses {n}, {n,}, {,m} or {n,m}; anything else that begins with a brace is literal.
func (p *parser) braces() (lo, hi int, ok bool, err error) {
	end := strings.IndexByte(p.text[p.pos:], '}')
	if end < 0 {
		return 0, 0, false, nil
	}
	from, to, comma := strings.Cut(p.text[p.pos+1:p.pos+end], ",")
	number := func(s string, def int) int {
		if s == "" {
			return def
		}
		n, e := strconv.ParseUint(s, 10, 31)
		if e != nil {
			return -2
		}
		return int(n)
	}
	lo, hi = number(from, 0), number(to, -1)
	if !comma {
		hi = lo
	}
	if lo == -2 || hi == -2 || from == "" && to == "" {
		return 0, 0, false, nil
	}
	if lo > maxRepeat || hi > maxRepeat || hi >= 0 && lo > hi {
		return 0, 0, false, p.errorf("repetition {%d,%d} is out of range", lo, hi)
	}
	p.pos += end + 1
	return lo, hi, true, nil
}

// atom parses one element; it returns nil for what matches nothing by itself, such as an option.
func (p *parser) atom() (*node, error) {
	switch c := p.peek(); c {
	case '(':
		p.pos++
		return p.group()
	case '[':
		p.pos++
		set, err := p.class()
		if err != nil {
			return nil, err
		}
		return &node{kind: nodeSet, set: &classSet{set}}, nil
	case '.':
		p.pos++
		set := []runeRange{{0, utf8.MaxRune}}
		if !p.dotAll {
			set = []runeRange{{0, '\n' - 1}, {'\n' + 1, utf8.MaxRune}}
		}
		return &node{kind: nodeSet, set: &classSet{set}}, nil
	case '^':
		p.pos++
		return &node{kind: nodeAssertion, op: opLineStart}, nil
	case '$':
		p.pos++
		return &node{kind: nodeAssertion, op: opLineEnd}, nil
	case '*', '+', '?':
		return nil, p.errorf("nothing to repeat")
	case '\\':
		p.pos++
		return p.escape()
	}
	return p.caseLiteral(p.rune())
}

// caseLiteral is a literal of the pattern. Oniguruma's (?i) also takes several characters for one, as in ß and ss;
// this package does not, and says so where a pattern could ask for it.
func (p *parser) caseLiteral(r rune) (*node, error) {
	if p.fold {
		several := r >= 0x1E96 && r <= 0x1E9E || r >= 0x1F50 && r <= 0x1FFC || r >= 0xFB00 && r <= 0xFB17 ||
			strings.ContainsRune("ßŉǰΐΰևİ", r)
		lower := unicode.ToLower(r)
		if p.pos == p.foldEnd {
			switch string([]rune{p.foldLast, lower}) {
			case "ss", "ff", "fi", "fl", "st":
				several = true
			}
		}
		if several {
			return nil, p.errorf("a case-insensitive match of %q, which can be one character or several", r)
		}
		p.foldLast = lower
		p.foldEnd = p.pos + 1
	}
	return p.literal(r), nil
}

// literal is one character, or under (?i) all that are equal to it but for case.
func (p *parser) literal(r rune) *node {
	set := []runeRange{{r, r}}
	if p.fold {
		set = foldRanges(set)
	}
	return &node{kind: nodeSet, set: &classSet{set}}
}

// foldRanges adds to a set the other cases of its characters.
func foldRanges(ranges []runeRange) []runeRange {
	out := append([]runeRange(nil), ranges...)
	for _, r := range ranges {
		// No character beyond the Adlam and Warang letters has a case; ranges over all of Unicode stay cheap.
		for c := r.lo; c <= min(r.hi, 0x1E943); c++ {
			for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
				out = append(out, runeRange{f, f})
			}
		}
	}
	return mergeRanges(out)
}

func (p *parser) group() (*node, error) {
	kind, not, behind := nodeSequence, false, false
	switch {
	case !p.accept("?"):
	case p.accept(":"):
	case p.accept("="):
		kind = nodeLook
	case p.accept("!"):
		kind, not = nodeLook, true
	case p.accept("<="):
		kind, behind = nodeLook, true
	case p.accept("<!"):
		kind, not, behind = nodeLook, true, true
	case p.accept(">"):
		kind = nodeAtomic
	case p.accept("#"):
		end := strings.IndexByte(p.text[p.pos:], ')')
		if end < 0 {
			return nil, p.errorf("a comment without end")
		}
		p.pos += end + 1
		return nil, nil
	case p.accept("<"), p.accept("P<"):
		end := strings.IndexByte(p.text[p.pos:], '>')
		if end <= 0 {
			return nil, p.errorf("a group name without end")
		}
		p.pos += end + 1
	default:
		return p.options()
	}
	body, err := p.choice()
	if err != nil {
		return nil, err
	}
	if !p.accept(")") {
		return nil, p.errorf("a group without end")
	}
	if kind == nodeSequence {
		return &node{kind: nodeSequence, list: []*node{body}}, nil
	}
	return &node{kind: kind, list: []*node{body}, not: not, behind: behind}, nil
}

// options parses (?imx-imx) and (?imx-imx:...).
func (p *parser) options() (*node, error) {
	fold, dotAll, extend := p.fold, p.dotAll, p.extend
	for on := true; ; {
		switch c := p.peek(); c {
		case '-':
			on = false
		case 'i':
			fold = on
		case 'm':
			dotAll = on
		case 'x':
			extend = on
		case ')', ':':
			p.pos++
			saved := [3]bool{p.fold, p.dotAll, p.extend}
			p.fold, p.dotAll, p.extend = fold, dotAll, extend
			// Without a colon the options hold to the end of the enclosing group, alternatives included.
			body, err := p.choice()
			if err != nil {
				return nil, err
			}
			p.fold, p.dotAll, p.extend = saved[0], saved[1], saved[2]
			if c == ':' && !p.accept(")") {
				return nil, p.errorf("a group without end")
			}
			return &node{kind: nodeSequence, list: []*node{body}}, nil
		default:
			return nil, p.errorf("unsupported group (?%c", c)
		}
		p.pos++
	}
}

// escape parses what follows a backslash outside of a class.
func (p *parser) escape() (*node, error) {
	switch p.peek() {
	case 'A':
		p.pos++
		return &node{kind: nodeAssertion, op: opTextStart}, nil
	case 'z':
		p.pos++
		return &node{kind: nodeAssertion, op: opTextEnd}, nil
	case 'Z':
		p.pos++
		return &node{kind: nodeAssertion, op: opTextEndLine}, nil
	case 'b':
		p.pos++
		return &node{kind: nodeAssertion, op: opWordEdge}, nil
	case 'B':
		p.pos++
		return &node{kind: nodeAssertion, op: opNoWordEdge}, nil
	case 'R':
		p.pos++
		line := &node{kind: nodeSequence, list: []*node{p.literal('\r'), p.literal('\n')}}
		one := &node{kind: nodeSet, set: &classSet{[]runeRange{{'\n', '\r'}, {0x85, 0x85}, {0x2028, 0x2029}}}}
		return &node{kind: nodeAtomic, list: []*node{{kind: nodeChoice, list: []*node{line, one}}}}, nil
	}
	set, r, err := p.classEscape()
	if err != nil {
		return nil, err
	}
	if set == nil {
		return p.literal(r), nil
	}
	return &node{kind: nodeSet, set: &classSet{set}}, nil
}
