package safetensors

// What the writer makes is what the reader, and the published Go package, read.

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	published "github.com/nlpodyssey/safetensors"

	"libawq/quant/checkpoint"
)

// sample is a small model with every dtype that can be written, a scalar, empty
// tensors and names that need escaping.
func sample() []checkpoint.Info {
	var infos []checkpoint.Info
	for i, d := range []checkpoint.DType{"BOOL", "U8", "I8", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "F64", "I64", "U64"} {
		infos = append(infos, checkpoint.Info{Name: fmt.Sprintf("layers.%d.weight", i), DType: d, Shape: []int64{int64(i + 1), 3}})
	}
	return append(infos,
		checkpoint.Info{Name: "scalar", DType: "F32"},
		checkpoint.Info{Name: "empty", DType: "F16", Shape: []int64{0, 7}},
		checkpoint.Info{Name: "naïve \"quoted\" <&>\\ \u2028😀\x7f", DType: "U8", Shape: []int64{1, 1, 1, 1, 2}})
}

// content is the expected data of a tensor.
func content(t testing.TB, info checkpoint.Info) []byte {
	n, err := info.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, n)
	seed := uint64(len(info.Name))
	for _, c := range []byte(info.Name) {
		seed = seed*31 + uint64(c)
	}
	r := rand.New(rand.NewPCG(seed, 7))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// write stores the sample in pieces and in shuffled order.
func write(t testing.TB, w *Writer, infos []checkpoint.Info, seed uint64) {
	type piece struct {
		name string
		data []byte
		off  int64
	}
	var pieces []piece
	for _, info := range infos {
		data := content(t, info)
		for off := 0; off < len(data); off += 5 {
			pieces = append(pieces, piece{info.Name, data[off:min(off+5, len(data))], int64(off)})
		}
	}
	r := rand.New(rand.NewPCG(seed, 1))
	r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
	for _, p := range pieces {
		if err := w.WriteAt(p.name, p.data, p.off); err != nil {
			t.Fatal(err)
		}
	}
}

func compare(t testing.TB, r checkpoint.Reader, infos []checkpoint.Info) {
	t.Helper()
	want := slices.Clone(infos)
	slices.SortFunc(want, func(a, b checkpoint.Info) int { return strings.Compare(a.Name, b.Name) })
	got := r.Tensors()
	if len(got) != len(want) {
		t.Fatalf("%d tensors, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i].Name != want[i].Name || got[i].DType != want[i].DType || !slices.Equal(got[i].Shape, want[i].Shape) {
			t.Fatalf("tensor %d is %v, want %v", i, got[i], want[i])
		}
		data := content(t, want[i])
		p := make([]byte, len(data))
		if err := r.ReadAt(want[i].Name, p, 0); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(p, data) {
			t.Fatalf("tensor %q differs", want[i].Name)
		}
		if len(data) > 4 {
			if err := r.ReadAt(want[i].Name, p[:3], 2); err != nil || !bytes.Equal(p[:3], data[2:5]) {
				t.Fatalf("slice of %q: %v", want[i].Name, err)
			}
		}
	}
}

func TestRoundTrip(t *testing.T) {
	infos := sample()
	for _, limit := range []int64{0, 1, 40, 100, 1 << 40} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			var first map[string]string
			for seed := range uint64(3) {
				dir := t.TempDir()
				w, err := Create(dir, infos, checkpoint.WriteOptions{MaxShardBytes: limit})
				if err != nil {
					t.Fatal(err)
				}
				write(t, w, infos, seed)
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				files := folder(t, dir)
				if first == nil {
					first = files
				} else if fmt.Sprint(first) != fmt.Sprint(files) {
					t.Fatal("the order of writing changed the bytes")
				}
				if single := limit == 0 || limit == 1<<40; single != (len(files) == 1) {
					t.Fatalf("limit %d made %d files", limit, len(files))
				}
				r, err := Open(dir)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, r, infos)
				if r.Metadata()["format"] != "pt" || len(r.Notes()) != 0 {
					t.Fatalf("metadata %v, notes %v", r.Metadata(), r.Notes())
				}
				if err := errors.Join(r.Close(), r.Close()); err != nil {
					t.Fatal(err)
				}
				if err := r.ReadAt("scalar", make([]byte, 4), 0); !errors.Is(err, checkpoint.ErrIO) {
					t.Fatalf("read after Close: %v", err)
				}
				secondOpinion(t, dir, infos)
			}
		})
	}
}

// secondOpinion reads each file with the published package.
func secondOpinion(t *testing.T, dir string, infos []checkpoint.Info) {
	t.Helper()
	seen := 0
	paths, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if text[0]%8 != 0 {
			t.Fatalf("%s: data starts at byte %d", path, int(text[0])+8)
		}
		st, err := published.Deserialize(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range infos {
			if v, ok := st.Tensor(info.Name); ok {
				seen++
				if v.DType().String() != string(info.DType) || !bytes.Equal(v.Data(), content(t, info)) {
					t.Fatalf("%s: %q differs", path, info.Name)
				}
			}
		}
	}
	if seen != len(infos) {
		t.Fatalf("the published package sees %d tensors, want %d", seen, len(infos))
	}
}

// folder returns all files of a folder with their contents.
func folder(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}
