// Package quant turns a float model folder into an AWQ folder and measures the result: the order of steps and nothing else.
// What varies by family, layout, format or device lives in the packages below it.
package quant

import (
	"errors"
	"fmt"
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
func ParseMethod(s string) (Method, error) {
	switch m := Method(strings.ToLower(s)); m {
	case AWQ, RTN:
		return m, nil
	}
	return "", fmt.Errorf("%w: method %q; known: awq, rtn", ErrInvalid, s)
}

// Config is everything that shapes a quantisation.
type Config struct {
	Method    Method
	Group     int // 32, 64, 128, 256; -1 = one group a row
	Symmetric bool
	Layout    string
	Clip      bool
	Duo       bool
	Calib     Text
	Samples   int // calibration windows
	SeqLen    int // tokens a window
	Seed      uint64
	Exclude   []string
	Overwrite bool
}

// DefaultConfig is what AutoAWQ does by default.
func DefaultConfig() Config {
	return Config{Method: AWQ, Group: 128, Layout: "gemm", Clip: true, Duo: true, Samples: 128, SeqLen: 512}
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
}

func newMeter(report Report, total float64) *meter {
	if report == nil {
		report = func(Progress) {}
	}
	return &meter{report: report, start: time.Now(), total: total}
}

func (m *meter) at(stage, item string, work float64) {
	m.done += work
	p := Progress{Stage: stage, Item: item, Fraction: min(1, m.done/m.total), Elapsed: time.Since(m.start), Left: -1}
	if p.Fraction > 0.02 {
		p.Left = time.Duration(float64(p.Elapsed) * (1 - p.Fraction) / p.Fraction)
	}
	m.report(p)
}
