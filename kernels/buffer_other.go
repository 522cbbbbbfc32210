//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

// Buffers on systems without anonymous mappings: page-aligned parts of the Go heap.

package kernels

import (
	"fmt"
	"unsafe"
)

const pageBytes = 4096

func mapMemory(bytes int) (raw, data []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // make panics for a length that can't exist
			err = fmt.Errorf("%v", r)
		}
	}()
	raw = make([]byte, bytes+pageBytes)
	off := int(-uintptr(unsafe.Pointer(unsafe.SliceData(raw))) & (pageBytes - 1))
	return raw, raw[off : off+bytes], nil
}

func unmapMemory([]byte) {}
