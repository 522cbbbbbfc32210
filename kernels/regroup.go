// Act-order: weights whose groups are not neighbours along k.

package kernels

import "encoding/binary"

// Regroup turns codes whose column k belongs to group gidx[k] (int32, little-endian) into groups of neighbours: columns are sorted
// by group, stably, and Order tells where each finds its x. Scales and zeros stay as they are.
func (q *QWeight) Regroup(gidx []byte) error {
	groups := q.K / q.Group
	count := make([]int, groups)
	order := make([]int32, q.K)
	for k := range q.K {
		g := int32(binary.LittleEndian.Uint32(gidx[4*k:]))
		if g < 0 || int(g) >= groups {
			return badf("g_idx: group %d at %d; there are %d groups", g, k, groups)
		}
		if count[g] == q.Group {
			return badf("g_idx: group %d has more than group_size=%d inputs", g, q.Group)
		}
		order[int(g)*q.Group+count[g]] = int32(k)
		count[g]++
	}
	sorted := true
	for k, at := range order {
		sorted = sorted && int(at) == k
	}
	if sorted {
		return nil
	}
	row := make([]uint8, q.K/2)
	for n := range q.N {
		for k := 0; k < q.K; k += 2 {
			row[k/2] = q.Code(n, int(order[k])) | q.Code(n, int(order[k+1]))<<4
		}
		copy(q.Codes[n*(q.K/2):], row)
	}
	q.Order = order
	return nil
}
