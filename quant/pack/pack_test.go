package pack

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"libawq/kernels"
)

// hash is the generator of the cross-format fixture: 32-bit mixing of two numbers.
func hash(a, b uint32) uint32 {
	h := a*0x9E3779B1 + b*0x85EBCA77 + 0x165667B1
	h ^= h >> 15
	h *= 0x2C1B3C6D
	h ^= h >> 12
	h *= 0x297A2D39
	return h ^ h>>15
}

// fixture fills a 256 x 256 weight whose packed bytes were computed with the field's own packers.
func fixture(group int) *kernels.QWeight {
	q := New(256, 256, group)
	for o := uint32(0); o < 256; o++ {
		for k := uint32(0); k < 256; k++ {
			q.Codes[o*128+k/2] |= uint8(hash(o, k)&15) << (4 * (k & 1))
		}
		groups := uint32(256 / group)
		for g := uint32(0); g < groups; g++ {
			q.Zeros[o*groups+g] = uint8(hash(o, 100000+g) & 15)
			h := hash(o, 200000+g)
			q.Scales[o*groups+g] = kernels.ToF16(float32(8+(h&7)) * float32(math.Pow(2, -float64(10+(h>>8&1)))))
		}
	}
	return q
}

func TestHash(t *testing.T) {
	for _, c := range []struct{ a, b, want uint32 }{{0, 0, 0x54b7eb53}, {0, 1, 0xe1b2fb9f}, {1, 0, 0x7aa8d392}, {255, 255, 0x44f7e31c}} {
		if got := hash(c.a, c.b); got != c.want {
			t.Errorf("hash(%d, %d) = %08x, want %08x", c.a, c.b, got, c.want)
		}
	}
}

// golden holds CRC-32 sums of packed tensors of the fixture, by layout, tensor and group size.
var golden = map[string]map[string]map[int]uint32{
	"gemm": {
		"qweight": {128: 0x0796b28c, 64: 0x0796b28c, 32: 0x0796b28c},
		"qzeros":  {128: 0x24418638, 64: 0x674811e8, 32: 0x63a25c53},
		"scales":  {128: 0x77c1e602, 64: 0x93249739, 32: 0x95eb6a98},
	},
}

func TestGoldenBytes(t *testing.T) {
	for _, l := range Layouts() {
		for _, group := range []int{128, 64, 32} {
			for _, tensor := range l.Pack(fixture(group)) {
				want, ok := golden[l.Name][tensor.Suffix][group]
				if got := crc32.ChecksumIEEE(tensor.Data); !ok || got != want {
					t.Errorf("%s %s group %d: CRC %08x, want %08x", l.Name, tensor.Suffix, group, got, want)
				}
			}
		}
	}
}

func TestGemmWords(t *testing.T) {
	q := New(8, 4, 2)
	for o := 0; o < 8; o++ {
		for k := 0; k < 4; k++ {
			q.Codes[o*2+k/2] |= uint8((3*o+5*k+1)%16) << (4 * (k & 1))
		}
		for g := 0; g < 2; g++ {
			q.Zeros[o*2+g] = uint8((o + 9*g) % 16)
			q.Scales[o*2+g] = []uint16{0x3000, 0x2c00}[(o+g)%2]
		}
	}
	want := map[string][]uint32{"qweight": {0x60a43d71, 0xb5f982c6, 0x0a4ed71b, 0x5f932c60}, "qzeros": {0x75316420, 0x0ecafdb9}}
	for _, tensor := range packGemm(q)[:2] {
		for i, w := range want[tensor.Suffix] {
			if got := binary.LittleEndian.Uint32(tensor.Data[4*i:]); got != w {
				t.Errorf("%s[%d] = %08x, want %08x", tensor.Suffix, i, got, w)
			}
		}
	}
}

// TestRoundTrip: unpack after pack is the identity, for every layout and every shape it takes.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 0))
	for _, l := range Layouts() {
		for _, s := range [][3]int{{8, 2, 2}, {8, 32, 32}, {16, 64, 32}, {24, 96, 32}, {200, 256, 256}, {64, 576, 64}, {8, 30, 10}} {
			n, k, group := s[0], s[1], s[2]
			if l.Check(n, k, group) != nil {
				continue
			}
			t.Run(fmt.Sprintf("%s/n=%d/k=%d/g=%d", l.Name, n, k, group), func(t *testing.T) {
				q := New(n, k, group)
				for i := range q.Codes {
					q.Codes[i] = uint8(r.Uint32())
				}
				for i := range q.Scales {
					q.Scales[i], q.Zeros[i] = uint16(r.Uint32()&0x7bff), uint8(r.Uint32()&15)
				}
				data := map[string][]byte{}
				var qweight, scales []int64
				for i, tensor := range l.Pack(q) {
					if int64(len(tensor.Data)) != tensor.Bytes() || !slices.Equal(tensor.Shape, l.Tensors(n, k, group)[i].Shape) {
						t.Fatalf("%s: %d bytes for shape %v", tensor.Suffix, len(tensor.Data), tensor.Shape)
					}
					data[tensor.Suffix] = tensor.Data
					switch tensor.Suffix {
					case "qweight":
						qweight = tensor.Shape
					case "scales":
						scales = tensor.Shape
					}
				}
				if n2, k2, err := l.Size(qweight, scales); err != nil || n2 != n || k2 != k {
					t.Fatalf("size from shapes: %d, %d, %v", n2, k2, err)
				}
				back := New(n, k, group)
				l.Unpack(n, k, group, func(s string) []byte { return data[s] }, back)
				if !slices.Equal(q.Codes, back.Codes) || !slices.Equal(q.Zeros, back.Zeros) || !slices.Equal(q.Scales, back.Scales) {
					t.Error("unpack(pack(q)) differs from q")
				}
			})
		}
	}
}

func TestFind(t *testing.T) {
	if l, err := Find("GEMM"); err != nil || l.Name != "gemm" {
		t.Errorf("GEMM: %v, %v", l, err)
	}
	if _, err := Find("nonsense"); err == nil {
		t.Error("a layout called nonsense was found")
	}
}
