// Package conformance is the suite that every back end passes: each op over many shapes, types and strides, against
// kernels/ref. Codes, zeros, scales and fake-quantised values must be equal; other results may differ by what float32
// arithmetic explains, computed for each value from the size of what was added up.
package conformance

import (
	"math"
	"math/rand/v2"
	"testing"

	"libawq/kernels"
	"libawq/kernels/ref"
)

// Unit roundoff of the three element types and of double.
const (
	unit32 = 0x1p-24
	unit16 = 0x1p-11
	unitBF = 0x1p-8
	unit64 = 0x1p-53
	tiny   = 0x1p-126 // least normal float32: below it, kernels may flush or lose bits
)

// sequence bounds the error of n float32 operations in a row, relative to the sum of what they add in magnitude. Errors of
// single operations are independent, so they grow with the root of n.
func sequence(n int) float64 { return unit32 * (8 + 2*math.Sqrt(float64(n))) }

// reporter is the part of testing.T that a check needs; the suite's own test counts instead.
type reporter interface {
	Errorf(format string, args ...any)
}

// suite is one run over one table.
type suite struct {
	r     reporter
	ops   kernels.Ops
	ref   kernels.Ops
	fails int
}

// failf reports; false once a check has failed so often that more lines tell nothing new.
func (s *suite) failf(format string, args ...any) bool {
	s.fails++
	if s.fails <= 5 {
		s.r.Errorf(format, args...)
	}
	return s.fails < 5
}

// done reports an error of a call, and whether the check has to end.
func (s *suite) done(err error, format string, args ...any) bool {
	if err == nil {
		return false
	}
	s.failf(format+": %v", append(args, err)...)
	return true
}

var checks = []struct {
	name string
	fn   func(s *suite)
}{
	{"linear", (*suite).linear},
	{"gemm", (*suite).gemm},
	{"rmsnorm", (*suite).rmsnorm},
	{"rope", (*suite).rope},
	{"softmax", (*suite).softmax},
	{"glu", (*suite).glu},
	{"abssum", (*suite).abssum},
	{"fakequant", (*suite).fakequant},
	{"quantize", (*suite).quantize},
	{"clip", (*suite).clip},
	{"refine", (*suite).refine},
	{"sqdiff", (*suite).sqdiff},
	{"logits", (*suite).logits},
}

// Run checks every op of the table; slots that a back end does not offer are filled from ref before.
func Run(t *testing.T, ops kernels.Ops) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) { c.fn(&suite{r: t, ops: ops, ref: ref.Ops()}) })
	}
}

// random is a generator that depends on the numbers of a case alone.
func random(numbers ...int) *rand.Rand {
	seed := uint64(1)
	for _, n := range numbers {
		seed = seed*0x9E3779B97F4A7C15 + uint64(n) + 1
	}
	return rand.New(rand.NewPCG(seed, 0))
}

// normal fills values with Gaussian numbers of the given size.
func normal(r *rand.Rand, values []float32, size float64) []float32 {
	for i := range values {
		values[i] = float32(r.NormFloat64() * size)
	}
	return values
}

// pad is what lies between the rows of strided results; no kernel may touch it.
const pad = float32(-77777)

// strided is a matrix with `extra` columns of pad after each row, filled with Gaussian numbers.
func strided(r *rand.Rand, rows, cols, extra int, size float64) kernels.Mat {
	m := kernels.Mat{Data: make([]float32, rows*(cols+extra)), Rows: rows, Cols: cols, Stride: cols + extra}
	for i := range m.Data {
		m.Data[i] = pad
	}
	for i := range rows {
		normal(r, m.Row(i), size)
	}
	return m
}

// clone copies the matrix with its padding.
func clone(m kernels.Mat) kernels.Mat {
	m.Data = append([]float32(nil), m.Data...)
	return m
}

// compare checks got against want with the tolerance tol(i, j), and that the padding of got is untouched.
func (s *suite) compare(got, want kernels.Mat, tol func(i, j int) float64, format string, args ...any) bool {
	for i := range want.Rows {
		g := got.Row(i)
		for j, w := range want.Row(i) {
			if d, limit := math.Abs(float64(g[j])-float64(w)), tol(i, j); !(d <= limit) {
				return s.failf(format+": [%d,%d] is %v, want %v: off by %.3g, allowed %.3g", append(args, i, j, g[j], w, d, limit)...)
			}
		}
		for j := i*got.Stride + got.Cols; j < min((i+1)*got.Stride, len(got.Data)); j++ {
			if got.Data[j] != pad {
				return s.failf(format+": wrote %v behind row %d", append(args, got.Data[j], i)...)
			}
		}
	}
	return true
}
