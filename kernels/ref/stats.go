// The ops that reduce to numbers: activation statistics, squared differences, comparison of logits.

package ref

import (
	"math"

	"libawq/kernels"
)

func abssum(x kernels.Mat, sums []float64) error {
	if err := kernels.CheckAbsSum(x, sums); err != nil {
		return err
	}
	for i := range x.Rows {
		for j, v := range x.Row(i) {
			sums[j] += math.Abs(float64(v))
		}
	}
	return nil
}

func sqdiff(a, b kernels.Mat) (float64, error) {
	if err := kernels.CheckSqDiff(a, b); err != nil {
		return 0, err
	}
	var sum float64
	for i := range a.Rows {
		row := a.Row(i)
		if b.Data == nil {
			for _, v := range row {
				sum += float64(v) * float64(v)
			}
			continue
		}
		other := b.Row(i)
		for j, v := range row {
			d := float64(v) - float64(other[j])
			sum += d * d
		}
	}
	return sum, nil
}

func logits(p, q kernels.Mat, targets []int32, nll, kl []float64, agree []uint8) error {
	if err := kernels.CheckLogits(p, q, targets, nll, kl, agree); err != nil {
		return err
	}
	for i := range q.Rows {
		qr := q.Row(i)
		qTop, qAt := top(qr)
		qLog := logSumExp(qr, qTop)
		nll[i] = 0
		if t := targets[i]; t >= 0 {
			nll[i] = qLog - float64(qr[t])
		}
		if p.Data == nil {
			continue
		}
		pr := p.Row(i)
		pTop, pAt := top(pr)
		pLog := logSumExp(pr, pTop)
		var sum float64
		for j, v := range pr {
			lp := float64(v) - pLog
			if w := math.Exp(lp); w > 0 { // a token that p excludes weighs nothing, whatever q says
				sum += w * (lp - (float64(qr[j]) - qLog))
			}
		}
		kl[i] = sum
		agree[i] = 0
		if pAt == qAt {
			agree[i] = 1
		}
	}
	return nil
}

// top is the largest value and its lowest index.
func top(row []float32) (float64, int) {
	at := 0
	for j, v := range row {
		if v > row[at] {
			at = j
		}
	}
	return float64(row[at]), at
}

func logSumExp(row []float32, top float64) float64 {
	var sum float64
	for _, v := range row {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum)
}
