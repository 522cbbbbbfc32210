//go:build native

package main

/*
#include "core.h"
#include <stdlib.h>
*/
import "C"

import (
	"runtime/cgo"
	"strings"
	"unsafe"

	"libawq/kernels"
	"libawq/kernels/native"
)

//export awqgo_context_create
func awqgo_context_create(o *C.awq_context_options, out *C.awq_context) (st C.int32_t) {
	return plain(func() error {
		e := &engine{logger: o.log, loggerUser: o.log_user}
		if o.backend_path != nil {
			for _, dir := range strings.Split(C.GoString(o.backend_path), ":") {
				if dir != "" {
					e.plugins = append(e.plugins, dir)
				}
			}
		}
		opt := native.Options{Threads: int(o.threads)}
		if o.isa != nil {
			opt.ISA = C.GoString(o.isa)
		}
		var err error
		if e.device, err = native.Open(opt); err != nil {
			return err
		}
		d := C.awqc_device_wrap(C.uintptr_t(e.device.Table()), C.uintptr_t(e.device.Handle()), 0)
		if d == nil {
			e.device.Close()
			return kernels.ErrMemory
		}
		e.ops = e.device.Ops()
		out.device = d // closes the device from now on
		out.handle = C.uintptr_t(cgo.NewHandle(e))
		e.log(C.AWQ_LOG_INFO, "using "+e.ops.Name)
		return nil
	})
}

// log tells the caller's function, if there is one, on this thread.
func (e *engine) log(level C.awq_log_level, line string) {
	if e.logger == nil {
		return
	}
	c := C.CString(line)
	defer C.free(unsafe.Pointer(c))
	C.awqc_log(e.logger, e.loggerUser, level, c)
}

func (e *engine) warn(line string) { e.log(C.AWQ_LOG_WARNING, line) }

//export awqgo_context_destroy
func awqgo_context_destroy(h C.uintptr_t) {
	plain(func() error {
		e, err := handleOf[*engine](uintptr(h))
		if err != nil {
			return err
		}
		cgo.Handle(h).Delete()
		e.models.Close()
		return nil
	})
}
