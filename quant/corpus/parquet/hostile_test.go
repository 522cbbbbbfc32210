// Input made to hurt: claims without bytes behind them, numbers at their edges, trees without end.

package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
)

func file(footer string) []byte {
	b := append([]byte(magic), footer...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(footer)))
	return append(b, magic...)
}

func TestHostileFooter(t *testing.T) {
	for name, c := range map[string]struct{ footer, want string }{
		"nothing":           {"", "ends early"},
		"no schema":         {"\x00", "the schema ends after 0 elements"},
		"list beyond bytes": {"\x29\xfc\xff\xff\xff\xff\x0f", "ends early"},
		"long varint":       {"\x15" + strings.Repeat("\xff", 11), "more than 64 bits"},
		"deep structs":      {strings.Repeat("\x1c", 100000), "more than 48 levels"},
		"deep lists":        {"\x19" + strings.Repeat("\x19", 100000), "more than 48 levels"},
		"map beyond bytes":  {"\x1b\xff\xff\xff\xff\x0f\x11", "ends early"},
		"string beyond":     {"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "ends early"},
		"unknown type":      {"\x1e\x00", "type 14 is not known"},
		"schema no list":    {"\x25\x00\x00", "where a list is wanted"},
		"deep schema":       {"\x29\xfc\x64" + strings.Repeat("\x48\x01a\x15\x02\x00", 100) + "\x00", "more than 32 levels"},
		"leaf as root":      {"\x29\x1c\x15\x0c\x38\x01a\x00\x00", "root is a column"},
		"no columns":        {"\x29\x1c\x48\x01r\x15\x02\x00\x29\x1c\x36\x02\x00\x00", "row group"},
	} {
		b := file(c.footer)
		_, err := Open(bytes.NewReader(b), int64(len(b)))
		if err == nil || !known(err) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestClaims gives small pages that claim to be large; what is allocated must follow the bytes, not the claim.
func TestClaims(t *testing.T) {
	var z bytes.Buffer
	w, err := zstd.NewWriter(&z)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("small")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	large := binary.AppendUvarint(nil, maxPage-1)
	for name, c := range map[string]struct {
		codec int32
		data  []byte
	}{
		"snappy":    {codecSnappy, append(large, 0, 'x')},
		"snappy 64": {codecSnappy, binary.AppendUvarint(nil, math.MaxUint64)},
		"gzip":      {codecGzip, []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00")},
		"gzip none": {codecGzip, nil},
		"zstd":      {codecZstd, z.Bytes()},
		"zstd cut":  {codecZstd, z.Bytes()[:6]},
		"none":      {codecNone, []byte("x")},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		var u unpacker
		if _, err := u.unpack(c.codec, c.data, maxPage-1); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
			t.Errorf("%s: %d bytes were allocated for %d", name, used, len(c.data))
		}
	}
	// More than the header says is as wrong as less.
	var u unpacker
	for range 2 {
		if _, err := u.unpack(codecSnappy, snappy.Encode(nil, []byte("abc")), 2); !errors.Is(err, ErrCorrupt) {
			t.Errorf("snappy: %v", err)
		}
		if _, err := u.unpack(codecZstd, z.Bytes(), 4); !errors.Is(err, ErrCorrupt) {
			t.Errorf("zstd: %v", err)
		}
		if got, err := u.unpack(codecZstd, z.Bytes(), 5); err != nil || string(got) != "small" {
			t.Errorf("zstd: %q, %v", got, err)
		}
	}
}

func TestHybrid(t *testing.T) {
	for _, c := range []struct {
		name  string
		b     string
		width int
		want  []uint32
	}{
		{"a run", "\x06\x05", 3, []uint32{5, 5, 5}},
		{"packed", "\x03\x88\xc6\xfa", 3, []uint32{0, 1, 2, 3, 4, 5, 6, 7}},
		{"empty runs, then one", "\x00\x01\x01\x02\x07", 3, []uint32{7}},
		{"no width", "\x08", 0, []uint32{0, 0, 0, 0}},
		{"32 bits", "\x02\xff\xff\xff\xff", 32, []uint32{math.MaxUint32}},
		{"packed, cut short", "\x03\x88", 3, []uint32{0, 1}},
		{"a long packed claim", "\xff\xff\xff\xff\x0f\x01", 8, []uint32{1}},
		{"too long a packed claim", "\xff\xff\xff\xff\xff\xff\xff\x0f\x01", 8, nil},
		{"a run without its value", "\x06", 3, nil},
		{"an unfinished head", "\x86", 3, nil},
		{"nothing", "", 3, nil},
	} {
		h := &hybrid{b: []byte(c.b), width: c.width}
		for i, want := range c.want {
			if got, err := h.next(); got != want || err != nil {
				t.Errorf("%s, %d: %d, %v, want %d", c.name, i, got, err, want)
			}
		}
		if _, err := h.next(); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: after its end %v", c.name, err)
		}
	}
}

func TestDelta(t *testing.T) {
	head := func(n ...uint64) (b []byte) {
		for _, v := range n {
			b = binary.AppendUvarint(b, v)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"nothing":          nil,
		"block of 0":       head(0, 1, 1, 0),
		"block of 100":     head(100, 4, 1, 0),
		"no parts":         head(128, 0, 1, 0),
		"parts of 16":      head(128, 8, 1, 0),
		"2^40 parts":       head(128, 1<<40, 1, 0),
		"a block of 2^62":  head(1<<62, 4, 1, 0),
		"values, no block": append(head(128, 4, 1<<63, 0), 0),
		"widths cut":       append(head(128, 4, 9, 0), 0, 1, 1),
		"a width of 65":    append(head(128, 4, 9, 0), 0, 65, 0, 0, 0),
		"data cut":         append(head(128, 4, 9, 0), 0, 8, 0, 0, 0, 1),
	} {
		d, err := openDelta(b)
		for n := 0; err == nil && n < 1000; n++ {
			_, err = d.next()
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := openDeltaBytes(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s, as strings: %v", name, err)
		}
	}
	// One value has no block; nothing at all has none either.
	for _, n := range []uint64{0, 1} {
		d, err := openDelta(append(head(128, 4, n, 5), 'x'))
		if err != nil {
			t.Fatal(err)
		}
		if rest, err := d.rest(); string(rest) != "x" || err != nil {
			t.Errorf("%d values: the rest is %q, %v", n, rest, err)
		}
		if v, err := d.next(); (err == nil) != (n == 1) || n == 1 && v != -3 {
			t.Errorf("%d values: %d, %v", n, v, err)
		}
	}
}

// TestElement holds the rules for lists of old writers.
func TestElement(t *testing.T) {
	leaf := &node{name: "element", leaf: true}
	group := func(name string, children ...*node) *node {
		return &node{name: name, repetition: repeated, children: children}
	}
	for name, c := range map[string]struct {
		middle *node
		whole  bool
	}{
		"three levels":    {group("list", leaf), false},
		"another name":    {group("bag", &node{name: "array_element", leaf: true}), false},
		"a repeated leaf": {&node{name: "element", leaf: true, repetition: repeated}, true},
		"two fields":      {group("element", leaf, leaf), true},
		"array":           {group("array", leaf), true},
		"tuple":           {group("messages_tuple", leaf), true},
	} {
		list := &node{name: "messages", converted: convertedList, children: []*node{c.middle}}
		if list.list() != c.middle {
			t.Errorf("%s: not seen as a list", name)
		}
		if got := c.middle.element(list); (got == c.middle) != c.whole {
			t.Errorf("%s: the element is %s", name, got.name)
		}
	}
}

// TestReadFailure hands on what the disk says, under its own name.
func TestReadFailure(t *testing.T) {
	if _, err := Open(failing{}, 1000); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%v", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }
