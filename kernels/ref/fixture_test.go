// The deterministic fixture that every layout and every back end shares: weights and results that are exact in any order of
// summation, so their checksums are known beforehand. Also the published numbers of the clip search.

package ref

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"slices"
	"testing"

	"libawq/kernels"
)

func hash2(a, b int) uint32 {
	h := uint32(a)*0x9E3779B1 + uint32(b)*0x85EBCA77 + 0x165667B1
	h ^= h >> 15
	h *= 0x2C1B3C6D
	h ^= h >> 12
	h *= 0x297A2D39
	return h ^ h>>15
}

func crcBytes(b []byte) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE(b)) }

func crcHalves(v []uint16) string {
	b := make([]byte, 2*len(v))
	for i, h := range v {
		binary.LittleEndian.PutUint16(b[2*i:], h)
	}
	return crcBytes(b)
}

func readFixture(t *testing.T) map[string]json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("testdata/fixture.json")
	must(t, err)
	all := map[string]json.RawMessage{}
	must(t, json.Unmarshal(text, &all))
	return all
}

func TestFixtureLinear(t *testing.T) {
	const n, k = 256, 256
	for i, want := range map[[2]int]uint32{{0, 0}: 0x54b7eb53, {0, 1}: 0xe1b2fb9f, {1, 0}: 0x7aa8d392, {255, 255}: 0x44f7e31c} {
		if got := hash2(i[0], i[1]); got != want {
			t.Fatalf("hash%v is %08x, want %08x", i, got, want)
		}
	}
	all := readFixture(t)
	codes, flat := make([]uint8, n*k/2), make([]uint8, n*k)
	for o := range n {
		for j := range k {
			c := uint8(hash2(o, j) & 15)
			flat[o*k+j] = c
			codes[(o*k+j)/2] |= c << (4 * (j & 1))
		}
	}
	if got := fmt.Sprintf("%q", crcBytes(flat)); got != string(all["q"]) {
		t.Fatalf("codes %s, want %s", got, all["q"])
	}
	xs := make([]float32, k)
	for j := range xs {
		xs[j] = (float32(hash2(j, 300000)&31) - 16) / 16
	}
	for _, group := range []int{128, 64, 32} {
		var want struct {
			Z, S, W, Y string
			Y8         []float32
		}
		must(t, json.Unmarshal(all[fmt.Sprint(group)], &want))
		groups := k / group
		q := &kernels.QWeight{N: n, K: k, Group: group, Codes: codes, Scales: make([]uint16, n*groups), Zeros: make([]uint8, n*groups)}
		for o := range n {
			for g := range groups {
				q.Zeros[o*groups+g] = uint8(hash2(o, 100000+g) & 15)
				h := hash2(o, 200000+g)
				q.Scales[o*groups+g] = kernels.ToF16(float32(8+h&7) * float32(math.Ldexp(1, -10-int(h>>8&1))))
			}
		}
		half := make([]uint16, 0, n*k)
		row := make([]float64, k)
		for o := range n {
			dequantize(row, q, o)
			for _, v := range row {
				half = append(half, kernels.ToF16(float32(v)))
			}
		}
		for _, mode := range []kernels.Mode{kernels.Exact, kernels.Int8} {
			w, err := pack(q, mode)
			must(t, err)
			for _, dtype := range []kernels.DType{kernels.F32, kernels.F16, kernels.BF16} {
				x := make([]byte, k*dtype.Size())
				dtype.Encode(x, xs)
				y := make([]byte, 4*n)
				must(t, linear(w, kernels.Rows{Data: x, DType: dtype, Rows: 1, Cols: k, Stride: k}, kernels.Rows{Data: y, Rows: 1, Cols: n, Stride: n}))
				got := make([]float32, n)
				kernels.F32.Decode(got, y)
				if mode == kernels.Int8 { // x is -1..1 in sixteenths: not exact in 127 steps
					for i, v := range want.Y8 {
						if d := math.Abs(float64(got[i] - v)); d == 0 || d > 0.05 {
							t.Errorf("group %d int8: y[%d] = %v, exact %v", group, i, got[i], v)
						}
					}
					continue
				}
				if !slices.Equal(got[:8], want.Y8) || crcBytes(y) != want.Y {
					t.Errorf("group %d: y begins %v and has %s, want %v and %s", group, got[:8], crcBytes(y), want.Y8, want.Y)
				}
			}
		}
		if crcBytes(q.Zeros) != want.Z || crcHalves(q.Scales) != want.S || crcHalves(half) != want.W {
			t.Errorf("group %d: zeros %s, scales %s, weights %s, want %s, %s, %s", group, crcBytes(q.Zeros), crcHalves(q.Scales), crcHalves(half), want.Z, want.S, want.W)
		}
	}
}

// Groups that straddle zero get the codes of every other AWQ writer in float32; the checksums of the "float" lines are
// published ones.
func TestFixtureRule(t *testing.T) {
	const n, k, group = 64, 256, 128
	w := make([]float32, n*k)
	half := make([]uint16, n*k)
	for i := range w {
		half[i] = kernels.ToF16((float32(hash2(i/k, 500000+i%k)&0xfff) - 2048) / 16384)
		w[i] = kernels.FromF16(half[i])
	}
	all := readFixture(t)
	if got := fmt.Sprintf("%q", crcHalves(half)); got != string(all["w16"]) {
		t.Fatalf("weights %s, want %s", got, all["w16"])
	}
	for name, c := range map[string]struct{ symmetric, half bool }{
		"asym_float": {}, "asym_half": {half: true}, "sym_float": {symmetric: true}, "sym_half": {true, true},
	} {
		var want struct{ Codes, Zeros, Scales string }
		must(t, json.Unmarshal(all[name], &want))
		var codes, zeros []byte
		var scales []uint16
		for i := 0; i < len(w); i += group {
			r := newRule(w[i:i+group], c.symmetric)
			h := kernels.ToF16(r.scale)
			if c.half {
				r, h = newHalfRule(w[i:i+group], c.symmetric)
			}
			scales, zeros = append(scales, h), append(zeros, uint8(r.zero))
			for _, v := range w[i : i+group] {
				code := r.code(v)
				if c.symmetric {
					code -= 8
				}
				codes = append(codes, byte(int8(code)))
			}
		}
		if crcBytes(codes) != want.Codes || crcBytes(zeros) != want.Zeros || crcHalves(scales) != want.Scales {
			t.Errorf("%s: codes %s, zeros %s, scales %s, want %+v", name, crcBytes(codes), crcBytes(zeros), crcHalves(scales), want)
		}
	}
}

// A published worked example of the clip search: 4 channels, 8 inputs, groups of 4, 8 tokens.
func TestClipWorkedExample(t *testing.T) {
	w := kernels.NewMat([]float32{
		-0.109375, -0.296875, 0.1875, 0.46875, -0.09375, 0.3125, -0.234375, 0.234375,
		-0.25, -0.125, 0.3125, -0.34375, 0.140625, 0.234375, 0.34375, -0.234375,
		-0.359375, -0.4375, 0.125, 0.09375, 0.46875, 0.046875, -0.25, 0.21875,
		-0.46875, 0.40625, 0.015625, -0.25, -0.34375, 0.078125, -0.25, -0.3125}, 4, 8)
	x := kernels.NewMat([]float32{
		-0.5, -0.125, -7.5, 0.4375, -1, -5.25, 1.5625, -1.625,
		0.75, 1.1875, -1, 0.5625, 0.875, 4.5, -0.5, -0.0625,
		1.8125, 0.75, 7, -0.375, 0.0625, 3, -0.125, -1.1875,
		1.5625, -1.5625, -7, 0, -0.125, 2, -0.5625, -1.1875,
		-0.375, 1.25, 1.5, 0.625, -1.0625, 7.5, 1.1875, -1.75,
		-1.25, 1.6875, -8.5, 1, 0.1875, -2.25, -1.8125, 1.875,
		0.0625, -0.3125, -7, 0.6875, -0.5625, -6.5, 1.5625, -0.75,
		0.9375, 0.5, -5, -0.875, 0.3125, 6.25, -0.1875, -0.875}, 8, 8)
	const group = 4
	gram := make([]float32, 8*group)
	for g := range 2 {
		for i := range group {
			for j := range group {
				for tok := range 8 {
					gram[(g*group+i)*group+j] += x.Row(tok)[g*group+i] * x.Row(tok)[g*group+j] / 8
				}
			}
		}
	}
	limit, best, plain := make([]float32, 8), make([]float32, 8), make([]float32, 8)
	must(t, clip(w, gram, group, false, limit, best, plain))
	wantLimit := []float64{0.3984375, 0.3125, 0.34375, 0.34375, 0.4375, 0.4453125, 0.421875, 0.3265625}
	wantBest := []float64{0.001363717, 0.007984877, 0.00172438, 0.00032541, 0.00609817, 0.00033362, 0.00964356, 0.00058663}
	for i := range limit {
		if math.Abs(float64(limit[i])-wantLimit[i]) > 1e-6 {
			t.Errorf("limit %d is %v, want %v", i, limit[i], wantLimit[i])
		}
		if math.Abs(float64(best[i])-wantBest[i]) > 1e-8 {
			t.Errorf("error %d is %v, want %v", i, best[i], wantBest[i])
		}
	}
	if math.Abs(float64(plain[0])-0.01161327) > 1e-8 {
		t.Errorf("error without clipping is %v, want 0.01161327", plain[0])
	}
}
