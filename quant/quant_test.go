package quant

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"libawq/kernels"
	"libawq/kernels/ref"
	"libawq/quant/checkpoint"
	"libawq/quant/family"
	"libawq/quant/graph"
	"libawq/quant/pack"
)

func small(t testing.TB) Config {
	c := DefaultConfig()
	c.Group, c.Samples, c.SeqLen = 32, 3, 16
	c.Calib = Text{Path: tokens(t, 4, 16, 1)}
	return c
}

// run quantises a tiny model and returns the new folder.
func run(t *testing.T, src string, cfg Config) (string, *Summary) {
	t.Helper()
	dst := filepath.Join(t.TempDir(), "out")
	sum, err := Quantize(context.Background(), ref.Ops(), src, dst, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return dst, sum
}

func divergence(t *testing.T, dir, against string) *Evaluation {
	t.Helper()
	e, err := Evaluate(context.Background(), ref.Ops(), dir, EvalConfig{Text: Text{Path: tokens(t, 6, 24, 2)}, Against: against, Context: 24}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestQuantizeEveryFamily(t *testing.T) {
	var sumAWQ, sumRTN float64
	for name, m := range models() {
		for _, symmetric := range []bool{false, true} {
			for _, group := range []int{32, -1} {
				t.Run(fmt.Sprintf("%s/symmetric=%v/group=%d", name, symmetric, group), func(t *testing.T) {
					src := m.write(t)
					cfg := small(t)
					cfg.Symmetric, cfg.Group = symmetric, group
					dst, sum := run(t, src, cfg)
					if sum.Layers != tinyLayers || sum.Linears != 7*tinyLayers || len(sum.Report.Linears) != sum.Linears || sum.Report.FoldChange > foldTolerance {
						t.Errorf("summary %+v", sum)
					}
					for _, l := range sum.Report.Linears {
						if l.Ratio != nil && (*l.LossAWQ > 1.5**l.LossRTN || l.Tokens != 48) {
							t.Errorf("%s: loss %v, round to nearest %v, tokens %d", l.Module, *l.LossAWQ, *l.LossRTN, l.Tokens)
						}
					}
					cfg.Method = RTN
					rtn, _ := run(t, src, cfg)
					awq, plain := divergence(t, dst, src), divergence(t, rtn, src)
					sumAWQ, sumRTN = sumAWQ+awq.KL, sumRTN+plain.KL
					if !(awq.KL < 1.3*plain.KL) || awq.Tokens != 6*23 { // a random model of two layers may fall either way by itself
						t.Errorf("KL %v with AWQ, %v with round to nearest, %d tokens", awq.KL, plain.KL, awq.Tokens)
					}
					if self := divergence(t, src, src); self.KL != 0 || self.Top1 != 1 || math.IsNaN(self.Perplexity) {
						t.Errorf("a model against itself: %+v", self)
					}
					m, err := OpenModel(dst)
					if err != nil {
						t.Fatal(err)
					}
					defer m.Close()
					words, err := m.Words("model.layers.1.mlp.down_proj")
					if err != nil {
						t.Fatal(err)
					}
					q, err := words.Canonical()
					if err != nil {
						t.Fatal(err)
					}
					for i, z := range q.Zeros {
						if symmetric && z != 8 {
							t.Fatalf("symmetric zero point %d is %d", i, z)
						}
					}
					i, err := Inspect(dst)
					if err != nil || !i.Quantised || i.Group != group || i.ZeroPoint == symmetric {
						t.Errorf("inspection %+v, %v", i, err)
					}
				})
			}
		}
	}
	if !(sumAWQ < 0.8*sumRTN) {
		t.Errorf("KL of all cases together: %v with AWQ, %v with round to nearest", sumAWQ, sumRTN)
	}
}

// TestFoldKeepsTheFunction folds random scales into every group of every family: the block's output must not move.
func TestFoldKeepsTheFunction(t *testing.T) {
	for name, m := range models() {
		t.Run(name, func(t *testing.T) {
			model, err := OpenModel(m.write(t))
			if err != nil {
				t.Fatal(err)
			}
			defer model.Close()
			ops := ref.Ops()
			b, err := model.loadBlock(ops, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			r, err := graph.NewRunner(ops, model.Family, model.Config, 12, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			mat := func() kernels.Mat { return kernels.NewMat(make([]float32, 12*tinyHidden), 12, tinyHidden) }
			x, want, scratch := mat(), mat(), mat()
			if err := model.embed([]int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, x); err != nil {
				t.Fatal(err)
			}
			if err := r.Forward(&b.Block, x, want, nil, nil); err != nil {
				t.Fatal(err)
			}
			groups := model.Family.ActiveGroups(model.Config)
			if len(groups) != 3 { // v -> o has other shapes here
				t.Fatalf("%d groups", len(groups))
			}
			for _, g := range groups {
				_, k := model.Family.Shape(model.Config, g.Into[0])
				s := make([]float32, k)
				for i := range s {
					s[i] = float32(math.Exp(float64(i%7) - 3))
				}
				if err := fold(model.Family, &b.Block, g, s, kernels.BF16); err != nil {
					t.Fatal(err)
				}
			}
			if rel, err := checkFold(ops, r, &b.Block, x, want, scratch); err != nil || rel > 1e-5 {
				t.Errorf("relative change %v, %v", rel, err)
			}
			b.Linears["mlp.up_proj"].W.Data[3] += 0.5 // and the check does notice
			if _, err := checkFold(ops, r, &b.Block, x, want, scratch); err == nil {
				t.Error("a wrong fold went unnoticed")
			}
		})
	}
}

func TestSameShapeGroupIsUsedWithoutGroupedHeads(t *testing.T) {
	c := &family.Config{Hidden: 64, Heads: 2, KVHeads: 2, HeadDim: 32, Intermediate: 96}
	f, err := family.Find("LlamaForCausalLM")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(f.ActiveGroups(c)); n != 4 {
		t.Errorf("%d groups, want 4", n)
	}
}

func TestEqualJobsWriteEqualBytes(t *testing.T) {
	src := models()["qwen3"].write(t)
	cfg := small(t)
	a, _ := run(t, src, cfg)
	b, _ := run(t, src, cfg)
	files, err := os.ReadDir(a)
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		x, _ := os.ReadFile(filepath.Join(a, f.Name()))
		y, _ := os.ReadFile(filepath.Join(b, f.Name()))
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs from run to run", f.Name())
		}
	}
}

func TestExcludedLinearsStayInFloat(t *testing.T) {
	src := models()["qwen2"].write(t)
	cfg := small(t)
	cfg.Exclude = []string{"layers.0", "lm_head", "*.v_proj"}
	dst, sum := run(t, src, cfg)
	if sum.Linears != 6 {
		t.Errorf("%d linears quantised, want 6", sum.Linears)
	}
	var config struct {
		Q struct {
			Not []string `json:"modules_to_not_convert"`
		} `json:"quantization_config"`
	}
	raw, err := os.ReadFile(filepath.Join(dst, "config.json"))
	if err != nil || json.Unmarshal(raw, &config) != nil || len(config.Q.Not) != 8 {
		t.Errorf("modules_to_not_convert %v, %v", config.Q.Not, err)
	}
	if e := divergence(t, dst, src); !(e.KL < 0.2) { // folded scales of excluded linears are part of the function
		t.Errorf("KL %v", e.KL)
	}
	cfg = small(t)
	cfg.Group, cfg.Exclude = 64, []string{"mlp", "layers.1.self_attn.q_proj"} // 64 does not divide the inputs of down_proj, which stays in float
	if _, sum := run(t, src, cfg); sum.Linears != 7 {
		t.Errorf("%d linears quantised, want 7", sum.Linears)
	}
	cfg.Exclude = []string{"gate"} // no whole part of a name
	if _, err := MakePlan(src, cfg); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), `"gate"`) {
		t.Errorf("unused pattern: %v", err)
	}
}

func TestCancelLeavesNothing(t *testing.T) {
	src := models()["llama"].write(t)
	cfg := small(t)
	for _, after := range []int{1, 3, 10, 40} {
		ctx, cancel := context.WithCancel(context.Background())
		parent := t.TempDir()
		n := 0
		_, err := Quantize(ctx, ref.Ops(), src, filepath.Join(parent, "out"), cfg, func(Progress) {
			if n++; n == after {
				cancel()
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("after %d reports: %v", after, err)
		}
		if left, _ := os.ReadDir(parent); len(left) != 0 {
			t.Errorf("after %d reports: %s is left", after, left[0].Name())
		}
	}
}

func TestBadInput(t *testing.T) {
	good := models()["llama"]
	write := func(name, text string) string {
		p := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	with := func(fn func(map[string][]float32)) string {
		m := good
		m.edit = fn
		return m.write(t)
	}
	quantised, _ := run(t, good.write(t), small(t))
	exists := t.TempDir()
	for _, c := range []struct {
		name string
		src  string
		dst  string
		edit func(*Config)
		want error
		text []string
	}{
		{"no folder", filepath.Join(exists, "nowhere"), "", nil, checkpoint.ErrNotFound, []string{"nowhere"}},
		{"destination exists", good.write(t), exists, nil, checkpoint.ErrExists, nil},
		{"already quantised", quantised, "", nil, ErrUnsupported, []string{"already quantised"}},
		{"NaN", with(func(v map[string][]float32) { v["model.layers.1.mlp.up_proj.weight"][7] = float32(math.NaN()) }), "", nil, checkpoint.ErrCorrupt,
			[]string{"model.layers.1.mlp.up_proj.weight", "NaN", "element 7"}},
		{"Inf in the embedding", with(func(v map[string][]float32) { v["model.embed_tokens.weight"][900] = float32(math.Inf(1)) }), "", nil, checkpoint.ErrCorrupt,
			[]string{"model.embed_tokens.weight", "Inf"}},
		{"group does not divide", good.write(t), "", func(c *Config) { c.Group = 64 }, ErrUnsupported, []string{"mlp.down_proj", "group_size 64", "k=96", "32, -1"}},
		{"unknown group", good.write(t), "", func(c *Config) { c.Group = 48 }, ErrInvalid, []string{"48"}},
		{"unknown layout", good.write(t), "", func(c *Config) { c.Layout = "gemx" }, pack.ErrUnsupported, []string{"gemx", "gemm"}},
		{"short calibration", good.write(t), "", func(c *Config) { c.SeqLen = 200 }, ErrText, []string{"64 tokens", "200"}},
		{"long windows", good.write(t), "", func(c *Config) { c.SeqLen = 300 }, ErrInvalid, []string{"300", "256"}},
		{"foreign token", good.write(t), "", func(c *Config) { c.Calib.Path = write("a.jsonl", `{"input_ids":[1,2,97]}`) }, ErrText, []string{"97", "a.jsonl:1"}},
		{"empty calibration", good.write(t), "", func(c *Config) { c.Calib.Path = write("a.txt", "") }, nil, []string{"a.txt", "empty"}},
		{"calibration is not UTF-8", good.write(t), "", func(c *Config) { c.Calib.Path = write("a.txt", "abc\xff") }, nil, []string{"a.txt", "UTF-8"}},
		{"unknown family", tiny{arch: "NoSuchModel", dtype: "F16"}.write(t), "", nil, family.ErrUnsupported, []string{"NoSuchModel", "LlamaForCausalLM", "Qwen3ForCausalLM"}},
		{"wrong shape", tiny{arch: "LlamaForCausalLM", dtype: "F16", config: map[string]any{"intermediate_size": 128}}.write(t), "", nil, checkpoint.ErrCorrupt,
			[]string{"mlp.gate_proj.weight", "[96 64]", "[128 64]"}},
		{"missing tensor", tiny{arch: "Qwen3ForCausalLM", dtype: "F16"}.write(t), "", nil, checkpoint.ErrCorrupt, []string{"q_norm.weight"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := small(t)
			if c.edit != nil {
				c.edit(&cfg)
			}
			parent := t.TempDir()
			dst := filepath.Join(parent, "out")
			if c.dst != "" {
				dst = c.dst
			}
			_, err := Quantize(context.Background(), ref.Ops(), c.src, dst, cfg, nil)
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			for _, s := range append(c.text, "") {
				if !strings.Contains(err.Error(), s) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%q does not name %q in one line", err, s)
				}
			}
			if left, _ := os.ReadDir(parent); len(left) != 0 {
				t.Errorf("%s is left", left[0].Name())
			}
		})
	}
}

func TestGenerateMatchesAFreshForward(t *testing.T) {
	// A cached continuation must choose what a forward over the whole text chooses.
	for name, m := range models() {
		t.Run(name, func(t *testing.T) {
			model, err := OpenModel(m.write(t))
			if err != nil {
				t.Fatal(err)
			}
			defer model.Close()
			ids := []int32{5, 9, 33, 2, 71, 14, 8, 8}
			s, err := newSession(context.Background(), ref.Ops(), model, len(ids), 6)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			step := ids
			for i := 0; i < 5; i++ {
				got, err := s.next(step)
				if err != nil {
					t.Fatal(err)
				}
				fresh, err := newSession(context.Background(), ref.Ops(), model, len(ids), 1)
				if err != nil {
					t.Fatal(err)
				}
				want, err := fresh.next(ids)
				fresh.close()
				if err != nil || got != want {
					t.Fatalf("step %d: %d with a cache, %d without (%v)", i, got, want, err)
				}
				ids, step = append(ids, got), []int32{got}
			}
		})
	}
}
