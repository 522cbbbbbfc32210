//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package disk

import (
	"errors"
	"io"
)

// Without folder locks nothing is known about the owner of a leftover folder, so
// none is cleaned up.
func lock(string) (io.Closer, error) { return nil, errors.ErrUnsupported }
