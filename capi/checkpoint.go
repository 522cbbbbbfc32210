//go:build native

package main

/*
#include "core.h"
#include <stdlib.h>
*/
import "C"

import (
	"fmt"
	"runtime/cgo"
	"unsafe"

	"libawq/quant"
	"libawq/quant/checkpoint"
	"libawq/quant/checkpoint/builtin"
)

// folder is the Go side of an awq_checkpoint. Names and shapes that C looks at live in C memory until it is closed.
type folder struct {
	dir     string
	reader  checkpoint.Reader
	tensors []checkpoint.Info
	rows    []C.awq_tensor_info
}

func (f *folder) free() {
	for _, r := range f.rows {
		C.free(unsafe.Pointer(r.name))
		C.free(unsafe.Pointer(r.dtype))
		C.free(unsafe.Pointer(r.shape))
	}
	f.reader.Close()
}

//export awqgo_checkpoint_open
func awqgo_checkpoint_open(dir *C.char, out *C.uintptr_t) C.int32_t {
	return plain(func() error {
		f := &folder{dir: C.GoString(dir)}
		var err error
		if f.reader, err = builtin.Open(f.dir); err != nil {
			return err
		}
		f.tensors = f.reader.Tensors()
		for _, t := range f.tensors {
			size, err := t.Bytes()
			if err != nil {
				size = 0 // an unknown dtype: listed, refused when read
			}
			shape := (*C.int64_t)(C.malloc(C.size_t(8 * max(1, len(t.Shape)))))
			for i, d := range t.Shape {
				unsafe.Slice(shape, len(t.Shape))[i] = C.int64_t(d)
			}
			f.rows = append(f.rows, C.awq_tensor_info{struct_size: C.sizeof_awq_tensor_info, name: C.CString(t.Name), dtype: C.CString(string(t.DType)),
				shape: shape, ndim: C.int32_t(len(t.Shape)), bytes: C.uint64_t(size)})
		}
		*out = C.uintptr_t(cgo.NewHandle(f))
		return nil
	})
}

func withFolder(h C.uintptr_t, fn func(*folder) error) C.int32_t {
	return plain(func() error {
		f, err := handleOf[*folder](uintptr(h))
		if err != nil {
			return err
		}
		return fn(f)
	})
}

//export awqgo_checkpoint_destroy
func awqgo_checkpoint_destroy(h C.uintptr_t) {
	withFolder(h, func(f *folder) error {
		cgo.Handle(h).Delete()
		f.free()
		return nil
	})
}

//export awqgo_checkpoint_inspect
func awqgo_checkpoint_inspect(h C.uintptr_t, out **C.char) C.int32_t {
	return withFolder(h, func(f *folder) error {
		i, err := quant.Inspect(f.dir)
		if err != nil {
			return err
		}
		return document(i, out)
	})
}

//export awqgo_checkpoint_tensor_count
func awqgo_checkpoint_tensor_count(h C.uintptr_t, count *C.size_t) C.int32_t {
	return withFolder(h, func(f *folder) error {
		*count = C.size_t(len(f.rows))
		return nil
	})
}

//export awqgo_checkpoint_tensor_at
func awqgo_checkpoint_tensor_at(h C.uintptr_t, index C.size_t, out *C.awq_tensor_info) C.int32_t {
	return withFolder(h, func(f *folder) error {
		if uint64(index) >= uint64(len(f.rows)) {
			return fmt.Errorf("%s: tensor %d of %d: %w", f.dir, uint64(index), len(f.rows), checkpoint.ErrNotFound)
		}
		*out = f.rows[index]
		return nil
	})
}

//export awqgo_checkpoint_read
func awqgo_checkpoint_read(h C.uintptr_t, name *C.char, dst unsafe.Pointer, bytes C.size_t) C.int32_t {
	return withFolder(h, func(f *folder) error {
		t, ok := f.reader.Lookup(C.GoString(name))
		if !ok {
			return fmt.Errorf("%s: %w: tensor %s", f.dir, checkpoint.ErrNotFound, checkpoint.Quote(C.GoString(name)))
		}
		size, err := t.Bytes()
		if err != nil {
			return fmt.Errorf("tensor %s: %w", t.Name, err)
		}
		if uint64(size) != uint64(bytes) {
			return fmt.Errorf("%w: tensor %s has %d bytes, the buffer %d", quant.ErrInvalid, t.Name, size, uint64(bytes))
		}
		return f.reader.ReadAt(t.Name, unsafe.Slice((*byte)(dst), int(size)), 0)
	})
}
