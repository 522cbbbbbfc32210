// Pre-tokenizers: they cut the text into the words that the model sees one by one.

package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// preTokenizer appends the pieces of p to out.
type preTokenizer interface {
	split(st *state, p piece, out []piece) ([]piece, error)
}

// loadPreTokenizers reads the field pre_tokenizer, sequences laid flat.
func loadPreTokenizers(v value) ([]preTokenizer, error) {
	if v.isNull() {
		return nil, nil
	}
	o, err := v.object()
	if err != nil {
		return nil, err
	}
	kind, err := o.typeName()
	if err != nil {
		return nil, err
	}
	switch kind {
	case "Sequence":
		list, err := o.get("pretokenizers").list()
		if err != nil {
			return nil, err
		}
		var out []preTokenizer
		for _, item := range list {
			more, err := loadPreTokenizers(item)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
		return out, nil
	case "Split":
		t := splitAt{}
		if t.literal, t.regex, err = loadPattern(o.get("pattern")); err != nil {
			return nil, err
		}
		if t.invert, err = o.flag("invert", false); err != nil {
			return nil, err
		}
		t.behavior, err = loadBehavior(o.get("behavior"))
		return []preTokenizer{t}, err
	case "ByteLevel":
		return loadByteLevel(o)
	case "Metaspace":
		t, err := loadMetaspace(o)
		return []preTokenizer{t}, err
	case "Digits":
		single, err := o.flag("individual_digits", false)
		b := contiguous
		if single {
			b = isolated
		}
		return []preTokenizer{splitSet{tables().set("numeric").has, b}}, err
	case "Punctuation":
		b := isolated
		if v := o.get("behavior"); !v.isNull() {
			b, err = loadBehavior(v)
		}
		return []preTokenizer{splitSet{tables().set("punctuation").has, b}}, err
	case "Whitespace":
		return []preTokenizer{words{tables().set("word"), tables().set("white")}}, nil
	case "WhitespaceSplit":
		return []preTokenizer{splitSet{tables().set("white").has, removed}}, nil
	case "BertPreTokenizer":
		return []preTokenizer{splitSet{tables().set("white").has, removed}, splitSet{tables().set("punctuation").has, isolated}}, nil
	case "CharDelimiterSplit":
		d, err := o.get("delimiter").rune()
		return []preTokenizer{splitSet{func(r rune) bool { return r == d }, removed}}, err
	case "FixedLength":
		n, err := o.num("length", 5)
		if err == nil && n <= 0 {
			err = o.errorf("length %d", n)
		}
		return []preTokenizer{fixedLength(n)}, err
	case "UnicodeScripts":
		return []preTokenizer{newScripts()}, nil
	}
	return nil, o.unsupported("pre-tokenizer " + kind)
}

// splitAt splits at the matches of a pattern.
type splitAt struct {
	literal  string
	regex    *regex
	invert   bool // what lies between the matches is the delimiter
	behavior behavior
}

func (t splitAt) split(st *state, p piece, out []piece) ([]piece, error) {
	spans, err := findAll(st, t.literal, t.regex, p.text, st.spans[:0])
	if err != nil {
		return nil, err
	}
	st.spans = spans
	if t.invert {
		for i := range spans {
			spans[i].match = !spans[i].match
		}
	}
	return t.behavior.cut(p, spans, out), nil
}

// splitSet splits at single characters.
type splitSet struct {
	has      func(rune) bool
	behavior behavior
}

func (t splitSet) split(st *state, p piece, out []piece) ([]piece, error) {
	spans := st.spans[:0]
	done := 0
	for i, r := range p.text {
		if !t.has(r) {
			continue
		}
		if done < i {
			spans = append(spans, span{done, i, false})
		}
		done = i + utf8.RuneLen(r)
		spans = append(spans, span{i, done, true})
	}
	if done < len(p.text) {
		spans = append(spans, span{done, len(p.text), false})
	}
	st.spans = spans
	return t.behavior.cut(p, spans, out), nil
}

// words keeps runs of word characters and runs of what is neither word nor white space.
type words struct{ word, white *runeSet }

func (t words) split(_ *state, p piece, out []piece) ([]piece, error) {
	start, last := 0, 0 // class of the run: 0 white space, 1 word, 2 other
	for i, r := range p.text {
		class := 2
		if t.word.has(r) {
			class = 1
		} else if t.white.has(r) {
			class = 0
		}
		if class != last {
			if last != 0 {
				out = p.part(start, i, out)
			}
			start, last = i, class
		}
	}
	if last != 0 {
		out = p.part(start, len(p.text), out)
	}
	return out, nil
}

// fixedLength cuts every so many characters.
type fixedLength int

func (t fixedLength) split(_ *state, p piece, out []piece) ([]piece, error) {
	start, n := 0, 0
	for i := range p.text {
		if n == int(t) {
			out = p.part(start, i, out)
			start, n = i, 0
		}
		n++
	}
	return p.part(start, len(p.text), out), nil
}

// prependScheme says where Metaspace puts its mark in front.
type prependScheme uint8

const (
	prependAlways prependScheme = iota
	prependFirst                // only at the beginning of the document
	prependNever
)

// metaspaces writes blanks as a visible mark and splits before each of them.
type metaspaces struct {
	mark    string
	prepend prependScheme
	cut     bool
}

func loadMetaspace(o object) (metaspaces, error) {
	t := metaspaces{}
	mark, err := o.get("replacement").rune()
	if err != nil {
		return t, err
	}
	t.mark = string(mark)
	if t.cut, err = o.flag("split", true); err != nil {
		return t, err
	}
	prefix, err := o.flag("add_prefix_space", true)
	if err != nil {
		return t, err
	}
	def := "always"
	if !prefix {
		def = "never"
	}
	scheme, err := o.str("prepend_scheme", def)
	if err != nil {
		return t, err
	}
	switch scheme {
	case "always":
		t.prepend = prependAlways
	case "first":
		t.prepend = prependFirst
	case "never":
		t.prepend = prependNever
	default:
		return t, o.get("prepend_scheme").unsupported("scheme " + scheme)
	}
	if !prefix && t.prepend != prependNever {
		return t, o.errorf("add_prefix_space is false, yet prepend_scheme is %q", scheme)
	}
	return t, nil
}

func (t metaspaces) split(st *state, p piece, out []piece) ([]piece, error) {
	p, err := (&replace{literal: " ", with: t.mark}).normalize(st, p)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(p.text, t.mark) && (t.prepend == prependAlways || t.prepend == prependFirst && p.zero > 0) {
		if p, err = prepend(t.mark).normalize(st, p); err != nil {
			return nil, err
		}
	}
	if !t.cut {
		return append(out, p), nil
	}
	return splitAt{literal: t.mark, behavior: mergedWithNext}.split(st, p, out)
}
