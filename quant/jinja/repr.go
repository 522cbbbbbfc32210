// Text of values: Python's str and repr.

package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// str is Python's str(v).
func (r *run) str(v Value) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case Markup:
		return string(x), nil
	case *undefined:
		return "", nil
	}
	return r.repr(v)
}

// repr is Python's repr(v).
func (r *run) repr(v Value) (string, error) {
	var b strings.Builder
	err := r.reprTo(&b, v, 0)
	return b.String(), err
}

func (r *run) reprTo(b *strings.Builder, v Value, depth int) error {
	if depth > maxValueDepth {
		return tooDeep()
	}
	put := func(s string) error {
		b.WriteString(s)
		return r.alloc(len(s))
	}
	switch x := v.(type) {
	case nil:
		return put("None")
	case bool:
		if x {
			return put("True")
		}
		return put("False")
	case int64:
		return put(strconv.FormatInt(x, 10))
	case *big.Int:
		s := x.String()
		if len(strings.TrimPrefix(s, "-")) > maxIntDigits {
			return fail("Exceeds the limit (%d digits) for integer string conversion", maxIntDigits)
		}
		return put(s)
	case float64:
		return put(floatRepr(x))
	case string:
		return put(reprString(x))
	case Markup:
		return put("Markup(" + reprString(string(x)) + ")")
	case *undefined:
		return put("Undefined")
	case *List:
		b.WriteByte('[')
		if err := r.reprItems(b, x.items, depth); err != nil {
			return err
		}
		return put("]")
	case *Tuple:
		b.WriteByte('(')
		if err := r.reprItems(b, x.items, depth); err != nil {
			return err
		}
		if len(x.items) == 1 {
			b.WriteByte(',')
		}
		return put(")")
	case *Object:
		return r.reprObject(b, x, depth)
	case *view:
		b.WriteString("dict_" + x.kind + "([")
		for i := 0; i < x.obj.Len(); i++ {
			if i > 0 {
				b.WriteString(", ")
			}
			if err := r.reprTo(b, x.at(i), depth+1); err != nil {
				return err
			}
		}
		return put("])")
	case *rangeValue:
		if x.step == 1 {
			return put(fmt.Sprintf("range(%d, %d)", x.start, x.stop))
		}
		return put(fmt.Sprintf("range(%d, %d, %d)", x.start, x.stop, x.step))
	case *namespace:
		b.WriteString("<Namespace ")
		if err := r.reprObject(b, x.attrs, depth+1); err != nil {
			return err
		}
		return put(">")
	case *macro:
		if x.def.name == "" {
			return put("<Macro anonymous>")
		}
		return put("<Macro " + reprString(x.def.name) + ">")
	case *loopValue:
		s, err := x.repr(r)
		if err != nil {
			return err
		}
		return put(s)
	}
	return put("<" + typeName(v) + " object>")
}

func (r *run) reprItems(b *strings.Builder, items []Value, depth int) error {
	for i, item := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := r.reprTo(b, item, depth+1); err != nil {
			return err
		}
	}
	return r.alloc(2 * len(items))
}

func (r *run) reprObject(b *strings.Builder, o *Object, depth int) error {
	b.WriteByte('{')
	for i, k := range o.keys {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := r.reprTo(b, k, depth+1); err != nil {
			return err
		}
		b.WriteString(": ")
		if err := r.reprTo(b, o.vals[i], depth+1); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return r.alloc(4*o.Len() + 2)
}

// floatRepr is the shortest text that reads back as f, with an exponent below 1e-4 and from 1e16.
func floatRepr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// reprString is repr of a str: single quotes unless only double ones avoid escaping.
func reprString(s string) string {
	quote := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte(quote)
	for _, c := range s {
		switch {
		case c == rune(quote) || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			b.WriteString(`\x` + hexPad(c, 2))
		case c < 0x10000:
			b.WriteString(`\u` + hexPad(c, 4))
		default:
			b.WriteString(`\U` + hexPad(c, 8))
		}
	}
	b.WriteByte(quote)
	return b.String()
}

func escapeHTML(s string) string {
	return strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;").Replace(s)
}
