// The interpreter for statements.

package jinja

// control is how a body ended.
type control uint8

const (
	ctlNext control = iota
	ctlBreak
	ctlContinue
)

func (r *run) template(t *Template) (string, error) {
	a := newActivation(t.fn, nil)
	r.enterScope(&t.scope, a)
	if _, err := r.body(t.body, a); err != nil {
		return "", err
	}
	return r.out.String(), nil
}

func (r *run) body(body []stmt, a *activation) (control, error) {
	for _, st := range body {
		c, err := r.stmt(st, a)
		if err != nil || c != ctlNext {
			return c, err
		}
	}
	return ctlNext, nil
}

func (r *run) stmt(st stmt, a *activation) (control, error) {
	if err := r.step(1); err != nil {
		return ctlNext, err
	}
	switch n := st.(type) {
	case *dataStmt:
		return ctlNext, r.write(n.text)
	case *outputStmt:
		r.line = n.line
		v, err := r.eval(n.x, a)
		if err != nil {
			return ctlNext, err
		}
		return ctlNext, r.print(v)
	case *ifStmt:
		for i, test := range n.tests {
			r.line = n.lines[i]
			v, err := r.eval(test, a)
			if err != nil {
				return ctlNext, err
			}
			if truth(v) {
				return r.body(n.bodies[i], a)
			}
		}
		return r.body(n.orelse, a)
	case *forStmt:
		return r.forLoop(n, a)
	case *setStmt:
		return ctlNext, r.set(n, a)
	case *setBlockStmt:
		return r.setBlock(n, a)
	case *macroStmt:
		*a.at(n.ref) = &macro{def: &n.def, env: a}
		return ctlNext, r.alloc(64)
	case *callStmt:
		return ctlNext, r.callBlock(n, a)
	case *filterStmt:
		return r.filterBlock(n, a)
	case *withStmt:
		r.line = n.line
		r.enterScope(&n.scope, a)
		for i, t := range n.targets {
			v, err := r.eval(n.values[i], a)
			if err != nil {
				return ctlNext, err
			}
			if err := r.assign(t, v, a); err != nil {
				return ctlNext, err
			}
		}
		c, err := r.body(n.body, a)
		n.scope.leave(a)
		return c, err
	case *breakStmt:
		return ctlBreak, nil
	case *continueStmt:
		return ctlContinue, nil
	}
	return ctlNext, fail("unknown statement")
}

func (r *run) print(v Value) error {
	s, err := r.str(v)
	if err != nil {
		return err
	}
	return r.write(s)
}

func (r *run) set(n *setStmt, a *activation) error {
	r.line = n.line
	for _, ns := range n.spaces {
		if _, ok := (*a.at(ns.ref)).(*namespace); !ok {
			return fail("cannot assign attribute on non-namespace object")
		}
	}
	v, err := r.eval(n.value, a)
	if err != nil {
		return err
	}
	return r.assign(n.target, v, a)
}

func (r *run) assign(target expr, v Value, a *activation) error {
	switch n := target.(type) {
	case *nameExpr:
		*a.at(n.ref) = v
		return nil
	case *nsExpr:
		ns, ok := (*a.at(n.ref)).(*namespace)
		if !ok {
			return fail("cannot assign attribute on non-namespace object")
		}
		return ns.set(n.attr, v)
	case *tupleExpr:
		items, err := r.unpack(v, len(n.items))
		if err != nil {
			return err
		}
		for i, item := range n.items {
			if err := r.assign(item, items[i], a); err != nil {
				return err
			}
		}
		return nil
	}
	return fail("can't assign")
}

// unpack takes exactly n items from v.
func (r *run) unpack(v Value, n int) ([]Value, error) {
	if _, ok := v.(*iterator); !ok {
		if _, err := iterate(v); err != nil {
			return nil, fail("cannot unpack non-iterable %s object", typeName(v))
		}
	}
	it, err := iterate(v)
	if err != nil {
		return nil, err
	}
	items := make([]Value, 0, n)
	for {
		x, ok, err := it.next()
		switch {
		case err != nil:
			return nil, err
		case !ok && len(items) < n:
			return nil, fail("not enough values to unpack (expected %d, got %d)", n, len(items))
		case !ok:
			return items, nil
		case len(items) == n:
			return nil, fail("too many values to unpack (expected %d)", n)
		}
		items = append(items, x)
	}
}

func (r *run) setBlock(n *setBlockStmt, a *activation) (control, error) {
	r.line = n.line
	r.enterScope(&n.scope, a)
	var c control
	text, err := r.capture(func() (err error) {
		c, err = r.body(n.body, a)
		return err
	})
	if err != nil || c != ctlNext {
		return c, err
	}
	var v Value = text
	if n.filter != nil {
		if v, err = r.blockFilter(n.filter.(*filterExpr), text, a); err != nil {
			return ctlNext, err
		}
	}
	if err := r.assign(n.target, v, a); err != nil {
		return ctlNext, err
	}
	n.scope.leave(a)
	return ctlNext, nil
}

func (r *run) filterBlock(n *filterStmt, a *activation) (control, error) {
	r.line = n.line
	r.enterScope(&n.scope, a)
	var c control
	text, err := r.capture(func() (err error) {
		c, err = r.body(n.body, a)
		return err
	})
	if err != nil || c != ctlNext {
		return c, err
	}
	v, err := r.blockFilter(n.filter.(*filterExpr), text, a)
	if err != nil {
		return ctlNext, err
	}
	n.scope.leave(a)
	return ctlNext, r.print(v)
}

// blockFilter applies a chain of filters whose innermost operand is the text of a block.
func (r *run) blockFilter(f *filterExpr, text string, a *activation) (Value, error) {
	var v Value = text
	if f.x != nil {
		var err error
		if v, err = r.blockFilter(f.x.(*filterExpr), text, a); err != nil {
			return nil, err
		}
	}
	return r.filterOn(f, v, a)
}

func (r *run) callBlock(n *callStmt, a *activation) error {
	r.line = n.line
	m := &macro{def: &n.def, env: a}
	var v Value
	var err error
	if n.call == nil {
		v, err = m.invoke(r, &callArgs{})
	} else {
		var fn Value
		if fn, err = r.eval(n.call.fn, a); err != nil {
			return err
		}
		var args *callArgs
		if args, err = r.args(&n.call.args, a); err != nil {
			return err
		}
		if err = args.addName("caller", m); err != nil {
			return err
		}
		v, err = r.callValue(fn, args)
	}
	if err != nil {
		return err
	}
	return r.print(v)
}
