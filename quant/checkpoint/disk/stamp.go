package disk

// Versions of a file, told apart without reading it.

import (
	"errors"
	"io/fs"
)

// Stamp is what a file system says of a file's contents: two stamps of one path
// differ if the file was written to, replaced or touched in between. A change
// within one tick of the file system's clock (some milliseconds at most) after
// the first stamp, that keeps the size, goes unnoticed. The zero Stamp is no
// file.
type Stamp struct {
	Size, Modified, Changed int64 // times in ns; Changed can't be set by programs, 0 where the system has none
	Inode                   uint64
}

// StampOf reads the stamp of a file's description.
func StampOf(st fs.FileInfo) Stamp {
	s := Stamp{Size: st.Size(), Modified: st.ModTime().UnixNano()}
	s.system(st)
	return s
}

// StampAt is the stamp of what path leads to; zero if that does not exist.
func StampAt(fsys FS, path string) (Stamp, error) {
	st, err := fsys.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Stamp{}, nil
	}
	if err != nil {
		return Stamp{}, err
	}
	return StampOf(st), nil
}
