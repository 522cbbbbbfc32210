//go:build native

package main

/*
#include "core.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"libawq/kernels"
	"libawq/kernels/native"
	"libawq/quant/checkpoint"
)

//export awqgo_device_count
func awqgo_device_count(h C.uintptr_t, count *C.int32_t) C.int32_t {
	return call(h, func(e *engine) error {
		*count = C.int32_t(len(native.List(e.plugins)))
		return nil
	})
}

//export awqgo_device_get
func awqgo_device_get(h C.uintptr_t, index C.int32_t, out *C.awq_device_info) C.int32_t {
	return call(h, func(e *engine) error {
		all := native.List(e.plugins)
		if index < 0 || int(index) >= len(all) {
			return fmt.Errorf("device %d of %d: %w", int(index), len(all), checkpoint.ErrNotFound)
		}
		d := all[index]
		out.device_type = deviceType(d)
		out.index = C.int32_t(d.Index)
		text := d.Description
		if d.Available {
			out.available = 1
		} else {
			text = d.Reason
		}
		fill(unsafe.Slice((*byte)(unsafe.Pointer(&out.name[0])), len(out.name)), d.Name)
		fill(unsafe.Slice((*byte)(unsafe.Pointer(&out.description[0])), len(out.description)), text)
		return nil
	})
}

// deviceType gives DLPack's number of a kind; 0 where a plug-in could not say.
func deviceType(d kernels.Device) C.int32_t {
	switch d.Kind {
	case "cpu":
		return C.AWQK_DEVICE_CPU
	case "cuda":
		return C.AWQK_DEVICE_CUDA
	case "hip":
		return C.AWQK_DEVICE_HIP
	case "sycl":
		return C.AWQK_DEVICE_SYCL
	}
	return 0
}

// fill writes text to a zeroed C array, cut to fit with its terminator.
func fill(dst []byte, text string) { copy(dst[:len(dst)-1], text) }
