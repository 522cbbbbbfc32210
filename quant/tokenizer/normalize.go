// Normalizers: what changes the text before it is split into words.

package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// normalizer rewrites a piece and keeps account of which leading bytes come from the document's first character.
type normalizer interface {
	normalize(st *state, p piece) (piece, error)
}

// loadNormalizers reads the field normalizer, sequences laid flat.
func loadNormalizers(v value) ([]normalizer, error) {
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
		list, err := o.get("normalizers").list()
		if err != nil {
			return nil, err
		}
		var out []normalizer
		for _, item := range list {
			more, err := loadNormalizers(item)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
		return out, nil
	case "NFC", "NFD", "NFKC", "NFKD":
		return []normalizer{newNormalForm(kind == "NFKC" || kind == "NFKD", kind == "NFC" || kind == "NFKC")}, nil
	case "Prepend":
		text, err := o.get("prepend").string()
		return []normalizer{prepend(text)}, err
	case "Replace":
		n, err := loadReplace(o)
		return []normalizer{n}, err
	case "Strip":
		var n strip
		if n.left, err = o.get("strip_left").bool(); err != nil {
			return nil, err
		}
		n.right, err = o.get("strip_right").bool()
		n.white = tables().set("white")
		return []normalizer{n}, err
	case "StripAccents":
		return []normalizer{drop{tables().set("mark")}}, nil
	case "Lowercase":
		return []normalizer{newLowercase()}, nil
	case "Nmt":
		return []normalizer{nmt{}}, nil
	case "ByteLevel":
		return []normalizer{byteCharacters{}}, nil
	case "BertNormalizer":
		return loadBertNormalizer(o)
	case "Precompiled":
		n, err := loadPrecompiled(o)
		return []normalizer{n}, err
	}
	return nil, o.unsupported("normalizer " + kind)
}

// normalizeAll is for tokens: text that belongs to no document.
func normalizeAll(list []normalizer, text string) (string, error) {
	p := piece{text: text}
	st := &state{budget: 1_000_000 + 400*int64(len(text))}
	var err error
	for _, n := range list {
		if p, err = n.normalize(st, p); err != nil {
			return "", err
		}
	}
	return p.text, nil
}

// rewriter builds a changed piece. Each part of the result says at which place of the source it stands.
type rewriter struct {
	out  []byte
	zero int
	from piece
}

// add appends text that stands for what the source has at the given place.
func (w *rewriter) add(text string, at int) {
	w.out = append(w.out, text...)
	if at < w.from.zero {
		w.zero = len(w.out)
	}
}

func (w *rewriter) addRune(r rune, at int) {
	w.out = utf8.AppendRune(w.out, r)
	if at < w.from.zero {
		w.zero = len(w.out)
	}
}

// finish returns the changed piece and gives the memory back to the state.
func (w *rewriter) finish(st *state) piece {
	st.bytes = w.out
	return piece{string(w.out), w.zero}
}

func rewrite(st *state, p piece) rewriter { return rewriter{out: st.bytes[:0], from: p} }

type prepend string

func (n prepend) normalize(_ *state, p piece) (piece, error) {
	if p.text == "" {
		return p, nil
	}
	if p.zero > 0 {
		p.zero += len(n)
	}
	p.text = string(n) + p.text
	return p, nil
}

// replace puts a text in the place of every match.
type replace struct {
	literal string // what is searched, if regex is nil
	regex   *regex
	with    string
}

func loadReplace(o object) (*replace, error) {
	n := &replace{}
	var err error
	if n.literal, n.regex, err = loadPattern(o.get("pattern")); err != nil {
		return nil, err
	}
	n.with, err = o.get("content").string()
	return n, err
}

func (n *replace) normalize(st *state, p piece) (piece, error) {
	if n.regex == nil && n.literal != "" && p.zero <= len(n.literal) && !strings.HasPrefix(p.text, n.literal) {
		p.text = strings.ReplaceAll(p.text, n.literal, n.with) // the beginning, and with it zero, stays as it is
		return p, nil
	}
	spans, err := findAll(st, n.literal, n.regex, p.text, st.spans[:0])
	if err != nil {
		return p, err
	}
	st.spans = spans
	w := rewrite(st, p)
	for _, s := range spans {
		switch {
		case s.match:
			w.add(n.with, max(0, s.end-1))
		case s.start < p.zero:
			cut := min(s.end, p.zero)
			w.add(p.text[s.start:cut], s.start)
			w.add(p.text[cut:s.end], cut)
		default:
			w.add(p.text[s.start:s.end], s.start)
		}
	}
	return w.finish(st), nil
}

type strip struct {
	left, right bool
	white       *runeSet
}

func (n strip) normalize(_ *state, p piece) (piece, error) {
	if n.left {
		t := strings.TrimLeftFunc(p.text, n.white.has)
		p.zero = max(0, p.zero-(len(p.text)-len(t)))
		p.text = t
	}
	if n.right {
		p.text = strings.TrimRightFunc(p.text, n.white.has)
		p.zero = min(p.zero, len(p.text))
	}
	return p, nil
}

// drop removes the characters of a set.
type drop struct{ set *runeSet }

func (n drop) normalize(st *state, p piece) (piece, error) {
	if strings.IndexFunc(p.text, n.set.has) < 0 {
		return p, nil
	}
	w := rewrite(st, p)
	for i, r := range p.text {
		if !n.set.has(r) {
			w.addRune(r, i)
		}
	}
	return w.finish(st), nil
}

// lowercase maps each character by itself, without regard to its neighbours.
type lowercase struct {
	table map[rune][]rune
	set   *runeSet
}

func newLowercase() lowercase {
	table := tables().maps["lower"]
	return lowercase{table, newRuneSet(keyRanges(table))}
}

func (n lowercase) normalize(st *state, p piece) (piece, error) {
	if strings.IndexFunc(p.text, n.set.has) < 0 {
		return p, nil
	}
	w := rewrite(st, p)
	for i, r := range p.text {
		switch {
		case r >= 'A' && r <= 'Z':
			w.addRune(r+'a'-'A', i)
		case !n.set.has(r):
			w.addRune(r, i)
		default:
			for _, l := range n.table[r] {
				w.addRune(l, i)
			}
		}
	}
	return w.finish(st), nil
}

// nmt is the clean-up of early machine translation corpora.
type nmt struct{}

func (nmt) normalize(st *state, p piece) (piece, error) {
	w := rewrite(st, p)
	for i, r := range p.text {
		switch {
		case r >= 1 && r <= 8, r == 0xB, r >= 0xE && r <= 0x1F, r == 0x7F, r == 0x8F, r == 0x9F:
		case r == '\t', r == '\n', r == '\f', r == '\r', r == 0x1680, r >= 0x200B && r <= 0x200F,
			r == 0x2028, r == 0x2029, r == metaspace, r == 0xFEFF, r == utf8.RuneError:
			w.addRune(' ', i)
		default:
			w.addRune(r, i)
		}
	}
	return w.finish(st), nil
}
