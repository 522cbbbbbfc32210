// Calls: how arguments meet parameters, macros, and the functions of the environment.

package jinja

import "strings"

type callArgs struct {
	pos   []Value
	names []string
	vals  []Value
}

func (a *callArgs) addName(name string, v Value) error {
	for _, n := range a.names {
		if n == name {
			return fail("got multiple values for keyword argument '%s'", name)
		}
	}
	a.names = append(a.names, name)
	a.vals = append(a.vals, v)
	return nil
}

// bind matches arguments to params, of which the first need are required; what wasn't given is a missingValue.
func (a *callArgs) bind(fn string, need int, params ...string) ([]Value, error) {
	if len(a.pos) > len(params) {
		return nil, fail("%s() takes at most %d arguments (%d given)", fn, len(params), len(a.pos))
	}
	out := make([]Value, len(params))
	for i := range out {
		out[i] = missingValue{}
	}
	copy(out, a.pos)
next:
	for i, name := range a.names {
		for j, p := range params {
			if p == name {
				if j < len(a.pos) {
					return nil, fail("%s() got multiple values for argument '%s'", fn, name)
				}
				out[j] = a.vals[i]
				continue next
			}
		}
		return nil, fail("%s() got an unexpected keyword argument '%s'", fn, name)
	}
	for i := 0; i < need; i++ {
		if isMissing(out[i]) {
			return nil, fail("%s() missing required argument '%s'", fn, params[i])
		}
	}
	return out, nil
}

// positional takes between lo and hi arguments without names.
func (a *callArgs) positional(fn string, lo, hi int) ([]Value, error) {
	if len(a.names) > 0 {
		return nil, fail("%s() takes no keyword arguments", fn)
	}
	if len(a.pos) < lo || len(a.pos) > hi {
		return nil, fail("%s() takes %d to %d arguments (%d given)", fn, lo, hi, len(a.pos))
	}
	return a.pos, nil
}

func isMissing(v Value) bool {
	_, ok := v.(missingValue)
	return ok
}

// or gives v, or def if the argument wasn't given.
func or(v, def Value) Value {
	if isMissing(v) {
		return def
	}
	return v
}

func (r *run) callValue(fn Value, a *callArgs) (Value, error) {
	switch f := fn.(type) {
	case *builtin:
		return f.call(r, a)
	case *macro:
		return f.invoke(r, a)
	case *loopValue:
		return f.call(r, a)
	case *joiner:
		return f.call(a)
	case *undefined:
		return nil, fail("%s", f.msg)
	}
	return nil, fail("'%s' object is not callable", typeName(fn))
}

// macro is a macro, or the body of a call block, with the variables around its definition.
type macro struct {
	def *macroDef
	env *activation
}

func (m *macro) invoke(r *run, a *callArgs) (Value, error) {
	d := m.def
	act := newActivation(d.fn, m.env)
	if err := r.alloc(64 + 16*len(act.slots)); err != nil {
		return nil, err
	}
	if err := r.step(1 + len(d.params)*len(a.names)/16); err != nil {
		return nil, err
	}
	used := make([]bool, len(a.names))
	take := func(name string) Value {
		for i, n := range a.names {
			if n == name && !used[i] {
				used[i] = true
				return a.vals[i]
			}
		}
		return missingValue{}
	}
	vals := make([]Value, len(d.params))
	for i, p := range d.params {
		if i < len(a.pos) {
			vals[i] = a.pos[i]
		} else {
			vals[i] = take(p.name)
		}
	}
	if d.caller >= 0 {
		act.slots[d.caller] = or(take("caller"), &undefined{msg: "No caller defined"})
	}
	if err := m.surplus(r, a, used, act); err != nil {
		return nil, err
	}
	var text string
	err := r.call(func() (err error) {
		text, err = r.capture(func() error { return m.run(r, act, vals) })
		return err
	})
	return text, err
}

// surplus hands what no parameter took to kwargs and varargs, or refuses it.
func (m *macro) surplus(r *run, a *callArgs, used []bool, act *activation) error {
	d := m.def
	kwargs := NewObject()
	for i, n := range a.names {
		if used[i] {
			continue
		}
		if d.kwargs < 0 {
			return fail("macro %s takes no keyword argument %s", reprString(d.name), reprString(n))
		}
		if err := r.put(kwargs, n, a.vals[i]); err != nil {
			return err
		}
	}
	if d.kwargs >= 0 {
		act.slots[d.kwargs] = kwargs
	}
	extra := len(a.pos) - len(d.params)
	switch {
	case d.varpos >= 0:
		act.slots[d.varpos] = &Tuple{items: a.pos[len(a.pos)-max(extra, 0):]}
	case extra > 0:
		return fail("macro %s takes not more than %d argument(s)", reprString(d.name), len(d.params))
	}
	return nil
}

func (m *macro) run(r *run, act *activation, vals []Value) error {
	d := m.def
	r.line = d.line
	r.enterScope(&d.scope, act)
	for i, slot := range d.slots {
		act.slots[slot] = vals[i]
	}
	first := len(d.params) - len(d.defaults)
	for i, slot := range d.slots {
		if !isMissing(vals[i]) {
			continue
		}
		if i < first {
			act.slots[slot] = &undefined{msg: "parameter " + reprString(d.params[i].name) + " was not provided"}
			continue
		}
		v, err := r.eval(d.defaults[i-first], act)
		if err != nil {
			return err
		}
		act.slots[slot] = v
	}
	_, err := r.body(d.body, act)
	return err
}

func (m *macro) attr(name string) (Value, bool) {
	switch name {
	case "name":
		if m.def.name == "" {
			return nil, true
		}
		return m.def.name, true
	case "arguments":
		t := &Tuple{}
		for _, p := range m.def.params {
			t.items = append(t.items, p.name)
		}
		return t, true
	case "catch_kwargs":
		return m.def.kwargs >= 0, true
	case "catch_varargs":
		return m.def.varpos >= 0, true
	case "caller":
		return m.def.caller >= 0, true
	}
	return nil, false
}

// global returns a function of the environment, or nil.
func global(name string) Value {
	var f func(r *run, a *callArgs) (Value, error)
	switch name {
	case "range":
		f = makeRange
	case "dict":
		f = makeDict
	case "namespace":
		f = func(r *run, a *callArgs) (Value, error) {
			v, err := makeDict(r, a)
			if err != nil {
				return nil, err
			}
			attrs := v.(*Object)
			for _, k := range attrs.keys {
				if err := checkAttr(k); err != nil {
					return nil, err
				}
			}
			return &namespace{attrs: attrs}, nil
		}
	case "raise_exception":
		f = func(r *run, a *callArgs) (Value, error) {
			v, err := a.bind("raise_exception", 1, "message")
			if err != nil {
				return nil, err
			}
			s, err := r.str(v[0])
			if err != nil {
				return nil, err
			}
			return nil, failKind(Raised, "%s", s)
		}
	case "strftime_now":
		f = func(r *run, a *callArgs) (Value, error) {
			v, err := a.bind("strftime_now", 1, "format")
			if err != nil {
				return nil, err
			}
			s, ok := asString(v[0])
			if !ok {
				return nil, fail("strftime() argument 1 must be str, not %s", typeName(v[0]))
			}
			return r.strftime(r.now(), s)
		}
	case "cycler":
		f = func(r *run, a *callArgs) (Value, error) {
			if len(a.pos) == 0 || len(a.names) > 0 {
				return nil, fail("at least one item has to be provided")
			}
			return &cycler{items: a.pos}, nil
		}
	case "joiner":
		f = func(r *run, a *callArgs) (Value, error) {
			v, err := a.bind("joiner", 0, "sep")
			if err != nil {
				return nil, err
			}
			return &joiner{sep: or(v[0], ", ")}, nil
		}
	case "lipsum":
		f = func(r *run, a *callArgs) (Value, error) {
			return nil, failKind(Unsupported, "lipsum is not supported")
		}
	default:
		return nil
	}
	return &builtin{name: name, call: f}
}

// maxRange is the sandbox's own bound.
const maxRange = 100000

func makeRange(r *run, a *callArgs) (Value, error) {
	vals, err := a.positional("range", 1, 3)
	if err != nil {
		return nil, err
	}
	n := [3]int64{0, 0, 1}
	for i, v := range vals {
		if _, ok := asInt(v); !ok {
			return nil, fail("'%s' object cannot be interpreted as an integer", typeName(v))
		}
		if n[i], err = indexArg(v); err != nil {
			return nil, err
		}
		if n[i] > 1<<60 || n[i] < -1<<60 {
			return nil, fail("range bounds too big")
		}
	}
	if len(vals) == 1 {
		n[0], n[1] = 0, n[0]
	}
	x := &rangeValue{start: n[0], stop: n[1], step: n[2]}
	switch {
	case x.step == 0:
		return nil, fail("range() arg 3 must not be zero")
	case x.step > 0 && x.stop > x.start:
		x.n = (x.stop-x.start-1)/x.step + 1
	case x.step < 0 && x.stop < x.start:
		x.n = (x.start-x.stop-1)/-x.step + 1
	}
	if x.n > maxRange {
		return nil, fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (%d).", maxRange)
	}
	return x, nil
}

func makeDict(r *run, a *callArgs) (Value, error) {
	o := NewObject()
	if len(a.pos) > 1 {
		return nil, fail("dict expected at most 1 argument, got %d", len(a.pos))
	}
	if len(a.pos) == 1 {
		if src, ok := a.pos[0].(*Object); ok {
			for i, k := range src.keys {
				if err := r.put(o, k, src.vals[i]); err != nil {
					return nil, err
				}
			}
		} else {
			items, err := r.collect(a.pos[0])
			if err != nil {
				return nil, err
			}
			for _, item := range items {
				kv, err := r.unpack(item, 2)
				if err != nil {
					return nil, err
				}
				if err := r.put(o, kv[0], kv[1]); err != nil {
					return nil, err
				}
			}
		}
	}
	for i, n := range a.names {
		if err := r.put(o, n, a.vals[i]); err != nil {
			return nil, err
		}
	}
	return o, nil
}

func checkAttr(k Value) error {
	if s, ok := asString(k); ok && strings.HasPrefix(s, "_") {
		return fail("Chat templates cannot store underscore-prefixed attributes on a namespace, but got %s.", reprString(s))
	}
	return nil
}

func (ns *namespace) set(name string, v Value) error {
	if err := checkAttr(name); err != nil {
		return err
	}
	ns.attrs.Set(name, v)
	return nil
}

type cycler struct {
	items []Value
	pos   int
}

func (c *cycler) attr(name string) (Value, bool) {
	switch name {
	case "current":
		return c.items[c.pos], true
	case "items":
		return &Tuple{items: c.items}, true
	case "pos":
		return int64(c.pos), true
	case "next", "reset":
		return &builtin{name: name, call: func(r *run, a *callArgs) (Value, error) {
			if name == "reset" {
				c.pos = 0
				return nil, nil
			}
			v := c.items[c.pos]
			c.pos = (c.pos + 1) % len(c.items)
			return v, nil
		}}, true
	}
	return nil, false
}

type joiner struct {
	sep  Value
	used bool
}

func (j *joiner) call(a *callArgs) (Value, error) {
	if !j.used {
		j.used = true
		return "", nil
	}
	return j.sep, nil
}
