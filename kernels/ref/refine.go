// Refinement of a quantised weight: coordinate descent over codes, least squares of scales.

package ref

import (
	"math"

	"libawq/kernels"
)

// refineInner is how often a group is passed over before the others hear of it.
const refineInner = 2

func refine(w, e, h kernels.Mat, q *kernels.QWeight, sweeps int, before, after []float64) error {
	if err := kernels.CheckRefine(w, e, h, q, sweeps, before, after); err != nil {
		return err
	}
	for n := range q.N {
		row := newRefineRow(w, e, h, q, n)
		before[n] = row.loss()
		for range sweeps {
			for g := range row.scales {
				row.move(g)
			}
		}
		if after[n] = row.loss(); after[n] < before[n] {
			row.store(q, n)
		} else {
			after[n] = before[n]
		}
	}
	return nil
}

// refineRow is one output: r = d H + e follows each change of a weight.
type refineRow struct {
	h      kernels.Mat
	group  int
	w      []float32
	e      []float32 // nil: zeros
	codes  []float64
	scales []float64 // of each group
	zeros  []float64
	r      []float64
}

func newRefineRow(w, e, h kernels.Mat, q *kernels.QWeight, n int) *refineRow {
	groups := q.K / q.Group
	row := &refineRow{h: h, group: q.Group, w: w.Row(n), codes: make([]float64, q.K), scales: make([]float64, groups), zeros: make([]float64, groups), r: make([]float64, q.K)}
	if e.Data != nil {
		row.e = e.Row(n)
		for k, v := range row.e {
			row.r[k] = float64(v)
		}
	}
	for g := range groups {
		row.scales[g], row.zeros[g] = float64(kernels.FromF16(q.Scales[n*groups+g])), float64(q.Zeros[n*groups+g])
	}
	for k := range row.codes {
		row.codes[k] = float64(q.Code(n, k))
	}
	for k := range row.codes {
		row.change(k, row.difference(k))
	}
	return row
}

func (r *refineRow) difference(k int) float64 {
	g := k / r.group
	return (r.codes[k]-r.zeros[g])*r.scales[g] - float64(r.w[k])
}

// change adds delta to weight k.
func (r *refineRow) change(k int, delta float64) {
	if delta == 0 {
		return
	}
	for c, v := range r.h.Row(k) {
		r.r[c] += delta * float64(v)
	}
}

func (r *refineRow) loss() float64 {
	var sum float64
	for k := range r.codes {
		t := r.r[k]
		if r.e != nil {
			t += float64(r.e[k])
		}
		sum += r.difference(k) * t
	}
	return sum
}

// move improves group g.
func (r *refineRow) move(g int) {
	from, to := g*r.group, (g+1)*r.group
	for range refineInner {
		for k := from; k < to; k++ {
			diagonal := float64(r.h.Row(k)[k])
			if !(diagonal > 0) {
				continue
			}
			now := math.Min(math.Max(math.RoundToEven(r.codes[k]-r.r[k]/diagonal/r.scales[g]), 0), 15)
			delta := (now - r.codes[k]) * r.scales[g]
			r.codes[k] = now
			r.change(k, delta)
		}
		var along, curve float64
		for k := from; k < to; k++ {
			qk := r.codes[k] - r.zeros[g]
			along += qk * r.r[k]
			for c := from; c < to; c++ {
				curve += qk * float64(r.h.Row(k)[c]) * (r.codes[c] - r.zeros[g])
			}
		}
		if !(curve > 0) {
			continue
		}
		now := float64(kernels.FromF16(kernels.ToF16(float32(r.scales[g] - along/curve))))
		step := now - r.scales[g]
		if !(now >= 0x1p-14 && now <= 65504 && step*(2*along+step*curve) < 0) {
			continue
		}
		r.scales[g] = now
		for k := from; k < to; k++ {
			r.change(k, step*(r.codes[k]-r.zeros[g]))
		}
	}
}

func (r *refineRow) store(q *kernels.QWeight, n int) {
	for k, c := range r.codes {
		at, shift := (n*q.K+k)/2, 4*(k&1)
		q.Codes[at] = q.Codes[at]&^(15<<shift) | uint8(c)<<shift
	}
	for g, s := range r.scales {
		q.Scales[n*len(r.scales)+g] = kernels.ToF16(float32(s))
	}
}
