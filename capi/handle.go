//go:build native

package main

/*
#include "core.h"
*/
import "C"

import (
	"fmt"
	"runtime/cgo"
	"sync/atomic"
	"unsafe"

	"libawq/kernels"
	"libawq/kernels/native"
	"libawq/quant"
)

// engine is the Go side of an awq_context.
type engine struct {
	device  *native.Device
	ops     kernels.Ops
	plugins []string
	logger  C.awq_log_fn // may be nil

	loggerUser unsafe.Pointer
	models     quant.Models           // folders that loads keep open
	broken     atomic.Pointer[string] // set by a recovered panic: the context refuses further work
}

// handleOf resolves a number that C holds; garbage and stale numbers panic in cgo and become an internal error.
func handleOf[T any](h uintptr) (T, error) {
	v, ok := cgo.Handle(h).Value().(T)
	if !ok {
		return v, fmt.Errorf("%w: handle of another kind", quant.ErrInvalid)
	}
	return v, nil
}
