// Buffers: sizes at the edges, budgets, and release.

package kernels

import (
	"errors"
	"math"
	"testing"
	"unsafe"
)

func TestBuffer(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4, 4095, 4096, 4097, 1 << 20} {
		b, err := NewBuffer(n)
		if err != nil {
			t.Fatal(err)
		}
		data := b.Bytes()
		if len(data) != n || cap(data) != n || len(b.Float32()) != n/4 {
			t.Fatalf("%d bytes: %d, capacity %d, %d floats", n, len(data), cap(data), len(b.Float32()))
		}
		if n > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(data)))%4096 != 0 {
			t.Errorf("%d bytes are not page aligned", n)
		}
		for i := range data {
			if data[i] != 0 {
				t.Fatalf("byte %d of %d is %d", i, n, data[i])
			}
			data[i] = 255
		}
		b.Close()
		b.Close()
		if b.Bytes() != nil || b.Float32() != nil {
			t.Error("a closed buffer still shows its memory")
		}
	}
	var none *Buffer
	none.Close()
	if none.Bytes() != nil || none.Float32() != nil {
		t.Error("a nil buffer has memory")
	}
}

func TestBufferRefuses(t *testing.T) {
	for _, n := range []int{-1, math.MinInt, math.MaxInt, 1 << 60} {
		if b, err := NewBuffer(n); !errors.Is(err, ErrMemory) {
			t.Errorf("%d bytes: %v, %v", n, b, err)
		}
	}
	for _, c := range [][2]int{{-1, 1}, {1, -1}, {1 << 31, 1 << 31}, {1 << 32, 1 << 32}, {math.MaxInt, math.MaxInt}, {math.MaxInt / 4, 2}} {
		if _, _, err := NewMatBuffer(c[0], c[1]); !errors.Is(err, ErrMemory) {
			t.Errorf("%d x %d: %v", c[0], c[1], err)
		}
	}
}

func TestMemoryBudget(t *testing.T) {
	m := NewMemory(1000)
	a, err := m.Buffer(600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Buffer(401); !errors.Is(err, ErrMemory) {
		t.Fatalf("401 of 400 left: %v", err)
	}
	b, mat, err := m.Mat(10, 10)
	if err != nil {
		t.Fatal(err)
	}
	if mat.Rows != 10 || mat.Cols != 10 || mat.Stride != 10 || len(mat.Data) != 100 {
		t.Errorf("matrix %d x %d stride %d in %d", mat.Rows, mat.Cols, mat.Stride, len(mat.Data))
	}
	if m.Used() != 1000 || m.Peak() != 1000 {
		t.Errorf("used %d, peak %d", m.Used(), m.Peak())
	}
	a.Close()
	a.Close()
	if m.Used() != 400 {
		t.Errorf("used %d after closing 600 twice", m.Used())
	}
	b.Close()
	if m.Used() != 0 || m.Peak() != 1000 {
		t.Errorf("used %d, peak %d at the end", m.Used(), m.Peak())
	}
	if _, err := NewMemory(0).Buffer(math.MaxInt); !errors.Is(err, ErrMemory) {
		t.Errorf("everything: %v", err)
	}
}
