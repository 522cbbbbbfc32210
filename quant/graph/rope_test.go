package graph

import (
	"math"
	"testing"

	"libawq/quant/family"
)

func TestInverseFrequencies(t *testing.T) {
	for _, c := range []struct {
		name   string
		rope   family.Rope
		dim    int
		want   []float64
		factor float64
	}{
		{"llama3", family.Rope{Type: "llama3", Theta: 5e5, Partial: 1, Factor: 8, LowFreq: 1, HighFreq: 4, Original: 8192}, 16,
			[]float64{1, 0.193922745, 0.0376060309, 0.00729266474, 5.24846161e-4, 3.42810220e-5, 6.64786987e-6, 1.28917315e-6}, 1},
		{"yarn", family.Rope{Type: "yarn", Theta: 1e4, Partial: 1, Factor: 4, Original: 4096, BetaFast: 32, BetaSlow: 1}, 16,
			[]float64{1, 0.316227766, 0.1, 0.025693506, 0.00625, 0.00138349648, 2.5e-4, 7.90569415e-5}, 1.138629436},
		{"linear", family.Rope{Type: "linear", Theta: 1e4, Partial: 1, Factor: 2}, 4, []float64{0.5, 0.005}, 1},
		{"default", family.Rope{Type: "default", Theta: 1e4, Partial: 1}, 4, []float64{1, 0.01}, 1},
		{"partial", family.Rope{Type: "default", Theta: 1e4, Partial: 0.5}, 8, []float64{1, 0.01}, 1},
	} {
		inv, factor := Inverse(c.rope, c.dim)
		if len(inv) != len(c.want) || math.Abs(factor-c.factor) > 1e-8 {
			t.Fatalf("%s: %d frequencies, factor %v", c.name, len(inv), factor)
		}
		for i, w := range c.want {
			if math.Abs(inv[i]-w) > 1e-6*w {
				t.Errorf("%s: inv[%d] = %v, want %v", c.name, i, inv[i], w)
			}
		}
	}
}
