package quant

import (
	"slices"
	"sync"

	"libawq/kernels"
)

// keptModels is how many folders stay open between loads: a model, its draft, and some to spare.
const keptModels = 4

// Models keeps folders open between loads, because opening one checks every header. The zero value is ready; it may be used from
// several threads at once. What is open is compared with the folder's files at each use, by their stamps alone.
type Models struct {
	mu      sync.Mutex
	open    []*openModel // the latest used first
	buffers []*kernels.Buffer
	failed  map[string]bool // caches that could not be used at all
}

// openModel is a folder with its users; once it has left the list, its last user closes it.
type openModel struct {
	dir   string
	once  sync.Once // opens it
	model *Model
	err   error
	users int // one of them the list; guarded by Models.mu
}

// Use opens a folder, or finds it open and unchanged. The caller calls done when it no longer needs the model.
func (s *Models) Use(dir string) (m *Model, done func(), err error) {
	for {
		o, fresh := s.get(dir)
		o.once.Do(func() { o.model, o.err = OpenModel(dir) })
		if o.err == nil && (fresh || o.model.Unchanged()) {
			return o.model, func() { s.release(o) }, nil
		}
		s.drop(o)
		s.release(o)
		if o.err != nil {
			return nil, nil, o.err
		}
	}
}

// get finds a folder in the list or puts it there; fresh means that nobody has opened it yet.
func (s *Models) get(dir string) (o *openModel, fresh bool) {
	s.mu.Lock()
	i := slices.IndexFunc(s.open, func(o *openModel) bool { return o.dir == dir })
	if i < 0 {
		o, fresh = &openModel{dir: dir, users: 1}, true
	} else {
		o = s.open[i]
		s.open = slices.Delete(s.open, i, i+1)
	}
	o.users++
	s.open = slices.Insert(s.open, 0, o)
	var last *openModel
	if len(s.open) > keptModels {
		last = s.open[keptModels]
	}
	s.mu.Unlock()
	if last != nil {
		s.drop(last)
	}
	return o, fresh
}

// drop takes a folder from the list.
func (s *Models) drop(o *openModel) {
	s.mu.Lock()
	i := slices.Index(s.open, o)
	if i >= 0 {
		s.open = slices.Delete(s.open, i, i+1)
	}
	s.mu.Unlock()
	if i >= 0 {
		s.release(o)
	}
}

func (s *Models) release(o *openModel) {
	s.mu.Lock()
	o.users--
	last := o.users == 0
	s.mu.Unlock()
	if last && o.model != nil {
		o.model.Close()
	}
}

// buffer lends memory of at least that many bytes, which an earlier load may have left; keep takes it back.
func (s *Models) buffer(bytes int) (*kernels.Buffer, error) {
	s.mu.Lock()
	var b *kernels.Buffer
	if n := len(s.buffers); n > 0 {
		b, s.buffers = s.buffers[n-1], s.buffers[:n-1]
	}
	s.mu.Unlock()
	if b != nil && len(b.Bytes()) >= bytes {
		return b, nil
	}
	b.Close()
	return kernels.NewBuffer(bytes)
}

func (s *Models) keep(b *kernels.Buffer) {
	if b == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffers = append(s.buffers, b)
}

// first is true once for each cache.
func (s *Models) first(cache string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed[cache] {
		return false
	}
	if s.failed == nil {
		s.failed = map[string]bool{}
	}
	s.failed[cache] = true
	return true
}

// Close closes the folders and frees the memory. Nothing may use s any more.
func (s *Models) Close() {
	for len(s.open) > 0 {
		s.drop(s.open[0])
	}
	for _, b := range s.buffers {
		b.Close()
	}
	s.buffers = nil
}
