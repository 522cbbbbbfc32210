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
	"os"
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
	return d.keep(form{q.N, q.K, q.Group, mode}, func(out **C.awqk_weight) C.int32_t {
		return C.awqgo_pack(d.table, d.handle, C.int64_t(q.N), C.int64_t(q.K), C.int64_t(q.Group), octets(q.Codes), ptr[C.uint16_t](q.Scales),
			octets(q.Zeros), floats(q.Bias), ptr[C.int32_t](q.Order), C.int32_t(mode), out)
	})
}

// form is what a weight's plans depend on.
type form struct {
	n, k, group int
	mode        kernels.Mode
}

// keep counts a weight that `pack` makes: it needs the device, even after the device's Close.
func (d *Device) keep(of form, pack func(out **C.awqk_weight) C.int32_t) (kernels.Weight, error) {
	d.mu.Lock()
	if d.closed {
		d.mu.Unlock()
		return nil, fmt.Errorf("pack: %s is closed: %w", d.ops.Name, kernels.ErrArgument)
	}
	d.weights++
	d.mu.Unlock()             // packing takes long, and several at a time are fine
	var handle *C.awqk_weight // by itself: C must not see a pointer into memory that holds Go pointers
	if err := failure(d.ops.Name, "pack", pack(&handle)); err != nil {
		d.mu.Lock()
		d.release(1)
		d.mu.Unlock()
		return nil, err
	}
	return &weight{device: d, n: of.n, k: of.k, handle: handle, plans: tune.Plans(d.ops.Name, of.mode, of.n, of.k, of.group)}, nil
}

func (d *Device) packGemm(g *kernels.GemmWeight, mode kernels.Mode) (kernels.Weight, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	return d.keep(form{g.N, g.K, g.Group, mode}, func(out **C.awqk_weight) C.int32_t {
		return C.awqgo_pack_gemm(d.table, d.handle, C.int64_t(g.N), C.int64_t(g.K), C.int64_t(g.Group), octets(g.QWeight), octets(g.QZeros),
			octets(g.Scales), floats(g.Bias), C.int32_t(mode), out)
	})
}

// packFile reads with the device's threads, a few rows at a time.
func (d *Device) packFile(g *kernels.GemmWeight, f *os.File, at int64, mode kernels.Mode) (kernels.Weight, error) {
	if err := g.CheckRest(); err != nil {
		return nil, err
	}
	return d.withFile(f, form{g.N, g.K, g.Group, mode}, func(fd C.uintptr_t, out **C.awqk_weight) C.int32_t {
		return C.awqgo_pack_file(d.table, d.handle, C.int64_t(g.N), C.int64_t(g.K), C.int64_t(g.Group), fd, C.int64_t(at), octets(g.QZeros),
			octets(g.Scales), floats(g.Bias), C.int32_t(mode), out)
	})
}

// withFile is keep for a weight that comes from a file, which stays open meanwhile.
func (d *Device) withFile(f *os.File, of form, pack func(fd C.uintptr_t, out **C.awqk_weight) C.int32_t) (kernels.Weight, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kernels.ErrRead, err)
	}
	var w kernels.Weight
	var failed error
	if err := conn.Control(func(fd uintptr) {
		w, failed = d.keep(of, func(out **C.awqk_weight) C.int32_t { return pack(C.uintptr_t(fd), out) })
	}); err != nil {
		return nil, fmt.Errorf("%w: %w", kernels.ErrRead, err)
	}
	return w, failed
}

func (d *Device) packed(w kernels.Weight) (kernels.Packed, error) {
	p, ok := w.(*weight)
	if !ok || p == nil || p.device != d || p.handle == nil {
		return kernels.Packed{}, fmt.Errorf("packed: a weight of %T that isn't open on %s: %w", w, d.ops.Name, kernels.ErrArgument)
	}
	var c C.awqk_packed
	if err := failure(d.ops.Name, "packed", C.awqgo_packed(d.table, d.handle, p.handle, &c)); err != nil {
		return kernels.Packed{}, err
	}
	return kernels.Packed{N: int(c.n), K: int(c.k), Group: int(c.group), Mode: kernels.Mode(c.mode), Data: unsafe.Slice((*byte)(c.data), int(c.bytes))}, nil
}

func (d *Device) adopt(p kernels.Packed, f *os.File, bytes int) (kernels.Weight, error) {
	if p.N < 1 || bytes < 1 || p.Bias != nil && len(p.Bias) != p.N {
		return nil, fmt.Errorf("adopt: %d bytes, %d biases of %d: %w", bytes, len(p.Bias), p.N, kernels.ErrArgument)
	}
	return d.withFile(f, form{p.N, p.K, p.Group, p.Mode}, func(fd C.uintptr_t, out **C.awqk_weight) C.int32_t {
		return C.awqgo_adopt(d.table, d.handle, C.int64_t(p.N), C.int64_t(p.K), C.int64_t(p.Group), C.int32_t(p.Mode), fd, C.size_t(bytes),
			floats(p.Bias), out)
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
