// The parser for statements.

package jinja

import "strings"

type parser struct {
	toks  []token
	pos   int
	depth int
}

// maxNesting bounds how deep statements, brackets and signs nest in a template; it keeps recursion off hostile ones.
const maxNesting = 150

// maxArguments bounds the parameters of a macro and the arguments of a call.
const maxArguments = 1000

func parse(source string) ([]stmt, error) {
	toks, err := lex(source)
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	body, err := p.statements("")
	if err != nil {
		return nil, err
	}
	return body, nil
}

func (p *parser) cur() token { return p.toks[p.pos] }

func (p *parser) look() token {
	if p.pos+1 < len(p.toks) {
		return p.toks[p.pos+1]
	}
	return p.cur()
}

func (p *parser) next() token {
	t := p.toks[p.pos]
	if t.kind != tokEOF {
		p.pos++
	}
	return t
}

func (p *parser) errorf(line int, format string, args ...any) error {
	err := failKind(Syntax, format, args...).(*Error)
	err.Line = line
	return err
}

func (p *parser) isOp(op string) bool { t := p.cur(); return t.kind == tokOp && t.text == op }

func (p *parser) isName(name string) bool { t := p.cur(); return t.kind == tokName && t.text == name }

func (p *parser) skipOp(op string) bool {
	if p.isOp(op) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) skipName(name string) bool {
	if p.isName(name) {
		p.pos++
		return true
	}
	return false
}

func (p *parser) unexpected(want string) error {
	t := p.cur()
	if t.kind == tokEOF {
		return p.errorf(t.line, "unexpected end of template, expected '%s'.", want)
	}
	return p.errorf(t.line, "expected token '%s', got '%s'", want, t)
}

func (p *parser) expectOp(op string) error {
	if !p.skipOp(op) {
		return p.unexpected(op)
	}
	return nil
}

func (p *parser) expectName(name string) error {
	if !p.skipName(name) {
		return p.unexpected(name)
	}
	return nil
}

func (p *parser) name() (string, error) {
	if p.cur().kind != tokName {
		return "", p.unexpected("name")
	}
	return p.next().text, nil
}

func (p *parser) expectKind(k tokenKind) error {
	if p.cur().kind != k {
		return p.unexpected(token{kind: k}.String())
	}
	p.next()
	return nil
}

func (p *parser) enter() error {
	p.depth++
	if p.depth > maxNesting {
		return &Error{Kind: Limit, Line: p.cur().line, Msg: "template nested too deeply"}
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// statements parses up to one of the end tags, which stays the current token; ends is a space-separated list.
func (p *parser) statements(ends string) ([]stmt, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	var body []stmt
	for {
		t := p.cur()
		switch t.kind {
		case tokEOF:
			if ends != "" {
				return nil, p.errorf(t.line, "Unexpected end of template. Jinja was looking for the following tags: %s.",
					"'"+strings.ReplaceAll(ends, " ", "' or '")+"'")
			}
			return body, nil
		case tokData:
			p.next()
			body = append(body, &dataStmt{text: t.text})
		case tokVarBegin:
			p.next()
			x, err := p.tuple(true, "", false)
			if err != nil {
				return nil, err
			}
			if err := p.expectKind(tokVarEnd); err != nil {
				return nil, err
			}
			body = append(body, &outputStmt{x: x, line: t.line})
		case tokBlockBegin:
			p.next()
			if c := p.cur(); c.kind == tokName && ends != "" && hasWord(ends, c.text) {
				return body, nil
			}
			s, err := p.statement()
			if err != nil {
				return nil, err
			}
			body = append(body, s...)
			if err := p.expectKind(tokBlockEnd); err != nil {
				return nil, err
			}
		default:
			return nil, p.errorf(t.line, "unexpected '%s'", t)
		}
	}
}

// hasWord reports whether word is one of a list's words, which single spaces part.
func hasWord(list, word string) bool {
	for rest := list; ; {
		i := strings.Index(rest, word)
		if i < 0 || word == "" {
			return false
		}
		end := i + len(word)
		if (i == 0 || rest[i-1] == ' ') && (end == len(rest) || rest[end] == ' ') {
			return true
		}
		rest = rest[end:]
	}
}

// block parses the end of the current tag and a body up to one of ends; with drop the end tag's name is consumed.
func (p *parser) block(ends string, drop bool) ([]stmt, error) {
	p.skipOp(":")
	if err := p.expectKind(tokBlockEnd); err != nil {
		return nil, err
	}
	body, err := p.statements(ends)
	if err == nil && drop {
		p.next()
	}
	return body, err
}

func (p *parser) statement() ([]stmt, error) {
	t := p.cur()
	if t.kind != tokName {
		return nil, p.errorf(t.line, "tag name expected")
	}
	one := func(s stmt, err error) ([]stmt, error) {
		if err != nil {
			return nil, err
		}
		return []stmt{s}, nil
	}
	p.next()
	switch t.text {
	case "for":
		return one(p.forTag(t.line))
	case "if":
		return one(p.ifTag(t.line))
	case "set":
		return one(p.setTag(t.line))
	case "macro":
		return one(p.macroTag(t.line))
	case "call":
		return one(p.callTag(t.line))
	case "generation":
		body, err := p.block("endgeneration", true)
		return one(&callStmt{def: macroDef{body: body, line: t.line}, line: t.line}, err)
	case "filter":
		return one(p.filterTag(t.line))
	case "with":
		return one(p.withTag(t.line))
	case "print":
		return p.printTag(t.line)
	case "break":
		return []stmt{&breakStmt{t.line}}, nil
	case "continue":
		return []stmt{&continueStmt{t.line}}, nil
	case "block", "extends", "include", "import", "from", "autoescape":
		return nil, &Error{Kind: Unsupported, Line: t.line, Msg: "the tag '" + t.text + "' is not supported"}
	}
	return nil, p.errorf(t.line, "Encountered unknown tag '%s'.", t.text)
}

func (p *parser) forTag(line int) (stmt, error) {
	s := &forStmt{line: line}
	var err error
	if s.target, err = p.target("in", false); err != nil {
		return nil, err
	}
	if err = p.expectName("in"); err != nil {
		return nil, err
	}
	if s.iter, err = p.tuple(false, "recursive", false); err != nil {
		return nil, err
	}
	if p.skipName("if") {
		if s.test, err = p.expression(); err != nil {
			return nil, err
		}
	}
	s.recursive = p.skipName("recursive")
	if s.body, err = p.block("endfor else", false); err != nil {
		return nil, err
	}
	if p.next().text == "else" {
		s.orelse, err = p.block("endfor", true)
	}
	return s, err
}

func (p *parser) ifTag(line int) (stmt, error) {
	s := &ifStmt{line: line}
	for {
		s.lines = append(s.lines, p.cur().line)
		test, err := p.tuple(false, "", false)
		if err != nil {
			return nil, err
		}
		body, err := p.block("elif else endif", false)
		if err != nil {
			return nil, err
		}
		s.tests = append(s.tests, test)
		s.bodies = append(s.bodies, body)
		switch p.next().text {
		case "elif":
			continue
		case "else":
			s.orelse, err = p.block("endif", true)
			return s, err
		}
		return s, nil
	}
}

func (p *parser) setTag(line int) (stmt, error) {
	target, err := p.target("", true)
	if err != nil {
		return nil, err
	}
	if p.skipOp("=") {
		value, err := p.tuple(true, "", false)
		return &setStmt{target: target, value: value, line: line}, err
	}
	s := &setBlockStmt{target: target, line: line}
	if s.filter, err = p.filters(nil, false); err != nil {
		return nil, err
	}
	s.body, err = p.block("endset", true)
	return s, err
}

func (p *parser) signature(d *macroDef) error {
	if err := p.expectOp("("); err != nil {
		return err
	}
	for !p.isOp(")") {
		if len(d.params) > 0 {
			if err := p.expectOp(","); err != nil {
				return err
			}
		}
		t := p.cur()
		name, err := p.targetName()
		if err != nil {
			return err
		}
		if len(d.params) >= maxArguments {
			return &Error{Kind: Limit, Line: t.line, Msg: "too many parameters"}
		}
		for _, q := range d.params {
			if q.name == name {
				return p.errorf(t.line, "duplicate argument '%s' in macro definition", name)
			}
		}
		if p.skipOp("=") {
			x, err := p.expression()
			if err != nil {
				return err
			}
			d.defaults = append(d.defaults, x)
		} else if len(d.defaults) > 0 {
			return p.errorf(t.line, "non-default argument follows default argument")
		}
		d.params = append(d.params, &nameExpr{name: name, line: t.line})
	}
	return p.expectOp(")")
}

func (p *parser) macroTag(line int) (stmt, error) {
	s := &macroStmt{def: macroDef{line: line}}
	var err error
	if s.def.name, err = p.targetName(); err != nil {
		return nil, err
	}
	if err = p.signature(&s.def); err != nil {
		return nil, err
	}
	s.def.body, err = p.block("endmacro", true)
	return s, err
}

func (p *parser) callTag(line int) (stmt, error) {
	s := &callStmt{def: macroDef{line: line}, line: line}
	if p.isOp("(") {
		if err := p.signature(&s.def); err != nil {
			return nil, err
		}
	}
	x, err := p.expression()
	if err != nil {
		return nil, err
	}
	call, ok := x.(*callExpr)
	if !ok {
		return nil, p.errorf(line, "expected call")
	}
	s.call = call
	s.def.body, err = p.block("endcall", true)
	return s, err
}

func (p *parser) filterTag(line int) (stmt, error) {
	s := &filterStmt{line: line}
	var err error
	if s.filter, err = p.filters(nil, true); err != nil {
		return nil, err
	}
	s.body, err = p.block("endfilter", true)
	return s, err
}

func (p *parser) withTag(line int) (stmt, error) {
	s := &withStmt{line: line}
	for p.cur().kind != tokBlockEnd {
		if len(s.targets) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		target, err := p.target("", false)
		if err != nil {
			return nil, err
		}
		if err := p.expectOp("="); err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		s.targets = append(s.targets, target)
		s.values = append(s.values, value)
	}
	var err error
	s.body, err = p.block("endwith", true)
	return s, err
}

func (p *parser) printTag(line int) ([]stmt, error) {
	var out []stmt
	for p.cur().kind != tokBlockEnd {
		if len(out) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		out = append(out, &outputStmt{x: x, line: line})
	}
	return out, nil
}

func (p *parser) targetName() (string, error) {
	t := p.cur()
	name, err := p.name()
	if err == nil && !assignable(name) {
		err = p.errorf(t.line, "can't assign to 'name'")
	}
	return name, err
}

func assignable(name string) bool {
	switch name {
	case "true", "false", "none", "True", "False", "None":
		return false
	}
	return true
}

// target parses what stands left of "=" or "in".
func (p *parser) target(end string, withNamespace bool) (expr, error) {
	line := p.cur().line
	x, err := p.tupleOf(func() (expr, error) { return p.primary(withNamespace) }, end, false)
	if err != nil {
		return nil, err
	}
	if !canAssign(x, 0) {
		return nil, p.errorf(line, "can't assign to this expression")
	}
	return x, nil
}

func canAssign(x expr, depth int) bool {
	switch n := x.(type) {
	case *nameExpr:
		return assignable(n.name)
	case *nsExpr:
		return true
	case *tupleExpr:
		for _, item := range n.items {
			if depth > maxNesting || !canAssign(item, depth+1) {
				return false
			}
		}
		return true
	}
	return false
}
