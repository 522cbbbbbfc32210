// Tiny models of every family against golden values that a NumPy script computed in float64 from the published definitions
// (graph/testdata/make_goldens.py): every block's output, the logits, and the loss that an evaluation reports.

package quant

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"libawq/kernels"
	"libawq/kernels/ref"
	"libawq/quant/calib"
	"libawq/quant/graph"
	"libawq/quant/search"
)

const goldens = "graph/testdata"

// goldenArray is an array of float32 or bytes in a golden file.
type goldenArray struct {
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
	Data  []byte `json:"-"`
}

func (a *goldenArray) UnmarshalJSON(text []byte) error {
	var raw struct {
		DType string
		Shape []int
		Data  string
	}
	err := json.Unmarshal(text, &raw)
	if err == nil {
		a.DType, a.Shape = raw.DType, raw.Shape
		a.Data, err = base64.StdEncoding.DecodeString(raw.Data)
	}
	return err
}

func (a *goldenArray) floats(t *testing.T, shape ...int) []float32 {
	t.Helper()
	if a.DType != "f4" || fmt.Sprint(a.Shape) != fmt.Sprint(shape) {
		t.Fatalf("golden array %s %v, want f4 %v", a.DType, a.Shape, shape)
	}
	out := make([]float32, len(a.Data)/4)
	for i := range out {
		out[i] = math.Float32frombits(binary.LittleEndian.Uint32(a.Data[4*i:]))
	}
	return out
}

type golden struct {
	Tokens [][]int32     `json:"tokens"`
	Blocks goldenArray   `json:"blocks"` // [windows, layers, tokens, hidden]
	Logits goldenArray   `json:"logits"` // [windows, tokens, vocabulary]
	NLL    float64       `json:"nll"`
	Search *goldenSearch `json:"search"`
}

func readGolden(t *testing.T, dir string) *golden {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	g := &golden{}
	if err := json.Unmarshal(text, g); err != nil {
		t.Fatal(err)
	}
	return g
}

// distance is the largest difference relative to the largest value of the row that holds it.
func distance(t *testing.T, got kernels.Mat, want []float32) float64 {
	t.Helper()
	if len(want) != got.Rows*got.Cols {
		t.Fatalf("%d golden values for %d x %d", len(want), got.Rows, got.Cols)
	}
	worst := 0.0
	for i := 0; i < got.Rows; i++ {
		size, diff := 0.0, 0.0
		for k, g := range got.Row(i) {
			w := float64(want[i*got.Cols+k])
			size, diff = math.Max(size, math.Abs(w)), math.Max(diff, math.Abs(float64(g)-w))
			if math.IsNaN(float64(g)) {
				return math.Inf(1)
			}
		}
		worst = math.Max(worst, diff/size)
	}
	return worst
}

// goldenTolerance is far above float32 rounding and far below what any wrong rule does.
const goldenTolerance = 2e-5

func TestForwardMatchesTheDefinitions(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(goldens, "*_seed*"))
	if err != nil || len(dirs) < 7 {
		t.Fatalf("%d golden models, %v", len(dirs), err)
	}
	for name, ops := range backends(t) {
		for _, dir := range dirs {
			t.Run(name+"/"+filepath.Base(dir), func(t *testing.T) { forwardMatches(t, ops, dir, readGolden(t, dir)) })
		}
	}
}

func forwardMatches(t *testing.T, ops kernels.Ops, dir string, g *golden) {
	m, err := OpenModel(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, steps := m.Config, len(g.Tokens[0])
	s, err := openSide(ops, m, steps, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	blocks := g.Blocks.floats(t, len(g.Tokens), c.Layers, steps, c.Hidden)
	logits := g.Logits.floats(t, len(g.Tokens), steps, c.Vocab)
	mat := func(cols int) kernels.Mat { return kernels.NewMat(make([]float32, steps*cols), steps, cols) }
	x, y, scores := mat(c.Hidden), mat(c.Hidden), mat(c.Vocab)
	worst := 0.0
	for w, tokens := range g.Tokens {
		if err := m.embed(tokens, x); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < c.Layers; i++ {
			b, err := m.loadBlock(ops, i)
			if err != nil {
				t.Fatal(err)
			}
			err = s.runner.Forward(&b.Block, x, y, nil, nil)
			b.Close()
			if err != nil {
				t.Fatal(err)
			}
			copyRows(x, y)
			at := (w*c.Layers + i) * steps * c.Hidden
			d := distance(t, x, blocks[at:at+steps*c.Hidden])
			if worst = math.Max(worst, d); d > goldenTolerance {
				t.Errorf("window %d, block %d: off by %.3g of the row's largest value", w, i, d)
			}
		}
		if err := s.runner.Norm(x, s.norm, x); err != nil {
			t.Fatal(err)
		}
		if err := ops.Gemm(x, s.head, scores, 1, true, false); err != nil {
			t.Fatal(err)
		}
		d := distance(t, scores, logits[w*steps*c.Vocab:(w+1)*steps*c.Vocab])
		if worst = math.Max(worst, d); d > goldenTolerance {
			t.Errorf("window %d: logits off by %.3g of the row's largest value", w, d)
		}
	}
	t.Logf("largest distance %.2g", worst)
}

// TestEvaluationMatchesTheDefinitions feeds the golden tokens as lines of input_ids.
func TestEvaluationMatchesTheDefinitions(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(goldens, "*_seed*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		g := readGolden(t, dir)
		var lines strings.Builder
		for _, ids := range g.Tokens {
			text, err := json.Marshal(map[string]any{"input_ids": ids})
			if err != nil {
				t.Fatal(err)
			}
			lines.Write(append(text, '\n'))
		}
		path := filepath.Join(t.TempDir(), "ids.jsonl")
		if err := os.WriteFile(path, []byte(lines.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		e, err := Evaluate(context.Background(), ref.Ops(), dir, EvalConfig{Text: Text{Path: path}, Context: 8}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(len(g.Tokens) * (len(g.Tokens[0]) - 1)); e.Tokens != want || math.Abs(e.NLL-g.NLL) > 1e-5*g.NLL {
			t.Errorf("%s: loss %.8f over %d tokens, want %.8f over %d", filepath.Base(dir), e.NLL, e.Tokens, g.NLL, want)
		}
	}
}

// goldenSearch is the search of block 0, by the names of the groups.
type goldenSearch struct {
	Group  int `json:"group_size"`
	Groups map[string]struct {
		Into   []string    `json:"into"`
		Losses []float64   `json:"losses"`
		RTN    float64     `json:"rtn"`
		Ratio  float64     `json:"ratio"`
		S      goldenArray `json:"s"`
	} `json:"groups"`
	Clip map[string]struct {
		Limit goldenArray `json:"limit"`
		Sure  goldenArray `json:"sure"` // 0 where another candidate is as good
		Gain  float64     `json:"gain"`
	} `json:"clip"`
}

// TestSearchMatchesTheDefinitions runs the search of a whole block: losses of each ratio measured behind attention, behind the
// feed-forward and at a linear's own output, scales, and clip limits of the folded weights.
func TestSearchMatchesTheDefinitions(t *testing.T) {
	dir := filepath.Join(goldens, "llama_search_seed107")
	g := readGolden(t, dir)
	for name, ops := range backends(t) {
		t.Run(name, func(t *testing.T) { searchMatches(t, ops, dir, g) })
	}
}

func searchMatches(t *testing.T, ops kernels.Ops, dir string, g *golden) {
	cfg := DefaultConfig()
	cfg.Group, cfg.SeqLen = g.Search.Group, len(g.Tokens[0])
	plan, err := MakePlan(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer plan.Close()
	mat := func(windows int) kernels.Mat {
		rows, cols := windows*cfg.SeqLen, plan.model.Config.Hidden
		return kernels.NewMat(make([]float32, rows*cols), rows, cols)
	}
	j := &job{ctx: context.Background(), ops: ops, cfg: cfg, plan: plan, model: plan.model, windows: g.Tokens, meter: newMeter(nil, 1)}
	j.x, j.o, j.m, j.scratch, j.mid = mat(len(g.Tokens)), mat(len(g.Tokens)), mat(len(g.Tokens)), mat(1), mat(1)
	if j.runner, err = graph.NewRunner(ops, plan.model.Family, plan.model.Config, cfg.SeqLen, 0); err != nil {
		t.Fatal(err)
	}
	defer j.runner.Close()
	for i, w := range g.Tokens {
		if err := j.model.embed(w, j.window(j.x, i)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := j.model.loadBlock(ops, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	stats := map[string]*calib.Stats{}
	found := &findings{stats: stats}
	defer found.close()
	if err := j.calibrate(&b.Block, found); err != nil {
		t.Fatal(err)
	}
	groups := plan.model.Family.ActiveGroups(plan.model.Config)
	if len(groups) != len(g.Search.Groups) {
		t.Fatalf("%d groups, want %d", len(groups), len(g.Search.Groups))
	}
	chosen := map[string][]float32{} // the golden scales, so that clip limits depend on nothing that may fall either way
	var folds [][]float32
	for _, group := range groups {
		found := false
		for name, want := range g.Search.Groups {
			if strings.Join(want.Into, ",") != strings.Join(group.Into, ",") {
				continue
			}
			found = true
			p := j.problem(&b.Block, group, stats)
			if early := p.Loss; early != nil { // every loss in full, also where the search would stop early
				p.Loss = func(layers []kernels.Mat, _ float64) (float64, error) { return early(layers, math.Inf(1)) }
			}
			r, err := search.Scale(ops, p, j.poll)
			if err != nil {
				t.Fatal(err)
			}
			near := func(what string, got, want float64) {
				if !(math.Abs(got-want) <= 1e-3*want) {
					t.Errorf("%s: loss of %s is %.9g, want %.9g", name, what, got, want)
				}
			}
			if len(r.Losses) != len(want.Losses) {
				t.Fatalf("%s: %d losses, want %d", name, len(r.Losses), len(want.Losses))
			}
			for i, l := range want.Losses {
				near(fmt.Sprintf("ratio %d/20", i), r.Losses[i], l)
			}
			near("rounding to nearest", r.RTN, want.RTN)
			best := want.Losses[int(math.Round(want.Ratio*20))]
			s := want.S.floats(t, stats[group.Into[0]].K)
			if r.Ratio != want.Ratio {
				if tie := want.Losses[int(math.Round(r.Ratio*20))]; tie > best*(1+1e-4) {
					t.Errorf("%s: ratio %v, want %v", name, r.Ratio, want.Ratio)
				}
			} else {
				for i := range s {
					if math.Abs(float64(r.S[i]-s[i])) > 1e-5*float64(s[i]) {
						t.Errorf("%s: s[%d] is %v, want %v", name, i, r.S[i], s[i])
					}
				}
			}
			for _, lin := range group.Into {
				chosen[lin] = s
			}
			folds = append(folds, s)
		}
		if !found {
			t.Fatalf("no golden group for %v", group.Into)
		}
	}
	for i, group := range groups {
		if err := fold(plan.model.Family, &b.Block, group, folds[i], kernels.F32); err != nil {
			t.Fatal(err)
		}
	}
	limits, err := j.clips(&b.Block, stats, chosen)
	if err != nil || len(limits) != len(g.Search.Clip) {
		t.Fatalf("%d clipped linears, want %d; %v", len(limits), len(g.Search.Clip), err)
	}
	for lin, want := range g.Search.Clip {
		n, k := plan.model.Family.Shape(plan.model.Config, lin)
		wrong := 0
		for i, w := range want.Limit.floats(t, n, k/cfg.Group) {
			if want.Sure.Data[i] != 0 && math.Abs(float64(limits[lin][i]-w)) > 1e-6*float64(w) {
				wrong++
			}
		}
		if wrong > 0 || math.Abs(j.gains[lin]-want.Gain) > 1e-4 {
			t.Errorf("%s: %d of %d clip limits are wrong; gain %.6f, want %.6f", lin, wrong, len(limits[lin]), j.gains[lin], want.Gain)
		}
	}
}
