// Matrices seen as what a linear reads and writes.

package kernels

import "unsafe"

// F32Rows views a float32 matrix as the rows of a linear.
func F32Rows(m Mat) Rows {
	r := Rows{DType: F32, Rows: m.Rows, Cols: m.Cols, Stride: m.Stride}
	if len(m.Data) > 0 {
		r.Data = unsafe.Slice((*byte)(unsafe.Pointer(&m.Data[0])), 4*len(m.Data))
	}
	return r
}
