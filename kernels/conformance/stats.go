// Reductions: activation statistics, squared differences, logits.

package conformance

import (
	"math"

	"libawq/kernels"
)

func (s *suite) abssum() {
	for _, m := range []int{0, 1, 3, 130} {
		for _, k := range []int{1, 7, 16, 576, 1000} {
			r := random(m, k)
			x := strided(r, m, k, k%3, 10)
			want, got := make([]float64, k), make([]float64, k)
			for i := range want { // sums go on from what was there
				want[i] = r.Float64()
				got[i] = want[i]
			}
			if s.done(s.ref.AbsSum(x, want), "reference") || s.done(s.ops.AbsSum(x, got), "abssum m=%d k=%d", m, k) {
				return
			}
			for i, w := range want {
				if !(math.Abs(got[i]-w) <= w*unit64*float64(m+4)) && !s.failf("abssum m=%d k=%d: [%d] is %v, want %v", m, k, i, got[i], w) {
					return
				}
			}
		}
	}
}

func (s *suite) sqdiff() {
	for _, m := range []int{0, 1, 3, 65} {
		for _, n := range []int{1, 7, 16, 333, 2048} {
			for _, alone := range []bool{false, true} {
				r := random(m, n)
				a, b := strided(r, m, n, n%3, 1), strided(r, m, n, n%2, 1)
				if alone {
					b = kernels.Mat{}
				}
				want, err := s.ref.SqDiff(a, b)
				if s.done(err, "reference") {
					return
				}
				got, err := s.ops.SqDiff(a, b)
				if s.done(err, "sqdiff m=%d n=%d", m, n) {
					return
				}
				if !(math.Abs(got-want) <= want*unit64*(8+4*math.Sqrt(float64(m*n)))) && !s.failf("sqdiff m=%d n=%d alone=%v: %v, want %v", m, n, alone, got, want) {
					return
				}
			}
		}
	}
}

func (s *suite) logits() {
	for _, m := range []int{0, 1, 3, 20} {
		for _, v := range []int{1, 2, 15, 16, 33, 5000} {
			for _, alone := range []bool{false, true} {
				for _, size := range []float64{1, 20} {
					if !s.logitsOne(m, v, alone, size) {
						return
					}
				}
			}
		}
	}
}

func (s *suite) logitsOne(m, v int, alone bool, size float64) bool {
	r := random(m, v)
	p := strided(r, m, v, v%3, size)
	q := clone(p)
	for i := range m {
		for j := range v {
			q.Row(i)[j] += float32(r.NormFloat64() * size / 5)
		}
		if i%2 == 0 { // ties go to the lowest index
			at, to := r.IntN(v), r.IntN(v)
			q.Row(i)[at] = float32(9 * size)
			q.Row(i)[to] = q.Row(i)[at]
			p.Row(i)[min(at, to)] = float32(9 * size)
		}
		if i == 1 && v > 2 { // a token that both exclude
			p.Row(i)[2], q.Row(i)[2] = float32(math.Inf(-1)), float32(math.Inf(-1))
		}
	}
	targets := make([]int32, m)
	for i := range targets {
		targets[i] = int32(r.IntN(v+1) - 1)
		if i == 1 && targets[i] == 2 {
			targets[i] = -1
		}
	}
	type result struct {
		nll, kl []float64
		agree   []uint8
	}
	run := func(ops kernels.Ops) (result, error) {
		out := result{nll: make([]float64, m)}
		for i := range out.nll {
			out.nll[i] = -1
		}
		if alone {
			return out, ops.Logits(kernels.Mat{}, q, targets, out.nll, nil, nil)
		}
		out.kl, out.agree = make([]float64, m), make([]uint8, m)
		return out, ops.Logits(p, q, targets, out.nll, out.kl, out.agree)
	}
	want, err := run(s.ref)
	if s.done(err, "reference") {
		return false
	}
	got, err := run(s.ops)
	if s.done(err, "logits m=%d v=%d", m, v) {
		return false
	}
	for i := range m {
		largest := 0.0
		for j := range v {
			for _, x := range []float32{p.Row(i)[j], q.Row(i)[j]} {
				if !math.IsInf(float64(x), 0) {
					largest = max(largest, math.Abs(float64(x)))
				}
			}
		}
		// the sum of exponentials has the relative error of one of them; its logarithm has that absolutely
		tol := unit32 * (8 + 4*largest)
		if !(math.Abs(got.nll[i]-want.nll[i]) <= tol) {
			return s.failf("logits m=%d v=%d: nll[%d] is %v, want %v", m, v, i, got.nll[i], want.nll[i])
		}
		if alone {
			continue
		}
		if !(math.Abs(got.kl[i]-want.kl[i]) <= 2*tol*(1+2*largest)) {
			return s.failf("logits m=%d v=%d: kl[%d] is %v, want %v", m, v, i, got.kl[i], want.kl[i])
		}
		if got.agree[i] != want.agree[i] {
			return s.failf("logits m=%d v=%d: agree[%d] is %d, want %d", m, v, i, got.agree[i], want.agree[i])
		}
	}
	return true
}
