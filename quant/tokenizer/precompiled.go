// The normalizer Precompiled: a SentencePiece character map, which is a double-array trie and the replaced texts.

package tokenizer

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

type precompiled struct {
	units                    []uint32
	texts                    string // each ended by a zero byte
	extend, breaker, prepend *runeSet
}

func loadPrecompiled(o object) (*precompiled, error) {
	v := o.get("precompiled_charsmap")
	s, err := v.string()
	if err != nil {
		return nil, err
	}
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, v.errorf("%v", err)
	}
	if len(data) < 4 {
		return nil, v.errorf("a map of %d bytes", len(data))
	}
	size := uint64(binary.LittleEndian.Uint32(data))
	if data = data[4:]; size%4 != 0 || size > uint64(len(data)) {
		return nil, v.errorf("a trie of %d bytes in %d", size, len(data))
	}
	n := &precompiled{extend: tables().set("extend"), breaker: tables().set("breaker"), prepend: tables().set("prepend")}
	n.units = make([]uint32, size/4)
	for i := range n.units {
		n.units[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	n.texts = string(data[size:])
	if !utf8.ValidString(n.texts) {
		return nil, v.errorf("the replaced texts are not UTF-8")
	}
	return n, nil
}

// lookup returns the replacement of the shortest key that text begins with.
func (n *precompiled) lookup(text string) (string, bool) {
	offset := func(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
	if len(n.units) == 0 {
		return "", false
	}
	at := offset(n.units[0])
	for i := 0; i < len(text) && text[i] != 0; i++ {
		at ^= uint32(text[i])
		if uint64(at) >= uint64(len(n.units)) {
			return "", false
		}
		u := n.units[at]
		if u&(1<<31|0xFF) != uint32(text[i]) {
			return "", false
		}
		at ^= offset(u)
		if u>>8&1 == 0 {
			continue
		}
		if uint64(at) >= uint64(len(n.units)) {
			return "", false
		}
		start := n.units[at] & (1<<31 - 1)
		if uint64(start) > uint64(len(n.texts)) {
			return "", false
		}
		found, _, _ := strings.Cut(n.texts[start:], "\x00")
		return found, utf8.ValidString(found)
	}
	return "", false
}

// longestCluster is the length from which on a cluster of several characters is not looked up as a whole.
const longestCluster = 6

func (n *precompiled) normalize(st *state, p piece) (piece, error) {
	w := rewrite(st, p)
	for at := 0; at < len(p.text); {
		end := n.cluster(p.text, at)
		if end-at < longestCluster {
			if with, ok := n.lookup(p.text[at:end]); ok {
				w.add(with, at)
				at = end
				continue
			}
		}
		for at < end {
			_, size := utf8.DecodeRuneInString(p.text[at:])
			if with, ok := n.lookup(p.text[at : at+size]); ok {
				w.add(with, at)
			} else {
				w.add(p.text[at:at+size], at)
			}
			at += size
		}
	}
	return w.finish(st), nil
}

// cluster returns the end of the grapheme cluster that begins at a place. Clusters of Hangul, flags, emoji and Indic
// conjuncts are left in their parts: whole, each would be too long to be looked up.
func (n *precompiled) cluster(text string, at int) int {
	r, size := utf8.DecodeRuneInString(text[at:])
	at += size
	if r == '\r' && at < len(text) && text[at] == '\n' {
		return at + 1
	}
	if n.breaker.has(r) || r == 0 {
		return at
	}
	for at < len(text) {
		next, size := utf8.DecodeRuneInString(text[at:])
		if !n.extend.has(next) && (!n.prepend.has(r) || n.breaker.has(next) || next == 0) {
			break
		}
		r = next
		at += size
	}
	return at
}
