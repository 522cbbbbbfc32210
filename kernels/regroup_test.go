// Act-order: groups that are not neighbours give the weight of the plain formula; a wrong g_idx is an error.

package kernels_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"libawq/kernels"
)

func indices(values ...int32) []byte {
	var raw []byte
	for _, v := range values {
		raw = binary.LittleEndian.AppendUint32(raw, uint32(v))
	}
	return raw
}

func TestRegroup(t *testing.T) {
	gidx := []int32{1, 0, 2, 2, 0, 1}
	q := &kernels.QWeight{N: 3, K: 6, Group: 2, Codes: make([]uint8, 9), Scales: make([]uint16, 9), Zeros: make([]uint8, 9)}
	for i := range q.Codes {
		q.Codes[i] = uint8(i*37 + 5)
		q.Scales[i], q.Zeros[i] = kernels.ToF16(float32(i+1)), uint8(i)
	}
	old := *q
	old.Codes = append([]uint8(nil), q.Codes...)
	if err := q.Regroup(indices(gidx...)); err != nil {
		t.Fatal(err)
	}
	if err := q.Check(); err != nil {
		t.Fatal(err)
	}
	for n := range q.N {
		for k := range q.K {
			at := int(q.Order[k])
			if q.Code(n, k) != old.Code(n, at) || int(gidx[at]) != k/q.Group {
				t.Errorf("[%d,%d]: code %d of column %d, group %d", n, k, q.Code(n, k), at, gidx[at])
			}
		}
	}
	if err := old.Regroup(indices(0, 0, 1, 1, 2, 2)); err != nil || old.Order != nil {
		t.Errorf("groups in order: %v, order %v", err, old.Order)
	}
	for text, bad := range map[string][]int32{
		"group 3 at 2": {0, 1, 3, 1, 2, 2}, "group -1 at 0": {-1, 1, 0, 1, 2, 2}, "more than group_size=2": {0, 0, 0, 1, 2, 2},
	} {
		if err := old.Regroup(indices(bad...)); !errors.Is(err, kernels.ErrArgument) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	q.Order[0] = q.Order[1]
	if err := q.Check(); !errors.Is(err, kernels.ErrArgument) {
		t.Errorf("no permutation: %v", err)
	}
}
