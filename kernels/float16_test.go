// Half-precision conversions against another implementation and against the definition.

package kernels

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/x448/float16"
)

func sameBits(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }

func isNaN16(h uint16) bool { return h&0x7c00 == 0x7c00 && h&0x3ff != 0 }

func TestF16EveryValue(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		got, want := FromF16(h), float16.Frombits(h).Float32()
		if isNaN16(h) {
			if got == got {
				t.Fatalf("%04x: %v is not NaN", h, got)
			}
			continue
		}
		if !sameBits(got, want) {
			t.Fatalf("%04x: got %v, want %v", h, got, want)
		}
		if back := ToF16(got); back != h {
			t.Fatalf("%04x became %v became %04x", h, got, back)
		}
	}
}

// Rounding changes only at the midpoints of neighbours: the float32 values around each are all that can go wrong.
func TestToF16AroundEveryMidpoint(t *testing.T) {
	check := func(f float32) {
		t.Helper()
		got, want := ToF16(f), float16.Fromfloat32(f).Bits()
		if got != want {
			t.Fatalf("%v (%08x): got %04x, want %04x", f, math.Float32bits(f), got, want)
		}
		if got, want := ToF16(-f), float16.Fromfloat32(-f).Bits(); got != want {
			t.Fatalf("%v: got %04x, want %04x", -f, got, want)
		}
	}
	for h := range uint16(0x7c00) {
		lo, hi := float64(FromF16(h)), float64(FromF16(h+1))
		if h == 0x7bff {
			hi = 65536
		}
		mid := float32((lo + hi) / 2)
		for _, f := range []float32{mid, math.Nextafter32(mid, 0), math.Nextafter32(mid, math.MaxFloat32)} {
			check(f)
		}
	}
	for _, f := range []float32{0, math.SmallestNonzeroFloat32, 65535, 65536, 1e30, math.MaxFloat32, float32(math.Inf(1))} {
		check(f)
	}
	if got := ToF16(float32(math.NaN())); !isNaN16(got) {
		t.Errorf("NaN became %04x", got)
	}
	if got := ToF16(math.Float32frombits(0xff800001)); !isNaN16(got) || got>>15 != 1 {
		t.Errorf("signalling NaN became %04x", got)
	}
}

func TestBF16(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		f := FromBF16(h)
		if math.Float32bits(f) != uint32(h)<<16 {
			t.Fatalf("%04x: %v", h, f)
		}
		if f != f {
			if b := FromBF16(ToBF16(f)); b == b {
				t.Fatalf("NaN %04x became %v", h, b)
			}
			continue
		}
		if back := ToBF16(f); back != h {
			t.Fatalf("%04x became %v became %04x", h, f, back)
		}
		if math.IsInf(float64(f), 0) {
			continue
		}
		// the neighbour away from zero is h+1; below, at and above the midpoint
		up := h + 1
		for _, c := range []struct {
			bits uint32
			want uint16
		}{{uint32(h)<<16 | 0x7fff, h}, {uint32(h)<<16 | 0x8000, h + h&1}, {uint32(h)<<16 | 0x8001, up}} {
			if got := ToBF16(math.Float32frombits(c.bits)); got != c.want {
				t.Fatalf("%08x: got %04x, want %04x", c.bits, got, c.want)
			}
		}
	}
}

func TestBulkEqualsScalar(t *testing.T) {
	src := make([]byte, 2<<16)
	for i := range 1 << 16 {
		binary.LittleEndian.PutUint16(src[2*i:], uint16(i))
	}
	for _, c := range []struct {
		name  string
		dtype DType
		from  func(uint16) float32
		to    func(float32) uint16
	}{{"f16", F16, FromF16, ToF16}, {"bf16", BF16, FromBF16, ToBF16}} {
		for _, n := range []int{0, 1, 2, 3, 4, 5, 7, 8, 1 << 16} {
			dst := make([]float32, n)
			c.dtype.Decode(dst, src)
			back := make([]byte, 2*n)
			c.dtype.Encode(back, dst)
			for i, got := range dst {
				want := c.from(uint16(i))
				if !sameBits(got, want) {
					t.Fatalf("%s %d of %d: got %v, want %v", c.name, i, n, got, want)
				}
				if got, want := binary.LittleEndian.Uint16(back[2*i:]), c.to(want); got != want {
					t.Fatalf("%s %d of %d: got %04x, want %04x", c.name, i, n, got, want)
				}
			}
		}
	}
	dst := make([]float32, 3)
	F32.Decode(dst, []byte{0, 0, 128, 63, 0, 0, 0, 64, 1})
	if fmt.Sprint(dst) != "[1 2 0]" {
		t.Errorf("f32 of 9 bytes: %v", dst)
	}
	out := make([]byte, 9)
	F32.Encode(out, []float32{1, 2, 3})
	if fmt.Sprint(out) != "[0 0 128 63 0 0 0 64 0]" {
		t.Errorf("f32 into 9 bytes: %v", out)
	}
}

func BenchmarkConvert(b *testing.B) {
	const n = 1 << 15
	f, h := make([]float32, n), make([]byte, 2*n)
	for i := range f {
		f[i] = float32(i-n/2) / 1000
	}
	F32ToF16(h, f)
	for _, c := range []struct {
		name string
		fn   func()
	}{
		{"f16_f32", func() { F16ToF32(f, h) }},
		{"f32_f16", func() { F32ToF16(h, f) }},
		{"bf16_f32", func() { BF16ToF32(f, h) }},
		{"f32_bf16", func() { F32ToBF16(h, f) }},
	} {
		b.Run("op="+c.name, func(b *testing.B) {
			for b.Loop() {
				c.fn()
			}
			b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gvalues/s")
		})
	}
}
