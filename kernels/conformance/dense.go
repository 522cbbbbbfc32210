// The float product and the ops of a decoder block.

package conformance

import (
	"math"

	"libawq/kernels"
)

// magnitudes copies a matrix with its values' absolute values.
func magnitudes(m kernels.Mat) kernels.Mat {
	out := kernels.NewMat(make([]float32, m.Rows*m.Cols), m.Rows, m.Cols)
	for i := range m.Rows {
		for j, v := range m.Row(i) {
			out.Row(i)[j] = float32(math.Abs(float64(v)))
		}
	}
	return out
}

func (s *suite) gemm() {
	number := 0
	for _, m := range []int{0, 1, 2, 3, 5, 17, 64, 130} {
		for _, n := range []int{1, 7, 16, 33, 200} {
			for _, k := range []int{0, 1, 3, 17, 64, 257, 700} {
				for _, trans := range []bool{false, true} {
					for _, accumulate := range []bool{false, true} {
						number++
						if !s.gemmOne(m, n, k, trans, accumulate, number%2*5, []float32{1, -0.75}[number/3%2]) {
							return
						}
					}
				}
			}
		}
	}
}

func (s *suite) gemmOne(m, n, k int, trans, accumulate bool, extra int, alpha float32) bool {
	r := random(m, n, k)
	a := strided(r, m, k, extra, 1)
	b := strided(r, k, n, extra, 1)
	if trans {
		b = strided(r, n, k, extra, 1)
	}
	got := strided(r, m, n, extra, 3)
	if !accumulate { // old contents mean nothing, not even when they are NaN
		for i := range got.Rows {
			for j := range got.Cols {
				got.Row(i)[j] = float32(math.NaN())
			}
		}
	}
	want, terms := clone(got), magnitudes(got)
	if s.done(s.ref.Gemm(a, b, want, alpha, trans, accumulate), "reference") {
		return false
	}
	if s.done(s.ref.Gemm(magnitudes(a), magnitudes(b), terms, float32(math.Abs(float64(alpha))), trans, accumulate), "reference") {
		return false
	}
	if s.done(s.ops.Gemm(a, b, got, alpha, trans, accumulate), "gemm m=%d n=%d k=%d", m, n, k) {
		return false
	}
	return s.compare(got, want, func(i, j int) float64 { return float64(terms.Row(i)[j])*sequence(k) + tiny },
		"gemm m=%d n=%d k=%d trans=%v accumulate=%v alpha=%v stride+%d", m, n, k, trans, accumulate, alpha, extra)
}

func (s *suite) rmsnorm() {
	for _, m := range []int{0, 1, 3, 65} {
		for _, k := range []int{1, 7, 16, 63, 576, 2048} {
			for _, inPlace := range []bool{false, true} {
				r := random(m, k)
				x, weight := strided(r, m, k, k%3, 5), normal(r, make([]float32, k), 1)
				want, got := clone(x), clone(x)
				if s.done(s.ref.RMSNorm(x, weight, 1e-5, want), "reference") {
					return
				}
				in := x
				if inPlace {
					in = got
				}
				if s.done(s.ops.RMSNorm(in, weight, 1e-5, got), "rmsnorm m=%d k=%d", m, k) {
					return
				}
				if !s.compare(got, want, func(i, j int) float64 { return math.Abs(float64(want.Row(i)[j]))*sequence(k) + tiny }, "rmsnorm m=%d k=%d", m, k) {
					return
				}
			}
		}
	}
}

func (s *suite) rope() {
	for _, m := range []int{0, 1, 5, 40} {
		for _, shape := range [][3]int{{1, 2, 2}, {3, 64, 64}, {2, 128, 128}, {2, 80, 32}, {4, 10, 6}, {3, 8, 0}, {9, 20, 18}} {
			for _, interleaved := range []bool{false, true} {
				heads, dim, rot := shape[0], shape[1], shape[2]
				r := random(m, heads, dim, rot)
				x := strided(r, m, heads*dim, m%2*7, 2)
				cos, sin := make([]float32, m*rot/2), make([]float32, m*rot/2)
				for i := range cos {
					a := r.Float64() * 100
					cos[i], sin[i] = float32(math.Cos(a)), float32(math.Sin(a))
				}
				want, got := clone(x), clone(x)
				if s.done(s.ref.Rope(want, heads, dim, rot, cos, sin, interleaved), "reference") {
					return
				}
				if s.done(s.ops.Rope(got, heads, dim, rot, cos, sin, interleaved), "rope heads=%d dim=%d rot=%d", heads, dim, rot) {
					return
				}
				tol := func(i, j int) float64 { // |u cos| + |v sin| of the pair that j belongs to
					at, half := j%dim, rot/2
					if at >= rot {
						return 0
					}
					other, angle := (at+half)%rot, at%max(half, 1)
					if interleaved {
						other, angle = at^1, at/2
					}
					u, v := float64(x.Row(i)[j]), float64(x.Row(i)[j-at+other])
					return 4 * unit32 * (math.Abs(u*float64(cos[i*half+angle])) + math.Abs(v*float64(sin[i*half+angle])))
				}
				if !s.compare(got, want, tol, "rope m=%d heads=%d dim=%d rot=%d interleaved=%v", m, heads, dim, rot, interleaved) {
					return
				}
			}
		}
	}
}

func (s *suite) softmax() {
	for _, m := range []int{0, 1, 3, 20} {
		for _, n := range []int{1, 5, 16, 33, 300} {
			for _, past := range []int{0, 4, 290} {
				for _, window := range []int{0, 1, 7, 1000} {
					for _, scale := range []float32{1, 0.125} {
						r := random(m, n, past, window)
						x := strided(r, m, n, n%2*3, 30)
						want, got := clone(x), clone(x)
						if s.done(s.ref.Softmax(want, scale, past, window), "reference") {
							return
						}
						if s.done(s.ops.Softmax(got, scale, past, window), "softmax m=%d n=%d", m, n) {
							return
						}
						// exp carries the rounding of its argument, which may be as large as two scores
						tol := func(i, j int) float64 {
							y, largest := float64(want.Row(i)[j]), 0.0
							for _, v := range x.Row(i) {
								largest = max(largest, math.Abs(float64(v*scale)))
							}
							if y == 0 {
								return 0x1p-149 // what is masked is 0; what underflowed may be the least number
							}
							return y*(sequence(n)+4*largest*unit32) + tiny
						}
						masked := func() bool {
							for i := range m {
								for j, v := range got.Row(i) {
									if (j > past+i || window > 0 && j <= past+i-window) && v != 0 {
										return s.failf("softmax m=%d n=%d past=%d window=%d: row %d sees column %d: %v", m, n, past, window, i, j, v)
									}
								}
							}
							return true
						}
						if !s.compare(got, want, tol, "softmax m=%d n=%d past=%d window=%d scale=%v", m, n, past, window, scale) || !masked() {
							return
						}
					}
				}
			}
		}
	}
}

func (s *suite) glu() {
	for _, m := range []int{0, 1, 3, 33} {
		for _, n := range []int{1, 7, 16, 61, 1536} {
			for into := range 3 { // a result of its own, over gate, over up
				r := random(m, n)
				gate, up := strided(r, m, n, n%3, 8), strided(r, m, n, n%2, 1)
				if m > 0 { // both ends of the exponential
					gate.Data[0] = 200 * float32(1-2*(into%2))
				}
				y := strided(r, m, n, 2, 1)
				want := clone(y)
				if s.done(s.ref.GLU(gate, up, want, kernels.SiLU), "reference") {
					return
				}
				g, u := clone(gate), clone(up)
				got := []kernels.Mat{y, g, u}[into]
				if s.done(s.ops.GLU(g, u, got, kernels.SiLU), "glu m=%d n=%d", m, n) {
					return
				}
				tol := func(i, j int) float64 {
					v := math.Abs(float64(gate.Row(i)[j]))
					return math.Abs(float64(want.Row(i)[j]))*unit32*(v+12) + tiny*(1+v*math.Abs(float64(up.Row(i)[j])))
				}
				if !s.compare(got, want, tol, "glu m=%d n=%d into=%d", m, n, into) {
					return
				}
			}
		}
	}
}
