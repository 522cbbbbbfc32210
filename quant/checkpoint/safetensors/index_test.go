package safetensors

// Folders with several files: what the index may say, and what it may not.

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"libawq/quant/checkpoint"
)

// twoShards has tensor a in x.safetensors and tensor b in y.safetensors.
func twoShards(t testing.TB) map[string]string {
	t.Helper()
	return map[string]string{
		"x.safetensors": raw("{"+a1+"}", 1),
		"y.safetensors": raw("{"+strings.Replace(a1, `"a"`, `"b"`, 1)+"}", 1),
		indexName:       `{"metadata":{"total_size":2},"weight_map":{"a":"x.safetensors","b":"y.safetensors"}}`,
	}
}

func lay(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestIndex(t *testing.T) {
	weights := func(m string) string { return `{"weight_map":{` + m + `}}` }
	for _, c := range []struct {
		name  string
		index string
		files map[string]string // added, or removed if empty
		want  string            // of the message; empty: accepted
		is    error
	}{
		{name: "good", index: weights(`"a":"x.safetensors","b":"y.safetensors"`)},
		{name: "good beside a single file", index: weights(`"a":"x.safetensors","b":"y.safetensors"`), files: map[string]string{singleName: raw("{}", 0)}},
		{name: "other keys", index: `{"x":[1,{}],"weight_map":{"a":"x.safetensors","b":"y.safetensors"},"metadata":null}`},
		{name: "missing file", index: weights(`"a":"x.safetensors","b":"z.safetensors"`), want: `tensor "b": z.safetensors`, is: checkpoint.ErrNotFound},
		{name: "tensor in no file", index: weights(`"a":"x.safetensors","b":"y.safetensors","c":"y.safetensors"`), want: `tensor "c" is not in y.safetensors`},
		{name: "tensor in the other file", index: weights(`"a":"y.safetensors","b":"x.safetensors"`), want: `tensor "a" is not in y.safetensors but in x.safetensors`},
		{name: "tensor in two files", index: weights(`"a":"x.safetensors","b":"y.safetensors"`), files: map[string]string{"y.safetensors": raw("{"+a1+"}", 1)}, want: `tensor "a" is both in x.safetensors and in y.safetensors`},
		{name: "corrupt file", index: weights(`"a":"x.safetensors","b":"y.safetensors"`), files: map[string]string{"y.safetensors": "nonsense"}, want: "y.safetensors"},
		{name: "truncated file", index: weights(`"a":"x.safetensors","b":"y.safetensors"`), files: map[string]string{"y.safetensors": raw("{"+one(`"b"`, "U8", "[9]", "[0,9]")+"}", 8)}, want: "[0, 9] outside the 8 bytes"},
		{name: "folder above", index: weights(`"a":"../x.safetensors"`), want: `tensor "a": "../x.safetensors" is not a plain file name`},
		{name: "absolute", index: weights(`"a":"/x.safetensors"`), want: "not a plain file name"},
		{name: "subfolder", index: weights(`"a":"s/x.safetensors"`), want: "not a plain file name"},
		{name: "backslash", index: weights(`"a":"s\\x.safetensors"`), want: "not a plain file name"},
		{name: "drive", index: weights(`"a":"c:x.safetensors"`), want: "not a plain file name"},
		{name: "dot dot", index: weights(`"a":".."`), want: "not a plain file name"},
		{name: "dot", index: weights(`"a":"."`), want: "not a plain file name"},
		{name: "empty name", index: weights(`"a":""`), want: "not a plain file name"},
		{name: "NUL", index: weights(`"a":"x\u0000"`), want: "not a plain file name"},
		{name: "long name", index: weights(`"a":"` + strings.Repeat("x", 256) + `"`), want: "not a plain file name"},
		{name: "duplicate tensor, same file", index: weights(`"a":"x.safetensors","a":"x.safetensors"`), want: `tensor "a" is listed twice`},
		{name: "duplicate tensor, other file", index: weights(`"a":"x.safetensors","\u0061":"y.safetensors"`), want: `tensor "a" is listed twice`},
		{name: "duplicate weight_map", index: `{"weight_map":{},"weight_map":{}}`, want: `duplicate key "weight_map"`},
		{name: "no weight_map", index: `{}`, want: "no weight_map"},
		{name: "file is a number", index: weights(`"a":1`), want: "a string is due"},
		{name: "weight_map is an array", index: `{"weight_map":[]}`, want: "an object is due"},
		{name: "empty", index: ``, want: "text ends"},
		{name: "not UTF-8", index: weights("\"\xff\":\"x.safetensors\""), want: "not UTF-8"},
		{name: "rest", index: weights(`"a":"x.safetensors"`) + "x", want: "the end is due"},
		{name: "too deep", index: `{"x":` + strings.Repeat("[", 1<<20), want: "nested deeper"},
		{name: "name too long", index: weights(`"` + strings.Repeat("a", 4097) + `":"x.safetensors"`), want: "4097 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := twoShards(t)
			files[indexName] = c.index
			for k, v := range c.files {
				files[k] = v
			}
			r, err := Open(lay(t, files))
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Tensors()) != 2 || r.File("b") != "y.safetensors" || len(r.Notes()) != 0 {
					t.Fatalf("%v %v", r.Tensors(), r.Notes())
				}
				r.Close()
				return
			}
			is := c.is
			if is == nil {
				is = checkpoint.ErrCorrupt
			}
			if !errors.Is(err, is) || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v\nwants %q", err, c.want)
			}
		})
	}
}

func TestUnlistedTensorIsNoted(t *testing.T) {
	files := twoShards(t)
	files["y.safetensors"] = raw("{"+one(`"b"`, "U8", "[1]", "[0,1]")+","+one(`"extra"`, "U8", "[1]", "[1,2]")+"}", 2)
	r, err := Open(lay(t, files))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, ok := r.Lookup("extra"); !ok || len(r.Notes()) != 1 || !strings.Contains(r.Notes()[0], `"extra" is not in the index`) {
		t.Fatalf("%v %v", r.Tensors(), r.Notes())
	}
}

func TestWhichFile(t *testing.T) {
	good, other := raw("{"+a1+"}", 1), raw("{}", 0)
	for _, c := range []struct {
		name  string
		files map[string]string
		is    error
		want  string
	}{
		{"model.safetensors", map[string]string{singleName: good, "adapter.safetensors": other}, nil, ""},
		{"the only one", map[string]string{"weights.safetensors": good, "config.json": "{}"}, nil, ""},
		{"one of one", map[string]string{"model-00001-of-00001.safetensors": good}, nil, ""},
		{"one of two", map[string]string{"model-00001-of-00002.safetensors": good}, checkpoint.ErrNotFound, "one of several"},
		{"two, no index", map[string]string{"a.safetensors": good, "b.safetensors": good}, checkpoint.ErrUnsupported, "which belong together"},
		{"none", map[string]string{"config.json": "{}"}, checkpoint.ErrNotFound, singleName},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := lay(t, c.files)
			r, err := Open(dir)
			if c.is == nil {
				if err != nil || len(r.Tensors()) != 1 {
					t.Fatal(err)
				}
				r.Close()
			} else if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
				t.Fatal(err)
			}
			if Sniff(dir) != (c.name != "none") {
				t.Fatal("Sniff")
			}
		})
	}
	if _, err := Open(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, checkpoint.ErrNotFound) {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, singleName), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir); !errors.Is(err, checkpoint.ErrIO) || !strings.Contains(err.Error(), "not a regular file") {
		t.Fatal(err)
	}
}

// A hub cache keeps files under blobs and links to them from the snapshot.
func TestHubCache(t *testing.T) {
	root := t.TempDir()
	blobs, snapshot := filepath.Join(root, "blobs"), filepath.Join(root, "snapshots", "abc")
	for _, dir := range []string{blobs, snapshot} {
		if err := os.MkdirAll(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range twoShards(t) {
		if err := os.WriteFile(filepath.Join(blobs, "blob-"+name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("../../blobs/blob-"+name, filepath.Join(snapshot, name)); err != nil {
			t.Skip("no symbolic links here:", err)
		}
	}
	r, err := Open(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	p := []byte{0}
	if err := r.ReadAt("b", p, 0); err != nil || p[0] != 1 {
		t.Fatal(err, p)
	}
	r.Close()
	if err := os.Remove(filepath.Join(blobs, "blob-y.safetensors")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(snapshot); !errors.Is(err, checkpoint.ErrNotFound) || !strings.Contains(err.Error(), `tensor "b": y.safetensors`) {
		t.Fatal(err)
	}
}
