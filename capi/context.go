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
		e := &engine{}
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
		if o.log != nil {
			text := C.CString("using " + e.ops.Name)
			defer C.free(unsafe.Pointer(text))
			C.awqc_log(o.log, o.log_user, C.AWQ_LOG_INFO, text)
		}
		return nil
	})
}

//export awqgo_context_destroy
func awqgo_context_destroy(h C.uintptr_t) {
	plain(func() error {
		cgo.Handle(h).Delete()
		return nil
	})
}
