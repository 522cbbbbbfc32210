package safetensors

// The index of a checkpoint in several files: which tensor lies in which file.

import (
	"fmt"
	"slices"
	"strings"

	"libawq/quant/checkpoint"
	"libawq/quant/checkpoint/internal/strict"
)

const (
	indexName     = "model.safetensors.index.json"
	singleName    = "model.safetensors"
	suffix        = ".safetensors"
	maxShards     = 4096
	maxFileName   = 255
	maxIndexBytes = MaxHeaderBytes
)

// place is one line of the index; file counts in index.files.
type place struct {
	tensor string
	file   int32
}

type index struct {
	files  []string // sorted
	places []place  // sorted by tensor
}

// parseIndex reads the text of an index file.
func parseIndex(text []byte) (*index, error) {
	s := strict.New(text)
	var ix index
	files := map[string]int32{}
	seen := false
	err := s.UniqueMembers(func(key []byte) error {
		if string(key) != "weight_map" {
			return s.Skip()
		}
		seen = true
		return s.Members(func(key []byte) error {
			if len(key) > MaxNameBytes {
				return s.Errorf("a tensor name of %d bytes, limit %d", len(key), MaxNameBytes)
			}
			if len(ix.places) >= MaxTensors {
				return s.Errorf("more than %d tensors", MaxTensors)
			}
			name := string(key)
			text, err := s.String()
			if err != nil {
				return err
			}
			file, ok := files[string(text)]
			if !ok {
				if err := plainFileName(string(text)); err != nil {
					return fmt.Errorf("tensor %s: %w", checkpoint.Quote(name), err)
				}
				if len(files) >= maxShards {
					return s.Errorf("more than %d files", maxShards)
				}
				file = int32(len(files))
				files[string(text)] = file
				ix.files = append(ix.files, string(text))
			}
			ix.places = append(ix.places, place{name, file})
			return nil
		})
	})
	if err == nil {
		err = s.End()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", checkpoint.ErrCorrupt, err)
	}
	if !seen {
		return nil, corrupt("no weight_map")
	}
	ix.sort()
	for i := 1; i < len(ix.places); i++ {
		if ix.places[i].tensor == ix.places[i-1].tensor {
			return nil, corrupt("tensor %s is listed twice", checkpoint.Quote(ix.places[i].tensor))
		}
	}
	return &ix, nil
}

// sort brings files and places into the order of their names.
func (ix *index) sort() {
	old := ix.files
	ix.files = slices.Sorted(slices.Values(old))
	to := make([]int32, len(old))
	for i, name := range old {
		at, _ := slices.BinarySearch(ix.files, name)
		to[i] = int32(at)
	}
	for i := range ix.places {
		ix.places[i].file = to[ix.places[i].file]
	}
	slices.SortFunc(ix.places, func(a, b place) int { return strings.Compare(a.tensor, b.tensor) })
}

// plainFileName refuses whatever could lead out of the folder, on any system.
func plainFileName(name string) error {
	bad := name == "" || name == "." || name == ".." || len(name) > maxFileName
	for i := 0; i < len(name) && !bad; i++ {
		c := name[i]
		bad = c < 0x20 || c == 0x7f || c == '/' || c == '\\' || c == ':'
	}
	if bad {
		return fmt.Errorf("%s is not a plain file name", checkpoint.Quote(name))
	}
	return nil
}
