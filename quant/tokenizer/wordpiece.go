// WordPiece and WordLevel: words looked up piece by piece from the left, or as a whole.

package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

type wordPiece struct {
	vocab    *vocabulary
	unk      string
	prefix   string // of every piece but the first
	maxChars int
	longest  int // bytes of the longest token
}

func loadWordPiece(o object) (*wordPiece, error) {
	m := &wordPiece{}
	var err error
	if m.unk, err = o.str("unk_token", "[UNK]"); err != nil {
		return nil, err
	}
	if m.prefix, err = o.str("continuing_subword_prefix", "##"); err != nil {
		return nil, err
	}
	if m.maxChars, err = o.num("max_input_chars_per_word", 100); err != nil {
		return nil, err
	}
	if m.vocab, err = loadVocabulary(o.get("vocab")); err != nil {
		return nil, err
	}
	for tok := range m.vocab.ids {
		m.longest = max(m.longest, len(tok))
	}
	return m, nil
}

func (m *wordPiece) vocabulary() *vocabulary { return m.vocab }

func (m *wordPiece) encode(st *state, word string) error {
	if st.cache.get(st, word) {
		return nil
	}
	begin := len(st.ids)
	if err := m.encodeWord(st, word, begin); err != nil {
		return err
	}
	st.cache.put(word, st.ids[begin:])
	return nil
}

func (m *wordPiece) encodeWord(st *state, word string, begin int) error {
	if utf8.RuneCountInString(word) > m.maxChars {
		return appendUnknown(st, m.vocab, m.unk, begin, word)
	}
	for start := 0; start < len(word); {
		id, end := m.piece(st, word, start)
		if id < 0 {
			return appendUnknown(st, m.vocab, m.unk, begin, word)
		}
		st.ids = append(st.ids, id)
		start = end
	}
	return nil
}

// piece finds the longest token at a place of the word; nothing longer than the longest token need be tried.
func (m *wordPiece) piece(st *state, word string, start int) (int32, int) {
	st.bytes = st.bytes[:0]
	if start > 0 {
		st.bytes = append(st.bytes, m.prefix...)
	}
	skip := len(st.bytes)
	end := min(len(word), start+max(0, m.longest-skip))
	for end < len(word) && end > start && !utf8.RuneStart(word[end]) {
		end--
	}
	st.bytes = append(st.bytes, word[start:end]...)
	for end > start {
		if id, ok := m.vocab.ids[string(st.bytes[:skip+end-start])]; ok {
			return id, end
		}
		_, n := utf8.DecodeLastRuneInString(word[start:end])
		end -= n
	}
	return -1, start
}

// appendUnknown replaces what was written for a word, from begin on, by the unknown token.
func appendUnknown(st *state, vocab *vocabulary, unk string, begin int, word string) error {
	id := vocab.id(unk)
	if id < 0 {
		return fmt.Errorf("%w: unknown word of %d bytes, and the vocabulary lacks the unknown token %q", ErrInput, len(word), unk)
	}
	st.ids = append(st.ids[:begin], id)
	return nil
}

type wordLevel struct {
	vocab *vocabulary
	unk   string
}

func loadWordLevel(o object) (*wordLevel, error) {
	m := &wordLevel{}
	var err error
	if m.unk, err = o.str("unk_token", "<unk>"); err != nil {
		return nil, err
	}
	m.vocab, err = loadVocabulary(o.get("vocab"))
	return m, err
}

func (m *wordLevel) vocabulary() *vocabulary { return m.vocab }

func (m *wordLevel) encode(st *state, word string) error {
	if id := m.vocab.id(word); id >= 0 {
		st.ids = append(st.ids, id)
		return nil
	}
	return appendUnknown(st, m.vocab, m.unk, len(st.ids), word)
}
