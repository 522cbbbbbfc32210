// Package builtin lists the checkpoint formats that the library knows. It stands
// apart from package checkpoint because the formats import that one.
package builtin

import (
	"fmt"
	"strings"

	"libawq/quant/checkpoint"
	"libawq/quant/checkpoint/disk"
	"libawq/quant/checkpoint/safetensors"
)

// Formats returns the known formats, the preferred one first.
func Formats() []checkpoint.Format {
	return []checkpoint.Format{safetensors.Format()}
}

// Open opens a folder in whichever known format it is.
func Open(dir string) (checkpoint.Reader, error) {
	st, err := disk.OS{}.Stat(dir)
	if err != nil {
		return nil, checkpoint.FileError(dir, err)
	}
	if !st.IsDir() {
		return nil, fmt.Errorf("%s: %w: not a folder", dir, checkpoint.ErrNotFound)
	}
	var names []string
	for _, f := range Formats() {
		if f.Sniff(dir) {
			return f.Open(dir)
		}
		names = append(names, f.Name)
	}
	return nil, fmt.Errorf("%s: %w: no checkpoint in a known format (%s)", dir, checkpoint.ErrNotFound, strings.Join(names, ", "))
}
