// Package disk is the file layer of the checkpoint code: the few things it asks
// of an operating system, as an interface, so that tests can make the n-th
// request fail. Nothing is ever mapped into memory: a mapped file that another
// process truncates would kill the host.
package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// File is an open file that is read or written at stated offsets.
type File interface {
	io.ReaderAt
	io.WriterAt
	Size() (int64, error)
	Stat() (fs.FileInfo, error)
	Sync() error
	Close() error
}

// FS is what the checkpoint code needs of a file system.
type FS interface {
	// Open opens a regular file for reading, following links.
	Open(path string) (File, error)
	// Create makes a new file; an existing one is an error.
	Create(path string) (File, error)
	// Stat describes what path leads to.
	Stat(path string) (fs.FileInfo, error)
	// ReadDir lists a folder, sorted by name.
	ReadDir(path string) ([]fs.DirEntry, error)
	// Resolve follows all links of an existing path.
	Resolve(path string) (string, error)
	// Mkdir makes a new folder; an existing one is an error.
	Mkdir(path string) error
	// Rename moves a file or folder; it never replaces a folder.
	Rename(from, to string) error
	// Exchange swaps two paths in one step, or fails with errors.ErrUnsupported.
	Exchange(a, b string) error
	// RemoveAll removes a path and what is below it; a missing path is no error.
	RemoveAll(path string) error
	// SyncDir makes the entries of a folder durable.
	SyncDir(path string) error
	// Lock takes an exclusive lock on an existing folder without waiting. It
	// fails with ErrLocked if a living process holds it, and with
	// errors.ErrUnsupported where folders can't be locked. The lock ends with its
	// process.
	Lock(dir string) (io.Closer, error)
}

// ErrLocked says that another holder has the folder.
var ErrLocked = errors.New("locked by a running process")

// OS is the real file system.
type OS struct{}

type osFile struct{ *os.File }

// OSFile is the operating system's file behind f; false if f is of another layer.
func OSFile(f File) (*os.File, bool) {
	of, ok := f.(osFile)
	return of.File, ok
}

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// Open looks before it opens: opening a pipe would wait for a writer.
func (OS) Open(path string) (File, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("open %s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Create makes a new file for writing.
func (OS) Create(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Stat describes what path leads to.
func (OS) Stat(path string) (fs.FileInfo, error) { return os.Stat(path) }

// ReadDir lists a folder.
func (OS) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// Resolve follows all links.
func (OS) Resolve(path string) (string, error) { return filepath.EvalSymlinks(path) }

// Mkdir makes a new folder.
func (OS) Mkdir(path string) error { return os.Mkdir(path, 0o777) }

// Rename moves a file or folder.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Exchange swaps two paths in one step.
func (OS) Exchange(a, b string) error { return exchange(a, b) }

// RemoveAll removes a path and what is below it.
func (OS) RemoveAll(path string) error { return os.RemoveAll(path) }

// Lock takes the lock of a folder.
func (OS) Lock(dir string) (io.Closer, error) { return lock(dir) }

// SyncDir makes the entries of a folder durable. File systems that have no such
// notion say EINVAL, and that is no failure.
func (OS) SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return Join(err, d.Close())
}
