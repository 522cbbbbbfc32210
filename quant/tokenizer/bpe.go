// Byte pair encoding: from a word to its first symbols, and from those by merges to ids.

package tokenizer

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

type bpe struct {
	vocab        *vocabulary
	merges       pairTable
	words        map[string]int32 // whole words that need no merging, under ignore_merges
	onBytes      bool             // words are raw bytes, byteSymbols their ids
	byteSymbols  [256]int32
	ascii        [utf8.RuneSelf]int32
	runes        map[rune]int32
	prefix       string
	suffix       string
	unk          string
	hasUnk       bool
	unkID        int32
	fuseUnk      bool
	byteFallback bool
	byteTokens   [256]int32
	ignoreMerges bool
	// chunked means that long words may be cut before a metaspace whose left neighbour is not in glued: no merge can
	// reach over such a place, so the parts can be encoded (and cached) one by one.
	chunked bool
	glued   map[rune]bool
}

const metaspace = '▁'

func loadBPE(o object) (*bpe, error) {
	m := &bpe{unkID: -1}
	var err error
	if v := o.get("dropout"); !v.isNull() {
		s := scanner{data: v.raw}
		if w, _ := s.scalar(); strings.Trim(w, "0.") != "" {
			return nil, v.unsupported("dropout " + w + ", which makes encoding random")
		}
	}
	if m.prefix, err = o.str("continuing_subword_prefix", ""); err != nil {
		return nil, err
	}
	if m.suffix, err = o.str("end_of_word_suffix", ""); err != nil {
		return nil, err
	}
	if m.fuseUnk, err = o.flag("fuse_unk", false); err != nil {
		return nil, err
	}
	if m.byteFallback, err = o.flag("byte_fallback", false); err != nil {
		return nil, err
	}
	if m.ignoreMerges, err = o.flag("ignore_merges", false); err != nil {
		return nil, err
	}
	if m.vocab, err = loadVocabulary(o.get("vocab")); err != nil {
		return nil, err
	}
	if v := o.get("unk_token"); !v.isNull() {
		if m.unk, err = v.string(); err != nil {
			return nil, err
		}
		m.hasUnk = true
		m.unkID = m.vocab.id(m.unk)
	}
	m.byteTokens = m.vocab.byteTokens()
	if err := m.loadMerges(o.get("merges")); err != nil {
		return nil, err
	}
	m.words = m.vocab.ids
	m.runes = map[rune]int32{}
	for i := range m.ascii {
		m.ascii[i] = -1
	}
	for tok, id := range m.vocab.ids {
		if r, n := utf8.DecodeRuneInString(tok); n > 0 && n == len(tok) {
			m.runes[r] = id
			if r < utf8.RuneSelf {
				m.ascii[r] = id
			}
		}
	}
	m.findChunks()
	return m, nil
}

// loadMerges reads the merges, pairs of tokens or older strings with a blank between the two.
func (m *bpe) loadMerges(v value) error {
	if v.kind() != '[' {
		return v.errorf("expected a list of merges")
	}
	s := scanner{data: v.raw}
	s.next()
	s.pos++
	var keys []uint64
	var ids []int32
	var buf []byte
	odd := false // some merge has a part that does not spell its own text
	for first := true; ; first = false {
		ok, err := s.more(']', first)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		buf = buf[:0]
		var cut int
		if s.next() == '[' {
			s.pos++
			if buf, err = s.text(buf); err != nil {
				return err
			}
			cut = len(buf)
			if err := s.take(','); err != nil {
				return err
			}
			if buf, err = s.text(buf); err != nil {
				return err
			}
			if err := s.take(']'); err != nil {
				return err
			}
		} else {
			if buf, err = s.text(buf); err != nil {
				return err
			}
			if bytes.HasPrefix(buf, []byte("#version")) {
				continue
			}
			cut = bytes.IndexByte(buf, ' ')
			if cut < 0 || bytes.IndexByte(buf[cut+1:], ' ') >= 0 {
				return v.errorf("merge number %d, %q, is not two tokens", len(keys), buf)
			}
			buf = append(buf[:cut], buf[cut+1:]...)
		}
		if len(buf)-cut < len(m.prefix) {
			return v.errorf("merge number %d: %q is shorter than the prefix %q", len(keys), buf[cut:], m.prefix)
		}
		a, okA := m.vocab.ids[string(buf[:cut])]
		b, okB := m.vocab.ids[string(buf[cut:])]
		if len(m.prefix) > 0 {
			buf = append(buf[:cut], buf[cut+len(m.prefix):]...)
		}
		id, okID := m.vocab.ids[string(buf)]
		if !okA || !okB || !okID {
			return v.errorf("merge number %d (into %q) has a token that is not in the vocabulary", len(keys), buf)
		}
		odd = odd || a == m.unkID || b == m.unkID || m.isByteToken(a) || m.isByteToken(b)
		keys = append(keys, pairKey(a, b))
		ids = append(ids, id)
	}
	m.chunked = !odd
	m.merges = newPairTable(keys, ids)
	return nil
}

func (m *bpe) isByteToken(id int32) bool {
	tok, _ := m.vocab.token(id)
	return len(tok) == 6 && strings.HasPrefix(tok, "<0x")
}

// findChunks looks at which characters stand left of a metaspace within a token.
func (m *bpe) findChunks() {
	if m.prefix != "" || m.suffix != "" || m.vocab.id(string(metaspace)) < 0 {
		m.chunked = false
	}
	if !m.chunked {
		return
	}
	m.glued = map[rune]bool{metaspace: true}
	for tok := range m.vocab.ids {
		for i := 1; i < len(tok); i++ {
			if n := strings.Index(tok[i:], string(metaspace)); n < 0 {
				break
			} else if i += n; i > 0 {
				r, _ := utf8.DecodeLastRuneInString(tok[:i])
				m.glued[r] = true
			}
		}
	}
}

// canWorkOnBytes reports whether characters that stand for bytes may be replaced by the bytes themselves.
func (m *bpe) canWorkOnBytes() bool { return !m.byteFallback && m.prefix == "" && m.suffix == "" }

// workOnBytes makes encode take raw bytes instead of the characters that ByteLevel writes for them.
func (m *bpe) workOnBytes() {
	m.onBytes, m.chunked = true, false
	for b := range m.byteSymbols {
		m.byteSymbols[b] = m.vocab.id(string(byteToRune[b]))
	}
	m.words = nil
	if !m.ignoreMerges {
		return
	}
	m.words = make(map[string]int32, len(m.vocab.ids))
	var buf []byte
	for tok, id := range m.vocab.ids {
		var ok bool
		if buf, ok = appendRaw(buf[:0], tok); ok {
			m.words[string(buf)] = id
		}
	}
}

func (m *bpe) vocabulary() *vocabulary { return m.vocab }

func (m *bpe) encode(st *state, word string) error {
	if m.ignoreMerges {
		if id, ok := m.words[word]; ok {
			st.ids = append(st.ids, id)
			return nil
		}
	}
	if !m.chunked {
		return m.encodeChunk(st, word)
	}
	start := 0
	for i := 1; i < len(word); i++ {
		n := strings.Index(word[i:], string(metaspace))
		if n < 0 {
			break
		}
		i += n
		if r, _ := utf8.DecodeLastRuneInString(word[:i]); !m.glued[r] {
			if err := m.encodeChunk(st, word[start:i]); err != nil {
				return err
			}
			start = i
		}
	}
	return m.encodeChunk(st, word[start:])
}

func (m *bpe) encodeChunk(st *state, word string) error {
	if st.cache.get(st, word) {
		return nil
	}
	start := len(st.ids)
	if err := m.appendSymbols(st, word); err != nil {
		return err
	}
	if len(st.ids)-start <= shortWord {
		st.ids = st.ids[:start+m.merges.mergeShort(st.ids[start:])]
	} else {
		st.ids = st.ids[:start+m.merges.mergeLong(&st.bpe, st.ids[start:])]
	}
	st.cache.put(word, st.ids[start:])
	return nil
}

// appendSymbols appends the ids of the characters (or bytes) that a word starts from.
func (m *bpe) appendSymbols(st *state, word string) error {
	pending := false // an unknown token not yet written
	for i := 0; i < len(word); {
		id, n := int32(-1), 1
		if m.onBytes {
			id = m.byteSymbols[word[i]]
		} else {
			id, n = m.symbol(st, word, i)
		}
		text := word[i : i+n]
		first := i == 0
		i += n
		if id >= 0 {
			if pending {
				st.ids = append(st.ids, m.unkID)
				pending = false
			}
			st.ids = append(st.ids, id)
			continue
		}
		if m.byteFallback && m.appendBytes(st, text, first, i == len(word)) {
			continue
		}
		if !m.hasUnk {
			continue // the library drops such characters
		}
		if m.unkID < 0 {
			return fmt.Errorf("%w: unknown character %q, and the vocabulary lacks the unknown token %q", ErrInput, text, m.unk)
		}
		if pending && !m.fuseUnk {
			st.ids = append(st.ids, m.unkID)
		}
		pending = true
	}
	if pending {
		st.ids = append(st.ids, m.unkID)
	}
	return nil
}

// symbol returns the id (or -1) and length of the character at word[i:].
func (m *bpe) symbol(st *state, word string, i int) (int32, int) {
	c := word[i]
	n := 1
	if c >= utf8.RuneSelf {
		_, n = utf8.DecodeRuneInString(word[i:])
	}
	if m.prefix != "" && i > 0 || m.suffix != "" && i+n == len(word) {
		st.bytes = m.decorate(st.bytes[:0], word[i:i+n], i == 0, i+n == len(word))
		if id, ok := m.vocab.ids[string(st.bytes)]; ok {
			return id, n
		}
		return -1, n
	}
	if c < utf8.RuneSelf {
		return m.ascii[c], 1
	}
	r, _ := utf8.DecodeRuneInString(word[i:])
	if id, ok := m.runes[r]; ok {
		return id, n
	}
	return -1, n
}

// decorate writes a character as the vocabulary spells it at its place in the word.
func (m *bpe) decorate(buf []byte, char string, first, last bool) []byte {
	if !first {
		buf = append(buf, m.prefix...)
	}
	buf = append(buf, char...)
	if last {
		buf = append(buf, m.suffix...)
	}
	return buf
}

// appendBytes writes a character as byte tokens if all of them exist.
func (m *bpe) appendBytes(st *state, char string, first, last bool) bool {
	st.bytes = m.decorate(st.bytes[:0], char, first, last)
	start := len(st.ids)
	for _, b := range st.bytes {
		if m.byteTokens[b] < 0 {
			st.ids = st.ids[:start]
			return false
		}
		st.ids = append(st.ids, m.byteTokens[b])
	}
	return true
}

// shortWord is the number of symbols up to which repeated scanning beats a heap.
const shortWord = 24

// mergeShort merges in place by repeated search for the lowest rank and returns the number of symbols left.
func (t *pairTable) mergeShort(ids []int32) int {
	var ranks [shortWord + 1]uint32 // of the pair that begins here
	var into [shortWord + 1]int32
	n := len(ids)
	for i := 0; i+1 < n; i++ {
		ranks[i], into[i] = t.get(ids[i], ids[i+1])
	}
	for n > 1 {
		best, at := uint32(noRank), 0
		for i, r := range ranks[:n-1] {
			if r < best {
				best, at = r, i
			}
		}
		if best == noRank {
			break
		}
		ids[at] = into[at]
		n--
		for i := at + 1; i < n; i++ {
			ids[i], ranks[i], into[i] = ids[i+1], ranks[i+1], into[i+1]
		}
		if at > 0 {
			ranks[at-1], into[at-1] = t.get(ids[at-1], ids[at])
		}
		if at+1 < n {
			ranks[at], into[at] = t.get(ids[at], ids[at+1])
		}
	}
	return n
}

// bpeScratch is the memory of mergeLong: a linked list of symbols and a heap of candidate merges.
type bpeScratch struct {
	next, prev []int32
	heap       []uint64 // rank << 32 | position
}

func (s *bpeScratch) trim() {
	if cap(s.next) > keepItems {
		*s = bpeScratch{}
	}
}

// mergeLong does the same as mergeShort in O(n log n). A heap entry is stale when the pair at its position has
// changed; a pair only ever grows, so comparing the rank tells.
func (t *pairTable) mergeLong(s *bpeScratch, ids []int32) int {
	n := len(ids)
	if cap(s.next) < n {
		s.next, s.prev = make([]int32, n), make([]int32, n)
	}
	next, prev := s.next[:n], s.prev[:n]
	h := s.heap[:0]
	for i := range ids {
		next[i], prev[i] = int32(i+1), int32(i-1)
		if i+1 < n {
			if rank, _ := t.get(ids[i], ids[i+1]); rank != noRank {
				h = append(h, uint64(rank)<<32|uint64(i))
			}
		}
	}
	for i := len(h)/2 - 1; i >= 0; i-- {
		siftDown(h, i)
	}
	for len(h) > 0 {
		top := h[0]
		h[0] = h[len(h)-1]
		h = h[:len(h)-1]
		siftDown(h, 0)
		at := int32(top & math.MaxUint32)
		if ids[at] < 0 || int(next[at]) >= n {
			continue
		}
		right := next[at]
		rank, id := t.get(ids[at], ids[right])
		if rank != uint32(top>>32) {
			continue
		}
		ids[at], ids[right] = id, -1
		next[at] = next[right]
		if int(next[at]) < n {
			prev[next[at]] = at
			if rank, _ := t.get(id, ids[next[at]]); rank != noRank {
				h = siftUp(append(h, uint64(rank)<<32|uint64(at)))
			}
		}
		if p := prev[at]; p >= 0 {
			if rank, _ := t.get(ids[p], id); rank != noRank {
				h = siftUp(append(h, uint64(rank)<<32|uint64(p)))
			}
		}
	}
	s.heap = h
	left := 0
	for _, id := range ids {
		if id >= 0 {
			ids[left] = id
			left++
		}
	}
	return left
}

func siftDown(h []uint64, i int) {
	for {
		c := 2*i + 1
		if c >= len(h) {
			return
		}
		if c+1 < len(h) && h[c+1] < h[c] {
			c++
		}
		if h[i] <= h[c] {
			return
		}
		h[i], h[c] = h[c], h[i]
		i = c
	}
}

func siftUp(h []uint64) []uint64 {
	for i := len(h) - 1; i > 0; {
		p := (i - 1) / 2
		if h[p] <= h[i] {
			break
		}
		h[i], h[p] = h[p], h[i]
		i = p
	}
	return h
}
