// Regular expressions, compiled: from the parsed tree to a small program for a backtracking machine.

package tokenizer

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

type opcode uint8

const (
	opMatch      opcode = iota // the (sub)program has matched
	opByte                     // one ASCII character, x
	opSet                      // one character of set
	opGreedy                   // x to y characters of set, as many as possible
	opLazy                     // x to y characters of set, as few as possible
	opPossessive               // x to y characters of set, never given back
	opSplit                    // go on at x, later at y
	opJump                     // go on at x
	opLook                     // the program that follows must match (y = 0) or not (y = 1) here; then go on at x
	opLookBehind               // the same, lo characters before
	opAtomic                   // the program that follows must match; then go on at x, without a way back into it
	opLoopStart                // remember the place in register y
	opLoopCheck                // leave the loop for x if the place in register y has not changed
	opLineStart
	opLineEnd
	opTextStart
	opTextEnd
	opTextEndLine
	opWordEdge
	opNoWordEdge
)

type instruction struct {
	op   opcode
	x, y int32
	lo   int32
	set  *charSet
}

// regex is a compiled expression; it is immutable.
type regex struct {
	program []instruction
	starts  []int32     // where the top-level alternatives begin
	first   [256]uint64 // by leading byte, which alternatives can match there
	empty   uint64      // alternatives that can match at the end of the text
	slots   int         // registers
	word    *runeSet
}

// charSet is a set of characters: bits for ASCII, and either a few ranges or a bitmap for the rest.
type charSet struct {
	ascii  [2]uint64
	ranges []runeRange
	big    *runeSet
}

// fewRanges is the number of ranges up to which a scan replaces a bitmap.
const fewRanges = 6

func newCharSet(ranges []runeRange) *charSet {
	s := &charSet{}
	for _, r := range ranges {
		for c := r.lo; c <= min(r.hi, utf8.RuneSelf-1); c++ {
			s.ascii[c>>6] |= 1 << (c & 63)
		}
	}
	if len(ranges) > fewRanges {
		s.big = newRuneSet(ranges)
	} else {
		s.ranges = ranges
	}
	return s
}

func (s *charSet) hasASCII(c byte) bool { return s.ascii[c>>6]>>(c&63)&1 != 0 }

func (s *charSet) has(r rune) bool {
	if s.big != nil {
		return s.big.has(r)
	}
	for _, x := range s.ranges {
		if r >= x.lo && r <= x.hi {
			return true
		}
	}
	return false
}

// compiler builds the program; errProgram stops it when a pattern unrolls into too much.
type compiler struct {
	out   *regex
	sets  map[string]*charSet
	steps int
}

var errProgram = errors.New("the regular expression is too large")

// compileRegex parses and compiles a pattern.
func compileRegex(pattern string) (*regex, error) {
	if len(pattern) > maxPattern {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are accepted", errProgram, len(pattern), maxPattern)
	}
	p := parser{text: pattern}
	tree, err := p.choice()
	if err != nil {
		return nil, err
	}
	if p.pos < len(p.text) {
		return nil, p.errorf("an unmatched parenthesis")
	}
	tree = unwrap(tree)
	alternatives := []*node{tree}
	if tree.kind == nodeChoice && len(tree.list) <= 64 {
		alternatives = tree.list
	}
	c := compiler{out: &regex{word: newRuneSet(tables().ranges["esc=w"])}, sets: map[string]*charSet{}}
	for i, alt := range alternatives {
		c.out.starts = append(c.out.starts, int32(len(c.out.program)))
		if err := c.node(alt); err != nil {
			return nil, err
		}
		if err := c.emit(instruction{op: opMatch}); err != nil {
			return nil, err
		}
		var lead [256]bool
		nullable := leading(alt, &lead)
		for b := range lead {
			if nullable || lead[b] {
				c.out.first[b] |= 1 << i
			}
		}
		if nullable {
			c.out.empty |= 1 << i
		}
	}
	return c.out, nil
}

// unwrap removes sequences of one element.
func unwrap(n *node) *node {
	for n.kind == nodeSequence && len(n.list) == 1 {
		n = n.list[0]
	}
	return n
}

// leading marks the bytes that a match of the node can begin with and reports whether the match can be empty.
func leading(n *node, lead *[256]bool) bool {
	switch n.kind {
	case nodeSet:
		for _, r := range n.set.ranges {
			for b := leadByte(r.lo); b <= leadByte(r.hi); b++ {
				lead[b] = true
			}
		}
		return false
	case nodeSequence:
		for _, item := range n.list {
			if !leading(item, lead) {
				return false
			}
		}
		return true
	case nodeChoice:
		nullable := false
		for _, item := range n.list {
			nullable = leading(item, lead) || nullable
		}
		return nullable
	case nodeRepeat:
		return leading(n.list[0], lead) || n.lo == 0
	case nodeAtomic:
		return leading(n.list[0], lead)
	}
	return true
}

func leadByte(r rune) int {
	switch {
	case r < 0x80:
		return int(r)
	case r < 0x800:
		return 0xC0 | int(r>>6)
	case r < 0x10000:
		return 0xE0 | int(r>>12)
	}
	return 0xF0 | int(r>>18)
}

func (c *compiler) emit(i instruction) error {
	if len(c.out.program) >= maxProgram {
		return errProgram
	}
	c.out.program = append(c.out.program, i)
	return nil
}

func (c *compiler) here() int32 { return int32(len(c.out.program)) }

func (c *compiler) freeze(s *classSet) *charSet {
	key := fmt.Sprint(s.ranges)
	if c.sets[key] == nil {
		c.sets[key] = newCharSet(s.ranges)
	}
	return c.sets[key]
}

func (c *compiler) node(n *node) error {
	if c.steps++; c.steps > 4*maxProgram {
		return errProgram
	}
	switch n.kind {
	case nodeSet:
		if r := n.set.ranges; len(r) == 1 && r[0].lo == r[0].hi && r[0].lo < utf8.RuneSelf {
			return c.emit(instruction{op: opByte, x: r[0].lo})
		}
		return c.emit(instruction{op: opSet, set: c.freeze(n.set)})
	case nodeSequence:
		for _, item := range n.list {
			if err := c.node(item); err != nil {
				return err
			}
		}
		return nil
	case nodeChoice:
		return c.choice(n.list)
	case nodeRepeat:
		return c.repeat(n)
	case nodeLook:
		if n.behind {
			return c.behind(n, n.list[0])
		}
		return c.sub(instruction{op: opLook, y: flag(n.not)}, n.list[0])
	case nodeAtomic:
		return c.sub(instruction{op: opAtomic}, n.list[0])
	case nodeAssertion:
		return c.emit(instruction{op: n.op})
	}
	return nil
}

func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// sub emits an instruction and the program it runs, and makes its x the place behind that.
func (c *compiler) sub(i instruction, body *node) error {
	at := c.here()
	if err := c.emit(i); err != nil {
		return err
	}
	if err := c.node(body); err != nil {
		return err
	}
	if err := c.emit(instruction{op: opMatch}); err != nil {
		return err
	}
	c.out.program[at].x = c.here()
	return nil
}

func (c *compiler) choice(list []*node) error {
	var ends []int32
	for i, item := range list {
		split := c.here()
		last := i == len(list)-1
		if !last {
			if err := c.emit(instruction{op: opSplit, x: split + 1}); err != nil {
				return err
			}
		}
		if err := c.node(item); err != nil {
			return err
		}
		if !last {
			ends = append(ends, c.here())
			if err := c.emit(instruction{op: opJump}); err != nil {
				return err
			}
			c.out.program[split].y = c.here()
		}
	}
	for _, at := range ends {
		c.out.program[at].x = c.here()
	}
	return nil
}

// repeat compiles a repetition; that of a single character has an instruction of its own.
func (c *compiler) repeat(n *node) error {
	body := unwrap(n.list[0])
	if body.kind == nodeSet {
		op := opGreedy
		if n.lazy {
			op = opLazy
		} else if n.keep {
			op = opPossessive
		}
		return c.emit(instruction{op: op, x: int32(n.lo), y: int32(n.hi), set: c.freeze(body.set)})
	}
	if n.keep {
		greedy := *n
		greedy.keep = false
		return c.sub(instruction{op: opAtomic}, &greedy)
	}
	for i := 0; i < n.lo; i++ {
		if err := c.node(body); err != nil {
			return err
		}
	}
	if n.hi < 0 {
		return c.loop(body, n.lazy)
	}
	var exits []int32
	for i := n.lo; i < n.hi; i++ {
		exits = append(exits, c.here())
		if err := c.emit(instruction{op: opSplit}); err != nil {
			return err
		}
		if err := c.node(body); err != nil {
			return err
		}
	}
	for _, at := range exits {
		c.out.program[at].aim(at+1, c.here(), n.lazy)
	}
	return nil
}

// aim sets where a split goes into the loop and where out of it.
func (i *instruction) aim(in, out int32, lazy bool) {
	i.x, i.y = in, out
	if lazy {
		i.x, i.y = out, in
	}
}

// loop compiles body*; a turn that matches nothing ends it.
func (c *compiler) loop(body *node, lazy bool) error {
	var lead [256]bool
	nullable := leading(body, &lead)
	slot := int32(c.out.slots)
	split := c.here()
	if err := c.emit(instruction{op: opSplit}); err != nil {
		return err
	}
	if nullable {
		c.out.slots++
		if err := c.emit(instruction{op: opLoopStart, y: slot}); err != nil {
			return err
		}
	}
	if err := c.node(body); err != nil {
		return err
	}
	check := c.here()
	if nullable {
		if err := c.emit(instruction{op: opLoopCheck, y: slot}); err != nil {
			return err
		}
	}
	if err := c.emit(instruction{op: opJump, x: split}); err != nil {
		return err
	}
	if nullable {
		c.out.program[check].x = c.here()
	}
	c.out.program[split].aim(split+1, c.here(), lazy)
	return nil
}

// behind compiles a look-behind, whose alternatives must each have one length.
func (c *compiler) behind(n, body *node) error {
	body = unwrap(body)
	if body.kind == nodeChoice {
		if n.not { // none of them: one after the other
			for _, alt := range body.list {
				if err := c.behind(n, alt); err != nil {
					return err
				}
			}
			return nil
		}
		list := make([]*node, len(body.list))
		for i, alt := range body.list {
			list[i] = &node{kind: nodeLook, behind: true, list: []*node{alt}}
		}
		return c.choice(list)
	}
	width, ok := width(body)
	if !ok {
		return errors.New("a look-behind of variable length is not supported")
	}
	return c.sub(instruction{op: opLookBehind, y: flag(n.not), lo: int32(width)}, body)
}

// width returns the number of characters that a node matches, if that is always the same.
func width(n *node) (int, bool) {
	switch n.kind {
	case nodeSet:
		return 1, true
	case nodeSequence:
		sum := 0
		for _, item := range n.list {
			w, ok := width(item)
			if !ok || sum > maxProgram {
				return 0, false
			}
			sum += w
		}
		return sum, true
	case nodeChoice:
		first, ok := width(n.list[0])
		for _, item := range n.list[1:] {
			if w, same := width(item); !same || w != first {
				ok = false
			}
		}
		return first, ok
	case nodeRepeat:
		w, ok := width(n.list[0])
		return w * n.lo, ok && n.lo == n.hi && w*n.lo <= maxProgram
	case nodeAtomic:
		return width(n.list[0])
	}
	return 0, true
}
