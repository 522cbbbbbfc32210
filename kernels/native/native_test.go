//go:build native

// Every instruction set of this machine passes the conformance suite, and gives the same bits whatever the number of threads,
// parts and rows.

package native

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"libawq/kernels"
	"libawq/kernels/conformance"
	"libawq/kernels/ref"
)

// isas are the instruction sets that this machine runs, best first.
func isas(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, d := range List(nil) {
		if d.Available && d.Index == 0 {
			all = append(all, d.ISA)
		}
	}
	if len(all) == 0 || all[len(all)-1] != "scalar" {
		t.Fatalf("instruction sets %v: scalar must be the last", all)
	}
	return all
}

func open(t testing.TB, isa string, threads int) *Device {
	t.Helper()
	d, err := Open(Options{ISA: isa, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

func TestConformance(t *testing.T) {
	for i, isa := range isas(t) {
		threads := []int{1 + i%3} // TestThreadsDoNotMatter covers the rest
		if i == 0 {
			threads = []int{1, 2, 3}
		}
		for _, n := range threads {
			t.Run(fmt.Sprintf("isa=%s/threads=%d", isa, n), func(t *testing.T) {
				conformance.Run(t, open(t, isa, n).Ops())
			})
		}
	}
}

func TestList(t *testing.T) {
	best := ""
	for _, d := range List(nil) {
		if d.Name != "cpu/"+d.ISA || d.Kind != "cpu" || d.Available == (d.Reason != "") || d.Available != (d.Description != "") {
			t.Errorf("%+v", d)
		}
		if strings.ContainsAny(d.Description, "\n\r") {
			t.Errorf("%s: description %q has several lines", d.Name, d.Description)
		}
		if d.Available && best == "" {
			best = d.Name
		}
	}
	if d := open(t, "", 0); d.Ops().Name != best {
		t.Errorf("the best is %s, opened %s", best, d.Ops().Name)
	}
}

func TestOpenRefuses(t *testing.T) {
	_, err := Open(Options{ISA: "mmx"})
	if !errors.Is(err, kernels.ErrUnsupported) || !strings.Contains(err.Error(), `"mmx"`) || !strings.Contains(err.Error(), strings.Join(isas(t), ", ")) {
		t.Errorf("unknown instruction set: %v", err)
	}
	for _, d := range List(nil) {
		if !d.Available {
			if _, err := Open(Options{ISA: d.ISA}); !errors.Is(err, kernels.ErrUnsupported) {
				t.Errorf("%s, which this machine lacks: %v", d.ISA, err)
			}
		}
	}
	for _, o := range []Options{{Threads: -1}, {Threads: math.MaxInt}, {Index: -1}, {Index: 1}} {
		if _, err := Open(o); !errors.Is(err, kernels.ErrArgument) {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// Every slot of a table for this CPU is its own.
func TestNothingFromRef(t *testing.T) {
	for _, isa := range isas(t) {
		d := open(t, isa, 1)
		own := reflect.ValueOf(d.slots(d.ops.Name))
		for i := range own.NumField() {
			if own.Field(i).IsZero() {
				t.Errorf("%s does not offer %s", isa, own.Type().Field(i).Name)
			}
		}
	}
}

func TestHandles(t *testing.T) {
	d, err := Open(Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	other := open(t, "scalar", 1)
	if d.Table() == 0 || d.Handle() == 0 || d.Handle() == other.Handle() {
		t.Errorf("table %x, handles %x and %x", d.Table(), d.Handle(), other.Handle())
	}
	q := randomWeight(rand.New(rand.NewPCG(1, 1)), 3, 8, 4)
	w, err := d.Ops().Pack(q, kernels.Exact)
	if err != nil {
		t.Fatal(err)
	}
	if WeightHandle(w) == 0 {
		t.Error("an open weight has no handle")
	}
	x := kernels.F32Rows(kernels.NewMat(make([]float32, 8), 1, 8))
	y := kernels.F32Rows(kernels.NewMat(make([]float32, 3), 1, 3))
	if err := other.Ops().Linear(w, x, y); !errors.Is(err, kernels.ErrArgument) {
		t.Errorf("a weight of another device: %v", err)
	}
	rw, err := ref.Ops().Pack(q, kernels.Exact)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Ops().Linear(rw, x, y); !errors.Is(err, kernels.ErrArgument) || WeightHandle(rw) != 0 {
		t.Errorf("a weight of ref: %v", err)
	}
	for _, p := range [][2]int{{0, 0}, {-1, 2}, {2, 2}, {0, math.MaxInt}} {
		if err := d.LinearPart(w, x, y, p[0], p[1]); !errors.Is(err, kernels.ErrArgument) {
			t.Errorf("part %d of %d: %v", p[0], p[1], err)
		}
	}
	odd := kernels.Rows{Data: unsafe.Slice((*byte)(unsafe.Pointer(&make([]float32, 9)[0])), 36)[1:], Rows: 1, Cols: 8, Stride: 8}
	if err := d.Ops().Linear(w, odd, y); err != nil {
		t.Errorf("floats at an odd address: %v", err)
	}
	d.Close() // the weight keeps the device
	if err := d.Ops().Linear(w, x, y); err != nil {
		t.Errorf("a weight outlives its device's Close: %v", err)
	}
	if _, err := d.Ops().Pack(q, kernels.Exact); !errors.Is(err, kernels.ErrArgument) {
		t.Errorf("packing on a closed device: %v", err)
	}
	w.Close()
	w.Close()
	d.Close()
	if WeightHandle(w) != 0 || d.Handle() != 0 {
		t.Error("handles outlive Close")
	}
	if err := d.Ops().Linear(w, x, y); !errors.Is(err, kernels.ErrArgument) {
		t.Errorf("a closed weight: %v", err)
	}
}

func randomWeight(r *rand.Rand, n, k, group int) *kernels.QWeight {
	q := &kernels.QWeight{N: n, K: k, Group: group, Codes: make([]uint8, n*k/2), Scales: make([]uint16, n*k/group), Zeros: make([]uint8, n*k/group)}
	for i := range q.Codes {
		q.Codes[i] = uint8(r.Uint32())
	}
	for i := range q.Scales {
		q.Scales[i], q.Zeros[i] = kernels.ToF16(0.01+r.Float32()/100), uint8(r.IntN(16))
	}
	return q
}

func randomMat(r *rand.Rand, rows, cols int) kernels.Mat {
	m := kernels.NewMat(make([]float32, rows*cols), rows, cols)
	for i := range m.Data {
		m.Data[i] = float32(r.NormFloat64())
	}
	return m
}

// run computes one result of every op, as bytes, big enough that the pool shares it out.
func run(t *testing.T, ops kernels.Ops) map[string][]byte {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	out := map[string][]byte{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	keep := func(name string, m kernels.Mat) { out[name] = bytes.Clone(kernels.F32Rows(m).Data) }
	const m, n, k, group = 37, 520, 1024, 128
	x, w, y := randomMat(r, m, k), randomMat(r, n, k), randomMat(r, m, n)
	for _, mode := range []kernels.Mode{kernels.Exact, kernels.Int8} {
		p, err := ops.Pack(randomWeight(rand.New(rand.NewPCG(8, 8)), n, k, group), mode)
		must(err)
		for _, rows := range []int{1, 5, m} {
			must(ops.Linear(p, kernels.F32Rows(x.Slice(0, rows)), kernels.F32Rows(y.Slice(0, rows))))
			keep(fmt.Sprintf("linear mode %d m=%d", mode, rows), y.Slice(0, rows))
		}
		p.Close()
	}
	must(ops.Gemm(x, w, y, 0.5, true, false))
	keep("gemm", y)
	square := randomMat(r, k, k)
	must(ops.Gemm(x, w, y, 1, true, true))
	keep("gemm accumulate", y)
	must(ops.Gemm(x, square, x, 0, false, true)) // alpha 0 leaves x
	z := randomMat(r, m, k)
	must(ops.RMSNorm(x, w.Row(0), 1e-6, z))
	keep("rmsnorm", z)
	must(ops.Rope(z, 16, 64, 64, square.Data[:m*32], square.Data[m*32:m*64], false))
	keep("rope", z)
	must(ops.Softmax(z, 0.5, 900, 0))
	keep("softmax", z)
	must(ops.GLU(x, z, z, kernels.SiLU))
	keep("glu", z)
	sums := make([]float64, k)
	must(ops.AbsSum(square, sums))
	out["abssum"] = fmt.Append(nil, sums)
	q := emptyWeight(n, k, group)
	must(ops.Quantize(w, nil, false, q))
	out["quantize"] = fmt.Append(nil, q)
	limit, best, plain := make([]float32, n*k/group), make([]float32, n*k/group), make([]float32, n*k/group)
	must(ops.Clip(w, square.Data[:k*group], group, false, limit, best, plain))
	out["clip"] = fmt.Append(nil, limit, best, plain)
	h := kernels.NewMat(make([]float32, k*k), k, k)
	must(ops.Gemm(square, square, h, 1, true, false))
	losses := make([]float64, 2*n)
	must(ops.Refine(w, kernels.Mat{}, h, q, 2, losses[:n], losses[n:]))
	out["refine"] = fmt.Append(nil, q, losses)
	fake := randomMat(r, n, k)
	must(ops.FakeQuant(w, square.Row(1), limit, group, false, true, fake))
	keep("fakequant", fake)
	d, err := ops.SqDiff(w, fake)
	must(err)
	out["sqdiff"] = fmt.Append(nil, math.Float64bits(d))
	nll, kl, agree := make([]float64, n), make([]float64, n), make([]uint8, n)
	must(ops.Logits(w, fake, make([]int32, n), nll, kl, agree))
	out["logits"] = fmt.Append(nil, nll, kl, agree)
	return out
}

func emptyWeight(n, k, group int) *kernels.QWeight {
	return &kernels.QWeight{N: n, K: k, Group: group, Codes: make([]uint8, n*k/2), Scales: make([]uint16, n*k/group), Zeros: make([]uint8, n*k/group)}
}

func TestThreadsDoNotMatter(t *testing.T) {
	for _, isa := range isas(t) {
		want := run(t, open(t, isa, 1).Ops())
		for mode := range 2 { // nor does the number of rows, but that exact mode may treat a single row in its own way
			all := want[fmt.Sprintf("linear mode %d m=37", mode)]
			for _, rows := range []int{1, 5}[1-mode:] {
				if one := want[fmt.Sprintf("linear mode %d m=%d", mode, rows)]; !bytes.Equal(one, all[:len(one)]) {
					t.Errorf("%s: mode %d: rows differ between m=%d and m=37", isa, mode, rows)
				}
			}
		}
		for _, threads := range []int{2, 3, 7} {
			got := run(t, open(t, isa, threads).Ops())
			for op := range want {
				if !bytes.Equal(got[op], want[op]) {
					t.Errorf("%s: %s with %d threads differs from 1", isa, op, threads)
				}
			}
		}
	}
}

// The quantisation ops, and therefore files, are the same on every machine.
func TestInstructionSetsAgreeOnCodes(t *testing.T) {
	want := run(t, open(t, "scalar", 1).Ops())
	for _, isa := range isas(t) {
		got := run(t, open(t, isa, 2).Ops())
		for _, op := range []string{"quantize", "fakequant"} {
			if !bytes.Equal(got[op], want[op]) {
				t.Errorf("%s: %s differs from scalar", isa, op)
			}
		}
	}
}

func TestPartsMakeTheWhole(t *testing.T) {
	const m, n, k, group = 5, 333, 256, 64
	r := rand.New(rand.NewPCG(3, 3))
	q := randomWeight(r, n, k, group)
	q.Bias = randomMat(r, 1, n).Data
	x := kernels.F32Rows(randomMat(r, m, k))
	for _, isa := range isas(t) {
		d := open(t, isa, 2)
		for _, mode := range []kernels.Mode{kernels.Exact, kernels.Int8} {
			w, err := d.Ops().Pack(q, mode)
			if err != nil {
				t.Fatal(err)
			}
			whole := randomMat(r, m, n)
			if err := d.Ops().Linear(w, x, kernels.F32Rows(whole)); err != nil {
				t.Fatal(err)
			}
			for _, parts := range []int{1, 2, 3, 20, 400} {
				sum := randomMat(r, m, n)
				for part := range parts {
					if err := d.LinearPart(w, x, kernels.F32Rows(sum), part, parts); err != nil {
						t.Fatal(err)
					}
				}
				if !bytes.Equal(kernels.F32Rows(sum).Data, kernels.F32Rows(whole).Data) {
					t.Errorf("%s mode %d: %d parts are not the whole", isa, mode, parts)
				}
			}
			w.Close()
		}
	}
}

// One device, many callers: results don't mix.
func TestConcurrentCalls(t *testing.T) {
	d := open(t, "", 2)
	r := rand.New(rand.NewPCG(4, 4))
	const n, k, group = 160, 256, 64
	q := randomWeight(r, n, k, group)
	w, err := d.Ops().Pack(q, kernels.Exact)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	var g kernels.Group
	for caller := range 4 {
		x := randomMat(r, 1+3*caller, k)
		want := randomMat(r, x.Rows, n)
		if err := d.Ops().Linear(w, kernels.F32Rows(x), kernels.F32Rows(want)); err != nil {
			t.Fatal(err)
		}
		g.Go(func() error {
			y := kernels.NewMat(make([]float32, x.Rows*n), x.Rows, n)
			for range 200 {
				clear(y.Data)
				if err := d.Ops().Linear(w, kernels.F32Rows(x), kernels.F32Rows(y)); err != nil {
					return err
				}
				if !bytes.Equal(kernels.F32Rows(y).Data, kernels.F32Rows(want).Data) {
					return fmt.Errorf("caller %d got other values", caller)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}
