//go:build native

package main

/*
#include "core.h"
*/
import "C"

import (
	"context"
	"os"
	"unsafe"

	"libawq/capi/command"
	"libawq/kernels/native"
)

//export awqgo_command_run
func awqgo_command_run(argc C.int32_t, argv **C.char, cancel C.awq_cancel_fn, user unsafe.Pointer) C.int32_t {
	var args []string
	for _, a := range unsafe.Slice(argv, int(argc)) {
		args = append(args, text(a))
	}
	code := 1
	st := plain(func() error {
		return withCancel(cancel, user, func(ctx context.Context) error {
			code = command.Run(ctx, args[1:], command.Host{
				In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Version: C.GoString(C.awq_version_string()),
				Getenv: getenv, Open: openDevice, Devices: native.List,
			})
			return nil
		})
	})
	if st != 0 {
		os.Stderr.WriteString("awq: " + C.GoString(C.awq_last_error_message()) + "\n")
	}
	return C.int32_t(code)
}

// openDevice opens the CPU for a command.
func openDevice(isa string, threads int) (*command.Device, error) {
	d, err := native.Open(native.Options{ISA: isa, Threads: threads})
	if err != nil {
		return nil, err
	}
	return &command.Device{Ops: d.Ops(), Roof: d.Roof, Close: d.Close}, nil
}
