// Package checkpoint says what a folder of model weights is to the rest of the
// library, whatever its format: named tensors that are read and written in
// slices, a config.json, side files, and an output folder that appears whole or
// not at all. Formats live in subfolders and are collected in builtin.
package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"libawq/quant/checkpoint/disk"
)

// The meanings that callers branch on with errors.Is; the text around them
// carries the file, the tensor and the numbers.
var (
	// ErrCorrupt marks a file that breaks the rules of its format.
	ErrCorrupt = errors.New("corrupt checkpoint")
	// ErrNotFound marks a folder, file or tensor that is not there.
	ErrNotFound = errors.New("not found")
	// ErrUnsupported marks something well formed that this library can't handle.
	ErrUnsupported = errors.New("not supported")
	// ErrIO marks a failure of the operating system: disk full, permission, device.
	ErrIO = errors.New("input/output failed")
	// ErrExists marks an output that is already there.
	ErrExists = errors.New("already exists")
	// ErrInvalid marks a call that no checkpoint could satisfy, such as a slice
	// outside its tensor.
	ErrInvalid = errors.New("invalid request")
)

// Reader gives the tensors of one opened checkpoint. ReadAt may be called from
// several threads at once; Close may not run beside it.
type Reader interface {
	// Tensors lists all tensors, sorted by name.
	Tensors() []Info
	// Lookup finds one tensor.
	Lookup(name string) (Info, bool)
	// ReadAt fills all of p with the tensor's bytes from byte off on.
	ReadAt(name string, p []byte, off int64) error
	// Place finds the bytes of a tensor in its file; false if they lie in none
	// as they are.
	Place(name string) (Place, bool)
	// Stamps tells, by their names in the folder, the versions of the files that
	// the reader came from; a zero stamp is a file that was not there and would
	// have been looked at.
	Stamps() map[string]disk.Stamp
	// Close releases the files.
	Close() error
}

// Place is where a tensor lies: from byte At on in an open file, which belongs to
// the reader.
type Place struct {
	File   *os.File
	At     int64
	Stamp  disk.Stamp // of the file when it was opened
	Header [32]byte   // SHA-256 of the part of the file that describes its tensors
}

// Writer fills the tensors announced to Create. WriteAt may be called from
// several threads at once.
type Writer interface {
	// WriteAt stores p as the tensor's bytes from byte off on; no byte twice.
	WriteAt(name string, p []byte, off int64) error
	// Close checks that each byte was written, makes the files durable and, if
	// anything failed, removes them.
	Close() error
	// Abort removes what the writer made; after a Close it does nothing.
	Abort() error
}

// DefaultMaxShardBytes is the size at which the field starts a new file ("5GB").
const DefaultMaxShardBytes = 5_000_000_000

// WriteOptions says how Create lays tensors out; the zero value is the default.
type WriteOptions struct {
	// MaxShardBytes bounds the tensor bytes of one file; 0 means
	// DefaultMaxShardBytes. A larger tensor gets a file of its own.
	MaxShardBytes int64
	// Metadata is stored beside the tensors; nil means {"format": "pt"}, without
	// which some readers refuse the file.
	Metadata map[string]string
}

// Format is one way of storing a checkpoint in a folder.
type Format struct {
	// Name is what errors and reports call the format.
	Name string
	// Sniff reports whether the folder looks like this format.
	Sniff func(dir string) bool
	// Open reads the headers and checks them.
	Open func(dir string) (Reader, error)
	// Create starts a new checkpoint in an existing folder.
	Create func(dir string, tensors []Info, opt WriteOptions) (Writer, error)
}

// FileError wraps an error of the operating system with the matching sentinel;
// the error's own text is expected to name the file.
func FileError(what string, err error) error {
	sentinel := ErrIO
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		sentinel = ErrNotFound
	case errors.Is(err, fs.ErrExist):
		sentinel = ErrExists
	}
	return fmt.Errorf("%s: %w: %w", what, sentinel, err)
}
