// A trie over bytes: all vocabulary entries that begin at a place of the text, in one walk.

package tokenizer

import "sort"

// trie is an array of nodes, each with its edges side by side in two slices.
type trie struct {
	first  []int32 // first edge of each node; the last edge is where the next node's begin
	value  []int32 // id of the entry that ends at the node, or -1
	labels []byte
	target []int32
	root   [256]int32 // the root's edges spelt out, -1 for none
}

// newTrie builds a trie. Keys must not be empty; of a repeated key the last value counts.
func newTrie(keys []string, values []int32) *trie {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return keys[order[i]] < keys[order[j]] })
	t := &trie{}
	// Breadth first: a node is a range of sorted keys that share their first depth bytes.
	type job struct{ lo, hi, depth int }
	jobs := []job{{0, len(keys), 0}}
	for n := 0; n < len(jobs); n++ {
		j := jobs[n]
		t.first = append(t.first, int32(len(t.labels)))
		id := int32(-1)
		for j.lo < j.hi && len(keys[order[j.lo]]) == j.depth {
			id = values[order[j.lo]]
			j.lo++
		}
		t.value = append(t.value, id)
		for j.lo < j.hi {
			b := keys[order[j.lo]][j.depth]
			end := j.lo + sort.Search(j.hi-j.lo, func(i int) bool { return keys[order[j.lo+i]][j.depth] > b })
			t.labels = append(t.labels, b)
			t.target = append(t.target, int32(len(jobs)))
			jobs = append(jobs, job{j.lo, end, j.depth + 1})
			j.lo = end
		}
	}
	t.first = append(t.first, int32(len(t.labels)))
	for b := range t.root {
		t.root[b] = -1
	}
	for i, b := range t.labels[:t.first[1]] {
		t.root[b] = t.target[i]
	}
	return t
}

// step follows the edge b from a node, or returns -1.
func (t *trie) step(node int32, b byte) int32 {
	if node == 0 {
		return t.root[b]
	}
	lo, hi := int(t.first[node]), int(t.first[node+1])
	for hi-lo > 8 {
		mid := int(uint(lo+hi) >> 1)
		if t.labels[mid] <= b {
			lo = mid
		} else {
			hi = mid
		}
	}
	for ; lo < hi; lo++ {
		if t.labels[lo] == b {
			return t.target[lo]
		}
	}
	return -1
}

// longest returns the length and value of the longest key that text begins with; length 0 if there is none.
func (t *trie) longest(text string) (int, int32) {
	length, id := 0, int32(-1)
	node := int32(0)
	for i := 0; i < len(text); i++ {
		if node = t.step(node, text[i]); node < 0 {
			break
		}
		if t.value[node] >= 0 {
			length, id = i+1, t.value[node]
		}
	}
	return length, id
}
