// The quantised linear: dtypes, groups, modes, shapes and strides.

package conformance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"

	"libawq/kernels"
)

var (
	linearM = []int{0, 1, 2, 3, 5, 17, 64, 130}
	linearN = []int{1, 7, 8, 16, 33, 200}
	// group and k: the groups of the field, one group a row, and groups that fill no vector or begin inside a byte
	linearGroups = [][2]int{{32, 32}, {32, 160}, {64, 64}, {64, 320}, {128, 128}, {128, 384}, {256, 256}, {256, 512}, {66, 66}, {640, 640},
		{2, 10}, {22, 66}, {9, 36}, {1, 6}, {300, 600}}
	dtypes = []kernels.DType{kernels.F32, kernels.F16, kernels.BF16}
)

// manyRows is where linearM begins to need much of ref: a third of the weights go on beyond it.
const manyRows = 17

// linearCase is one weight with the results that ref gives for the most rows.
type linearCase struct {
	name    string
	q       *kernels.QWeight
	mode    kernels.Mode
	rows    int
	x       map[kernels.DType][]byte    // [rows, k]
	exact   map[kernels.DType][]float32 // [rows, n]
	terms   []float64                   // [rows, n]: sum of |w x|
	aligned []float64                   // [rows, n]: what exact mode may lose by aligning x to the largest value of its group
	weights []float64                   // |w|, [n, k]
}

func newLinearCase(s *suite, n, k, group int, symmetric bool, mode kernels.Mode, bias bool, rows int) (*linearCase, error) {
	c := &linearCase{mode: mode, rows: rows, x: map[kernels.DType][]byte{}, exact: map[kernels.DType][]float32{}}
	c.name = fmt.Sprintf("n=%d k=%d group=%d symmetric=%v mode=%d bias=%v", n, k, group, symmetric, mode, bias)
	r := random(n, k, group, int(mode))
	groups := k / group
	c.q = &kernels.QWeight{N: n, K: k, Group: group, Codes: make([]uint8, n*k/2), Scales: make([]uint16, n*groups), Zeros: make([]uint8, n*groups)}
	for i := range c.q.Codes {
		c.q.Codes[i] = uint8(r.Uint32())
	}
	for i := range c.q.Scales {
		c.q.Scales[i] = kernels.ToF16(float32(0.001 + 0.02*r.Float64()))
		c.q.Zeros[i] = 8
		if !symmetric {
			c.q.Zeros[i] = uint8(r.IntN(16))
		}
	}
	if bias {
		c.q.Bias = normal(r, make([]float32, n), 1)
	}
	xs := make([]float32, c.rows*k)
	for i := range xs { // rows of different sizes, a few large channels
		xs[i] = float32(r.NormFloat64() * math.Exp(float64(i/k%7-3)))
		if i%k%37 == 5 {
			xs[i] *= 10
		}
	}
	clear(xs[:min(group, k)]) // a group of zeros
	w, err := s.ref.Pack(c.q, mode)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	for _, d := range dtypes {
		x := make([]byte, len(xs)*d.Size())
		d.Encode(x, xs)
		y := make([]byte, 4*c.rows*n)
		err := s.ref.Linear(w, kernels.Rows{Data: x, DType: d, Rows: c.rows, Cols: k, Stride: k}, kernels.Rows{Data: y, Rows: c.rows, Cols: n, Stride: n})
		if err != nil {
			return nil, err
		}
		c.x[d], c.exact[d] = x, make([]float32, c.rows*n)
		kernels.F32.Decode(c.exact[d], y)
	}
	c.weights = make([]float64, n*k)
	for i := range c.weights {
		g := i / k * groups
		g += i % k / group
		c.weights[i] = math.Abs((float64(c.q.Code(i/k, i%k)) - float64(c.q.Zeros[g])) * float64(kernels.FromF16(c.q.Scales[g])))
	}
	c.terms = make([]float64, c.rows*n)
	c.aligned = make([]float64, c.rows*n)
	abs, unit := make([]float64, k), make([]float64, groups)
	for i := range c.rows {
		for j, v := range xs[i*k : (i+1)*k] {
			abs[j] = math.Abs(float64(v))
		}
		for g := range unit { // 1.01: a 16-bit x is rounded before
			unit[g] = slices.Max(abs[g*group:(g+1)*group]) * 1.01 * 0x1p-23
		}
		for o := range n {
			var sum float64
			for j, v := range c.weights[o*k : (o+1)*k] {
				sum += v * abs[j]
				if mode == kernels.Exact {
					c.aligned[i*n+o] += v * unit[j/group]
				}
			}
			if c.q.Bias != nil {
				sum += math.Abs(float64(c.q.Bias[o]))
			}
			c.terms[i*n+o] = sum
		}
	}
	return c, nil
}

func (s *suite) linear() {
	number := 0
	for _, n := range linearN {
		for _, g := range linearGroups {
			for _, symmetric := range []bool{false, true} {
				for _, mode := range []kernels.Mode{kernels.Exact, kernels.Int8} {
					number++
					rows := manyRows
					if number%3 == 0 {
						rows = linearM[len(linearM)-1]
					}
					c, err := newLinearCase(s, n, g[1], g[0], symmetric, mode, number%5 < 2, rows)
					if s.done(err, "reference") {
						return
					}
					w, err := s.ops.Pack(c.q, mode)
					if s.done(err, "pack %s", c.name) {
						return
					}
					ok := s.linearShapes(c, w, number) && s.fromWords(c, w)
					w.Close()
					if !ok {
						return
					}
				}
			}
		}
	}
}

// fromWords packs the weight from AutoAWQ's layout, where that holds it: the same results to the bit.
func (s *suite) fromWords(c *linearCase, w kernels.Weight) bool {
	q := c.q
	if q.N%8 != 0 {
		return true
	}
	groups := q.K / q.Group
	g := &kernels.GemmWeight{N: q.N, K: q.K, Group: q.Group, QWeight: make([]byte, q.K*q.N/2), QZeros: make([]byte, groups*q.N/2), Scales: make([]byte, 2*groups*q.N), Bias: q.Bias}
	for o := range q.N {
		nibble := []int{0, 4, 1, 5, 2, 6, 3, 7}[o%8]
		at := func(row int) int { return row*q.N/2 + o/8*4 + nibble/2 }
		for k := range q.K {
			g.QWeight[at(k)] |= q.Code(o, k) << (nibble % 2 * 4)
		}
		for i := range groups {
			g.QZeros[at(i)] |= q.Zeros[o*groups+i] << (nibble % 2 * 4)
			binary.LittleEndian.PutUint16(g.Scales[2*(i*q.N+o):], q.Scales[o*groups+i])
		}
	}
	other, err := s.ops.PackGemm(g, c.mode)
	if s.done(err, "pack from words %s", c.name) {
		return false
	}
	defer other.Close()
	if s.ops.Files.Pack != nil && !s.fromFile(c, g, other) {
		return false
	}
	m := min(c.rows, 5)
	x := kernels.Rows{Data: c.x[kernels.F32], Rows: m, Cols: q.K, Stride: q.K}
	var y [2]kernels.Rows
	for i, w := range []kernels.Weight{w, other} {
		y[i] = kernels.Rows{Data: make([]byte, 4*m*q.N), Rows: m, Cols: q.N, Stride: q.N}
		if s.done(s.ops.Linear(w, x, y[i]), "linear %s", c.name) {
			return false
		}
	}
	if !bytes.Equal(y[0].Data, y[1].Data) {
		return s.failf("linear %s: other bits when packed from words", c.name)
	}
	return true
}

// fromFile packs the words while it reads them: the same packed bytes, if the back end shows them.
func (s *suite) fromFile(c *linearCase, g *kernels.GemmWeight, w kernels.Weight) bool {
	f, err := os.CreateTemp("", "awq-words-")
	if s.done(err, "file") {
		return false
	}
	defer os.Remove(f.Name())
	defer f.Close()
	const at = 3
	_, err = f.WriteAt(g.QWeight, at)
	rest := *g
	rest.QWeight = nil
	other, err2 := s.ops.Files.Pack(&rest, f, at, c.mode)
	if s.done(errors.Join(err, err2), "pack from a file %s", c.name) {
		return false
	}
	defer other.Close()
	if s.ops.Files.Packed != nil {
		a, err := s.ops.Files.Packed(w)
		b, err2 := s.ops.Files.Packed(other)
		if s.done(errors.Join(err, err2), "packed %s", c.name) {
			return false
		}
		if !bytes.Equal(a.Data, b.Data) {
			return s.failf("%s: other bytes when packed from a file", c.name)
		}
	}
	if _, err := s.ops.Files.Pack(&rest, f, at+1, c.mode); !errors.Is(err, kernels.ErrRead) {
		return s.failf("%s: a file that ends too early: %v", c.name, err)
	}
	return true
}

// linearShapes runs all m and dtypes over one packed weight.
func (s *suite) linearShapes(c *linearCase, w kernels.Weight, number int) bool {
	for at, m := range linearM {
		if m > c.rows {
			break
		}
		for _, dx := range dtypes {
			for _, dy := range dtypes {
				if dy != kernels.F32 && (at+number/3)%3 != 0 { // the path to y has nothing to do with the rest: a third will do
					continue
				}
				if !s.linearOne(c, w, m, dx, dy, (at+number)%2*3) {
					return false
				}
			}
		}
	}
	return true
}

func (s *suite) linearOne(c *linearCase, w kernels.Weight, m int, dx, dy kernels.DType, extra int) bool {
	n, k := c.q.N, c.q.K
	x := kernels.Rows{Data: c.x[dx], DType: dx, Rows: m, Cols: k, Stride: k}
	if extra > 0 { // spread the rows; what lies between them is NaN in every dtype
		x.Stride = k + extra
		x.Data = make([]byte, m*x.Stride*dx.Size())
		for i := range x.Data {
			x.Data[i] = 0xff
		}
		for i := range m {
			copy(x.Data[i*x.Stride*dx.Size():], c.x[dx][i*k*dx.Size():][:k*dx.Size()])
		}
	}
	const guard = 0x5a
	y := kernels.Rows{DType: dy, Rows: m, Cols: n, Stride: n + extra, Data: make([]byte, m*(n+extra)*dy.Size())}
	for i := range y.Data {
		y.Data[i] = guard
	}
	if s.done(s.ops.Linear(w, x, y), "linear %s m=%d", c.name, m) {
		return false
	}
	unit := unit32
	switch dy {
	case kernels.F16:
		unit = unit16
	case kernels.BF16:
		unit = unitBF
	}
	got := make([]float32, n+extra)
	var err2, sum2 float64
	for i := range m {
		row := y.Data[i*y.Stride*dy.Size():]
		dy.Decode(got, row)
		for o := range n {
			want := float64(c.exact[dx][i*n+o])
			d := math.Abs(float64(got[o]) - want)
			limit := c.terms[i*n+o]*sequence(k) + c.aligned[i*n+o] + math.Abs(want)*unit*1.0001
			if dy == kernels.F16 {
				limit += unit * 0x1p-14
			} else {
				limit += tiny
			}
			if !(d <= limit) {
				return s.failf("linear %s m=%d x=%d y=%d stride+%d: [%d,%d] is %v, want %v: off by %.3g, allowed %.3g",
					c.name, m, dx, dy, extra, i, o, got[o], want, d, limit)
			}
			err2 += d * d
			sum2 += want * want
		}
		for _, b := range row[n*dy.Size() : y.Stride*dy.Size()] {
			if b != guard {
				return s.failf("linear %s m=%d: wrote behind row %d", c.name, m, i)
			}
		}
	}
	// Fewer values may all be near zero by cancellation; the bound above holds for each.
	if dy == kernels.F32 && m*n >= 16 && math.Sqrt(err2) > 1e-5*math.Sqrt(sum2) {
		return s.failf("linear %s m=%d x=%d: relative error %.3g, promised 1e-5", c.name, m, dx, math.Sqrt(err2/sum2))
	}
	return true
}
