package safetensors

// The writer's promises: wrong use is named, failures leave nothing behind, memory
// stays flat, other programs agree with the bytes.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"libawq/quant/checkpoint"
	"libawq/quant/checkpoint/disk"
	"libawq/quant/checkpoint/disk/disktest"
)

func TestCreateRefuses(t *testing.T) {
	type infos = []checkpoint.Info
	u8 := func(name string, shape ...int64) checkpoint.Info {
		return checkpoint.Info{Name: name, DType: "U8", Shape: shape}
	}
	for _, c := range []struct {
		name  string
		infos infos
		opt   checkpoint.WriteOptions
		is    error
		want  string
	}{
		{"empty name", infos{u8("", 1)}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "can't name"},
		{"reserved name", infos{u8("__metadata__", 1)}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "can't name"},
		{"NUL", infos{u8("a\x00", 1)}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "can't name"},
		{"not UTF-8", infos{u8("a\xff", 1)}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "can't name"},
		{"long name", infos{u8(strings.Repeat("n", 4097), 1)}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "4096"},
		{"twice", infos{u8("a", 1), u8("a", 1)}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "twice"},
		{"rank 17", infos{u8("a", make([]int64, 17)...)}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "17 dimensions"},
		{"negative", infos{u8("a", -1)}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "negative"},
		{"2^64 elements", infos{u8("a", 1<<32, 1<<32)}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "2^63"},
		{"2^63 elements", infos{u8("a", 1<<32, 1<<31)}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "2^63"},
		{"2^63 bytes", infos{{Name: "a", DType: "F32", Shape: []int64{1 << 61}}}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "2^63 bytes"},
		{"files of 2^63", infos{u8("a", math.MaxInt64)}, checkpoint.WriteOptions{}, checkpoint.ErrInvalid, "2^63 bytes"},
		{"sum of 2^63", infos{u8("a", 1<<62), u8("b", 1<<62)}, checkpoint.WriteOptions{MaxShardBytes: math.MaxInt64}, checkpoint.ErrInvalid, "2^63 bytes"},
		{"float8", infos{{Name: "a", DType: "F8_E4M3", Shape: []int64{1}}}, checkpoint.WriteOptions{}, checkpoint.ErrUnsupported, "can't be written"},
		{"unknown dtype", infos{{Name: "a", DType: "X9", Shape: []int64{1}}}, checkpoint.WriteOptions{}, checkpoint.ErrUnsupported, "can't be written"},
		{"negative shard size", nil, checkpoint.WriteOptions{MaxShardBytes: -1}, checkpoint.ErrInvalid, "MaxShardBytes"},
		{"metadata not UTF-8", nil, checkpoint.WriteOptions{Metadata: map[string]string{"a": "\xff"}}, checkpoint.ErrInvalid, "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := Create(dir, c.infos, c.opt)
			if !errors.Is(err, c.is) || errors.Is(err, checkpoint.ErrCorrupt) || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 500 {
				t.Fatal(err)
			}
			if len(folder(t, dir)) != 0 {
				t.Fatal("something was written")
			}
		})
	}
	if _, err := Create(filepath.Join(t.TempDir(), "missing"), nil, checkpoint.WriteOptions{}); !errors.Is(err, checkpoint.ErrNotFound) {
		t.Fatal(err)
	}
	if _, err := Create(lay(t, map[string]string{"old.safetensors": "x"}), nil, checkpoint.WriteOptions{}); !errors.Is(err, checkpoint.ErrExists) {
		t.Fatal(err)
	}
}

func TestSizesNearPowersOfTwo(t *testing.T) {
	for _, c := range []struct {
		dtype checkpoint.DType
		shape []int64
		want  int64 // -1: error
	}{
		{"U8", []int64{1 << 31}, 1 << 31},
		{"U8", []int64{1<<31 - 1}, 1<<31 - 1},
		{"F16", []int64{1 << 16, 1 << 15}, 1 << 32},
		{"F32", []int64{1<<31 + 1, 3}, 4 * 3 * (1<<31 + 1)},
		{"U8", []int64{math.MaxInt64}, math.MaxInt64},
		{"F4", []int64{math.MaxInt64 - 1}, (math.MaxInt64 - 1) / 2},
		{"F4", []int64{math.MaxInt64}, -1},
		{"U8", []int64{1 << 32, 1 << 31}, -1},
		{"U8", []int64{1 << 32, 1 << 32}, -1},
		{"U8", []int64{1<<32 + 1, 1<<32 - 1}, -1},
		{"F16", []int64{1 << 62}, -1},
		{"F16", []int64{1<<62 - 1}, 1<<63 - 2},
		{"F64", []int64{1 << 60}, -1},
		{"F64", []int64{1<<60 - 1}, 1<<63 - 8},
		{"F64", []int64{math.MaxInt64}, -1},
		{"U8", []int64{math.MinInt64}, -1},
		{"U8", []int64{0, math.MaxInt64}, 0},
		{"U8", nil, 1},
	} {
		n, err := checkpoint.Info{Name: "t", DType: c.dtype, Shape: c.shape}.Bytes()
		if (err != nil) != (c.want < 0) || err == nil && n != c.want {
			t.Errorf("%s %v: %d, %v", c.dtype, c.shape, n, err)
		}
	}
}

func TestWrongUse(t *testing.T) {
	infos := []checkpoint.Info{{Name: "a", DType: "U8", Shape: []int64{4}}, {Name: "b", DType: "U8", Shape: []int64{4}}}
	start := func(t *testing.T) (*Writer, string) {
		dir := t.TempDir()
		w, err := Create(dir, infos, checkpoint.WriteOptions{MaxShardBytes: 4})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteAt("a", []byte{1, 2}, 1); err != nil {
			t.Fatal(err)
		}
		return w, dir
	}
	t.Run("calls", func(t *testing.T) {
		w, dir := start(t)
		for _, c := range []struct {
			name string
			n    int
			off  int64
			is   error
		}{
			{"c", 1, 0, checkpoint.ErrNotFound}, {"a", 5, 0, checkpoint.ErrInvalid}, {"a", 1, 4, checkpoint.ErrInvalid}, {"a", 1, -1, checkpoint.ErrInvalid},
			{"a", 1, math.MaxInt64, checkpoint.ErrInvalid}, {"a", 1, 1, checkpoint.ErrInvalid}, {"a", 1, 2, checkpoint.ErrInvalid}, {"a", 4, 0, checkpoint.ErrInvalid},
		} {
			if err := w.WriteAt(c.name, make([]byte, c.n), c.off); !errors.Is(err, c.is) {
				t.Errorf("%v: %v", c, err)
			}
		}
		for _, err := range []error{w.WriteAt("a", nil, 4), w.WriteAt("a", []byte{0}, 0), w.WriteAt("a", []byte{3}, 3), w.WriteAt("b", make([]byte, 4), 0), w.Close(), w.Close(), w.Abort()} {
			if err != nil {
				t.Error(err)
			}
		}
		if err := w.WriteAt("a", []byte{0}, 0); !errors.Is(err, checkpoint.ErrInvalid) {
			t.Error(err)
		}
		if len(folder(t, dir)) != 3 {
			t.Error("Abort after Close removed something")
		}
	})
	t.Run("incomplete", func(t *testing.T) {
		w, dir := start(t)
		if err := w.Close(); !errors.Is(err, checkpoint.ErrInvalid) || !strings.Contains(err.Error(), `"a": bytes 0 to 1 were never written`) {
			t.Error(err)
		}
		if len(folder(t, dir)) != 0 {
			t.Error("files stay behind")
		}
	})
	t.Run("abort", func(t *testing.T) {
		w, dir := start(t)
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte("{}"), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.Abort(), w.Abort()); err != nil {
			t.Error(err)
		}
		if files := folder(t, dir); len(files) != 1 || files["config.json"] != "{}" {
			t.Error(files)
		}
	})
}

func TestCoverage(t *testing.T) {
	for _, c := range []struct{ claims, want string }{
		{"0-4 4-8", "+ + 0-8"}, {"4-8 0-4", "+ + 0-8"}, {"0-2 6-8 2-6", "+ + + 0-8"}, {"0-4 3-5", "+ - 0-4"}, {"3-5 0-4", "+ - 3-5"},
		{"2-4 2-4", "+ - 2-4"}, {"0-8 3-4", "+ - 0-8"}, {"3-4 0-8", "+ - 3-4"}, {"1-1", "+"}, {"1-2 5-6 3-4 0-9", "+ + + - 1-2 3-4 5-6"},
	} {
		var cov coverage
		var got []string
		for _, claim := range strings.Fields(c.claims) {
			var s span
			if _, err := fmt.Sscanf(claim, "%d-%d", &s.begin, &s.end); err != nil {
				t.Fatal(err)
			}
			got = append(got, map[bool]string{true: "+", false: "-"}[cov.claim(s.begin, s.end)])
		}
		for _, s := range cov {
			got = append(got, fmt.Sprintf("%d-%d", s.begin, s.end))
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", c.claims, got, c.want)
		}
	}
}

func TestWritersAtOnce(t *testing.T) {
	infos := sample()
	dir := t.TempDir()
	w, err := Create(dir, infos, checkpoint.WriteOptions{MaxShardBytes: 50})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for _, info := range infos {
		data := content(t, info)
		wg.Go(func() {
			for i := range data {
				if err := w.WriteAt(info.Name, data[i:i+1], int64(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	compare(t, r, infos)
}

// save is one whole run through the writer.
func save(fsys disk.FS, dir string, infos []checkpoint.Info, data [][]byte) error {
	w, err := CreateOn(fsys, dir, infos, checkpoint.WriteOptions{MaxShardBytes: 60})
	if err != nil {
		return err
	}
	for i, info := range infos {
		if err := w.WriteAt(info.Name, data[i], 0); err != nil {
			return errors.Join(err, w.Abort())
		}
	}
	return w.Close()
}

// load is one whole run through the reader.
func load(t testing.TB, fsys disk.FS, dir string, infos []checkpoint.Info) error {
	r, err := OpenOn(fsys, dir)
	if err != nil {
		return err
	}
	for _, info := range infos {
		p := make([]byte, len(content(t, info)))
		if err := r.ReadAt(info.Name, p, 0); err != nil {
			return errors.Join(err, r.Close())
		}
		if !bytes.Equal(p, content(t, info)) {
			t.Fatalf("%q differs", info.Name)
		}
	}
	return r.Close()
}

// Each request in turn fails; the error has a meaning and nothing stays behind.
func TestEachRequestFails(t *testing.T) {
	infos := sample()
	data := make([][]byte, len(infos))
	for i := range infos {
		data[i] = content(t, infos[i])
	}
	good := t.TempDir()
	if err := save(disk.OS{}, good, infos, data); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []struct {
		Err         error
		Full, Short bool
	}{
		{Err: syscall.EIO}, {Err: syscall.EIO, Short: true}, {Err: syscall.ENOSPC, Full: true}, {Err: syscall.ENOSPC, Full: true, Short: true},
	} {
		n := 1
		for ; ; n++ {
			f := &disktest.Faults{FS: disk.OS{}, N: n, Err: mode.Err, Full: mode.Full, Short: mode.Short, NoSync: true}
			dir := t.TempDir()
			err := save(f, dir, infos, data)
			if f.Hit() == "" {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			if !errors.Is(err, checkpoint.ErrIO) || !errors.Is(err, mode.Err) {
				t.Fatalf("request %d (%s): %v", n, f.Hit(), err)
			}
			if left := folder(t, dir); len(left) != 0 {
				t.Fatalf("request %d (%s): %d files stay behind", n, f.Hit(), len(left))
			}
		}
		t.Logf("writing: %d requests", n-1)
		if n < 30 {
			t.Fatal("too few requests to mean anything")
		}
		if mode.Full {
			continue
		}
		for n = 1; ; n++ {
			f := &disktest.Faults{FS: disk.OS{}, N: n, Err: mode.Err, Short: mode.Short, NoSync: true}
			err := load(t, f, good, infos)
			if f.Hit() == "" {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			// The index is read whole, so a failing close of it loses nothing.
			if !errors.Is(err, checkpoint.ErrIO) && (err != nil || f.Hit() != "close") {
				t.Fatalf("request %d (%s): %v", n, f.Hit(), err)
			}
		}
		t.Logf("reading: %d requests", n-1)
	}
}

// An interrupted or shortened transfer is continued, an early end is reported.
func TestInterruptedAndShortReads(t *testing.T) {
	infos := sample()
	data := make([][]byte, len(infos))
	for i := range infos {
		data[i] = content(t, infos[i])
	}
	good := t.TempDir()
	if err := save(disk.OS{}, good, infos, data); err != nil {
		t.Fatal(err)
	}
	finished := 0
	for n := 1; n < 80; n++ {
		for _, short := range []bool{false, true} {
			f := &disktest.Faults{FS: disk.OS{}, N: n, Err: syscall.EINTR, Short: short, NoSync: true}
			dir := t.TempDir()
			err := save(f, dir, infos, data)
			if f.Hit() == "write" {
				if err != nil {
					t.Fatalf("write %d: %v", n, err)
				}
				if fmt.Sprint(folder(t, dir)) != fmt.Sprint(folder(t, good)) {
					t.Fatalf("write %d: other bytes", n)
				}
				finished++
			}
			f = &disktest.Faults{FS: disk.OS{}, N: n, Err: syscall.EINTR, Short: short, NoSync: true}
			if err := load(t, f, good, infos); f.Hit() == "read" {
				if err != nil {
					t.Fatalf("read %d: %v", n, err)
				}
				finished++
			}
			f = &disktest.Faults{FS: disk.OS{}, N: n, Err: io.EOF, Short: short, NoSync: true}
			if err := load(t, f, good, infos); f.Hit() == "read" {
				if !errors.Is(err, checkpoint.ErrCorrupt) || !strings.Contains(err.Error(), "became shorter") {
					t.Fatalf("read %d: %v", n, err)
				}
			}
		}
	}
	if finished < 80 {
		t.Fatalf("only %d interruptions", finished)
	}
}

func TestTruncatedWhileOpen(t *testing.T) {
	dir := lay(t, map[string]string{singleName: raw("{"+one(`"a"`, "U8", "[100000]", "[0,100000]")+"}", 100000)})
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Truncate(filepath.Join(dir, singleName), 50000); err != nil {
		t.Fatal(err)
	}
	if err := r.ReadAt("a", make([]byte, 1000), 0); err != nil {
		t.Fatal(err)
	}
	err = r.ReadAt("a", make([]byte, 100000), 0)
	if !errors.Is(err, checkpoint.ErrCorrupt) || !strings.Contains(err.Error(), `tensor "a": model.safetensors`) {
		t.Fatal(err)
	}
}

// 300 MB pass through a buffer of 1 MB; the heap must not notice.
func TestFlatMemory(t *testing.T) {
	const rows, row = 300, 1 << 20
	dir := t.TempDir()
	w, err := Create(dir, []checkpoint.Info{{Name: "a", DType: "F16", Shape: []int64{rows, row / 2}}}, checkpoint.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	p := make([]byte, row)
	for i := range rows {
		p[0] = byte(i)
		if err := w.WriteAt("a", p, int64(i)*row); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range rows {
		if err := r.ReadAt("a", p, int64(i)*row); err != nil || p[0] != byte(i) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	total := after.TotalAlloc - before.TotalAlloc
	t.Logf("%d bytes allocated in all", total)
	if total > 2*row {
		t.Fatalf("%d bytes allocated for %d written", total, rows*row)
	}
}
