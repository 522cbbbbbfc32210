// The byte alphabet of GPT-2: every byte as a visible character, as vocabularies spell it.

package tokenizer

// byteToRune spells a byte: printable ones of Latin-1 stand for themselves, the others follow from U+0100 on.
var byteToRune = func() (table [256]rune) {
	next := rune(256)
	for b := range table {
		if b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE {
			table[b] = rune(b)
		} else {
			table[b] = next
			next++
		}
	}
	return table
}()

// runeToByte is the inverse; -1 marks characters outside of the alphabet.
var runeToByte = func() (table [256 + 68]int16) {
	for i := range table {
		table[i] = -1
	}
	for b, r := range byteToRune {
		table[r] = int16(b)
	}
	return table
}()

// appendRaw appends the bytes that a token spells, or reports that it has other characters.
func appendRaw(buf []byte, token string) ([]byte, bool) {
	start := len(buf)
	for _, r := range token {
		if int(r) >= len(runeToByte) || runeToByte[r] < 0 {
			return buf[:start], false
		}
		buf = append(buf, byte(runeToByte[r]))
	}
	return buf, true
}

// gpt2Pattern cuts text into words, numbers, punctuation and white space.
const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// loadByteLevel takes ByteLevel apart into its three steps.
func loadByteLevel(o object) ([]preTokenizer, error) {
	prefix, err := o.flag("add_prefix_space", true)
	if err != nil {
		return nil, err
	}
	cut, err := o.flag("use_regex", true)
	if err != nil {
		return nil, err
	}
	var list []preTokenizer
	if prefix {
		list = append(list, leadingBlank{})
	}
	if cut {
		re, err := compileRegex(gpt2Pattern)
		if err != nil {
			return nil, err
		}
		list = append(list, splitAt{regex: re, behavior: isolated})
	}
	return append(list, byteCharacters{}), nil
}

// leadingBlank puts a blank in front of a piece that has none.
type leadingBlank struct{}

func (leadingBlank) split(st *state, p piece, out []piece) ([]piece, error) {
	if p.text[0] != ' ' {
		var err error
		if p, err = prepend(" ").normalize(st, p); err != nil {
			return nil, err
		}
	}
	return append(out, p), nil
}

// byteCharacters spells every byte of a piece. It is a normalizer and a pre-tokenizer.
type byteCharacters struct{}

func (byteCharacters) normalize(st *state, p piece) (piece, error) {
	w := rewrite(st, p)
	for i := 0; i < len(p.text); i++ {
		w.addRune(byteToRune[p.text[i]], i)
	}
	return w.finish(st), nil
}

func (t byteCharacters) split(st *state, p piece, out []piece) ([]piece, error) {
	p, err := t.normalize(st, p)
	return append(out, p), err
}
