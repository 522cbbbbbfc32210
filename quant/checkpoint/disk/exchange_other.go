//go:build !(linux && (amd64 || arm64 || riscv64 || loong64))

package disk

import "errors"

// Callers fall back to two renames.
func exchange(string, string) error { return errors.ErrUnsupported }
