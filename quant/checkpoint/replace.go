package checkpoint

// Putting a finished folder in the place of an old one, and tidying up after runs
// that were killed.

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"libawq/quant/checkpoint/disk"
)

// Marks in the names of hidden siblings: a folder in the making (or, after a swap,
// the replaced one), and an old folder that was moved aside where no swap exists.
const (
	tmpMark = ".awq-tmp-"
	oldMark = ".awq-old-"
)

func sibling(dst, mark string) string {
	return filepath.Join(filepath.Dir(dst), "."+filepath.Base(dst)+mark)
}

// replace swaps the finished folder with the old one and removes that.
func (o *Output) replace() error {
	// The lock tells other runs that the old folder is being dealt with, wherever
	// it is moved.
	held, err := o.fsys.Lock(o.dst)
	if err == nil {
		defer held.Close()
	} else if !errors.Is(err, errors.ErrUnsupported) {
		return FileError("lock "+o.dst, err)
	}
	old := o.tmp // where the old folder is after a swap
	undo := func() error { return o.fsys.Exchange(o.tmp, o.dst) }
	err = o.fsys.Exchange(o.tmp, o.dst)
	if errors.Is(err, errors.ErrUnsupported) {
		old, undo, err = o.moveAside()
	}
	if err != nil {
		return FileError("replace "+o.dst, err)
	}
	if err := o.fsys.SyncDir(filepath.Dir(o.dst)); err != nil {
		return disk.Join(FileError(o.dst, err), undo())
	}
	// The new folder stands. If the old one can't be removed now, the next run
	// with the same dst tries again.
	_ = o.fsys.RemoveAll(old)
	return nil
}

// moveAside replaces in two steps. A crash between them is mended by sweep.
func (o *Output) moveAside() (string, func() error, error) {
	old := sibling(o.dst, oldMark) + strings.TrimPrefix(o.tmp, sibling(o.dst, tmpMark))
	if err := o.fsys.Rename(o.dst, old); err != nil {
		return "", nil, err
	}
	if err := o.fsys.Rename(o.tmp, o.dst); err != nil {
		return "", nil, disk.Join(err, o.fsys.Rename(old, o.dst))
	}
	undo := func() error {
		return disk.Join(o.fsys.Rename(o.dst, o.tmp), o.fsys.Rename(old, o.dst))
	}
	return old, undo, nil
}

// sweep removes what killed runs with the same dst left, and puts an old folder
// back that was moved aside but never replaced. A sibling whose owner lives is
// locked; one that can't be locked for another reason is left alone.
func (o *Output) sweep() error {
	parent := filepath.Dir(o.dst)
	listed, err := o.fsys.ReadDir(parent)
	if err != nil {
		return FileError(parent, err)
	}
	for _, e := range listed {
		path := filepath.Join(parent, e.Name())
		isTmp, isOld := marked(path, sibling(o.dst, tmpMark)), marked(path, sibling(o.dst, oldMark))
		if !e.IsDir() || !isTmp && !isOld {
			continue
		}
		held, err := o.fsys.Lock(path)
		if err != nil {
			continue
		}
		_, err = o.fsys.Stat(o.dst)
		switch {
		case isTmp, err == nil:
			err = o.fsys.RemoveAll(path)
		case errors.Is(err, fs.ErrNotExist):
			err = o.fsys.Rename(path, o.dst)
		}
		if err := disk.Join(err, held.Close()); err != nil {
			return FileError("tidy up "+path, err)
		}
	}
	return nil
}

// marked reports whether path is prefix and 16 hexadecimal digits.
func marked(path, prefix string) bool {
	id, ok := strings.CutPrefix(path, prefix)
	_, err := hex.DecodeString(id)
	return ok && err == nil && len(id) == 16
}

// guardSources fails if a source is the folder dst or lies in it, or has files
// that are links into it.
func guardSources(fsys disk.FS, dst string, dstInfo fs.FileInfo, sources []string) error {
	for _, src := range sources {
		st, err := fsys.Stat(src)
		if err != nil {
			return FileError(src, err)
		}
		paths := []string{src}
		if st.IsDir() {
			listed, err := fsys.ReadDir(src)
			if err != nil {
				return FileError(src, err)
			}
			for _, e := range listed {
				if e.Type()&fs.ModeSymlink != 0 {
					paths = append(paths, filepath.Join(src, e.Name()))
				}
			}
		}
		for _, path := range paths {
			full, err := filepath.Abs(path)
			if err == nil {
				full, err = fsys.Resolve(full)
			}
			if errors.Is(err, fs.ErrNotExist) {
				continue // a dangling link protects nothing
			}
			if err != nil {
				return FileError(path, err)
			}
			if os.SameFile(st, dstInfo) || full == dst || strings.HasPrefix(full, dst+string(filepath.Separator)) {
				return fmt.Errorf("%s: %w and holds the source %s", dst, ErrExists, path)
			}
		}
	}
	return nil
}
