// The Unicode tables. They differ from Go's: the library whose ids must be met takes its properties from sources of
// several Unicode versions, so testdata/unicode.py asks it, code point by code point, and writes unicode.bin.

package tokenizer

import (
	"bytes"
	"compress/flate"
	_ "embed"
	"fmt"
	"io"
	"sync"
	"unicode/utf8"
)

//go:embed unicode.bin
var unicodeData []byte

// unicodeTables is the unpacked content of unicode.bin.
type unicodeTables struct {
	ranges map[string][]runeRange
	maps   map[string]map[rune][]rune
	mutex  sync.Mutex
	sets   map[string]*runeSet // built on demand from ranges
}

// tables unpacks the tables once for the process.
var tables = sync.OnceValue(func() *unicodeTables {
	packed, err := io.ReadAll(flate.NewReader(bytes.NewReader(unicodeData)))
	if err != nil {
		panic(fmt.Sprintf("tokenizer: unicode.bin is damaged: %v", err)) // it is part of the program
	}
	r := tableReader{packed}
	t := &unicodeTables{ranges: map[string][]runeRange{}, maps: map[string]map[rune][]rune{}, sets: map[string]*runeSet{}}
	for n := r.number(); n > 0; n-- {
		name := r.text()
		ranges := make([]runeRange, r.number())
		last := 0
		for i := range ranges {
			lo := last + r.number()
			last = lo + r.number() + 1
			ranges[i] = runeRange{rune(lo), rune(last - 1)}
		}
		t.ranges[name] = ranges
	}
	for n := r.number(); n > 0; n-- {
		name := r.text()
		size := r.number()
		m := make(map[rune][]rune, size)
		from := 0
		for ; size > 0; size-- {
			from += r.number()
			to := make([]rune, r.number())
			for i := range to {
				d := r.number()
				if d&1 == 0 {
					to[i] = rune(from + d/2)
				} else {
					to[i] = rune(from - (d+1)/2)
				}
			}
			m[rune(from)] = to
		}
		t.maps[name] = m
	}
	return t
})

type tableReader struct{ data []byte }

func (r *tableReader) number() int {
	n := 0
	for shift := 0; ; shift += 7 {
		b := r.data[0]
		r.data = r.data[1:]
		n |= int(b&0x7F) << shift
		if b < 0x80 {
			return n
		}
	}
}

func (r *tableReader) text() string {
	n := r.number()
	s := string(r.data[:n])
	r.data = r.data[n:]
	return s
}

// set returns one of the sets by name; the name is one of this package's own.
func (t *unicodeTables) set(name string) *runeSet {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	s, ok := t.sets[name]
	if !ok {
		s = newRuneSet(t.ranges[name])
		t.sets[name] = s
	}
	return s
}

// runeRange is an inclusive range of code points.
type runeRange struct{ lo, hi rune }

// runeSet is a bitmap over all code points, in pages of which equal ones are shared.
type runeSet struct {
	index [(utf8.MaxRune + 1) >> 8]uint16
	pages [][4]uint64
}

// newRuneSet builds the bitmap of sorted, disjoint ranges.
func newRuneSet(ranges []runeRange) *runeSet {
	s := &runeSet{}
	known := map[[4]uint64]uint16{}
	next := 0
	for p := range s.index {
		base := rune(p) << 8
		for next < len(ranges) && ranges[next].hi < base {
			next++
		}
		var page [4]uint64
		for _, r := range ranges[next:] {
			if r.lo > base+255 {
				break
			}
			for c := max(r.lo, base) - base; c <= min(r.hi, base+255)-base; c++ {
				page[c>>6] |= 1 << (c & 63)
			}
		}
		i, ok := known[page]
		if !ok {
			i = uint16(len(s.pages))
			s.pages = append(s.pages, page)
			known[page] = i
		}
		s.index[p] = i
	}
	return s
}

// has reports whether a valid code point is in the set.
func (s *runeSet) has(r rune) bool {
	return s.pages[s.index[r>>8]][r>>6&3]>>(r&63)&1 != 0
}
