// The vocabulary of a model: tokens to ids and back, held in one string.

package tokenizer

import (
	"math"
	"strconv"
)

// vocabulary maps tokens to ids. All tokens are parts of one string, so that the file itself can be let go.
type vocabulary struct {
	ids    map[string]int32
	dense  []string         // by id, where ids are dense
	sparse map[int32]string // by id, where they are not
	limit  int              // highest id + 1
}

// vocabularyBuilder collects tokens before their common string exists.
type vocabularyBuilder struct {
	text []byte
	ends []int
	ids  []int32
}

func (b *vocabularyBuilder) build() *vocabulary {
	all := string(b.text)
	v := &vocabulary{ids: make(map[string]int32, len(b.ids))}
	for _, id := range b.ids {
		v.limit = max(v.limit, int(id)+1)
	}
	// Ids come from the file; only as many entries as it has tokens, and some holes, are worth a slice.
	if v.limit <= 2*len(b.ids)+1024 {
		v.dense = make([]string, v.limit)
	} else {
		v.sparse = make(map[int32]string, len(b.ids))
	}
	start := 0
	for i, end := range b.ends {
		tok := all[start:end]
		start = end
		v.ids[tok] = b.ids[i]
	}
	for tok, id := range v.ids {
		if v.dense != nil {
			if v.dense[id] == "" || tok < v.dense[id] { // of two tokens with one id, the same one every time
				v.dense[id] = tok
			}
		} else if old, ok := v.sparse[id]; !ok || tok < old {
			v.sparse[id] = tok
		}
	}
	return v
}

// loadVocabulary reads an object of token: id.
func loadVocabulary(v value) (*vocabulary, error) {
	if v.kind() != '{' {
		return nil, v.errorf("expected an object of tokens and ids")
	}
	s := scanner{data: v.raw}
	s.next()
	s.pos++
	var b vocabularyBuilder
	for first := true; ; first = false {
		ok, err := s.more('}', first)
		if err != nil {
			return nil, err
		}
		if !ok {
			return b.build(), nil
		}
		if b.text, err = s.text(b.text); err != nil {
			return nil, err
		}
		if err := s.take(':'); err != nil {
			return nil, err
		}
		word, err := s.scalar()
		if err != nil {
			return nil, err
		}
		id, err := strconv.ParseUint(word, 10, 31)
		if err != nil || id == math.MaxInt32 {
			return nil, v.errorf("id %s of token number %d is not a number below 2^31-1", word, len(b.ids))
		}
		b.ids = append(b.ids, int32(id))
		b.ends = append(b.ends, len(b.text))
	}
}

// id returns the id of a token, or -1.
func (v *vocabulary) id(token string) int32 {
	if id, ok := v.ids[token]; ok {
		return id
	}
	return -1
}

func (v *vocabulary) token(id int32) (string, bool) {
	if v.dense == nil {
		tok, ok := v.sparse[id]
		return tok, ok
	}
	if id < 0 || int(id) >= len(v.dense) {
		return "", false
	}
	tok := v.dense[id]
	if tok == "" && v.id("") != id { // a hole among the ids
		return "", false
	}
	return tok, true
}

// byteTokens returns the ids of <0x00> to <0xFF>, -1 where there is none.
func (v *vocabulary) byteTokens() (ids [256]int32) {
	const digits = "0123456789ABCDEF"
	for b := range ids {
		ids[b] = v.id("<0x" + digits[b>>4:b>>4+1] + digits[b&15:b&15+1] + ">")
	}
	return ids
}
