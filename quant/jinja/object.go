// Objects: Python's dict, which keeps the order of insertion.

package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// Object is a dict: values by hashable key, in the order of insertion.
type Object struct {
	keys  []Value
	vals  []Value
	index map[any]int
}

// NewObject returns an empty object.
func NewObject() *Object { return &Object{index: map[any]int{}} }

// Len returns the number of keys.
func (o *Object) Len() int { return len(o.keys) }

// Set stores v under a string key.
func (o *Object) Set(key string, v Value) { o.set(key, key, v) }

// Get returns the value under a string key.
func (o *Object) Get(key string) (Value, bool) {
	i, ok := o.index[key]
	if !ok {
		return nil, false
	}
	return o.vals[i], true
}

// Keys returns the keys in order; a caller must not change the slice.
func (o *Object) Keys() []Value { return o.keys }

func (o *Object) set(hash any, key, v Value) {
	if i, ok := o.index[hash]; ok {
		o.vals[i] = v
		return
	}
	o.index[hash] = len(o.keys)
	o.keys = append(o.keys, key)
	o.vals = append(o.vals, v)
}

func (o *Object) lookup(hash any) (Value, bool) {
	i, ok := o.index[hash]
	if !ok {
		return nil, false
	}
	return o.vals[i], true
}

type (
	noneKey  struct{}
	undefKey struct{}
	bigKey   string
	tupleKey string
)

// maxValueDepth bounds every walk over nested values.
const maxValueDepth = 500

func tooDeep() error { return failKind(Limit, "values nested deeper than %d", maxValueDepth) }

// hashKey maps a value to a Go map key so that values equal in Python share one: 1, 1.0 and True do.
func (r *run) hashKey(v Value) (any, error) { return r.hashDepth(v, 0) }

func (r *run) hashDepth(v Value, depth int) (any, error) {
	if depth > maxValueDepth {
		return nil, tooDeep()
	}
	if err := r.step(1); err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case nil:
		return noneKey{}, nil
	case bool, int64:
		n, _ := asSmall(x)
		return n, nil
	case *big.Int:
		return bigKey(x.Text(16)), nil
	case float64:
		if x == math.Trunc(x) && !math.IsInf(x, 0) {
			b, _ := big.NewFloat(x).Int(nil)
			return r.hashDepth(normBig(b), depth+1)
		}
		return x, nil
	case string:
		return x, nil
	case Markup:
		return string(x), nil
	case *undefined:
		return undefKey{}, nil
	case *rangeValue:
		return *x, nil
	case *Tuple:
		var b strings.Builder
		for _, item := range x.items {
			h, err := r.hashDepth(item, depth+1)
			if err != nil {
				return nil, err
			}
			s := hashText(h)
			if err := r.alloc(len(s) + 8); err != nil {
				return nil, err
			}
			b.WriteString(strconv.Itoa(len(s)))
			b.WriteByte(':')
			b.WriteString(s)
		}
		return tupleKey(b.String()), nil
	case *List, *Object:
		return nil, fail("unhashable type: '%s'", typeName(v))
	case *view:
		if x.kind != "values" {
			return nil, fail("unhashable type: '%s'", typeName(v))
		}
	}
	return v, nil
}

// hashText spells a key of hashKey so that different keys have different texts.
func hashText(h any) string {
	switch x := h.(type) {
	case noneKey:
		return "n"
	case undefKey:
		return "u"
	case int64:
		return "i" + strconv.FormatInt(x, 10)
	case bigKey:
		return "b" + string(x)
	case float64:
		return "f" + strconv.FormatFloat(x, 'g', -1, 64)
	case string:
		return "s" + x
	case tupleKey:
		return "t" + string(x)
	case rangeValue:
		return fmt.Sprintf("r%d,%d,%d", x.start, x.step, x.n)
	}
	return fmt.Sprintf("p%p", h)
}
