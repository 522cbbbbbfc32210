// A bounded cache of encoded words. Text repeats its words, so most of them need no merging at all.

package tokenizer

import "strings"

const (
	cacheWord  = 256     // longest word kept, in bytes
	cacheWords = 1 << 14 // entries before the cache starts anew
)

type wordCache struct {
	spans map[string]span
	ids   []int32
}

// get appends the ids of a known word to st.ids.
func (c *wordCache) get(st *state, word string) bool {
	if len(word) >= cacheWord {
		return false
	}
	s, ok := c.spans[word]
	if ok {
		st.ids = append(st.ids, c.ids[s.start:s.end]...)
	}
	return ok
}

func (c *wordCache) put(word string, ids []int32) {
	if len(word) >= cacheWord {
		return
	}
	if c.spans == nil || len(c.spans) >= cacheWords {
		c.spans = make(map[string]span)
		c.ids = c.ids[:0]
	}
	start := len(c.ids)
	c.ids = append(c.ids, ids...)
	c.spans[strings.Clone(word)] = span{start, len(c.ids), true}
}
