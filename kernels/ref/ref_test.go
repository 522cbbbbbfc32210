// The table is whole, and its slots refuse arguments that don't fit together; speed, so that tests which lean on it stay fast.

package ref

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"

	"libawq/kernels"
)

func TestOpsAreWhole(t *testing.T) {
	v := reflect.ValueOf(Ops())
	for i := range v.NumField() {
		if v.Field(i).IsZero() && v.Type().Field(i).Name != "Files" { // packed bytes are for native back ends
			t.Errorf("%s is not offered", v.Type().Field(i).Name)
		}
	}
	filled := reflect.ValueOf(kernels.Ops{Name: "none"}.Fill(Ops()))
	for i := range filled.NumField() {
		if filled.Field(i).IsZero() && filled.Type().Field(i).Name != "Files" {
			t.Errorf("Fill leaves %s empty", filled.Type().Field(i).Name)
		}
	}
	if filled.FieldByName("Name").String() != "none" {
		t.Error("Fill renames the table")
	}
}

func TestFillKeepsPairs(t *testing.T) {
	called := ""
	base := kernels.Ops{
		Pack:   func(*kernels.QWeight, kernels.Mode) (kernels.Weight, error) { called += "base "; return nil, nil },
		Linear: func(kernels.Weight, kernels.Rows, kernels.Rows) error { called += "base "; return nil },
		SqDiff: func(a, b kernels.Mat) (float64, error) { called += "base "; return 0, nil },
	}
	ops := kernels.Ops{
		Pack:   func(*kernels.QWeight, kernels.Mode) (kernels.Weight, error) { called += "own "; return nil, nil },
		SqDiff: func(a, b kernels.Mat) (float64, error) { called += "own "; return 0, nil },
	}.Fill(base)
	_, _ = ops.Pack(nil, kernels.Exact)
	_ = ops.Linear(nil, kernels.Rows{}, kernels.Rows{})
	_, _ = ops.SqDiff(kernels.Mat{}, kernels.Mat{})
	if called != "base base own " {
		t.Errorf("called %q: a Pack without its Linear is no use", called)
	}
}

func TestBadArguments(t *testing.T) {
	ops := Ops()
	f := func(n int) []float32 { return make([]float32, n) }
	mat := func(rows, cols int) kernels.Mat { return kernels.NewMat(f(rows*cols), rows, cols) }
	huge := kernels.Mat{Data: f(4), Rows: math.MaxInt, Cols: 2, Stride: math.MaxInt}
	narrow := kernels.Mat{Data: f(6), Rows: 2, Cols: 3, Stride: 2}
	short := kernels.Mat{Data: f(5), Rows: 2, Cols: 3, Stride: 3}
	negative := kernels.Mat{Data: f(6), Rows: -2, Cols: 3, Stride: 3}
	q := func(change func(q *kernels.QWeight)) *kernels.QWeight {
		q := &kernels.QWeight{N: 2, K: 8, Group: 4, Codes: make([]uint8, 8), Scales: make([]uint16, 4), Zeros: make([]uint8, 4)}
		change(q)
		return q
	}
	good, err := ops.Pack(q(func(*kernels.QWeight) {}), kernels.Exact)
	must(t, err)
	rows := func(m, n int) kernels.Rows {
		return kernels.Rows{Data: make([]byte, 4*m*n), Rows: m, Cols: n, Stride: n}
	}
	run := func(w kernels.Weight, x, y kernels.Rows) error { return ops.Linear(w, x, y) }
	packed := func(q *kernels.QWeight) error { _, err := ops.Pack(q, kernels.Exact); return err }
	sq := func(a, b kernels.Mat) error { _, err := ops.SqDiff(a, b); return err }
	d := func(n int) []float64 { return make([]float64, n) }

	for name, err := range map[string]error{
		"pack nil":          packed(nil),
		"pack n 0":          packed(q(func(q *kernels.QWeight) { q.N = 0 })),
		"pack odd k":        packed(q(func(q *kernels.QWeight) { q.K = 7 })),
		"pack group 0":      packed(q(func(q *kernels.QWeight) { q.Group = 0 })),
		"pack group -1":     packed(q(func(q *kernels.QWeight) { q.Group = -1 })),
		"pack group 3":      packed(q(func(q *kernels.QWeight) { q.Group = 3 })),
		"pack group 16":     packed(q(func(q *kernels.QWeight) { q.Group = 16 })),
		"pack huge":         packed(q(func(q *kernels.QWeight) { q.N, q.K, q.Group = math.MaxInt/2, 1<<40, 1<<40 })),
		"pack codes":        packed(q(func(q *kernels.QWeight) { q.Codes = q.Codes[1:] })),
		"pack scales":       packed(q(func(q *kernels.QWeight) { q.Scales = nil })),
		"pack zeros":        packed(q(func(q *kernels.QWeight) { q.Zeros = q.Zeros[:3] })),
		"pack zero 16":      packed(q(func(q *kernels.QWeight) { q.Zeros[3] = 16 })),
		"pack bias":         packed(q(func(q *kernels.QWeight) { q.Bias = f(3) })),
		"pack mode":         func() error { _, err := ops.Pack(q(func(*kernels.QWeight) {}), 2); return err }(),
		"linear nil":        run(nil, rows(1, 8), rows(1, 2)),
		"linear m":          run(good, rows(2, 8), rows(1, 2)),
		"linear k":          run(good, rows(1, 6), rows(1, 2)),
		"linear n":          run(good, rows(1, 8), rows(1, 3)),
		"linear dtype":      run(good, kernels.Rows{Data: make([]byte, 99), DType: 3, Rows: 1, Cols: 8, Stride: 8}, rows(1, 2)),
		"linear x short":    run(good, kernels.Rows{Data: make([]byte, 31), Rows: 1, Cols: 8, Stride: 8}, rows(1, 2)),
		"linear y stride":   run(good, rows(2, 8), kernels.Rows{Data: make([]byte, 99), Rows: 2, Cols: 2, Stride: 1}),
		"linear wraps":      run(good, kernels.Rows{Data: make([]byte, 99), Rows: 3, Cols: 8, Stride: math.MaxInt / 2}, rows(3, 2)),
		"gemm inner":        ops.Gemm(mat(2, 3), mat(4, 5), mat(2, 5), 1, false, false),
		"gemm trans":        ops.Gemm(mat(2, 3), mat(3, 5), mat(2, 5), 1, true, false),
		"gemm c":            ops.Gemm(mat(2, 3), mat(3, 5), mat(3, 5), 1, false, false),
		"gemm a short":      ops.Gemm(short, mat(3, 5), mat(2, 5), 1, false, false),
		"gemm b narrow":     ops.Gemm(mat(1, 2), narrow, mat(1, 3), 1, false, false),
		"gemm huge":         ops.Gemm(huge, mat(2, 1), mat(1, 1), 1, false, false),
		"gemm negative":     ops.Gemm(negative, mat(3, 1), mat(1, 1), 1, false, false),
		"rmsnorm y":         ops.RMSNorm(mat(2, 3), f(3), 0, mat(2, 4)),
		"rmsnorm weight":    ops.RMSNorm(mat(2, 3), nil, 0, mat(2, 3)),
		"rope heads":        ops.Rope(mat(2, 8), 3, 4, 4, f(4), f(4), false),
		"rope negative":     ops.Rope(mat(2, 8), -2, -4, 4, f(4), f(4), false),
		"rope rot":          ops.Rope(mat(2, 8), 2, 4, 6, f(6), f(6), false),
		"rope odd":          ops.Rope(mat(2, 8), 2, 4, 3, f(2), f(2), false),
		"rope table":        ops.Rope(mat(2, 8), 2, 4, 4, f(4), f(2), false),
		"softmax past":      ops.Softmax(mat(2, 2), 1, -1, 0),
		"softmax window":    ops.Softmax(mat(2, 2), 1, 0, -1),
		"softmax x":         ops.Softmax(short, 1, 0, 0),
		"glu up":            ops.GLU(mat(2, 2), mat(2, 3), mat(2, 2), kernels.SiLU),
		"glu y":             ops.GLU(mat(2, 2), mat(2, 2), mat(1, 2), kernels.SiLU),
		"glu act":           ops.GLU(mat(2, 2), mat(2, 2), mat(2, 2), 9),
		"abssum":            ops.AbsSum(mat(2, 3), d(2)),
		"fakequant group":   ops.FakeQuant(mat(2, 6), nil, nil, 4, false, false, mat(2, 6)),
		"fakequant group 0": ops.FakeQuant(mat(2, 6), nil, nil, 0, false, false, mat(2, 6)),
		"fakequant s":       ops.FakeQuant(mat(2, 6), f(5), nil, 3, false, false, mat(2, 6)),
		"fakequant limit":   ops.FakeQuant(mat(2, 6), nil, f(2), 3, false, false, mat(2, 6)),
		"fakequant out":     ops.FakeQuant(mat(2, 6), nil, nil, 3, false, false, mat(2, 5)),
		"quantize nil":      ops.Quantize(mat(2, 8), nil, false, nil),
		"quantize n":        ops.Quantize(mat(3, 8), nil, false, q(func(*kernels.QWeight) {})),
		"quantize limit":    ops.Quantize(mat(2, 8), f(1), false, q(func(*kernels.QWeight) {})),
		"quantize codes":    ops.Quantize(mat(2, 8), nil, false, q(func(q *kernels.QWeight) { q.Codes = nil })),
		"quantize zeros":    ops.Quantize(mat(2, 8), nil, false, q(func(q *kernels.QWeight) { q.Zeros = nil })),
		"clip gram":         ops.Clip(mat(2, 6), f(17), 3, false, f(4), f(4), f(4)),
		"clip limit":        ops.Clip(mat(2, 6), f(18), 3, false, f(3), f(4), f(4)),
		"clip best":         ops.Clip(mat(2, 6), f(18), 3, false, f(4), f(3), f(4)),
		"clip plain":        ops.Clip(mat(2, 6), f(18), 3, false, f(4), f(4), f(3)),
		"sqdiff shape":      sq(mat(2, 3), mat(3, 2)),
		"sqdiff short":      sq(short, kernels.Mat{}),
		"logits v":          ops.Logits(mat(2, 4), mat(2, 5), make([]int32, 2), d(2), d(2), make([]uint8, 2)),
		"logits empty":      ops.Logits(kernels.Mat{}, mat(2, 0), make([]int32, 2), d(2), nil, nil),
		"logits target":     ops.Logits(kernels.Mat{}, mat(1, 5), []int32{5}, d(1), nil, nil),
		"logits target -2":  ops.Logits(kernels.Mat{}, mat(1, 5), []int32{-2}, d(1), nil, nil),
		"logits nll":        ops.Logits(kernels.Mat{}, mat(2, 5), make([]int32, 2), d(1), nil, nil),
		"logits kl alone":   ops.Logits(kernels.Mat{}, mat(2, 5), make([]int32, 2), d(2), d(2), nil),
		"logits no kl":      ops.Logits(mat(2, 5), mat(2, 5), make([]int32, 2), d(2), nil, make([]uint8, 2)),
	} {
		if !errors.Is(err, kernels.ErrArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkGemm(b *testing.B) {
	const m, n, k = 128, 256, 256
	a, w, c := kernels.NewMat(make([]float32, m*k), m, k), kernels.NewMat(make([]float32, n*k), n, k), kernels.NewMat(make([]float32, m*n), m, n)
	b.Run(fmt.Sprintf("isa=ref/m=%d/k=%d/n=%d", m, k, n), func(b *testing.B) {
		for b.Loop() {
			if err := gemm(a, w, c, 1, true, false); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(2*m*n*k*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
}
