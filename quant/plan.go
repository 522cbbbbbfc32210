package quant

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"libawq/quant/checkpoint"
	"libawq/quant/family"
	"libawq/quant/pack"
)

// Plan is what a quantisation will do, known from headers alone.
type Plan struct {
	Architecture string           `json:"architecture"`
	Layers       int              `json:"layers"`
	Method       Method           `json:"method"`
	Group        int              `json:"group_size"`
	ZeroPoint    bool             `json:"zero_point"`
	Layout       string           `json:"layout"`
	Linears      int              `json:"linears"`
	Shapes       []PlannedShape   `json:"shapes"`
	Float        []PlannedFloat   `json:"kept_in_float"`
	Scaled       []string         `json:"scale_groups"`
	Skipped      []string         `json:"skipped_scale_groups,omitempty"`
	Dividing     map[string][]int `json:"dividing_group_sizes"`
	Usable       []int            `json:"usable_group_sizes"`
	BytesIn      int64            `json:"bytes_in"`
	BytesOut     int64            `json:"bytes_out"`
	PeakMemory   int64            `json:"peak_memory_bytes"`
	Problem      string           `json:"problem,omitempty"`

	model     *Model
	layout    *pack.Layout
	quantised map[string]bool // full module names
	outputs   []checkpoint.Info
}

// PlannedShape counts the quantised linears of one name.
type PlannedShape struct {
	Linear string `json:"linear"`
	N      int    `json:"n"`
	K      int    `json:"k"`
	Count  int    `json:"count"`
}

// PlannedFloat is a linear that stays in float, and why.
type PlannedFloat struct {
	Module string `json:"module"`
	Reason string `json:"reason"`
}

// MakePlan opens src and works out what Quantize would do. A configuration that can't work gives the error and, where the
// model itself is readable, the plan with the same text in Problem.
func MakePlan(src string, cfg Config) (*Plan, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	layout, err := pack.Find(cfg.Layout)
	if err != nil {
		return nil, err
	}
	ex, err := newExcluder(cfg.Exclude)
	if err != nil {
		return nil, err
	}
	m, err := OpenModel(src)
	if err != nil {
		return nil, err
	}
	if m.Config.Quantization != nil {
		m.Close()
		return nil, fmt.Errorf("%s: %w: already quantised (quant_method %q)", src, ErrUnsupported, m.Config.Quantization.Method)
	}
	p := &Plan{Architecture: m.Config.Architecture, Layers: m.Config.Layers, Method: cfg.Method, Group: cfg.Group, ZeroPoint: !cfg.Symmetric,
		Layout: layout.Name, Dividing: map[string][]int{}, model: m, layout: layout, quantised: map[string]bool{}}
	p.groups(cfg)
	if err := errors.Join(p.linears(cfg, ex), ex.unusedUnlessHead(m)); err != nil {
		p.Problem = strings.ReplaceAll(err.Error(), "\n", "; ")
		return p, err
	}
	p.tensors(cfg)
	p.PeakMemory = p.peak(cfg)
	return p, nil
}

// Close releases the model.
func (p *Plan) Close() { p.model.Close() }

// unusedUnlessHead is unused, but naming the output matrix is always right: it is never quantised.
func (e *excluder) unusedUnlessHead(m *Model) error {
	e.match(m.Family.Head)
	return e.unused()
}

func (p *Plan) groups(cfg Config) {
	f, c := p.model.Family, p.model.Config
	active := map[string]bool{}
	for _, g := range f.ActiveGroups(c) {
		p.Scaled = append(p.Scaled, g.Prev+" -> "+strings.Join(g.Into, ", "))
		active[g.Prev+g.Into[0]] = true
	}
	for _, g := range f.Groups {
		if !active[g.Prev+g.Into[0]] {
			p.Skipped = append(p.Skipped, g.Prev+" -> "+strings.Join(g.Into, ", ")+": shapes differ, the fold is not exact")
		}
	}
	for _, lin := range f.Linears() {
		_, k := f.Shape(c, lin)
		var fits []int
		for _, g := range Groups() {
			if g == -1 || k%g == 0 {
				fits = append(fits, g)
			}
		}
		p.Dividing[lin] = fits
	}
	for _, g := range Groups() {
		all := true
		for _, lin := range f.Linears() {
			_, k := f.Shape(c, lin)
			all = all && (g == -1 || k%g == 0)
		}
		if all {
			p.Usable = append(p.Usable, g)
		}
	}
}

func (p *Plan) linears(cfg Config, ex *excluder) error {
	m := p.model
	var bad error
	for _, lin := range m.Family.Linears() {
		n, k := m.Family.Shape(m.Config, lin)
		count := 0
		for i := 0; i < m.Config.Layers; i++ {
			full := m.BlockName(i) + "." + lin
			if pattern, ok := ex.match(full); ok {
				p.Float = append(p.Float, PlannedFloat{full, "excluded by " + pattern})
				continue
			}
			group := groupOf(cfg.Group, k)
			if k%group != 0 {
				if bad == nil {
					bad = fmt.Errorf("%s: %w: group_size %d does not divide k=%d; sizes that divide every linear of the model: %s",
						full, ErrUnsupported, cfg.Group, k, list(p.Usable))
				}
				continue
			}
			if err := p.layout.Check(n, k, group); err != nil && bad == nil {
				bad = fmt.Errorf("%s: %w", full, err)
			}
			p.quantised[full] = true
			count++
		}
		if count > 0 {
			p.Shapes = append(p.Shapes, PlannedShape{lin, n, k, count})
			p.Linears += count
		}
	}
	p.Float = append(p.Float, PlannedFloat{m.Family.Head, "output matrix"})
	if bad == nil && p.Linears == 0 {
		bad = fmt.Errorf("%w: every linear is excluded", ErrInvalid)
	}
	return bad
}

func groupOf(group, k int) int {
	if group == -1 {
		return k
	}
	return group
}

func list[T any](v []T) string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(v), " ", ", "), "[]")
}

// tensors lists what will be written: packed linears in place of their weights, everything else as it is.
func (p *Plan) tensors(cfg Config) {
	m := p.model
	for _, t := range m.reader.Tensors() {
		size, _ := t.Bytes()
		p.BytesIn += size
		module, isWeight := strings.CutSuffix(t.Name, ".weight")
		module2, isBias := strings.CutSuffix(t.Name, ".bias")
		switch {
		case isWeight && p.quantised[module]:
			n, k := int(t.Shape[0]), int(t.Shape[1])
			for _, packed := range p.layout.Tensors(n, k, groupOf(cfg.Group, k)) {
				p.outputs = append(p.outputs, checkpoint.Info{Name: module + "." + packed.Suffix, DType: checkpoint.DType(packed.DType), Shape: packed.Shape})
				p.BytesOut += packed.Bytes()
			}
			continue
		case isBias && p.quantised[module2]:
			t.DType = "F16" // what readers of the layout expect
		case m.Config.Tied && t.Name == m.Family.Head+".weight":
			continue // a second copy of the embedding
		}
		p.outputs = append(p.outputs, t)
		size, _ = t.Bytes()
		p.BytesOut += size
	}
	sort.Slice(p.outputs, func(i, j int) bool { return p.outputs[i].Name < p.outputs[j].Name })
}

// peak adds up what Quantize holds at once: hidden states, one block, candidates of the largest group, second moments.
func (p *Plan) peak(cfg Config) int64 {
	m := p.model
	c, f := m.Config, m.Family
	var block, largest, gram int64
	for _, lin := range f.Linears() {
		n, k := f.Shape(c, lin)
		block += int64(n) * int64(k)
	}
	const program = 60 << 20
	if cfg.Method == RTN {
		return 4*block + block + program
	}
	grouped := map[string]bool{}
	var widest int64
	moments := func(k int64, full bool) {
		switch {
		case cfg.Refine != RefineOff:
			gram += 2 * k * k // of the windows held out as well
		case full:
			gram += k * k
		default:
			gram += k * int64(groupOf(cfg.Group, int(k)))
		}
		widest = max(widest, k)
	}
	for _, g := range f.ActiveGroups(c) {
		var size, width int64
		for _, lin := range g.Into {
			n, k := f.Shape(c, lin)
			size += int64(n) * int64(k)
			width = int64(k)
			grouped[lin] = true
		}
		moments(width, g.Through == family.ThroughLinear || cfg.Objective != ObjectiveModule)
		largest = max(largest, size)
	}
	for _, lin := range f.Linears() {
		if _, k := f.Shape(c, lin); !grouped[lin] {
			moments(int64(k), false)
		}
	}
	if cfg.Refine != RefineOff {
		largest = max(largest, widest*widest)
	}
	tokens := int64(cfg.Samples) * int64(cfg.SeqLen)
	rows := int64(cfg.SeqLen)
	scratch := rows * (4*int64(c.Hidden) + 2*int64(c.Heads*c.HeadDim) + 2*int64(c.KVHeads*c.HeadDim) + 3*int64(c.Intermediate) + rows)
	return 4*(3*tokens*int64(c.Hidden)+2*block+largest+gram+scratch) + program
}
