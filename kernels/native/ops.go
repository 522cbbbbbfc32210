//go:build native

// The slots: check, then call. Slices may be of the Go heap or not; they cross as arguments and only for the call.

package native

/*
#include "call.h"
*/
import "C"

import (
	"unsafe"

	"libawq/kernels"
)

// ptr is the address of a slice's first element as C sees it, nil for an empty slice without one.
func ptr[E, T any](s []T) *E { return (*E)(unsafe.Pointer(unsafe.SliceData(s))) }

func floats(s []float32) *C.float   { return ptr[C.float](s) }
func doubles(s []float64) *C.double { return ptr[C.double](s) }
func octets(s []uint8) *C.uint8_t   { return ptr[C.uint8_t](s) }

func boolean(b bool) C.int32_t {
	if b {
		return 1
	}
	return 0
}

// slots is the device's own table, without those that it lacks.
func (d *Device) slots(name string) kernels.Ops {
	ops := kernels.Ops{Name: name}
	have := C.awqgo_slots(d.table)
	fail := func(op string, status C.int32_t) error { return failure(name, op, status) }
	t, h := d.table, d.handle

	if have&C.AWQGO_LINEAR != 0 {
		ops.Pack, ops.Linear = d.pack, d.linear
		if have&C.AWQGO_PACK_GEMM != 0 {
			ops.PackGemm = d.packGemm
		}
		if have&C.AWQGO_PACK_READ != 0 {
			ops.Files.Pack = d.packFile
		}
		if have&C.AWQGO_ADOPT != 0 {
			ops.Files.Packed, ops.Files.Adopt, ops.Files.Format = d.packed, d.adopt, uint32(t.packed_format)
		}
	}
	if have&C.AWQGO_GEMM != 0 {
		ops.Gemm = func(a, b, c kernels.Mat, alpha float32, transB, accumulate bool) error {
			if err := kernels.CheckGemm(a, b, c, transB); err != nil || c.Rows == 0 || c.Cols == 0 {
				return err
			}
			return fail("gemm", C.awqgo_gemm(t, h, C.int64_t(c.Rows), C.int64_t(c.Cols), C.int64_t(a.Cols), floats(a.Data), C.int64_t(a.Stride),
				floats(b.Data), C.int64_t(b.Stride), floats(c.Data), C.int64_t(c.Stride), C.float(alpha), boolean(transB), boolean(accumulate)))
		}
	}
	if have&C.AWQGO_RMSNORM != 0 {
		ops.RMSNorm = func(x kernels.Mat, weight []float32, eps float32, y kernels.Mat) error {
			if err := kernels.CheckRMSNorm(x, weight, y); err != nil || x.Rows == 0 || x.Cols == 0 {
				return err
			}
			return fail("rmsnorm", C.awqgo_rmsnorm(t, h, C.int64_t(x.Rows), C.int64_t(x.Cols), floats(x.Data), C.int64_t(x.Stride),
				floats(weight), C.float(eps), floats(y.Data), C.int64_t(y.Stride)))
		}
	}
	if have&C.AWQGO_ROPE != 0 {
		ops.Rope = func(x kernels.Mat, heads, headDim, rot int, cos, sin []float32, interleaved bool) error {
			if err := kernels.CheckRope(x, heads, headDim, rot, cos, sin); err != nil || x.Rows == 0 || rot == 0 {
				return err
			}
			return fail("rope", C.awqgo_rope(t, h, C.int64_t(x.Rows), C.int64_t(heads), C.int64_t(headDim), C.int64_t(rot), floats(x.Data),
				C.int64_t(x.Stride), floats(cos), floats(sin), boolean(interleaved)))
		}
	}
	if have&C.AWQGO_SOFTMAX != 0 {
		ops.Softmax = func(x kernels.Mat, scale float32, past, window int) error {
			if err := kernels.CheckSoftmax(x, past, window); err != nil || x.Rows == 0 || x.Cols == 0 {
				return err
			}
			return fail("softmax", C.awqgo_softmax(t, h, C.int64_t(x.Rows), C.int64_t(x.Cols), floats(x.Data), C.int64_t(x.Stride),
				C.float(scale), C.int64_t(past), C.int64_t(window)))
		}
	}
	if have&C.AWQGO_GLU != 0 {
		ops.GLU = func(gate, up, y kernels.Mat, act kernels.Act) error {
			if err := kernels.CheckGLU(gate, up, y, act); err != nil || gate.Rows == 0 || gate.Cols == 0 {
				return err
			}
			return fail("glu", C.awqgo_glu(t, h, C.int64_t(gate.Rows), C.int64_t(gate.Cols), floats(gate.Data), C.int64_t(gate.Stride),
				floats(up.Data), C.int64_t(up.Stride), floats(y.Data), C.int64_t(y.Stride), C.int32_t(act)))
		}
	}
	if have&C.AWQGO_ABSSUM != 0 {
		ops.AbsSum = func(x kernels.Mat, sums []float64) error {
			if err := kernels.CheckAbsSum(x, sums); err != nil || x.Rows == 0 || x.Cols == 0 {
				return err
			}
			return fail("abssum", C.awqgo_abssum(t, h, C.int64_t(x.Rows), C.int64_t(x.Cols), floats(x.Data), C.int64_t(x.Stride), doubles(sums)))
		}
	}
	if have&C.AWQGO_FAKEQUANT != 0 {
		ops.FakeQuant = func(w kernels.Mat, s, limit []float32, group int, symmetric, difference bool, out kernels.Mat) error {
			if err := kernels.CheckFakeQuant(w, s, limit, group, out); err != nil || w.Rows == 0 || w.Cols == 0 {
				return err
			}
			return fail("fakequant", C.awqgo_fakequant(t, h, C.int64_t(w.Rows), C.int64_t(w.Cols), C.int64_t(group), floats(w.Data),
				C.int64_t(w.Stride), floats(s), floats(limit), floats(out.Data), C.int64_t(out.Stride), boolean(symmetric), boolean(difference)))
		}
	}
	if have&C.AWQGO_QUANTIZE != 0 {
		ops.Quantize = func(w kernels.Mat, limit []float32, symmetric bool, q *kernels.QWeight) error {
			if err := kernels.CheckQuantize(w, limit, q); err != nil || w.Rows == 0 || w.Cols == 0 {
				return err
			}
			return fail("quantize", C.awqgo_quantize(t, h, C.int64_t(w.Rows), C.int64_t(w.Cols), C.int64_t(q.Group), floats(w.Data),
				C.int64_t(w.Stride), floats(limit), octets(q.Codes), ptr[C.uint16_t](q.Scales), octets(q.Zeros), boolean(symmetric)))
		}
	}
	if have&C.AWQGO_CLIP != 0 {
		ops.Clip = func(w kernels.Mat, gram []float32, group int, symmetric bool, limit, best, plain []float32) error {
			if err := kernels.CheckClip(w, gram, group, limit, best, plain); err != nil || w.Rows == 0 || w.Cols == 0 {
				return err
			}
			return fail("clip", C.awqgo_clip(t, h, C.int64_t(w.Rows), C.int64_t(w.Cols), C.int64_t(group), floats(w.Data), C.int64_t(w.Stride),
				floats(gram), floats(limit), floats(best), floats(plain), boolean(symmetric)))
		}
	}
	if have&C.AWQGO_REFINE != 0 {
		ops.Refine = func(w, e, hm kernels.Mat, q *kernels.QWeight, sweeps int, before, after []float64) error {
			if err := kernels.CheckRefine(w, e, hm, q, sweeps, before, after); err != nil || q.N == 0 {
				return err
			}
			return fail("refine", C.awqgo_refine(t, h, C.int64_t(q.N), C.int64_t(q.K), C.int64_t(q.Group), floats(w.Data), C.int64_t(w.Stride),
				floats(e.Data), C.int64_t(e.Stride), floats(hm.Data), octets(q.Codes), ptr[C.uint16_t](q.Scales), octets(q.Zeros), doubles(before),
				doubles(after), C.int32_t(sweeps)))
		}
	}
	if have&C.AWQGO_SQDIFF != 0 {
		ops.SqDiff = func(a, b kernels.Mat) (float64, error) {
			if err := kernels.CheckSqDiff(a, b); err != nil || a.Rows == 0 || a.Cols == 0 {
				return 0, err
			}
			var sum C.double
			err := fail("sqdiff", C.awqgo_sqdiff(t, h, C.int64_t(a.Rows), C.int64_t(a.Cols), floats(a.Data), C.int64_t(a.Stride),
				floats(b.Data), C.int64_t(b.Stride), &sum))
			return float64(sum), err
		}
	}
	if have&C.AWQGO_LOGITS != 0 {
		ops.Logits = func(p, q kernels.Mat, targets []int32, nll, kl []float64, agree []uint8) error {
			if err := kernels.CheckLogits(p, q, targets, nll, kl, agree); err != nil || q.Rows == 0 {
				return err
			}
			return fail("logits", C.awqgo_logits(t, h, C.int64_t(q.Rows), C.int64_t(q.Cols), floats(p.Data), C.int64_t(p.Stride),
				floats(q.Data), C.int64_t(q.Stride), ptr[C.int32_t](targets), doubles(nll), doubles(kl), octets(agree)))
		}
	}
	return ops
}
