// Scopes: decides, before anything runs, where each name lives. Jinja compiles templates to Python functions whose
// local variables are found by a static pass; its rules (a set in a loop is gone after it, a name assigned anywhere in a
// scope is that scope's, an if opens no scope) are reproduced here as they are, for templates depend on them.

package jinja

// ident names one Python variable: l_<level>_<name>.
type ident struct {
	level int
	name  string
}

// ref is where an ident lives at run time: so many functions outwards, that slot.
type ref struct{ hops, slot int }

// function is a unit with its own variables: the template, a macro, a recursive loop, a loop's filter.
type function struct {
	parent *function
	level  int // of its outermost frame
	slots  map[ident]int
	loops  int // loops open around the current statement
}

func newFunction(parent *function, level int) *function {
	return &function{parent: parent, level: level, slots: map[ident]int{}}
}

func (f *function) slot(id ident) int {
	s, ok := f.slots[id]
	if !ok {
		s = len(f.slots)
		f.slots[id] = s
	}
	return s
}

type loadAction uint8

const (
	loadParam loadAction = iota
	loadContext
	loadAlias
	loadMissing
)

type load struct {
	action loadAction
	from   ident  // of loadAlias
	name   string // of loadContext
}

// symbols are the names that one frame knows.
type symbols struct {
	level  int
	parent *symbols
	refs   map[string]ident
	loads  map[ident]load
	order  []ident // keys of loads as first seen, so that the result never depends on a map's order
	stores map[string]bool
	budget *int // entries that ifs may still copy; see maxCopies
}

// maxCopies bounds what the branches of ifs copy, which grows with ifs times names.
const maxCopies = 2_000_000

func newSymbols(parent *symbols) *symbols {
	s := &symbols{parent: parent, refs: map[string]ident{}, loads: map[ident]load{}, stores: map[string]bool{}}
	if parent != nil {
		s.level = parent.level + 1
		s.budget = parent.budget
	}
	return s
}

func (s *symbols) copy() *symbols {
	c := newSymbols(s.parent)
	c.level, c.budget = s.level, s.budget
	c.update(s)
	return c
}

func (s *symbols) update(o *symbols) {
	*s.budget -= len(o.refs) + len(o.loads) + len(o.stores)
	for name, id := range o.refs {
		s.refs[name] = id
	}
	for _, id := range o.order {
		s.setLoad(id, o.loads[id])
	}
	for name := range o.stores {
		s.stores[name] = true
	}
}

func (s *symbols) setLoad(id ident, l load) {
	if _, ok := s.loads[id]; !ok {
		s.order = append(s.order, id)
	}
	s.loads[id] = l
}

func (s *symbols) find(name string) (ident, bool) {
	for ; s != nil; s = s.parent {
		if id, ok := s.refs[name]; ok {
			return id, true
		}
	}
	return ident{}, false
}

func (s *symbols) define(name string, l load) {
	id := ident{s.level, name}
	s.refs[name] = id
	s.setLoad(id, l)
}

func (s *symbols) param(name string) {
	s.stores[name] = true
	s.define(name, load{action: loadParam})
}

func (s *symbols) load(name string) {
	if _, ok := s.find(name); !ok {
		s.define(name, load{action: loadContext, name: name})
	}
}

func (s *symbols) store(name string) {
	s.stores[name] = true
	if _, ok := s.refs[name]; ok {
		return
	}
	if s.parent != nil {
		if outer, ok := s.parent.find(name); ok {
			s.define(name, load{action: loadAlias, from: outer})
			return
		}
	}
	s.define(name, load{action: loadMissing})
}

// merge takes over what the branches of an if stored: each such name may still have its outer value.
func (s *symbols) merge(branches []*symbols) {
	stored := map[string]bool{}
	for _, b := range branches {
		for name := range b.stores {
			if !s.stores[name] {
				stored[name] = true
			}
		}
	}
	for _, b := range branches {
		s.update(b)
	}
	for name := range stored {
		id, _ := s.find(name)
		l := load{action: loadContext, name: name}
		if s.parent != nil {
			if outer, ok := s.parent.find(name); ok {
				l = load{action: loadAlias, from: outer}
			}
		}
		s.setLoad(id, l)
	}
}

// scopeInfo is what a frame does on entry, and which variables it forgets on leaving.
type scopeInfo struct {
	enter []enterOp
	slots []int
}

type enterOp struct {
	slot   int
	action loadAction
	from   ref
	name   string
}

// walkNames calls f for every name in an expression.
func walkNames(x expr, f func(n *nameExpr)) {
	switch n := x.(type) {
	case *nameExpr:
		f(n)
	default:
		for _, c := range children(x) {
			walkNames(c, f)
		}
	}
}

// children lists an expression's parts; absent ones are left out.
func children(x expr) []expr {
	some := func(xs ...expr) []expr {
		var out []expr
		for _, x := range xs {
			if x != nil {
				out = append(out, x)
			}
		}
		return out
	}
	args := func(x expr, a argList) []expr {
		out := some(x)
		out = append(append(out, a.pos...), a.vals...)
		return append(out, some(a.dynPos, a.dyn)...)
	}
	switch n := x.(type) {
	case *listExpr:
		return n.items
	case *tupleExpr:
		return n.items
	case *dictExpr:
		return append(append([]expr(nil), n.keys...), n.vals...)
	case *unaryExpr:
		return some(n.x)
	case *binExpr:
		return some(n.l, n.r)
	case *logicExpr:
		return some(n.l, n.r)
	case *notExpr:
		return some(n.x)
	case *concatExpr:
		return n.parts
	case *compareExpr:
		return append(some(n.x), n.rest...)
	case *condExpr:
		return some(n.test, n.a, n.b)
	case *attrExpr:
		return some(n.x)
	case *itemExpr:
		return some(n.x, n.arg)
	case *sliceExpr:
		return some(n.x, n.lo, n.hi, n.step)
	case *callExpr:
		return args(n.fn, n.args)
	case *filterExpr:
		return args(n.x, n.args)
	case *testExpr:
		return args(n.x, n.args)
	}
	return nil
}

func (s *symbols) loadAll(xs ...expr) {
	for _, x := range xs {
		if x != nil {
			walkNames(x, func(n *nameExpr) { s.load(n.name) })
		}
	}
}

// assign notes the names in an assignment target.
func (s *symbols) assign(x expr, asParam bool) {
	switch n := x.(type) {
	case *nameExpr:
		if asParam {
			s.param(n.name)
		} else {
			s.store(n.name)
		}
	case *nsExpr:
		s.load(n.name)
	case *tupleExpr:
		for _, item := range n.items {
			s.assign(item, asParam)
		}
	}
}

// visit notes the names that a body uses in its own frame; bodies that open frames of their own are left alone.
func (s *symbols) visit(body []stmt) {
	for _, st := range body {
		switch n := st.(type) {
		case *outputStmt:
			s.loadAll(n.x)
		case *forStmt:
			s.loadAll(n.iter)
		case *ifStmt:
			s.visitIf(n)
		case *macroStmt:
			s.store(n.def.name)
		case *setStmt:
			s.loadAll(n.value)
			s.assign(n.target, false)
		case *setBlockStmt:
			s.assign(n.target, false)
		case *callStmt:
			if n.call != nil {
				s.loadAll(n.call)
			}
		case *filterStmt:
			s.loadAll(n.filter)
		case *withStmt:
			s.loadAll(n.values...)
		}
	}
}

func (s *symbols) visitIf(n *ifStmt) {
	if *s.budget < 0 {
		return // resolveTemplate reports it
	}
	s.loadAll(n.tests[0])
	first, elifs, last := s.copy(), s.copy(), s.copy()
	first.visit(n.bodies[0])
	for i := 1; i < len(n.tests); i++ {
		elifs.visitIf(&ifStmt{tests: n.tests[i : i+1], bodies: n.bodies[i : i+1]})
	}
	last.visit(n.orelse)
	s.merge([]*symbols{first, elifs, last})
}
