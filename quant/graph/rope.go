package graph

import (
	"math"

	"libawq/quant/family"
)

// Inverse returns the inverse frequencies of the rotary dimensions and the factor on cos and sin.
func Inverse(r family.Rope, headDim int) ([]float64, float64) {
	d := int(float64(headDim) * r.Partial)
	inv := make([]float64, d/2)
	for i := range inv {
		inv[i] = math.Pow(r.Theta, -2*float64(i)/float64(d))
	}
	switch r.Type {
	case "linear":
		for i := range inv {
			inv[i] /= r.Factor
		}
	case "llama3":
		for i, f := range inv {
			lambda := 2 * math.Pi / f
			switch {
			case lambda < r.Original/r.HighFreq:
			case lambda > r.Original/r.LowFreq:
				inv[i] = f / r.Factor
			default:
				t := (r.Original/lambda - r.LowFreq) / (r.HighFreq - r.LowFreq)
				inv[i] = (1-t)*f/r.Factor + t*f
			}
		}
	case "yarn":
		return yarn(r, inv, d)
	}
	return inv, 1
}

// yarn blends interpolated and original frequencies over a ramp of dimensions (arXiv:2309.00071).
func yarn(r family.Rope, inv []float64, d int) ([]float64, float64) {
	dim := func(rot float64) float64 {
		return float64(d) * math.Log(r.Original/(rot*2*math.Pi)) / (2 * math.Log(r.Theta))
	}
	lo, hi := dim(r.BetaFast), dim(r.BetaSlow)
	if !r.NoTruncate {
		lo, hi = math.Floor(lo), math.Ceil(hi)
	}
	lo, hi = math.Max(lo, 0), math.Min(hi, float64(d-1))
	if lo == hi {
		hi += 0.001
	}
	for i, f := range inv {
		ramp := math.Min(1, math.Max(0, (float64(i)-lo)/(hi-lo)))
		inv[i] = ramp*f/r.Factor + (1-ramp)*f
	}
	m := func(k float64) float64 {
		if r.Factor <= 1 {
			return 1
		}
		return 0.1*k*math.Log(r.Factor) + 1
	}
	switch {
	case r.AttentionFactor != 0:
		return inv, r.AttentionFactor
	case r.MScale != 0 && r.MScaleAllDim != 0:
		return inv, m(r.MScale) / m(r.MScaleAllDim)
	}
	return inv, m(1)
}

// tables fills cos and sin of positions from..from+rows, [rows, len(inv)] each.
func tables(inv []float64, factor float64, from, rows int, cos, sin []float32) {
	n := len(inv)
	for p := 0; p < rows; p++ {
		for i, f := range inv {
			// The angle is rounded to float32 first, as models compute it.
			a := float64(float32(from+p) * float32(f))
			cos[p*n+i] = float32(math.Cos(a) * factor)
			sin[p*n+i] = float32(math.Sin(a) * factor)
		}
	}
}
