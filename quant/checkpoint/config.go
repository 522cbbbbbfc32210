package checkpoint

// config.json: read, checked, and changed by one key with everything else kept in
// place, literal by literal.

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"libawq/quant/checkpoint/disk"
	"libawq/quant/checkpoint/internal/strict"
)

const (
	// MaxConfigBytes bounds config.json and its kind.
	MaxConfigBytes = 16 << 20

	// ConfigName is the file that says what a folder's model is.
	ConfigName = "config.json"

	quantizationKey = "quantization_config"
)

// ReadConfig returns the folder's config.json, checked to be an object of strict
// JSON: UTF-8, no duplicate keys, no NaN, at most 64 levels and MaxConfigBytes.
func ReadConfig(dir string) ([]byte, error) { return ReadJSON(disk.OS{}, dir, ConfigName) }

// ReadJSON is ReadConfig for any JSON file of a folder, on a given file layer.
func ReadJSON(fsys disk.FS, dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	raw, err := disk.ReadFile(fsys, path, MaxConfigBytes)
	switch {
	case errors.Is(err, disk.ErrTooLarge), errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("%s: %w: %w", path, ErrCorrupt, err)
	case err != nil:
		return nil, FileError(path, err)
	}
	if _, err := scanMembers(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return raw, nil
}

// WithQuantization returns the config with quantization_config set to q, indented
// by two spaces. All other keys keep their order and their literals.
func WithQuantization(raw []byte, q any) ([]byte, error) { return WithKey(raw, quantizationKey, q) }

// WithKey is WithQuantization for any key of the top level: an existing value is
// replaced where it stands, a new key is added at the end.
func WithKey(raw []byte, key string, value any) ([]byte, error) {
	members, err := scanMembers(raw)
	if err != nil {
		return nil, err
	}
	name, err := encode(key)
	if err != nil {
		return nil, err
	}
	text, err := encode(value)
	if err != nil {
		return nil, fmt.Errorf("%w: value of %s: %w", ErrInvalid, Quote(key), err)
	}
	var out []byte
	found := false
	for _, m := range members {
		if m.key == key {
			out = append(append(out, raw[:m.begin]...), text...)
			out = append(out, raw[m.end:]...)
			found = true
		}
	}
	if !found {
		end := bytes.LastIndexByte(raw, '}')
		out = append(out, bytes.TrimRight(raw[:end], " \t\r\n")...)
		if len(members) > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), text...)
		out = append(out, '}')
	}
	// The value may nest too deep or repeat a key of its own.
	if _, err := scanMembers(out); err != nil {
		return nil, err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, bytes.TrimSpace(out), "", "  "); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	indented.WriteByte('\n')
	return indented.Bytes(), nil
}

// member is one key of the top level and the place of its value.
type member struct {
	key        string
	begin, end int
}

func scanMembers(raw []byte) ([]member, error) {
	if len(raw) > MaxConfigBytes {
		return nil, fmt.Errorf("%w: %d bytes of JSON, limit %d", ErrCorrupt, len(raw), MaxConfigBytes)
	}
	var members []member
	s := strict.New(raw)
	err := s.UniqueMembers(func(key []byte) error {
		s.Space()
		m := member{key: string(key), begin: s.Pos()}
		if err := s.Skip(); err != nil {
			return err
		}
		m.end = s.Pos()
		members = append(members, m)
		return nil
	})
	if err == nil {
		err = s.End()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return members, nil
}

// encode is json.Marshal without the escapes meant for HTML.
func encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(buf.Bytes()), nil
}
