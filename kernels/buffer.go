// Off-heap memory: big tensors live outside the Go heap, where the garbage collector never scans them, where C structs may
// point at them, and where a failed allocation is an error instead of the end of the host process.

package kernels

import (
	"fmt"
	"math"
	"math/bits"
	"sync/atomic"
	"unsafe"
)

// Memory counts and limits the buffers taken from it. A nil *Memory is valid: unlimited and uncounted.
type Memory struct {
	limit      int64
	used, peak atomic.Int64
}

// NewMemory returns an allocator that hands out at most limit bytes at a time; limit 0 means no limit.
func NewMemory(limit int64) *Memory { return &Memory{limit: limit} }

// Used is the number of bytes in buffers that are open now.
func (m *Memory) Used() int64 {
	if m == nil {
		return 0
	}
	return m.used.Load()
}

// Peak is the highest value that Used has had.
func (m *Memory) Peak() int64 {
	if m == nil {
		return 0
	}
	return m.peak.Load()
}

// take reserves n bytes of the budget.
func (m *Memory) take(n int64) error {
	if m == nil {
		return nil
	}
	used := m.used.Add(n)
	if used < 0 || m.limit > 0 && used > m.limit {
		m.used.Add(-n)
		return fmt.Errorf("buffer of %d bytes: %d of %d bytes in use: %w", n, used-n, m.limit, ErrMemory)
	}
	for p := m.peak.Load(); used > p && !m.peak.CompareAndSwap(p, used); p = m.peak.Load() {
	}
	return nil
}

// give returns n bytes to the budget.
func (m *Memory) give(n int64) {
	if m != nil {
		m.used.Add(-n)
	}
}

// Buffer is zeroed, page-aligned memory outside the Go heap. Close releases it; no finalizer does.
type Buffer struct {
	data []byte
	raw  []byte // what the system gave: never shorter than data
	from *Memory
}

// NewBuffer allocates bytes of zeroed memory without a budget.
func NewBuffer(bytes int) (*Buffer, error) { return (*Memory)(nil).Buffer(bytes) }

// NewMatBuffer allocates a dense rows x cols float32 matrix without a budget.
func NewMatBuffer(rows, cols int) (*Buffer, Mat, error) { return (*Memory)(nil).Mat(rows, cols) }

// Buffer allocates bytes of zeroed memory; it fails with ErrMemory.
func (m *Memory) Buffer(bytes int) (*Buffer, error) {
	if bytes < 0 {
		return nil, fmt.Errorf("buffer of %d bytes: %w", bytes, ErrMemory)
	}
	if err := m.take(int64(bytes)); err != nil {
		return nil, err
	}
	if bytes == 0 {
		return &Buffer{data: []byte{}, from: m}, nil
	}
	raw, data, err := mapMemory(bytes)
	if err != nil {
		m.give(int64(bytes))
		return nil, fmt.Errorf("buffer of %d bytes: %w: %w", bytes, ErrMemory, err)
	}
	return &Buffer{data: data[:bytes:bytes], raw: raw, from: m}, nil
}

// Mat allocates a dense rows x cols float32 matrix; it fails with ErrMemory.
func (m *Memory) Mat(rows, cols int) (*Buffer, Mat, error) {
	n, ok := Mul(rows, cols)
	bytes, ok4 := Mul(n, 4)
	if !ok || !ok4 {
		return nil, Mat{}, fmt.Errorf("matrix of %d x %d: %w", rows, cols, ErrMemory)
	}
	b, err := m.Buffer(bytes)
	if err != nil {
		return nil, Mat{}, fmt.Errorf("matrix of %d x %d: %w", rows, cols, err)
	}
	return b, NewMat(b.Float32(), rows, cols), nil
}

// Bytes is the whole buffer; nil after Close.
func (b *Buffer) Bytes() []byte {
	if b == nil {
		return nil
	}
	return b.data
}

// Float32 is the buffer as float32 values; up to three bytes at its end have no place in it.
func (b *Buffer) Float32() []float32 {
	if b == nil || len(b.data) < 4 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b.data))), len(b.data)/4)
}

// Close releases the memory; slices of it must not be used any more. Closing twice, or a nil buffer, does nothing.
func (b *Buffer) Close() {
	if b == nil || b.data == nil {
		return
	}
	b.from.give(int64(len(b.data)))
	if b.raw != nil {
		unmapMemory(b.raw)
	}
	b.data, b.raw = nil, nil
}

// Mul is a*b for sizes: false for a negative factor or a product beyond int.
func Mul(a, b int) (int, bool) {
	if a < 0 || b < 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > math.MaxInt {
		return 0, false
	}
	return int(lo), true
}
