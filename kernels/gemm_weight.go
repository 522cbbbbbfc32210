// AutoAWQ's layout "gemm" in plain Go: what every fast path from its words must make.

package kernels

import "encoding/binary"

// GemmOrder is AutoAWQ's: nibble i of word c holds output 8c + GemmOrder()[i].
func GemmOrder() [8]int { return [8]int{0, 2, 4, 6, 1, 3, 5, 7} }

// Canonical is the same weight with codes, scales and zeros an output; it shares nothing with g but the bias.
func (g *GemmWeight) Canonical() (*QWeight, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	groups, across, order := g.K/g.Group, g.N/8, GemmOrder()
	q := &QWeight{N: g.N, K: g.K, Group: g.Group, Codes: make([]uint8, g.N*(g.K/2)), Scales: make([]uint16, g.N*groups), Zeros: make([]uint8, g.N*groups), Bias: g.Bias}
	word := func(b []byte, row, c int) uint32 { return binary.LittleEndian.Uint32(b[4*(row*across+c):]) }
	for c := range across {
		for k := 0; k < g.K; k += 2 {
			even, odd := word(g.QWeight, k, c), word(g.QWeight, k+1, c)
			for i, o := range order {
				q.Codes[(8*c+o)*(g.K/2)+k/2] = uint8(even>>(4*i)&15 | odd>>(4*i)&15<<4)
			}
		}
		for at := range groups {
			zeros := uint32(0x88888888)
			if g.QZeros != nil {
				zeros = word(g.QZeros, at, c)
			}
			for i, o := range order {
				q.Zeros[(8*c+o)*groups+at] = uint8(zeros >> (4 * i) & 15)
				q.Scales[(8*c+o)*groups+at] = binary.LittleEndian.Uint16(g.Scales[2*(at*g.N+8*c+o):])
			}
		}
	}
	return q, nil
}

// BadScale is the first scale that is infinite or no number, and where it lies; -1 if there is none.
func (g *GemmWeight) BadScale() (at int, scale float32) {
	i := 0
	for ; i+8 <= len(g.Scales); i += 8 { // four at a time: an exponent of all ones overflows into the sign
		if (binary.LittleEndian.Uint64(g.Scales[i:])&0x7c007c007c007c00+0x0400040004000400)&0x8000800080008000 != 0 {
			break
		}
	}
	for ; i+1 < len(g.Scales); i += 2 {
		if h := binary.LittleEndian.Uint16(g.Scales[i:]); h&0x7c00 == 0x7c00 {
			return i / 2, FromF16(h)
		}
	}
	return -1, 0
}
