package quant

import (
	"fmt"
	"path/filepath"

	"libawq/kernels"
	"libawq/quant/checkpoint"
	"libawq/quant/checkpoint/builtin"
	"libawq/quant/checkpoint/disk"
	"libawq/quant/family"
	"libawq/quant/graph"
	"libawq/quant/pack"
)

// Model is an opened model folder, float or quantised. Nothing but headers is in memory.
type Model struct {
	Dir    string
	Config *family.Config
	Family *family.Family
	Layout *pack.Layout // nil for a float folder
	raw    []byte       // config.json as it stands
	stamp  disk.Stamp   // of config.json
	reader checkpoint.Reader
}

// OpenModel opens a folder and checks that its tensors are those that its config.json promises.
func OpenModel(dir string) (*Model, error) {
	stamp, err := disk.StampAt(disk.OS{}, filepath.Join(dir, checkpoint.ConfigName)) // before it is read
	if err != nil {
		return nil, checkpoint.FileError(dir, err)
	}
	raw, err := checkpoint.ReadConfig(dir)
	if err != nil {
		return nil, err
	}
	m := &Model{Dir: dir, raw: raw, stamp: stamp}
	if m.Config, m.Family, err = family.ParseConfig(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if q := m.Config.Quantization; q != nil {
		if q.Method != "awq" || q.Bits != 4 {
			return nil, fmt.Errorf("%s: %w: quant_method %q with %d bits; known: awq with 4", dir, ErrUnsupported, q.Method, q.Bits)
		}
		if m.Layout, err = pack.Find(q.Version); err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
	}
	if m.reader, err = builtin.Open(dir); err != nil {
		return nil, err
	}
	if err := m.check(); err != nil {
		m.reader.Close()
		return nil, err
	}
	return m, nil
}

// Unchanged tells whether the folder's files are still those that were opened, by their stamps.
func (m *Model) Unchanged() bool {
	same := func(name string, stamp disk.Stamp) bool {
		now, err := disk.StampAt(disk.OS{}, filepath.Join(m.Dir, name))
		return err == nil && now == stamp
	}
	for name, stamp := range m.reader.Stamps() {
		if !same(name, stamp) {
			return false
		}
	}
	return same(checkpoint.ConfigName, m.stamp)
}

// Close releases the files.
func (m *Model) Close() { m.reader.Close() }

// Reader gives the tensors as stored.
func (m *Model) Reader() checkpoint.Reader { return m.reader }

// BlockName is the module name of decoder block i.
func (m *Model) BlockName(i int) string { return fmt.Sprintf(m.Family.Block, i) }

// Packed says whether a linear (full module name) is stored quantised.
func (m *Model) Packed(name string) bool {
	if m.Layout == nil {
		return false
	}
	_, ok := m.reader.Lookup(name + ".qweight")
	return ok
}

// head is the name of the output matrix: its own or, when tied or absent, the embedding.
func (m *Model) head() string {
	if _, ok := m.reader.Lookup(m.Family.Head + ".weight"); ok && !m.Config.Tied {
		return m.Family.Head + ".weight"
	}
	return m.Family.Embed + ".weight"
}

// check compares every tensor that a forward pass needs with the sizes of config.json.
func (m *Model) check() error {
	c, f := m.Config, m.Family
	if _, ok := m.reader.Lookup(f.Head + ".weight"); !ok && !c.Tied {
		return fmt.Errorf("%s: %w: tensor %s.weight is missing and tie_word_embeddings is not true", m.Dir, checkpoint.ErrCorrupt, f.Head)
	}
	want := []struct {
		name  string
		shape []int64
	}{
		{f.Embed + ".weight", []int64{int64(c.Vocab), int64(c.Hidden)}},
		{f.FinalNorm + ".weight", []int64{int64(c.Hidden)}},
		{m.head(), []int64{int64(c.Vocab), int64(c.Hidden)}},
	}
	for _, w := range want {
		if err := m.expect(w.name, "", w.shape...); err != nil {
			return err
		}
	}
	for i := 0; i < c.Layers; i++ {
		for _, norm := range f.Norms() {
			size := int64(c.Hidden)
			if norm == f.Attention.QNorm || norm == f.Attention.KNorm {
				size = int64(c.HeadDim)
			}
			if err := m.expect(m.BlockName(i)+"."+norm+".weight", "", size); err != nil {
				return err
			}
		}
		for _, lin := range f.Linears() {
			if err := m.checkLinear(m.BlockName(i)+"."+lin, lin); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *Model) checkLinear(name, lin string) error {
	n, k := m.Family.Shape(m.Config, lin)
	if _, ok := m.reader.Lookup(name + ".bias"); ok {
		if err := m.expect(name+".bias", "", int64(n)); err != nil {
			return err
		}
	}
	if !m.Packed(name) {
		return m.expect(name+".weight", "", int64(n), int64(k))
	}
	group, err := m.group(name, k)
	if err != nil {
		return err
	}
	if err := m.Layout.Check(n, k, group); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for _, t := range m.Layout.Tensors(n, k, group) {
		if err := m.expect(name+"."+t.Suffix, t.DType, t.Shape...); err != nil {
			return err
		}
	}
	return nil
}

// group is the effective group size of a quantised linear.
func (m *Model) group(name string, k int) (int, error) {
	g := m.Config.Quantization.GroupSize
	if g == -1 {
		g = k
	}
	if g < 1 || k%g != 0 {
		return 0, fmt.Errorf("%s: %w: group_size %d does not divide k=%d", name, checkpoint.ErrCorrupt, g, k)
	}
	return g, nil
}

// expect checks that a tensor exists with a shape and dtype ("" = any float).
func (m *Model) expect(name, dtype string, shape ...int64) error {
	t, ok := m.reader.Lookup(name)
	if !ok {
		return fmt.Errorf("%s: %w: tensor %s is missing", m.Dir, checkpoint.ErrCorrupt, name)
	}
	if fmt.Sprint(t.Shape) != fmt.Sprint(shape) {
		return fmt.Errorf("%s: %w: tensor %s has shape %v, config.json wants %v", m.Dir, checkpoint.ErrCorrupt, name, t.Shape, shape)
	}
	if dtype == "" {
		if _, err := floatType(t); err != nil {
			return err
		}
	} else if string(t.DType) != dtype {
		return fmt.Errorf("%s: %w: tensor %s is %s, layout %s wants %s", m.Dir, checkpoint.ErrCorrupt, name, t.DType, m.Layout.Name, dtype)
	}
	return nil
}

func floatType(t checkpoint.Info) (kernels.DType, error) {
	switch t.DType {
	case "F32":
		return kernels.F32, nil
	case "F16":
		return kernels.F16, nil
	case "BF16":
		return kernels.BF16, nil
	}
	return 0, fmt.Errorf("tensor %s: %w: dtype %s; known: F32, F16, BF16", t.Name, ErrUnsupported, t.DType)
}

// readChunk bounds the bytes that pass through Go memory at a time.
const readChunk = 1 << 20

// Float reads a whole float tensor, or elements from..from+len(dst) of it, as float32. NaN and Inf are errors.
func (m *Model) Float(name string, dst []float32, from int64) error {
	t, ok := m.reader.Lookup(name)
	if !ok {
		return fmt.Errorf("%s: %w: tensor %s", m.Dir, checkpoint.ErrNotFound, name)
	}
	dt, err := floatType(t)
	if err != nil {
		return err
	}
	size := dt.Size()
	buf := make([]byte, min(len(dst)*size, readChunk))
	for at := 0; at < len(dst); {
		n := min(len(dst)-at, len(buf)/size)
		if err := m.reader.ReadAt(name, buf[:n*size], (from+int64(at))*int64(size)); err != nil {
			return err
		}
		part := dst[at : at+n]
		dt.Decode(part, buf[:n*size])
		for i, v := range part {
			if v-v != 0 { // true for NaN and Inf alone
				return fmt.Errorf("tensor %s: %w: %v at element %d", name, checkpoint.ErrCorrupt, v, from+int64(at+i))
			}
		}
		at += n
	}
	return nil
}

// loadedBlock is a decoder block in memory.
type loadedBlock struct {
	graph.Block
	buffer *kernels.Buffer
}

func (b *loadedBlock) Close() {
	for _, l := range b.Linears {
		if l.Packed != nil {
			l.Packed.Close()
		}
	}
	b.buffer.Close()
}

// loadBlock reads block i: float linears as float32, quantised ones packed for ops.
func (m *Model) loadBlock(ops kernels.Ops, i int) (*loadedBlock, error) {
	f, c := m.Family, m.Config
	name := m.BlockName(i)
	total := 0
	for _, lin := range f.Linears() {
		if n, k := f.Shape(c, lin); !m.Packed(name + "." + lin) {
			total += n * k
		}
	}
	buf, err := kernels.NewBuffer(4 * total)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	b := &loadedBlock{Block: graph.Block{Index: i, Linears: map[string]*graph.Linear{}, Norms: map[string][]float32{}}, buffer: buf}
	rest := buf.Float32()
	for _, lin := range f.Linears() {
		n, k := f.Shape(c, lin)
		l := &graph.Linear{N: n, K: k}
		b.Linears[lin] = l
		full := name + "." + lin
		if m.Packed(full) {
			l.Packed, err = m.pack(ops, full)
		} else {
			l.W = kernels.NewMat(rest, n, k)
			rest = rest[n*k:]
			err = m.Float(full+".weight", l.W.Data, 0)
			if _, ok := m.reader.Lookup(full + ".bias"); ok && err == nil {
				l.Bias = make([]float32, n)
				err = m.Float(full+".bias", l.Bias, 0)
			}
		}
		if err != nil {
			b.Close()
			return nil, fmt.Errorf("%s: %w", full, err)
		}
	}
	for _, norm := range f.Norms() {
		t, _ := m.reader.Lookup(name + "." + norm + ".weight")
		w := make([]float32, t.Shape[0])
		if err := m.Float(t.Name, w, 0); err != nil {
			b.Close()
			return nil, err
		}
		b.Norms[norm] = w
	}
	return b, nil
}

// embed writes the embedding of each token to a row of x.
func (m *Model) embed(tokens []int32, x kernels.Mat) error {
	for i, id := range tokens {
		if err := m.Float(m.Family.Embed+".weight", x.Row(i), int64(id)*int64(m.Config.Hidden)); err != nil {
			return err
		}
	}
	return nil
}
