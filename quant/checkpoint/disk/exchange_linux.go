//go:build linux && (amd64 || arm64 || riscv64 || loong64)

package disk

// Swapping two paths in one step with renameat2, which the syscall package
// doesn't wrap.

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"unsafe"
)

func exchange(a, b string) error {
	const (
		renameExchange = 2
		atCwd          = -100
	)
	number := uintptr(276) // the table that newer architectures share
	if runtime.GOARCH == "amd64" {
		number = 316
	}
	pa, err := syscall.BytePtrFromString(a)
	if err != nil {
		return err
	}
	pb, err := syscall.BytePtrFromString(b)
	if err != nil {
		return err
	}
	cwd := atCwd
	_, _, errno := syscall.Syscall6(number, uintptr(cwd), uintptr(unsafe.Pointer(pa)),
		uintptr(cwd), uintptr(unsafe.Pointer(pb)), renameExchange, 0)
	switch errno {
	case 0:
		return nil
	case syscall.ENOSYS, syscall.EINVAL, syscall.EPERM:
		// An old kernel, a file system without it, or a sandbox that forbids it.
		return fmt.Errorf("exchange %s and %s: %w: %w", a, b, errors.ErrUnsupported, errno)
	}
	return fmt.Errorf("exchange %s and %s: %w", a, b, errno)
}
