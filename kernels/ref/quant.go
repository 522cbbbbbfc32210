// The ops of the search and of the final rounding: fake quantisation, clip search, quantisation.

package ref

import "libawq/kernels"

func fakequant(w kernels.Mat, s, limit []float32, group int, symmetric, difference bool, out kernels.Mat) error {
	if err := kernels.CheckFakeQuant(w, s, limit, group, out); err != nil {
		return err
	}
	scaled := make([]float32, group)
	for n := range w.Rows {
		row, dst := w.Row(n), out.Row(n)
		for k := 0; k < w.Cols; k += group {
			for i, v := range row[k : k+group] {
				if s != nil {
					v *= s[k+i]
				}
				if limit != nil {
					l := limit[(n*w.Cols+k)/group]
					v = clamp(v, -l, l)
				}
				scaled[i] = v
			}
			r := newRule(scaled, symmetric)
			for i, v := range scaled {
				q := float32(r.value(r.code(v))) // the conversion keeps Go from fusing this product with the difference
				if s != nil {
					q /= s[k+i]
				}
				if difference {
					q -= row[k+i]
				}
				dst[k+i] = q
			}
		}
	}
	return nil
}

func quantize(w kernels.Mat, limit []float32, symmetric bool, q *kernels.QWeight) error {
	if err := kernels.CheckQuantize(w, limit, q); err != nil {
		return err
	}
	clear(q.Codes)
	clamped := make([]float32, q.Group)
	for n := range w.Rows {
		row := w.Row(n)
		for k := 0; k < w.Cols; k += q.Group {
			g := (n*w.Cols + k) / q.Group
			for i, v := range row[k : k+q.Group] {
				if limit != nil {
					v = clamp(v, -limit[g], limit[g])
				}
				clamped[i] = v
			}
			r, half := newHalfRule(clamped, symmetric)
			q.Scales[g], q.Zeros[g] = half, uint8(r.zero)
			for i, v := range clamped {
				at := n*w.Cols + k + i
				q.Codes[at/2] |= uint8(r.code(v)) << (4 * (at & 1))
			}
		}
	}
	return nil
}

// Candidates of the clip search: max|w| times 1, 0.95 ... 0.55.
const clipSteps = 10

func clip(w kernels.Mat, gram []float32, group int, symmetric bool, limit, best, plain []float32) error {
	if err := kernels.CheckClip(w, gram, group, limit, best, plain); err != nil {
		return err
	}
	clamped := make([]float32, group)
	diff := make([]float64, group)
	for n := range w.Rows {
		row := w.Row(n)
		for k := 0; k < w.Cols; k += group {
			var top float32
			for _, v := range row[k : k+group] {
				top = max(top, v, -v)
			}
			at := (n*w.Cols + k) / group
			var least float64
			for step := range clipSteps {
				l := top * float32(1-float64(step)/20)
				for i, v := range row[k : k+group] {
					clamped[i] = clamp(v, -l, l)
				}
				r := newRule(clamped, symmetric)
				for i, v := range clamped {
					diff[i] = float64(float32(r.value(r.code(v))) - row[k+i])
				}
				e := quadratic(diff, gram[k*group:(k+group)*group])
				if step == 0 {
					plain[at] = float32(e)
				}
				if step == 0 || e < least {
					least, limit[at], best[at] = e, l, float32(e)
				}
			}
		}
	}
	return nil
}

// quadratic is dᵀ·G·d.
func quadratic(d []float64, g []float32) float64 {
	var sum float64
	for i, di := range d {
		var dot float64
		for j, dj := range d {
			dot += float64(g[i*len(d)+j]) * dj
		}
		sum += di * dot
	}
	return sum
}
