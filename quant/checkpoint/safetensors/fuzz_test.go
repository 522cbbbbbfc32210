package safetensors

// Any bytes give a status; what is accepted, the published Go package sees in the
// same way.

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	published "github.com/nlpodyssey/safetensors"

	"libawq/quant/checkpoint"
)

func FuzzHeader(f *testing.F) {
	for _, h := range hostile() {
		if len(h.text) > 8 && len(h.text) < 4096 {
			f.Add([]byte(h.text[8:]), uint16(4))
		}
	}
	f.Add([]byte("{"+a1+"}"), uint16(1))
	f.Fuzz(func(t *testing.T, text []byte, data uint16) {
		h, err := parseHeader(text, 8, int64(data))
		if err != nil {
			if !errors.Is(err, checkpoint.ErrCorrupt) {
				t.Fatalf("no sentinel: %v", err)
			}
			return
		}
		var covered int64
		for i, e := range h.entries {
			if i > 0 && h.entries[i-1].Name >= e.Name {
				t.Fatal("not sorted")
			}
			if e.begin < 8 || e.end < e.begin || e.end > 8+int64(data) {
				t.Fatalf("%v outside", e)
			}
			if n, err := e.Bytes(); err == nil && n != e.end-e.begin {
				t.Fatalf("%v has %d bytes", e, n)
			}
			covered += e.end - e.begin
		}
		if covered != int64(data) {
			t.Fatalf("%d of %d bytes covered", covered, data)
		}
		if !json.Valid(text) {
			t.Fatal("accepted, but not JSON")
		}
		if len(h.notes) > 0 { // unknown keys and dtypes are where the two may differ
			return
		}
		agree(t, text, h)
	})
}

// agree compares a parsed header with what the published package makes of it.
func agree(t *testing.T, text []byte, h *header) {
	t.Helper()
	var m published.Metadata
	if err := json.Unmarshal(text, &m); err != nil {
		for _, e := range h.entries {
			if _, err := published.ParseDType(string(e.DType)); err != nil {
				return
			}
		}
		t.Fatalf("the published package refuses it: %v", err)
	}
	theirs := m.Tensors()
	if len(theirs) != len(h.entries) {
		t.Fatalf("%d tensors, theirs %d", len(h.entries), len(theirs))
	}
	for _, e := range h.entries {
		o, ok := theirs[e.Name]
		if !ok || o.DType.String() != string(e.DType) || int64(o.DataOffsets[0]) != e.begin-8 || int64(o.DataOffsets[1]) != e.end-8 ||
			fmt.Sprint(o.Shape) != fmt.Sprint(e.Shape) {
			t.Fatalf("%v, theirs %v", e, o)
		}
	}
}

// Random valid headers, with tensors, keys and space in any order.
func TestAgainstPublishedPackage(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	dtypes := []string{"BOOL", "U8", "I8", "I16", "U16", "F16", "BF16", "I32", "U32", "F32", "F64", "I64", "U64"}
	spaces := []string{"", "", " ", "\n", "\t\r\n"}
	for range 2000 {
		space := func() string { return spaces[r.IntN(len(spaces))] }
		var members []string
		off := int64(0)
		for i := range r.IntN(20) {
			info := checkpoint.Info{Name: fmt.Sprintf("tensor.%d.é%c", i, rune(0x1F600+r.IntN(40))), DType: checkpoint.DType(dtypes[r.IntN(len(dtypes))])}
			for range r.IntN(5) {
				info.Shape = append(info.Shape, int64(r.IntN(5)))
			}
			n, err := info.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			name, err := json.Marshal(info.Name)
			if err != nil {
				t.Fatal(err)
			}
			shape := "[]"
			if info.Shape != nil {
				b, err := json.Marshal(info.Shape)
				if err != nil {
					t.Fatal(err)
				}
				shape = string(b)
			}
			keys := []string{
				fmt.Sprintf(`"dtype"%s:%s"%s"`, space(), space(), info.DType),
				fmt.Sprintf(`"shape":%s%s`, shape, space()),
				fmt.Sprintf(`"data_offsets":[%s%d,%d%s]`, space(), off, off+n, space()),
			}
			r.Shuffle(3, func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
			members = append(members, fmt.Sprintf("%s%s:{%s,%s,%s}%s", space(), name, keys[0], keys[1], keys[2], space()))
			off += n
		}
		if r.IntN(2) == 0 {
			members = append(members, `"__metadata__":{"format":"pt","x":"\u00e9"}`)
		}
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		var text []byte
		text = append(text, '{')
		for i, m := range members {
			if i > 0 {
				text = append(text, ',')
			}
			text = append(text, m...)
		}
		text = append(text, '}')
		h, err := parseHeader(text, 8, off)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		agree(t, text, h)
	}
}

func FuzzIndex(f *testing.F) {
	f.Add([]byte(`{"metadata":{"total_size":2},"weight_map":{"b":"x.safetensors","a":"y.safetensors"}}`))
	f.Add([]byte(`{"weight_map":{"a":"../x"}}`))
	f.Add([]byte(`{"weight_map":{"a":"x","a":"x"}}`))
	f.Add([]byte(`{"x":[[[null,true,-0.5e-7,"\ud83d\ude00"]]],"weight_map":{}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		ix, err := parseIndex(text)
		if err != nil {
			if !errors.Is(err, checkpoint.ErrCorrupt) {
				t.Fatalf("no sentinel: %v", err)
			}
			return
		}
		var whole map[string]json.RawMessage
		var want map[string]string
		if err := json.Unmarshal(text, &whole); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		if err := json.Unmarshal(whole["weight_map"], &want); err != nil {
			t.Fatalf("accepted, but %v", err)
		}
		if len(want) != len(ix.places) {
			t.Fatalf("%d tensors, want %d", len(ix.places), len(want))
		}
		if !slices.IsSorted(ix.files) {
			t.Fatal("files not sorted")
		}
		for i, p := range ix.places {
			if i > 0 && ix.places[i-1].tensor >= p.tensor {
				t.Fatal("places not sorted")
			}
			if plainFileName(ix.files[p.file]) != nil {
				t.Fatalf("file %q", ix.files[p.file])
			}
			if want[p.tensor] != ix.files[p.file] {
				t.Fatalf("%q in %q, want %q", p.tensor, ix.files[p.file], want[p.tensor])
			}
		}
	})
}
