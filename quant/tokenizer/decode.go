// Decoders: from tokens back to text.

package tokenizer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// decoder rewrites the list of tokens; what it leaves is joined.
type decoder interface {
	decode(tokens []string) ([]string, error)
}

// Decode returns the text of ids; skipSpecial leaves out special tokens. Ids that no token has are left out, as the
// library does; negative ones are an error.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) (string, error) {
	tokens := make([]string, 0, len(ids))
	for i, id := range ids {
		if id < 0 {
			return "", fmt.Errorf("%w: id %d at place %d is negative", ErrInput, id, i)
		}
		tok, ok := t.added.forms[id]
		if !ok {
			if tok, ok = t.Token(id); !ok {
				continue
			}
		}
		if skipSpecial && t.added.special[tok] {
			continue
		}
		tokens = append(tokens, tok)
	}
	if !t.decodes {
		return strings.Join(tokens, " "), nil
	}
	for _, d := range t.decode {
		var err error
		if tokens, err = d.decode(tokens); err != nil {
			return "", err
		}
	}
	return strings.Join(tokens, ""), nil
}

// loadDecoders reads the field decoder, sequences laid flat.
func loadDecoders(v value) ([]decoder, error) {
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
		list, err := o.get("decoders").list()
		if err != nil {
			return nil, err
		}
		var out []decoder
		for _, item := range list {
			more, err := loadDecoders(item)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
		return out, nil
	case "ByteLevel":
		return []decoder{byteLevelDecoder{}}, nil
	case "ByteFallback":
		return []decoder{byteFallbackDecoder{}}, nil
	case "Fuse":
		return []decoder{fuseDecoder{}}, nil
	case "Replace":
		r, err := loadReplace(o)
		return []decoder{replaceDecoder{r}}, err
	case "Metaspace":
		m, err := loadMetaspace(o)
		return []decoder{metaspaceDecoder{m}}, err
	case "Strip":
		return loadStripDecoder(o)
	case "WordPiece":
		d := wordPieceDecoder{}
		if d.prefix, err = o.str("prefix", "##"); err != nil {
			return nil, err
		}
		d.cleanup, err = o.flag("cleanup", true)
		return []decoder{d}, err
	case "BPEDecoder":
		suffix, err := o.str("suffix", "</w>")
		return []decoder{suffixDecoder(suffix)}, err
	case "CTC":
		d := ctcDecoder{}
		if d.pad, err = o.str("pad_token", "<pad>"); err != nil {
			return nil, err
		}
		if d.delimiter, err = o.str("word_delimiter_token", "|"); err != nil {
			return nil, err
		}
		d.cleanup, err = o.flag("cleanup", true)
		return []decoder{d}, err
	}
	return nil, o.unsupported("decoder " + kind)
}

// byteLevelDecoder reads the byte alphabet; a token with other characters is taken as it is.
type byteLevelDecoder struct{}

func (byteLevelDecoder) decode(tokens []string) ([]string, error) {
	var buf []byte
	for _, tok := range tokens {
		var ok bool
		if buf, ok = appendRaw(buf, tok); !ok {
			buf = append(buf, tok...)
		}
	}
	return []string{replaceInvalid(buf)}, nil
}

// replaceInvalid puts U+FFFD in the place of every longest part of bytes that begins a character but does not end
// one, and of every other byte that is no UTF-8.
func replaceInvalid(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out []byte
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			n = badPrefix(b)
		}
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return string(out)
}

// badPrefix returns how many bytes of b the beginning of a character has, where no whole character is.
func badPrefix(b []byte) int {
	low, high, more := byte(0x80), byte(0xBF), 0
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		more = 1
	case c >= 0xE0 && c <= 0xEF:
		more = 2
		if c == 0xE0 {
			low = 0xA0
		} else if c == 0xED {
			high = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		more = 3
		if c == 0xF0 {
			low = 0x90
		} else if c == 0xF4 {
			high = 0x8F
		}
	}
	n := 1
	for ; n <= more && n < len(b) && b[n] >= low && b[n] <= high; n++ {
		low, high = 0x80, 0xBF
	}
	return n
}

// byteFallbackDecoder joins runs of <0xHH>; bytes that are no UTF-8 become one U+FFFD each.
type byteFallbackDecoder struct{}

func (byteFallbackDecoder) decode(tokens []string) ([]string, error) {
	var out []string
	var run []byte
	flush := func() {
		if utf8.Valid(run) {
			if len(run) > 0 {
				out = append(out, string(run))
			}
		} else {
			for range run {
				out = append(out, "\uFFFD")
			}
		}
		run = run[:0]
	}
	for _, tok := range tokens {
		if len(tok) == 6 && strings.HasPrefix(tok, "<0x") && tok[5] == '>' {
			if hi, lo := hexDigit(tok[3]), hexDigit(tok[4]); hi >= 0 && lo >= 0 {
				run = append(run, byte(hi<<4|lo))
				continue
			}
		}
		flush()
		out = append(out, tok)
	}
	flush()
	return out, nil
}

type fuseDecoder struct{}

func (fuseDecoder) decode(tokens []string) ([]string, error) {
	return []string{strings.Join(tokens, "")}, nil
}

type replaceDecoder struct{ replace *replace }

func (d replaceDecoder) decode(tokens []string) ([]string, error) {
	st := &state{budget: 50_000_000}
	for i, tok := range tokens {
		st.budget += 400 * int64(len(tok))
		p, err := d.replace.normalize(st, piece{text: tok})
		if err != nil {
			return nil, err
		}
		tokens[i] = p.text
	}
	return tokens, nil
}

// metaspaceDecoder writes the marks as blanks, but for those of the first token where one was put in front.
type metaspaceDecoder struct{ metaspaces }

func (d metaspaceDecoder) decode(tokens []string) ([]string, error) {
	for i, tok := range tokens {
		with := " "
		if i == 0 && d.prepend != prependNever {
			with = ""
		}
		tokens[i] = strings.ReplaceAll(tok, d.mark, with)
	}
	return tokens, nil
}

// stripDecoder removes up to start and stop characters from the ends of every token.
type stripDecoder struct {
	content     string
	start, stop int
}

func loadStripDecoder(o object) ([]decoder, error) {
	var d stripDecoder
	r, err := o.get("content").rune()
	if err != nil {
		return nil, err
	}
	d.content = string(r)
	if d.start, err = o.num("start", 0); err != nil {
		return nil, err
	}
	if d.stop, err = o.num("stop", 0); err != nil {
		return nil, err
	}
	return []decoder{d}, nil
}

func (d stripDecoder) decode(tokens []string) ([]string, error) {
	for i, tok := range tokens {
		for n := 0; n < d.start && strings.HasPrefix(tok, d.content); n++ {
			tok = tok[len(d.content):]
		}
		for n := 0; n < d.stop && strings.HasSuffix(tok, d.content); n++ {
			tok = tok[:len(tok)-len(d.content)]
		}
		tokens[i] = tok
	}
	return tokens, nil
}

// wordPieceDecoder joins continuing pieces and puts blanks between the others.
type wordPieceDecoder struct {
	prefix  string
	cleanup bool
}

func (d wordPieceDecoder) decode(tokens []string) ([]string, error) {
	for i, tok := range tokens {
		if i > 0 {
			if rest, ok := strings.CutPrefix(tok, d.prefix); ok {
				tok = rest
			} else {
				tok = " " + tok
			}
		}
		if d.cleanup {
			tok = cleanUp(tok)
		}
		tokens[i] = tok
	}
	return tokens, nil
}

// cleanUp undoes the blanks around English punctuation, rule after rule.
func cleanUp(s string) string {
	for _, r := range [...][2]string{
		{" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"},
		{" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
	} {
		s = strings.ReplaceAll(s, r[0], r[1])
	}
	return s
}

// suffixDecoder writes the end-of-word suffix as a blank, but for the last token.
type suffixDecoder string

func (d suffixDecoder) decode(tokens []string) ([]string, error) {
	for i, tok := range tokens {
		with := " "
		if i == len(tokens)-1 {
			with = ""
		}
		tokens[i] = strings.ReplaceAll(tok, string(d), with)
	}
	return tokens, nil
}

// ctcDecoder drops repeated tokens and padding.
type ctcDecoder struct {
	pad, delimiter string
	cleanup        bool
}

func (d ctcDecoder) decode(tokens []string) ([]string, error) {
	var out []string
	for _, tok := range slices.Compact(tokens) {
		tok = strings.ReplaceAll(tok, d.pad, "")
		if d.cleanup {
			tok = strings.ReplaceAll(cleanUp(tok), d.delimiter, " ")
		}
		if tok != "" {
			out = append(out, tok)
		}
	}
	return out, nil
}
