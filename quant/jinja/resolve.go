// The resolver: walks the tree once after parsing, gives every name its variable and finds what Jinja refuses to
// compile: unknown filters and tests, break outside a loop, assignment to loop.

package jinja

type frame struct {
	syms *symbols
	fn   *function
	soft bool // inside an if: unknown filters fail only when reached
}

type resolver struct{}

// maxTree bounds the depth of the tree: long chains of + or | nest without brackets.
const maxTree = 400

func resolveTemplate(body []stmt) (*function, scopeInfo, error) {
	syms := newSymbols(nil)
	r := &resolver{}
	if err := measure(body); err != nil {
		return nil, scopeInfo{}, err
	}
	budget := maxCopies
	syms.budget = &budget
	syms.visit(body)
	fr := frame{syms: syms, fn: newFunction(nil, 0)}
	info := fr.info()
	err := r.body(body, fr)
	if budget < 0 {
		err = &Error{Kind: Limit, Line: 1, Msg: "too many names in too many branches"}
	}
	return fr.fn, info, err
}

// measure checks the depth of every expression before anything else recurses into it.
func measure(body []stmt) error {
	for _, st := range body {
		var exprs []expr
		var bodies [][]stmt
		line := 0
		switch n := st.(type) {
		case *outputStmt:
			exprs, line = []expr{n.x}, n.line
		case *forStmt:
			exprs, bodies, line = []expr{n.target, n.iter, n.test}, [][]stmt{n.body, n.orelse}, n.line
		case *ifStmt:
			exprs, bodies, line = n.tests, append([][]stmt{n.orelse}, n.bodies...), n.line
		case *setStmt:
			exprs, line = []expr{n.target, n.value}, n.line
		case *setBlockStmt:
			exprs, bodies, line = []expr{n.target, n.filter}, [][]stmt{n.body}, n.line
		case *macroStmt:
			exprs, bodies, line = n.def.defaults, [][]stmt{n.def.body}, n.def.line
		case *callStmt:
			exprs, bodies, line = append([]expr(nil), n.def.defaults...), [][]stmt{n.def.body}, n.line
			if n.call != nil {
				exprs = append(exprs, n.call)
			}
		case *filterStmt:
			exprs, bodies, line = []expr{n.filter}, [][]stmt{n.body}, n.line
		case *withStmt:
			exprs, bodies, line = append(append([]expr(nil), n.targets...), n.values...), [][]stmt{n.body}, n.line
		}
		for _, x := range exprs {
			if !shallow(x, 0) {
				return &Error{Kind: Limit, Line: line, Msg: "expression nested too deeply"}
			}
		}
		for _, b := range bodies {
			if err := measure(b); err != nil {
				return err
			}
		}
	}
	return nil
}

func shallow(x expr, depth int) bool {
	if x == nil {
		return true
	}
	if depth > maxTree {
		return false
	}
	for _, c := range children(x) {
		if !shallow(c, depth+1) {
			return false
		}
	}
	return true
}

func (fr frame) inner() frame {
	return frame{syms: newSymbols(fr.syms), fn: fr.fn}
}

// locate turns an ident into its place as seen from the frame's function.
func (fr frame) locate(id ident) ref {
	hops := 0
	fn := fr.fn
	for fn.parent != nil && id.level < fn.level {
		fn = fn.parent
		hops++
	}
	return ref{hops, fn.slot(id)}
}

// info lists what the frame does on entry; it is asked for once the frame's names are all known.
func (fr frame) info() scopeInfo {
	var s scopeInfo
	for _, id := range fr.syms.order {
		l := fr.syms.loads[id]
		slot := fr.locate(id).slot
		s.slots = append(s.slots, slot)
		if l.action == loadParam {
			continue
		}
		op := enterOp{slot: slot, action: l.action, name: l.name}
		if l.action == loadAlias {
			op.from = fr.locate(l.from)
		}
		s.enter = append(s.enter, op)
	}
	return s
}

func lineError(k Kind, line int, msg string) error { return &Error{Kind: k, Line: line, Msg: msg} }

func (r *resolver) body(body []stmt, fr frame) error {
	for _, st := range body {
		if err := r.stmt(st, fr); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) stmt(st stmt, fr frame) error {
	switch n := st.(type) {
	case *outputStmt:
		return r.exprs(fr, n.x)
	case *forStmt:
		return r.forLoop(n, fr)
	case *ifStmt:
		fr.soft = true
		if err := r.exprs(fr, n.tests...); err != nil {
			return err
		}
		for _, b := range n.bodies {
			if err := r.body(b, fr); err != nil {
				return err
			}
		}
		return r.body(n.orelse, fr)
	case *macroStmt:
		if err := r.macro(&n.def, fr); err != nil {
			return err
		}
		id, _ := fr.syms.find(n.def.name)
		n.ref = fr.locate(id)
	case *setStmt:
		r.targetRefs(n.target, fr)
		collectNS(n.target, &n.spaces)
		return r.exprs(fr, n.value)
	case *setBlockStmt:
		in := fr.inner()
		in.syms.visit(n.body)
		n.scope = in.info()
		if err := r.body(n.body, in); err != nil {
			return err
		}
		r.targetRefs(n.target, fr)
		return r.exprs(in, n.filter)
	case *callStmt:
		if err := r.macro(&n.def, fr); err != nil {
			return err
		}
		if n.call != nil {
			return r.exprs(fr, n.call)
		}
	case *filterStmt:
		in := fr.inner()
		in.syms.visit(n.body)
		in.syms.loadAll(n.filter)
		n.scope = in.info()
		if err := r.body(n.body, in); err != nil {
			return err
		}
		return r.exprs(in, n.filter)
	case *withStmt:
		in := fr.inner()
		for _, t := range n.targets {
			in.syms.assign(t, true)
		}
		in.syms.visit(n.body)
		n.scope = in.info()
		for _, t := range n.targets {
			r.targetRefs(t, in)
		}
		if err := r.exprs(fr, n.values...); err != nil {
			return err
		}
		return r.body(n.body, in)
	case *breakStmt:
		if fr.fn.loops == 0 {
			return lineError(Syntax, n.line, "'break' outside loop")
		}
	case *continueStmt:
		if fr.fn.loops == 0 {
			return lineError(Syntax, n.line, "'continue' not properly in loop")
		}
	}
	return nil
}

func collectNS(x expr, out *[]*nsExpr) {
	switch n := x.(type) {
	case *nsExpr:
		*out = append(*out, n)
	case *tupleExpr:
		for _, item := range n.items {
			collectNS(item, out)
		}
	}
}

func (r *resolver) forLoop(n *forStmt, fr frame) error {
	if line := storesLoop([]stmt{n}); line > 0 {
		return lineError(Syntax, line, "Can't assign to special loop variable in for-loop target")
	}
	fn := fr.fn
	if n.recursive {
		fn = newFunction(fr.fn, fr.syms.level+1)
		n.loopFn = fn
	}
	in := frame{syms: newSymbols(fr.syms), fn: fn}
	n.loopSlot = -1
	if n.recursive || usesName(n.body, "loop") {
		in.syms.param("loop")
	}
	in.syms.assign(n.target, true)
	in.syms.visit(n.body)
	els := frame{syms: newSymbols(fr.syms), fn: fn}
	els.syms.visit(n.orelse)

	if n.test != nil {
		test := frame{syms: newSymbols(fr.syms), fn: newFunction(fr.fn, fr.syms.level+1)}
		test.syms.assign(n.target, true)
		test.syms.loadAll(n.test)
		n.testScope = test.info()
		n.testTarget = cloneTarget(n.target)
		r.targetRefs(n.testTarget, test)
		if err := r.exprs(test, n.test); err != nil {
			return err
		}
		n.testFn = test.fn
	}
	n.bodyScope = in.info()
	n.elseScope = els.info()
	if id, ok := in.syms.refs["loop"]; ok {
		n.loopSlot = in.locate(id).slot
	}
	r.targetRefs(n.target, in)
	if err := r.exprs(fr, n.iter); err != nil {
		return err
	}
	fn.loops++
	err := r.body(n.body, in)
	fn.loops--
	if err != nil {
		return err
	}
	return r.body(n.orelse, els)
}

func cloneTarget(x expr) expr {
	switch n := x.(type) {
	case *nameExpr:
		c := *n
		return &c
	case *tupleExpr:
		c := &tupleExpr{}
		for _, item := range n.items {
			c.items = append(c.items, cloneTarget(item))
		}
		return c
	}
	return x
}

func (r *resolver) macro(d *macroDef, fr frame) error {
	in := frame{syms: newSymbols(fr.syms), fn: newFunction(fr.fn, fr.syms.level+1)}
	d.fn = in.fn
	for _, p := range d.params {
		in.syms.param(p.name)
	}
	in.syms.loadAll(d.defaults...)
	in.syms.visit(d.body)
	special := func(name string) int {
		if !usesName(d.body, name) {
			return -1
		}
		for _, p := range d.params {
			if p.name == name {
				return -1
			}
		}
		in.syms.param(name)
		return in.locate(ident{in.syms.level, name}).slot
	}
	for i, p := range d.params {
		if p.name == "caller" && i < len(d.params)-len(d.defaults) && usesName(d.body, "caller") {
			return lineError(Syntax, d.line, `When defining macros or call blocks the special "caller" argument must be omitted or be given a default.`)
		}
	}
	d.caller, d.kwargs, d.varpos = special("caller"), special("kwargs"), special("varargs")
	d.scope = in.info()
	for _, p := range d.params {
		d.slots = append(d.slots, in.locate(ident{in.syms.level, p.name}).slot)
	}
	if err := r.exprs(in, d.defaults...); err != nil {
		return err
	}
	return r.body(d.body, in)
}

func (r *resolver) targetRefs(x expr, fr frame) {
	switch n := x.(type) {
	case *nameExpr:
		id, _ := fr.syms.find(n.name)
		n.ref = fr.locate(id)
	case *nsExpr:
		id, _ := fr.syms.find(n.name)
		n.ref = fr.locate(id)
	case *tupleExpr:
		for _, item := range n.items {
			r.targetRefs(item, fr)
		}
	}
}

func (r *resolver) exprs(fr frame, xs ...expr) error {
	for _, x := range xs {
		if err := r.expr(x, fr); err != nil {
			return err
		}
	}
	return nil
}

func (r *resolver) expr(x expr, fr frame) error {
	switch n := x.(type) {
	case nil:
		return nil
	case *nameExpr:
		id, ok := fr.syms.find(n.name)
		if !ok {
			return lineError(Syntax, n.line, "'"+n.name+"' can't be used here")
		}
		n.ref = fr.locate(id)
		return nil
	case *condExpr:
		fr.soft = true
	case *filterExpr:
		if !fr.soft && !knownFilter(n.name) {
			return lineError(Syntax, n.line, "No filter named '"+n.name+"'.")
		}
	case *testExpr:
		if !fr.soft && !knownTest(n.name) {
			return lineError(Syntax, n.line, "No test named '"+n.name+"'.")
		}
	}
	for _, c := range children(x) {
		if err := r.expr(c, fr); err != nil {
			return err
		}
	}
	return nil
}

// usesName reports whether a body reads a name anywhere before assigning it, in the order of the text.
func usesName(body []stmt, name string) bool {
	s := &nameSearch{name: name}
	s.body(body)
	return s.found
}

type nameSearch struct {
	name        string
	found, dead bool // dead: assigned first
}

func (s *nameSearch) exprs(xs ...expr) {
	for _, x := range xs {
		if x != nil && !s.dead {
			walkNames(x, func(n *nameExpr) { s.found = s.found || n.name == s.name })
		}
	}
}

func (s *nameSearch) target(x expr) {
	switch n := x.(type) {
	case *nameExpr:
		s.dead = s.dead || n.name == s.name
	case *tupleExpr:
		for _, item := range n.items {
			s.target(item)
		}
	}
}

func (s *nameSearch) def(d *macroDef) {
	for _, p := range d.params {
		s.target(p)
	}
	s.exprs(d.defaults...)
}

func (s *nameSearch) body(body []stmt) {
	for _, st := range body {
		if s.found || s.dead {
			return
		}
		switch n := st.(type) {
		case *outputStmt:
			s.exprs(n.x)
		case *forStmt:
			s.target(n.target)
			s.exprs(n.iter)
			s.body(n.body)
			s.body(n.orelse)
			s.exprs(n.test)
		case *ifStmt:
			s.exprs(n.tests[0])
			s.body(n.bodies[0])
			for i := 1; i < len(n.tests); i++ {
				s.exprs(n.tests[i])
				s.body(n.bodies[i])
			}
			s.body(n.orelse)
		case *setStmt:
			s.target(n.target)
			s.exprs(n.value)
		case *setBlockStmt:
			s.target(n.target)
			s.exprs(n.filter)
			s.body(n.body)
		case *macroStmt:
			s.def(&n.def)
			s.body(n.def.body)
		case *callStmt:
			if n.call != nil {
				s.exprs(n.call)
			}
			s.def(&n.def)
			s.body(n.def.body)
		case *filterStmt:
			s.body(n.body)
			s.exprs(n.filter)
		case *withStmt:
			for _, t := range n.targets {
				s.target(t)
			}
			s.exprs(n.values...)
			s.body(n.body)
		}
	}
}

// storesLoop finds an assignment to loop anywhere inside and returns its line.
func storesLoop(body []stmt) int {
	has := func(x expr) bool {
		s := &nameSearch{name: "loop"}
		s.target(x)
		return s.dead
	}
	for _, st := range body {
		switch n := st.(type) {
		case *forStmt:
			if has(n.target) {
				return n.line
			}
			if line := storesLoop(n.body) + storesLoop(n.orelse); line > 0 {
				return line
			}
		case *ifStmt:
			for _, b := range append([][]stmt{n.orelse}, n.bodies...) {
				if line := storesLoop(b); line > 0 {
					return line
				}
			}
		case *setStmt:
			if has(n.target) {
				return n.line
			}
		case *setBlockStmt:
			if has(n.target) {
				return n.line
			}
			if line := storesLoop(n.body); line > 0 {
				return line
			}
		case *macroStmt:
			if line := storesLoop(n.def.body); line > 0 {
				return line
			}
		case *callStmt:
			if line := storesLoop(n.def.body); line > 0 {
				return line
			}
		case *filterStmt:
			if line := storesLoop(n.body); line > 0 {
				return line
			}
		case *withStmt:
			if line := storesLoop(n.body); line > 0 {
				return line
			}
		}
	}
	return 0
}
