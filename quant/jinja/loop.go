// For loops: filters, else, recursion, and the loop variable.

package jinja

import "fmt"

// loopValue is the variable loop inside a body.
type loopValue struct {
	it        *iterator
	source    Value
	index0    int
	length    int // -1 until asked for
	depth0    int
	before    Value
	current   Value
	after     Value
	hasAfter  bool
	ended     bool // after was looked for and isn't there
	changed   []Value
	recurse   func(v Value, depth int) (string, error)
	recursive bool
}

func (l *loopValue) pull() (Value, bool, error) {
	if l.hasAfter {
		v := l.after
		l.hasAfter, l.after = false, nil
		return v, true, nil
	}
	if l.ended {
		return nil, false, nil
	}
	return l.it.next()
}

func (l *loopValue) peek() (Value, bool, error) {
	if l.hasAfter {
		return l.after, true, nil
	}
	if l.ended {
		return nil, false, nil
	}
	v, ok, err := l.it.next()
	if err != nil {
		return nil, false, err
	}
	l.after, l.hasAfter, l.ended = v, ok, !ok
	return v, ok, nil
}

func (l *loopValue) len(r *run) (int, error) {
	if l.length >= 0 {
		return l.length, nil
	}
	if n, ok := length(l.source); ok {
		l.length = n
		return n, nil
	}
	rest, err := r.collect(l.it)
	if err != nil {
		return 0, err
	}
	l.it = sliceIterator(rest, "list_iterator")
	l.length = len(rest) + l.index0 + 1
	if l.hasAfter {
		l.length++
	}
	return l.length, nil
}

func (l *loopValue) attr(r *run, name string) (Value, bool, error) {
	switch name {
	case "index":
		return int64(l.index0 + 1), true, nil
	case "index0":
		return int64(l.index0), true, nil
	case "first":
		return l.index0 == 0, true, nil
	case "depth":
		return int64(l.depth0 + 1), true, nil
	case "depth0":
		return int64(l.depth0), true, nil
	case "last":
		_, ok, err := l.peek()
		return !ok, true, err
	case "length", "revindex", "revindex0":
		n, err := l.len(r)
		switch name {
		case "revindex":
			n -= l.index0
		case "revindex0":
			n -= l.index0 + 1
		}
		return int64(n), true, err
	case "previtem":
		if l.index0 == 0 {
			return &undefined{msg: "there is no previous item"}, true, nil
		}
		return l.before, true, nil
	case "nextitem":
		v, ok, err := l.peek()
		if !ok {
			v = &undefined{msg: "there is no next item"}
		}
		return v, true, err
	case "cycle":
		return &builtin{name: "cycle", call: func(r *run, a *callArgs) (Value, error) {
			if len(a.pos) == 0 || len(a.names) > 0 {
				return nil, fail("no items for cycling given")
			}
			return a.pos[l.index0%len(a.pos)], nil
		}}, true, nil
	case "changed":
		return &builtin{name: "changed", call: func(r *run, a *callArgs) (Value, error) {
			same := l.changed != nil
			if same {
				var err error
				if same, err = r.equal(&Tuple{items: l.changed}, &Tuple{items: a.pos}); err != nil {
					return nil, err
				}
			}
			l.changed = append([]Value{}, a.pos...)
			return !same, nil
		}}, true, nil
	}
	return nil, false, nil
}

func (l *loopValue) call(r *run, a *callArgs) (Value, error) {
	if !l.recursive {
		return nil, fail("The loop must have the 'recursive' marker to be called recursively.")
	}
	vals, err := a.bind("loop", 1, "iterable")
	if err != nil {
		return nil, err
	}
	return l.recurse(vals[0], l.depth0+1)
}

func (l *loopValue) repr(r *run) (string, error) {
	n, err := l.len(r)
	return fmt.Sprintf("<LoopContext %d/%d>", l.index0+1, n), err
}

// forLoop runs a loop; its control is that of the else branch, whose break belongs to the loop around.
func (r *run) forLoop(n *forStmt, a *activation) (control, error) {
	r.line = n.line
	v, err := r.eval(n.iter, a)
	if err != nil {
		return ctlNext, err
	}
	if n.loopFn == nil {
		return r.loopOver(n, v, a, a, 0, nil)
	}
	var recurse func(v Value, depth int) (string, error)
	recurse = func(v Value, depth int) (string, error) {
		return r.capture(func() error {
			return r.call(func() error {
				_, err := r.loopOver(n, v, newActivation(n.loopFn, a), a, depth, recurse)
				return err
			})
		})
	}
	text, err := recurse(v, 0)
	if err != nil {
		return ctlNext, err
	}
	return ctlNext, r.write(text)
}

// filtered is the lazy sequence of the items that pass the loop's test.
func (r *run) filtered(n *forStmt, it *iterator, outer *activation) *iterator {
	a := newActivation(n.testFn, outer)
	entered := false
	return &iterator{name: "generator", next: func() (Value, bool, error) {
		if !entered {
			r.enterScope(&n.testScope, a)
			entered = true
		}
		for {
			x, ok, err := it.next()
			if err != nil || !ok {
				return nil, false, err
			}
			if err := r.step(1); err != nil {
				return nil, false, err
			}
			if err := r.assign(n.testTarget, x, a); err != nil {
				return nil, false, err
			}
			pass, err := r.eval(n.test, a)
			if err != nil {
				return nil, false, err
			}
			if truth(pass) {
				return r.targetValue(n.testTarget, a), true, nil
			}
		}
	}}
}

// targetValue reads an assignment target back, as the filter hands it on.
func (r *run) targetValue(x expr, a *activation) Value {
	switch n := x.(type) {
	case *nameExpr:
		return *a.at(n.ref)
	case *tupleExpr:
		t := &Tuple{}
		for _, item := range n.items {
			t.items = append(t.items, r.targetValue(item, a))
		}
		return t
	}
	return nil
}

func (r *run) loopOver(n *forStmt, v Value, a, outer *activation, depth int, recurse func(Value, int) (string, error)) (control, error) {
	it, err := iterate(v)
	if err != nil {
		return ctlNext, err
	}
	l := &loopValue{it: it, source: v, index0: -1, length: -1, depth0: depth, recurse: recurse, recursive: n.recursive}
	if n.test != nil {
		l.it = r.filtered(n, it, outer)
		l.source = l.it
	}
	if n.loopSlot >= 0 {
		a.slots[n.loopSlot] = missingValue{}
	}
	finished := false
	for {
		x, ok, err := l.pull()
		if err != nil {
			return ctlNext, err
		}
		if !ok {
			break
		}
		if err := r.step(1); err != nil {
			return ctlNext, err
		}
		l.index0++
		l.before, l.current = l.current, x
		if n.loopSlot >= 0 {
			a.slots[n.loopSlot] = l
		}
		if err := r.assign(n.target, x, a); err != nil {
			return ctlNext, err
		}
		r.enterScope(&n.bodyScope, a)
		c, err := r.body(n.body, a)
		if err != nil {
			return ctlNext, err
		}
		if c == ctlBreak {
			break
		}
		finished = finished || c == ctlNext
	}
	n.bodyScope.leave(a)
	if len(n.orelse) > 0 && !finished {
		r.enterScope(&n.elseScope, a)
		c, err := r.body(n.orelse, a)
		n.elseScope.leave(a)
		return c, err
	}
	return ctlNext, nil
}
