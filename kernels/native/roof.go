//go:build native

package native

/*
#include "call.h"
*/
import "C"

import "libawq/kernels"

// Roof is what the device can do at most with this table's instructions: float32 operations a second from registers, two a
// multiply-add, the same of 4-bit codes times signed bytes, and bytes a second read from memory. Measuring takes about a second.
func (d *Device) Roof() (kernels.Roof, error) {
	var flops, int8Ops, bytes C.double
	if st := C.awqgo_roof(d.table, d.handle, &flops, &int8Ops, &bytes); st != 0 {
		return kernels.Roof{}, failure(C.GoString(d.table.name), "roof", st)
	}
	return kernels.Roof{FLOPS: float64(flops), Int8: float64(int8Ops), Bytes: float64(bytes)}, nil
}
