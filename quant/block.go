package quant

import (
	"fmt"
	"math"
	"strings"

	"libawq/kernels"
	"libawq/quant/calib"
	"libawq/quant/family"
	"libawq/quant/graph"
	"libawq/quant/search"
)

// findings are what the searches of a block leave for the rounding of its linears, by their names in the block.
type findings struct {
	stats  map[string]*calib.Stats // of the inputs before the fold
	held   map[string]*calib.Stats // the same of windows that nothing is decided by; nil without refinement
	scale  map[string][]float32    // folded into the weights; the inputs are divided by it
	limits map[string][]float32    // clip limits [N, K/Group]; none: not clipped
}

func (f *findings) close() {
	for _, stats := range []map[string]*calib.Stats{f.stats, f.held} {
		for _, s := range unique(stats) {
			s.Close()
		}
	}
}

// search runs a block on the calibration windows, finds and folds its scales, and searches clip limits. All searches see the original
// weights and inputs. j.x holds the block's original output afterwards. The caller closes the findings.
func (j *job) search(b *graph.Block) (*findings, error) {
	found := &findings{stats: map[string]*calib.Stats{}, held: map[string]*calib.Stats{}, scale: map[string][]float32{}}
	err := j.calibrate(b, found)
	if err == nil {
		err = j.decide(b, found)
	}
	if err != nil {
		found.close()
		return nil, err
	}
	return found, nil
}

// decide finds a block's scales, folds them and searches clip limits.
func (j *job) decide(b *graph.Block, found *findings) (err error) {
	f, stats := j.model.Family, found.stats
	groups := j.groups(b.Index)
	results := make([]*search.Result, len(groups))
	for i, g := range groups {
		if results[i], err = search.Scale(j.ops, j.problem(b, g, stats), j.poll); err != nil {
			return fmt.Errorf("%s: %w", g.Into[0], err)
		}
		j.meter.at("search", j.model.BlockName(b.Index)+"."+strings.Join(g.Into, ","), 0.6/float64(len(groups)))
	}
	for i, g := range groups {
		store := kernels.F32
		if t, ok := j.model.reader.Lookup(j.model.BlockName(b.Index) + "." + g.Prev + ".weight"); ok {
			if store, err = floatType(t); err != nil {
				return err
			}
		}
		if err := fold(f, b, g, results[i].S, store); err != nil {
			return err
		}
		for _, lin := range g.Into {
			found.scale[lin] = results[i].S
		}
	}
	x := j.window(j.x, 0)
	sum(j.mid, x, j.window(j.o, 0))
	sum(j.mid, j.mid, j.window(j.m, 0))
	rel, err := checkFold(j.ops, j.runner, b, x, j.mid, j.scratch)
	if err != nil {
		return err
	}
	j.folds = math.Max(j.folds, rel)
	sum(j.x, j.x, j.o)
	sum(j.x, j.x, j.m)
	if found.limits, err = j.clips(b, stats, found.scale); err != nil {
		return err
	}
	j.record(b, groups, results, stats)
	return nil
}

// quantised lists those of some linears of a block that are quantised; the others stay in float and need no statistics.
func (j *job) quantised(block int, linears []string) []string {
	var out []string
	for _, lin := range linears {
		if j.plan.quantised[j.model.BlockName(block)+"."+lin] {
			out = append(out, lin)
		}
	}
	return out
}

// groups are the scale groups of a block with at least one quantised linear.
func (j *job) groups(block int) []family.Group {
	var out []family.Group
	for _, g := range j.model.Family.ActiveGroups(j.model.Config) {
		if len(j.quantised(block, g.Into)) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// heldOut is the number of windows, the last ones, that only judge a refinement: a tenth.
func (j *job) heldOut() int {
	if j.cfg.Refine == RefineOff {
		return 0
	}
	return len(j.windows) / 10
}

// calibrate runs all windows through the block and gathers the statistics of each linear's input.
func (j *job) calibrate(b *graph.Block, found *findings) error {
	full := map[string]bool{} // judged by a Gram matrix
	for _, g := range j.groups(b.Index) {
		full[g.Into[0]] = g.Through == family.ThroughLinear || j.cfg.Objective != ObjectiveModule
	}
	stats := found.stats
	tap := func(names []string, x kernels.Mat) error {
		if names = j.quantised(b.Index, names); len(names) == 0 {
			return nil
		}
		s := stats[names[0]]
		if s == nil {
			var err error
			if s, err = calib.NewStats(x.Cols, groupOf(j.cfg.Group, x.Cols), full[names[0]] || j.cfg.Refine != RefineOff, j.cfg.SeqLen); err != nil {
				return err
			}
			for _, n := range names {
				stats[n] = s
			}
		}
		return s.Add(j.ops, x)
	}
	for i := range j.windows {
		if err := j.poll(); err != nil {
			return err
		}
		if i >= len(j.windows)-j.heldOut() {
			stats = found.held
		}
		x, o := j.window(j.x, i), j.window(j.o, i)
		if err := j.runner.Attention(b, x, o, tap, nil); err != nil {
			return err
		}
		sum(j.mid, x, o)
		if err := j.runner.MLP(b, j.mid, j.window(j.m, i), tap); err != nil {
			return err
		}
		j.meter.at("calibrate", j.model.BlockName(b.Index), 0.1/float64(len(j.windows)))
	}
	return nil
}

// finalists is how many ratios the published loss decides among with ObjectiveAuto.
const finalists = 3

// problem states the scale search of one group. Only its quantised linears vary; a linear that stays in float computes the same
// whatever the scale.
func (j *job) problem(b *graph.Block, g family.Group, stats map[string]*calib.Stats) search.Problem {
	vary := j.quantised(b.Index, g.Into)
	s := stats[vary[0]]
	p := search.Problem{AbsMean: s.AbsMean(), Group: s.Group, Symmetric: j.cfg.Symmetric, Duo: j.cfg.Duo, Tokens: s.Tokens}
	for _, lin := range vary {
		p.Layers = append(p.Layers, b.Linears[lin].W)
	}
	if g.Through == family.ThroughLinear || j.cfg.Objective != ObjectiveModule {
		p.Gram, p.Finalists = s.Gram(), finalists
	}
	if g.Through != family.ThroughLinear && j.cfg.Objective != ObjectiveLinear {
		p.Loss = func(layers []kernels.Mat, limit float64) (float64, error) {
			return j.through(b, g, vary, layers, limit)
		}
	}
	return p
}

// through is the published loss of sibling linears: the mean squared change of the output of the module they feed. It is a sum
// over windows, so it stops once it exceeds the limit.
func (j *job) through(b *graph.Block, g family.Group, vary []string, layers []kernels.Mat, limit float64) (float64, error) {
	replace := map[string]kernels.Mat{}
	for i, lin := range vary {
		replace[lin] = layers[i]
	}
	candidate := b.With(replace)
	var total float64
	windows := len(j.windows) - j.heldOut()
	elements := float64(windows) * float64(j.cfg.SeqLen) * float64(j.model.Config.Hidden)
	for i := range windows {
		if err := j.poll(); err != nil {
			return 0, err
		}
		if total/elements > limit {
			break
		}
		x, o := j.window(j.x, i), j.window(j.o, i)
		got := j.scratch
		var diff float64
		var err error
		if g.Through == family.ThroughAttention {
			if err = j.runner.Attention(candidate, x, got, nil, nil); err == nil {
				diff, err = j.ops.SqDiff(got, o)
			}
		} else {
			sum(j.mid, x, o)
			if err = j.runner.MLP(candidate, j.mid, got, nil); err == nil {
				diff, err = j.ops.SqDiff(got, j.window(j.m, i))
			}
		}
		if err != nil {
			return 0, err
		}
		total += diff
		j.meter.at("search", j.model.BlockName(b.Index)+"."+g.Into[0], 0)
	}
	return total / elements, nil
}

// clips searches the clip limits of the folded weights under the folded inputs.
func (j *job) clips(b *graph.Block, stats map[string]*calib.Stats, scale map[string][]float32) (map[string][]float32, error) {
	limits := map[string][]float32{}
	if !j.cfg.Clip {
		return limits, nil
	}
	j.gains = map[string]float64{}
	for _, lin := range j.model.Family.Linears() {
		if !j.model.Family.Clips(lin) || !j.plan.quantised[j.model.BlockName(b.Index)+"."+lin] {
			continue
		}
		if err := j.poll(); err != nil {
			return nil, err
		}
		s, l := stats[lin], b.Linears[lin]
		buf, err := kernels.NewBuffer(4 * s.K * s.Group)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", lin, err)
		}
		s.Blocks(scale[lin], buf.Float32())
		size := l.N * (l.K / s.Group)
		limit, best, plain := make([]float32, size), make([]float32, size), make([]float32, size)
		err = j.clip(l.W, buf.Float32(), s.Group, limit, best, plain)
		buf.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", lin, err)
		}
		var before, after float64
		for i := range plain {
			before += float64(plain[i])
			after += float64(best[i])
		}
		if before > 0 {
			j.gains[lin] = 1 - after/before
		}
		limits[lin] = limit
	}
	j.meter.at("clip", j.model.BlockName(b.Index), 0.2)
	return limits, nil
}

// clip searches some rows at a time, so that a job can be cancelled in between.
func (j *job) clip(w kernels.Mat, gram []float32, group int, limit, best, plain []float32) error {
	const rows = 512
	groups := w.Cols / group
	for lo := 0; lo < w.Rows; lo += rows {
		if err := j.poll(); err != nil {
			return err
		}
		hi := min(lo+rows, w.Rows)
		if err := j.ops.Clip(w.Slice(lo, hi), gram, group, j.cfg.Symmetric, limit[lo*groups:hi*groups], best[lo*groups:hi*groups], plain[lo*groups:hi*groups]); err != nil {
			return err
		}
	}
	return nil
}

func unique(stats map[string]*calib.Stats) map[*calib.Stats]*calib.Stats {
	seen := map[*calib.Stats]*calib.Stats{}
	for _, s := range stats {
		seen[s] = s
	}
	return seen
}

// sum writes a + b to out, row by row; out may be a or b.
func sum(out, a, b kernels.Mat) {
	for i := 0; i < out.Rows; i++ {
		o, p, q := out.Row(i), a.Row(i), b.Row(i)
		for k := range o {
			o[k] = p[k] + q[k]
		}
	}
}
