// Comparison: equality, order and membership as Python has them.

package jinja

import (
	"math"
	"math/big"
	"strings"
)

func (r *run) compare(op string, v, w Value) (bool, error) {
	switch op {
	case "==":
		return r.equal(v, w)
	case "!=":
		eq, err := r.equal(v, w)
		return !eq, err
	case "in":
		return r.contains(w, v)
	case "not in":
		in, err := r.contains(w, v)
		return !in, err
	}
	return r.order(op, v, w, 0)
}

func (r *run) equal(v, w Value) (bool, error) { return r.equalDepth(v, w, 0) }

func (r *run) equalDepth(v, w Value, depth int) (bool, error) {
	if depth > maxValueDepth {
		return false, tooDeep()
	}
	if err := r.step(1); err != nil {
		return false, err
	}
	if s, ok := asString(v); ok {
		t, ok := asString(w)
		if ok && len(s) == len(t) {
			return s == t, r.scan(len(s))
		}
		return false, nil
	}
	switch x := v.(type) {
	case nil:
		return w == nil, nil
	case bool, int64, *big.Int, float64:
		if _, ok := asFloat(w); !ok {
			return false, nil
		}
		c, ordered := numCompare(x, w)
		return ordered && c == 0, nil
	case *undefined:
		_, ok := w.(*undefined)
		return ok, nil
	case *List:
		y, ok := w.(*List)
		if !ok || x == y {
			return ok, nil
		}
		return r.equalItems(x.items, y.items, depth)
	case *Tuple:
		y, ok := w.(*Tuple)
		if !ok || x == y {
			return ok, nil
		}
		return r.equalItems(x.items, y.items, depth)
	case *Object:
		y, ok := w.(*Object)
		if !ok || x == y || x.Len() != y.Len() {
			return ok && x == y, nil
		}
		for i, k := range x.keys {
			h, err := r.hashKey(k)
			if err != nil {
				return false, err
			}
			other, ok := y.lookup(h)
			if !ok {
				return false, nil
			}
			if eq, err := r.equalDepth(x.vals[i], other, depth+1); err != nil || !eq {
				return false, err
			}
		}
		return true, nil
	case *rangeValue:
		y, ok := w.(*rangeValue)
		return ok && x.n == y.n && (x.n == 0 || x.start == y.start && (x.n == 1 || x.step == y.step)), nil
	}
	return v == w, nil
}

func (r *run) equalItems(a, b []Value, depth int) (bool, error) {
	if len(a) != len(b) {
		return false, nil
	}
	for i := range a {
		if eq, err := r.equalDepth(a[i], b[i], depth+1); err != nil || !eq {
			return false, err
		}
	}
	return true, nil
}

// numCompare orders two numbers exactly; ordered is false if one is NaN.
func numCompare(v, w Value) (c int, ordered bool) {
	f, fv := v.(float64)
	g, fw := w.(float64)
	if !fv && !fw {
		x, _ := asInt(v)
		y, _ := asInt(w)
		return x.Cmp(y), true
	}
	if fv && math.IsNaN(f) || fw && math.IsNaN(g) {
		return 0, false
	}
	return bigFloat(v).Cmp(bigFloat(w)), true
}

func bigFloat(v Value) *big.Float {
	if f, ok := v.(float64); ok {
		return new(big.Float).SetFloat64(f)
	}
	b, _ := asInt(v)
	return new(big.Float).SetPrec(maxIntBits + 64).SetInt(b)
}

func holds(op string, c int) bool {
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

func (r *run) order(op string, v, w Value, depth int) (bool, error) {
	if depth > maxValueDepth {
		return false, tooDeep()
	}
	if err := r.step(1); err != nil {
		return false, err
	}
	for _, x := range []Value{v, w} {
		if u, ok := x.(*undefined); ok {
			return false, fail("%s", u.msg)
		}
	}
	if s, ok := asString(v); ok {
		if t, ok := asString(w); ok {
			return holds(op, strings.Compare(s, t)), r.scan(min(len(s), len(t)))
		}
	}
	if _, ok := asFloat(v); ok {
		if _, ok := asFloat(w); ok {
			c, ordered := numCompare(v, w)
			return ordered && holds(op, c), nil
		}
	}
	a, oka := seqItems(v)
	b, okb := seqItems(w)
	_, ta := v.(*Tuple)
	_, tb := w.(*Tuple)
	if oka && okb && ta == tb {
		for i := 0; i < len(a) && i < len(b); i++ {
			eq, err := r.equalDepth(a[i], b[i], depth+1)
			if err != nil {
				return false, err
			}
			if !eq {
				return r.order(op, a[i], b[i], depth+1)
			}
		}
		return holds(op, len(a)-len(b)), nil
	}
	return false, fail("'%s' not supported between instances of '%s' and '%s'", op, typeName(v), typeName(w))
}

// contains is "v in box".
func (r *run) contains(box, v Value) (bool, error) {
	switch x := box.(type) {
	case string, Markup:
		s, _ := asString(x)
		t, ok := asString(v)
		if !ok {
			return false, fail("'in <string>' requires string as left operand, not %s", typeName(v))
		}
		return strings.Contains(s, t), r.scan(len(s))
	case *Object:
		h, err := r.hashKey(v)
		if err != nil {
			return false, err
		}
		_, ok := x.lookup(h)
		return ok, nil
	case *namespace, *macro, *builtin, *cycler, *joiner:
		return false, fail("argument of type '%s' is not iterable", typeName(box))
	}
	it, err := iterate(box)
	if err != nil {
		return false, fail("argument of type '%s' is not iterable", typeName(box))
	}
	for {
		x, ok, err := it.next()
		if err != nil || !ok {
			return false, err
		}
		if eq, err := r.equal(x, v); err != nil || eq {
			return eq, err
		}
	}
}
