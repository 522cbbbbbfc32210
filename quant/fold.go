package quant

import (
	"fmt"
	"math"

	"libawq/kernels"
	"libawq/quant/family"
	"libawq/quant/graph"
)

// fold multiplies the inputs of a group by s and divides its producer, in float32 and in place.
//
// The norm's weight is stored in the dtype of the source. Its rounding would change the function, so s is first moved to the
// nearest value whose quotient can be stored; the product of the two stays what it was.
func fold(f *family.Family, b *graph.Block, g family.Group, s []float32, store kernels.DType) error {
	if w, isNorm := b.Norms[g.Prev]; isNorm {
		for i, v := range w {
			q := round(v/s[i], store)
			if q == 0 || math.IsInf(float64(q), 0) { // a dead channel or a quotient beyond the dtype: leave it alone
				s[i] = 1
				continue
			}
			s[i] = v / q
			w[i] = q
		}
	} else {
		l, ok := b.Linears[g.Prev]
		if !ok || l.N != len(s) {
			return fmt.Errorf("%w: group %s has no producer of %d channels", ErrUnsupported, g.Prev, len(s))
		}
		for i := range s {
			row := l.W.Row(i)
			for j := range row {
				row[j] /= s[i]
			}
			if l.Bias != nil {
				l.Bias[i] /= s[i]
			}
		}
	}
	for _, name := range g.Into {
		w := b.Linears[name].W
		for i := 0; i < w.Rows; i++ {
			row := w.Row(i)
			for j := range row {
				row[j] *= s[j]
			}
		}
	}
	return nil
}

// round gives the value that a dtype stores.
func round(v float32, dt kernels.DType) float32 {
	switch dt {
	case kernels.F16:
		return kernels.FromF16(kernels.ToF16(v))
	case kernels.BF16:
		return kernels.FromBF16(kernels.ToBF16(v))
	}
	return v
}

// foldTolerance bounds the relative change of what a block adds to the residual stream; float32 rounding stays below it.
const foldTolerance = 2e-5

// checkFold compares the folded block with the original's output on one window.
func checkFold(ops kernels.Ops, r *graph.Runner, b *graph.Block, x, want, scratch kernels.Mat) (float64, error) {
	if err := r.Forward(b, x, scratch, nil, nil); err != nil {
		return 0, err
	}
	diff, err := ops.SqDiff(scratch, want)
	if err != nil {
		return 0, err
	}
	size, err := ops.SqDiff(want, x)
	if err != nil {
		return 0, err
	}
	rel := math.Sqrt(diff / math.Max(size, 1e-30))
	if !(rel <= foldTolerance) {
		return rel, fmt.Errorf("block %d: folded scales change the output by %.3g of its size, at most %.3g is rounding", b.Index, rel, foldTolerance)
	}
	return rel, nil
}
