package safetensors

// An opened checkpoint: all headers checked, files held open, data read on demand.

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"libawq/quant/checkpoint"
	"libawq/quant/checkpoint/disk"
)

// Format is this format's row in the list of formats.
func Format() checkpoint.Format {
	return checkpoint.Format{
		Name:  "safetensors",
		Sniff: Sniff,
		// Written out, since a nil *Reader in an interface is not nil.
		Open: func(dir string) (checkpoint.Reader, error) {
			r, err := Open(dir)
			if err != nil {
				return nil, err
			}
			return r, nil
		},
		Create: func(dir string, tensors []checkpoint.Info, opt checkpoint.WriteOptions) (checkpoint.Writer, error) {
			w, err := Create(dir, tensors, opt)
			if err != nil {
				return nil, err
			}
			return w, nil
		},
	}
}

// Sniff reports whether the folder holds an index or a safetensors file.
func Sniff(dir string) bool {
	entries, err := disk.OS{}.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return e.Name() == indexName || strings.HasSuffix(e.Name(), suffix)
	})
}

// Reader is an open checkpoint.
type Reader struct {
	entries  []entry // sorted by name
	files    []openFile
	metadata map[string]string
	notes    []string
	stamps   map[string]disk.Stamp
	closed   bool
}

type openFile struct {
	name string // without the folder, for messages
	disk.File
	stamp  disk.Stamp
	header [32]byte // SHA-256
}

// Open opens the checkpoint of a folder: what the index lists, else
// model.safetensors, else the only *.safetensors file.
func Open(dir string) (*Reader, error) { return OpenOn(disk.OS{}, dir) }

// OpenOn is Open on a given file layer.
func OpenOn(fsys disk.FS, dir string) (*Reader, error) {
	r := &Reader{metadata: map[string]string{}, stamps: map[string]disk.Stamp{}}
	if err := r.open(fsys, dir); err != nil {
		r.Close()
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return r, nil
}

func (r *Reader) open(fsys disk.FS, dir string) error {
	for _, name := range []string{indexName, singleName} { // before anything is read
		stamp, err := disk.StampAt(fsys, filepath.Join(dir, name))
		if err != nil {
			return readError(name, err)
		}
		r.stamps[name] = stamp
	}
	listed, err := fsys.ReadDir(dir)
	if err != nil {
		return checkpoint.FileError("list the folder", err)
	}
	var single []string
	for _, e := range listed {
		switch name := e.Name(); {
		case name == indexName:
			return r.openIndex(fsys, dir)
		case name == singleName:
			single = append([]string{name}, single...)
		case strings.HasSuffix(name, suffix):
			single = append(single, name)
		}
	}
	switch {
	case len(single) == 0:
		return fmt.Errorf("%w: no %s, no %s and no other *%s", checkpoint.ErrNotFound, indexName, singleName, suffix)
	case len(single) > 1 && single[0] != singleName:
		return fmt.Errorf("%w: %d *%s files (%s, %s, …) and no %s that says which belong together",
			checkpoint.ErrUnsupported, len(single), suffix, checkpoint.Quote(single[0]), checkpoint.Quote(single[1]), indexName)
	}
	if partOfSeveral(single[0]) {
		return fmt.Errorf("%w: %s is one of several files, but there is no %s", checkpoint.ErrNotFound, single[0], indexName)
	}
	h, err := r.openFile(fsys, dir, single[0])
	if err != nil {
		return err
	}
	r.entries = h.entries
	return nil
}

// partOfSeveral reports whether a file's name ends in the like of -00001-of-00003.
func partOfSeveral(name string) bool {
	const digits = "[0-9][0-9][0-9][0-9][0-9]"
	matched, err := filepath.Match("*-"+digits+"-of-"+digits+suffix, name)
	return err == nil && matched && !strings.HasSuffix(name, "-00001-of-00001"+suffix)
}

func (r *Reader) openIndex(fsys disk.FS, dir string) error {
	text, err := disk.ReadFile(fsys, filepath.Join(dir, indexName), maxIndexBytes)
	if err != nil {
		return readError(indexName, err)
	}
	ix, err := parseIndex(text)
	if err != nil {
		return fmt.Errorf("%s: %w", indexName, err)
	}
	firstOf := make([]string, len(ix.files)) // a tensor to name with a missing file
	for i := len(ix.places) - 1; i >= 0; i-- {
		firstOf[ix.places[i].file] = ix.places[i].tensor
	}
	for i, name := range ix.files {
		h, err := r.openFile(fsys, dir, name)
		if err != nil {
			return fmt.Errorf("tensor %s: %w", checkpoint.Quote(firstOf[i]), err)
		}
		if len(r.entries)+len(h.entries) > MaxTensors {
			return corrupt("%s: more than %d tensors in all files", name, MaxTensors)
		}
		r.entries = append(r.entries, h.entries...)
	}
	slices.SortStableFunc(r.entries, byName)
	for i := 1; i < len(r.entries); i++ {
		if a, b := &r.entries[i-1], &r.entries[i]; a.Name == b.Name {
			return corrupt("tensor %s is both in %s and in %s", checkpoint.Quote(a.Name), r.files[a.file].name, r.files[b.file].name)
		}
	}
	return r.compare(ix)
}

// compare checks each line of the index against the headers. Both are sorted.
func (r *Reader) compare(ix *index) error {
	at := 0
	for _, p := range ix.places {
		for at < len(r.entries) && r.entries[at].Name < p.tensor {
			r.unlisted(at)
			at++
		}
		if at == len(r.entries) || r.entries[at].Name != p.tensor {
			return corrupt("%s: tensor %s is not in %s", indexName, checkpoint.Quote(p.tensor), ix.files[p.file])
		}
		if r.entries[at].file != p.file {
			return corrupt("%s: tensor %s is not in %s but in %s", indexName, checkpoint.Quote(p.tensor),
				ix.files[p.file], r.files[r.entries[at].file].name)
		}
		at++
	}
	for ; at < len(r.entries); at++ {
		r.unlisted(at)
	}
	return nil
}

func (r *Reader) unlisted(at int) {
	if e := &r.entries[at]; len(r.notes) < maxNotes {
		r.notes = append(r.notes, fmt.Sprintf("%s: tensor %s is not in the index", r.files[e.file].name, checkpoint.Quote(e.Name)))
	}
}

// openFile opens one file, checks its header and keeps it open, so that what was
// checked is what is read later.
func (r *Reader) openFile(fsys disk.FS, dir, name string) (*header, error) {
	f, err := fsys.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, readError(name, err)
	}
	r.files = append(r.files, openFile{name: name, File: f})
	of := &r.files[len(r.files)-1]
	st, err := f.Stat()
	if err != nil {
		return nil, readError(name, err)
	}
	of.stamp = disk.StampOf(st) // before its bytes are read
	r.stamps[name] = of.stamp
	h, err := readHeader(f)
	if err != nil {
		return nil, readError(name, err)
	}
	of.header = h.digest
	for i := range h.entries {
		h.entries[i].file = int32(len(r.files) - 1)
	}
	for k, v := range h.metadata {
		if _, ok := r.metadata[k]; !ok { // the first file's word counts
			r.metadata[k] = v
		}
	}
	for _, n := range h.notes[:min(len(h.notes), maxNotes-len(r.notes))] {
		r.notes = append(r.notes, name+": "+n)
	}
	return h, nil
}

// readHeader reads and checks the front of a file.
func readHeader(f disk.File) (*header, error) {
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size < 8 {
		return nil, corrupt("%d bytes are too few for a header", size)
	}
	var front [8]byte
	if err := disk.ReadFull(f, front[:], 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(front[:])
	if n > uint64(size-8) {
		return nil, corrupt("a header of %d bytes in a file of %d", n, size)
	}
	if n > MaxHeaderBytes {
		return nil, corrupt("a header of %d bytes, limit %d", n, MaxHeaderBytes)
	}
	text := make([]byte, n)
	if err := disk.ReadFull(f, text, 8); err != nil {
		return nil, err
	}
	start := 8 + int64(n)
	h, err := parseHeader(text, start, size-start)
	if err == nil {
		h.digest = sha256.Sum256(text)
	}
	return h, err
}

// readError names the file and tells a damaged file from a failing disk.
func readError(name string, err error) error {
	switch {
	case errors.Is(err, checkpoint.ErrCorrupt):
		return fmt.Errorf("%s: %w", name, err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: %w: the file became shorter while it was read", name, checkpoint.ErrCorrupt)
	case errors.Is(err, disk.ErrTooLarge):
		return fmt.Errorf("%s: %w: %w", name, checkpoint.ErrCorrupt, err)
	}
	return checkpoint.FileError(name, err)
}

// Tensors lists all tensors, sorted by name.
func (r *Reader) Tensors() []checkpoint.Info {
	infos := make([]checkpoint.Info, len(r.entries))
	for i := range r.entries {
		infos[i] = r.entries[i].Info
	}
	return infos
}

func (r *Reader) find(name string) *entry {
	i, ok := slices.BinarySearchFunc(r.entries, name, func(e entry, name string) int { return strings.Compare(e.Name, name) })
	if !ok {
		return nil
	}
	return &r.entries[i]
}

// Lookup finds one tensor.
func (r *Reader) Lookup(name string) (checkpoint.Info, bool) {
	e := r.find(name)
	if e == nil {
		return checkpoint.Info{}, false
	}
	return e.Info, true
}

// File returns the name of the file that holds a tensor, "" if none does.
func (r *Reader) File(name string) string {
	e := r.find(name)
	if e == nil {
		return ""
	}
	return r.files[e.file].name
}

// Place finds the bytes of a tensor in its file.
func (r *Reader) Place(name string) (checkpoint.Place, bool) {
	e := r.find(name)
	if e == nil {
		return checkpoint.Place{}, false
	}
	f := &r.files[e.file]
	file, ok := disk.OSFile(f.File)
	return checkpoint.Place{File: file, At: e.begin, Stamp: f.stamp, Header: f.header}, ok
}

// Stamps tells the versions of the index and of the files of tensors.
func (r *Reader) Stamps() map[string]disk.Stamp { return r.stamps }

// Metadata returns the strings stored beside the tensors; of several files that
// disagree, the first one's.
func (r *Reader) Metadata() map[string]string { return r.metadata }

// Notes lists what was odd but harmless, such as unknown dtypes.
func (r *Reader) Notes() []string { return r.notes }

// ReadAt fills p with the tensor's bytes from byte off on.
func (r *Reader) ReadAt(name string, p []byte, off int64) error {
	e := r.find(name)
	if e == nil {
		return fmt.Errorf("%w: tensor %s", checkpoint.ErrNotFound, checkpoint.Quote(name))
	}
	if _, err := e.Bytes(); err != nil {
		return err
	}
	size := e.end - e.begin
	if off < 0 || off > size || int64(len(p)) > size-off {
		return fmt.Errorf("%w: tensor %s: %d bytes from byte %d on, but it has %d", checkpoint.ErrInvalid, checkpoint.Quote(name), len(p), off, size)
	}
	f := r.files[e.file]
	if err := disk.ReadFull(f, p, e.begin+off); err != nil {
		return fmt.Errorf("tensor %s: %w", checkpoint.Quote(name), readError(f.name, err))
	}
	return nil
}

// Close releases the files.
func (r *Reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	var err error
	for _, f := range r.files {
		err = disk.Join(err, f.Close())
	}
	return checkpoint.FileError("close", err)
}
