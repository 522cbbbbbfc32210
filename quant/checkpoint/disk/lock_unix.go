//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package disk

// Folder locks by flock on the folder itself: no lock file to leave behind, and
// the kernel ends the lock when its process dies, however it dies.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

func lock(dir string) (io.Closer, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		// The folder may have been removed or moved between open and lock: then
		// this lock guards nothing.
		err = same(d, dir)
	} else if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	} else {
		// Some network file systems have no flock on folders.
		err = fmt.Errorf("lock %s: %w: %w", dir, errors.ErrUnsupported, err)
	}
	if err != nil {
		return nil, Join(err, d.Close())
	}
	return d, nil
}

func same(d *os.File, dir string) error {
	held, err := d.Stat()
	if err != nil {
		return err
	}
	there, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if !os.SameFile(held, there) {
		return ErrLocked
	}
	return nil
}
