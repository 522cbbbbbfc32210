// Package pack turns the canonical quantised weight into the tensors of an on-disk layout and back. A layout is one row of
// Layouts; tests of the round trip and of golden bytes run over that table.
package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"libawq/kernels"
)

var (
	// ErrShape marks tensors whose shapes or dtypes do not fit their layout.
	ErrShape = errors.New("bad packed tensor")
	// ErrUnsupported marks an unknown layout, or a linear that a layout can't hold.
	ErrUnsupported = errors.New("not supported")
)

// Tensor is one packed tensor of a linear; Suffix follows the module's name ("qweight").
type Tensor struct {
	Suffix string
	DType  string // safetensors name
	Shape  []int64
	Data   []byte
}

// Layout is one way of storing a linear.
type Layout struct {
	ID      int32                                               // number in awq.h
	Name    string                                              // as flags and quantization_config.version spell it
	Tensors func(n, k, group int) []Tensor                      // names, dtypes and shapes, without data
	Size    func(qweight, scales []int64) (n, k int, err error) // from the shapes alone
	Check   func(n, k, group int) error                         // what the layout can't hold
	Pack    func(q *kernels.QWeight) []Tensor
	Unpack  func(n, k, group int, get func(suffix string) []byte, q *kernels.QWeight)
}

// Layouts is the table of all layouts.
func Layouts() []Layout { return []Layout{gemm()} }

// Find returns the layout of a name, or an error that lists the known ones.
func Find(name string) (*Layout, error) {
	var known []string
	for _, l := range Layouts() {
		if strings.EqualFold(l.Name, name) {
			return &l, nil
		}
		known = append(known, l.Name)
	}
	return nil, fmt.Errorf("%w: layout %q; known: %s", ErrUnsupported, name, strings.Join(known, ", "))
}

// ByID returns the layout of a number of awq.h.
func ByID(id int32) (*Layout, error) {
	for _, l := range Layouts() {
		if l.ID == id {
			return &l, nil
		}
	}
	return nil, fmt.Errorf("%w: layout %d", ErrUnsupported, id)
}

// New allocates a canonical weight.
func New(n, k, group int) *kernels.QWeight {
	g := n * (k / group)
	return &kernels.QWeight{N: n, K: k, Group: group, Codes: make([]uint8, n*(k/2)), Scales: make([]uint16, g), Zeros: make([]uint8, g)}
}

// gemm is AutoAWQ's version "gemm": words run along the outputs.
func gemm() Layout {
	return Layout{
		ID:   1,
		Name: "gemm",
		Size: func(qweight, scales []int64) (n, k int, err error) {
			if len(qweight) != 2 || len(scales) != 2 || qweight[1]*8 != scales[1] || qweight[0] < 1 || qweight[1] < 1 {
				return 0, 0, fmt.Errorf("%w: qweight %v with scales %v in layout gemm", ErrShape, qweight, scales)
			}
			return int(scales[1]), int(qweight[0]), nil
		},
		Check: func(n, k, group int) error {
			if k%2 != 0 {
				return fmt.Errorf("%w: %d inputs, an odd number", ErrUnsupported, k)
			}
			if n%8 != 0 {
				return fmt.Errorf("%w: layout gemm packs 8 outputs a word, %d outputs is not a multiple", ErrUnsupported, n)
			}
			return nil
		},
		Tensors: func(n, k, group int) []Tensor {
			w, g := int64(n/8), int64(k/group)
			return []Tensor{
				{Suffix: "qweight", DType: "I32", Shape: []int64{int64(k), w}},
				{Suffix: "qzeros", DType: "I32", Shape: []int64{g, w}},
				{Suffix: "scales", DType: "F16", Shape: []int64{g, int64(n)}},
			}
		},
		Pack:   packGemm,
		Unpack: unpackGemm,
	}
}

func packGemm(q *kernels.QWeight) []Tensor {
	n, k, groups, order := q.N, q.K, q.K/q.Group, kernels.GemmOrder()
	t := gemm().Tensors(n, k, q.Group)
	weight, zeros, scales := make([]byte, k*n/2), make([]byte, groups*n/2), make([]byte, groups*n*2)
	for c := 0; c < n/8; c++ {
		for j := 0; j < k; j++ {
			var w uint32
			for i, o := range order {
				w |= uint32(q.Code(8*c+o, j)) << (4 * i)
			}
			binary.LittleEndian.PutUint32(weight[(j*(n/8)+c)*4:], w)
		}
		for g := 0; g < groups; g++ {
			var w uint32
			for i, o := range order {
				w |= uint32(q.Zeros[(8*c+o)*groups+g]&15) << (4 * i)
			}
			binary.LittleEndian.PutUint32(zeros[(g*(n/8)+c)*4:], w)
		}
	}
	for o := 0; o < n; o++ {
		for g := 0; g < groups; g++ {
			binary.LittleEndian.PutUint16(scales[(g*n+o)*2:], q.Scales[o*groups+g])
		}
	}
	t[0].Data, t[1].Data, t[2].Data = weight, zeros, scales
	return t
}

// Gemm views the tensors of layout gemm.
func Gemm(n, k, group int, get func(suffix string) []byte) *kernels.GemmWeight {
	return &kernels.GemmWeight{N: n, K: k, Group: group, QWeight: get("qweight"), QZeros: get("qzeros"), Scales: get("scales")}
}

func unpackGemm(n, k, group int, get func(suffix string) []byte, q *kernels.QWeight) {
	c, err := Gemm(n, k, group, get).Canonical()
	if err != nil {
		panic(err) // the caller has made sure of the sizes
	}
	q.Codes, q.Scales, q.Zeros = c.Codes, c.Scales, c.Zeros
}

// Bytes is the size of the tensor's data.
func (t Tensor) Bytes() int64 {
	size := int64(4)
	switch t.DType {
	case "F16", "BF16", "I16":
		size = 2
	case "U8", "I8":
		size = 1
	}
	for _, d := range t.Shape {
		size *= d
	}
	return size
}
