// Package tokenizer reads Hugging Face tokenizer.json files and turns text into token ids and back, id for id as the
// tokenizers library does. It knows nothing about models or quantisation.
package tokenizer

// This file is the order of things: load the parts, encode and decode with them.

import (
	"errors"
	"fmt"
	"sync"
	"unicode/utf8"
)

// Errors that callers can tell apart with errors.Is.
var (
	// ErrFormat means that the file is no well-formed tokenizer.json.
	ErrFormat = errors.New("tokenizer: malformed file")
	// ErrUnsupported means that the file names a component or option that this package does not know.
	ErrUnsupported = errors.New("tokenizer: unsupported")
	// ErrInput means that a text or id cannot be processed by this tokenizer.
	ErrInput = errors.New("tokenizer: bad input")
	// ErrBudget means that a regular expression of the file needed too many steps for this text.
	ErrBudget = errors.New("tokenizer: regular expression exceeds its step budget")
)

// Tokenizer is a loaded tokenizer.json. It is immutable and safe for concurrent use.
type Tokenizer struct {
	added     *addedVocabulary
	normalize []normalizer
	pre       []preTokenizer
	model     model
	post      []postProcessor
	decode    []decoder
	decodes   bool // whether the file names a decoder at all
	size      int
	states    sync.Pool
}

// model turns one word into ids.
type model interface {
	// encode appends the ids of a non-empty word to st.ids.
	encode(st *state, word string) error
	vocabulary() *vocabulary
}

// state is the scratch memory of one Encode call. States are pooled, so the word cache survives between calls.
type state struct {
	ids    []int32
	pieces [][]piece // one buffer for each pre-tokenizer
	spans  []span
	budget int64 // steps left for regular expressions
	cache  wordCache
	bpe    bpeScratch
	best   []bestNode
	regex  regexScratch
	bytes  []byte
	runes  []mark
}

// piece is a part of the text on its way to the model. zero counts its leading bytes that come from the very first
// character of the document, which is what Metaspace's "first" asks for.
type piece struct {
	text string
	zero int
}

// Load reads a tokenizer.json. Truncation and padding in the file are ignored.
func Load(tokenizerJSON []byte) (*Tokenizer, error) {
	root, err := value{raw: tokenizerJSON}.object()
	if err != nil {
		return nil, err
	}
	if v, err := root.str("version", "1.0"); err != nil {
		return nil, err
	} else if v != "1.0" {
		return nil, root.get("version").unsupported("version " + v)
	}
	t := &Tokenizer{}
	if t.normalize, err = loadNormalizers(root.get("normalizer")); err != nil {
		return nil, err
	}
	if t.pre, err = loadPreTokenizers(root.get("pre_tokenizer")); err != nil {
		return nil, err
	}
	if t.model, err = t.loadModel(root.get("model")); err != nil {
		return nil, err
	}
	if t.added, err = loadAdded(root.get("added_tokens"), t.model.vocabulary(), t.normalize); err != nil {
		return nil, err
	}
	if t.post, err = loadPostProcessors(root.get("post_processor")); err != nil {
		return nil, err
	}
	t.decodes = !root.get("decoder").isNull()
	if t.decode, err = loadDecoders(root.get("decoder")); err != nil {
		return nil, err
	}
	t.size = max(t.model.vocabulary().limit, t.added.limit)
	t.states.New = func() any { return &state{pieces: make([][]piece, len(t.pre))} }
	return t, nil
}

// loadModel reads the model. Where the last pre-tokenizer only writes bytes as characters and the model is a BPE that
// can work on bytes, the former is dropped and the latter told.
func (t *Tokenizer) loadModel(v value) (model, error) {
	if v.isNull() {
		return nil, v.errorf("the file has no model")
	}
	o, err := v.object()
	if err != nil {
		return nil, err
	}
	kind, err := modelKind(o)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "BPE":
		m, err := loadBPE(o)
		if err != nil {
			return nil, err
		}
		if n := len(t.pre); n > 0 && m.canWorkOnBytes() {
			if _, ok := t.pre[n-1].(byteCharacters); ok {
				t.pre = t.pre[:n-1]
				m.workOnBytes()
			}
		}
		return m, nil
	case "Unigram":
		return loadUnigram(o)
	case "WordPiece":
		return loadWordPiece(o)
	case "WordLevel":
		return loadWordLevel(o)
	}
	return nil, o.unsupported("model " + kind)
}

// modelKind names the model; files of old versions leave the type out, and then the fields tell.
func modelKind(o object) (string, error) {
	if v := o.get("type"); !v.isNull() {
		return v.string()
	}
	switch {
	case o.get("vocab").isNull():
		return "", o.errorf("the model has no vocab")
	case !o.get("merges").isNull():
		return "BPE", nil
	case o.get("vocab").kind() == '[':
		return "Unigram", nil
	case !o.get("max_input_chars_per_word").isNull():
		return "WordPiece", nil
	}
	return "WordLevel", nil
}

// Encode returns the ids of text; addSpecial adds the special tokens of the post-processor, such as BOS and EOS.
// Special tokens written in the text are recognised either way. It fails on text that is not UTF-8, on a character
// that the vocabulary cannot express where the model demands an unknown token, and on an exhausted step budget.
func (t *Tokenizer) Encode(text string, addSpecial bool) ([]int32, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%w: text of %d bytes is not UTF-8", ErrInput, len(text))
	}
	st := t.states.Get().(*state)
	st.ids = st.ids[:0]
	st.budget = 50_000_000 + 400*int64(len(text))
	err := t.added.raw.split(text, func(part string, offset int, id int32) error {
		if id >= 0 {
			st.ids = append(st.ids, id)
			return nil
		}
		p := piece{text: part}
		if offset == 0 {
			_, p.zero = utf8.DecodeRuneInString(part)
		}
		return t.encodePart(st, p)
	})
	if err != nil {
		return nil, err // the state, which may be half used, is let go
	}
	ids, err := finish(t.post, st.ids, addSpecial)
	st.trim()
	t.states.Put(st)
	return ids, err
}

// encodePart normalizes a part of the text between two added tokens, finds the added tokens that are to be searched
// in normalized text, and encodes what is left.
func (t *Tokenizer) encodePart(st *state, p piece) error {
	var err error
	for _, n := range t.normalize {
		if p, err = n.normalize(st, p); err != nil {
			return err
		}
	}
	return t.added.normalized.split(p.text, func(part string, offset int, id int32) error {
		if id >= 0 {
			st.ids = append(st.ids, id)
			return nil
		}
		return t.encodePieces(st, 0, piece{part, min(len(part), max(0, p.zero-offset))})
	})
}

// encodePieces sends a piece through the pre-tokenizers from the given one on, then through the model.
func (t *Tokenizer) encodePieces(st *state, stage int, p piece) error {
	if p.text == "" {
		return nil
	}
	if stage == len(t.pre) {
		return t.model.encode(st, p.text)
	}
	buf, err := t.pre[stage].split(st, p, st.pieces[stage][:0])
	if err != nil {
		return err
	}
	st.pieces[stage] = buf
	for i := range buf {
		if err := t.encodePieces(st, stage+1, buf[i]); err != nil {
			return err
		}
	}
	clear(buf) // the pooled buffer must not hold on to the text
	return nil
}

// keepItems bounds what a pooled state may hold on to in each of its buffers.
const keepItems = 1 << 16

// trim lets go of buffers that one long document has blown up.
func (st *state) trim() {
	for i := range st.pieces {
		if cap(st.pieces[i]) > keepItems {
			st.pieces[i] = nil
		}
	}
	if cap(st.ids) > keepItems {
		st.ids = nil
	}
	if cap(st.spans) > keepItems {
		st.spans = nil
	}
	if cap(st.best) > keepItems {
		st.best = nil
	}
	if cap(st.bytes) > keepItems {
		st.bytes = nil
	}
	if cap(st.runes) > keepItems {
		st.runes = nil
	}
	st.bpe.trim()
	st.regex.trim()
}

// VocabSize returns the highest id plus one, added tokens included.
func (t *Tokenizer) VocabSize() int { return t.size }

// TokenID returns the id of a token as the vocabulary spells it.
func (t *Tokenizer) TokenID(token string) (int32, bool) {
	if id, ok := t.added.ids[token]; ok {
		return id, true
	}
	id := t.model.vocabulary().id(token)
	return id, id >= 0
}

// Token returns the token of an id as the vocabulary spells it.
func (t *Tokenizer) Token(id int32) (string, bool) {
	if tok, ok := t.added.tokens[id]; ok {
		return tok.content, true
	}
	return t.model.vocabulary().token(id)
}
