// Arithmetic on sorted, disjoint ranges of code points.

package tokenizer

import (
	"slices"
	"unicode/utf8"
)

// mergeRanges sorts ranges and joins those that touch.
func mergeRanges(ranges []runeRange) []runeRange {
	slices.SortFunc(ranges, func(a, b runeRange) int { return int(a.lo) - int(b.lo) })
	out := ranges[:0]
	for _, r := range ranges {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// keyRanges returns the keys of a table as ranges.
func keyRanges(table map[rune][]rune) []runeRange {
	ranges := make([]runeRange, 0, len(table))
	for r := range table {
		ranges = append(ranges, runeRange{r, r})
	}
	return mergeRanges(ranges)
}

// invertRanges returns all other code points.
func invertRanges(ranges []runeRange) []runeRange {
	var out []runeRange
	next := rune(0)
	for _, r := range ranges {
		if r.lo > next {
			out = append(out, runeRange{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= utf8.MaxRune {
		out = append(out, runeRange{next, utf8.MaxRune})
	}
	return out
}

// intersectRanges returns what both have.
func intersectRanges(a, b []runeRange) []runeRange {
	var out []runeRange
	for len(a) > 0 && len(b) > 0 {
		if lo, hi := max(a[0].lo, b[0].lo), min(a[0].hi, b[0].hi); lo <= hi {
			out = append(out, runeRange{lo, hi})
		}
		if a[0].hi < b[0].hi {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}
