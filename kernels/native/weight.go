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
	"libawq/kernels/tune"
)

// The two are one struct in two languages.
var _ = [1]struct{}{}[unsafe.Sizeof(kernels.Plan{})-C.sizeof_awqk_plan]

// weight is a linear in the layout of its device.
type weight struct {
	device *Device
	handle *C.awqk_weight // nil once closed
	n, k   int
	plans  []kernels.Plan
}

func (d *Device) pack(q *kernels.QWeight, mode kernels.Mode) (kernels.Weight, error) {
	if err := kernels.CheckPack(q, mode); err != nil {
		return nil, err
	}
	return d.keep(q.N, q.K, q.Group, mode, func(out **C.awqk_weight) C.int32_t {
		return C.awqgo_pack(d.table, d.handle, C.int64_t(q.N), C.int64_t(q.K), C.int64_t(q.Group), octets(q.Codes), ptr[C.uint16_t](q.Scales),
			octets(q.Zeros), floats(q.Bias), ptr[C.int32_t](q.Order), C.int32_t(mode), out)
	})
}

// keep counts a weight that `pack` makes: it needs the device, even after the device's Close.
func (d *Device) keep(n, k, group int, mode kernels.Mode, pack func(out **C.awqk_weight) C.int32_t) (kernels.Weight, error) {
	w := &weight{device: d, n: n, k: k, plans: tune.Plans(d.ops.Name, mode, n, k, group)}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fmt.Errorf("pack: %s is closed: %w", d.ops.Name, kernels.ErrArgument)
	}
	var handle *C.awqk_weight // by itself: C must not see a pointer into memory that holds Go pointers
	if err := failure(d.ops.Name, "pack", pack(&handle)); err != nil {
		return nil, err
	}
	w.handle = handle
	d.weights++
	return w, nil
}

func (d *Device) packGemm(g *kernels.GemmWeight, mode kernels.Mode) (kernels.Weight, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	return d.keep(g.N, g.K, g.Group, mode, func(out **C.awqk_weight) C.int32_t {
		return C.awqgo_pack_gemm(d.table, d.handle, C.int64_t(g.N), C.int64_t(g.K), C.int64_t(g.Group), octets(g.QWeight), octets(g.QZeros),
			octets(g.Scales), floats(g.Bias), C.int32_t(mode), out)
	})
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
	return d.linearShare(w, x, y, 0, 0, nil)
}

// LinearPlanned is the linear by a plan of the caller's.
func (d *Device) LinearPlanned(w kernels.Weight, x, y kernels.Rows, plan *kernels.Plan) error {
	return d.linearShare(w, x, y, 0, 0, plan)
}

// LinearPart computes share `part` of `parts` of the output channels on the calling thread; the shares together have the bits
// of the whole.
func (d *Device) LinearPart(w kernels.Weight, x, y kernels.Rows, part, parts int) error {
	if parts < 1 || parts > math.MaxInt32 || part < 0 || part >= parts {
		return fmt.Errorf("linear: part %d of %d: %w", part, parts, kernels.ErrArgument)
	}
	return d.linearShare(w, x, y, part, parts, nil)
}

// linearShare is LinearPart, or with parts 0 the whole by the device's own threads. Without a plan the weight's own is taken.
func (d *Device) linearShare(w kernels.Weight, x, y kernels.Rows, part, parts int, plan *kernels.Plan) error {
	p, ok := w.(*weight)
	if !ok || p == nil || p.device != d || p.handle == nil {
		return fmt.Errorf("linear: a weight of %T that isn't open on %s: %w", w, d.ops.Name, kernels.ErrArgument)
	}
	if err := kernels.CheckLinear(p.n, p.k, x, y); err != nil || x.Rows == 0 {
		return err
	}
	if plan == nil {
		plan = kernels.PlanFor(p.plans, x.Rows)
	}
	px, py := unsafe.Pointer(unsafe.SliceData(x.Data)), unsafe.Pointer(unsafe.SliceData(y.Data))
	return failure(d.ops.Name, "linear", C.awqgo_linear(d.table, d.handle, p.handle, px, py, C.int64_t(x.Rows), C.int64_t(x.Stride),
		C.int64_t(y.Stride), C.int32_t(x.DType), C.int32_t(y.DType), C.int32_t(part), C.int32_t(parts), (*C.awqk_plan)(unsafe.Pointer(plan))))
}

// WeightHandle is the awqk_weight * of a weight that a device of this package packed; 0 for others, and after Close.
func WeightHandle(w kernels.Weight) uintptr {
	p, ok := w.(*weight)
	if !ok || p == nil {
		return 0
	}
	return uintptr(unsafe.Pointer(p.handle))
}

// WeightPlans are the plans of a weight that a device of this package packed, in order of rows; nil for others.
func WeightPlans(w kernels.Weight) []kernels.Plan {
	p, ok := w.(*weight)
	if !ok || p == nil {
		return nil
	}
	return p.plans
}
