package quant

import (
	"errors"
	"fmt"

	"libawq/kernels"
	"libawq/quant/checkpoint"
	"libawq/quant/pack"
)

// words is one quantised linear of a folder: its arrays but qweight in memory.
type words struct {
	kernels.GemmWeight
	model   *Model
	name    string
	tensors []pack.Tensor // without data
}

// Words reads one quantised linear (full module name) as it lies in its files.
func (m *Model) Words(name string) (*kernels.GemmWeight, error) {
	w, err := m.words(name)
	if err != nil {
		return nil, err
	}
	if err := w.read(heap); err != nil {
		return nil, err
	}
	w.QWeight = make([]byte, w.bytes(true))
	return &w.GemmWeight, m.reader.ReadAt(name+".qweight", w.QWeight, 0)
}

// heap is an allocator for read.
func heap(bytes int) ([]byte, error) { return make([]byte, bytes), nil }

// words finds a linear and checks its tensors; nothing is read yet.
func (m *Model) words(name string) (*words, error) {
	if !m.Packed(name) {
		if _, ok := m.reader.Lookup(name + ".weight"); ok {
			return nil, fmt.Errorf("%s: %w: module %s is not quantised", m.Dir, ErrUnsupported, name)
		}
		return nil, fmt.Errorf("%s: %w: module %s", m.Dir, checkpoint.ErrNotFound, name)
	}
	t, _ := m.reader.Lookup(name + ".scales")
	q, _ := m.reader.Lookup(name + ".qweight")
	w := &words{model: m, name: name}
	var err error
	if w.N, w.K, err = m.Layout.Size(q.Shape, t.Shape); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if w.Group, err = m.group(name, w.K); err != nil {
		return nil, err
	}
	w.tensors = m.Layout.Tensors(w.N, w.K, w.Group)
	for _, t := range w.tensors {
		if err := m.expect(name+"."+t.Suffix, t.DType, t.Shape...); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// bytes is the size of qweight, or of all else.
func (w *words) bytes(qweight bool) int {
	total := 0
	for _, t := range w.tensors {
		if (t.Suffix == "qweight") == qweight {
			total += int(t.Bytes())
		}
	}
	return total
}

// read reads all but qweight into memory that alloc gives. Scales that are no numbers are errors.
func (w *words) read(alloc func(bytes int) ([]byte, error)) error {
	memory, err := alloc(w.bytes(false))
	if err != nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	data := map[string][]byte{}
	for _, t := range w.tensors {
		if t.Suffix == "qweight" {
			continue
		}
		data[t.Suffix], memory = memory[:t.Bytes():t.Bytes()], memory[t.Bytes():]
		if err := w.model.reader.ReadAt(w.name+"."+t.Suffix, data[t.Suffix], 0); err != nil {
			return err
		}
	}
	w.GemmWeight = *pack.Gemm(w.N, w.K, w.Group, func(s string) []byte { return data[s] })
	if at, s := w.BadScale(); at >= 0 {
		return fmt.Errorf("tensor %s.scales: %w: %v for output %d, group %d", w.name, checkpoint.ErrCorrupt, s, at%w.N, at/w.N)
	}
	w.Bias, err = w.model.bias(w.name, w.N)
	return err
}

// bias is nil for a linear without one.
func (m *Model) bias(name string, n int) ([]float32, error) {
	if _, ok := m.reader.Lookup(name + ".bias"); !ok {
		return nil, nil
	}
	out := make([]float32, n)
	return out, m.Float(name+".bias", out, 0)
}

// pack packs the words while it reads them, where the back end and the file allow that.
func (w *words) pack(ops kernels.Ops, mode kernels.Mode) (kernels.Weight, error) {
	if p, ok := w.model.reader.Place(w.name + ".qweight"); ok && ops.Files.Pack != nil {
		packed, err := ops.Files.Pack(&w.GemmWeight, p.File, p.At, mode)
		if !errors.Is(err, kernels.ErrRead) { // else below, where the error gets its names
			return packed, err
		}
	}
	b, err := kernels.NewBuffer(w.bytes(true))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.name, err)
	}
	defer b.Close()
	if err := w.model.reader.ReadAt(w.name+".qweight", b.Bytes(), 0); err != nil {
		return nil, err
	}
	whole := w.GemmWeight
	whole.QWeight = b.Bytes()
	return ops.PackGemm(&whole, mode)
}

// pack loads one quantised linear for ops.
func (m *Model) pack(ops kernels.Ops, name string) (kernels.Weight, error) {
	w, err := m.words(name)
	if err != nil {
		return nil, err
	}
	if err := w.read(heap); err != nil {
		return nil, err
	}
	return w.pack(ops, kernels.Exact)
}
