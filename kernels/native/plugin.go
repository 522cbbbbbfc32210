//go:build native

// Device plug-ins: files libawq_<name>.so that export awqk_entry. They are opened only when someone asks for the list or for
// one of them, and stay open: drivers don't survive being unloaded.

package native

/*
#include "call.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unsafe"

	"github.com/ebitengine/purego"

	"libawq/kernels"
)

// A plug-in with more tables than this doesn't know where they end.
const maxTables = 64

// openPlugin opens the file and returns its usable tables.
func openPlugin(path string) ([]*C.awqk_ops, error) {
	// A name without a slash would be searched in the loader's folders.
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("plug-in %s: %w", path, err)
	}
	lib, err := purego.Dlopen(abs, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("plug-in %s: %w: %w", path, kernels.ErrDevice, oneLine(err))
	}
	entry, err := purego.Dlsym(lib, "awqk_entry")
	if err != nil {
		return nil, fmt.Errorf("plug-in %s: %w: %w", path, kernels.ErrDevice, oneLine(err))
	}
	var all []*C.awqk_ops
	for i := range uintptr(maxTables) {
		at, _, _ := purego.SyscallN(entry, C.AWQK_ABI, i)
		if at == 0 {
			break
		}
		t := *(**C.awqk_ops)(unsafe.Pointer(&at)) // C memory: the collector neither moves nor frees it
		if t.abi != C.AWQK_ABI {
			return nil, fmt.Errorf("plug-in %s: table %d is of ABI %d, this library's is %d: %w", path, i, uint32(t.abi), uint32(C.AWQK_ABI), kernels.ErrUnsupported)
		}
		if C.awqgo_usable(t) == 0 {
			return nil, fmt.Errorf("plug-in %s: table %d of %d bytes can't be described and opened: %w", path, i, uint32(t.struct_size), kernels.ErrUnsupported)
		}
		all = append(all, t)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("plug-in %s: it has no table of ABI %d: %w", path, uint32(C.AWQK_ABI), kernels.ErrUnsupported)
	}
	return all, nil
}

// oneLine drops line breaks that loaders put into their messages.
func oneLine(err error) error { return errors.New(strings.Join(strings.Fields(err.Error()), " ")) }

// listPlugins lists the devices of the plug-ins in one folder, sorted by file name.
func listPlugins(dir string) []kernels.Device {
	files, err := os.ReadDir(dir)
	if err != nil {
		return []kernels.Device{{Name: dir, Kind: "plugin", Reason: err.Error()}}
	}
	var all []kernels.Device
	for _, f := range files {
		name := f.Name()
		if !strings.HasPrefix(name, "libawq_") || !strings.HasSuffix(name, ".so") {
			continue
		}
		tables, err := openPlugin(filepath.Join(dir, name))
		if err != nil {
			all = append(all, kernels.Device{Name: strings.TrimSuffix(strings.TrimPrefix(name, "libawq_"), ".so"), Kind: "plugin", Reason: err.Error()})
			continue
		}
		for _, t := range tables {
			all = append(all, describe(t)...)
		}
	}
	return all
}
