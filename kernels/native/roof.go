//go:build native

package native

/*
#include "call.h"
*/
import "C"

// Roof measures what the device can do at most with this table's instructions: float32 operations a second from registers, two a
// multiply-add, and bytes a second read from memory. It takes about a second.
func (d *Device) Roof() (flops, bytes float64, err error) {
	var f, b C.double
	if st := C.awqgo_roof(d.table, d.handle, &f, &b); st != 0 {
		return 0, 0, failure(C.GoString(d.table.name), "roof", st)
	}
	return float64(f), float64(b), nil
}
