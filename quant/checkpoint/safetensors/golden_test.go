package safetensors

// Files and verdicts of the PyPI package, made by testdata/make.py.

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"libawq/quant/checkpoint"
)

// numbers is what make.py stores in an integer or float tensor.
func numbers(t *testing.T, d checkpoint.DType, n, add int) []byte {
	t.Helper()
	var p []byte
	for i := range n {
		v := i*3 + add
		switch d {
		case "BOOL":
			p = append(p, byte(i%2))
		case "U8", "I8":
			p = append(p, byte(v))
		case "I16", "U16":
			p = binary.LittleEndian.AppendUint16(p, uint16(v))
		case "I32", "U32":
			p = binary.LittleEndian.AppendUint32(p, uint32(v))
		case "I64", "U64":
			p = binary.LittleEndian.AppendUint64(p, uint64(v))
		case "F32":
			p = binary.LittleEndian.AppendUint32(p, math.Float32bits(float32(v)))
		case "F64":
			p = binary.LittleEndian.AppendUint64(p, math.Float64bits(float64(v)))
		default:
			t.Fatalf("dtype %s", d)
		}
	}
	return p
}

func TestReferenceFile(t *testing.T) {
	text, err := os.ReadFile("testdata/reference.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	r, err := openText(t, string(text))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	dtypes := []checkpoint.DType{"BOOL", "U8", "I8", "I16", "U16", "F16", "I32", "U32", "F32", "F64", "I64", "U64"}
	names := []string{"bool", "uint8", "int8", "int16", "uint16", "float16", "int32", "uint32", "float32", "float64", "int64", "uint64"}
	if len(r.Tensors()) != len(names)+3 || r.Metadata()["format"] != "pt" {
		t.Fatal(r.Tensors(), r.Metadata())
	}
	check := func(name string, d checkpoint.DType, shape []int64, want []byte) {
		t.Helper()
		info, ok := r.Lookup(name)
		n, err := info.Bytes()
		if !ok || err != nil || info.DType != d || len(info.Shape) != len(shape) || int(n) != len(want) {
			t.Fatalf("%q: %v %v", name, info, err)
		}
		p := make([]byte, n)
		if err := r.ReadAt(name, p, 0); err != nil || !bytes.Equal(p, want) {
			t.Fatalf("%q: %v, want %v: %v", name, p, want, err)
		}
	}
	for i, name := range names {
		want := numbersOrHalf(t, dtypes[i], 2*(i+1), i)
		check("layers."+strconv.Itoa(i)+"."+name, dtypes[i], []int64{2, int64(i + 1)}, want)
	}
	check("scalar", "F32", nil, []byte{0, 0, 0xc0, 0x3f})
	check("empty", "F16", []int64{0, 3}, nil)
	check(`naïve "quoted" \ 😀`, "U8", []int64{3}, []byte{7, 8, 9})
}

// numbersOrHalf adds half precision: the twelve values 5, 8 … 38 as bits.
func numbersOrHalf(t *testing.T, d checkpoint.DType, n, add int) []byte {
	t.Helper()
	if d != "F16" {
		return numbers(t, d, n, add)
	}
	var p []byte
	for i := range n {
		v := uint16(i*3 + add)
		exp := uint16(0)
		for v>>(exp+1) != 0 {
			exp++
		}
		p = binary.LittleEndian.AppendUint16(p, (exp+15)<<10|v<<(10-exp)&0x3ff)
	}
	return p
}

func TestVerdicts(t *testing.T) {
	text, err := os.ReadFile("testdata/verdicts.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), "\t", 3)
		data, err := strconv.Atoi(f[1])
		if err != nil {
			t.Fatal(err)
		}
		r, err := openText(t, raw(f[2], data))
		if err == nil {
			r.Close()
		}
		accepts := f[0] == "accepts" && f[2] != " {}" // the one case where we are stricter
		if (err == nil) != accepts {
			t.Errorf("%s: the reference %s it, we say %v", f[2], f[0], err)
		}
		n++
	}
	if n < 30 {
		t.Fatalf("%d verdicts", n)
	}
}
