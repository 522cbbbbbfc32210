// The unigram model: the segmentation of a word with the highest sum of scores.

package tokenizer

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

type unigram struct {
	vocab        *vocabulary
	scores       []float64
	trie         *trie
	unk          int32 // -1: none
	unkScore     float64
	byteFallback bool
	byteTokens   [256]int32
}

// unknownPenalty is what an unknown character costs below the rarest piece.
const unknownPenalty = 10

// bestNode is the best known way to a place in the word.
type bestNode struct {
	score float64
	start int // -1: not reached yet
	id    int32
}

func loadUnigram(o object) (*unigram, error) {
	m := &unigram{unk: -1, unkScore: math.Inf(1)}
	var err error
	if m.byteFallback, err = o.flag("byte_fallback", false); err != nil {
		return nil, err
	}
	if err = m.loadPieces(o.get("vocab")); err != nil {
		return nil, err
	}
	if v := o.get("unk_id"); !v.isNull() {
		id, err := v.int()
		if err != nil {
			return nil, err
		}
		if id < 0 || id >= len(m.scores) {
			return nil, v.errorf("id %d lies outside of the vocabulary of %d", id, len(m.scores))
		}
		m.unk = int32(id)
	}
	m.byteTokens = m.vocab.byteTokens()
	return m, nil
}

// loadPieces reads the list of [piece, score].
func (m *unigram) loadPieces(v value) error {
	if v.kind() != '[' {
		return v.errorf("expected a list of pieces and scores")
	}
	s := scanner{data: v.raw}
	s.next()
	s.pos++
	var b vocabularyBuilder
	for first := true; ; first = false {
		ok, err := s.more(']', first)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err = s.take('['); err != nil {
			return err
		}
		if b.text, err = s.text(b.text); err != nil {
			return err
		}
		if err = s.take(','); err != nil {
			return err
		}
		word, err := s.scalar()
		if err != nil {
			return err
		}
		score, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return v.errorf("score %s of piece number %d is no number", word, len(b.ids))
		}
		if err := s.take(']'); err != nil {
			return err
		}
		if len(b.ids) == math.MaxInt32 {
			return v.errorf("too many pieces")
		}
		b.ids = append(b.ids, int32(len(b.ids)))
		b.ends = append(b.ends, len(b.text))
		m.scores = append(m.scores, score)
		m.unkScore = min(m.unkScore, score-unknownPenalty)
	}
	m.vocab = b.build()
	keys := make([]string, 0, len(m.vocab.ids))
	ids := make([]int32, 0, len(m.vocab.ids))
	for tok, id := range m.vocab.ids {
		if tok != "" {
			keys, ids = append(keys, tok), append(ids, id)
		}
	}
	m.trie = newTrie(keys, ids)
	return nil
}

func (m *unigram) vocabulary() *vocabulary { return m.vocab }

func (m *unigram) encode(st *state, word string) error {
	if st.cache.get(st, word) {
		return nil
	}
	best, err := m.search(st, word)
	if err != nil {
		return err
	}
	// Walk back from the end, one span a token; neighbouring unknown pieces become one.
	spans := st.spans[:0]
	for end := len(word); end > 0; {
		node := best[end]
		unknown := node.id == m.unk
		if n := len(spans); unknown && n > 0 && spans[n-1].match {
			spans[n-1].start = node.start
		} else {
			spans = append(spans, span{node.start, end, unknown})
		}
		end = node.start
	}
	st.spans = spans
	start := len(st.ids)
	for i := len(spans) - 1; i >= 0; i-- {
		if err := m.appendPiece(st, word[spans[i].start:spans[i].end]); err != nil {
			return err
		}
	}
	st.cache.put(word, st.ids[start:])
	return nil
}

// search fills the best way to every place of the word.
func (m *unigram) search(st *state, word string) ([]bestNode, error) {
	if cap(st.best) < len(word)+1 {
		st.best = make([]bestNode, len(word)+1)
	}
	best := st.best[:len(word)+1]
	for i := range best {
		best[i] = bestNode{start: -1}
	}
	for at := 0; at < len(word); {
		_, size := utf8.DecodeRuneInString(word[at:])
		here := best[at].score
		single := false // whether some piece is exactly this character
		node := int32(0)
		for i := at; i < len(word); i++ {
			if node = m.trie.step(node, word[i]); node < 0 {
				break
			}
			id := m.trie.value[node]
			if id < 0 {
				continue
			}
			single = single || i+1-at == size
			if b, score := &best[i+1], here+m.scores[id]; b.start < 0 || score > b.score {
				*b = bestNode{score, at, id}
			}
		}
		if !single {
			b, score := &best[at+size], here+m.unkScore
			if b.start < 0 || score > b.score {
				if m.unk < 0 {
					return nil, fmt.Errorf("%w: unknown character %q, and the model has no unk_id", ErrInput, word[at:at+size])
				}
				*b = bestNode{score, at, m.unk}
			}
		}
		at += size
	}
	return best, nil
}

// appendPiece appends the id of a piece, or of its bytes, or of the unknown token.
func (m *unigram) appendPiece(st *state, piece string) error {
	if id := m.vocab.id(piece); id >= 0 {
		st.ids = append(st.ids, id)
		return nil
	}
	if m.byteFallback {
		start := len(st.ids)
		for i := 0; i < len(piece); i++ {
			st.ids = append(st.ids, m.byteTokens[piece[i]])
		}
		if !slices.Contains(st.ids[start:], -1) {
			return nil
		}
		st.ids = st.ids[:start]
	}
	if m.unk < 0 {
		return fmt.Errorf("%w: unknown piece %q, and the model has no unk_id", ErrInput, piece)
	}
	st.ids = append(st.ids, m.unk)
	return nil
}
