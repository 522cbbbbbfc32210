// Values: what a template computes with, as Python sees it.

package jinja

import (
	"math"
	"math/big"
	"unicode/utf8"
)

// Value is one of nil (None), bool, int64, *big.Int (only outside int64), float64, string, Markup, *List, *Tuple,
// *Object, or a type private to this package.
type Value any

// Markup is a string that the template marked as safe: joining it with a plain string escapes the latter.
type Markup string

// List is Python's list; templates can't change one.
type List struct{ items []Value }

// NewList returns a list of items.
func NewList(items ...Value) *List { return &List{items: items} }

// Len returns the number of items.
func (l *List) Len() int { return len(l.items) }

// At returns item i.
func (l *List) At(i int) Value { return l.items[i] }

// Tuple is Python's tuple.
type Tuple struct {
	items []Value
	names []string // field names of a named tuple, as groupby returns
}

type (
	missingValue struct{} // a variable that has no value yet, an argument that wasn't given

	// undefined is the value of a name or attribute that doesn't exist: it prints as nothing, most else fails with msg.
	undefined struct{ msg string }

	rangeValue struct{ start, stop, step, n int64 }

	// view is what dict.keys(), values() and items() return.
	view struct {
		obj  *Object
		kind string
	}

	// iterator is a Python generator: lazy, and empty after one pass.
	iterator struct {
		next  func() (Value, bool, error)
		name  string
		depth int // how many generators feed this one
	}

	namespace struct{ attrs *Object }

	// builtin is a function of the environment or a method bound to its receiver.
	builtin struct {
		name string
		call func(r *run, a *callArgs) (Value, error)
	}
)

func undefinedName(name string) *undefined {
	return &undefined{msg: reprString(name) + " is undefined"}
}

func asString(v Value) (string, bool) {
	switch s := v.(type) {
	case string:
		return s, true
	case Markup:
		return string(s), true
	}
	return "", false
}

// typeName is type(v).__name__ in Python.
func typeName(v Value) string {
	switch x := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case Markup:
		return "Markup"
	case *List:
		return "list"
	case *Tuple:
		return "tuple"
	case *Object:
		return "dict"
	case *undefined:
		return "Undefined"
	case *rangeValue:
		return "range"
	case *view:
		return "dict_" + x.kind
	case *iterator:
		return x.name
	case *namespace:
		return "TemplateNamespace"
	case *builtin:
		return "builtin_function_or_method"
	case *macro:
		return "Macro"
	case *loopValue:
		return "LoopContext"
	case *cycler:
		return "Cycler"
	case *joiner:
		return "Joiner"
	}
	return "object"
}

func truth(v Value) bool {
	switch x := v.(type) {
	case nil:
		return false
	case bool:
		return x
	case int64:
		return x != 0
	case float64:
		return x != 0
	case *undefined:
		return false
	}
	if n, ok := length(v); ok {
		return n != 0
	}
	return true
}

// length is Python's len; ok is false for what has none.
func length(v Value) (n int, ok bool) {
	switch x := v.(type) {
	case string:
		return utf8.RuneCountInString(x), true
	case Markup:
		return utf8.RuneCountInString(string(x)), true
	case *List:
		return len(x.items), true
	case *Tuple:
		return len(x.items), true
	case *Object:
		return x.Len(), true
	case *view:
		return x.obj.Len(), true
	case *rangeValue:
		return int(x.n), true
	case *undefined:
		return 0, true
	}
	return 0, false
}

func (x *rangeValue) at(i int64) Value { return x.start + i*x.step }

// seqItems returns the items of a list or tuple without copying.
func seqItems(v Value) ([]Value, bool) {
	switch x := v.(type) {
	case *List:
		return x.items, true
	case *Tuple:
		return x.items, true
	}
	return nil, false
}

func emptyIterator() (Value, bool, error) { return nil, false, nil }

func sliceIterator(items []Value, name string) *iterator {
	i := 0
	return &iterator{name: name, next: func() (Value, bool, error) {
		if i >= len(items) {
			return nil, false, nil
		}
		i++
		return items[i-1], true, nil
	}}
}

// iterate is Python's iter.
func iterate(v Value) (*iterator, error) {
	switch x := v.(type) {
	case *iterator:
		return x, nil
	case *undefined:
		return &iterator{name: "generator", next: emptyIterator}, nil
	case *List:
		return sliceIterator(x.items, "list_iterator"), nil
	case *Tuple:
		return sliceIterator(x.items, "tuple_iterator"), nil
	case *Object:
		return sliceIterator(x.keys, "dict_keyiterator"), nil
	case *view:
		i := 0
		return &iterator{name: "dict_iterator", next: func() (Value, bool, error) {
			if i >= x.obj.Len() {
				return nil, false, nil
			}
			i++
			return x.at(i - 1), true, nil
		}}, nil
	case *rangeValue:
		i := int64(0)
		return &iterator{name: "range_iterator", next: func() (Value, bool, error) {
			if i >= x.n {
				return nil, false, nil
			}
			i++
			return x.at(i - 1), true, nil
		}}, nil
	case string:
		return runeIterator(x), nil
	case Markup:
		return runeIterator(string(x)), nil
	}
	return nil, fail("'%s' object is not iterable", typeName(v))
}

func runeIterator(s string) *iterator {
	return &iterator{name: "str_iterator", next: func() (Value, bool, error) {
		if s == "" {
			return nil, false, nil
		}
		_, n := utf8.DecodeRuneInString(s)
		c := s[:n]
		s = s[n:]
		return c, true, nil
	}}
}

func (x *view) at(i int) Value {
	switch x.kind {
	case "keys":
		return x.obj.keys[i]
	case "values":
		return x.obj.vals[i]
	}
	return &Tuple{items: []Value{x.obj.keys[i], x.obj.vals[i]}}
}

// collect is Python's list(v).
func (r *run) collect(v Value) ([]Value, error) {
	if items, ok := seqItems(v); ok {
		if err := r.alloc(16 * len(items)); err != nil {
			return nil, err
		}
		return append([]Value(nil), items...), nil
	}
	it, err := iterate(v)
	if err != nil {
		return nil, err
	}
	var out []Value
	for {
		x, ok, err := it.next()
		if err != nil || !ok {
			return out, err
		}
		if err := r.alloc(16); err != nil {
			return nil, err
		}
		out = append(out, x)
	}
}

// Numbers. An int is an int64, or a *big.Int where it doesn't fit.

func normBig(b *big.Int) Value {
	if b.IsInt64() {
		return b.Int64()
	}
	return b
}

// asInt gives v as an int where Python would take it as one (bool counts).
func asInt(v Value) (*big.Int, bool) {
	switch x := v.(type) {
	case bool:
		if x {
			return big.NewInt(1), true
		}
		return new(big.Int), true
	case int64:
		return big.NewInt(x), true
	case *big.Int:
		return x, true
	}
	return nil, false
}

// asSmall is asInt for numbers within int64.
func asSmall(v Value) (int64, bool) {
	switch x := v.(type) {
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case int64:
		return x, true
	}
	return 0, false
}

// indexArg gives an int argument, clamped to int64, as Python's slices do.
func indexArg(v Value) (int64, error) {
	if n, ok := asSmall(v); ok {
		return n, nil
	}
	if b, ok := v.(*big.Int); ok {
		if b.Sign() < 0 {
			return math.MinInt64 / 4, nil
		}
		return math.MaxInt64 / 4, nil
	}
	return 0, fail("'%s' object cannot be interpreted as an integer", typeName(v))
}

func asFloat(v Value) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case bool, int64:
		n, _ := asSmall(x)
		return float64(n), true
	case *big.Int:
		f, _ := new(big.Float).SetInt(x).Float64()
		return f, true
	}
	return 0, false
}
