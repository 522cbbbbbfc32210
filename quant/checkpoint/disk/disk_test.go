package disk

// What the interface promises and the operating system has to keep.

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestLock(t *testing.T) {
	dir := t.TempDir()
	held, err := OS{}.Lock(dir)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("no folder locks here")
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (OS{}).Lock(dir); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	moved := dir + "-moved"
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	if _, err := (OS{}).Lock(moved); !errors.Is(err, ErrLocked) {
		t.Fatal("the lock doesn't follow its folder:", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if held, err = (OS{}).Lock(moved); err != nil {
		t.Fatal(err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := (OS{}).Lock(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
}

func TestExchange(t *testing.T) {
	parent := t.TempDir()
	a, b := filepath.Join(parent, "a"), filepath.Join(parent, "b")
	for _, path := range []string{a, b} {
		if err := errors.Join(os.Mkdir(path, 0o777), os.WriteFile(filepath.Join(path, filepath.Base(path)), nil, 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	if err := (OS{}).Exchange(a, b); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(a, "b")); err != nil {
		t.Fatal(err)
	}
	if err := (OS{}).Exchange(a, filepath.Join(parent, "c")); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := (OS{}).Rename(a, b); err == nil {
		t.Fatal("Rename replaced a folder that holds something")
	}
	if err := (OS{}).Exchange("a\x00", b); err == nil {
		t.Fatal("NUL in a path")
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	if err := WriteFile(OS{}, path, []byte("text")); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(OS{}, path, []byte("more")); !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	if p, err := ReadFile(OS{}, path, 4); err != nil || string(p) != "text" {
		t.Fatal(string(p), err)
	}
	if _, err := ReadFile(OS{}, path, 3); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	if _, err := (OS{}).Open(dir); err == nil {
		t.Fatal("a folder opened as a file")
	}
	if err := errors.Join(OS{}.SyncDir(dir), OS{}.RemoveAll(path), OS{}.RemoveAll(path)); err != nil {
		t.Fatal(err)
	}
}

func TestJoin(t *testing.T) {
	a, b := errors.New("a"), errors.New("b")
	if Join() != nil || Join(nil, nil) != nil || Join(nil, a) != a {
		t.Fatal("of none or one")
	}
	if err := Join(a, nil, b); err.Error() != "a; then b" || !errors.Is(err, a) || !errors.Is(err, b) {
		t.Fatal(err)
	}
}
