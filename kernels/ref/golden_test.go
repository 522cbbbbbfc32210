// Every op against golden vectors that testdata/make_goldens.py made from the definitions, independently of this code.

package ref

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"libawq/kernels"
)

type goldenArray struct {
	DType string
	Shape []int
	Data  []byte
}

func (a *goldenArray) UnmarshalJSON(text []byte) error {
	var raw struct {
		DType string `json:"dtype"`
		Shape []int  `json:"shape"`
		Data  string `json:"data"`
	}
	err := json.Unmarshal(text, &raw)
	if err != nil {
		return err
	}
	a.DType, a.Shape = raw.DType, raw.Shape
	a.Data, err = base64.StdEncoding.DecodeString(raw.Data)
	return err
}

type golden struct {
	Name   string
	Params map[string]float64
	Arrays map[string]goldenArray
}

func forEach(t *testing.T, op string, fn func(t *testing.T, g golden)) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", op+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []golden
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("%s: no cases", op)
	}
	for _, g := range all {
		t.Run(g.Name, func(t *testing.T) { fn(t, g) })
	}
}

func (g golden) flag(name string) bool { return g.Params[name] != 0 }
func (g golden) int(name string) int   { return int(g.Params[name]) }

func (g golden) floats(name string) []float32 {
	a, ok := g.Arrays[name]
	if !ok {
		return nil
	}
	if a.DType != "f4" {
		panic(name + " is " + a.DType)
	}
	out := make([]float32, len(a.Data)/4)
	kernels.F32.Decode(out, a.Data)
	return out
}

func (g golden) doubles(name string) []float64 {
	a := g.Arrays[name]
	if a.DType != "f8" {
		panic(name + " is " + a.DType)
	}
	out := make([]float64, len(a.Data)/8)
	for i := range out {
		out[i] = math.Float64frombits(binary.LittleEndian.Uint64(a.Data[8*i:]))
	}
	return out
}

func (g golden) halves(name string) []uint16 {
	a := g.Arrays[name]
	out := make([]uint16, len(a.Data)/2)
	for i := range out {
		out[i] = binary.LittleEndian.Uint16(a.Data[2*i:])
	}
	return out
}

func (g golden) mat(name string) kernels.Mat {
	s := g.Arrays[name].Shape
	return kernels.NewMat(g.floats(name), s[0], s[1])
}

// near demands that each float32 is the double rounded, give or take the last bit of an intermediate sum of size `sum`.
func near(t *testing.T, name string, got []float32, want []float64, sum float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	for i, w := range want {
		if d := math.Abs(float64(got[i]) - w); !(d <= math.Abs(w)*0x1p-23+sum*0x1p-45+0x1p-149) {
			t.Fatalf("%s[%d]: got %v, want %v", name, i, got[i], w)
		}
	}
}

func near64(t *testing.T, name string, got, want []float64) {
	t.Helper()
	for i, w := range want {
		if d := math.Abs(got[i] - w); !(d <= 1e-11*(1+math.Abs(w))) {
			t.Fatalf("%s[%d]: got %v, want %v", name, i, got[i], w)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFakeQuantGolden(t *testing.T) {
	forEach(t, "fakequant", func(t *testing.T, g golden) {
		w, want := g.mat("w"), g.floats("out")
		out := kernels.NewMat(make([]float32, len(want)), w.Rows, w.Cols)
		must(t, fakequant(w, g.floats("s"), g.floats("limit"), g.int("group"), g.flag("symmetric"), g.flag("difference"), out))
		if !slices.Equal(out.Data, want) {
			t.Fatal("not equal")
		}
	})
}

func TestQuantizeGolden(t *testing.T) {
	forEach(t, "quantize", func(t *testing.T, g golden) {
		w := g.mat("w")
		groups := w.Rows * w.Cols / g.int("group")
		q := &kernels.QWeight{N: w.Rows, K: w.Cols, Group: g.int("group"), Codes: make([]uint8, w.Rows*w.Cols/2),
			Scales: make([]uint16, groups), Zeros: make([]uint8, groups)}
		for range 2 { // the second time over a used result
			must(t, quantize(w, g.floats("limit"), g.flag("symmetric"), q))
			if !slices.Equal(q.Scales, g.halves("scales")) {
				t.Errorf("scales %04x, want %04x", q.Scales, g.halves("scales"))
			}
			if !slices.Equal(q.Zeros, g.Arrays["zeros"].Data) {
				t.Errorf("zeros %v, want %v", q.Zeros, g.Arrays["zeros"].Data)
			}
			if !slices.Equal(q.Codes, g.Arrays["codes"].Data) {
				t.Errorf("codes %x, want %x", q.Codes, g.Arrays["codes"].Data)
			}
		}
		must(t, q.Check())
	})
}

func TestClipGolden(t *testing.T) {
	forEach(t, "clip", func(t *testing.T, g golden) {
		w := g.mat("w")
		groups := w.Rows * w.Cols / g.int("group")
		limit, best, plain := make([]float32, groups), make([]float32, groups), make([]float32, groups)
		must(t, clip(w, g.floats("gram"), g.int("group"), g.flag("symmetric"), limit, best, plain))
		if !slices.Equal(limit, g.floats("limit")) {
			t.Errorf("limits %v, want %v", limit, g.floats("limit"))
		}
		near(t, "best", best, g.doubles("best"), 0)
		near(t, "plain", plain, g.doubles("plain"), 0)
	})
}

func TestGemmGolden(t *testing.T) {
	forEach(t, "gemm", func(t *testing.T, g golden) {
		a, b, c := g.mat("a"), g.mat("b"), g.mat("c")
		must(t, gemm(a, b, c, float32(g.Params["alpha"]), g.flag("trans"), g.flag("accumulate")))
		near(t, "c", c.Data, g.doubles("out"), float64(a.Cols))
	})
}

func TestRMSNormGolden(t *testing.T) {
	forEach(t, "rmsnorm", func(t *testing.T, g golden) {
		x := g.mat("x")
		must(t, rmsnorm(x, g.floats("weight"), float32(g.Params["eps"]), x)) // in place
		near(t, "y", x.Data, g.doubles("out"), 0)
	})
}

func TestRopeGolden(t *testing.T) {
	forEach(t, "rope", func(t *testing.T, g golden) {
		x := g.mat("x")
		must(t, rope(x, g.int("heads"), g.int("dim"), g.int("rot"), g.floats("cos"), g.floats("sin"), g.flag("interleaved")))
		near(t, "x", x.Data, g.doubles("out"), 10)
	})
}

func TestSoftmaxGolden(t *testing.T) {
	forEach(t, "softmax", func(t *testing.T, g golden) {
		x := g.mat("x")
		must(t, softmax(x, float32(g.Params["scale"]), g.int("past"), g.int("window")))
		near(t, "x", x.Data, g.doubles("out"), 0)
	})
}

func TestGLUGolden(t *testing.T) {
	forEach(t, "glu", func(t *testing.T, g golden) {
		gate, up := g.mat("gate"), g.mat("up")
		must(t, glu(gate, up, up, kernels.SiLU)) // in place
		near(t, "y", up.Data, g.doubles("out"), 0)
	})
}

func TestStatsGolden(t *testing.T) {
	forEach(t, "stats", func(t *testing.T, g golden) {
		a, b, sums := g.mat("a"), g.mat("b"), g.doubles("start")
		must(t, abssum(a, sums))
		near64(t, "abssum", sums, g.doubles("abssum"))
		both, err := sqdiff(a, b)
		must(t, err)
		alone, err := sqdiff(a, kernels.Mat{})
		must(t, err)
		near64(t, "sqdiff", []float64{both, alone}, g.doubles("sqdiff"))
	})
}

func TestLogitsGolden(t *testing.T) {
	forEach(t, "logits", func(t *testing.T, g golden) {
		p, q := g.mat("p"), g.mat("q")
		targets := make([]int32, q.Rows)
		for i := range targets {
			targets[i] = int32(binary.LittleEndian.Uint32(g.Arrays["targets"].Data[4*i:]))
		}
		nll, kl, agree := make([]float64, q.Rows), make([]float64, q.Rows), make([]uint8, q.Rows)
		must(t, logits(p, q, targets, nll, kl, agree))
		near64(t, "nll", nll, g.doubles("nll"))
		near64(t, "kl", kl, g.doubles("kl"))
		if !slices.Equal(agree, g.Arrays["agree"].Data) {
			t.Errorf("agree %v, want %v", agree, g.Arrays["agree"].Data)
		}
		clear(nll)
		must(t, logits(kernels.Mat{}, q, targets, nll, nil, nil))
		near64(t, "nll without p", nll, g.doubles("nll"))
	})
}

func TestLinearGolden(t *testing.T) {
	forEach(t, "linear", func(t *testing.T, g golden) {
		x, shape := g.Arrays["x"], g.Arrays["out"].Shape
		m, n, k := shape[0], shape[1], x.Shape[1]
		q := &kernels.QWeight{N: n, K: k, Group: g.int("group"), Codes: g.Arrays["codes"].Data, Scales: g.halves("scales"),
			Zeros: g.Arrays["zeros"].Data, Bias: g.floats("bias")}
		w, err := pack(q, kernels.Mode(g.int("int8")))
		must(t, err)
		defer w.Close()
		y := make([]byte, 4*m*n)
		must(t, linear(w, kernels.Rows{Data: x.Data, Rows: m, Cols: k, Stride: k}, kernels.Rows{Data: y, Rows: m, Cols: n, Stride: n}))
		got := make([]float32, m*n)
		kernels.F32.Decode(got, y)
		near(t, "y", got, g.doubles("out"), float64(k))
	})
}
