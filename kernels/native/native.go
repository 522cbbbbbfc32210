//go:build native

// Package native serves kernels.Ops from compiled back ends: the CPU archive, which is linked in, and device plug-ins, which
// are opened at run time. Both speak kernels/abi/awq_backend.h. Arguments are checked in Go before each call, because a
// kernel has no way to fail.
package native

/*
#cgo CFLAGS: -I${SRCDIR}/../abi
#cgo LDFLAGS: -L${SRCDIR}/../../build/lib -lawq_cpu -lm -lpthread -ldl
#include "call.h"
*/
import "C"

import (
	"fmt"
	"strings"
	"sync"
	"unsafe"

	"libawq/kernels"
	"libawq/kernels/ref"
)

// Options choose what Open opens. The zero value is the fastest instruction set of this CPU with its default threads.
type Options struct {
	ISA     string // instruction set of the CPU archive, the part of a table's name after "/"; empty: the best
	Threads int    // 0: the back end's default
	Plugin  string // file of a plug-in to open instead of the CPU archive; ISA then names one of its tables, if it has several
	Index   int    // device of the table
}

// Device is an opened device with its table.
type Device struct {
	table  *C.awqk_ops
	handle *C.awqk_device
	ops    kernels.Ops

	mu      sync.Mutex
	weights int // packed weights that still need the device
	closed  bool
}

// tables are those of the CPU archive, best first.
func tables() []*C.awqk_ops {
	var all []*C.awqk_ops
	for i := C.int32_t(0); ; i++ {
		t := C.awqk_entry(C.AWQK_ABI, i)
		if t == nil {
			return all
		}
		all = append(all, t)
	}
}

// isaOf is the last part of a table's name.
func isaOf(t *C.awqk_ops) string {
	name := C.GoString(t.name)
	return name[strings.LastIndexByte(name, '/')+1:]
}

// List is a line for each device of each table: those of the CPU archive, best first, then those of the plug-ins in the given
// folders. Whatever can't be used is in the list with its reason; nothing is opened.
func List(pluginDirs []string) []kernels.Device {
	var all []kernels.Device
	for _, t := range tables() {
		all = append(all, describe(t)...)
	}
	for _, dir := range pluginDirs {
		all = append(all, listPlugins(dir)...)
	}
	return all
}

// describe lists the devices of one table.
func describe(t *C.awqk_ops) []kernels.Device {
	d := kernels.Device{Name: C.GoString(t.name), Kind: kindOf(t), ISA: isaOf(t)}
	if C.awqgo_score(t) <= 0 {
		d.Reason = "this machine can't run it"
		return []kernels.Device{d}
	}
	n := int(C.awqgo_count(t))
	if n <= 0 {
		d.Reason = "no device present"
		return []kernels.Device{d}
	}
	var all []kernels.Device
	for d.Index = range n {
		var text [256]C.char
		if status := C.awqgo_describe(t, C.int32_t(d.Index), &text[0], C.size_t(len(text))); status != 0 {
			d.Available, d.Description, d.Reason = false, "", fmt.Sprintf("it can't be described: status %d", int(status))
		} else {
			text[len(text)-1] = 0
			d.Available, d.Description, d.Reason = true, C.GoString(&text[0]), ""
		}
		all = append(all, d)
	}
	return all
}

func kindOf(t *C.awqk_ops) string {
	switch t.device_type {
	case C.AWQK_DEVICE_CPU:
		return "cpu"
	case C.AWQK_DEVICE_CUDA:
		return "cuda"
	case C.AWQK_DEVICE_HIP:
		return "hip"
	case C.AWQK_DEVICE_SYCL:
		return "sycl"
	}
	return fmt.Sprintf("device type %d", int(t.device_type))
}

// Open opens a device. Unknown and unusable instruction sets are errors that name those which would work.
func Open(opt Options) (*Device, error) {
	all := tables()
	if opt.Plugin != "" {
		var err error
		if all, err = openPlugin(opt.Plugin); err != nil {
			return nil, err
		}
	}
	t, err := choose(all, opt.ISA)
	if err != nil {
		return nil, err
	}
	name := C.GoString(t.name)
	if t.device_type != C.AWQK_DEVICE_CPU {
		return nil, fmt.Errorf("%s: its memory is not the host's: %w", name, kernels.ErrUnsupported)
	}
	if opt.Index < 0 || opt.Index >= int(C.awqgo_count(t)) {
		return nil, fmt.Errorf("%s: device %d: %w", name, opt.Index, kernels.ErrArgument)
	}
	if opt.Threads < 0 || opt.Threads > C.AWQK_MOST_THREADS {
		return nil, fmt.Errorf("%s: %d threads; want 1 to %d, or 0 for the default: %w", name, opt.Threads, int(C.AWQK_MOST_THREADS), kernels.ErrArgument)
	}
	d := &Device{table: t}
	status := C.awqgo_open(t, C.int32_t(opt.Index), C.int32_t(opt.Threads), &d.handle)
	if status == 1 && opt.Threads == 0 { // the one argument left that can be wrong
		return nil, fmt.Errorf("%s: AWQ_NUM_THREADS is %.40q; want a number from 1 to %d: %w", name, C.GoString(C.awqgo_num_threads()), int(C.AWQK_MOST_THREADS), kernels.ErrArgument)
	}
	if err := failure(name, "open", status); err != nil {
		return nil, err
	}
	d.ops = d.slots(name).Fill(ref.Ops())
	return d, nil
}

// choose picks the best table that this machine can run, or the one with the given instruction set.
func choose(all []*C.awqk_ops, isa string) (*C.awqk_ops, error) {
	var best *C.awqk_ops
	var top C.int32_t
	var names []string
	for _, t := range all {
		score := C.awqgo_score(t)
		if score <= 0 {
			continue
		}
		if isaOf(t) == isa {
			return t, nil
		}
		names = append(names, isaOf(t))
		if score > top {
			best, top = t, score
		}
	}
	if isa != "" {
		return nil, fmt.Errorf("instruction set %q: this machine runs %s: %w", isa, strings.Join(names, ", "), kernels.ErrUnsupported)
	}
	if best == nil {
		return nil, fmt.Errorf("this machine runs none of the %d tables: %w", len(all), kernels.ErrUnsupported)
	}
	return best, nil
}

// failure turns a status of the back-end ABI into an error.
func failure(name, op string, status C.int32_t) error {
	var err error
	switch status {
	case 0:
		return nil
	case 1:
		err = kernels.ErrArgument
	case 2:
		err = kernels.ErrUnsupported
	case C.AWQGO_IO:
		err = kernels.ErrRead
	case 6:
		err = kernels.ErrMemory
	default:
		err = kernels.ErrDevice
	}
	return fmt.Errorf("%s: %s: status %d: %w", name, op, int(status), err)
}

// Ops is the device's table; slots that the back end doesn't offer are those of ref.
func (d *Device) Ops() kernels.Ops { return d.ops }

// Table is the address of the device's const awqk_ops.
func (d *Device) Table() uintptr { return uintptr(unsafe.Pointer(d.table)) }

// Handle is the device's awqk_device *.
func (d *Device) Handle() uintptr { return uintptr(unsafe.Pointer(d.handle)) }

// Close closes the device, once its last weight is closed. Its ops must not be called any more; closing twice does nothing.
func (d *Device) Close() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.closed {
		d.closed = true
		d.release(0)
	}
}

// release gives up n weights, and the device itself when it is closed and nothing needs it. The caller holds mu.
func (d *Device) release(n int) {
	d.weights -= n
	if d.closed && d.weights == 0 {
		C.awqgo_close(d.table, d.handle)
		d.handle = nil
	}
}
