//go:build native

package main

/*
#include "core.h"
#include <stdlib.h>
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"strings"
	"syscall"
	"unsafe"

	"libawq/kernels"
	"libawq/quant"
	"libawq/quant/checkpoint"
	"libawq/quant/corpus"
	"libawq/quant/family"
	"libawq/quant/pack"
	"libawq/quant/tokenizer"
)

// statuses is the only map from errors to statuses; the first match wins, so causes stand before the wrappers around them.
func statuses() []struct {
	err    error
	status C.awq_status
} {
	type row = struct {
		err    error
		status C.awq_status
	}
	return []row{
		{context.Canceled, C.AWQ_ERR_CANCELLED},
		{kernels.ErrMemory, C.AWQ_ERR_OUT_OF_MEMORY},
		{syscall.ENOMEM, C.AWQ_ERR_OUT_OF_MEMORY},
		{checkpoint.ErrExists, C.AWQ_ERR_INVALID_ARGUMENT},
		{checkpoint.ErrNotFound, C.AWQ_ERR_NOT_FOUND},
		{checkpoint.ErrIO, C.AWQ_ERR_IO},
		{checkpoint.ErrUnsupported, C.AWQ_ERR_UNSUPPORTED},
		{quant.ErrUnsupported, C.AWQ_ERR_UNSUPPORTED},
		{kernels.ErrUnsupported, C.AWQ_ERR_UNSUPPORTED},
		{pack.ErrUnsupported, C.AWQ_ERR_UNSUPPORTED},
		{family.ErrUnsupported, C.AWQ_ERR_UNSUPPORTED},
		{tokenizer.ErrUnsupported, C.AWQ_ERR_UNSUPPORTED},
		{corpus.ErrUnsupported, C.AWQ_ERR_UNSUPPORTED},
		{checkpoint.ErrCorrupt, C.AWQ_ERR_CORRUPT},
		{family.ErrConfig, C.AWQ_ERR_CORRUPT},
		{tokenizer.ErrFormat, C.AWQ_ERR_CORRUPT},
		{pack.ErrShape, C.AWQ_ERR_INVALID_ARGUMENT},
		{quant.ErrText, C.AWQ_ERR_INVALID_ARGUMENT},
		{quant.ErrInvalid, C.AWQ_ERR_INVALID_ARGUMENT},
		{kernels.ErrArgument, C.AWQ_ERR_INVALID_ARGUMENT},
		{checkpoint.ErrInvalid, C.AWQ_ERR_INVALID_ARGUMENT},
		{tokenizer.ErrInput, C.AWQ_ERR_INVALID_ARGUMENT},
		{corpus.ErrText, C.AWQ_ERR_INVALID_ARGUMENT},
		{kernels.ErrDevice, C.AWQ_ERR_DEVICE},
		{fs.ErrNotExist, C.AWQ_ERR_NOT_FOUND},
	}
}

// status turns an error into a status and this thread's message.
func status(err error) C.awq_status {
	if err == nil {
		return C.AWQ_OK
	}
	st := C.awq_status(C.AWQ_ERR_INTERNAL)
	var path *fs.PathError
	if errors.As(err, &path) {
		st = C.AWQ_ERR_IO
	}
	for _, s := range statuses() {
		if errors.Is(err, s.err) {
			st = s.status
			break
		}
	}
	text := C.CString(strings.ReplaceAll(err.Error(), "\x00", ""))
	defer C.free(unsafe.Pointer(text))
	return C.awqc_fail_text(st, text)
}

// recovered turns a panic into an error; every export defers it.
func recovered(e *engine, st *C.awq_status) {
	r := recover()
	if r == nil {
		return
	}
	text := fmt.Sprintf("internal error: %v; %s", r, firstFrame(debug.Stack()))
	if e != nil {
		e.broken.Store(&text)
	}
	*st = status(errors.New(text))
}

// firstFrame is the place of a panic: the first line of a stack that lies in this module.
func firstFrame(stack []byte) string {
	for _, line := range strings.Split(string(stack), "\n") {
		if strings.HasPrefix(line, "libawq/") || strings.HasPrefix(line, "main.") && !strings.HasPrefix(line, "main.recovered") {
			return "in " + line
		}
	}
	return "place unknown"
}

// call runs one export on a context: handle, poison, panic, error.
func call(h C.uintptr_t, fn func(*engine) error) (st C.awq_status) {
	var e *engine
	defer func() { recovered(e, &st) }()
	e, err := handleOf[*engine](uintptr(h))
	if err != nil {
		return status(err)
	}
	if text := e.broken.Load(); text != nil {
		return status(errors.New("this context failed before: " + *text))
	}
	err = fn(e)
	var p *kernels.PanicError
	if errors.As(err, &p) { // a panic in a goroutine of the job
		text := fmt.Sprintf("internal error: %v", p)
		e.broken.Store(&text)
	}
	return status(err)
}

// plain runs one export that needs no context.
func plain(fn func() error) (st C.awq_status) {
	defer recovered(nil, &st)
	return status(fn())
}
