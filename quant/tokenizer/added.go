// Added tokens: recognised in the text before any model sees it.

package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// addedToken is an entry of added_tokens.
type addedToken struct {
	content    string
	singleWord bool // matches only where no word character is next to it
	lstrip     bool // takes the white space left of it
	rstrip     bool // takes the white space right of it
	normalized bool // is searched in normalized text
	special    bool // is left out by Decode if asked
}

type addedVocabulary struct {
	ids        map[string]int32
	tokens     map[int32]addedToken
	forms      map[int32]string // what normalizing made of a token, where that changed it
	special    map[string]bool
	raw        matcher // tokens searched in the text as it is
	normalized matcher // tokens searched after normalizing
	limit      int     // highest id + 1
}

// loadAdded reads added_tokens. An id follows from the model's vocabulary or, for a token that it lacks, from counting
// on; the id written in the file is not consulted (the library that defines the format does not either).
func loadAdded(v value, vocab *vocabulary, normalizers []normalizer) (*addedVocabulary, error) {
	a := &addedVocabulary{
		ids: map[string]int32{}, tokens: map[int32]addedToken{}, forms: map[int32]string{}, special: map[string]bool{},
	}
	if v.isNull() {
		return a, nil
	}
	list, err := v.list()
	if err != nil {
		return nil, err
	}
	next := int32(len(vocab.ids))
	for _, item := range list {
		tok, err := loadAddedToken(item)
		if err != nil {
			return nil, err
		}
		if tok.content == "" {
			continue
		}
		id, known := a.ids[tok.content]
		if known && a.tokens[id] == tok {
			continue
		}
		if !known {
			if id = vocab.id(tok.content); id < 0 {
				id = next
				next++
			}
		}
		if tok.normalized {
			p, err := normalizeAll(normalizers, tok.content)
			if err != nil {
				return nil, item.errorf("%v", err)
			}
			if p != tok.content {
				a.forms[id] = p
			}
		}
		a.ids[tok.content] = id
		a.tokens[id] = tok
		if tok.special {
			a.special[tok.content] = true
		}
		a.limit = max(a.limit, int(id)+1)
	}
	return a, a.buildMatchers(v)
}

func loadAddedToken(v value) (addedToken, error) {
	var t addedToken
	o, err := v.object()
	if err != nil {
		return t, err
	}
	if t.content, err = o.get("content").string(); err != nil {
		return t, err
	}
	for _, f := range []struct {
		name string
		to   *bool
	}{
		{"single_word", &t.singleWord}, {"lstrip", &t.lstrip}, {"rstrip", &t.rstrip},
		{"normalized", &t.normalized}, {"special", &t.special},
	} {
		if *f.to, err = o.flag(f.name, false); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (a *addedVocabulary) buildMatchers(v value) error {
	var keys [2][]string
	var ids [2][]int32
	seen := [2]map[string]bool{{}, {}}
	for id, tok := range a.tokens {
		form, which := tok.content, 0
		if tok.normalized {
			which = 1
			if f, ok := a.forms[id]; ok {
				form = f
			}
		}
		if form == "" || seen[which][form] {
			return v.errorf("token %q becomes %q when normalized, which is empty or another token", tok.content, form)
		}
		seen[which][form] = true
		keys[which] = append(keys[which], form)
		ids[which] = append(ids[which], id)
	}
	a.raw = newMatcher(keys[0], ids[0], a.tokens)
	a.normalized = newMatcher(keys[1], ids[1], a.tokens)
	return nil
}

// matcher finds one kind of added tokens.
type matcher struct {
	trie   *trie // nil: there are none
	tokens map[int32]addedToken
	word   *runeSet
	white  *runeSet
}

func newMatcher(keys []string, ids []int32, tokens map[int32]addedToken) matcher {
	if len(keys) == 0 {
		return matcher{}
	}
	return matcher{newTrie(keys, ids), tokens, tables().set("word"), tables().set("white")}
}

// split calls yield for the parts of text in order: id is that of an added token, or -1 for text between them.
func (m *matcher) split(text string, yield func(part string, offset int, id int32) error) error {
	done := 0
	blank := 0 // end of the white space that the last token with rstrip took, all of it right of that token
	if m.trie != nil {
		for at := 0; at < len(text); {
			if m.trie.root[text[at]] < 0 {
				at++
				continue
			}
			n, id := m.trie.longest(text[at:])
			if n == 0 {
				at++
				continue
			}
			start, end := at, at+n
			at = end
			tok := m.tokens[id]
			if tok.singleWord && !m.aloneAt(text, start, end) {
				continue
			}
			if tok.lstrip && done < start {
				start = done + len(strings.TrimRightFunc(text[done:start], m.white.has))
			}
			if tok.rstrip {
				if end > blank {
					blank = len(text) - len(strings.TrimLeftFunc(text[end:], m.white.has))
				}
				end = blank
			}
			if done < start {
				if err := yield(text[done:start], done, -1); err != nil {
					return err
				}
			}
			if err := yield(text[start:end], start, id); err != nil {
				return err
			}
			done = end
		}
	}
	if done == len(text) {
		return nil
	}
	return yield(text[done:], done, -1)
}

// aloneAt reports whether no word character touches text[start:end].
func (m *matcher) aloneAt(text string, start, end int) bool {
	left, n := utf8.DecodeLastRuneInString(text[:start])
	right, k := utf8.DecodeRuneInString(text[end:])
	return (n == 0 || !m.word.has(left)) && (k == 0 || !m.word.has(right))
}
