// The state of one rendering, and the budgets that keep hostile templates short.

package jinja

import (
	"strings"
	"time"
)

type run struct {
	vars     *Object
	now      func() time.Time
	steps    int
	memory   int
	depth    int
	maxOut   int
	maxDepth int
	out      *strings.Builder
	root     *strings.Builder // out of the template itself, whose length is bounded
	line     int
}

// activation holds the variables of one function call.
type activation struct {
	slots  []Value
	parent *activation
}

func orDefault(n, def int) int {
	if n > 0 {
		return n
	}
	return def
}

func newRun(vars *Object, o Options) *run {
	r := &run{
		vars:     vars,
		now:      o.Now,
		steps:    orDefault(o.MaxSteps, 10_000_000),
		memory:   orDefault(o.MaxMemory, 256<<20),
		maxOut:   orDefault(o.MaxOutput, 16<<20),
		maxDepth: orDefault(o.MaxDepth, 100),
		root:     &strings.Builder{},
	}
	r.out = r.root
	if r.now == nil {
		r.now = time.Now
	}
	return r
}

// step charges n operations.
func (r *run) step(n int) error {
	if r.steps -= n; r.steps < 0 {
		return failKind(Limit, "too many steps")
	}
	return nil
}

// scan charges for reading a string of n bytes.
func (r *run) scan(n int) error { return r.step(1 + n/64) }

// alloc charges n bytes of memory, before they are allocated.
func (r *run) alloc(n int) error {
	if n < 0 || n > r.memory {
		return failKind(Limit, "too much memory")
	}
	r.memory -= n
	return r.step(1 + n/256)
}

func (r *run) write(s string) error {
	if r.out == r.root {
		if r.out.Len()+len(s) > r.maxOut {
			return failKind(Limit, "output longer than %d bytes", r.maxOut)
		}
	} else if err := r.alloc(len(s)); err != nil {
		return err
	}
	r.out.WriteString(s)
	return nil
}

// capture runs f with a buffer of its own and returns what f wrote.
func (r *run) capture(f func() error) (string, error) {
	old := r.out
	r.out = &strings.Builder{}
	err := f()
	s := r.out.String()
	r.out = old
	return s, err
}

func newActivation(fn *function, parent *activation) *activation {
	a := &activation{slots: make([]Value, len(fn.slots)), parent: parent}
	for i := range a.slots {
		a.slots[i] = missingValue{}
	}
	return a
}

// call runs f one level deeper; line is where the caller stands, which is restored after.
func (r *run) call(f func() error) error {
	r.depth++
	if r.depth > r.maxDepth {
		return failKind(Limit, "calls nested deeper than %d", r.maxDepth)
	}
	line := r.line
	err := f()
	r.depth--
	if err == nil {
		r.line = line
	}
	return err
}

func (a *activation) at(p ref) *Value {
	for i := 0; i < p.hops; i++ {
		a = a.parent
	}
	return &a.slots[p.slot]
}

func (r *run) enterScope(s *scopeInfo, a *activation) {
	for i := range s.enter {
		op := &s.enter[i]
		switch op.action {
		case loadContext:
			a.slots[op.slot] = r.lookup(op.name)
		case loadAlias:
			a.slots[op.slot] = *a.at(op.from)
		default:
			a.slots[op.slot] = missingValue{}
		}
	}
}

func (s *scopeInfo) leave(a *activation) {
	for _, slot := range s.slots {
		a.slots[slot] = missingValue{}
	}
}

// lookup finds a name among the variables handed to Render, then among the globals.
func (r *run) lookup(name string) Value {
	if r.vars != nil {
		if v, ok := r.vars.Get(name); ok {
			return v
		}
	}
	if f := global(name); f != nil {
		return f
	}
	return missingValue{}
}
