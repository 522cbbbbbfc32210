//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package packed

// Whose files are believed: a mapped file that becomes shorter is a SIGBUS at the next look, and one that changes is another weight. So
// it must be a file that nobody but this user writes to, and we only ever replace it by renaming.

import (
	"fmt"
	"os"
	"syscall"
)

// openTrusted opens a regular file that belongs to this user and that nobody else may write to; a link is not followed.
func openTrusted(path string) (*os.File, int64, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0) // a pipe must not make us wait
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil {
		t, ok := st.Sys().(*syscall.Stat_t)
		switch {
		case !st.Mode().IsRegular():
			err = fmt.Errorf("%s: %w: not a regular file", path, ErrUntrusted)
		case !ok || int(t.Uid) != os.Geteuid():
			err = fmt.Errorf("%s: %w: it does not belong to user %d", path, ErrUntrusted, os.Geteuid())
		case st.Mode().Perm()&0o022 != 0:
			err = fmt.Errorf("%s: %w: others may write to it, mode %#o", path, ErrUntrusted, st.Mode().Perm())
		}
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}
