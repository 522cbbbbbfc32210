// Argument checks, once for all back ends: a kernel has no way to fail, so whatever reaches one is right in shape. Each
// function names what is wrong, with numbers, and wraps ErrArgument.

package kernels

import (
	"fmt"
	"math"
)

func badf(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, ErrArgument)...)
}

// extent is the number of elements that a strided view covers; false if the numbers make no sense together.
func extent(rows, cols, stride int) (int, bool) {
	if rows < 0 || cols < 0 || stride < 0 || rows > 1 && stride < cols {
		return 0, false
	}
	if rows == 0 || cols == 0 {
		return 0, true
	}
	n, ok := Mul(rows-1, stride)
	if !ok || n > math.MaxInt-cols {
		return 0, false
	}
	return n + cols, true
}

func checkMat(op, name string, m Mat) error {
	n, ok := extent(m.Rows, m.Cols, m.Stride)
	if !ok || n > len(m.Data) {
		return badf("%s: %s is %d x %d with stride %d in %d values", op, name, m.Rows, m.Cols, m.Stride, len(m.Data))
	}
	return nil
}

func checkShape(op, name string, m Mat, rows, cols int) error {
	if m.Rows != rows || m.Cols != cols {
		return badf("%s: %s is %d x %d, want %d x %d", op, name, m.Rows, m.Cols, rows, cols)
	}
	return checkMat(op, name, m)
}

func checkLen(op, name string, have int, want ...int) error {
	n, ok := 1, true
	for _, f := range want {
		if n, ok = Mul(n, f); !ok {
			break
		}
	}
	if !ok || have != n {
		return badf("%s: %s holds %d values, want %d", op, name, have, want)
	}
	return nil
}

func checkGroup(op string, k, group int) error {
	if group < 1 || k%group != 0 {
		return badf("%s: group %d does not divide k=%d", op, group, k)
	}
	return nil
}

// Check tells whether q's sizes, arrays and zeros agree.
func (q *QWeight) Check() error {
	const op = "qweight"
	if q == nil || q.N < 1 || q.K < 2 || q.K%2 != 0 {
		if q == nil {
			return badf("%s: nil", op)
		}
		return badf("%s: n=%d, k=%d (k must be even)", op, q.N, q.K)
	}
	if err := checkGroup(op, q.K, q.Group); err != nil {
		return err
	}
	if err := checkLen(op, "codes", len(q.Codes), q.N, q.K/2); err != nil {
		return err
	}
	if err := checkLen(op, "scales", len(q.Scales), q.N, q.K/q.Group); err != nil {
		return err
	}
	if err := checkLen(op, "zeros", len(q.Zeros), q.N, q.K/q.Group); err != nil {
		return err
	}
	if q.Bias != nil {
		if err := checkLen(op, "bias", len(q.Bias), q.N); err != nil {
			return err
		}
	}
	if q.Order != nil {
		if err := checkLen(op, "order", len(q.Order), q.K); err != nil {
			return err
		}
		seen := make([]bool, q.K)
		for k, at := range q.Order {
			if at < 0 || int(at) >= q.K || seen[at] {
				return badf("%s: order is no permutation: %d at %d", op, at, k)
			}
			seen[at] = true
		}
	}
	for i, z := range q.Zeros {
		if z > 15 {
			return badf("%s: zero %d at %d is above 15", op, z, i)
		}
	}
	return nil
}

// Check tells whether g's sizes and arrays agree.
func (g *GemmWeight) Check() error {
	if err := g.CheckRest(); err != nil {
		return err
	}
	return checkLen("gemm weight", "qweight", len(g.QWeight), g.K, g.N/2)
}

// CheckRest is Check without QWeight.
func (g *GemmWeight) CheckRest() error {
	const op = "gemm weight"
	if g == nil || g.N < 1 || g.N%8 != 0 || g.K < 2 || g.K%2 != 0 {
		if g == nil {
			return badf("%s: nil", op)
		}
		return badf("%s: n=%d, k=%d (n must be a multiple of 8, k even)", op, g.N, g.K)
	}
	if err := checkGroup(op, g.K, g.Group); err != nil {
		return err
	}
	groups := g.K / g.Group
	if g.QZeros != nil {
		if err := checkLen(op, "qzeros", len(g.QZeros), groups, g.N/2); err != nil {
			return err
		}
	}
	if err := checkLen(op, "scales", len(g.Scales), groups, g.N, 2); err != nil {
		return err
	}
	if g.Bias != nil {
		return checkLen(op, "bias", len(g.Bias), g.N)
	}
	return nil
}

// CheckPack checks what Pack gets.
func CheckPack(q *QWeight, mode Mode) error {
	if mode != Exact && mode != Int8 {
		return badf("pack: mode %d", mode)
	}
	return q.Check()
}

func checkRows(name string, r Rows, cols int) error {
	const op = "linear"
	if r.DType != F32 && r.DType != F16 && r.DType != BF16 {
		return badf("%s: %s has dtype %d", op, name, r.DType)
	}
	if r.Cols != cols {
		return badf("%s: %s has %d columns, want %d", op, name, r.Cols, cols)
	}
	n, ok := extent(r.Rows, r.Cols, r.Stride)
	bytes, ok2 := Mul(n, r.DType.Size())
	if !ok || !ok2 || bytes > len(r.Data) {
		return badf("%s: %s is %d x %d with stride %d in %d bytes", op, name, r.Rows, r.Cols, r.Stride, len(r.Data))
	}
	return nil
}

// CheckLinear checks what Linear gets, for a weight of n x k.
func CheckLinear(n, k int, x, y Rows) error {
	if x.Rows != y.Rows {
		return badf("linear: x has %d rows, y has %d", x.Rows, y.Rows)
	}
	if err := checkRows("x", x, k); err != nil {
		return err
	}
	return checkRows("y", y, n)
}

// CheckGemm checks what Gemm gets.
func CheckGemm(a, b, c Mat, transB bool) error {
	const op = "gemm"
	if err := checkMat(op, "a", a); err != nil {
		return err
	}
	rows, cols := a.Cols, c.Cols
	if transB {
		rows, cols = cols, rows
	}
	if err := checkShape(op, "b", b, rows, cols); err != nil {
		return err
	}
	return checkShape(op, "c", c, a.Rows, c.Cols)
}

// CheckRMSNorm checks what RMSNorm gets.
func CheckRMSNorm(x Mat, weight []float32, y Mat) error {
	const op = "rmsnorm"
	if err := checkMat(op, "x", x); err != nil {
		return err
	}
	if err := checkShape(op, "y", y, x.Rows, x.Cols); err != nil {
		return err
	}
	return checkLen(op, "weight", len(weight), x.Cols)
}

// CheckRope checks what Rope gets.
func CheckRope(x Mat, heads, headDim, rot int, cos, sin []float32) error {
	const op = "rope"
	if err := checkMat(op, "x", x); err != nil {
		return err
	}
	if n, ok := Mul(heads, headDim); !ok || n != x.Cols {
		return badf("%s: %d heads of %d in %d columns", op, heads, headDim, x.Cols)
	}
	if rot < 0 || rot > headDim || rot%2 != 0 {
		return badf("%s: %d of %d dimensions turn", op, rot, headDim)
	}
	if err := checkLen(op, "cos", len(cos), x.Rows, rot/2); err != nil {
		return err
	}
	return checkLen(op, "sin", len(sin), x.Rows, rot/2)
}

// CheckSoftmax checks what Softmax gets.
func CheckSoftmax(x Mat, past, window int) error {
	const op = "softmax"
	if past < 0 || past > math.MaxInt32 || window < 0 || x.Rows > math.MaxInt32 {
		return badf("%s: past %d, window %d, %d rows", op, past, window, x.Rows)
	}
	return checkMat(op, "x", x)
}

// CheckGLU checks what GLU gets.
func CheckGLU(gate, up, y Mat, act Act) error {
	const op = "glu"
	if act != SiLU {
		return badf("%s: activation %d", op, act)
	}
	if err := checkMat(op, "gate", gate); err != nil {
		return err
	}
	if err := checkShape(op, "up", up, gate.Rows, gate.Cols); err != nil {
		return err
	}
	return checkShape(op, "y", y, gate.Rows, gate.Cols)
}

// CheckAbsSum checks what AbsSum gets.
func CheckAbsSum(x Mat, sums []float64) error {
	const op = "abssum"
	if err := checkMat(op, "x", x); err != nil {
		return err
	}
	return checkLen(op, "sums", len(sums), x.Cols)
}

// CheckFakeQuant checks what FakeQuant gets.
func CheckFakeQuant(w Mat, s, limit []float32, group int, out Mat) error {
	const op = "fakequant"
	if err := checkMat(op, "w", w); err != nil {
		return err
	}
	if err := checkGroup(op, w.Cols, group); err != nil {
		return err
	}
	if s != nil {
		if err := checkLen(op, "s", len(s), w.Cols); err != nil {
			return err
		}
	}
	if limit != nil {
		if err := checkLen(op, "limit", len(limit), w.Rows, w.Cols/group); err != nil {
			return err
		}
	}
	return checkShape(op, "out", out, w.Rows, w.Cols)
}

// CheckQuantize checks what Quantize gets; q brings its sizes and its arrays.
func CheckQuantize(w Mat, limit []float32, q *QWeight) error {
	const op = "quantize"
	if q == nil {
		return badf("%s: no result to fill", op)
	}
	if err := checkShape(op, "w", w, q.N, q.K); err != nil {
		return err
	}
	if q.K%2 != 0 {
		return badf("%s: k=%d is odd", op, q.K)
	}
	if err := checkGroup(op, q.K, q.Group); err != nil {
		return err
	}
	if limit != nil {
		if err := checkLen(op, "limit", len(limit), q.N, q.K/q.Group); err != nil {
			return err
		}
	}
	if err := checkLen(op, "codes", len(q.Codes), q.N, q.K/2); err != nil {
		return err
	}
	if err := checkLen(op, "scales", len(q.Scales), q.N, q.K/q.Group); err != nil {
		return err
	}
	return checkLen(op, "zeros", len(q.Zeros), q.N, q.K/q.Group)
}

// CheckClip checks what Clip gets.
func CheckClip(w Mat, gram []float32, group int, limit, best, plain []float32) error {
	const op = "clip"
	if err := checkMat(op, "w", w); err != nil {
		return err
	}
	if err := checkGroup(op, w.Cols, group); err != nil {
		return err
	}
	if err := checkLen(op, "gram", len(gram), w.Cols, group); err != nil {
		return err
	}
	if err := checkLen(op, "limit", len(limit), w.Rows, w.Cols/group); err != nil {
		return err
	}
	if err := checkLen(op, "best", len(best), w.Rows, w.Cols/group); err != nil {
		return err
	}
	return checkLen(op, "plain", len(plain), w.Rows, w.Cols/group)
}

// CheckRefine checks what Refine gets.
func CheckRefine(w, e, h Mat, q *QWeight, sweeps int, before, after []float64) error {
	const op = "refine"
	if err := CheckQuantize(w, nil, q); err != nil {
		return err
	}
	if e.Data != nil {
		if err := checkShape(op, "e", e, q.N, q.K); err != nil {
			return err
		}
	}
	if err := checkShape(op, "h", h, q.K, q.K); err != nil {
		return err
	}
	if h.Stride != q.K || sweeps < 0 || sweeps > math.MaxInt32 || q.Order != nil {
		return badf("%s: h with stride %d, %d sweeps, order of %d inputs", op, h.Stride, sweeps, len(q.Order))
	}
	if err := checkLen(op, "before", len(before), q.N, 1); err != nil {
		return err
	}
	return checkLen(op, "after", len(after), q.N, 1)
}

// CheckSqDiff checks what SqDiff gets.
func CheckSqDiff(a, b Mat) error {
	const op = "sqdiff"
	if err := checkMat(op, "a", a); err != nil {
		return err
	}
	if b.Data == nil {
		return nil
	}
	return checkShape(op, "b", b, a.Rows, a.Cols)
}

// CheckLogits checks what Logits gets. kl and agree come with p, and only then.
func CheckLogits(p, q Mat, targets []int32, nll, kl []float64, agree []uint8) error {
	const op = "logits"
	if err := checkMat(op, "q", q); err != nil {
		return err
	}
	if q.Cols < 1 || q.Cols > math.MaxInt32 {
		return badf("%s: vocabulary of %d", op, q.Cols)
	}
	rows := 0
	if p.Data != nil {
		if err := checkShape(op, "p", p, q.Rows, q.Cols); err != nil {
			return err
		}
		rows = q.Rows
	}
	if err := checkLen(op, "kl", len(kl), rows); err != nil {
		return err
	}
	if err := checkLen(op, "agree", len(agree), rows); err != nil {
		return err
	}
	if err := checkLen(op, "nll", len(nll), q.Rows); err != nil {
		return err
	}
	if err := checkLen(op, "targets", len(targets), q.Rows); err != nil {
		return err
	}
	for i, t := range targets {
		if t < -1 || int(t) >= q.Cols {
			return badf("%s: target %d in row %d of a vocabulary of %d", op, t, i, q.Cols)
		}
	}
	return nil
}
