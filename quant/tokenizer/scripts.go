// The pre-tokenizer UnicodeScripts.

package tokenizer

import (
	"slices"
	"strings"
)

// scripts splits where the script changes. Characters of no script go with what stands before them; in front of the
// first character that has one they are lost.
type scripts struct {
	ranges []runeRange
	script []string // of each range
}

func newScripts() scripts {
	var t scripts
	script := map[runeRange]string{}
	for name, ranges := range tables().ranges {
		if strings.HasPrefix(name, "script ") && name != "script any" {
			for _, r := range ranges {
				t.ranges = append(t.ranges, r)
				script[r] = name
			}
		}
	}
	slices.SortFunc(t.ranges, func(a, b runeRange) int { return int(a.lo) - int(b.lo) })
	for _, r := range t.ranges {
		t.script = append(t.script, script[r])
	}
	return t
}

// of returns the script of a character, "" if it has none.
func (t scripts) of(r rune) string {
	i, ok := slices.BinarySearchFunc(t.ranges, r, func(x runeRange, r rune) int {
		switch {
		case x.hi < r:
			return -1
		case x.lo > r:
			return 1
		}
		return 0
	})
	if !ok {
		return ""
	}
	return t.script[i]
}

func (t scripts) split(_ *state, p piece, out []piece) ([]piece, error) {
	start, last := len(p.text), ""
	for i, r := range p.text {
		s := t.of(r)
		if s == "" || s == last {
			continue
		}
		if last != "" {
			out = p.part(start, i, out)
		}
		start, last = i, s
	}
	return p.part(start, len(p.text), out), nil
}
