package safetensors

// Where each tensor of a new checkpoint goes: files by size in the order of the
// announcement, header and order inside a file as the published Go package has it.

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	published "github.com/nlpodyssey/safetensors"

	"libawq/quant/checkpoint"
)

const maxShardsWritten = 99999 // five digits in a file name

// shardPlan is one file to be written.
type shardPlan struct {
	name   string
	header []byte // with the length in front
	size   int64  // of the tensor data
}

// view shows the published package a tensor without its data: what it serialises
// is then the header alone.
type view struct {
	dtype published.DType
	shape []uint64
	size  uint64
}

func (v view) DType() published.DType { return v.dtype }
func (v view) Shape() []uint64        { return v.shape }
func (v view) Data() []byte           { return nil }
func (v view) DataLen() uint64        { return v.size }

// newView checks what the published package takes on trust: names, rank, products.
func newView(t checkpoint.Info) (view, error) {
	q := checkpoint.Quote(t.Name)
	switch {
	case t.Name == "" || t.Name == metadataKey || !utf8.ValidString(t.Name) || strings.IndexByte(t.Name, 0) >= 0:
		return view{}, fmt.Errorf("%w: %s can't name a tensor", checkpoint.ErrInvalid, q)
	case len(t.Name) > MaxNameBytes:
		return view{}, fmt.Errorf("%w: tensor %s: name longer than %d bytes", checkpoint.ErrInvalid, q, MaxNameBytes)
	case len(t.Shape) > MaxRank:
		return view{}, fmt.Errorf("%w: tensor %s: %d dimensions, limit %d", checkpoint.ErrInvalid, q, len(t.Shape), MaxRank)
	}
	dtype, err := published.ParseDType(string(t.DType))
	if err != nil {
		return view{}, fmt.Errorf("%w: tensor %s: dtype %s can't be written", checkpoint.ErrUnsupported, q, checkpoint.Quote(string(t.DType)))
	}
	size, err := t.Bytes()
	if err != nil {
		return view{}, fmt.Errorf("%w: %w", checkpoint.ErrInvalid, err)
	}
	shape := make([]uint64, len(t.Shape)) // never nil: a scalar is [], not null
	for i, d := range t.Shape {
		shape[i] = uint64(d)
	}
	return view{dtype, shape, uint64(size)}, nil
}

// plan distributes the tensors over files and makes the headers.
func plan(tensors []checkpoint.Info, opt checkpoint.WriteOptions) ([]shardPlan, error) {
	limit := opt.MaxShardBytes
	if limit < 0 {
		return nil, fmt.Errorf("%w: MaxShardBytes %d", checkpoint.ErrInvalid, limit)
	}
	if limit == 0 {
		limit = checkpoint.DefaultMaxShardBytes
	}
	metadata := opt.Metadata
	if metadata == nil {
		metadata = map[string]string{"format": "pt"}
	}
	if err := checkMetadata(metadata); err != nil {
		return nil, err
	}
	if len(tensors) > MaxTensors {
		return nil, fmt.Errorf("%w: %d tensors, limit %d", checkpoint.ErrInvalid, len(tensors), MaxTensors)
	}
	names := make(map[string]struct{}, len(tensors))
	views := []map[string]view{{}}
	shards := []shardPlan{{}}
	var total int64
	for _, t := range tensors {
		v, err := newView(t)
		if err != nil {
			return nil, err
		}
		if _, twice := names[t.Name]; twice {
			return nil, fmt.Errorf("%w: tensor %s is announced twice", checkpoint.ErrInvalid, checkpoint.Quote(t.Name))
		}
		names[t.Name] = struct{}{}
		last := &shards[len(shards)-1]
		size := int64(v.size)
		if last.size > 0 && size > limit-min(limit, last.size) {
			shards = append(shards, shardPlan{})
			views = append(views, map[string]view{})
			last = &shards[len(shards)-1]
		}
		// Room for a header in each file: whatever the split, no sum can wrap.
		if size > math.MaxInt64-MaxHeaderBytes-8-total {
			return nil, fmt.Errorf("%w: tensor %s: the checkpoint would exceed 2^63 bytes", checkpoint.ErrInvalid, checkpoint.Quote(t.Name))
		}
		total += size
		last.size += size
		views[len(views)-1][t.Name] = v
	}
	if len(shards) > maxShardsWritten {
		return nil, fmt.Errorf("%w: %d files, limit %d", checkpoint.ErrInvalid, len(shards), maxShardsWritten)
	}
	for i := range shards {
		s := &shards[i]
		s.name = singleName
		if len(shards) > 1 {
			s.name = fmt.Sprintf("model-%05d-of-%05d%s", i+1, len(shards), suffix)
		}
		var buf bytes.Buffer
		if err := published.SerializeToWriter(views[i], metadata, &buf); err != nil {
			return nil, fmt.Errorf("%s: %w: %w", s.name, checkpoint.ErrInvalid, err)
		}
		s.header = buf.Bytes()
		if len(s.header)-8 > MaxHeaderBytes {
			return nil, fmt.Errorf("%s: %w: a header of %d bytes, limit %d", s.name, checkpoint.ErrInvalid, len(s.header)-8, MaxHeaderBytes)
		}
	}
	return shards, nil
}

func checkMetadata(metadata map[string]string) error {
	if len(metadata) > maxMetadata {
		return fmt.Errorf("%w: %d metadata keys, limit %d", checkpoint.ErrInvalid, len(metadata), maxMetadata)
	}
	for k, v := range metadata {
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return fmt.Errorf("%w: metadata %s is not UTF-8", checkpoint.ErrInvalid, checkpoint.Quote(k))
		}
	}
	return nil
}

// parsed reads a planned header back with the strict reader, so that what is
// written is by construction what is accepted, and gives the tensors' places.
func (s *shardPlan) parsed() (*header, error) {
	n := binary.LittleEndian.Uint64(s.header)
	h, err := parseHeader(s.header[8:], int64(8+n), s.size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", s.name, checkpoint.ErrInvalid, err)
	}
	return h, nil
}

// indexText makes the index of several files.
func indexText(fileOf map[string]string, total int64) ([]byte, error) {
	text := fmt.Appendf(nil, "{\n  \"metadata\": {\n    \"total_size\": %d\n  },\n  \"weight_map\": {", total)
	sep := "\n"
	for _, name := range sortedKeys(fileOf) {
		var quoted bytes.Buffer
		enc := json.NewEncoder(&quoted)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(name); err != nil {
			return nil, err
		}
		text = fmt.Appendf(text, "%s    %s: \"%s\"", sep, bytes.TrimSpace(quoted.Bytes()), fileOf[name])
		sep = ",\n"
	}
	return append(text, "\n  }\n}\n"...), nil
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
