// JSON: reading messages strictly, and writing as Python's json.dumps does.

package jinja

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// FromJSON reads one JSON value: objects keep their order, integers stay exact. Invalid UTF-8, halves of surrogate
// pairs, trailing text and nesting beyond 500 are errors; of a repeated key the last value wins, as in Python.
func FromJSON(data []byte) (Value, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("json: not valid UTF-8")
	}
	if err := loneSurrogate(data); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := fromToken(dec, 0)
	if err != nil {
		return nil, fmt.Errorf("json: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("json: text after the value at byte %d", dec.InputOffset())
	}
	return v, nil
}

// loneSurrogate refuses \ud800 without its partner, which the standard decoder silently replaces.
func loneSurrogate(data []byte) error {
	for i := 0; i+1 < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++
		if data[i] != 'u' {
			continue
		}
		n := surrogate(data[i+1:])
		switch {
		case n == 1 && i+6 < len(data) && data[i+5] == '\\' && data[i+6] == 'u' && surrogate(data[i+7:]) == 2:
			i += 10
		case n != 0:
			return fmt.Errorf("json: half of a surrogate pair at byte %d", i-1)
		}
	}
	return nil
}

// surrogate tells a high (1) and a low (2) surrogate from the rest (0).
func surrogate(hex []byte) int {
	if len(hex) < 4 {
		return 0
	}
	n, err := strconv.ParseUint(string(hex[:4]), 16, 16)
	switch {
	case err != nil || n < 0xd800 || n > 0xdfff:
		return 0
	case n < 0xdc00:
		return 1
	}
	return 2
}

func fromToken(dec *json.Decoder, depth int) (Value, error) {
	if depth > maxValueDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxValueDepth)
	}
	t, err := dec.Token()
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	switch x := t.(type) {
	case json.Number:
		return fromNumber(x.String())
	case json.Delim:
		if x == '[' {
			l := &List{}
			for dec.More() {
				v, err := fromToken(dec, depth+1)
				if err != nil {
					return nil, err
				}
				l.items = append(l.items, v)
			}
			_, err := dec.Token()
			return l, err
		}
		o := NewObject()
		for dec.More() {
			k, err := dec.Token()
			if err != nil {
				return nil, err
			}
			key, ok := k.(string)
			if !ok {
				return nil, fmt.Errorf("object key is no string")
			}
			v, err := fromToken(dec, depth+1)
			if err != nil {
				return nil, err
			}
			o.Set(key, v)
		}
		_, err := dec.Token()
		return o, err
	}
	return t, nil // nil, bool or string
}

func fromNumber(s string) (Value, error) {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !math.IsInf(f, 0) {
			return nil, err
		}
		return f, nil
	}
	if len(strings.TrimPrefix(s, "-")) > maxIntDigits {
		return nil, fmt.Errorf("integer of more than %d digits", maxIntDigits)
	}
	b, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return nil, fmt.Errorf("bad number")
	}
	return normBig(b), nil
}

// jsonWriter is json.dumps with its options.
type jsonWriter struct {
	r        *run
	b        strings.Builder
	ascii    bool
	sortKeys bool
	indent   string
	pretty   bool
	item     string
	key      string
}

func (r *run) tojson(v Value, a *callArgs) (Value, error) {
	args, err := a.bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys")
	if err != nil {
		return nil, err
	}
	w := &jsonWriter{r: r, ascii: truth(or(args[0], false)), sortKeys: truth(or(args[3], false)), item: ", ", key: ": "}
	if err := w.setIndent(or(args[1], nil)); err != nil {
		return nil, err
	}
	if sep := or(args[2], nil); sep != nil {
		pair, err := r.unpack(sep, 2)
		if err != nil {
			return nil, err
		}
		item, ok1 := asString(pair[0])
		key, ok2 := asString(pair[1])
		if !ok1 || !ok2 {
			return nil, fail("separators must be strings")
		}
		w.item, w.key = item, key
	}
	if err := w.value(v, 0); err != nil {
		return nil, err
	}
	return w.b.String(), nil
}

func (w *jsonWriter) setIndent(v Value) error {
	if v == nil {
		return nil
	}
	w.pretty, w.item = true, ","
	if s, ok := asString(v); ok {
		w.indent = s
		return nil
	}
	n, err := indexArg(v)
	if err != nil {
		return fail("can't multiply sequence by non-int of type '%s'", typeName(v))
	}
	if n > 1000 {
		return failKind(Limit, "indent of %d", n)
	}
	w.indent = strings.Repeat(" ", int(max(n, 0)))
	return nil
}

func (w *jsonWriter) put(s string) error {
	w.b.WriteString(s)
	return w.r.alloc(len(s))
}

func (w *jsonWriter) newline(depth int) error {
	if !w.pretty {
		return nil
	}
	if err := w.r.alloc(1 + depth*len(w.indent)); err != nil {
		return err
	}
	w.b.WriteByte('\n')
	for i := 0; i < depth; i++ {
		w.b.WriteString(w.indent)
	}
	return nil
}

func (w *jsonWriter) value(v Value, depth int) error {
	if depth > maxValueDepth {
		return tooDeep()
	}
	switch x := v.(type) {
	case nil:
		return w.put("null")
	case bool:
		return w.put(strconv.FormatBool(x))
	case int64, *big.Int:
		s, err := w.r.repr(x)
		if err != nil {
			return err
		}
		return w.put(s)
	case float64:
		return w.put(jsonFloat(x))
	case string:
		return w.str(x)
	case Markup:
		return w.str(string(x))
	case *List, *Tuple:
		items, _ := seqItems(x)
		if len(items) == 0 {
			return w.put("[]")
		}
		w.b.WriteByte('[')
		for i, item := range items {
			if err := w.separate(i, depth); err != nil {
				return err
			}
			if err := w.value(item, depth+1); err != nil {
				return err
			}
		}
		if err := w.newline(depth); err != nil {
			return err
		}
		return w.put("]")
	case *Object:
		return w.object(x, depth)
	}
	return fail("Object of type %s is not JSON serializable", typeName(v))
}

func (w *jsonWriter) separate(i, depth int) error {
	if i > 0 {
		if err := w.put(w.item); err != nil {
			return err
		}
	}
	return w.newline(depth + 1)
}

func (w *jsonWriter) object(o *Object, depth int) error {
	if o.Len() == 0 {
		return w.put("{}")
	}
	order := make([]int, o.Len())
	for i := range order {
		order[i] = i
	}
	if w.sortKeys {
		if err := w.r.sortBy(order, func(i, j int) (bool, error) { return w.r.order("<", o.keys[i], o.keys[j], 0) }); err != nil {
			return err
		}
	}
	w.b.WriteByte('{')
	for n, i := range order {
		if err := w.separate(n, depth); err != nil {
			return err
		}
		if err := w.keyText(o.keys[i]); err != nil {
			return err
		}
		if err := w.put(w.key); err != nil {
			return err
		}
		if err := w.value(o.vals[i], depth+1); err != nil {
			return err
		}
	}
	if err := w.newline(depth); err != nil {
		return err
	}
	return w.put("}")
}

func (w *jsonWriter) keyText(k Value) error {
	switch x := k.(type) {
	case string:
		return w.str(x)
	case Markup:
		return w.str(string(x))
	case nil:
		return w.put(`"null"`)
	case bool:
		return w.put(`"` + strconv.FormatBool(x) + `"`)
	case float64:
		return w.put(`"` + jsonFloat(x) + `"`)
	case int64, *big.Int:
		s, err := w.r.repr(x)
		if err != nil {
			return err
		}
		return w.put(`"` + s + `"`)
	}
	return fail("keys must be str, int, float, bool or None, not %s", typeName(k))
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return floatRepr(f)
}

func (w *jsonWriter) str(s string) error {
	if err := w.r.alloc(len(s) + 2); err != nil {
		return err
	}
	b := &w.b
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\b':
			b.WriteString(`\b`)
		case c == '\f':
			b.WriteString(`\f`)
		case c < 0x20 || w.ascii && 0x7f <= c && c < 0x10000:
			b.WriteString(`\u` + hexPad(c, 4))
		case w.ascii && c >= 0x10000:
			c -= 0x10000
			b.WriteString(`\u` + hexPad(0xd800+c>>10, 4) + `\u` + hexPad(0xdc00+c&0x3ff, 4))
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return nil
}

// sortBy sorts order stably by a comparison that may fail.
func (r *run) sortBy(order []int, less func(i, j int) (bool, error)) error {
	var first error
	sort.SliceStable(order, func(a, b int) bool {
		if first != nil {
			return false
		}
		ok, err := less(order[a], order[b])
		if err != nil {
			first = err
		}
		return ok
	})
	return first
}
