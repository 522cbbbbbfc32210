// Package ref is every op in plain Go: the oracle of all tests and the back end on a machine without compiled kernels.
// Sums are float64 in a fixed order; where kernels/abi/awq_backend.h prescribes float32 (the quantisation rule), the
// arithmetic is that, operation by operation, so that codes are equal to the bit everywhere.
package ref

import "libawq/kernels"

// Ops is the table of this back end; no slot is nil.
func Ops() kernels.Ops {
	return kernels.Ops{
		Name:      "ref",
		Pack:      pack,
		PackGemm:  packGemm,
		Linear:    linear,
		Gemm:      gemm,
		RMSNorm:   rmsnorm,
		Rope:      rope,
		Softmax:   softmax,
		GLU:       glu,
		AbsSum:    abssum,
		FakeQuant: fakequant,
		Quantize:  quantize,
		Clip:      clip,
		Refine:    refine,
		SqDiff:    sqdiff,
		Logits:    logits,
	}
}
