package disk

// Whole transfers: loops over partial reads and writes, so that the callers above
// see "all" or an error.

import (
	"errors"
	"fmt"
	"io"
	"syscall"
)

// chunk bounds one system call, so that no single request holds a thread for
// seconds on a slow disk.
const chunk = 16 << 20

// ReadFull fills p from byte off on. The end of the file before that is
// io.ErrUnexpectedEOF.
func ReadFull(f File, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := f.ReadAt(p[:min(len(p), chunk)], off)
		p, off = p[n:], off+int64(n)
		switch {
		case len(p) == 0 || errors.Is(err, syscall.EINTR):
		case errors.Is(err, io.EOF), err == nil && n == 0:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
	return nil
}

// WriteFull stores all of p from byte off on.
func WriteFull(f File, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := f.WriteAt(p[:min(len(p), chunk)], off)
		p, off = p[n:], off+int64(n)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return err
		case n == 0:
			return io.ErrShortWrite
		}
	}
	return nil
}

// ErrTooLarge says that a file exceeds what its reader accepts.
var ErrTooLarge = errors.New("file too large")

// ReadFile returns a whole file of at most limit bytes.
func ReadFile(fsys FS, path string, limit int64) ([]byte, error) {
	f, err := fsys.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes, limit %d", ErrTooLarge, size, limit)
	}
	p := make([]byte, size)
	if err := ReadFull(f, p, 0); err != nil {
		return nil, err
	}
	return p, nil
}

// WriteFile makes a new durable file with the given contents, or removes it again.
func WriteFile(fsys FS, path string, p []byte) error {
	f, err := fsys.Create(path)
	if err != nil {
		return err
	}
	err = WriteFull(f, p, 0)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return Join(err, fsys.RemoveAll(path))
	}
	return nil
}
