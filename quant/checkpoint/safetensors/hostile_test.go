package safetensors

// Files made to deceive or exhaust a reader, by name; each has to be refused with
// one line that says what is wrong.

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"libawq/quant/checkpoint"
)

// raw puts a length in front of a header.
func raw(header string, data int) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + strings.Repeat("\x01", data)
}

func one(name, dtype, shape, offsets string) string {
	return fmt.Sprintf(`%s:{"dtype":"%s","shape":%s,"data_offsets":%s}`, name, dtype, shape, offsets)
}

func length(n uint64, rest string) string {
	return string(binary.LittleEndian.AppendUint64(nil, n)) + rest
}

const a1 = `"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}`

// hostile lists refused files: name, contents, words of the message.
func hostile() []struct{ name, text, want string } {
	return []struct{ name, text, want string }{
		{"empty file", "", "too few for a header"},
		{"seven bytes", "\x00\x00\x00\x00\x00\x00\x00", "too few for a header"},
		{"no header", length(0, ""), "doesn't start with {"},
		{"header longer than the file", length(100, "{}"), "a header of 100 bytes in a file of 10"},
		{"header length 2^31", length(1<<31, "{}"), "a header of 2147483648 bytes"},
		{"header length 2^32", length(1<<32, "{}"), "a header of 4294967296 bytes"},
		{"header length 2^63", length(1<<63, "{}"), "a header of 9223372036854775808 bytes"},
		{"header length 2^64-8", length(math.MaxUint64-7, "{}"), "a header of 18446744073709551608 bytes"},
		{"header length 2^64-1", length(math.MaxUint64, "{}"), "a header of 18446744073709551615 bytes"},
		{"header null", raw("null", 0), "doesn't start with {"},
		{"header array", raw("[]", 0), "doesn't start with {"},
		{"leading space", raw(" {}", 0), "doesn't start with {"},
		{"byte order mark", raw("\ufeff{}", 0), "doesn't start with {"},
		{"text after the header", raw("{}{}", 0), "where the end is due"},
		{"NUL after the header", raw("{}\x00", 0), "where the end is due"},
		{"unfinished header", raw(`{"a":{"dtype":"U8"`, 0), "text ends"},
		{"comma before brace", raw("{"+a1+",}", 1), "a string is due"},
		{"no comma", raw("{"+a1+a1+"}", 1), "a comma or }"},
		{"single quotes", raw("{'a':1}", 1), "a string is due"},
		{"comment", raw("{/**/}", 0), "a string is due"},

		{"duplicate tensor", raw("{"+a1+","+one(`"a"`, "U8", "[1]", "[1,2]")+"}", 2), `"a" is there twice`},
		{"duplicate tensor by escape", raw("{"+a1+","+one(`"\u0061"`, "U8", "[1]", "[1,2]")+"}", 2), `"a" is there twice`},
		{"duplicate dtype", raw(`{"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}}`, 1), `duplicate key "dtype"`},
		{"duplicate shape", raw(`{"a":{"dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1]}}`, 1), `duplicate key "shape"`},
		{"duplicate offsets", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"data_offsets":[0,1]}}`, 1), `duplicate key "data_offsets"`},
		{"duplicate extra key", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":0,"x":0}}`, 1), `duplicate key "x"`},
		{"duplicate key in an extra value", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":{"y":0,"y":0}}}`, 1), `duplicate key "y"`},
		{"duplicate metadata", raw(`{"__metadata__":{},"__metadata__":{}}`, 0), `duplicate key "__metadata__"`},
		{"duplicate metadata key", raw(`{"__metadata__":{"a":"b","a":"c"}}`, 0), `duplicate key "a"`},
		{"metadata number", raw(`{"__metadata__":{"a":1}}`, 0), "a string is due"},
		{"metadata null", raw(`{"__metadata__":null}`, 0), "an object is due"},

		{"invalid UTF-8 name", raw("{"+one("\"a\xff\"", "U8", "[1]", "[0,1]")+"}", 1), "not UTF-8"},
		{"overlong UTF-8 name", raw("{"+one("\"\xc0\xaf\"", "U8", "[1]", "[0,1]")+"}", 1), "not UTF-8"},
		{"surrogate in UTF-8", raw("{"+one("\"\xed\xa0\x80\"", "U8", "[1]", "[0,1]")+"}", 1), "not UTF-8"},
		{"invalid UTF-8 beside an escape", raw("{"+one("\"\\n\xff\"", "U8", "[1]", "[0,1]")+"}", 1), "not UTF-8"},
		{"lone high surrogate", raw("{"+one(`"\ud800"`, "U8", "[1]", "[0,1]")+"}", 1), "lone surrogate"},
		{"lone low surrogate", raw("{"+one(`"\udc00x"`, "U8", "[1]", "[0,1]")+"}", 1), "lone surrogate"},
		{"two high surrogates", raw("{"+one(`"\ud800\ud800"`, "U8", "[1]", "[0,1]")+"}", 1), "lone surrogate"},
		{"raw NUL in a name", raw("{"+one("\"a\x00\"", "U8", "[1]", "[0,1]")+"}", 1), "control character"},
		{"escaped NUL in a name", raw("{"+one(`"a\u0000"`, "U8", "[1]", "[0,1]")+"}", 1), "holds a NUL"},
		{"newline in a name", raw("{"+one("\"a\n\"", "U8", "[1]", "[0,1]")+"}", 1), "control character"},
		{"bad escape", raw("{"+one(`"\x"`, "U8", "[1]", "[0,1]")+"}", 1), "an escape is due"},
		{"short escape", raw(`{"\u12"`, 0), "hexadecimal"},
		{"backslash at the end", raw(`{"\`, 0), "text ends"},
		{"name of 4097 bytes", raw("{"+one(`"`+strings.Repeat("n", 4097)+`"`, "U8", "[1]", "[0,1]")+"}", 1), "4097 bytes, limit 4096"},

		{"truncated data", raw("{"+one(`"a"`, "U8", "[4]", "[0,4]")+"}", 3), "[0, 4] outside the 3 bytes"},
		{"trailing bytes", raw("{"+a1+"}", 2), "last 1 of 2 bytes"},
		{"data but no tensor", raw("{}", 2), "last 2 of 2 bytes"},
		{"overlap", raw("{"+one(`"a"`, "U8", "[2]", "[0,2]")+","+one(`"b"`, "U8", "[2]", "[1,3]")+"}", 3), `"b" at data_offsets [1, 3] overlaps`},
		{"alias", raw("{"+a1+","+one(`"b"`, "U8", "[1]", "[0,1]")+"}", 1), "overlaps"},
		{"gap", raw("{"+a1+","+one(`"b"`, "U8", "[1]", "[2,3]")+"}", 3), "1 bytes of data before"},
		{"first offset not 0", raw("{"+one(`"a"`, "U8", "[1]", "[1,2]")+"}", 2), "1 bytes of data before"},
		{"empty tensor inside another", raw("{"+one(`"a"`, "U8", "[2]", "[0,2]")+","+one(`"b"`, "U8", "[0]", "[1,1]")+"}", 2), "overlaps"},
		{"end before start", raw("{"+one(`"a"`, "U8", "[1]", "[1,0]")+"}", 1), "data_offsets [1, 0]"},
		{"offset 2^63", raw("{"+one(`"a"`, "U8", "[1]", "[9223372036854775808,9223372036854775809]")+"}", 1), "outside the 1 bytes"},
		{"offset 2^64-1", raw("{"+one(`"a"`, "U8", "[1]", "[0,18446744073709551615]")+"}", 1), "outside the 1 bytes"},
		{"offset 2^64", raw("{"+one(`"a"`, "U8", "[1]", "[0,18446744073709551616]")+"}", 1), "beyond 2^64"},
		{"negative offset", raw("{"+one(`"a"`, "U8", "[1]", "[-1,0]")+"}", 1), "a natural number is due"},
		{"fractional offset", raw("{"+one(`"a"`, "U8", "[1]", "[0,1.0]")+"}", 1), "plain digits"},
		{"exponent offset", raw("{"+one(`"a"`, "U8", "[1]", "[0,1e0]")+"}", 1), "plain digits"},
		{"leading zero", raw("{"+one(`"a"`, "U8", "[01]", "[0,1]")+"}", 1), "leading zeros"},
		{"one offset", raw("{"+one(`"a"`, "U8", "[1]", "[1]")+"}", 1), "1 data_offsets instead of two"},
		{"three offsets", raw("{"+one(`"a"`, "U8", "[1]", "[0,1,1]")+"}", 1), "more than two"},
		{"offsets as text", raw("{"+one(`"a"`, "U8", "[1]", `["0","1"]`)+"}", 1), "a natural number is due"},

		{"shape and offsets disagree", raw("{"+one(`"a"`, "F32", "[2]", "[0,4]")+"}", 4), "that is 8 bytes"},
		{"negative dimension", raw("{"+one(`"a"`, "U8", "[-1]", "[0,1]")+"}", 1), "a natural number is due"},
		{"shape null", raw("{"+one(`"a"`, "U8", "null", "[0,1]")+"}", 1), "an array is due"},
		{"dimension 2^31", raw("{"+one(`"a"`, "U8", "[2147483648]", "[0,1]")+"}", 1), "2147483648 bytes"},
		{"dimension 2^32", raw("{"+one(`"a"`, "F32", "[4294967296]", "[0,0]")+"}", 0), "17179869184 bytes"},
		{"dimension 2^63", raw("{"+one(`"a"`, "U8", "[9223372036854775808]", "[0,1]")+"}", 1), "beyond 2^63"},
		{"dimension 2^64", raw("{"+one(`"a"`, "U8", "[18446744073709551616]", "[0,1]")+"}", 1), "beyond 2^64"},
		{"shape wraps to 0 elements", raw("{"+one(`"a"`, "U8", "[4294967296,4294967296]", "[0,0]")+"}", 0), "more than 2^63 elements"},
		{"shape wraps to 1 element", raw("{"+one(`"a"`, "U8", "[4294967297,4294967295,4294967297,4294967295]", "[0,1]")+"}", 1), "more than 2^63 elements"},
		{"bytes wrap to 0", raw("{"+one(`"a"`, "F32", "[4611686018427387904]", "[0,0]")+"}", 0), "exceed 2^63 bytes"},
		{"bytes of 2^63", raw("{"+one(`"a"`, "F64", "[1152921504606846976]", "[0,0]")+"}", 0), "exceed 2^63 bytes"},
		{"overflow hidden by a zero", raw("{"+one(`"a"`, "U8", "[4294967296,4294967296,0]", "[0,0]")+"}", 0), "more than 2^63 elements"},
		{"half a byte", raw("{"+one(`"a"`, "F4", "[3]", "[0,2]")+"}", 2), "don't fill whole bytes"},
		{"overflow of an unknown dtype", raw("{"+one(`"a"`, "X9", "[4294967296,4294967296]", "[0,1]")+"}", 1), "more than 2^63 elements"},
		{"rank 17", raw("{"+one(`"a"`, "U8", "[1"+strings.Repeat(",1", 16)+"]", "[0,1]")+"}", 1), "more than 16 dimensions"},
		{"shape of 10 MB", raw("{"+one(`"a"`, "U8", "[1"+strings.Repeat(",1", 5<<20)+"]", "[0,1]")+"}", 1), "more than 16 dimensions"},

		{"no dtype", raw(`{"a":{"shape":[1],"data_offsets":[0,1]}}`, 1), `lacks "dtype"`},
		{"no shape", raw(`{"a":{"dtype":"U8","data_offsets":[0,1]}}`, 1), `lacks "shape"`},
		{"no offsets", raw(`{"a":{"dtype":"U8","shape":[1]}}`, 1), `lacks "data_offsets"`},
		{"tensor null", raw(`{"a":null}`, 0), "an object is due"},
		{"dtype number", raw(`{"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}}`, 1), "a string is due"},
		{"empty dtype", raw("{"+one(`"a"`, "", "[1]", "[0,1]")+"}", 1), "a dtype name of 0 bytes"},
		{"long dtype", raw("{"+one(`"a"`, strings.Repeat("F", 33), "[1]", "[0,1]")+"}", 1), "a dtype name of 33 bytes"},
		{"deep nesting", raw(`{"a":{"x":`+strings.Repeat("[", 1<<20), 0), "nested deeper than 64"},
		{"deep objects", raw(`{"a":{"x":`+strings.Repeat(`{"":`, 1<<20), 0), "nested deeper than 64"},
		{"seventeen extra keys", raw(`{"a":{"0":0,"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,"A":0,"B":0,"C":0,"D":0,"E":0,"F":0,"G":0}}`, 0), "more than 16 unknown keys"},
		{"extra value NaN", raw(`{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":NaN}}`, 1), "a value is due"},
	}
}

func openText(t testing.TB, text string) (*Reader, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, singleName), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return Open(dir)
}

func TestHostileFiles(t *testing.T) {
	for _, h := range hostile() {
		t.Run(h.name, func(t *testing.T) {
			r, err := openText(t, h.text)
			if err == nil {
				r.Close()
				t.Fatalf("accepted with %d tensors", len(r.Tensors()))
			}
			if !errors.Is(err, checkpoint.ErrCorrupt) || !strings.Contains(err.Error(), h.want) ||
				!strings.Contains(err.Error(), singleName) || strings.ContainsAny(err.Error(), "\n\x00") || len(err.Error()) > 800 {
				t.Fatalf("%v\nwants %q", err, h.want)
			}
		})
	}
}

func TestTooManyTensors(t *testing.T) {
	text := []byte("{")
	for i := range MaxTensors + 1 {
		text = strconv.AppendInt(append(text, '"'), int64(i), 16)
		text = append(text, `":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},`...)
	}
	_, err := parseHeader(append(text, '}'), 8, 0)
	if !errors.Is(err, checkpoint.ErrCorrupt) || !strings.Contains(err.Error(), "more than 1048576 tensors") {
		t.Fatal(err)
	}
}

func TestUnusualButFine(t *testing.T) {
	for _, h := range []struct {
		name, text string
		tensors    int
		note       string
	}{
		{"no tensors", raw("{}", 0), 0, ""},
		{"trailing spaces", raw("{"+a1+"}     ", 1), 1, ""},
		{"line breaks", raw("{\n\t"+a1+"\r\n}\n", 1), 1, ""},
		{"empty name", raw("{"+one(`""`, "U8", "[1]", "[0,1]")+"}", 1), 1, ""},
		{"name of 4096 bytes", raw("{"+one(`"`+strings.Repeat("n", 4096)+`"`, "U8", "[1]", "[0,1]")+"}", 1), 1, ""},
		{"escaped pair", raw("{"+one(`"\ud83d\ude00\/\b\f\n\r\t\"\\"`, "U8", "[1]", "[0,1]")+"}", 1), 1, ""},
		{"scalar", raw("{"+one(`"a"`, "F32", "[]", "[0,4]")+"}", 4), 1, ""},
		{"rank 16", raw("{"+one(`"a"`, "U8", "[1"+strings.Repeat(",1", 15)+"]", "[0,1]")+"}", 1), 1, ""},
		{"zero times huge", raw("{"+one(`"a"`, "U8", "[0,9223372036854775807]", "[0,0]")+"}", 0), 1, ""},
		{"empty tensors at both ends", raw("{"+a1+","+one(`"b"`, "U8", "[0]", "[0,0]")+","+one(`"c"`, "U8", "[0]", "[1,1]")+"}", 1), 3, ""},
		{"any order", raw("{"+one(`"z"`, "U8", "[1]", "[2,3]")+","+one(`"b"`, "U8", "[1]", "[1,2]")+","+a1+"}", 3), 3, ""},
		{"extra key", raw(`{"a":{"x":[1,{"y":-1.5e+3}],"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`, 1), 1, `unknown key "x"`},
		{"float8", raw("{"+one(`"a"`, "F8_E4M3", "[3]", "[0,3]")+"}", 3), 1, ""},
		{"float6", raw("{"+one(`"a"`, "F6_E2M3", "[4]", "[0,3]")+"}", 3), 1, ""},
		{"float4", raw("{"+one(`"a"`, "F4", "[2,3]", "[0,3]")+"}", 3), 1, ""},
		{"complex", raw("{"+one(`"a"`, "C64", "[1]", "[0,8]")+"}", 8), 1, ""},
		{"unknown dtype", raw("{"+one(`"a"`, "X9", "[5]", "[0,3]")+"}", 3), 1, `unknown dtype "X9"`},
	} {
		t.Run(h.name, func(t *testing.T) {
			r, err := openText(t, h.text)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if len(r.Tensors()) != h.tensors || !strings.Contains(strings.Join(r.Notes(), "\n"), h.note) || (h.note == "") != (len(r.Notes()) == 0) {
				t.Fatalf("%d tensors, notes %q", len(r.Tensors()), r.Notes())
			}
			for _, info := range r.Tensors() {
				n, err := info.Bytes()
				known := info.DType != "X9"
				if (err == nil) != known {
					t.Fatalf("%v: %v", info, err)
				}
				err = r.ReadAt(info.Name, make([]byte, n), 0)
				if known && err != nil || !known && !errors.Is(err, checkpoint.ErrUnsupported) {
					t.Fatalf("%v: %v", info, err)
				}
			}
		})
	}
}

func TestBadSlices(t *testing.T) {
	r, err := openText(t, raw("{"+one(`"a"`, "U8", "[5]", "[0,5]")+"}", 5))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, c := range []struct {
		n   int
		off int64
	}{{6, 0}, {1, 5}, {0, 6}, {1, -1}, {5, 1}, {1, math.MaxInt64}, {2, math.MaxInt64}, {1, math.MinInt64}} {
		if err := r.ReadAt("a", make([]byte, c.n), c.off); !errors.Is(err, checkpoint.ErrInvalid) {
			t.Errorf("%d bytes from %d: %v", c.n, c.off, err)
		}
	}
	if err := r.ReadAt("a", nil, 5); err != nil {
		t.Error(err)
	}
	if err := r.ReadAt("b", nil, 0); !errors.Is(err, checkpoint.ErrNotFound) {
		t.Error(err)
	}
}

// A header of 20 MB with 300,000 tensors has to stay cheap in time and memory, in
// and out of order. Time is measured against the standard library's mere syntax
// check of the same text, so that a busy machine doesn't matter.
func TestLargeHeader(t *testing.T) {
	for _, shuffled := range []bool{false, true} {
		const n = 300_000
		text := []byte("{")
		for i := range n {
			k := i
			if shuffled {
				k = i * 7919 % n
			}
			text = fmt.Appendf(text, `"t%06d":{"dtype":"U8","shape":[1],"data_offsets":[%d,%d]},`, k, k, k+1)
		}
		text[len(text)-1] = '}'
		var plain, took time.Duration
		var ratio float64
		for range 3 {
			start := time.Now()
			if !json.Valid(text) {
				t.Fatal("not JSON")
			}
			plain = shorter(plain, time.Since(start))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start = time.Now()
			h, err := parseHeader(text, 8, n)
			took = shorter(took, time.Since(start))
			runtime.ReadMemStats(&after)
			if err != nil || len(h.entries) != n {
				t.Fatal(err)
			}
			ratio = float64(after.TotalAlloc-before.TotalAlloc) / float64(len(text))
		}
		t.Logf("shuffled %v: %d bytes, %v (syntax alone %v), %.2f× memory", shuffled, len(text), took, plain, ratio)
		if ratio > 4 {
			t.Errorf("%.2f× memory", ratio)
		}
		if took > 20*plain {
			t.Errorf("took %v, the syntax check alone %v", took, plain)
		}
	}
}

func shorter(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}
