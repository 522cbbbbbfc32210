package disk

import (
	"io/fs"
	"syscall"
)

func (s *Stamp) system(st fs.FileInfo) {
	if t, ok := st.Sys().(*syscall.Stat_t); ok {
		s.Changed, s.Inode = t.Ctim.Nano(), t.Ino
	}
}
