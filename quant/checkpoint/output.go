package checkpoint

// An output folder that appears whole or not at all: everything is made in a
// hidden sibling, which takes the final name in one step.

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"libawq/quant/checkpoint/disk"
)

// Output is a folder in the making. Use it from one thread.
type Output struct {
	fsys    disk.FS
	dst     string // absolute, links followed
	tmp     string
	force   bool
	sources []string
	lock    io.Closer // nil where folders can't be locked
	done    bool
}

// NewOutput prepares the folder dst; its parent has to exist. An existing dst is
// ErrExists unless force is set, and then Commit replaces it, provided that it is
// empty or holds a config.json, and that none of the sources is it or lies in it.
// What killed runs with the same dst left behind is removed.
func NewOutput(dst string, force bool, sources ...string) (*Output, error) {
	return NewOutputOn(disk.OS{}, dst, force, sources...)
}

// NewOutputOn is NewOutput on a given file layer.
func NewOutputOn(fsys disk.FS, dst string, force bool, sources ...string) (*Output, error) {
	full, err := finalPath(fsys, dst)
	if err != nil {
		return nil, err
	}
	o := &Output{fsys: fsys, dst: full, force: force, sources: sources}
	if err := o.sweep(); err != nil {
		return nil, err
	}
	if _, err := o.existing(); err != nil {
		return nil, err
	}
	if err := o.makeTemporary(); err != nil {
		return nil, err
	}
	return o, nil
}

// finalPath returns where dst leads to, or will stand in a parent that exists.
func finalPath(fsys disk.FS, dst string) (string, error) {
	full, err := filepath.Abs(dst)
	if err != nil {
		return "", FileError(dst, err)
	}
	if dst == "" || filepath.Dir(full) == full {
		return "", fmt.Errorf("%w: %s can't be an output folder", ErrInvalid, Quote(dst))
	}
	resolved, err := fsys.Resolve(full)
	if err == nil {
		return resolved, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", FileError(dst, err)
	}
	parent, err := fsys.Resolve(filepath.Dir(full))
	if err != nil {
		return "", FileError("parent folder of "+dst, err)
	}
	st, err := fsys.Stat(parent)
	if err != nil {
		return "", FileError("parent folder of "+dst, err)
	}
	if !st.IsDir() {
		return "", fmt.Errorf("parent of %s: %w: %s is not a folder", dst, ErrInvalid, parent)
	}
	return filepath.Join(parent, filepath.Base(full)), nil
}

// existing reports whether dst is there, and fails if it must not be replaced.
func (o *Output) existing() (bool, error) {
	st, err := o.fsys.Stat(o.dst)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, FileError(o.dst, err)
	}
	if !o.force {
		return true, fmt.Errorf("%s: %w", o.dst, ErrExists)
	}
	if !st.IsDir() {
		return true, fmt.Errorf("%s: %w and is not a folder", o.dst, ErrExists)
	}
	listed, err := o.fsys.ReadDir(o.dst)
	if err != nil {
		return true, FileError(o.dst, err)
	}
	model := len(listed) == 0
	for _, e := range listed {
		model = model || e.Name() == ConfigName
	}
	if !model {
		return true, fmt.Errorf("%s: %w and holds no %s: only a model's folder is replaced", o.dst, ErrExists, ConfigName)
	}
	return true, guardSources(o.fsys, o.dst, st, o.sources)
}

func (o *Output) makeTemporary() error {
	for range 8 {
		var id [8]byte
		if _, err := rand.Read(id[:]); err != nil {
			return FileError("random name", err)
		}
		tmp := sibling(o.dst, tmpMark) + hex.EncodeToString(id[:])
		err := o.fsys.Mkdir(tmp)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return FileError("make a folder beside "+o.dst, err)
		}
		lock, err := o.fsys.Lock(tmp)
		switch {
		case errors.Is(err, errors.ErrUnsupported):
			lock = nil
		case errors.Is(err, disk.ErrLocked), errors.Is(err, fs.ErrNotExist):
			continue // another run took it for a leftover in this instant
		case err != nil:
			return disk.Join(FileError("lock "+tmp, err), o.fsys.RemoveAll(tmp))
		}
		o.tmp, o.lock = tmp, lock
		return nil
	}
	return fmt.Errorf("%w: no free name for a folder beside %s", ErrIO, o.dst)
}

// Dir returns the folder to fill.
func (o *Output) Dir() string { return o.tmp }

// Commit makes all files durable and gives the folder its final name, replacing
// an old one if that was asked for. If it fails, dst is as before and the
// temporary folder is gone.
func (o *Output) Commit() error {
	if o.done {
		return fmt.Errorf("%s: %w: the output is finished", o.dst, ErrInvalid)
	}
	if err := o.commit(); err != nil {
		return disk.Join(err, o.Abort())
	}
	o.done = true
	_ = o.unlock() // the folder stands; what a lock's end says can't change that
	return nil
}

func (o *Output) commit() error {
	if err := syncTree(o.fsys, o.tmp, 8); err != nil {
		return err
	}
	exists, err := o.existing()
	if err != nil {
		return err
	}
	if exists {
		return o.replace()
	}
	if err := o.fsys.Rename(o.tmp, o.dst); err != nil {
		return FileError("rename the finished folder", err)
	}
	if err := o.fsys.SyncDir(filepath.Dir(o.dst)); err != nil {
		return disk.Join(FileError(o.dst, err), o.fsys.Rename(o.dst, o.tmp))
	}
	return nil
}

// syncTree makes the files below a folder durable.
func syncTree(fsys disk.FS, dir string, depth int) error {
	if depth == 0 {
		return fmt.Errorf("%s: %w: folders nested too deep", dir, ErrInvalid)
	}
	listed, err := fsys.ReadDir(dir)
	if err != nil {
		return FileError(dir, err)
	}
	for _, e := range listed {
		path := filepath.Join(dir, e.Name())
		if e.IsDir() {
			if err := syncTree(fsys, path, depth-1); err != nil {
				return err
			}
			continue
		}
		f, err := fsys.Open(path)
		if err != nil {
			return FileError(path, err)
		}
		if err := disk.Join(f.Sync(), f.Close()); err != nil {
			return FileError(path, err)
		}
	}
	return FileError(dir, fsys.SyncDir(dir))
}

// Abort removes the unfinished folder; after Commit it does nothing.
func (o *Output) Abort() error {
	if o.done {
		return nil
	}
	o.done = true
	return disk.Join(FileError("remove the unfinished output", o.fsys.RemoveAll(o.tmp)), o.unlock())
}

func (o *Output) unlock() error {
	if o.lock == nil {
		return nil
	}
	return FileError("unlock", o.lock.Close())
}
