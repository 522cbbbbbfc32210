// Package search decides scales: pure functions over kernels.Ops that know neither files nor models.
package search

import (
	"cmp"
	"fmt"
	"math"
	"slices"

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

	// Who judges, at least one of the two. Loss is the change of a module's output by Q(W s)/s of every layer; it may stop with any value
	// above limit as soon as it is sure to exceed it. Gram is the sum of x xT over Tokens [K, K], for layers judged at their own outputs:
	// mean |x (Q(W s)/s - W)T|^2 = sum over layers of tr(D G DT) / (tokens N). With both, Gram names Finalists and Loss decides.
	Loss      func(layers []kernels.Mat, limit float64) (float64, error)
	Gram      kernels.Mat
	Tokens    int64
	Finalists int
}

// Result is the decision for one group.
type Result struct {
	Ratio  float64 // of the chosen candidate; NaN when every loss was non-finite and the identity was taken
	S      []float32
	Loss   float64
	RTN    float64         // loss of s = 1
	Losses [Ratios]float64 // of every ratio; of one that was given up early, what it had exceeded by then; NaN: no finalist
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
	wMean := WeightMean(p.Layers, p.Group)
	candidate := func(i int) []float32 { return Candidate(p.AbsMean, wMean, float64(i)/Ratios, p.Duo) }
	final, tried := j.quadratic, order()
	if p.Loss != nil {
		final = j.through
		if p.Gram.Data != nil {
			if tried, err = j.finalists(tried, candidate, poll); err != nil {
				return nil, err
			}
			for i := range res.Losses {
				res.Losses[i] = math.NaN()
			}
		}
	}
	if res.RTN, err = final(ones, math.Inf(1), poll); err != nil {
		return nil, err
	}
	for _, i := range tried {
		r := float64(i) / Ratios
		s := candidate(i)
		loss, err := final(s, res.Loss, poll)
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
	product kernels.Mat // some rows and columns of D.G, only with a Gram matrix
}

func newJudge(ops kernels.Ops, p Problem) (*judge, error) {
	j := &judge{ops: ops, p: p}
	if len(p.Layers) == 0 || p.Loss == nil && p.Gram.Data == nil || p.Loss != nil && p.Gram.Data != nil && p.Finalists < 1 {
		return nil, fmt.Errorf("%w: a scale search takes layers and a loss, a Gram matrix or both with some finalists", kernels.ErrArgument)
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
	if p.Gram.Data != nil {
		var err error
		k, most := p.Layers[0].Cols, 0
		for _, w := range p.Layers {
			most = max(most, w.Rows)
		}
		rows := max(16, min(most, int(pollWork/(2*float64(k)*float64(k)))))
		if j.product, err = mat(rows, min(span, k)); err != nil {
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

// fake makes Q(W s)/s of every layer, or what that differs from W by.
func (j *judge) fake(s []float32, difference bool, poll func() error) error {
	if err := poll(); err != nil {
		return err
	}
	for i, w := range j.p.Layers {
		if err := j.ops.FakeQuant(w, s, nil, j.p.Group, j.p.Symmetric, difference, j.layers[i]); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) through(s []float32, limit float64, poll func() error) (float64, error) {
	if err := j.fake(s, false, poll); err != nil {
		return 0, err
	}
	return j.p.Loss(j.layers, limit)
}

func (j *judge) quadratic(s []float32, _ float64, poll func() error) (float64, error) {
	if err := j.fake(s, true, poll); err != nil {
		return 0, err
	}
	var sum float64
	rows := 0
	for _, d := range j.layers {
		rows += d.Rows
		for lo := 0; lo < d.Rows; lo += j.product.Rows {
			if err := poll(); err != nil {
				return 0, err
			}
			part, err := j.trace(d.Slice(lo, min(lo+j.product.Rows, d.Rows)))
			if err != nil {
				return 0, err
			}
			sum += part
		}
	}
	return sum / (float64(j.p.Tokens) * float64(rows)), nil
}

// span of the blocks of columns that trace takes at a time.
const span = 192

// trace is tr(D G DT) of some rows of D, by blocks: those beside the diagonal of the symmetric G count twice, once each is computed.
func (j *judge) trace(d kernels.Mat) (float64, error) {
	g, k := j.p.Gram, d.Cols
	var sum float64
	add := func(lo, hi, column int, times float64) error {
		end := min(column+span, k)
		product := j.product.Slice(0, d.Rows).Columns(0, end-column)
		if err := j.ops.Gemm(d.Columns(lo, hi), g.Slice(lo, hi).Columns(column, end), product, 1, false, false); err != nil {
			return err
		}
		for i := range d.Rows {
			sum += times * dot(d.Row(i)[column:end], product.Row(i))
		}
		return nil
	}
	for column := 0; column < k; column += span {
		next := min(column+span, k)
		if err := add(column, next, column, 1); err != nil {
			return 0, err
		}
		if next < k {
			if err := add(next, k, column, 2); err != nil {
				return 0, err
			}
		}
	}
	return sum, nil
}

// finalists are those with the smallest quadratic losses, best first; non-finite ones come last.
func (j *judge) finalists(all []int, candidate func(int) []float32, poll func() error) ([]int, error) {
	losses := map[int]float64{}
	for _, i := range all {
		loss, err := j.quadratic(candidate(i), math.Inf(1), poll)
		if err != nil {
			return nil, err
		}
		if math.IsNaN(loss) {
			loss = math.Inf(1)
		}
		losses[i] = loss
	}
	slices.SortStableFunc(all, func(a, b int) int { return cmp.Or(cmp.Compare(losses[a], losses[b]), cmp.Compare(a, b)) })
	return all[:min(j.p.Finalists, len(all))], nil
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
