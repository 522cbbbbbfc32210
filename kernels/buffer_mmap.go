//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

// Buffers as private anonymous mappings: zeroed by the kernel and given back to it at once.

package kernels

import "syscall"

func mapMemory(bytes int) (raw, data []byte, err error) {
	raw, err = syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	return raw, raw, err
}

func unmapMemory(raw []byte) {
	// munmap of a mapping that mmap returned fails only for a wrong address, which can't occur here.
	_ = syscall.Munmap(raw)
}
