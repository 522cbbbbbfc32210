package safetensors

// Which bytes of a tensor have been written, as a short sorted list of spans.

import "slices"

type span struct{ begin, end int64 }

type coverage []span

// claim adds a span, merging neighbours; it refuses one that overlaps.
func (c *coverage) claim(begin, end int64) bool {
	if begin == end {
		return true
	}
	s := *c
	i, _ := slices.BinarySearchFunc(s, begin, func(s span, b int64) int {
		if s.end <= b {
			return -1
		}
		return 1
	})
	// s[:i] end at or before begin; s[i], if any, is the first that ends later.
	if i < len(s) && s[i].begin < end {
		return false
	}
	left := i > 0 && s[i-1].end == begin
	right := i < len(s) && s[i].begin == end
	switch {
	case left && right:
		s[i-1].end = s[i].end
		s = slices.Delete(s, i, i+1)
	case left:
		s[i-1].end = end
	case right:
		s[i].begin = begin
	default:
		s = slices.Insert(s, i, span{begin, end})
	}
	*c = s
	return true
}

// gap returns the first bytes of size that are missing.
func (c coverage) gap(size int64) (span, bool) {
	switch {
	case size == 0:
		return span{}, false
	case len(c) == 0:
		return span{0, size}, true
	case c[0].begin > 0:
		return span{0, c[0].begin}, true
	case c[0].end < size:
		end := size
		if len(c) > 1 {
			end = c[1].begin
		}
		return span{c[0].end, end}, true
	}
	return span{}, false
}
