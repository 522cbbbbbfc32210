// The ops of a decoder block in float: norm, rotary embedding, masked softmax, gated activation.

package ref

import (
	"math"

	"libawq/kernels"
)

func rmsnorm(x kernels.Mat, weight []float32, eps float32, y kernels.Mat) error {
	if err := kernels.CheckRMSNorm(x, weight, y); err != nil {
		return err
	}
	for i := range x.Rows {
		src, dst := x.Row(i), y.Row(i)
		var sum float64
		for _, v := range src {
			sum += float64(v) * float64(v)
		}
		inv := 1 / math.Sqrt(sum/float64(len(src))+float64(eps))
		for j, v := range src {
			dst[j] = float32(float64(v) * float64(weight[j]) * inv)
		}
	}
	return nil
}

func rope(x kernels.Mat, heads, headDim, rot int, cos, sin []float32, interleaved bool) error {
	if err := kernels.CheckRope(x, heads, headDim, rot, cos, sin); err != nil {
		return err
	}
	half := rot / 2
	for i := range x.Rows {
		row := x.Row(i)
		c, s := cos[i*half:][:half], sin[i*half:][:half]
		for h := range heads {
			head := row[h*headDim:][:headDim]
			for j := range half {
				a, b := j, j+half
				if interleaved {
					a, b = 2*j, 2*j+1
				}
				u, v := float64(head[a]), float64(head[b])
				head[a] = float32(u*float64(c[j]) - v*float64(s[j]))
				head[b] = float32(v*float64(c[j]) + u*float64(s[j]))
			}
		}
	}
	return nil
}

func softmax(x kernels.Mat, scale float32, past, window int) error {
	if err := kernels.CheckSoftmax(x, past, window); err != nil {
		return err
	}
	for i := range x.Rows {
		row := x.Row(i)
		end := min(past+i+1, len(row))
		begin := 0
		if window > 0 {
			begin = min(max(past+i-window+1, 0), end)
		}
		clear(row[:begin])
		clear(row[end:])
		seen := row[begin:end]
		top := math.Inf(-1)
		for _, v := range seen {
			top = max(top, float64(scale)*float64(v))
		}
		var sum float64
		for _, v := range seen {
			sum += math.Exp(float64(scale)*float64(v) - top)
		}
		for j, v := range seen {
			seen[j] = float32(math.Exp(float64(scale)*float64(v)-top) / sum)
		}
	}
	return nil
}

func glu(gate, up, y kernels.Mat, act kernels.Act) error {
	if err := kernels.CheckGLU(gate, up, y, act); err != nil {
		return err
	}
	for i := range gate.Rows {
		g, u, dst := gate.Row(i), up.Row(i), y.Row(i)
		for j, v := range g {
			dst[j] = float32(float64(v) / (1 + math.Exp(-float64(v))) * float64(u[j]))
		}
	}
	return nil
}
