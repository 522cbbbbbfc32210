// Package quant turns a float model folder into an AWQ folder and measures the result: the order of steps and nothing else.
// What varies by family, layout, format or device lives in the packages below it.
package quant

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Errors that callers tell apart; the ones of checkpoint, kernels, family and tokenizer pass through as well.
var (
	ErrUnsupported = errors.New("not supported")
	ErrInvalid     = errors.New("invalid request")
	ErrText        = errors.New("unusable text")
)

// Method is how codes are found.
type Method string

// AWQ searches scales and clips on calibration data; RTN rounds to nearest.
const (
	AWQ Method = "awq"
	RTN Method = "rtn"
)

// ParseMethod reads a flag.
func ParseMethod(s string) (Method, error) { return parse("method", s, AWQ, RTN) }

// parse finds a word among the known ones, in any case.
func parse[T ~string](what, s string, known ...T) (T, error) {
	if word := T(strings.ToLower(s)); slices.Contains(known, word) {
		return word, nil
	}
	return "", fmt.Errorf("%w: %s %q; known: %s", ErrInvalid, what, s, list(known))
}

// Objective is what the scale search minimises.
type Objective string

// Linear judges linears by their own outputs, through the second moments of their inputs: its cost doesn't depend on the number of
// tokens. Module is the published loss: siblings are judged at the output of the attention or gated MLP that they feed. Auto lets Module
// choose among the best few of Linear.
const (
	ObjectiveLinear Objective = "linear"
	ObjectiveModule Objective = "module"
	ObjectiveAuto   Objective = "auto"
)

// ParseObjective reads a flag.
func ParseObjective(s string) (Objective, error) {
	return parse("objective", s, ObjectiveLinear, ObjectiveModule, ObjectiveAuto)
}

// Refinement is what follows the scale and clip searches.
type Refinement string

// RefineFast moves codes and scales under the second moments of the inputs, a few sweeps; the files stay what they are.
const (
	RefineOff  Refinement = "off"
	RefineFast Refinement = "fast"
)

// ParseRefinement reads a flag.
func ParseRefinement(s string) (Refinement, error) {
	return parse("refinement", s, RefineOff, RefineFast)
}

// sweeps of kernels.Ops.Refine.
func (r Refinement) sweeps() int {
	if r == RefineFast {
		return 3
	}
	return 0
}

// Config is everything that shapes a quantisation.
type Config struct {
	Method    Method
	Group     int // 32, 64, 128, 256; -1 = one group a row
	Symmetric bool
	Layout    string
	Clip      bool
	Duo       bool
	Objective Objective
	Refine    Refinement
	Calib     Text
	Samples   int // calibration windows
	SeqLen    int // tokens a window
	Seed      uint64
	Exclude   []string
	Overwrite bool
}

// DefaultConfig is what AutoAWQ does by default.
func DefaultConfig() Config {
	return Config{Method: AWQ, Group: 128, Layout: "gemm", Clip: true, Duo: true, Objective: ObjectiveModule, Refine: RefineOff, Samples: 128, SeqLen: 512}
}

// Groups lists the group sizes offered.
func Groups() []int { return []int{32, 64, 128, 256, -1} }

func (c *Config) check() error {
	ok := false
	for _, g := range Groups() {
		ok = ok || g == c.Group
	}
	switch {
	case !ok:
		return fmt.Errorf("%w: group size %d; known: 32, 64, 128, 256, -1", ErrInvalid, c.Group)
	case c.Samples < 1 || c.Samples > 1<<20:
		return fmt.Errorf("%w: %d samples", ErrInvalid, c.Samples)
	case c.SeqLen < 2 || c.SeqLen > 1<<20:
		return fmt.Errorf("%w: windows of %d tokens", ErrInvalid, c.SeqLen)
	}
	return nil
}

// Progress is one report of a running job.
type Progress struct {
	Stage, Item string
	Fraction    float64
	Elapsed     time.Duration
	Left        time.Duration // < 0 while unknown
}

// Report receives progress; it must return quickly.
type Report func(Progress)

// meter turns done work into progress reports.
type meter struct {
	report Report
	start  time.Time
	total  float64
	done   float64

	last  time.Time
	spent map[string]time.Duration // by stage: since the report before
}

func newMeter(report Report, total float64) *meter {
	if report == nil {
		report = func(Progress) {}
	}
	now := time.Now()
	return &meter{report: report, start: now, total: total, last: now, spent: map[string]time.Duration{}}
}

func (m *meter) at(stage, item string, work float64) {
	m.done += work
	now := time.Now()
	m.spent[stage] += now.Sub(m.last)
	m.last = now
	p := Progress{Stage: stage, Item: item, Fraction: min(1, m.done/m.total), Elapsed: time.Since(m.start), Left: -1}
	if p.Fraction > 0.02 {
		p.Left = time.Duration(float64(p.Elapsed) * (1 - p.Fraction) / p.Fraction)
	}
	m.report(p)
}
