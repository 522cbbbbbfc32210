// The Unicode normal forms, from tables that hold full decompositions and primary composites.

package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Hangul syllables are composed by arithmetic.
const (
	hangulBase  = 0xAC00
	hangulL     = 0x1100
	hangulV     = 0x1161
	hangulT     = 0x11A7
	hangulVs    = 21
	hangulTs    = 28
	hangulLs    = 19
	hangulCount = hangulLs * hangulVs * hangulTs
)

type normalForm struct {
	compose bool
	decomp  [2]map[rune][]rune // searched in this order
	classes map[rune][]rune
	pairs   map[[2]rune]rune
	active  *runeSet // characters at which the form might not be the text itself
}

// mark is a character with its combining class.
type mark struct {
	r     rune
	class uint8
}

func newNormalForm(compatible, compose bool) *normalForm {
	t := tables()
	n := &normalForm{compose: compose, classes: t.maps["ccc"], pairs: map[[2]rune]rune{}}
	n.decomp[1] = t.maps["nfd"]
	if compatible {
		n.decomp[0] = t.maps["nfkd"]
	}
	active := map[rune][]rune{}
	for r := range n.classes {
		active[r] = nil
	}
	for whole, parts := range t.maps["compose"] {
		n.pairs[[2]rune{parts[0], parts[1]}] = whole
		active[parts[1]] = nil
	}
	for _, table := range n.decomp {
		for r, parts := range table {
			if !compose || n.composed(parts) != r {
				active[r] = nil
			}
		}
	}
	ranges := keyRanges(active)
	if compose {
		ranges = append(ranges, runeRange{hangulV, hangulV + hangulVs - 1}, runeRange{hangulT + 1, hangulT + hangulTs - 1})
	} else {
		ranges = append(ranges, runeRange{hangulBase, hangulBase + hangulCount - 1})
	}
	n.active = newRuneSet(mergeRanges(ranges))
	return n
}

// composed returns the one character that parts compose to, or -1.
func (n *normalForm) composed(parts []rune) rune {
	marks := make([]mark, len(parts))
	for i, r := range parts {
		marks[i] = mark{r, n.class(r)}
	}
	if marks = n.composeAll(marks); len(marks) == 1 {
		return marks[0].r
	}
	return -1
}

func (n *normalForm) class(r rune) uint8 {
	if c, ok := n.classes[r]; ok {
		return uint8(c[0] - r)
	}
	return 0
}

func (n *normalForm) normalize(st *state, p piece) (piece, error) {
	first := strings.IndexFunc(p.text, n.active.has)
	if first < 0 {
		return p, nil
	}
	// Only what follows the last inert character before can take part.
	_, size := utf8.DecodeLastRuneInString(p.text[:first])
	first -= size
	w := rewrite(st, p)
	w.out = append(w.out, p.text[:first]...)
	w.zero = min(p.zero, first)
	st.runes = st.runes[:0]
	for _, r := range p.text[first:] {
		if len(st.runes) > 0 && r < 0x300 && !n.active.has(r) {
			n.flush(&w, st) // a character that neither changes nor joins what stands before it
		}
		st.runes = n.decompose(st.runes, r)
	}
	n.flush(&w, st)
	if first == 0 && p.zero > 0 {
		_, w.zero = utf8.DecodeRune(w.out)
	}
	return w.finish(st), nil
}

// flush orders, composes and writes the characters gathered so far.
func (n *normalForm) flush(w *rewriter, st *state) {
	marks := st.runes
	for i := 0; i < len(marks); {
		if marks[i].class == 0 {
			i++
			continue
		}
		end := i
		for end < len(marks) && marks[end].class != 0 {
			end++
		}
		sortMarks(marks[i:end])
		i = end
	}
	if n.compose {
		marks = n.composeAll(marks)
	}
	for _, m := range marks {
		w.out = utf8.AppendRune(w.out, m.r)
	}
	st.runes = st.runes[:0]
}

// sortMarks orders by class and keeps the order of equals.
func sortMarks(marks []mark) {
	if len(marks) <= 16 {
		for i := 1; i < len(marks); i++ {
			for j := i; j > 0 && marks[j].class < marks[j-1].class; j-- {
				marks[j], marks[j-1] = marks[j-1], marks[j]
			}
		}
		return
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return int(a.class) - int(b.class) })
}

func (n *normalForm) decompose(out []mark, r rune) []mark {
	if r < 0x80 {
		return append(out, mark{r, 0})
	}
	if s := r - hangulBase; s >= 0 && s < hangulCount {
		out = append(out, mark{hangulL + s/(hangulVs*hangulTs), 0}, mark{hangulV + s/hangulTs%hangulVs, 0})
		if t := s % hangulTs; t > 0 {
			out = append(out, mark{hangulT + t, 0})
		}
		return out
	}
	for _, table := range n.decomp {
		if parts, ok := table[r]; ok {
			for _, part := range parts {
				out = append(out, mark{part, n.class(part)})
			}
			return out
		}
	}
	return append(out, mark{r, n.class(r)})
}

// composeAll joins each starter with the following characters that it composes with and that nothing blocks.
func (n *normalForm) composeAll(marks []mark) []mark {
	starter := -1 // place of the last starter in the result
	out := 0
	last := uint8(0) // class of the last character kept since that starter
	for _, m := range marks {
		if starter >= 0 && (out == starter+1 || last < m.class) {
			if whole := n.pair(marks[starter].r, m.r); whole >= 0 {
				marks[starter].r = whole
				continue
			}
		}
		if m.class == 0 {
			starter = out
		}
		last = m.class
		marks[out] = m
		out++
	}
	return marks[:out]
}

// pair returns the composite of two characters, or -1.
func (n *normalForm) pair(a, b rune) rune {
	if l, v := a-hangulL, b-hangulV; l >= 0 && l < hangulLs && v >= 0 && v < hangulVs {
		return hangulBase + (l*hangulVs+v)*hangulTs
	}
	if s, t := a-hangulBase, b-hangulT; s >= 0 && s < hangulCount && s%hangulTs == 0 && t > 0 && t < hangulTs {
		return a + t
	}
	if whole, ok := n.pairs[[2]rune{a, b}]; ok {
		return whole
	}
	return -1
}
