//go:build linux

package packed

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestStore keeps bytes of sizes around a piece, and finds them again under their key alone.
func TestStore(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	k := Key{Folder: "/models/a", Module: "m", Format: 1, N: 16, K: 64, Group: 32}
	if _, err := Open(dir, k); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before anything was stored: %v", err)
	}
	for _, size := range []int{1, 4096, piece - 1, piece, piece + 1, 3*piece + 5} {
		data := bytes.Repeat([]byte{1, 2, 3}, size/3+1)[:size]
		if err := Store(dir, k, data); err != nil {
			t.Fatal(err)
		}
		f, err := Open(dir, k)
		if err != nil {
			t.Fatal(err)
		}
		if f.Bytes != size {
			t.Errorf("%d bytes of %d", f.Bytes, size)
		}
		if err := f.Verify(data); err != nil {
			t.Error(err)
		}
		data[size/2] ^= 1
		if err := f.Verify(data); !errors.Is(err, ErrUntrusted) {
			t.Errorf("a flipped bit of %d: %v", size, err)
		}
		if err := f.Verify(data[:size-1]); !errors.Is(err, ErrUntrusted) {
			t.Errorf("a byte less than %d: %v", size, err)
		}
		f.Close()
	}
	for _, other := range []Key{
		{Folder: "/models/a", Module: "m", Format: 2, N: 16, K: 64, Group: 32},
		{Folder: "/models/a", Module: "m", Format: 1, N: 16, K: 64, Group: 64},
		{Folder: "/models/a", Module: "m", Format: 1, N: 16, K: 64, Group: 32, Source: [32]byte{1}},
	} {
		if _, err := Open(dir, other); !errors.Is(err, ErrStale) {
			t.Errorf("%+v: %v", other, err)
		}
	}
	for _, other := range []Key{{Folder: "/models/b", Module: "m"}, {Folder: "/models/a", Module: "n"}, {Folder: "/models/a", Module: "m", Mode: 1}} {
		if _, err := Open(dir, other); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%+v: %v", other, err)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("%d files, %v", len(left), err)
	}
}

// TestStoreLeavesNothing fails to write and leaves neither a part nor the file before damaged.
func TestStoreLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	k := Key{Module: "m"}
	if err := Store(dir, k, []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := Store(filepath.Join(dir, k.name(), "below"), k, nil); err == nil {
		t.Error("stored below a file")
	}
	f, err := Open(dir, k)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Verify([]byte("first")); err != nil {
		t.Error(err)
	}
}

// TestCutWhileMapped reads beyond the end of a file that was cut after it was mapped: an error, not the end of the process.
func TestCutWhileMapped(t *testing.T) {
	dir := t.TempDir()
	k := Key{Module: "m"}
	if err := Store(dir, k, make([]byte, 3*piece)); err != nil {
		t.Fatal(err)
	}
	f, err := Open(dir, k)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := syscall.Mmap(int(f.Fd()), 0, f.Bytes, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Munmap(data)
	if err := f.Verify(data); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, k.name()), piece/2); err != nil {
		t.Fatal(err)
	}
	if err := f.Verify(data); !errors.Is(err, ErrUntrusted) {
		t.Errorf("a cut file: %v", err)
	}
}
