// The group rule: from the values of one group to its scale, zero and codes, in float32 throughout.

package ref

import (
	"math"

	"libawq/kernels"
)

// rule is what turns the values of one group into codes.
type rule struct {
	scale     float32
	zero      float32 // an integer 0..15; 8 if symmetric
	symmetric bool
}

// newRule takes the range of a group. The asymmetric range always includes 0: a group on one side of it, or a constant one,
// would lose its values otherwise.
func newRule(w []float32, symmetric bool) rule {
	var lo, hi float32
	for _, v := range w {
		lo, hi = min(lo, v), max(hi, v)
	}
	if symmetric {
		return rule{scale: max(max(-lo, hi), 1e-5) / 7, zero: 8, symmetric: true}
	}
	r := rule{scale: max(hi-lo, 1e-5) / 15}
	r.zero = zeroPoint(lo, r.scale)
	return r
}

// newHalfRule is newRule with the scale as a checkpoint stores it, and the zero point against that scale. A scale beyond
// fp16's range becomes its largest number.
func newHalfRule(w []float32, symmetric bool) (rule, uint16) {
	r := newRule(w, symmetric)
	h := min(kernels.ToF16(r.scale), 0x7bff)
	r.scale = kernels.FromF16(h)
	if !symmetric {
		var lo float32
		for _, v := range w {
			lo = min(lo, v)
		}
		r.zero = zeroPoint(lo, r.scale)
	}
	return r, h
}

func zeroPoint(lo, scale float32) float32 { return clamp(-round(lo/scale), 0, 15) }

// code is the number 0..15 for w.
func (r rule) code(w float32) float32 {
	if r.symmetric {
		return clamp(round(w/r.scale), -8, 7) + 8
	}
	return clamp(round(w/r.scale)+r.zero, 0, 15)
}

// value is what a code stands for.
func (r rule) value(code float32) float32 { return (code - r.zero) * r.scale }

// round is to the nearest integer, half to even.
func round(v float32) float32 { return float32(math.RoundToEven(float64(v))) }

func clamp(v, lo, hi float32) float32 { return max(lo, min(v, hi)) }
