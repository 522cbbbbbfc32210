package quant

import (
	"math"
	"path/filepath"
	"strings"
	"time"

	"libawq/quant/calib"
	"libawq/quant/family"
	"libawq/quant/graph"
	"libawq/quant/search"
)

// Summary is what a quantisation did.
type Summary struct {
	Layers  int                `json:"layers"`
	Linears int                `json:"linears"`
	Seconds float64            `json:"seconds"`
	Stages  map[string]float64 `json:"stage_seconds"` // calibrate (forward and second moments), search, clip, refine, write
	Peak    int64              `json:"peak_rss_bytes"`
	In      int64              `json:"bytes_in"`
	Out     int64              `json:"bytes_out"`
	Report  Details            `json:"report"`
}

// Details is awq_report.json. It holds nothing that differs from run to run, so equal jobs write equal bytes.
type Details struct {
	Method     Method         `json:"method"`
	Group      int            `json:"group_size"`
	ZeroPoint  bool           `json:"zero_point"`
	Objective  Objective      `json:"objective,omitempty"`
	Refine     Refinement     `json:"refine,omitempty"`
	Calib      string         `json:"calibration,omitempty"`
	Windows    int            `json:"calibration_windows"`
	SeqLen     int            `json:"calibration_seq_len"`
	FoldChange float64        `json:"largest_fold_change"`
	Linears    []LinearReport `json:"linears"`
	Float      []PlannedFloat `json:"kept_in_float"`
}

// LinearReport is what was decided for one linear. Losses are those of its scale group, per output element.
type LinearReport struct {
	Module   string   `json:"module"`
	Ratio    *float64 `json:"ratio"` // nil: not scaled
	LossRTN  *float64 `json:"loss_rtn"`
	LossAWQ  *float64 `json:"loss_awq"`
	ClipGain *float64 `json:"clip_gain"`              // share of the group errors that clipping removed; nil: not clipped
	Rounded  *float64 `json:"loss_rounded,omitempty"` // of this linear by itself, after scale and clip, per output element
	Refined  *float64 `json:"loss_refined,omitempty"` // the same after refinement
	// The same two on a tenth of the windows that nothing was decided by.
	HeldRounded *float64 `json:"held_out_loss_rounded,omitempty"`
	HeldRefined *float64 `json:"held_out_loss_refined,omitempty"`
	Tokens      int64    `json:"tokens"`
	Warning     string   `json:"warning,omitempty"`
}

// record adds a block's decisions to the report.
func (j *job) record(b *graph.Block, groups []family.Group, results []*search.Result, stats map[string]*calib.Stats) {
	for _, lin := range j.model.Family.Linears() {
		name := j.model.BlockName(b.Index) + "." + lin
		if !j.plan.quantised[name] {
			continue
		}
		r := LinearReport{Module: name, Tokens: stats[lin].Tokens}
		for i, g := range groups {
			for _, into := range g.Into {
				if into == lin {
					r.Ratio, r.LossRTN, r.LossAWQ = finite(results[i].Ratio), finite(results[i].RTN), finite(results[i].Loss)
					if r.Ratio == nil {
						r.Warning = "no finite loss: left unscaled"
					}
				}
			}
		}
		if gain, ok := j.gains[lin]; ok {
			r.ClipGain = &gain
		}
		j.layers = append(j.layers, r)
	}
}

func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

func (j *job) summary(start time.Time) *Summary {
	d := Details{Method: j.cfg.Method, Group: j.cfg.Group, ZeroPoint: !j.cfg.Symmetric, FoldChange: j.folds, Linears: j.layers, Float: j.plan.Float}
	if j.cfg.Method == AWQ {
		d.Objective, d.Refine = j.cfg.Objective, j.cfg.Refine
		d.Calib, d.Windows, d.SeqLen = filepath.Base(j.cfg.Calib.name()), len(j.windows), j.cfg.SeqLen
	} else {
		for _, lin := range j.model.Family.Linears() {
			for i := 0; i < j.model.Config.Layers; i++ {
				if name := j.model.BlockName(i) + "." + lin; j.plan.quantised[name] {
					d.Linears = append(d.Linears, LinearReport{Module: name})
				}
			}
		}
	}
	for i := range d.Linears {
		if r, ok := j.refined[d.Linears[i].Module]; ok {
			l := &d.Linears[i]
			l.Rounded, l.Refined = finite(r.calib.Rounded), finite(r.calib.Refined)
			if r.held != nil {
				l.HeldRounded, l.HeldRefined = finite(r.held.Rounded), finite(r.held.Refined)
			}
			if r.refused {
				l.Warning = strings.TrimPrefix(l.Warning+"; refinement was worse on windows held out: left as rounded", "; ")
			}
		}
	}
	stages := map[string]float64{}
	for stage, d := range j.meter.spent {
		stages[stage] = d.Seconds()
	}
	return &Summary{Layers: j.model.Config.Layers, Linears: j.plan.Linears, Seconds: time.Since(start).Seconds(), Stages: stages, Peak: PeakRSS(),
		In: j.plan.BytesIn, Out: j.plan.BytesOut, Report: d}
}
