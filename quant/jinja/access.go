// Attributes, items and slices.

package jinja

import (
	"math/big"
	"strings"
	"unicode/utf8"
)

// attr is Python's getattr: ok is false if v has no such attribute. What the sandbox forbids comes back undefined.
func (r *run) attr(v Value, name string) (Value, bool, error) {
	unsafe := func() (Value, bool, error) {
		return &undefined{msg: "access to attribute " + reprString(name) + " of '" + typeName(v) + "' object is unsafe."}, true, nil
	}
	if strings.HasPrefix(name, "__") && isDunder(name) {
		return unsafe()
	}
	switch x := v.(type) {
	case *undefined:
		return nil, false, fail("%s", x.msg)
	case string:
		m, ok := stringMethod(x, false, name)
		return m, ok, nil
	case Markup:
		m, ok := stringMethod(string(x), true, name)
		return m, ok, nil
	case *Object:
		if hasWord("clear pop popitem setdefault update", name) {
			return unsafe()
		}
		m, ok := dictMethod(x, name)
		return m, ok, nil
	case *List:
		if hasWord("append clear pop reverse insert sort extend remove", name) {
			return unsafe()
		}
		m, ok := seqMethod(v, x.items, name)
		return m, ok, nil
	case *Tuple:
		for i, n := range x.names {
			if n == name {
				return x.items[i], true, nil
			}
		}
		if name == "copy" {
			return nil, false, nil
		}
		m, ok := seqMethod(v, x.items, name)
		return m, ok, nil
	case *namespace:
		f, ok := x.attrs.Get(name)
		return f, ok, nil
	case *loopValue:
		return x.attr(r, name)
	case *macro:
		f, ok := x.attr(name)
		return f, ok, nil
	case *cycler:
		f, ok := x.attr(name)
		return f, ok, nil
	case *rangeValue:
		switch name {
		case "start":
			return x.start, true, nil
		case "stop":
			return x.stop, true, nil
		case "step":
			return x.step, true, nil
		}
	case bool, int64, *big.Int, float64:
		f, ok := numberAttr(v, name)
		return f, ok, nil
	}
	return nil, false, nil
}

// isDunder says whether every Python object has this attribute.
func isDunder(name string) bool {
	return hasWord("__class__ __delattr__ __dir__ __doc__ __eq__ __format__ __ge__ __getattribute__ __getstate__ __gt__ __hash__ "+
		"__init__ __init_subclass__ __le__ __lt__ __ne__ __new__ __reduce__ __reduce_ex__ __repr__ __setattr__ __sizeof__ "+
		"__str__ __subclasshook__", name)
}

func (r *run) getattr(v Value, name string) (Value, error) {
	f, ok, err := r.attr(v, name)
	if err != nil || ok {
		return f, err
	}
	if o, isObject := v.(*Object); isObject {
		if f, ok := o.Get(name); ok {
			return f, nil
		}
	}
	return undefinedAttr(v, name), nil
}

func undefinedAttr(v Value, key Value) *undefined {
	owner := typeName(v) + " object"
	if v == nil {
		owner = "None"
	}
	if s, ok := asString(key); ok {
		return &undefined{msg: "'" + owner + "' has no attribute " + reprString(s)}
	}
	return &undefined{msg: owner + " has no such element"}
}

func (r *run) getitem(v, key Value) (Value, error) {
	f, ok, err := r.item(v, key)
	if err != nil || ok {
		return f, err
	}
	if s, isString := asString(key); isString {
		f, ok, err := r.attr(v, s)
		if err != nil || ok {
			return f, err
		}
	}
	return undefinedAttr(v, key), nil
}

// item is v[key]; ok is false where Python raises TypeError, IndexError or KeyError.
func (r *run) item(v, key Value) (Value, bool, error) {
	switch x := v.(type) {
	case *undefined:
		return nil, false, fail("%s", x.msg)
	case *Object:
		h, err := r.hashKey(key)
		if err != nil {
			if e := err.(*Error); e.Kind == Runtime {
				return nil, false, nil
			}
			return nil, false, err
		}
		f, ok := x.lookup(h)
		return f, ok, nil
	case *List, *Tuple:
		items, _ := seqItems(x)
		if i, ok := index(key, len(items)); ok {
			return items[i], true, nil
		}
	case *rangeValue:
		if i, ok := index(key, int(x.n)); ok {
			return x.at(int64(i)), true, nil
		}
	case string, Markup:
		s, _ := asString(v)
		if _, ok := asSmall(key); !ok {
			return nil, false, nil
		}
		if err := r.scan(len(s)); err != nil {
			return nil, false, err
		}
		if i, ok := index(key, utf8.RuneCountInString(s)); ok {
			return sameKind(v, runeSlice(s, i, i+1)), true, nil
		}
	}
	return nil, false, nil
}

// index maps a Python index, which may be negative, into n items.
func index(key Value, n int) (int, bool) {
	i, ok := asSmall(key)
	if !ok {
		return 0, false
	}
	if i < 0 {
		i += int64(n)
	}
	return int(i), i >= 0 && i < int64(n)
}

// sameKind gives s the type of the string it came from.
func sameKind(v Value, s string) Value {
	if _, ok := v.(Markup); ok {
		return Markup(s)
	}
	return s
}

// runeSlice cuts characters lo to hi out of s.
func runeSlice(s string, lo, hi int) string {
	if hi <= lo {
		return ""
	}
	start := len(s)
	n := 0
	for i := range s {
		if n == lo {
			start = i
		}
		if n == hi {
			return s[start:i]
		}
		n++
	}
	return s[start:]
}

// sliceBounds is Python's slice.indices: the first index, the step and how many items.
func sliceBounds(bounds [3]Value, n int) (start, step, count int64, err error) {
	step = 1
	size := int64(n)
	if bounds[2] != nil {
		if step, err = sliceIndex(bounds[2]); err != nil {
			return
		}
		if step == 0 {
			return 0, 0, 0, fail("slice step cannot be zero")
		}
	}
	clamp := func(v Value, def int64) (int64, error) {
		if v == nil {
			return def, nil
		}
		i, err := sliceIndex(v)
		lo, hi := int64(0), size
		if step < 0 {
			lo, hi = -1, size-1
		}
		if i < 0 {
			i += size
		}
		return min(max(i, lo), hi), err
	}
	first, last := int64(0), size
	if step < 0 {
		first, last = size-1, -1
	}
	if start, err = clamp(bounds[0], first); err != nil {
		return
	}
	stop, err := clamp(bounds[1], last)
	if err != nil {
		return
	}
	switch {
	case step > 0 && stop > start:
		count = (stop-start-1)/step + 1
	case step < 0 && stop < start:
		count = (start-stop-1)/-step + 1
	}
	return start, step, count, nil
}

func sliceIndex(v Value) (int64, error) {
	i, err := indexArg(v)
	if err != nil {
		return 0, fail("slice indices must be integers or None or have an __index__ method")
	}
	const far = 1 << 60
	return min(max(i, -far), far), nil
}

func (r *run) slice(v Value, bounds [3]Value) (Value, error) {
	if u, ok := v.(*undefined); ok {
		return nil, fail("%s", u.msg)
	}
	switch x := v.(type) {
	case *List, *Tuple:
		items, _ := seqItems(x)
		start, step, count, err := sliceBounds(bounds, len(items))
		if err != nil {
			return nil, err
		}
		if err := r.alloc(16 * int(count)); err != nil {
			return nil, err
		}
		out := make([]Value, count)
		for i := range out {
			out[i] = items[start+int64(i)*step]
		}
		if _, ok := x.(*Tuple); ok {
			return &Tuple{items: out}, nil
		}
		return &List{items: out}, nil
	case *rangeValue:
		start, step, count, err := sliceBounds(bounds, int(x.n))
		if err != nil {
			return nil, err
		}
		out := &rangeValue{start: x.start + start*x.step, step: x.step * step, n: count}
		out.stop = out.start + count*out.step
		return out, nil
	case string, Markup:
		s, _ := asString(v)
		if err := r.alloc(len(s)); err != nil {
			return nil, err
		}
		start, step, count, err := sliceBounds(bounds, utf8.RuneCountInString(s))
		if err != nil {
			return nil, err
		}
		if step == 1 {
			return sameKind(v, runeSlice(s, int(start), int(start+count))), nil
		}
		if err := r.alloc(4 * len(s)); err != nil {
			return nil, err
		}
		runes := []rune(s)
		out := make([]rune, count)
		for i := range out {
			out[i] = runes[start+int64(i)*step]
		}
		return sameKind(v, string(out)), nil
	}
	return nil, fail("'%s' object is not subscriptable with a slice", typeName(v))
}
