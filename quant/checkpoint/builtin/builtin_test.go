package builtin

// The list of formats finds what it can and says what it can't.

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"libawq/quant/checkpoint"
)

func TestOpen(t *testing.T) {
	infos := []checkpoint.Info{{Name: "a", DType: checkpoint.U8, Shape: []int64{2}}}
	for _, f := range Formats() {
		t.Run(f.Name, func(t *testing.T) {
			dir := t.TempDir()
			w, err := f.Create(dir, infos, checkpoint.WriteOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(w.WriteAt("a", []byte{1, 2}, 0), w.Close()); err != nil {
				t.Fatal(err)
			}
			r, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			p := make([]byte, 2)
			if err := r.ReadAt("a", p, 0); err != nil || p[1] != 2 {
				t.Fatal(p, err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Create(dir, nil, checkpoint.WriteOptions{}); !errors.Is(err, checkpoint.ErrExists) {
				t.Fatal(err)
			}
			if w, err := f.Create(t.TempDir(), []checkpoint.Info{{}}, checkpoint.WriteOptions{}); err == nil || w != nil {
				t.Fatal("a tensor without a name")
			}
			if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), nil, 0o666); err != nil {
				t.Fatal(err)
			}
			if r, err := Open(dir); !errors.Is(err, checkpoint.ErrCorrupt) || r != nil {
				t.Fatal(err)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{t.TempDir(), file, file + "/x", filepath.Join(t.TempDir(), "missing")} {
		if _, err := Open(dir); !errors.Is(err, checkpoint.ErrNotFound) && !errors.Is(err, checkpoint.ErrIO) {
			t.Fatal(dir, err)
		}
	}
}
