package quant

import (
	"slices"

	"libawq/kernels"
	"libawq/quant/calib"
	"libawq/quant/graph"
)

// damping raises the diagonal of the second moments, as a share of its mean: directions that the calibration text never took still cost
// something.
const damping = 1e-4

// refineWork is how many products may pass between two looks at the caller.
const refineWork = 2e9

// change is a loss of a linear after rounding and after refinement, per output element.
type change struct{ Rounded, Refined float64 }

// refinement is what was measured of a linear.
type refinement struct {
	calib   change
	held    *change // on windows that the refinement did not see; nil: there were none
	refused bool    // the rounding stayed, since it was better there
}

// refine lowers the loss of a rounded linear, tr(D H DT) with D = what rounding changes and H the mean second moments of its folded inputs,
// by moving codes and scales. Where the windows that were held out say that this made it worse, the rounding stays.
func (j *job) refine(name string, l *graph.Linear, q *kernels.QWeight, stats, held *calib.Stats, scale []float32) error {
	buf, h, err := kernels.NewMatBuffer(l.K, l.K)
	if err != nil {
		return err
	}
	defer buf.Close()
	codes, scales := slices.Clone(q.Codes), slices.Clone(q.Scales)
	var r refinement
	stats.Moments(scale, damping, h)
	if r.calib.Rounded, r.calib.Refined, err = j.sweep(l.W, h, q, j.cfg.Refine.sweeps()); err != nil {
		return err
	}
	if held != nil {
		held.Moments(scale, 0, h)
		rounded := &kernels.QWeight{N: q.N, K: q.K, Group: q.Group, Codes: codes, Scales: scales, Zeros: q.Zeros}
		r.held = &change{}
		if r.held.Rounded, _, err = j.sweep(l.W, h, rounded, 0); err != nil {
			return err
		}
		if r.held.Refined, _, err = j.sweep(l.W, h, q, 0); err != nil {
			return err
		}
		if r.refused = !(r.held.Refined <= r.held.Rounded); r.refused {
			copy(q.Codes, codes)
			copy(q.Scales, scales)
		}
	}
	j.meter.at("refine", name, 0)
	j.refined[name] = r
	return nil
}

// sweep is kernels.Ops.Refine some rows at a time, so that a job can be cancelled in between; rows don't depend on each other. It returns
// the losses before and after per output element.
func (j *job) sweep(w, h kernels.Mat, q *kernels.QWeight, sweeps int) (before, after float64, err error) {
	was, is := make([]float64, q.N), make([]float64, q.N)
	rows := max(64, int(refineWork/(float64(q.K)*float64(q.K)))/64*64)
	groups := q.K / q.Group
	for lo := 0; lo < q.N; lo += rows {
		if err := j.poll(); err != nil {
			return 0, 0, err
		}
		hi := min(lo+rows, q.N)
		part := &kernels.QWeight{N: hi - lo, K: q.K, Group: q.Group, Codes: q.Codes[lo*q.K/2 : hi*q.K/2], Scales: q.Scales[lo*groups : hi*groups],
			Zeros: q.Zeros[lo*groups : hi*groups]}
		if err := j.ops.Refine(w.Slice(lo, hi), kernels.Mat{}, h, part, sweeps, was[lo:hi], is[lo:hi]); err != nil {
			return 0, 0, err
		}
	}
	return total(was) / float64(q.N), total(is) / float64(q.N), nil
}

func total(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum
}
