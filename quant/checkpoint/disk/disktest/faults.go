// Package disktest makes a file layer fail on purpose: the n-th request, or every
// writing one from the n-th on.
package disktest

import (
	"errors"
	"io"
	"io/fs"
	"sync"

	"libawq/quant/checkpoint/disk"
)

// Faults passes requests on to another file layer and fails some. Set the fields
// before the first request.
type Faults struct {
	disk.FS
	N      int   // the number of the request that fails, from 1; 0 for none
	Err    error // what it fails with
	Full   bool  // from N on, each request that needs space fails, none else
	Short  bool  // a failing transfer moves half of its bytes first
	NoSwap bool  // Exchange is not offered
	NoSync bool  // nothing is really made durable, for tests of many runs

	mu   sync.Mutex
	seen int
	hit  string
}

// Hit returns the first request that was made to fail, "" if none was.
func (f *Faults) Hit() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hit
}

// Seen returns the number of requests so far.
func (f *Faults) Seen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.seen
}

func (f *Faults) step(what string, space bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen++
	if f.N == 0 || f.seen < f.N || f.Full && !space || !f.Full && f.seen > f.N {
		return nil
	}
	if f.hit == "" {
		f.hit = what
	}
	return f.Err
}

// Open opens a file for reading.
func (f *Faults) Open(path string) (disk.File, error) {
	if err := f.step("open", false); err != nil {
		return nil, err
	}
	return f.file(f.FS.Open(path))
}

// Create makes a new file.
func (f *Faults) Create(path string) (disk.File, error) {
	if err := f.step("create", true); err != nil {
		return nil, err
	}
	return f.file(f.FS.Create(path))
}

func (f *Faults) file(under disk.File, err error) (disk.File, error) {
	if err != nil {
		return nil, err
	}
	return file{under, f}, nil
}

// Stat describes what path leads to.
func (f *Faults) Stat(path string) (fs.FileInfo, error) {
	if err := f.step("stat", false); err != nil {
		return nil, err
	}
	return f.FS.Stat(path)
}

// ReadDir lists a folder.
func (f *Faults) ReadDir(path string) ([]fs.DirEntry, error) {
	if err := f.step("readdir", false); err != nil {
		return nil, err
	}
	return f.FS.ReadDir(path)
}

// Resolve follows all links.
func (f *Faults) Resolve(path string) (string, error) {
	if err := f.step("resolve", false); err != nil {
		return "", err
	}
	return f.FS.Resolve(path)
}

// Mkdir makes a new folder.
func (f *Faults) Mkdir(path string) error {
	if err := f.step("mkdir", true); err != nil {
		return err
	}
	return f.FS.Mkdir(path)
}

// Rename moves a file or folder.
func (f *Faults) Rename(from, to string) error {
	if err := f.step("rename", false); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

// Exchange swaps two paths.
func (f *Faults) Exchange(a, b string) error {
	if f.NoSwap {
		return errors.ErrUnsupported
	}
	if err := f.step("exchange", false); err != nil {
		return err
	}
	return f.FS.Exchange(a, b)
}

// RemoveAll removes a path.
func (f *Faults) RemoveAll(path string) error {
	if err := f.step("remove", false); err != nil {
		return err
	}
	return f.FS.RemoveAll(path)
}

// SyncDir makes a folder durable.
func (f *Faults) SyncDir(path string) error {
	if err := f.step("syncdir", true); err != nil {
		return err
	}
	if f.NoSync {
		return nil
	}
	return f.FS.SyncDir(path)
}

// Lock takes the lock of a folder.
func (f *Faults) Lock(dir string) (io.Closer, error) {
	if err := f.step("lock", false); err != nil {
		return nil, err
	}
	return f.FS.Lock(dir)
}

type file struct {
	under  disk.File
	faults *Faults
}

func (f file) ReadAt(p []byte, off int64) (int, error) {
	return f.transfer("read", false, f.under.ReadAt, p, off)
}

func (f file) WriteAt(p []byte, off int64) (int, error) {
	return f.transfer("write", true, f.under.WriteAt, p, off)
}

func (f file) transfer(what string, space bool, move func([]byte, int64) (int, error), p []byte, off int64) (int, error) {
	err := f.faults.step(what, space)
	if err == nil {
		return move(p, off)
	}
	if !f.faults.Short {
		return 0, err
	}
	n, moved := move(p[:len(p)/2], off)
	return n, errors.Join(err, moved)
}

func (f file) Size() (int64, error) {
	if err := f.faults.step("size", false); err != nil {
		return 0, err
	}
	return f.under.Size()
}

func (f file) Stat() (fs.FileInfo, error) {
	if err := f.faults.step("fstat", false); err != nil {
		return nil, err
	}
	return f.under.Stat()
}

func (f file) Sync() error {
	if err := f.faults.step("sync", true); err != nil {
		return err
	}
	if f.faults.NoSync {
		return nil
	}
	return f.under.Sync()
}

// Close always closes, as a failing close of the operating system does.
func (f file) Close() error {
	return errors.Join(f.faults.step("close", false), f.under.Close())
}
