// Package kernels holds what every back end is made of: matrices, the canonical quantised weight and the table of ops.
// It is plain Go; back ends (ref, native) fill the table, quant and capi call through it.
package kernels

import (
	"errors"
	"os"
)

// Errors that back ends return; callers wrap them with the tensor's name.
var (
	ErrUnsupported = errors.New("not supported by this back end")
	ErrMemory      = errors.New("out of memory")
	ErrDevice      = errors.New("device failure")
	ErrArgument    = errors.New("invalid argument")
	ErrRead        = errors.New("reading failed")
)

// DType is the element type of activations and outputs; the numbers are those of awq_backend.h.
type DType int32

// The element types that a linear reads and writes.
const (
	F32  DType = 0
	F16  DType = 1
	BF16 DType = 2
)

// Size is the number of bytes of one element.
func (d DType) Size() int {
	if d == F32 {
		return 4
	}
	return 2
}

// Mode is the arithmetic of a quantised linear; awq.h states the numerical contract of each.
type Mode int32

// Exact keeps weights exact and accumulates in float32; Int8 quantises activations per group.
const (
	Exact Mode = 0
	Int8  Mode = 1
)

// Mat is a row-major float32 matrix view; Stride counts elements from row to row.
type Mat struct {
	Data               []float32
	Rows, Cols, Stride int
}

// NewMat views data as a dense rows x cols matrix.
func NewMat(data []float32, rows, cols int) Mat {
	return Mat{Data: data[:rows*cols], Rows: rows, Cols: cols, Stride: cols}
}

// Row is row i of the view.
func (m Mat) Row(i int) []float32 { return m.Data[i*m.Stride : i*m.Stride+m.Cols] }

// Slice is the view of rows lo..hi.
func (m Mat) Slice(lo, hi int) Mat {
	if lo == hi {
		return Mat{Cols: m.Cols, Stride: m.Stride}
	}
	return Mat{Data: m.Data[lo*m.Stride : (hi-1)*m.Stride+m.Cols], Rows: hi - lo, Cols: m.Cols, Stride: m.Stride}
}

// Columns is the view of columns lo..hi of every row.
func (m Mat) Columns(lo, hi int) Mat {
	if m.Rows == 0 {
		return Mat{Cols: hi - lo, Stride: m.Stride}
	}
	return Mat{Data: m.Data[lo : (m.Rows-1)*m.Stride+hi], Rows: m.Rows, Cols: hi - lo, Stride: m.Stride}
}

// Rows is a row-major matrix of any activation dtype, as a linear sees it.
type Rows struct {
	Data               []byte
	DType              DType
	Rows, Cols, Stride int // Stride in elements
}

// QWeight is the canonical quantised weight: w[n][k] = (code - zero) * scale, group g = k / Group.
type QWeight struct {
	N, K, Group int
	Codes       []uint8   // [N, K/2], low nibble = even k
	Scales      []uint16  // fp16 [N, K/Group]
	Zeros       []uint8   // [N, K/Group], each 0..15
	Bias        []float32 // [N] or nil
	Order       []int32   // [K] or nil: column k meets x[Order[k]], a permutation
}

// Code is the 4-bit code of weight (n, k).
func (q *QWeight) Code(n, k int) uint8 {
	return q.Codes[n*(q.K/2)+k/2] >> (4 * (k & 1)) & 15
}

// GemmWeight is a weight in AutoAWQ's layout "gemm", the bytes of a checkpoint: little-endian, nibble i of word c of a row holds
// output 8c + {0,2,4,6,1,3,5,7}[i].
type GemmWeight struct {
	N, K, Group int
	QWeight     []byte    // 32-bit words [K, N/8]
	QZeros      []byte    // 32-bit words [K/Group, N/8]; nil: zero point 8
	Scales      []byte    // fp16 [K/Group, N]
	Bias        []float32 // [N] or nil
}

// Weight is a linear packed in a back end's own layout.
type Weight interface{ Close() }

// Packed is a weight in a back end's own layout as plain bytes: what files hold that processes share.
type Packed struct {
	N, K, Group int
	Mode        Mode
	Data        []byte
	Bias        []float32 // [N] or nil; Adopt copies it
}

// Roof is what a device can do at most, measured.
type Roof struct {
	FLOPS float64 // float32 operations a second from registers, two a multiply-add
	Int8  float64 // the same of 4-bit codes times signed bytes
	Bytes float64 // a second, read from memory
}

// Act names the activation of a gated MLP.
type Act int32

// SiLU is x * sigmoid(x).
const SiLU Act = 0

// FileOps are the ops that join packed weights and files. Only some back ends offer them.
type FileOps struct {
	// Pack is Ops.PackGemm with the bytes of QWeight read from byte `at` of f on; a failure to read is ErrRead.
	Pack   func(g *GemmWeight, f *os.File, at int64, mode Mode) (Weight, error)
	Packed func(w Weight) (Packed, error)                        // a view, as long as w is open; for weights without an order
	Adopt  func(p Packed, f *os.File, bytes int) (Weight, error) // over a read-only mapping of the first bytes of f, in place of p.Data
	Format uint32                                                // of Packed's data: bytes of the same format, sizes and mode mean the same
}

// Ops is one back end's table. A nil slot is not offered; Fill takes it from another table. Slots are safe for concurrent
// use. The mathematics of each slot stands in kernels/abi/awq_backend.h, and in code in kernels/ref.
type Ops struct {
	Name string // "ref", "cpu/avx2"

	Pack     func(q *QWeight, mode Mode) (Weight, error)
	PackGemm func(g *GemmWeight, mode Mode) (Weight, error) // what Pack makes of the same weight
	Linear   func(w Weight, x, y Rows) error                // y = x . W^T + bias

	Files FileOps // may lack what they hold; of the same table as Pack

	Gemm      func(a, b, c Mat, alpha float32, transB, accumulate bool) error
	RMSNorm   func(x Mat, weight []float32, eps float32, y Mat) error
	Rope      func(x Mat, heads, headDim, rot int, cos, sin []float32, interleaved bool) error
	Softmax   func(x Mat, scale float32, past, window int) error
	GLU       func(gate, up, y Mat, act Act) error
	AbsSum    func(x Mat, sums []float64) error
	FakeQuant func(w Mat, s, limit []float32, group int, symmetric, difference bool, out Mat) error
	Quantize  func(w Mat, limit []float32, symmetric bool, q *QWeight) error // fills q.Codes, q.Scales, q.Zeros
	Clip      func(w Mat, gram []float32, group int, symmetric bool, limit, best, plain []float32) error
	// Refine lowers the loss of each row of q, d H dT + 2 e dT with d = (code - zero) * scale - w, by its codes and scales; e.Data nil: zeros.
	Refine func(w, e, h Mat, q *QWeight, sweeps int, before, after []float64) error
	SqDiff func(a, b Mat) (float64, error) // b.Data nil: zeros
	Logits func(p, q Mat, targets []int32, nll, kl []float64, agree []uint8) error
}
