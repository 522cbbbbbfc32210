// Float products. The sums are float64 over the whole of k; blocks only decide what is converted when, so that each value
// is converted once a block and the inner loop runs over dense float64.

package ref

import "libawq/kernels"

const (
	blockRows = 32 // rows of a converted at a time
	panelCols = 4  // columns of op(b) in one panel
)

func gemm(a, b, c kernels.Mat, alpha float32, transB, accumulate bool) error {
	if err := kernels.CheckGemm(a, b, c, transB); err != nil {
		return err
	}
	k := a.Cols
	rows := make([]float64, blockRows*k)
	panel := make([]float64, panelCols*k)
	for i0 := 0; i0 < c.Rows; i0 += blockRows {
		i1 := min(i0+blockRows, c.Rows)
		for i := i0; i < i1; i++ {
			widen(rows[(i-i0)*k:][:k], a.Row(i))
		}
		if (i1-i0)%2 != 0 { // the inner loop takes rows in pairs
			clear(rows[(i1-i0)*k:][:k])
		}
		for j0 := 0; j0 < c.Cols; j0 += panelCols {
			width := min(panelCols, c.Cols-j0)
			packPanel(panel, b, j0, width, k, transB)
			for i := i0; i < i1; i += 2 {
				var sum [2][panelCols]float64
				dot2x4(&sum, rows[(i-i0)*k:][:k], rows[(i-i0+1)*k:][:k], panel)
				for di := range min(2, i1-i) {
					dst := c.Data[(i+di)*c.Stride+j0:][:width]
					for j := range dst {
						v := float64(alpha) * sum[di][j]
						if accumulate {
							v += float64(dst[j])
						}
						dst[j] = float32(v)
					}
				}
			}
		}
	}
	return nil
}

func widen(dst []float64, src []float32) {
	for i, v := range src {
		dst[i] = float64(v)
	}
}

// packPanel lays columns j0.. of op(b) side by side: panel[4*l+j] = op(b)[l][j0+j], zeros beyond width.
func packPanel(panel []float64, b kernels.Mat, j0, width, k int, transB bool) {
	if width < panelCols {
		clear(panel)
	}
	for j := range width {
		if transB {
			for l, v := range b.Row(j0 + j) {
				panel[panelCols*l+j] = float64(v)
			}
			continue
		}
		for l := range k {
			panel[panelCols*l+j] = float64(b.Data[l*b.Stride+j0+j])
		}
	}
}

func dot2x4(sum *[2][panelCols]float64, a0, a1, panel []float64) {
	var s00, s01, s02, s03, s10, s11, s12, s13 float64
	a1 = a1[:len(a0)]
	panel = panel[:panelCols*len(a0)]
	for l, x := range a0 {
		y := a1[l]
		p := panel[panelCols*l:][:panelCols]
		s00 += x * p[0]
		s01 += x * p[1]
		s02 += x * p[2]
		s03 += x * p[3]
		s10 += y * p[0]
		s11 += y * p[1]
		s12 += y * p[2]
		s13 += y * p[3]
	}
	*sum = [2][panelCols]float64{{s00, s01, s02, s03}, {s10, s11, s12, s13}}
}
