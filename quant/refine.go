package quant

import (
	"libawq/kernels"
	"libawq/quant/calib"
	"libawq/quant/graph"
)

// damping raises the diagonal of the second moments, as a share of its mean: directions that the calibration text never took still cost
// something.
const damping = 1e-4

// refine lowers the loss of a rounded linear, tr(D H DT) with D = what rounding changes and H the mean second moments of its folded inputs,
// by moving codes and scales. Some rows at a time, so that a job can be cancelled in between; rows don't depend on each other.
func (j *job) refine(name string, l *graph.Linear, q *kernels.QWeight, stats *calib.Stats, scale []float32) error {
	buf, h, err := kernels.NewMatBuffer(l.K, l.K)
	if err != nil {
		return err
	}
	defer buf.Close()
	stats.Moments(scale, damping, h)
	before, after := make([]float64, l.N), make([]float64, l.N)
	rows := max(64, int(refineWork/(float64(l.K)*float64(l.K)))/64*64)
	groups := l.K / q.Group
	for lo := 0; lo < l.N; lo += rows {
		if err := j.poll(); err != nil {
			return err
		}
		hi := min(lo+rows, l.N)
		part := &kernels.QWeight{N: hi - lo, K: l.K, Group: q.Group, Codes: q.Codes[lo*l.K/2 : hi*l.K/2], Scales: q.Scales[lo*groups : hi*groups],
			Zeros: q.Zeros[lo*groups : hi*groups]}
		if err := j.ops.Refine(l.W.Slice(lo, hi), kernels.Mat{}, h, part, j.cfg.Refine.sweeps(), before[lo:hi], after[lo:hi]); err != nil {
			return err
		}
	}
	j.meter.at("refine", name, 0)
	j.refined[name] = [2]float64{total(before) / float64(l.N), total(after) / float64(l.N)}
	return nil
}

// refineWork is how many products may pass between two looks at the caller.
const refineWork = 2e9

func total(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	return sum
}
