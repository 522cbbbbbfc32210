// The filters on sequences. Like Python's, those that return a generator are lazy and can be read once.

package jinja

import (
	"strconv"
	"strings"
)

func generator(next func() (Value, bool, error)) *iterator {
	return &iterator{name: "generator", next: next}
}

// lazy is a generator over v whose body, and so its errors, start at the first item.
func lazy(v Value, start func() (*iterator, error)) *iterator {
	depth := 0
	if src, ok := v.(*iterator); ok {
		depth = src.depth + 1
	}
	var it *iterator
	g := generator(func() (Value, bool, error) {
		if it == nil {
			if depth > maxValueDepth {
				return nil, false, tooDeep()
			}
			var err error
			if it, err = start(); err != nil {
				return nil, false, err
			}
		}
		return it.next()
	})
	g.depth = depth
	return g
}

func lengthFilter(r *run, v Value, a *callArgs) (Value, error) {
	if _, err := a.positional("length", 0, 0); err != nil {
		return nil, err
	}
	if l, ok := v.(*loopValue); ok {
		n, err := l.len(r)
		return int64(n), err
	}
	n, ok := length(v)
	if !ok {
		return nil, fail("object of type '%s' has no len()", typeName(v))
	}
	if s, ok := asString(v); ok {
		return int64(n), r.scan(len(s))
	}
	return int64(n), nil
}

func firstFilter(r *run, v Value, a *callArgs) (Value, error) {
	if _, err := a.positional("first", 0, 0); err != nil {
		return nil, err
	}
	it, err := iterate(v)
	if err != nil {
		return nil, err
	}
	x, ok, err := it.next()
	if !ok {
		x = &undefined{msg: "No first item, sequence was empty."}
	}
	return x, err
}

// reversed is Python's reversed; ok is false for what can't be.
func (r *run) reversed(v Value) (items []Value, ok bool, err error) {
	switch v.(type) {
	case *iterator, *namespace, *macro, *builtin:
		return nil, false, nil
	}
	if _, ok := length(v); !ok {
		return nil, false, nil
	}
	src, err := r.collect(v)
	for i, j := 0, len(src)-1; i < j; i, j = i+1, j-1 {
		src[i], src[j] = src[j], src[i]
	}
	return src, true, err
}

func lastFilter(r *run, v Value, a *callArgs) (Value, error) {
	if _, err := a.positional("last", 0, 0); err != nil {
		return nil, err
	}
	items, ok, err := r.reversed(v)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fail("'%s' object is not reversible", typeName(v))
	case len(items) == 0:
		return &undefined{msg: "No last item, sequence was empty."}, nil
	}
	return items[0], nil
}

func reverseFilter(r *run, v Value, a *callArgs) (Value, error) {
	if _, err := a.positional("reverse", 0, 0); err != nil {
		return nil, err
	}
	if _, ok := asString(v); ok {
		return r.slice(v, [3]Value{nil, nil, int64(-1)})
	}
	items, ok, err := r.reversed(v)
	if err != nil {
		return nil, err
	}
	if ok {
		return sliceIterator(items, "list_reverseiterator"), nil
	}
	if items, err = r.collect(v); err != nil {
		return nil, err
	}
	for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
		items[i], items[j] = items[j], items[i]
	}
	return &List{items: items}, nil
}

func listFilter(r *run, v Value, a *callArgs) (Value, error) {
	if _, err := a.positional("list", 0, 0); err != nil {
		return nil, err
	}
	items, err := r.collect(v)
	return &List{items: items}, err
}

func itemsFilter(r *run, v Value, a *callArgs) (Value, error) {
	if _, err := a.positional("items", 0, 0); err != nil {
		return nil, err
	}
	return lazy(v, func() (*iterator, error) {
		switch x := v.(type) {
		case *undefined:
			return generator(emptyIterator), nil
		case *Object:
			return iterate(&view{obj: x, kind: "items"})
		}
		return nil, fail("Can only get item pairs from a mapping.")
	}), nil
}

// attrParts splits "a.b.0" into its steps.
func attrParts(attr Value) []Value {
	s, ok := asString(attr)
	if !ok {
		if attr == nil {
			return nil
		}
		return []Value{attr}
	}
	var out []Value
	for _, p := range strings.Split(s, ".") {
		if n, err := strconv.ParseInt(p, 10, 64); err == nil && p[0] != '-' && p[0] != '+' {
			out = append(out, n)
		} else {
			out = append(out, p)
		}
	}
	return out
}

// getter returns what reads an attribute path; def replaces what is undefined, unless it is nil.
func (r *run) getter(attr Value, fold bool, def Value) func(Value) (Value, error) {
	parts := attrParts(attr)
	if s, ok := asString(attr); ok {
		r.steps -= len(s) / 16 // the next step notices
	}
	return func(v Value) (Value, error) {
		var err error
		for _, p := range parts {
			if v, err = r.getitem(v, p); err != nil {
				return nil, err
			}
			if _, ok := v.(*undefined); ok && def != nil {
				v = def
			}
		}
		if fold {
			return r.foldCase(v)
		}
		return v, nil
	}
}

// foldCase lowers a string, so that sorting ignores case.
func (r *run) foldCase(v Value) (Value, error) {
	if s, ok := asString(v); ok {
		return toLower(s), r.alloc(2 * len(s))
	}
	return v, nil
}

// each maps a generator over v; f says whether to keep the item it returns.
func (r *run) each(v Value, f func(Value) (Value, bool, error)) *iterator {
	return lazy(v, func() (*iterator, error) {
		it, err := iterate(v)
		if err != nil {
			return nil, err
		}
		return generator(func() (Value, bool, error) {
			for {
				x, ok, err := it.next()
				if err != nil || !ok {
					return nil, false, err
				}
				if err := r.step(1); err != nil {
					return nil, false, err
				}
				y, keep, err := f(x)
				if err != nil || keep {
					return y, keep, err
				}
			}
		}), nil
	})
}

func mapFilter(r *run, v Value, a *callArgs) (Value, error) {
	var f func(Value) (Value, error)
	prepare := func() error {
		if len(a.pos) > 0 {
			name, ok := asString(a.pos[0])
			if !ok {
				return fail("No filter named %s.", typeName(a.pos[0]))
			}
			rest := &callArgs{pos: a.pos[1:], names: a.names, vals: a.vals}
			f = func(x Value) (Value, error) { return r.filter(name, x, rest) }
			return nil
		}
		args := map[string]Value{}
		for i, n := range a.names {
			args[n] = a.vals[i]
		}
		attr, ok := args["attribute"]
		if !ok {
			return fail("map requires a filter argument")
		}
		for _, n := range a.names {
			if n != "attribute" && n != "default" {
				return fail("Unexpected keyword argument %s", reprString(n))
			}
		}
		f = r.getter(attr, false, args["default"])
		return nil
	}
	if !truth(v) {
		return generator(emptyIterator), nil
	}
	return r.each(v, func(x Value) (Value, bool, error) {
		if f == nil {
			if err := prepare(); err != nil {
				return nil, false, err
			}
		}
		y, err := f(x)
		return y, true, err
	}), nil
}

func selectFilter(r *run, v Value, a *callArgs, want, byAttr bool) (Value, error) {
	if !truth(v) {
		return generator(emptyIterator), nil
	}
	return lazy(v, func() (*iterator, error) {
		rest := a.pos
		read := func(x Value) (Value, error) { return x, nil }
		if byAttr {
			if len(rest) == 0 {
				return nil, fail("Missing parameter for attribute name")
			}
			read = r.getter(rest[0], false, nil)
			rest = rest[1:]
		}
		pass := func(x Value) (bool, error) { return truth(x), nil }
		if len(rest) > 0 {
			name, ok := asString(rest[0])
			if !ok {
				return nil, fail("No test named %s.", typeName(rest[0]))
			}
			args := &callArgs{pos: rest[1:], names: a.names, vals: a.vals}
			pass = func(x Value) (bool, error) { return r.test(name, x, args) }
		}
		return r.each(v, func(x Value) (Value, bool, error) {
			y, err := read(x)
			if err != nil {
				return nil, false, err
			}
			ok, err := pass(y)
			return x, ok == want && err == nil, err
		}), nil
	}), nil
}

func joinFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("join", 0, "d", "attribute")
	if err != nil {
		return nil, err
	}
	sep, err := r.str(or(args[0], ""))
	if err != nil {
		return nil, err
	}
	read := r.getter(or(args[1], nil), false, nil)
	it, err := iterate(v)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for i := 0; ; i++ {
		x, ok, err := it.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			return b.String(), nil
		}
		if x, err = read(x); err != nil {
			return nil, err
		}
		s, err := r.str(x)
		if err != nil {
			return nil, err
		}
		if err := r.alloc(len(s) + len(sep)); err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(sep)
		}
		b.WriteString(s)
	}
}

// keyed collects v with a sort key for each item.
func (r *run) keyed(v Value, key func(Value) (Value, error)) (items, keys []Value, err error) {
	if items, err = r.collect(v); err != nil {
		return nil, nil, err
	}
	if err = r.alloc(16 * len(items)); err != nil {
		return nil, nil, err
	}
	keys = make([]Value, len(items))
	for i, item := range items {
		if keys[i], err = key(item); err != nil {
			return nil, nil, err
		}
	}
	return items, keys, nil
}

// sortKeyed sorts items stably by their keys.
func (r *run) sortKeyed(items, keys []Value, reverse bool) ([]Value, error) {
	if err := r.alloc(32 * len(items)); err != nil {
		return nil, err
	}
	order := make([]int, len(items))
	for i := range order {
		order[i] = i
	}
	err := r.sortBy(order, func(i, j int) (bool, error) {
		if reverse {
			i, j = j, i
		}
		return r.order("<", keys[i], keys[j], 0)
	})
	if err != nil {
		return nil, err
	}
	out := make([]Value, len(items))
	for n, i := range order {
		out[n] = items[i]
	}
	return out, nil
}

func sortFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("sort", 0, "reverse", "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	fold := !truth(or(args[1], false))
	attrs := []Value{or(args[2], nil)}
	if s, ok := asString(attrs[0]); ok {
		attrs = attrs[:0]
		for _, part := range strings.Split(s, ",") {
			attrs = append(attrs, part)
		}
	}
	getters := make([]func(Value) (Value, error), len(attrs))
	for i, attr := range attrs {
		getters[i] = r.getter(attr, fold, nil)
	}
	items, keys, err := r.keyed(v, func(x Value) (Value, error) {
		t := &Tuple{}
		for _, get := range getters {
			k, err := get(x)
			if err != nil {
				return nil, err
			}
			t.items = append(t.items, k)
		}
		return t, nil
	})
	if err != nil {
		return nil, err
	}
	out, err := r.sortKeyed(items, keys, truth(or(args[0], false)))
	return &List{items: out}, err
}

func dictsortFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("dictsort", 0, "case_sensitive", "by", "reverse")
	if err != nil {
		return nil, err
	}
	by, _ := asString(or(args[1], "key"))
	if by != "key" && by != "value" {
		return nil, fail(`You can only sort by either "key" or "value"`)
	}
	o, ok := v.(*Object)
	if !ok {
		if u, isUndefined := v.(*undefined); isUndefined {
			return nil, fail("%s", u.msg)
		}
		return nil, fail("'%s' object has no attribute 'items'", typeName(v))
	}
	pos := map[string]int64{"key": 0, "value": 1}[by]
	items, keys, err := r.keyed(&view{obj: o, kind: "items"}, r.getter(pos, !truth(or(args[0], false)), nil))
	if err != nil {
		return nil, err
	}
	out, err := r.sortKeyed(items, keys, truth(or(args[2], false)))
	return &List{items: out}, err
}

func extremeFilter(r *run, v Value, a *callArgs, op string) (Value, error) {
	args, err := a.bind("min", 0, "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	items, keys, err := r.keyed(v, r.getter(or(args[1], nil), !truth(or(args[0], false)), nil))
	if err != nil {
		return nil, err
	}
	if len(items) == 0 {
		return &undefined{msg: "No aggregated item, sequence was empty."}, nil
	}
	best := 0
	for i := 1; i < len(items); i++ {
		better, err := r.order(op, keys[i], keys[best], 0)
		if err != nil {
			return nil, err
		}
		if better {
			best = i
		}
	}
	return items[best], nil
}

func uniqueFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("unique", 0, "case_sensitive", "attribute")
	if err != nil {
		return nil, err
	}
	key := r.getter(or(args[1], nil), !truth(or(args[0], false)), nil)
	seen := map[any]bool{}
	return r.each(v, func(x Value) (Value, bool, error) {
		k, err := key(x)
		if err != nil {
			return nil, false, err
		}
		h, err := r.hashKey(k)
		if err != nil || seen[h] {
			return nil, false, err
		}
		seen[h] = true
		return x, true, r.alloc(64)
	}), nil
}

func groupbyFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("groupby", 1, "attribute", "default", "case_sensitive")
	if err != nil {
		return nil, err
	}
	fold := !truth(or(args[2], false))
	def := or(args[1], nil)
	key := r.getter(args[0], fold, def)
	items, keys, err := r.keyed(v, key)
	if err != nil {
		return nil, err
	}
	if items, err = r.sortKeyed(items, keys, false); err != nil {
		return nil, err
	}
	out := &List{}
	var last Value
	for i, item := range items {
		k, err := key(item)
		if err != nil {
			return nil, err
		}
		eq := false
		if i > 0 {
			if eq, err = r.equal(k, last); err != nil {
				return nil, err
			}
		}
		last = k
		if eq {
			group := out.items[len(out.items)-1].(*Tuple).items[1].(*List)
			group.items = append(group.items, item)
			continue
		}
		if fold {
			if k, err = r.getter(args[0], false, def)(item); err != nil {
				return nil, err
			}
		}
		out.items = append(out.items, &Tuple{items: []Value{k, NewList(item)}, names: []string{"grouper", "list"}})
	}
	return out, r.alloc(96 * len(items))
}

func sumFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("sum", 0, "attribute", "start")
	if err != nil {
		return nil, err
	}
	total := or(args[1], int64(0))
	if _, ok := asString(total); ok {
		return nil, fail("sum() can't sum strings [use ''.join(seq) instead]")
	}
	read := r.getter(or(args[0], nil), false, nil)
	it, err := iterate(v)
	if err != nil {
		return nil, err
	}
	for {
		x, ok, err := it.next()
		if err != nil || !ok {
			return total, err
		}
		if x, err = read(x); err != nil {
			return nil, err
		}
		if total, err = r.binary("+", total, x); err != nil {
			return nil, err
		}
	}
}

func batchFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("batch", 1, "linecount", "fill_with")
	if err != nil {
		return nil, err
	}
	n, err := indexArg(args[0])
	if err != nil {
		return nil, err
	}
	fill := or(args[1], nil)
	return lazy(v, func() (*iterator, error) {
		items, err := r.collect(v)
		if err != nil {
			return nil, err
		}
		var out []Value
		var row []Value
		for _, x := range items {
			if int64(len(row)) == n {
				out = append(out, &List{items: row})
				row = nil
			}
			row = append(row, x)
		}
		if len(row) > 0 {
			if fill != nil {
				missing := n - int64(len(row))
				if missing > int64(r.memory/16) {
					return nil, failKind(Limit, "too much memory")
				}
				if err := r.alloc(16 * int(max(missing, 0))); err != nil {
					return nil, err
				}
				for ; missing > 0; missing-- {
					row = append(row, fill)
				}
			}
			out = append(out, &List{items: row})
		}
		return sliceIterator(out, "generator"), r.alloc(64 * len(out))
	}), nil
}

func sliceFilter(r *run, v Value, a *callArgs) (Value, error) {
	args, err := a.bind("slice", 1, "slices", "fill_with")
	if err != nil {
		return nil, err
	}
	n, err := indexArg(args[0])
	if err != nil {
		return nil, err
	}
	fill := or(args[1], nil)
	return lazy(v, func() (*iterator, error) {
		items, err := r.collect(v)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, fail("integer division or modulo by zero")
		}
		if n > int64(r.memory/64) {
			return nil, failKind(Limit, "too much memory")
		}
		n := int(max(n, 0))
		if err := r.alloc(64 * n); err != nil {
			return nil, err
		}
		var out []Value
		offset := 0
		for i := 0; i < n; i++ {
			size := len(items) / n
			extra := len(items) % n
			if i < extra {
				size++
			}
			part := append([]Value(nil), items[offset:offset+size]...)
			offset += size
			if fill != nil && i >= extra {
				part = append(part, fill)
			}
			out = append(out, &List{items: part})
		}
		return sliceIterator(out, "generator"), nil
	}), nil
}
