// The quantisation ops: equal to the bit, and a clip search that finds a best limit.

package conformance

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"

	"libawq/kernels"
)

var quantShapes = []struct{ n, k, group int }{
	{1, 32, 32}, {7, 160, 32}, {33, 128, 64}, {8, 384, 128}, {5, 512, 256}, {3, 66, 66}, {3, 300, 300}, {9, 66, 22}, {6, 36, 9}, {3, 10, 2}, {2, 6, 1}, {130, 64, 32},
}

// quantInput is a weight with ordinary groups and all kinds of odd ones.
func quantInput(r *rand.Rand, n, k, group, extra int) kernels.Mat {
	w := strided(r, n, k, extra, 0.05)
	number := 0
	for i := range n {
		for at := 0; at < k; at += group {
			g := w.Row(i)[at : at+group]
			number++
			for j := range g {
				switch number % 11 {
				case 1:
					g[j] = 0
				case 2:
					g[j] = 0.25
				case 3:
					g[j] = -0.25
				case 4:
					g[j] = float32(math.Abs(float64(g[j]))) + 0.1
				case 5:
					g[j] *= 1e-6
				case 6: // halves of a step: every value is a tie
					g[j] = float32(r.IntN(31)-15) / 2 * 0.015625
				case 7:
					g[j] *= 1e7
				case 8:
					g[j] *= 1e-30
				}
			}
		}
	}
	return w
}

// quantLimits are limits of the size of the groups' largest values, sometimes none, sometimes zero.
func quantLimits(r *rand.Rand, w kernels.Mat, group, kind int) []float32 {
	if kind == 0 {
		return nil
	}
	limits := make([]float32, w.Rows*w.Cols/group)
	for i := range limits {
		at := i * group
		var top float32
		for _, v := range w.Row(at / w.Cols)[at%w.Cols:][:group] {
			top = max(top, v, -v)
		}
		limits[i] = top * (0.5 + 0.6*r.Float32())
		if i%13 == 7 {
			limits[i] = 0
		}
	}
	return limits
}

func (s *suite) fakequant() {
	for _, c := range quantShapes {
		for kind := range 16 {
			symmetric, difference, scaled, limited := kind&1 != 0, kind&2 != 0, kind&4 != 0, kind>>3
			r := random(c.n, c.k, c.group, kind)
			w := quantInput(r, c.n, c.k, c.group, kind%3)
			var scales []float32
			if scaled {
				scales = make([]float32, c.k)
				for i := range scales {
					scales[i] = float32(math.Exp(r.NormFloat64()))
				}
			}
			limit := quantLimits(r, w, c.group, limited)
			want, got := strided(r, c.n, c.k, 1, 1), strided(r, c.n, c.k, 1, 1)
			if s.done(s.ref.FakeQuant(w, scales, limit, c.group, symmetric, difference, want), "reference") {
				return
			}
			if s.done(s.ops.FakeQuant(w, scales, limit, c.group, symmetric, difference, got), "fakequant") {
				return
			}
			if !s.compare(got, want, func(int, int) float64 { return 0 }, "fakequant n=%d k=%d group=%d symmetric=%v difference=%v scales=%v limits=%v",
				c.n, c.k, c.group, symmetric, difference, scaled, limited) {
				return
			}
		}
	}
}

func emptyWeight(n, k, group int, fill byte) *kernels.QWeight {
	q := &kernels.QWeight{N: n, K: k, Group: group, Codes: bytes.Repeat([]byte{fill}, n*k/2), Scales: make([]uint16, n*k/group), Zeros: make([]uint8, n*k/group)}
	return q
}

func (s *suite) quantize() {
	for _, c := range quantShapes {
		for kind := range 4 {
			symmetric := kind&1 != 0
			r := random(c.n, c.k, c.group, kind)
			w := quantInput(r, c.n, c.k, c.group, kind%3)
			limit := quantLimits(r, w, c.group, kind>>1)
			want, got := emptyWeight(c.n, c.k, c.group, 0), emptyWeight(c.n, c.k, c.group, 0xff)
			if s.done(s.ref.Quantize(w, limit, symmetric, want), "reference") || s.done(s.ops.Quantize(w, limit, symmetric, got), "quantize") {
				return
			}
			if !slices.Equal(got.Scales, want.Scales) || !slices.Equal(got.Zeros, want.Zeros) || !slices.Equal(got.Codes, want.Codes) {
				at := 0
				for at < len(want.Scales)-1 && got.Scales[at] == want.Scales[at] && got.Zeros[at] == want.Zeros[at] {
					at++
				}
				if !s.failf("quantize n=%d k=%d group=%d symmetric=%v limits=%v: not equal; group %d: scale %04x, want %04x, zero %d, want %d",
					c.n, c.k, c.group, symmetric, limit != nil, at, got.Scales[at], want.Scales[at], got.Zeros[at], want.Zeros[at]) {
					return
				}
			}
		}
	}
}

func (s *suite) clip() {
	for _, c := range quantShapes {
		for _, symmetric := range []bool{false, true} {
			r := random(c.n, c.k, c.group)
			w := quantInput(r, c.n, c.k, c.group, c.n%3)
			tokens := c.group + 3
			x := normal(r, make([]float32, tokens*c.k), 1)
			gram := make([]float32, c.k*c.group)
			for g := 0; g < c.k; g += c.group {
				a := kernels.Mat{Data: x[g:], Rows: tokens, Cols: c.group, Stride: c.k}
				at := transposed(a)
				if s.done(s.ref.Gemm(at, a, kernels.NewMat(gram[g*c.group:], c.group, c.group), 1/float32(tokens), false, false), "reference") {
					return
				}
			}
			groups := c.n * c.k / c.group
			limit, best, plain := make([]float32, groups), make([]float32, groups), make([]float32, groups)
			if s.done(s.ops.Clip(w, gram, c.group, symmetric, limit, best, plain), "clip") {
				return
			}
			for i := range groups {
				at := i * c.group
				row := w.Row(at / c.k)[at%c.k:][:c.group]
				if !s.clipGroup(row, gram[at%c.k*c.group:][:c.group*c.group], symmetric, limit[i], best[i], plain[i], i) {
					return
				}
			}
		}
	}
}

func transposed(m kernels.Mat) kernels.Mat {
	t := kernels.NewMat(make([]float32, m.Rows*m.Cols), m.Cols, m.Rows)
	for i := range m.Rows {
		for j, v := range m.Row(i) {
			t.Row(j)[i] = v
		}
	}
	return t
}

// clipGroup evaluates the ten limits of one group itself, by fake quantisation and double sums. Two limits whose errors are
// nearer than rounding may be told apart either way, so the chosen one must be as good as the best, not the same.
func (s *suite) clipGroup(w, gram []float32, symmetric bool, limit, best, plain float32, index int) bool {
	var top float32
	for _, v := range w {
		top = max(top, v, -v)
	}
	row := kernels.NewMat(w, 1, len(w))
	diff := kernels.NewMat(make([]float32, len(w)), 1, len(w))
	least, chosen, tol := math.Inf(1), math.NaN(), 0.0
	for i := range 10 {
		l := top * float32(1-float64(i)/20)
		if s.done(s.ref.FakeQuant(row, nil, []float32{l}, len(w), symmetric, true, diff), "reference") {
			return false
		}
		var e, terms float64
		for a, da := range diff.Data {
			for b, db := range diff.Data {
				t := float64(da) * float64(gram[a*len(w)+b]) * float64(db)
				e += t
				terms += math.Abs(t)
			}
		}
		tol = max(tol, terms*2*sequence(len(w))+tiny)
		if i == 0 && !(math.Abs(e-float64(plain)) <= tol) {
			return s.failf("clip group %d of %d symmetric=%v: error without clipping is %v, want %v", index, len(w), symmetric, plain, e)
		}
		if l == limit && (math.IsNaN(chosen) || top == 0) {
			chosen = e
		}
		least = min(least, e)
	}
	if math.IsNaN(chosen) {
		return s.failf("clip group %d of %d symmetric=%v: limit %v is no candidate of %v", index, len(w), symmetric, limit, top)
	}
	if !(chosen <= least+2*tol) || !(math.Abs(float64(best)-chosen) <= tol) {
		return s.failf("clip group %d of %d symmetric=%v: limit %v gives %v, said to be %v, least is %v, tolerance %v", index, len(w), symmetric, limit, chosen, best, least, tol)
	}
	return true
}

// refine starts both from the same rounding. Near ties may fall either way, so the losses count: those said must be those of the result,
// and fall as far as the reference's.
func (s *suite) refine() {
	for _, c := range []struct{ n, k, group int }{{1, 32, 32}, {19, 64, 16}, {33, 128, 64}, {5, 300, 300}, {7, 96, 6}, {40, 256, 128}} {
		for kind := range 4 {
			symmetric, extra := kind&1 != 0, kind>>1
			r := random(c.n, c.k, c.group, kind)
			w := strided(r, c.n, c.k, extra, 0.05)
			x := kernels.NewMat(normal(r, make([]float32, (c.k+20)*c.k), 1), c.k+20, c.k)
			for i := range x.Rows { // neighbours that go together
				row := x.Row(i)
				for j := 1; j < len(row); j++ {
					row[j] += 0.8 * row[j-1]
				}
			}
			h := kernels.NewMat(make([]float32, c.k*c.k), c.k, c.k)
			if s.done(s.ref.Gemm(transposed(x), x, h, 1/float32(x.Rows), false, false), "reference") {
				return
			}
			var e kernels.Mat
			if extra == 1 {
				e = strided(r, c.n, c.k, 3, 0.01)
			}
			start := emptyWeight(c.n, c.k, c.group, 0)
			if s.done(s.ref.Quantize(w, nil, symmetric, start), "reference") {
				return
			}
			run := func(ops kernels.Ops, q *kernels.QWeight) (before, after []float64, err error) {
				*q = kernels.QWeight{N: start.N, K: start.K, Group: start.Group, Codes: slices.Clone(start.Codes), Scales: slices.Clone(start.Scales), Zeros: slices.Clone(start.Zeros)}
				before, after = make([]float64, c.n), make([]float64, c.n)
				return before, after, ops.Refine(w, e, h, q, 3, before, after)
			}
			var want, got kernels.QWeight
			_, wantAfter, err := run(s.ref, &want)
			if s.done(err, "reference") {
				return
			}
			before, after, err := run(s.ops, &got)
			if s.done(err, "refine") {
				return
			}
			var first, total, reference float64
			for n := range c.n {
				was, _ := rowLoss(w, e, h, start, n)
				is, terms := rowLoss(w, e, h, &got, n)
				tol := 1e-5*terms + 1e-12
				if math.Abs(before[n]-was) > tol || math.Abs(after[n]-is) > tol || is > was+tol {
					s.failf("refine n=%d k=%d group=%d symmetric=%v: row %d: loss %v to %v, said to be %v to %v", c.n, c.k, c.group, symmetric, n, was, is, before[n], after[n])
					return
				}
				first, total, reference = first+was, total+is, reference+wantAfter[n]
			}
			if !slices.Equal(got.Zeros, start.Zeros) || total > reference+0.05*(first-reference) || reference >= first {
				s.failf("refine n=%d k=%d group=%d symmetric=%v: loss %v, from %v; the reference reaches %v", c.n, c.k, c.group, symmetric, total, first, reference)
				return
			}
		}
	}
}

// rowLoss is d H dT + 2 e dT of a row, and the sum of its terms' sizes.
func rowLoss(w, e, h kernels.Mat, q *kernels.QWeight, n int) (loss, terms float64) {
	d := make([]float64, q.K)
	for k := range d {
		g := n*(q.K/q.Group) + k/q.Group
		d[k] = (float64(q.Code(n, k))-float64(q.Zeros[g]))*float64(kernels.FromF16(q.Scales[g])) - float64(w.Row(n)[k])
	}
	add := func(v float64) { loss, terms = loss+v, terms+math.Abs(v) }
	for k, dk := range d {
		for c, v := range h.Row(k) {
			add(dk * float64(v) * d[c])
		}
		if e.Data != nil {
			add(2 * dk * float64(e.Row(n)[k]))
		}
	}
	return loss, terms
}
