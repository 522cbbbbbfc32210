// Package calib gathers what the searches need to know about the input of a linear: mean magnitudes and second moments.
// Statistics stream over windows, so their size does not depend on the number of calibration tokens.
package calib

import (
	"fmt"
	"math"

	"libawq/kernels"
)

// Stats describes the input of one linear (or of siblings that share it).
type Stats struct {
	K, Group int
	Full     bool // Gram holds the whole [K, K] product, else its diagonal blocks [K/Group, Group, Group]
	Tokens   int64

	sums   []float64
	gram   *kernels.Buffer // where Full, only blocks on and below the diagonal until mirror
	window *kernels.Buffer // one window transposed

	mirrored bool
}

// NewStats prepares statistics of inputs of width k for windows of up to rows tokens.
func NewStats(k, group int, full bool, rows int) (*Stats, error) {
	s := &Stats{K: k, Group: group, Full: full, sums: make([]float64, k)}
	size := k * group
	if full {
		size = k * k
	}
	var err error
	if s.gram, err = kernels.NewBuffer(4 * size); err != nil {
		return nil, fmt.Errorf("second moments of %d inputs: %w", k, err)
	}
	if s.window, err = kernels.NewBuffer(4 * k * rows); err != nil {
		s.Close()
		return nil, fmt.Errorf("a window of %d tokens of %d inputs: %w", rows, k, err)
	}
	return s, nil
}

// Close frees the statistics.
func (s *Stats) Close() {
	s.gram.Close()
	s.window.Close()
}

// Add takes in the rows of one window.
func (s *Stats) Add(ops kernels.Ops, x kernels.Mat) error {
	if x.Cols != s.K {
		return fmt.Errorf("%d inputs, expected %d", x.Cols, s.K)
	}
	if err := ops.AbsSum(x, s.sums); err != nil {
		return err
	}
	t := kernels.NewMat(s.window.Float32(), s.K, x.Rows)
	transpose(x, t)
	s.Tokens += int64(x.Rows)
	s.mirrored = false
	if s.Full {
		return s.addFull(ops, t)
	}
	g, size := s.gram.Float32(), s.Group
	for b := 0; b < s.K/size; b++ {
		rows := t.Slice(b*size, (b+1)*size)
		if err := ops.Gemm(rows, rows, kernels.NewMat(g[b*size*size:], size, size), 1, true, true); err != nil {
			return err
		}
	}
	return nil
}

// span of the blocks of a full matrix: the matrix is symmetric, so those above the diagonal needn't be computed.
const span = 192

func (s *Stats) addFull(ops kernels.Ops, t kernels.Mat) error {
	g := kernels.NewMat(s.gram.Float32(), s.K, s.K)
	for lo := 0; lo < s.K; lo += span {
		hi := min(lo+span, s.K)
		if err := ops.Gemm(t.Slice(lo, hi), t.Slice(0, hi), g.Slice(lo, hi).Columns(0, hi), 1, true, true); err != nil {
			return err
		}
	}
	return nil
}

// mirror completes a full matrix.
func (s *Stats) mirror() {
	if s.mirrored || !s.Full {
		return
	}
	g := s.gram.Float32()
	for i := range s.K {
		for j := i + 1; j < s.K; j++ {
			g[i*s.K+j] = g[j*s.K+i]
		}
	}
	s.mirrored = true
}

// AbsMean is the mean of |x| of each input channel.
func (s *Stats) AbsMean() []float64 {
	m := make([]float64, s.K)
	if s.Tokens > 0 {
		for i, v := range s.sums {
			m[i] = v / float64(s.Tokens)
		}
	}
	return m
}

// Gram is the sum of x xT over the tokens seen, [K, K]; only where Full.
func (s *Stats) Gram() kernels.Mat {
	s.mirror()
	return kernels.NewMat(s.gram.Float32(), s.K, s.K)
}

// Moments writes the mean second moments of x/scale to out [K, K], the diagonal raised by `damping` times its mean; scale may be nil.
// Only where Full.
func (s *Stats) Moments(scale []float32, damping float64, out kernels.Mat) {
	g := s.Gram()
	inv := make([]float64, s.K)
	for i := range inv {
		inv[i] = 1 / math.Sqrt(float64(max(s.Tokens, 1)))
		if scale != nil {
			inv[i] /= float64(scale[i])
		}
	}
	var diagonal float64
	for i := range s.K {
		diagonal += float64(g.Row(i)[i]) * inv[i] * inv[i]
	}
	for i := range s.K {
		from, to := g.Row(i), out.Row(i)
		for j := range to {
			to[j] = float32(float64(from[j]) * (inv[i] * inv[j]))
		}
		to[i] += float32(damping * diagonal / float64(s.K))
	}
}

// Blocks writes the diagonal blocks of the mean second moments of x/scale to out [K/Group, Group, Group]; scale may be nil.
func (s *Stats) Blocks(scale []float32, out []float32) {
	s.mirror()
	g, size := s.gram.Float32(), s.Group
	inv := 1 / float64(max(s.Tokens, 1))
	of := func(i int) float64 {
		if scale == nil {
			return 1
		}
		return 1 / float64(scale[i])
	}
	for b := 0; b < s.K/size; b++ {
		for i := 0; i < size; i++ {
			for j := 0; j < size; j++ {
				at := (b*size+i)*size + j
				if s.Full {
					at = (b*size+i)*s.K + b*size + j
				}
				out[(b*size+i)*size+j] = float32(float64(g[at]) * inv * of(b*size+i) * of(b*size+j))
			}
		}
	}
}

// transpose writes xT to t in tiles that stay in cache.
func transpose(x, t kernels.Mat) {
	const tile = 32
	for i0 := 0; i0 < x.Rows; i0 += tile {
		i1 := min(i0+tile, x.Rows)
		for j0 := 0; j0 < x.Cols; j0 += tile {
			j1 := min(j0+tile, x.Cols)
			for j := j0; j < j1; j++ {
				out := t.Data[j*t.Stride+i0 : j*t.Stride+i1]
				for i := range out {
					out[i] = x.Data[(i0+i)*x.Stride+j]
				}
			}
		}
	}
}
