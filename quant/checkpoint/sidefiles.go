package checkpoint

// Files that belong to a model beside its weights and are copied as they are.

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"libawq/quant/checkpoint/disk"
)

// SideFiles lists the names that CopyFiles takes along: tokenizer, generation
// settings, chat template, licence. Model cards are left out: they describe
// another model. Code is left out: nothing in a checkpoint is executed.
func SideFiles() []string {
	return []string{
		"LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE", "NOTICE.md", "NOTICE.txt", "USE_POLICY.md",
		"added_tokens.json", "chat_template.jinja", "chat_template.json", "generation_config.json",
		"merges.txt", "preprocessor_config.json", "processor_config.json", "special_tokens_map.json",
		"spiece.model", "tekken.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json", "vocab.txt",
	}
}

// CopyFiles copies those side files that src has into dst, following links, and
// returns their names. The copies are durable and share nothing with the source.
func CopyFiles(src, dst string) ([]string, error) { return CopyFilesOn(disk.OS{}, src, dst) }

// CopyFilesOn is CopyFiles on a given file layer.
func CopyFilesOn(fsys disk.FS, src, dst string) ([]string, error) {
	listed, err := fsys.ReadDir(src)
	if err != nil {
		return nil, FileError(src, err)
	}
	var copied []string
	for _, e := range listed {
		if !slices.Contains(SideFiles(), e.Name()) {
			continue
		}
		if err := CopyFile(fsys, src, dst, e.Name()); err != nil {
			return copied, err
		}
		copied = append(copied, e.Name())
	}
	return copied, nil
}

// CopyFile copies one side file; a name outside SideFiles is refused.
func CopyFile(fsys disk.FS, src, dst, name string) error {
	if !slices.Contains(SideFiles(), name) {
		return fmt.Errorf("%w: %s is not a file that is copied along", ErrUnsupported, Quote(name))
	}
	from, err := fsys.Open(filepath.Join(src, name))
	if err != nil {
		return FileError("copy "+name, err)
	}
	defer from.Close()
	path := filepath.Join(dst, name)
	to, err := fsys.Create(path)
	if err != nil {
		return FileError("copy "+name, err)
	}
	err = copyData(to, from)
	if err == nil {
		err = to.Sync()
	}
	err = disk.Join(err, to.Close())
	if err == nil {
		return nil
	}
	err = disk.Join(err, fsys.RemoveAll(path))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("copy %s: %w: the file became shorter while it was read", name, ErrCorrupt)
	}
	return FileError("copy "+name, err)
}

func copyData(to, from disk.File) error {
	size, err := from.Size()
	if err != nil {
		return err
	}
	buf := make([]byte, min(size, 1<<20))
	for off := int64(0); off < size; {
		p := buf[:min(size-off, int64(len(buf)))]
		if err := disk.ReadFull(from, p, off); err != nil {
			return err
		}
		if err := disk.WriteFull(to, p, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	return nil
}
