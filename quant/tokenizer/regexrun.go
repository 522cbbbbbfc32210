// The backtracking machine that runs compiled regular expressions, with an explicit stack and a step budget.

package tokenizer

import (
	"math/bits"
	"unicode/utf8"
)

// maxStack bounds the memory of one match, in frames.
const maxStack = 1 << 21

type frameKind uint8

const (
	frameGo      frameKind = iota // go on at pc and pos
	frameGreedy                   // give back one character, down to low
	frameLazy                     // take one character more, low times at most (negative: without end)
	frameRestore                  // set register pc to pos
)

type frame struct {
	pos, low int
	pc       int32
	kind     frameKind
}

type regexScratch struct {
	stack     []frame
	registers []int
}

func (s *regexScratch) trim() {
	if cap(s.stack) > keepItems {
		s.stack = nil
	}
}

// find returns the leftmost match at or after a place of text.
func (re *regex) find(st *state, text string, from int) (start, end int, ok bool, err error) {
	if n := len(st.regex.registers); n < re.slots {
		st.regex.registers = make([]int, re.slots)
	}
	for at := from; ; {
		var candidates uint64
		if at < len(text) {
			candidates = re.first[text[at]]
		} else {
			candidates = re.empty
		}
		for ; candidates != 0; candidates &= candidates - 1 {
			end, ok, err := re.run(st, re.starts[bits.TrailingZeros64(candidates)], text, at)
			if err != nil || ok {
				return at, end, ok, err
			}
		}
		if at >= len(text) {
			return 0, 0, false, nil
		}
		if text[at] < utf8.RuneSelf {
			at++
		} else {
			_, n := utf8.DecodeRuneInString(text[at:])
			at += n
		}
	}
}

// run executes the program at pc from a place of text and returns where its match ends. It calls itself for
// assertions and atomic groups, no deeper than the pattern nests them.
func (re *regex) run(st *state, pc int32, text string, pos int) (int, bool, error) {
	base := len(st.regex.stack)
	defer func() { st.regex.stack = st.regex.stack[:base] }()
	for {
		st.budget--
		if st.budget < 0 || len(st.regex.stack) > maxStack {
			return 0, false, ErrBudget
		}
		in := &re.program[pc]
		ok := true
		switch in.op {
		case opMatch:
			return pos, true, nil
		case opByte:
			if ok = pos < len(text) && text[pos] == byte(in.x); ok {
				pos++
				pc++
			}
		case opSet:
			var n int
			if n, ok = in.set.at(text, pos); ok {
				pos += n
				pc++
			}
		case opGreedy, opPossessive:
			low, n := in.set.span(text, pos, int(in.x))
			if ok = n == int(in.x); !ok {
				break
			}
			rest := -1
			if in.y >= 0 {
				rest = int(in.y - in.x)
			}
			pos, n = in.set.span(text, low, rest)
			st.budget -= int64(n)
			if in.op == opGreedy && pos > low {
				st.regex.stack = append(st.regex.stack, frame{pos, low, pc, frameGreedy})
			}
			pc++
		case opLazy:
			low, n := in.set.span(text, pos, int(in.x))
			if ok = n == int(in.x); !ok {
				break
			}
			pos = low
			if in.y != in.x {
				st.regex.stack = append(st.regex.stack, frame{pos, int(in.y - in.x), pc, frameLazy})
				if in.y < 0 {
					st.regex.stack[len(st.regex.stack)-1].low = -1
				}
			}
			pc++
		case opSplit:
			st.regex.stack = append(st.regex.stack, frame{pos: pos, pc: in.y})
			pc = in.x
		case opJump:
			pc = in.x
		case opLook, opAtomic, opLookBehind:
			at, within := pos, true
			if in.op == opLookBehind {
				at, within = back(text, pos, int(in.lo))
			}
			end, matched := 0, false
			if within {
				var err error
				if end, matched, err = re.run(st, pc+1, text, at); err != nil {
					return 0, false, err
				}
			}
			if ok = matched == (in.y == 0); ok {
				pc = in.x
				if in.op == opAtomic {
					pos = end
				}
			}
		case opLoopStart:
			st.regex.stack = append(st.regex.stack, frame{st.regex.registers[in.y], 0, in.y, frameRestore})
			st.regex.registers[in.y] = pos
			pc++
		case opLoopCheck:
			if pc++; st.regex.registers[in.y] == pos {
				pc = in.x
			}
		default:
			if ok = re.holds(in.op, text, pos); ok {
				pc++
			}
		}
		if !ok {
			if pc, pos, ok = re.backtrack(&st.regex, base, text); !ok {
				return 0, false, nil
			}
		}
	}
}

// backtrack takes the latest way not yet gone.
func (re *regex) backtrack(s *regexScratch, base int, text string) (int32, int, bool) {
	for len(s.stack) > base {
		f := &s.stack[len(s.stack)-1]
		switch f.kind {
		case frameGo:
			pc, pos := f.pc, f.pos
			s.stack = s.stack[:len(s.stack)-1]
			return pc, pos, true
		case frameGreedy:
			f.pos--
			for !utf8.RuneStart(text[f.pos]) {
				f.pos--
			}
			pc, pos := f.pc+1, f.pos
			if f.pos <= f.low {
				s.stack = s.stack[:len(s.stack)-1]
			}
			return pc, pos, true
		case frameLazy:
			if n, ok := re.program[f.pc].set.at(text, f.pos); ok {
				f.pos += n
				f.low--
				pc, pos := f.pc+1, f.pos
				if f.low == 0 {
					s.stack = s.stack[:len(s.stack)-1]
				}
				return pc, pos, true
			}
			s.stack = s.stack[:len(s.stack)-1]
		case frameRestore:
			s.registers[f.pc] = f.pos
			s.stack = s.stack[:len(s.stack)-1]
		}
	}
	return 0, 0, false
}

// at reports whether a character of the set stands at a place of text, and its length.
func (s *charSet) at(text string, pos int) (int, bool) {
	if pos >= len(text) {
		return 0, false
	}
	if c := text[pos]; c < utf8.RuneSelf {
		return 1, s.hasASCII(c)
	}
	r, n := utf8.DecodeRuneInString(text[pos:])
	return n, s.has(r)
}

// span returns the end and the number of the characters of the set from a place on, at most limit (negative: all).
func (s *charSet) span(text string, pos, limit int) (int, int) {
	n := 0
	for n != limit && pos < len(text) {
		if c := text[pos]; c < utf8.RuneSelf {
			if !s.hasASCII(c) {
				break
			}
			pos++
		} else {
			r, size := utf8.DecodeRuneInString(text[pos:])
			if !s.has(r) {
				break
			}
			pos += size
		}
		n++
	}
	return pos, n
}

// back returns the place a number of characters before pos.
func back(text string, pos, chars int) (int, bool) {
	for ; chars > 0; chars-- {
		if pos == 0 {
			return 0, false
		}
		_, n := utf8.DecodeLastRuneInString(text[:pos])
		pos -= n
	}
	return pos, true
}

// holds evaluates an assertion.
func (re *regex) holds(op opcode, text string, pos int) bool {
	switch op {
	case opLineStart:
		return pos == 0 || text[pos-1] == '\n' && pos < len(text)
	case opLineEnd:
		return pos == len(text) || text[pos] == '\n'
	case opTextStart:
		return pos == 0
	case opTextEnd:
		return pos == len(text)
	case opTextEndLine:
		return pos == len(text) || pos == len(text)-1 && text[pos] == '\n'
	}
	left, n := utf8.DecodeLastRuneInString(text[:pos])
	right, k := utf8.DecodeRuneInString(text[pos:])
	edge := (n > 0 && re.word.has(left)) != (k > 0 && re.word.has(right))
	return edge == (op == opWordEdge)
}
