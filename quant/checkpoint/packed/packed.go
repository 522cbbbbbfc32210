// Package packed keeps weights as a back end packed them in files that processes share: made once, mapped read-only by all. A file is
// believed only after its key and the SHA-256 of its bytes have been compared; whatever is wrong with one is an error, and the
// caller packs the weight itself.
package packed

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"libawq/kernels"
)

var (
	// ErrStale marks a file that is intact, but of another source, format or shape.
	ErrStale = errors.New("stale packed file")
	// ErrUntrusted marks a file that is damaged, or that someone else could have written.
	ErrUntrusted = errors.New("untrusted packed file")
)

// Key says which packed form of which weight a file holds.
type Key struct {
	Folder, Module string   // whose weight: they name the file
	Source         [32]byte // version of the files that it was packed from
	Format         uint32   // kernels.FileOps.Format
	N, K, Group    int
	Mode           kernels.Mode
}

// A file is the packed bytes and then, so that they begin on a page, a trailer: the key, the digest of the bytes, and the digest of
// these two.
const (
	version      = "AWQPACK1" // of the trailer
	keyBytes     = len(version) + 32 + 32 + 4 + 4 + 3*8
	trailerBytes = keyBytes + 2*32
	maxBytes     = 1 << 40
	piece        = 1 << 20 // bytes that are digested at a time
)

// name is the file's, the same for all versions of the weight: a new one replaces the old.
func (k Key) name() string {
	h := k.who()
	return hex.EncodeToString(h[:16]) + ".awqpack"
}

func (k Key) who() [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %d", k.Folder, k.Module, k.Mode))
}

// encode is the key as the trailer holds it.
func (k Key) encode() []byte {
	who := k.who()
	b := append([]byte(version), who[:]...)
	b = append(b, k.Source[:]...)
	b = binary.LittleEndian.AppendUint32(b, k.Format)
	b = binary.LittleEndian.AppendUint32(b, uint32(k.Mode))
	for _, size := range []int{k.N, k.K, k.Group} {
		b = binary.LittleEndian.AppendUint64(b, uint64(size))
	}
	return b
}

// trailer is what must stand behind data.
func (k Key) trailer(data []byte) ([]byte, error) {
	sum, err := digest(data)
	if err != nil {
		return nil, err
	}
	b := append(k.encode(), sum[:]...)
	seal := sha256.Sum256(b)
	return append(b, seal[:]...), nil
}

// digest is the SHA-256 of the SHA-256s of the pieces of data, so that several cores can work on it. A fault while it reads data, which
// a mapped file that someone cuts brings about, is an error.
func digest(data []byte) ([32]byte, error) {
	pieces := (len(data) + piece - 1) / piece
	sums := make([][32]byte, pieces)
	var next atomic.Int64
	work := func() (err error) {
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("%w: reading it failed: %v", ErrUntrusted, r)
			}
		}()
		for i := int(next.Add(1)) - 1; i < pieces; i = int(next.Add(1)) - 1 {
			sums[i] = sha256.Sum256(data[i*piece : min(len(data), (i+1)*piece)])
		}
		return nil
	}
	var g kernels.Group
	for range min(pieces, runtime.GOMAXPROCS(0)) {
		g.Go(work)
	}
	err := g.Wait()
	all := make([]byte, 0, 32*pieces)
	for i := range sums {
		all = append(all, sums[i][:]...)
	}
	return sha256.Sum256(all), err
}

// File is an open file whose key is right; its bytes are yet to be verified.
type File struct {
	*os.File
	Bytes int // of the packed form, from the beginning of the file on
	sum   [32]byte
}

// Open opens the file of a key in the folder dir. A missing file is fs.ErrNotExist; other errors are ErrStale, ErrUntrusted or the
// system's.
func Open(dir string, k Key) (*File, error) {
	path := filepath.Join(dir, k.name())
	f, size, err := openTrusted(path)
	if err != nil {
		return nil, err
	}
	out := &File{File: f, Bytes: int(size) - trailerBytes}
	if err := out.read(k); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// read reads the trailer.
func (f *File) read(k Key) error {
	if f.Bytes < 1 || f.Bytes > maxBytes {
		return fmt.Errorf("%w: %d bytes before the trailer", ErrUntrusted, f.Bytes)
	}
	var have [trailerBytes]byte
	if _, err := f.ReadAt(have[:], int64(f.Bytes)); err != nil {
		return err
	}
	if seal := sha256.Sum256(have[:keyBytes+32]); !bytes.Equal(seal[:], have[keyBytes+32:]) {
		return fmt.Errorf("%w: its trailer is damaged", ErrUntrusted)
	}
	if !bytes.Equal(k.encode(), have[:keyBytes]) {
		return fmt.Errorf("%w: made from other files or in another format", ErrStale)
	}
	copy(f.sum[:], have[keyBytes:])
	return nil
}

// Verify compares the file's bytes, mapped, with their digest.
func (f *File) Verify(data []byte) error {
	sum, err := digest(data)
	if err == nil && (len(data) != f.Bytes || sum != f.sum) {
		err = fmt.Errorf("%w: %d bytes that don't have their SHA-256", ErrUntrusted, len(data))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name(), err)
	}
	return nil
}

// Store writes the file of a key: complete under its name, or not at all. An older file is replaced by renaming, so that who has mapped
// it keeps what he has. A missing dir is made.
func Store(dir string, k Key, data []byte) (err error) {
	trailer, err := k.trailer(data)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	path := filepath.Join(dir, k.name())
	sweep(path)
	f, err := os.CreateTemp(dir, k.name()+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	for _, b := range [][]byte{data, trailer} {
		if _, err := f.Write(b); err != nil {
			return err
		}
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// sweep removes what killed writers left long ago.
func sweep(path string) {
	old, _ := filepath.Glob(path + ".*.tmp") // the name is hexadecimal, but dir may hold a pattern: then nothing is found
	for _, name := range old {
		if st, err := os.Lstat(name); err == nil && st.Mode().IsRegular() && time.Since(st.ModTime()) > time.Hour {
			os.Remove(name)
		}
	}
}
