package quant

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"libawq/kernels"
	"libawq/quant/checkpoint/packed"
)

// Linear is a quantised linear, packed.
type Linear struct {
	kernels.Weight
	N, K, Group int
	Bias        bool
	Shared      bool // its weight is a mapping of a file that other processes map as well
}

// LoadOptions says how Load makes a linear.
type LoadOptions struct {
	Mode  kernels.Mode
	Cache string            // folder of packed forms; "": none
	Warn  func(text string) // told what kept the cache from use, if not nil
}

// Load packs one linear (full module name) of a folder for ops, or maps what the cache holds of it.
func (s *Models) Load(ops kernels.Ops, dir, name string, opt LoadOptions) (*Linear, error) {
	m, done, err := s.Use(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	w, err := m.words(name)
	if err != nil {
		return nil, err
	}
	if opt.Cache == "" {
		return s.plain(ops, w, opt.Mode)
	}
	warn := func(err error) {
		if opt.Warn != nil {
			opt.Warn("packed forms: " + err.Error())
		}
	}
	key, err := w.key(ops, opt.Mode)
	if err != nil {
		if s.first(opt.Cache) {
			warn(err)
		}
		return s.plain(ops, w, opt.Mode)
	}
	shared, err := w.shared(ops, opt.Cache, key)
	if err == nil {
		return shared, nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, packed.ErrStale):
	case errors.Is(err, packed.ErrUntrusted), s.first(opt.Cache):
		warn(err)
	}
	l, err := s.plain(ops, w, opt.Mode)
	if err != nil {
		return nil, err
	}
	// Mapped after it was written, so that the first process shares as well.
	view, err := ops.Files.Packed(l.Weight)
	if err == nil {
		err = packed.Store(opt.Cache, key, view.Data)
	}
	if err == nil {
		shared, err = w.shared(ops, opt.Cache, key)
	}
	if err != nil {
		if s.first(opt.Cache) {
			warn(err)
		}
		return l, nil
	}
	l.Close()
	return shared, nil
}

// plain reads and packs.
func (s *Models) plain(ops kernels.Ops, w *words, mode kernels.Mode) (*Linear, error) {
	var buffer *kernels.Buffer
	defer func() { s.keep(buffer) }()
	err := w.read(func(bytes int) ([]byte, error) {
		var err error
		if buffer, err = s.buffer(bytes); err != nil {
			return nil, err
		}
		return buffer.Bytes()[:bytes], nil
	})
	if err != nil {
		return nil, err
	}
	weight, err := w.pack(ops, mode)
	if err != nil {
		return nil, err
	}
	return &Linear{Weight: weight, N: w.N, K: w.K, Group: w.Group, Bias: w.Bias != nil}, nil
}

// key is what the cache must hold to stand for w.
func (w *words) key(ops kernels.Ops, mode kernels.Mode) (packed.Key, error) {
	k := packed.Key{Module: w.name, Format: ops.Files.Format, N: w.N, K: w.K, Group: w.Group, Mode: mode}
	if ops.Files.Adopt == nil || ops.Files.Packed == nil {
		return k, fmt.Errorf("%w: %s keeps its own", ErrUnsupported, ops.Name)
	}
	var err error
	if k.Folder, err = filepath.Abs(w.model.Dir); err == nil {
		k.Folder, err = filepath.EvalSymlinks(k.Folder)
	}
	if err != nil {
		return k, err
	}
	source := sha256.New()
	for _, t := range w.tensors {
		p, ok := w.model.reader.Place(w.name + "." + t.Suffix)
		if !ok {
			return k, fmt.Errorf("%w: tensor %s.%s does not lie in a file", ErrUnsupported, w.name, t.Suffix)
		}
		fmt.Fprintf(source, "%s %d %+v %x\n", t.Suffix, p.At, p.Stamp, p.Header)
	}
	source.Sum(k.Source[:0])
	return k, nil
}

// shared maps the cache's file of a key. The bias is read from the folder.
func (w *words) shared(ops kernels.Ops, cache string, key packed.Key) (*Linear, error) {
	f, err := packed.Open(cache, key)
	if err != nil {
		return nil, err
	}
	defer f.Close() // a mapping stays
	l := &Linear{N: w.N, K: w.K, Group: w.Group, Shared: true}
	bias, err := w.model.bias(w.name, w.N)
	if err != nil {
		return nil, err
	}
	l.Bias = bias != nil
	l.Weight, err = ops.Files.Adopt(kernels.Packed{N: w.N, K: w.K, Group: w.Group, Mode: key.Mode, Bias: bias}, f.File, f.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", f.Name(), packed.ErrUntrusted, err)
	}
	view, err := ops.Files.Packed(l.Weight)
	if err == nil {
		err = f.Verify(view.Data)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
