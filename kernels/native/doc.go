//go:build !native

// Package native is empty without the build tag `native`: it needs the CPU archive of kernels/cpu and a C compiler.
package native
