// Patterns, literal or regular expression: all their matches in a text, and the ways to split at them.

package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// span is a part of a text; match tells whether the pattern matched it or it lies between matches.
type span struct {
	start, end int
	match      bool
}

// loadPattern reads {"String": ...} or {"Regex": ...}. A literal that is empty becomes a regular expression, whose
// rules for empty matches then hold.
func loadPattern(v value) (string, *regex, error) {
	if v.kind() == '"' { // the form of old files
		s, err := v.string()
		if err == nil && s == "" {
			err = v.errorf("an empty pattern")
		}
		return s, nil, err
	}
	o, err := v.object()
	if err != nil {
		return "", nil, err
	}
	if r := o.get("Regex"); !r.isNull() {
		pattern, err := r.string()
		if err != nil {
			return "", nil, err
		}
		re, err := compileRegex(pattern)
		if err != nil {
			return "", nil, r.unsupported(err.Error())
		}
		return "", re, nil
	}
	s, err := o.get("String").string()
	if err != nil || s != "" {
		return s, nil, err
	}
	re, err := compileRegex("")
	return "", re, err
}

// findAll appends the parts of text, matches and what lies between them, to spans.
func findAll(st *state, literal string, re *regex, text string, spans []span) ([]span, error) {
	done := 0
	if re == nil {
		for {
			n := strings.Index(text[done:], literal)
			if n < 0 {
				break
			}
			if n > 0 {
				spans = append(spans, span{done, done + n, false})
			}
			spans = append(spans, span{done + n, done + n + len(literal), true})
			done += n + len(literal)
		}
	} else if text != "" {
		from, last := 0, -1 // last: the end of the match before
		for from <= len(text) {
			start, end, ok, err := re.find(st, text, from)
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			if start == end && end == last { // an empty match right behind another one does not count
				_, n := utf8.DecodeRuneInString(text[from:])
				from += max(1, n)
				continue
			}
			if done != start {
				spans = append(spans, span{done, start, false})
			}
			spans = append(spans, span{start, end, true})
			done, from, last = end, end, end
		}
	}
	if done != len(text) {
		spans = append(spans, span{done, len(text), false})
	}
	return spans, nil
}

// behavior says what becomes of the matches when a text is split at them.
type behavior uint8

const (
	removed behavior = iota
	isolated
	mergedWithPrevious
	mergedWithNext
	contiguous
)

func loadBehavior(v value) (behavior, error) {
	s, err := v.string()
	if err != nil {
		return 0, err
	}
	switch s {
	case "Removed":
		return removed, nil
	case "Isolated":
		return isolated, nil
	case "MergedWithPrevious":
		return mergedWithPrevious, nil
	case "MergedWithNext":
		return mergedWithNext, nil
	case "Contiguous":
		return contiguous, nil
	}
	return 0, v.unsupported("behavior " + s)
}

// cut appends the pieces of p to out. It overwrites spans.
func (b behavior) cut(p piece, spans []span, out []piece) []piece {
	kept, previous := 0, false // previous: whether the span looked at before was a match
	switch b {
	case removed:
		for _, s := range spans {
			if !s.match {
				spans[kept] = s
				kept++
			}
		}
		spans = spans[:kept]
	case mergedWithPrevious, contiguous:
		for _, s := range spans {
			merge := s.match && !previous
			if b == contiguous {
				merge = s.match == previous
			}
			if merge && kept > 0 {
				spans[kept-1].end = s.end
			} else {
				spans[kept] = s
				kept++
			}
			previous = s.match
		}
		spans = spans[:kept]
	case mergedWithNext: // the mirror image
		kept = len(spans)
		for i := len(spans) - 1; i >= 0; i-- {
			s := spans[i]
			if s.match && !previous && kept < len(spans) {
				spans[kept].start = s.start
			} else {
				kept--
				spans[kept] = s
			}
			previous = s.match
		}
		spans = spans[kept:]
	}
	for _, s := range spans {
		out = p.part(s.start, s.end, out)
	}
	return out
}

// part appends a non-empty part of p to out.
func (p piece) part(start, end int, out []piece) []piece {
	if start >= end {
		return out
	}
	return append(out, piece{p.text[start:end], min(end-start, max(0, p.zero-start))})
}
