// Half-precision numbers: fp16 and bf16 to and from float32, one by one and in bulk, with IEEE rounding to nearest even.

package kernels

import (
	"encoding/binary"
	"math"
)

// FromF16 is the value of the fp16 bits h; NaN payloads survive.
func FromF16(h uint16) float32 {
	// With the exponent field moved into place, a product with 2^112 corrects the bias, and turns subnormals into numbers.
	v := math.Float32bits(math.Float32frombits(uint32(h&0x7fff)<<13) * 0x1p112)
	if h&0x7c00 == 0x7c00 {
		v |= 0x7f800000
	}
	return math.Float32frombits(v | uint32(h&0x8000)<<16)
}

// ToF16 rounds to fp16 bits: ties to even, overflow to infinity, NaN to a quiet NaN.
func ToF16(f float32) uint16 {
	b := math.Float32bits(f)
	if u := aboveF16(b); u < normalF16 {
		return uint16(roundF16(b, u))
	}
	return toF16Rare(b)
}

// normalF16 bounds aboveF16 of normal numbers: those of 2^-14 up to 2^16.
const normalF16 = 0x0f000000

// aboveF16 is the distance in float32 steps of |b| from fp16's least normal number.
func aboveF16(b uint32) uint32 { return b&0x7fffffff - 0x38800000 }

// roundF16 is fp16 for a normal number: new exponent, and half a unit less one, plus one where the kept part is odd.
func roundF16(b, above uint32) uint64 {
	return uint64(b>>16&0x8000 | (above+0x00800fff+b>>13&1)>>13)
}

// toF16Rare rounds what is no normal fp16 number.
func toF16Rare(b uint32) uint16 {
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00 | uint16(b>>13)&0x3ff
	case b >= 0x47800000: // 65536 and more
		return sign | 0x7c00
	}
	// One unit of 0.5 in float32 is one fp16 subnormal step, so the addition rounds.
	return sign | uint16(math.Float32bits(math.Float32frombits(b)+0.5)-0x3f000000)
}

// FromBF16 is the value of the bf16 bits h.
func FromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// ToBF16 rounds to bf16 bits: ties to even, overflow to infinity, NaN to a quiet NaN.
func ToBF16(f float32) uint16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// F16ToF32 converts little-endian fp16 values, as many as both sides hold.
func F16ToF32(dst []float32, src []byte) {
	n := min(len(dst), len(src)/2)
	dst, src = dst[:n], src[:2*n]
	for len(dst) >= 4 && len(src) >= 8 {
		w := binary.LittleEndian.Uint64(src)
		dst[0] = FromF16(uint16(w))
		dst[1] = FromF16(uint16(w >> 16))
		dst[2] = FromF16(uint16(w >> 32))
		dst[3] = FromF16(uint16(w >> 48))
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = FromF16(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

// F32ToF16 rounds to little-endian fp16 values, as many as both sides hold.
func F32ToF16(dst []byte, src []float32) {
	n := min(len(src), len(dst)/2)
	dst, src = dst[:2*n], src[:n]
	for len(src) >= 4 && len(dst) >= 8 {
		a, b, c, d := math.Float32bits(src[0]), math.Float32bits(src[1]), math.Float32bits(src[2]), math.Float32bits(src[3])
		ua, ub, uc, ud := aboveF16(a), aboveF16(b), aboveF16(c), aboveF16(d)
		var w uint64
		if max(ua, ub, uc, ud) < normalF16 {
			w = roundF16(a, ua) | roundF16(b, ub)<<16 | roundF16(c, uc)<<32 | roundF16(d, ud)<<48
		} else {
			w = uint64(ToF16(src[0])) | uint64(ToF16(src[1]))<<16 | uint64(ToF16(src[2]))<<32 | uint64(ToF16(src[3]))<<48
		}
		binary.LittleEndian.PutUint64(dst, w)
		dst, src = dst[8:], src[4:]
	}
	for i, f := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], ToF16(f))
	}
}

// BF16ToF32 converts little-endian bf16 values, as many as both sides hold.
func BF16ToF32(dst []float32, src []byte) {
	n := min(len(dst), len(src)/2)
	dst, src = dst[:n], src[:2*n]
	for len(dst) >= 4 && len(src) >= 8 {
		w := binary.LittleEndian.Uint64(src)
		dst[0] = math.Float32frombits(uint32(w) << 16)
		dst[1] = math.Float32frombits(uint32(w) & 0xffff0000)
		dst[2] = math.Float32frombits(uint32(w>>32) << 16)
		dst[3] = math.Float32frombits(uint32(w>>32) & 0xffff0000)
		dst, src = dst[4:], src[8:]
	}
	for i := range dst {
		dst[i] = FromBF16(binary.LittleEndian.Uint16(src[2*i:]))
	}
}

// F32ToBF16 rounds to little-endian bf16 values, as many as both sides hold.
func F32ToBF16(dst []byte, src []float32) {
	n := min(len(src), len(dst)/2)
	dst, src = dst[:2*n], src[:n]
	for len(src) >= 4 && len(dst) >= 8 {
		w := uint64(ToBF16(src[0])) | uint64(ToBF16(src[1]))<<16 | uint64(ToBF16(src[2]))<<32 | uint64(ToBF16(src[3]))<<48
		binary.LittleEndian.PutUint64(dst, w)
		dst, src = dst[8:], src[4:]
	}
	for i, f := range src {
		binary.LittleEndian.PutUint16(dst[2*i:], ToBF16(f))
	}
}

// Decode converts little-endian values of type d to float32, as many as both sides hold.
func (d DType) Decode(dst []float32, src []byte) {
	switch d {
	case F16:
		F16ToF32(dst, src)
	case BF16:
		BF16ToF32(dst, src)
	default:
		for i := range dst[:min(len(dst), len(src)/4)] {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	}
}

// Encode rounds float32 values to little-endian values of type d, as many as both sides hold.
func (d DType) Encode(dst []byte, src []float32) {
	switch d {
	case F16:
		F32ToF16(dst, src)
	case BF16:
		F32ToBF16(dst, src)
	default:
		for i, f := range src[:min(len(src), len(dst)/4)] {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(f))
		}
	}
}
