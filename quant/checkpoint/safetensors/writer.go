package safetensors

// Writing a checkpoint whose tensors are all announced first: headers are known at
// once, data goes straight to its place in any order, and nothing is spooled.

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"libawq/quant/checkpoint"
	"libawq/quant/checkpoint/disk"
)

// Writer fills the files of a new checkpoint.
type Writer struct {
	fsys disk.FS
	dir  string

	mu      sync.Mutex
	tensors []tensorState // sorted by name
	shards  []shardState
	made    []string // paths to remove on failure
	failed  error    // the first failure; nothing works after it
	done    bool
}

type tensorState struct {
	entry
	written coverage
}

// shardState is one file. It is made when its first byte arrives and closed when
// its last one has, so that few files are open at a time.
type shardState struct {
	shardPlan
	file disk.File
	left int64 // bytes of data still to be written
}

// Create starts a checkpoint in an existing folder: model.safetensors, or
// model-00001-of-0000N.safetensors and an index if the tensors exceed
// opt.MaxShardBytes. The order of tensors decides which file each goes to.
func Create(dir string, tensors []checkpoint.Info, opt checkpoint.WriteOptions) (*Writer, error) {
	return CreateOn(disk.OS{}, dir, tensors, opt)
}

// CreateOn is Create on a given file layer.
func CreateOn(fsys disk.FS, dir string, tensors []checkpoint.Info, opt checkpoint.WriteOptions) (*Writer, error) {
	shards, err := plan(tensors, opt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	w := &Writer{fsys: fsys, dir: dir}
	for i, s := range shards {
		h, err := s.parsed()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		for _, e := range h.entries {
			e.file = int32(i)
			w.tensors = append(w.tensors, tensorState{entry: e})
		}
		w.shards = append(w.shards, shardState{shardPlan: s, left: s.size})
	}
	slices.SortFunc(w.tensors, func(a, b tensorState) int { return strings.Compare(a.Name, b.Name) })
	listed, err := fsys.ReadDir(dir)
	if err != nil {
		return nil, checkpoint.FileError(dir, err)
	}
	for _, e := range listed {
		// A second model in the folder would make readers see a mixture.
		if name := e.Name(); name == indexName || strings.HasSuffix(name, suffix) {
			return nil, fmt.Errorf("%s: %w: %s", dir, checkpoint.ErrExists, name)
		}
	}
	return w, nil
}

// WriteAt stores p as the tensor's bytes from byte off on. A byte can be written
// only once.
func (w *Writer) WriteAt(name string, p []byte, off int64) error {
	t, f, err := w.claim(name, int64(len(p)), off)
	if err != nil || len(p) == 0 {
		return err
	}
	err = disk.WriteFull(f, p, t.begin+off)
	w.mu.Lock()
	defer w.mu.Unlock()
	s := &w.shards[t.file]
	if err != nil {
		return w.fail(s.name, err)
	}
	if err := w.usable(); err != nil { // failed or removed meanwhile
		return err
	}
	if s.left -= int64(len(p)); s.left == 0 {
		return w.finish(s)
	}
	return nil
}

// claim checks a request, books its bytes and opens its file.
func (w *Writer) claim(name string, n, off int64) (*tensorState, disk.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.usable(); err != nil {
		return nil, nil, err
	}
	i, ok := slices.BinarySearchFunc(w.tensors, name, func(t tensorState, name string) int { return strings.Compare(t.Name, name) })
	if !ok {
		return nil, nil, fmt.Errorf("%w: tensor %s was not announced", checkpoint.ErrNotFound, checkpoint.Quote(name))
	}
	t := &w.tensors[i]
	if size := t.end - t.begin; off < 0 || off > size || n > size-off {
		return nil, nil, fmt.Errorf("%w: tensor %s: %d bytes from byte %d on, but it has %d", checkpoint.ErrInvalid, checkpoint.Quote(name), n, off, size)
	}
	if n == 0 {
		return t, nil, nil
	}
	s := &w.shards[t.file]
	if s.file == nil && s.left > 0 {
		if err := w.start(s); err != nil {
			return nil, nil, err
		}
	}
	if !t.written.claim(off, off+n) {
		return nil, nil, fmt.Errorf("%w: tensor %s: bytes %d to %d are written twice", checkpoint.ErrInvalid, checkpoint.Quote(name), off, off+n)
	}
	return t, s.file, nil
}

func (w *Writer) usable() error {
	switch {
	case w.failed != nil:
		return fmt.Errorf("the checkpoint failed before: %w", w.failed)
	case w.done:
		return fmt.Errorf("%w: the checkpoint is closed", checkpoint.ErrInvalid)
	}
	return nil
}

// fail remembers the first failure.
func (w *Writer) fail(name string, err error) error {
	err = checkpoint.FileError("write "+name, err)
	if w.failed == nil {
		w.failed = err
	}
	return err
}

func (w *Writer) start(s *shardState) error {
	path := filepath.Join(w.dir, s.name)
	f, err := w.fsys.Create(path)
	if err != nil {
		return w.fail(s.name, err)
	}
	w.made = append(w.made, path)
	s.file = f
	if err := disk.WriteFull(f, s.header, 0); err != nil {
		return w.fail(s.name, err)
	}
	return nil
}

// finish makes a complete file durable and closes it.
func (w *Writer) finish(s *shardState) error {
	size, err := s.file.Size()
	if want := int64(len(s.header)) + s.size; err == nil && size != want {
		err = fmt.Errorf("the file has %d bytes instead of %d", size, want)
	}
	if err == nil {
		err = s.file.Sync()
	}
	err = disk.Join(err, s.file.Close())
	s.file = nil
	if err != nil {
		return w.fail(s.name, err)
	}
	return nil
}

// Close checks that each tensor is complete, writes the index and makes all
// durable. If anything failed, now or before, it removes the files.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return nil
	}
	err := w.complete()
	if err != nil {
		return disk.Join(err, w.remove())
	}
	w.done = true
	return nil
}

func (w *Writer) complete() error {
	if err := w.usable(); err != nil {
		return err
	}
	for i := range w.tensors {
		t := &w.tensors[i]
		if g, missing := t.written.gap(t.end - t.begin); missing {
			return fmt.Errorf("%w: tensor %s: bytes %d to %d were never written", checkpoint.ErrInvalid, checkpoint.Quote(t.Name), g.begin, g.end)
		}
	}
	for i := range w.shards {
		s := &w.shards[i]
		if s.left > 0 {
			return fmt.Errorf("%w: %s: closed during a write", checkpoint.ErrInvalid, s.name)
		}
		if s.size == 0 { // never touched by WriteAt
			if err := w.start(s); err != nil {
				return err
			}
			if err := w.finish(s); err != nil {
				return err
			}
		}
	}
	if len(w.shards) > 1 {
		if err := w.writeIndex(); err != nil {
			return err
		}
	}
	if err := w.fsys.SyncDir(w.dir); err != nil {
		return w.fail("the folder", err)
	}
	return nil
}

func (w *Writer) writeIndex() error {
	fileOf := make(map[string]string, len(w.tensors))
	var total int64
	for i := range w.tensors {
		t := &w.tensors[i]
		fileOf[t.Name] = w.shards[t.file].name
		total += t.end - t.begin
	}
	text, err := indexText(fileOf, total)
	if err != nil {
		return w.fail(indexName, err)
	}
	path := filepath.Join(w.dir, indexName)
	if err := disk.WriteFile(w.fsys, path, text); err != nil {
		return w.fail(indexName, err)
	}
	w.made = append(w.made, path)
	return nil
}

// Abort removes what the writer made and nothing else.
func (w *Writer) Abort() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done {
		return nil
	}
	return w.remove()
}

func (w *Writer) remove() error {
	w.done = true
	var err error
	for i := range w.shards {
		if s := &w.shards[i]; s.file != nil {
			err = disk.Join(err, s.file.Close())
			s.file = nil
		}
	}
	for _, path := range w.made {
		err = disk.Join(err, w.fsys.RemoveAll(path))
	}
	w.made = nil
	return checkpoint.FileError("remove the unfinished checkpoint", err)
}
