// The table of merges: a pair of ids to its rank and result, open addressing, read only once built.

package tokenizer

import "math"

const noRank = math.MaxUint32

type pairTable struct {
	slots []pairSlot
	shift uint
}

type pairSlot struct {
	key  uint64
	rank uint32 // noRank: the slot is empty
	id   int32
}

func pairKey(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

func (t *pairTable) slot(key uint64) int { return int(key * 0x9E3779B97F4A7C15 >> t.shift) }

// newPairTable gives each key its index as rank; of a repeated key the last one counts.
func newPairTable(keys []uint64, ids []int32) pairTable {
	bits := uint(1)
	for 1<<bits < len(keys)+len(keys)/2+1 {
		bits++
	}
	t := pairTable{slots: make([]pairSlot, 1<<bits), shift: 64 - bits}
	for i := range t.slots {
		t.slots[i].rank = noRank
	}
	for i, key := range keys {
		at := t.slot(key)
		for t.slots[at].rank != noRank && t.slots[at].key != key {
			at = (at + 1) & (len(t.slots) - 1)
		}
		t.slots[at] = pairSlot{key, uint32(i), ids[i]}
	}
	return t
}

// get returns the rank (noRank if the pair does not merge) and the resulting id.
func (t *pairTable) get(a, b int32) (uint32, int32) {
	key := pairKey(a, b)
	for at := t.slot(key); ; at = (at + 1) & (len(t.slots) - 1) {
		s := &t.slots[at]
		if s.key == key || s.rank == noRank {
			return s.rank, s.id
		}
	}
}
