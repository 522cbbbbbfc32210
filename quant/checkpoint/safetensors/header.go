// Package safetensors reads and writes checkpoints in the safetensors format: one
// file or several with an index. Its reader is strict where common readers are
// lenient, because two readers that see different tensors in one file are a way
// to smuggle weights past a check.
package safetensors

// The header of one file: a JSON object from tensor names to dtype, shape and
// place, read in one pass into flat slices.

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"libawq/quant/checkpoint"
	"libawq/quant/checkpoint/internal/strict"
)

// Limits of what is read and written; real files stay far below them.
const (
	MaxHeaderBytes = 100_000_000
	MaxTensors     = 1 << 20
	MaxNameBytes   = 4096
	MaxRank        = 16

	maxDTypeBytes = 32
	maxExtraKeys  = 16
	maxMetadata   = 1 << 16
	maxNotes      = 16
	metadataKey   = "__metadata__"
)

// entry is one tensor and the place of its bytes: begin and end count from the
// start of the file.
type entry struct {
	checkpoint.Info
	begin, end int64
	file       int32
}

// header is all that one file says about itself.
type header struct {
	entries  []entry // sorted by name
	metadata map[string]string
	notes    []string // harmless oddities
	digest   [32]byte // SHA-256 of the text
}

func (h *header) note(format string, args ...any) {
	if len(h.notes) < maxNotes {
		h.notes = append(h.notes, fmt.Sprintf(format, args...))
	}
}

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{checkpoint.ErrCorrupt}, args...)...)
}

// parseHeader reads and checks the JSON text of a file's header, where data bytes
// of tensor data follow it from byte start of the file on.
func parseHeader(text []byte, start, data int64) (*header, error) {
	if len(text) == 0 || text[0] != '{' {
		return nil, corrupt("the header doesn't start with {")
	}
	p := headerParser{Scanner: strict.New(text), data: uint64(data)}
	// The shortest entry has over 40 bytes, so this guess can't be inflated.
	p.entries = make([]entry, 0, min(bytes.Count(text, []byte(`"data_offsets"`)), len(text)/40, MaxTensors))
	err := p.Members(p.member)
	if err == nil {
		err = p.End()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: header %w", checkpoint.ErrCorrupt, err)
	}
	if err := p.contiguous(); err != nil {
		return nil, err
	}
	if !slices.IsSortedFunc(p.entries, byName) {
		slices.SortFunc(p.entries, byName)
	}
	for i := range p.entries {
		e := &p.entries[i]
		if i > 0 && e.Name == p.entries[i-1].Name {
			return nil, corrupt("tensor %s is there twice", checkpoint.Quote(e.Name))
		}
		e.begin += start
		e.end += start
	}
	return &p.header, nil
}

func byName(a, b entry) int { return strings.Compare(a.Name, b.Name) }

type headerParser struct {
	*strict.Scanner
	header
	data    uint64
	dtypes  []checkpoint.DType // those seen, so that each is stored once
	dims    []int64            // shared backing store of shapes
	hasMeta bool
}

func (p *headerParser) member(key []byte) error {
	if string(key) == metadataKey {
		return p.readMetadata()
	}
	if len(key) > MaxNameBytes {
		return p.Errorf("a tensor name of %d bytes, limit %d", len(key), MaxNameBytes)
	}
	if bytes.IndexByte(key, 0) >= 0 {
		return p.Errorf("tensor name %s holds a NUL", checkpoint.Quote(string(key)))
	}
	if len(p.entries) >= MaxTensors {
		return p.Errorf("more than %d tensors", MaxTensors)
	}
	e := entry{Info: checkpoint.Info{Name: string(key)}}
	if err := p.readEntry(&e); err != nil {
		return fmt.Errorf("tensor %s %w", checkpoint.Quote(e.Name), err)
	}
	if err := p.checkSize(&e); err != nil {
		return err
	}
	p.entries = append(p.entries, e)
	return nil
}

func (p *headerParser) readMetadata() error {
	if p.hasMeta {
		return p.Errorf("duplicate key %q", metadataKey)
	}
	p.hasMeta = true
	p.metadata = map[string]string{}
	return p.Members(func(key []byte) error {
		name := string(key)
		if _, twice := p.metadata[name]; twice {
			return p.Errorf("duplicate key %s in %s", checkpoint.Quote(name), metadataKey)
		}
		if len(p.metadata) >= maxMetadata {
			return p.Errorf("more than %d keys in %s", maxMetadata, metadataKey)
		}
		value, err := p.String()
		if err != nil {
			return err
		}
		p.metadata[name] = string(value)
		return nil
	})
}

// readEntry reads one tensor's object.
func (p *headerParser) readEntry(e *entry) error {
	var seen [3]bool
	var extra []string
	once := func(i int, key string) error {
		if seen[i] {
			return p.Errorf("duplicate key %q", key)
		}
		seen[i] = true
		return nil
	}
	err := p.Members(func(key []byte) error {
		switch string(key) {
		case "dtype":
			if err := once(0, "dtype"); err != nil {
				return err
			}
			return p.readDType(e)
		case "shape":
			if err := once(1, "shape"); err != nil {
				return err
			}
			return p.readShape(e)
		case "data_offsets":
			if err := once(2, "data_offsets"); err != nil {
				return err
			}
			return p.readOffsets(e)
		}
		if slices.Contains(extra, string(key)) {
			return p.Errorf("duplicate key %.120q", key)
		}
		if len(extra) >= maxExtraKeys {
			return p.Errorf("more than %d unknown keys", maxExtraKeys)
		}
		extra = append(extra, string(key))
		p.note("tensor %s: unknown key %.120q", checkpoint.Quote(e.Name), key)
		return p.Skip()
	})
	if err != nil {
		return err
	}
	for i, key := range []string{"dtype", "shape", "data_offsets"} {
		if !seen[i] {
			return p.Errorf("lacks %q", key)
		}
	}
	return nil
}

func (p *headerParser) readDType(e *entry) error {
	text, err := p.String()
	if err != nil {
		return err
	}
	if len(text) == 0 || len(text) > maxDTypeBytes {
		return p.Errorf("a dtype name of %d bytes", len(text))
	}
	for _, d := range p.dtypes {
		if string(d) == string(text) {
			e.DType = d
			return nil
		}
	}
	e.DType = checkpoint.DType(text)
	if len(p.dtypes) < 32 {
		p.dtypes = append(p.dtypes, e.DType)
	}
	return nil
}

func (p *headerParser) readShape(e *entry) error {
	var dims [MaxRank]int64
	rank := 0
	err := p.Elements(func() error {
		n, err := p.Uint()
		if err != nil {
			return err
		}
		if n > math.MaxInt64 {
			return p.Errorf("dimension %d beyond 2^63", n)
		}
		if rank == MaxRank {
			return p.Errorf("a shape of more than %d dimensions", MaxRank)
		}
		dims[rank] = int64(n)
		rank++
		return nil
	})
	if err != nil {
		return err
	}
	if len(p.dims)+rank > cap(p.dims) {
		p.dims = make([]int64, 0, 1024)
	}
	at := len(p.dims)
	p.dims = append(p.dims, dims[:rank]...)
	e.Shape = p.dims[at:len(p.dims):len(p.dims)]
	return nil
}

func (p *headerParser) readOffsets(e *entry) error {
	var at [2]uint64
	n := 0
	err := p.Elements(func() error {
		v, err := p.Uint()
		if err != nil {
			return err
		}
		if n == 2 {
			return p.Errorf("more than two data_offsets")
		}
		at[n] = v
		n++
		return nil
	})
	if err != nil {
		return err
	}
	if n != 2 {
		return p.Errorf("%d data_offsets instead of two", n)
	}
	if at[0] > at[1] || at[1] > p.data {
		return p.Errorf("data_offsets [%d, %d] outside the %d bytes of data", at[0], at[1], p.data)
	}
	e.begin, e.end = int64(at[0]), int64(at[1])
	return nil
}

// checkSize compares what the shape says with what the offsets say. The width of
// an unknown dtype is not known, so only its shape is checked; its data can't be
// read anyway.
func (p *headerParser) checkSize(e *entry) error {
	if e.DType.Bits() == 0 {
		p.note("tensor %s: unknown dtype %s", checkpoint.Quote(e.Name), checkpoint.Quote(string(e.DType)))
		_, err := e.Elements()
		return err
	}
	size, err := e.Bytes()
	if err != nil {
		return err
	}
	if size != e.end-e.begin {
		return p.Errorf("tensor %s has shape %v of %s, that is %d bytes, but data_offsets [%d, %d] hold %d",
			checkpoint.Quote(e.Name), e.Shape, e.DType, size, e.begin, e.end, e.end-e.begin)
	}
	return nil
}

// contiguous checks that the tensors cover the data from its first byte to its
// last, each byte once.
func (p *headerParser) contiguous() error {
	order := make([]int32, len(p.entries))
	for i := range order {
		order[i] = int32(i)
	}
	byPlace := func(i, j int32) int {
		a, b := &p.entries[i], &p.entries[j]
		return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(a.end, b.end))
	}
	if !slices.IsSortedFunc(order, byPlace) {
		slices.SortFunc(order, byPlace)
	}
	var end int64
	for _, i := range order {
		e := &p.entries[i]
		switch {
		case e.begin < end:
			return corrupt("tensor %s at data_offsets [%d, %d] overlaps its predecessor, which ends at %d",
				checkpoint.Quote(e.Name), e.begin, e.end, end)
		case e.begin > end:
			return corrupt("%d bytes of data before tensor %s at data_offsets [%d, %d] belong to no tensor",
				e.begin-end, checkpoint.Quote(e.Name), e.begin, e.end)
		}
		end = e.end
	}
	if uint64(end) != p.data {
		return corrupt("the last %d of %d bytes of data belong to no tensor", p.data-uint64(end), p.data)
	}
	return nil
}
