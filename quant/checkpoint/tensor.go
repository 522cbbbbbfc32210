package checkpoint

// Description of one tensor: name, element type, shape; and the only place where
// sizes are multiplied.

import (
	"fmt"
	"math"
	"math/bits"
)

// DType names an element type the way safetensors does, such as "BF16".
type DType string

// The element types that this library computes with or stores.
const (
	F32  DType = "F32"
	F16  DType = "F16"
	BF16 DType = "BF16"
	I64  DType = "I64"
	I32  DType = "I32"
	I16  DType = "I16"
	I8   DType = "I8"
	U8   DType = "U8"
)

// Bits returns the width of one element, or 0 if the type is unknown.
func (d DType) Bits() int {
	switch d {
	case "F4":
		return 4
	case "F6_E2M3", "F6_E3M2":
		return 6
	case "BOOL", U8, I8, "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ":
		return 8
	case I16, "U16", F16, BF16:
		return 16
	case I32, "U32", F32:
		return 32
	case I64, "U64", "F64", "C64":
		return 64
	}
	return 0
}

// Info describes one tensor. Shape belongs to whoever gave the Info and is only
// to be read.
type Info struct {
	Name  string
	DType DType
	Shape []int64
}

// Elements returns the product of the shape, or an error if it is negative
// somewhere or doesn't fit.
func (t Info) Elements() (int64, error) {
	n := uint64(1)
	for _, d := range t.Shape {
		if d < 0 {
			return 0, fmt.Errorf("tensor %s: negative dimension %d", Quote(t.Name), d)
		}
		hi, lo := bits.Mul64(n, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, fmt.Errorf("tensor %s: shape %v has more than 2^63 elements", Quote(t.Name), t.Shape)
		}
		n = lo
	}
	return int64(n), nil
}

// Bytes returns the size of the tensor's data. It fails with ErrUnsupported for an
// unknown element type, and for a size beyond 2^63 or sub-byte elements that don't
// fill the last byte; a Reader's tensors have none of the latter two.
func (t Info) Bytes() (int64, error) {
	n, err := t.Elements()
	if err != nil {
		return 0, err
	}
	w := t.DType.Bits()
	if w == 0 {
		return 0, fmt.Errorf("%w: tensor %s: unknown dtype %s", ErrUnsupported, Quote(t.Name), Quote(string(t.DType)))
	}
	hi, lo := bits.Mul64(uint64(n), uint64(w))
	if lo&7 != 0 {
		return 0, fmt.Errorf("tensor %s: %d elements of %d bits don't fill whole bytes", Quote(t.Name), n, w)
	}
	if hi > 3 { // (hi, lo) / 8 must stay below 2^63
		return 0, fmt.Errorf("tensor %s: %d elements of %d bits exceed 2^63 bytes", Quote(t.Name), n, w)
	}
	return int64(hi<<61 | lo>>3), nil
}

// Quote renders an untrusted name for a one-line message, cut to a readable
// length.
func Quote(name string) string {
	const most = 120
	if len(name) > most {
		return fmt.Sprintf("%.*q… (%d bytes)", most, name[:most], len(name))
	}
	return fmt.Sprintf("%q", name)
}
