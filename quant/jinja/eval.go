// The interpreter for expressions.

package jinja

import "strings"

func (r *run) eval(x expr, a *activation) (Value, error) {
	if err := r.step(1); err != nil {
		return nil, err
	}
	switch n := x.(type) {
	case *constExpr:
		return n.v, nil
	case *nameExpr:
		v := *a.at(n.ref)
		if _, ok := v.(missingValue); ok {
			return undefinedName(n.name), nil
		}
		return v, nil
	case *attrExpr:
		v, err := r.eval(n.x, a)
		if err != nil {
			return nil, err
		}
		r.line = n.line
		return r.getattr(v, n.name)
	case *itemExpr:
		v, key, err := r.eval2(n.x, n.arg, a)
		if err != nil {
			return nil, err
		}
		r.line = n.line
		return r.getitem(v, key)
	case *callExpr:
		fn, err := r.eval(n.fn, a)
		if err != nil {
			return nil, err
		}
		args, err := r.args(&n.args, a)
		if err != nil {
			return nil, err
		}
		r.line = n.line
		return r.callValue(fn, args)
	case *filterExpr:
		v, err := r.eval(n.x, a)
		if err != nil {
			return nil, err
		}
		return r.filterOn(n, v, a)
	case *testExpr:
		v, err := r.eval(n.x, a)
		if err != nil {
			return nil, err
		}
		args, err := r.args(&n.args, a)
		if err != nil {
			return nil, err
		}
		r.line = n.line
		ok, err := r.test(n.name, v, args)
		return ok, err
	case *binExpr:
		v, w, err := r.eval2(n.l, n.r, a)
		if err != nil {
			return nil, err
		}
		r.line = n.line
		return r.binary(n.op, v, w)
	case *logicExpr:
		v, err := r.eval(n.l, a)
		if err != nil || truth(v) == n.or {
			return v, err
		}
		return r.eval(n.r, a)
	case *notExpr:
		v, err := r.eval(n.x, a)
		return !truth(v), err
	case *condExpr:
		return r.cond(n, a)
	case *compareExpr:
		return r.compareChain(n, a)
	case *concatExpr:
		return r.concat(n, a)
	case *unaryExpr:
		v, err := r.eval(n.x, a)
		if err != nil {
			return nil, err
		}
		r.line = n.line
		return unary(n.op, v)
	case *sliceExpr:
		return r.sliceOf(n, a)
	}
	return r.literal(x, a)
}

func (r *run) eval2(x, y expr, a *activation) (v, w Value, err error) {
	if v, err = r.eval(x, a); err == nil {
		w, err = r.eval(y, a)
	}
	return v, w, err
}

func (r *run) evalAll(xs []expr, a *activation) ([]Value, error) {
	if err := r.alloc(16 * len(xs)); err != nil {
		return nil, err
	}
	out := make([]Value, len(xs))
	for i, x := range xs {
		v, err := r.eval(x, a)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (r *run) literal(x expr, a *activation) (Value, error) {
	switch n := x.(type) {
	case *listExpr:
		items, err := r.evalAll(n.items, a)
		return &List{items: items}, err
	case *tupleExpr:
		items, err := r.evalAll(n.items, a)
		return &Tuple{items: items}, err
	case *dictExpr:
		o := NewObject()
		for i := range n.keys {
			k, v, err := r.eval2(n.keys[i], n.vals[i], a)
			if err != nil {
				return nil, err
			}
			if err := r.put(o, k, v); err != nil {
				return nil, err
			}
		}
		return o, nil
	}
	return nil, fail("unknown expression")
}

// put stores into an object under construction.
func (r *run) put(o *Object, k, v Value) error {
	h, err := r.hashKey(k)
	if err != nil {
		return err
	}
	if err := r.alloc(64); err != nil {
		return err
	}
	o.set(h, k, v)
	return nil
}

func (r *run) cond(n *condExpr, a *activation) (Value, error) {
	t, err := r.eval(n.test, a)
	switch {
	case err != nil:
		return nil, err
	case truth(t):
		return r.eval(n.a, a)
	case n.b == nil:
		return &undefined{msg: "the inline if-expression evaluated to false and no else section was defined."}, nil
	}
	return r.eval(n.b, a)
}

func (r *run) compareChain(n *compareExpr, a *activation) (Value, error) {
	v, err := r.eval(n.x, a)
	if err != nil {
		return nil, err
	}
	for i, op := range n.ops {
		w, err := r.eval(n.rest[i], a)
		if err != nil {
			return nil, err
		}
		r.line = n.line
		ok, err := r.compare(op, v, w)
		if err != nil || !ok {
			return false, err
		}
		v = w
	}
	return true, nil
}

func (r *run) concat(n *concatExpr, a *activation) (Value, error) {
	vals, err := r.evalAll(n.parts, a)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for _, v := range vals {
		s, err := r.str(v)
		if err != nil {
			return nil, err
		}
		if err := r.alloc(len(s)); err != nil {
			return nil, err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func (r *run) sliceOf(n *sliceExpr, a *activation) (Value, error) {
	v, err := r.eval(n.x, a)
	if err != nil {
		return nil, err
	}
	var bounds [3]Value
	for i, x := range []expr{n.lo, n.hi, n.step} {
		if x != nil {
			if bounds[i], err = r.eval(x, a); err != nil {
				return nil, err
			}
		}
	}
	r.line = n.line
	return r.slice(v, bounds)
}

func (r *run) args(l *argList, a *activation) (*callArgs, error) {
	out := &callArgs{}
	var err error
	if out.pos, err = r.evalAll(l.pos, a); err != nil {
		return nil, err
	}
	if l.dynPos != nil {
		v, err := r.eval(l.dynPos, a)
		if err != nil {
			return nil, err
		}
		items, err := r.collect(v)
		if err != nil {
			return nil, err
		}
		out.pos = append(out.pos, items...)
	}
	out.names = append(out.names, l.names...)
	if out.vals, err = r.evalAll(l.vals, a); err != nil {
		return nil, err
	}
	if l.dyn != nil {
		v, err := r.eval(l.dyn, a)
		if err != nil {
			return nil, err
		}
		o, ok := v.(*Object)
		if !ok {
			return nil, fail("argument after ** must be a mapping, not %s", typeName(v))
		}
		for i, k := range o.keys {
			name, ok := asString(k)
			if !ok {
				return nil, fail("keywords must be strings")
			}
			if err := out.addName(name, o.vals[i]); err != nil {
				return nil, err
			}
			if err := r.alloc(32 + len(out.names)); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

func (r *run) filterOn(n *filterExpr, v Value, a *activation) (Value, error) {
	args, err := r.args(&n.args, a)
	if err != nil {
		return nil, err
	}
	r.line = n.line
	return r.filter(n.name, v, args)
}
