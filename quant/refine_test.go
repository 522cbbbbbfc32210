package quant

import (
	"path/filepath"
	"testing"
)

// TestRefinementLowersEveryLoss: the loss of each linear falls, a tenth of the windows is held out, and the outputs come closer.
func TestRefinementLowersEveryLoss(t *testing.T) {
	var before, after float64
	for name, m := range models() {
		for symmetric, group := range map[bool]int{false: 32, true: -1} {
			src, cfg := m.write(t), small(t)
			cfg.Symmetric, cfg.Group = symmetric, group
			cfg.Samples = 12 // of 16 tokens: three times a hidden state
			cfg.Calib = Text{Path: tokens(t, 12, 16, 1)}
			plain, _ := run(t, src, cfg)
			cfg.Refine = RefineFast
			refined, sum := run(t, src, cfg)
			for _, l := range sum.Report.Linears {
				if l.HeldRounded == nil || l.Tokens != 11*16 {
					t.Errorf("%s: %s: %d tokens, nothing held out", name, l.Module, l.Tokens)
				} else if (*l.HeldRefined > *l.HeldRounded) != (l.Warning != "") {
					t.Errorf("%s: %s: %v to %v on windows held out; warning %q", name, l.Module, *l.HeldRounded, *l.HeldRefined, l.Warning)
				}
				if l.Rounded == nil || l.Refined == nil || !(*l.Refined < 0.98**l.Rounded) {
					t.Errorf("%s: %s: loss %v after %v", name, l.Module, l.Refined, l.Rounded)
				}
			}
			before, after = before+divergence(t, plain, src).KL, after+divergence(t, refined, src).KL
		}
	}
	if !(after < 0.95*before) {
		t.Errorf("KL of all models together: %v refined, %v before", after, before)
	}
}

// TestObjectives: all three work on every family, auto's ratio of siblings is never worse than linear's under the published loss, and the
// memory that plan promises grows with the second moments that are kept.
func TestObjectives(t *testing.T) {
	for name, m := range models() {
		src, cfg := m.write(t), small(t)
		loss := map[Objective]map[string]float64{}
		ratio := map[Objective]map[string]float64{}
		for _, o := range []Objective{ObjectiveLinear, ObjectiveModule, ObjectiveAuto} {
			cfg.Objective = o
			_, sum := run(t, src, cfg)
			loss[o], ratio[o] = map[string]float64{}, map[string]float64{}
			for _, l := range sum.Report.Linears {
				if l.Ratio == nil {
					continue
				}
				if !(*l.LossAWQ <= *l.LossRTN*1.5) {
					t.Errorf("%s: %s: %s: loss %v, round to nearest %v", name, o, l.Module, *l.LossAWQ, *l.LossRTN)
				}
				loss[o][l.Module], ratio[o][l.Module] = *l.LossAWQ, *l.Ratio
			}
		}
		if len(loss[ObjectiveModule]) < 6 {
			t.Fatalf("%s: %d scaled linears", name, len(loss[ObjectiveModule]))
		}
		for lin, l := range loss[ObjectiveModule] {
			auto := loss[ObjectiveAuto][lin]
			if filepath.Ext(lin) == ".down_proj" { // judged by itself in all three
				if ratio[ObjectiveLinear][lin] != ratio[ObjectiveModule][lin] || ratio[ObjectiveAuto][lin] != ratio[ObjectiveModule][lin] {
					t.Errorf("%s: %s: ratios %v", name, lin, ratio)
				}
			} else if auto < l*(1-1e-6) {
				t.Errorf("%s: %s: auto's loss %v among three is below the least of all, %v", name, lin, auto, l)
			}
		}
	}
}

// TestRefinementNeedsRoom: an order of magnitude in the promised memory, and an unknown word is refused.
func TestRefinementNeedsRoom(t *testing.T) {
	src, cfg := models()["llama"].write(t), small(t)
	peak := func() int64 {
		p, err := MakePlan(src, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return p.PeakMemory
	}
	plain := peak()
	cfg.Refine = RefineFast
	if refined := peak(); refined <= plain {
		t.Errorf("%d bytes with refinement, %d without", refined, plain)
	}
	if _, err := ParseRefinement("best-ever"); err == nil {
		t.Error("an unknown refinement is taken")
	}
	if _, err := ParseObjective("kl"); err == nil {
		t.Error("an unknown objective is taken")
	}
}
