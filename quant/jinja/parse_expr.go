// The parser for expressions: one method a level of precedence.

package jinja

import "strings"

func (p *parser) expression() (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	line := p.cur().line
	x, err := p.or()
	for err == nil && p.skipName("if") {
		c := &condExpr{a: x, line: line}
		if c.test, err = p.or(); err != nil {
			return nil, err
		}
		if p.skipName("else") {
			if c.b, err = p.expression(); err != nil {
				return nil, err
			}
		}
		x = c
	}
	return x, err
}

func (p *parser) or() (expr, error) {
	x, err := p.and()
	for err == nil && p.skipName("or") {
		var y expr
		y, err = p.and()
		x = &logicExpr{or: true, l: x, r: y}
	}
	return x, err
}

func (p *parser) and() (expr, error) {
	x, err := p.not()
	for err == nil && p.skipName("and") {
		var y expr
		y, err = p.not()
		x = &logicExpr{l: x, r: y}
	}
	return x, err
}

func (p *parser) not() (expr, error) {
	n := 0
	for p.skipName("not") {
		n++
	}
	x, err := p.compare()
	if n > 0 {
		if x = expr(&notExpr{x: x}); n%2 == 0 {
			x = &notExpr{x: x}
		}
	}
	return x, err
}

func (p *parser) compare() (expr, error) {
	line := p.cur().line
	x, err := p.sum()
	var c *compareExpr
	for err == nil {
		op := ""
		switch t := p.cur(); {
		case t.kind == tokOp && hasWord("== != < <= > >=", t.text):
			op = t.text
		case p.isName("in"):
			op = "in"
		case p.isName("not") && p.look().kind == tokName && p.look().text == "in":
			op = "not in"
			p.next()
		}
		if op == "" {
			break
		}
		p.next()
		var y expr
		if y, err = p.sum(); err != nil {
			return nil, err
		}
		if c == nil {
			c = &compareExpr{x: x, line: line}
		}
		c.ops = append(c.ops, op)
		c.rest = append(c.rest, y)
	}
	if c != nil {
		return c, err
	}
	return x, err
}

// binary parses a left-associative chain of the operators in ops.
func (p *parser) binary(ops string, operand func() (expr, error)) (expr, error) {
	x, err := operand()
	for err == nil && p.cur().kind == tokOp && hasWord(ops, p.cur().text) {
		t := p.next()
		var y expr
		if y, err = operand(); err != nil {
			return nil, err
		}
		x = &binExpr{op: t.text, l: x, r: y, line: t.line}
	}
	return x, err
}

func (p *parser) sum() (expr, error) { return p.binary("+ -", p.concat) }

func (p *parser) concat() (expr, error) {
	x, err := p.product()
	if err != nil || !p.isOp("~") {
		return x, err
	}
	c := &concatExpr{parts: []expr{x}}
	for p.skipOp("~") {
		if x, err = p.product(); err != nil {
			return nil, err
		}
		c.parts = append(c.parts, x)
	}
	return c, nil
}

func (p *parser) product() (expr, error) { return p.binary("* / // %", p.power) }

func (p *parser) power() (expr, error) {
	return p.binary("**", func() (expr, error) { return p.unary(true) })
}

func (p *parser) unary(withFilter bool) (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	var x expr
	var err error
	if t := p.cur(); p.isOp("-") || p.isOp("+") {
		p.next()
		u := &unaryExpr{op: t.text, line: t.line}
		u.x, err = p.unary(false)
		x = u
	} else {
		x, err = p.primary(false)
	}
	if err != nil {
		return nil, err
	}
	if x, err = p.postfix(x); err != nil || !withFilter {
		return x, err
	}
	for err == nil {
		switch {
		case p.isOp("|"):
			x, err = p.filters(x, false)
		case p.isName("is"):
			x, err = p.test(x)
		case p.isOp("("):
			x, err = p.call(x)
		default:
			return x, nil
		}
	}
	return nil, err
}

func (p *parser) primary(withNamespace bool) (expr, error) {
	t := p.cur()
	switch t.kind {
	case tokName:
		p.next()
		switch t.text {
		case "true", "True":
			return &constExpr{true}, nil
		case "false", "False":
			return &constExpr{false}, nil
		case "none", "None":
			return &constExpr{nil}, nil
		}
		if withNamespace && p.skipOp(".") {
			attr, err := p.name()
			return &nsExpr{name: t.text, attr: attr, line: t.line}, err
		}
		return &nameExpr{name: t.text, line: t.line}, nil
	case tokString:
		var b strings.Builder
		for p.cur().kind == tokString {
			b.WriteString(p.next().text)
		}
		return &constExpr{b.String()}, nil
	case tokInt, tokFloat:
		p.next()
		return &constExpr{t.num}, nil
	case tokOp:
		switch t.text {
		case "(":
			p.next()
			x, err := p.tuple(true, "", true)
			if err != nil {
				return nil, err
			}
			return x, p.expectOp(")")
		case "[":
			return p.list()
		case "{":
			return p.dict()
		}
	}
	return nil, p.errorf(t.line, "unexpected '%s'", t)
}

// tuple parses an expression, or several with commas; end is a word that may follow a trailing comma.
func (p *parser) tuple(withCond bool, end string, parenthesised bool) (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	item := p.or
	if withCond {
		item = p.expression
	}
	return p.tupleOf(item, end, parenthesised)
}

func (p *parser) tupleOf(item func() (expr, error), end string, parenthesised bool) (expr, error) {
	var items []expr
	isTuple := false
	for {
		if len(items) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		t := p.cur()
		if t.kind == tokVarEnd || t.kind == tokBlockEnd || p.isOp(")") || end != "" && p.isName(end) {
			break
		}
		x, err := item()
		if err != nil {
			return nil, err
		}
		items = append(items, x)
		if !p.isOp(",") {
			break
		}
		isTuple = true
	}
	if !isTuple {
		if len(items) > 0 {
			return items[0], nil
		}
		if !parenthesised {
			return nil, p.errorf(p.cur().line, "Expected an expression, got '%s'", p.cur())
		}
	}
	return &tupleExpr{items: items}, nil
}

func (p *parser) list() (expr, error) {
	p.next()
	l := &listExpr{}
	for !p.isOp("]") {
		if len(l.items) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.isOp("]") {
				break
			}
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		l.items = append(l.items, x)
	}
	return l, p.expectOp("]")
}

func (p *parser) dict() (expr, error) {
	p.next()
	d := &dictExpr{}
	for !p.isOp("}") {
		if len(d.keys) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.isOp("}") {
				break
			}
		}
		k, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expectOp(":"); err != nil {
			return nil, err
		}
		v, err := p.expression()
		if err != nil {
			return nil, err
		}
		d.keys = append(d.keys, k)
		d.vals = append(d.vals, v)
	}
	return d, p.expectOp("}")
}

func (p *parser) postfix(x expr) (expr, error) {
	var err error
	for err == nil {
		switch {
		case p.isOp("."):
			x, err = p.attribute(x)
		case p.isOp("["):
			x, err = p.subscript(x)
		case p.isOp("("):
			x, err = p.call(x)
		default:
			return x, nil
		}
	}
	return nil, err
}

func (p *parser) attribute(x expr) (expr, error) {
	line := p.next().line
	switch t := p.next(); t.kind {
	case tokName:
		return &attrExpr{x: x, name: t.text, line: line}, nil
	case tokInt:
		return &itemExpr{x: x, arg: &constExpr{t.num}, line: line}, nil
	default:
		return nil, p.errorf(t.line, "expected name or number")
	}
}

func (p *parser) subscript(x expr) (expr, error) {
	line := p.next().line
	var items []expr
	for !p.isOp("]") {
		if len(items) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		item, err := p.subscribed(x, line)
		if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	if err := p.expectOp("]"); err != nil {
		return nil, err
	}
	if len(items) == 1 {
		if s, ok := items[0].(*sliceExpr); ok {
			return s, nil
		}
		return &itemExpr{x: x, arg: items[0], line: line}, nil
	}
	for _, item := range items {
		if s, ok := item.(*sliceExpr); ok && s.x == x {
			return nil, &Error{Kind: Unsupported, Line: line, Msg: "slices of several dimensions are not supported"}
		}
	}
	return &itemExpr{x: x, arg: &tupleExpr{items: items}, line: line}, nil
}

// subscribed parses one item between brackets: an expression, or a slice of x.
func (p *parser) subscribed(x expr, line int) (expr, error) {
	var parts [3]expr
	i := 0
	for {
		if !p.isOp(":") && !p.isOp("]") && !p.isOp(",") {
			part, err := p.expression()
			if err != nil {
				return nil, err
			}
			parts[i] = part
			if i == 0 && !p.isOp(":") {
				return part, nil
			}
		} else if i == 0 && !p.isOp(":") {
			return nil, p.errorf(p.cur().line, "unexpected '%s'", p.cur())
		}
		if i == 2 || !p.skipOp(":") {
			return &sliceExpr{x: x, lo: parts[0], hi: parts[1], step: parts[2], line: line}, nil
		}
		i++
	}
}

func (p *parser) call(x expr) (expr, error) {
	line := p.cur().line
	a, err := p.arguments()
	return &callExpr{fn: x, args: a, line: line}, err
}

func (p *parser) arguments() (a argList, err error) {
	line := p.cur().line
	if err := p.expectOp("("); err != nil {
		return a, err
	}
	bad := func() (argList, error) {
		return a, p.errorf(line, "invalid syntax for function call expression")
	}
	for first := true; !p.isOp(")"); first = false {
		if len(a.pos)+len(a.names) > maxArguments {
			return a, &Error{Kind: Limit, Line: line, Msg: "too many arguments"}
		}
		if !first {
			if err := p.expectOp(","); err != nil {
				return a, err
			}
			if p.isOp(")") {
				break
			}
		}
		switch {
		case p.isOp("*"):
			if a.dynPos != nil || a.dyn != nil {
				return bad()
			}
			p.next()
			a.dynPos, err = p.expression()
		case p.isOp("**"):
			if a.dyn != nil {
				return bad()
			}
			p.next()
			a.dyn, err = p.expression()
		case p.cur().kind == tokName && p.look().kind == tokOp && p.look().text == "=":
			if a.dyn != nil {
				return bad()
			}
			name := p.next().text
			p.next()
			for _, n := range a.names {
				if n == name {
					return a, p.errorf(line, "keyword argument repeated: %s", name)
				}
			}
			a.names = append(a.names, name)
			var v expr
			v, err = p.expression()
			a.vals = append(a.vals, v)
		default:
			if a.dynPos != nil || a.dyn != nil || len(a.names) > 0 {
				return bad()
			}
			var v expr
			v, err = p.expression()
			a.pos = append(a.pos, v)
		}
		if err != nil {
			return a, err
		}
	}
	return a, p.expectOp(")")
}

// dotted parses a filter's or test's name.
func (p *parser) dotted() (string, error) {
	name, err := p.name()
	for err == nil && p.skipOp(".") {
		var part string
		part, err = p.name()
		name += "." + part
	}
	return name, err
}

// filters parses a chain of filters; with inline the first has no bar before it. Without any, it returns x.
func (p *parser) filters(x expr, inline bool) (expr, error) {
	for p.isOp("|") || inline {
		if !inline {
			p.next()
		}
		inline = false
		f := &filterExpr{x: x, line: p.cur().line}
		var err error
		if f.name, err = p.dotted(); err != nil {
			return nil, err
		}
		if p.isOp("(") {
			if f.args, err = p.arguments(); err != nil {
				return nil, err
			}
		}
		x = f
	}
	return x, nil
}

func (p *parser) test(x expr) (expr, error) {
	t := &testExpr{x: x, line: p.next().line}
	negated := p.skipName("not")
	var err error
	if t.name, err = p.dotted(); err != nil {
		return nil, err
	}
	c := p.cur()
	switch {
	case p.isOp("("):
		t.args, err = p.arguments()
	case p.isName("is"):
		return nil, p.errorf(c.line, "You cannot chain multiple tests with is")
	case c.kind == tokName && !hasWord("else or and", c.text), c.kind == tokString, c.kind == tokInt, c.kind == tokFloat,
		p.isOp("["), p.isOp("{"):
		var arg expr
		if arg, err = p.primary(false); err == nil {
			arg, err = p.postfix(arg)
		}
		t.args.pos = []expr{arg}
	}
	if err != nil {
		return nil, err
	}
	if negated {
		return &notExpr{x: t}, nil
	}
	return t, nil
}
