// Package search decides scales: pure functions over kernels.Ops that know neither files nor models.
package search

import (
	"fmt"
	"math"

	"libawq/kernels"
)

// Ratios is the size of AutoAWQ's grid: r = i/20 for i = 0..19.
const Ratios = 20

// Problem is one scale search: linears that share an input, and how a candidate is judged.
type Problem struct {
	Layers    []kernels.Mat // [N, K] each
	AbsMean   []float64     // mean |x| of each input channel
	Group     int
	Symmetric bool
	Duo       bool // scales from activations and weights; else from activations only

	// Exactly one of the two judges. Loss gets Q(W s)/s of every layer and may stop with any value above limit as soon as it is
	// sure to exceed it; Gram is the sum of x xT over Tokens [K, K], for one
	// layer judged at its own output, where mean |x (Q(W s)/s - W)T|^2 = tr(D G DT) / (tokens N).
	Loss   func(layers []kernels.Mat, limit float64) (float64, error)
	Gram   kernels.Mat
	Tokens int64
}

// Result is the decision for one group.
type Result struct {
	Ratio  float64 // of the chosen candidate; NaN when every loss was non-finite and the identity was taken
	S      []float32
	Loss   float64
	RTN    float64         // loss of s = 1
	Losses [Ratios]float64 // of every ratio; of one that was given up early, what it had exceeded by then
}

// Scale tries every ratio and keeps the smallest loss; the smaller ratio wins ties, non-finite losses never win.
// poll is asked at least about every second and ends the search with its error.
func Scale(ops kernels.Ops, p Problem, poll func() error) (*Result, error) {
	j, err := newJudge(ops, p)
	if err != nil {
		return nil, err
	}
	defer j.close()
	k := p.Layers[0].Cols
	ones := make([]float32, k)
	for i := range ones {
		ones[i] = 1
	}
	res := &Result{Ratio: math.NaN(), S: ones, Loss: math.Inf(1)}
	if res.RTN, err = j.loss(ones, math.Inf(1), poll); err != nil {
		return nil, err
	}
	wMean := WeightMean(p.Layers, p.Group)
	for _, i := range order() {
		r := float64(i) / Ratios
		s := Candidate(p.AbsMean, wMean, r, p.Duo)
		loss, err := j.loss(s, res.Loss, poll)
		if err != nil {
			return nil, err
		}
		res.Losses[i] = loss
		if loss < res.Loss || loss == res.Loss && r < res.Ratio && !math.IsInf(loss, 1) { // false for NaN
			res.Ratio, res.S, res.Loss = r, s, loss
		}
	}
	if math.IsNaN(res.Ratio) {
		res.Loss = res.RTN
	}
	return res, nil
}

// order tries the middle of the grid first: the best ratio is mostly there, and a good loss early lets the others stop early.
func order() []int {
	out := make([]int, 0, Ratios)
	for d := 0; d < Ratios/2; d++ {
		out = append(out, Ratios/2+d, Ratios/2-1-d)
	}
	return out
}

// WeightMean is the mean over all rows of |w| relative to the largest |w| of its group.
func WeightMean(layers []kernels.Mat, group int) []float64 {
	k, rows := layers[0].Cols, 0
	sum := make([]float64, k)
	for _, w := range layers {
		rows += w.Rows
		for i := 0; i < w.Rows; i++ {
			row := w.Row(i)
			for g := 0; g < k; g += group {
				var top float32
				for _, v := range row[g : g+group] {
					top = max(top, float32(math.Abs(float64(v))))
				}
				inv := 1 / (float64(top) + 1e-6)
				for j, v := range row[g : g+group] {
					sum[g+j] += math.Abs(float64(v)) * inv
				}
			}
		}
	}
	for i := range sum {
		sum[i] /= float64(rows)
	}
	return sum
}

// Candidate is AutoAWQ's scale vector of a ratio: x^r / (w^(1-r) + 1e-4) with duo scaling, x^r without, at least 1e-4,
// divided by sqrt(max min), non-finite entries 1.
func Candidate(xMean, wMean []float64, ratio float64, duo bool) []float32 {
	s := make([]float64, len(xMean))
	lo, hi := math.Inf(1), math.Inf(-1)
	for i, x := range xMean {
		v := math.Pow(x, ratio)
		if duo {
			v /= math.Pow(wMean[i], 1-ratio) + 1e-4
		}
		s[i] = math.Max(v, 1e-4)
		lo, hi = math.Min(lo, s[i]), math.Max(hi, s[i])
	}
	norm := math.Sqrt(hi * lo)
	out := make([]float32, len(s))
	for i, v := range s {
		f := float32(v / norm)
		if math.IsNaN(float64(f)) || math.IsInf(float64(f), 0) || f <= 0 {
			f = 1
		}
		out[i] = f
	}
	return out
}

// judge owns the scratch in which candidates are made.
type judge struct {
	ops     kernels.Ops
	p       Problem
	buffers []*kernels.Buffer
	layers  []kernels.Mat
	product kernels.Mat // some rows of D.G, only with a Gram matrix
}

func newJudge(ops kernels.Ops, p Problem) (*judge, error) {
	j := &judge{ops: ops, p: p}
	if (p.Loss == nil) == (p.Gram.Data == nil) || len(p.Layers) == 0 || (p.Loss == nil && len(p.Layers) != 1) {
		return nil, fmt.Errorf("%w: a scale search takes a loss or a Gram matrix of one layer", kernels.ErrArgument)
	}
	mat := func(rows, cols int) (kernels.Mat, error) {
		b, m, err := kernels.NewMatBuffer(rows, cols)
		if err == nil {
			j.buffers = append(j.buffers, b)
		}
		return m, err
	}
	for _, w := range p.Layers {
		m, err := mat(w.Rows, w.Cols)
		if err != nil {
			j.close()
			return nil, err
		}
		j.layers = append(j.layers, m)
	}
	if p.Loss == nil {
		var err error
		k := p.Layers[0].Cols
		rows := max(16, min(p.Layers[0].Rows, int(pollWork/(2*float64(k)*float64(k)))))
		if j.product, err = mat(rows, k); err != nil {
			j.close()
			return nil, err
		}
	}
	return j, nil
}

func (j *judge) close() {
	for _, b := range j.buffers {
		b.Close()
	}
}

// pollWork is how many operations may pass between two looks at the caller: well below a second on one core.
const pollWork = 1e10

func (j *judge) loss(s []float32, limit float64, poll func() error) (float64, error) {
	if err := poll(); err != nil {
		return 0, err
	}
	for i, w := range j.p.Layers {
		if err := j.ops.FakeQuant(w, s, nil, j.p.Group, j.p.Symmetric, j.p.Loss == nil, j.layers[i]); err != nil {
			return 0, err
		}
	}
	if j.p.Loss != nil {
		return j.p.Loss(j.layers, limit)
	}
	d := j.layers[0]
	var sum float64
	for lo := 0; lo < d.Rows; lo += j.product.Rows {
		if err := poll(); err != nil {
			return 0, err
		}
		part := d.Slice(lo, min(lo+j.product.Rows, d.Rows))
		product := j.product.Slice(0, part.Rows)
		if err := j.ops.Gemm(part, j.p.Gram, product, 1, false, false); err != nil {
			return 0, err
		}
		for i := 0; i < part.Rows; i++ {
			sum += dot(part.Row(i), product.Row(i))
		}
	}
	return sum / (float64(j.p.Tokens) * float64(d.Rows)), nil
}

func dot(a, b []float32) float64 {
	var s0, s1 float64
	for i := 0; i+1 < len(a); i += 2 {
		s0 += float64(a[i]) * float64(b[i])
		s1 += float64(a[i+1]) * float64(b[i+1])
	}
	if len(a)%2 == 1 {
		s0 += float64(a[len(a)-1]) * float64(b[len(a)-1])
	}
	return s0 + s1
}
