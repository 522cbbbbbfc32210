// Quantised linears: the weight is dequantised row by row and multiplied in float64.

package ref

import (
	"fmt"
	"slices"

	"libawq/kernels"
)

// weight is the canonical weight itself, copied: this back end has no layout of its own.
type weight struct {
	q    kernels.QWeight
	mode kernels.Mode
}

// Close has nothing to release.
func (*weight) Close() {}

func pack(q *kernels.QWeight, mode kernels.Mode) (kernels.Weight, error) {
	if err := kernels.CheckPack(q, mode); err != nil {
		return nil, err
	}
	c := *q
	c.Codes, c.Scales, c.Zeros = slices.Clone(q.Codes), slices.Clone(q.Scales), slices.Clone(q.Zeros)
	c.Bias, c.Order = slices.Clone(q.Bias), slices.Clone(q.Order)
	return &weight{q: c, mode: mode}, nil
}

func packGemm(g *kernels.GemmWeight, mode kernels.Mode) (kernels.Weight, error) {
	q, err := g.Canonical()
	if err != nil {
		return nil, err
	}
	return pack(q, mode)
}

func linear(w kernels.Weight, x, y kernels.Rows) error {
	p, ok := w.(*weight)
	if !ok {
		return fmt.Errorf("linear: a weight of %T is not ours: %w", w, kernels.ErrArgument)
	}
	q := &p.q
	if err := kernels.CheckLinear(q.N, q.K, x, y); err != nil {
		return err
	}
	xs := make([]float64, blockRows*q.K)
	ys := make([]float32, blockRows*q.N)
	row := make([]float64, q.K)
	one, turned := make([]float32, q.K), make([]float32, q.K)
	size := x.DType.Size()
	for i0 := 0; i0 < x.Rows; i0 += blockRows {
		m := min(blockRows, x.Rows-i0)
		for i := range m {
			x.DType.Decode(one, x.Data[(i0+i)*x.Stride*size:])
			if q.Order != nil {
				for k, at := range q.Order {
					turned[k] = one[at]
				}
				one, turned = turned, one
			}
			if p.mode == kernels.Int8 {
				int8Round(xs[i*q.K:][:q.K], one, q.Group)
			} else {
				widen(xs[i*q.K:][:q.K], one)
			}
		}
		for n := range q.N {
			dequantize(row, q, n)
			for i := range m {
				sum := dot(xs[i*q.K:][:q.K], row)
				if q.Bias != nil {
					sum += float64(q.Bias[n])
				}
				ys[i*q.N+n] = float32(sum)
			}
		}
		for i := range m {
			y.DType.Encode(y.Data[(i0+i)*y.Stride*y.DType.Size():], ys[i*q.N:][:q.N])
		}
	}
	return nil
}

// dequantize is row n of the weight; float64 holds it exactly.
func dequantize(dst []float64, q *kernels.QWeight, n int) {
	groups := q.K / q.Group
	for g := range groups {
		scale := float64(kernels.FromF16(q.Scales[n*groups+g]))
		zero := float64(q.Zeros[n*groups+g])
		for k := g * q.Group; k < (g+1)*q.Group; k++ {
			dst[k] = (float64(q.Code(n, k)) - zero) * scale
		}
	}
}

// int8Round replaces each group of x by multiples -127..127 of its step, max|x| / 127 in float32.
func int8Round(dst []float64, x []float32, group int) {
	for k := 0; k < len(x); k += group {
		var top float32
		for _, v := range x[k : k+group] {
			top = max(top, v, -v)
		}
		step := top / 127
		if step == 0 {
			clear(dst[k : k+group])
			continue
		}
		for i, v := range x[k : k+group] {
			dst[k+i] = float64(clamp(round(v/step), -127, 127)) * float64(step)
		}
	}
}

func dot(a, b []float64) float64 {
	var s0, s1, s2, s3 float64
	b = b[:len(a)]
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + (s2 + s3)
}
