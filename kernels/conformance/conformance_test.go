// The suite passes the reference, and fails a table with any one of many plausible mistakes.

package conformance

import (
	"math"
	"testing"

	"libawq/kernels"
	"libawq/kernels/ref"
)

func TestReferencePasses(t *testing.T) { Run(t, ref.Ops()) }

type counter struct{ lines []string }

func (c *counter) Errorf(format string, args ...any) { c.lines = append(c.lines, format) }

// scaleRow multiplies row i, if there is one.
func scaleRow(m kernels.Mat, i int, f float32) {
	if i < m.Rows {
		for j := range m.Row(i) {
			m.Row(i)[j] *= f
		}
	}
}

func TestMistakesFail(t *testing.T) {
	base := ref.Ops()
	mistakes := map[string]struct {
		op  string
		ops kernels.Ops
	}{
		"bias forgotten": {"linear", kernels.Ops{
			Pack: func(q *kernels.QWeight, mode kernels.Mode) (kernels.Weight, error) {
				c := *q
				c.Bias = nil
				return base.Pack(&c, mode)
			}, Linear: base.Linear}},
		"odd nibbles first": {"linear", kernels.Ops{
			Pack: func(q *kernels.QWeight, mode kernels.Mode) (kernels.Weight, error) {
				c := *q
				c.Codes = append([]uint8(nil), q.Codes...)
				for i, b := range c.Codes {
					c.Codes[i] = b>>4 | b<<4
				}
				return base.Pack(&c, mode)
			}, Linear: base.Linear}},
		"one code off by one": {"linear", kernels.Ops{
			Pack: func(q *kernels.QWeight, mode kernels.Mode) (kernels.Weight, error) {
				c := *q
				c.Codes = append([]uint8(nil), q.Codes...)
				c.Codes[len(c.Codes)-1] ^= 1
				return base.Pack(&c, mode)
			}, Linear: base.Linear}},
		"int8 in exact mode": {"linear", kernels.Ops{
			Pack:   func(q *kernels.QWeight, _ kernels.Mode) (kernels.Weight, error) { return base.Pack(q, kernels.Int8) },
			Linear: base.Linear}},
		"bf16 cut off": {"linear", kernels.Ops{Pack: base.Pack, Linear: func(w kernels.Weight, x, y kernels.Rows) error {
			if y.DType != kernels.BF16 {
				return base.Linear(w, x, y)
			}
			wide := kernels.Rows{Data: make([]byte, 4*y.Rows*y.Stride), Rows: y.Rows, Cols: y.Cols, Stride: y.Stride}
			if err := base.Linear(w, x, wide); err != nil {
				return err
			}
			for i := range y.Rows {
				for j := range y.Cols {
					at := i*y.Stride + j
					y.Data[2*at], y.Data[2*at+1] = wide.Data[4*at+2], wide.Data[4*at+3]
				}
			}
			return nil
		}}},
		"padding overwritten": {"linear", kernels.Ops{Pack: base.Pack, Linear: func(w kernels.Weight, x, y kernels.Rows) error {
			err := base.Linear(w, x, y)
			if y.Rows > 0 && y.Stride > y.Cols {
				y.Data[y.Cols*y.DType.Size()] = 0
			}
			return err
		}}},
		"last row missing": {"linear", kernels.Ops{Pack: base.Pack, Linear: func(w kernels.Weight, x, y kernels.Rows) error {
			if x.Rows == 130 {
				x.Rows, y.Rows = 129, 129
			}
			return base.Linear(w, x, y)
		}}},
		"accumulate ignored": {"gemm", kernels.Ops{Gemm: func(a, b, c kernels.Mat, alpha float32, transB, _ bool) error {
			return base.Gemm(a, b, c, alpha, transB, false)
		}}},
		"alpha ignored": {"gemm", kernels.Ops{Gemm: func(a, b, c kernels.Mat, _ float32, transB, acc bool) error {
			return base.Gemm(a, b, c, 1, transB, acc)
		}}},
		"bf16 product": {"gemm", kernels.Ops{Gemm: func(a, b, c kernels.Mat, alpha float32, transB, acc bool) error {
			cut := clone(a)
			for i, v := range cut.Data {
				cut.Data[i] = kernels.FromBF16(kernels.ToBF16(v))
			}
			return base.Gemm(cut, b, c, alpha, transB, acc)
		}}},
		"eps forgotten": {"rmsnorm", kernels.Ops{RMSNorm: func(x kernels.Mat, w []float32, _ float32, y kernels.Mat) error {
			return base.RMSNorm(x, w, 0, y)
		}}},
		"halves taken for pairs": {"rope", kernels.Ops{Rope: func(x kernels.Mat, heads, dim, rot int, cos, sin []float32, _ bool) error {
			return base.Rope(x, heads, dim, rot, cos, sin, false)
		}}},
		"rest turned too": {"rope", kernels.Ops{Rope: func(x kernels.Mat, heads, dim, rot int, cos, sin []float32, inter bool) error {
			err := base.Rope(x, heads, dim, rot, cos, sin, inter)
			if rot < dim && x.Rows > 0 {
				x.Row(0)[dim-1] += 1
			}
			return err
		}}},
		"window ignored": {"softmax", kernels.Ops{Softmax: func(x kernels.Mat, scale float32, past, _ int) error {
			return base.Softmax(x, scale, past, 0)
		}}},
		"future seen": {"softmax", kernels.Ops{Softmax: func(x kernels.Mat, scale float32, past, window int) error {
			return base.Softmax(x, scale, past+1, window)
		}}},
		"half-precision gate": {"glu", kernels.Ops{GLU: func(gate, up, y kernels.Mat, act kernels.Act) error {
			err := base.GLU(gate, up, y, act)
			scaleRow(y, 1, 1+0x1p-12)
			return err
		}}},
		"sums begin at zero": {"abssum", kernels.Ops{AbsSum: func(x kernels.Mat, sums []float64) error {
			clear(sums)
			return base.AbsSum(x, sums)
		}}},
		"float sums": {"abssum", kernels.Ops{AbsSum: func(x kernels.Mat, sums []float64) error {
			err := base.AbsSum(x, sums)
			for i := range sums {
				sums[i] = float64(float32(sums[i]))
			}
			return err
		}}},
		"limits after the range": {"fakequant", kernels.Ops{FakeQuant: func(w kernels.Mat, s, _ []float32, group int, sym, diff bool, out kernels.Mat) error {
			return base.FakeQuant(w, s, nil, group, sym, diff, out)
		}}},
		"one bit": {"fakequant", kernels.Ops{FakeQuant: func(w kernels.Mat, s, limit []float32, group int, sym, diff bool, out kernels.Mat) error {
			err := base.FakeQuant(w, s, limit, group, sym, diff, out)
			if v := &out.Data[len(out.Data)-1-(out.Stride-out.Cols)]; *v != 0 {
				*v = math.Float32frombits(math.Float32bits(*v) ^ 1)
			}
			return err
		}}},
		"scale not rounded first": {"quantize", kernels.Ops{Quantize: func(w kernels.Mat, limit []float32, sym bool, q *kernels.QWeight) error {
			if err := base.Quantize(w, limit, sym, q); err != nil {
				return err
			}
			out := kernels.NewMat(make([]float32, w.Rows*w.Cols), w.Rows, w.Cols)
			if err := base.FakeQuant(w, nil, limit, q.Group, sym, false, out); err != nil {
				return err
			}
			clear(q.Codes)
			for i, v := range out.Data {
				g := i / q.Group
				code := math.Round(float64(v)/float64(kernels.FromF16(q.Scales[g]))) + float64(q.Zeros[g])
				q.Codes[i/2] |= uint8(min(max(code, 0), 15)) << (4 * (i & 1))
			}
			return nil
		}}},
		"old codes kept": {"quantize", kernels.Ops{Quantize: func(w kernels.Mat, limit []float32, sym bool, q *kernels.QWeight) error {
			old := q.Codes[0]
			err := base.Quantize(w, limit, sym, q)
			q.Codes[0] |= old
			return err
		}}},
		"never clips": {"clip", kernels.Ops{Clip: func(w kernels.Mat, gram []float32, group int, sym bool, limit, best, plain []float32) error {
			err := base.Clip(w, gram, group, sym, limit, best, plain)
			copy(best, plain)
			for i := range limit {
				at := i * group
				limit[i] = 0
				for _, v := range w.Row(at / w.Cols)[at%w.Cols:][:group] {
					limit[i] = max(limit[i], v, -v)
				}
			}
			return err
		}}},
		"error of the neighbour": {"clip", kernels.Ops{Clip: func(w kernels.Mat, gram []float32, group int, sym bool, limit, best, plain []float32) error {
			err := base.Clip(w, gram, group, sym, limit, best, plain)
			best[0] = best[len(best)-1]
			return err
		}}},
		"refines nothing": {"refine", kernels.Ops{Refine: func(w, e, h kernels.Mat, q *kernels.QWeight, _ int, before, after []float64) error {
			return base.Refine(w, e, h, q, 0, before, after)
		}}},
		"forgets the offset": {"refine", kernels.Ops{Refine: func(w, _, h kernels.Mat, q *kernels.QWeight, sweeps int, before, after []float64) error {
			return base.Refine(w, kernels.Mat{}, h, q, sweeps, before, after)
		}}},
		"float differences": {"sqdiff", kernels.Ops{SqDiff: func(a, b kernels.Mat) (float64, error) {
			v, err := base.SqDiff(a, b)
			return float64(float32(v)), err
		}}},
		"missing targets count": {"logits", kernels.Ops{Logits: func(p, q kernels.Mat, targets []int32, nll, kl []float64, agree []uint8) error {
			all := append([]int32(nil), targets...)
			for i := range all {
				all[i] = max(all[i], 0)
			}
			return base.Logits(p, q, all, nll, kl, agree)
		}}},
		"kl turned round": {"logits", kernels.Ops{Logits: func(p, q kernels.Mat, targets []int32, nll, kl []float64, agree []uint8) error {
			if err := base.Logits(p, q, targets, nll, kl, agree); err != nil || p.Data == nil {
				return err
			}
			return base.Logits(q, p, targets, make([]float64, len(nll)), kl, agree)
		}}},
	}
	for name, m := range mistakes {
		ops := m.ops.Fill(base)
		for _, c := range checks {
			if c.name != m.op {
				continue
			}
			count := &counter{}
			c.fn(&suite{r: count, ops: ops, ref: base})
			if len(count.lines) == 0 {
				t.Errorf("%s: %s passes", name, m.op)
			}
			if len(count.lines) > 5 {
				t.Errorf("%s: %d lines of complaint", name, len(count.lines))
			}
		}
	}
}
