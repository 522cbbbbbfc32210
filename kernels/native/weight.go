//go:build native

// Packed weights, and the linear over them.

package native

/*
#include "call.h"
*/
import "C"

import (
	"fmt"
	"math"
	"unsafe"

	"libawq/kernels"
)

// weight is a linear in the layout of its device.
type weight struct {
	device *Device
	handle *C.awqk_weight // nil once closed
	n, k   int
}

func (d *Device) pack(q *kernels.QWeight, mode kernels.Mode) (kernels.Weight, error) {
	if err := kernels.CheckPack(q, mode); err != nil {
		return nil, err
	}
	w := &weight{device: d, n: q.N, k: q.K}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fmt.Errorf("pack: %s is closed: %w", d.ops.Name, kernels.ErrArgument)
	}
	status := C.awqgo_pack(d.table, d.handle, C.int64_t(q.N), C.int64_t(q.K), C.int64_t(q.Group), octets(q.Codes), ptr[C.uint16_t](q.Scales),
		octets(q.Zeros), floats(q.Bias), ptr[C.int32_t](q.Order), C.int32_t(mode), &w.handle)
	if err := failure(d.ops.Name, "pack", status); err != nil {
		return nil, err
	}
	d.weights++
	return w, nil
}

// Close frees the packed weight; closing twice does nothing.
func (w *weight) Close() {
	if w == nil {
		return
	}
	d := w.device
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.handle == nil {
		return
	}
	C.awqgo_unpack(d.table, d.handle, w.handle)
	w.handle = nil
	d.release(1)
}

func (d *Device) linear(w kernels.Weight, x, y kernels.Rows) error {
	return d.LinearPart(w, x, y, 0, 1)
}

// LinearPart computes share `part` of `parts` of the output channels on the calling thread; the shares together have the bits
// of the whole. parts 1 is the whole, with the device's own threads.
func (d *Device) LinearPart(w kernels.Weight, x, y kernels.Rows, part, parts int) error {
	p, ok := w.(*weight)
	if !ok || p == nil || p.device != d || p.handle == nil {
		return fmt.Errorf("linear: a weight of %T that isn't open on %s: %w", w, d.ops.Name, kernels.ErrArgument)
	}
	if parts < 1 || parts > math.MaxInt32 || part < 0 || part >= parts {
		return fmt.Errorf("linear: part %d of %d: %w", part, parts, kernels.ErrArgument)
	}
	if err := kernels.CheckLinear(p.n, p.k, x, y); err != nil || x.Rows == 0 {
		return err
	}
	px, py := unsafe.Pointer(unsafe.SliceData(x.Data)), unsafe.Pointer(unsafe.SliceData(y.Data))
	return failure(d.ops.Name, "linear", C.awqgo_linear(d.table, d.handle, p.handle, px, py, C.int64_t(x.Rows), C.int64_t(x.Stride),
		C.int64_t(y.Stride), C.int32_t(x.DType), C.int32_t(y.DType), C.int32_t(part), C.int32_t(parts)))
}

// WeightHandle is the awqk_weight * of a weight that a device of this package packed; 0 for others, and after Close.
func WeightHandle(w kernels.Weight) uintptr {
	p, ok := w.(*weight)
	if !ok || p == nil {
		return 0
	}
	return uintptr(unsafe.Pointer(p.handle))
}
