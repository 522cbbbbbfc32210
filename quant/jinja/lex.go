// The lexer: template text to tokens, with trim_blocks and lstrip_blocks always on.

package jinja

import (
	"math/big"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokData
	tokVarBegin
	tokVarEnd
	tokBlockBegin
	tokBlockEnd
	tokName
	tokString
	tokInt
	tokFloat
	tokOp
)

type token struct {
	kind tokenKind
	text string // data, name, string value or operator
	num  Value
	line int
}

func (t token) String() string {
	switch t.kind {
	case tokEOF:
		return "end of template"
	case tokData:
		return "template data / text"
	case tokVarBegin:
		return "begin of print statement"
	case tokVarEnd:
		return "end of print statement"
	case tokBlockBegin:
		return "begin of statement block"
	case tokBlockEnd:
		return "end of statement block"
	case tokString:
		return "string"
	case tokInt:
		return "integer"
	case tokFloat:
		return "float"
	}
	return t.text
}

type lexer struct {
	src      string
	pos      int
	line     int
	linePos  int // line is the line of this position
	toks     []token
	balance  []byte
	newLine  bool // the last match ended with a newline, or nothing was read yet
	failWith error
}

// maxSource bounds a template; the longest known has some 30 KB.
const maxSource = 1 << 20

func lex(source string) ([]token, error) {
	if len(source) > maxSource {
		return nil, failKind(Limit, "%d bytes, at most %d are allowed", len(source), maxSource)
	}
	if !utf8.ValidString(source) {
		return nil, failKind(Syntax, "not valid UTF-8")
	}
	source = strings.ReplaceAll(strings.ReplaceAll(source, "\r\n", "\n"), "\r", "\n")
	source = strings.TrimSuffix(source, "\n")
	l := &lexer{src: source, line: 1, newLine: true}
	for l.pos < len(l.src) && l.failWith == nil {
		l.root()
	}
	if l.failWith != nil {
		return nil, l.failWith
	}
	l.emit(token{kind: tokEOF}, len(l.src))
	return l.toks, nil
}

func (l *lexer) lineAt(pos int) int {
	l.line += strings.Count(l.src[l.linePos:pos], "\n")
	l.linePos = pos
	return l.line
}

func (l *lexer) emit(t token, pos int) {
	t.line = l.lineAt(pos)
	l.toks = append(l.toks, t)
}

func (l *lexer) errorf(pos int, format string, args ...any) {
	err := failKind(Syntax, format, args...).(*Error)
	err.Line = l.lineAt(pos)
	l.failWith = err
}

// advance moves past a match and notes whether a line starts there.
func (l *lexer) advance(to int) {
	l.newLine = to > l.pos && l.src[to-1] == '\n'
	l.pos = to
}

// sign reads an optional - or + at p.
func (l *lexer) sign(p int) (sign byte, next int) {
	if p < len(l.src) && (l.src[p] == '-' || l.src[p] == '+') {
		return l.src[p], p + 1
	}
	return 0, p
}

// data emits text up to end, stripped as the tag's sign and lstrip_blocks want.
func (l *lexer) data(end int, sign byte, lstrip bool) {
	text := l.src[l.pos:end]
	switch {
	case sign == '-':
		text = strings.TrimRightFunc(text, isSpace)
	case sign != '+' && lstrip:
		at := strings.LastIndexByte(text, '\n') + 1
		if (at > 0 || l.newLine) && at < len(text) && strings.TrimFunc(text[at:], isSpace) == "" {
			text = text[:at]
		}
	}
	if text != "" {
		l.emit(token{kind: tokData, text: text}, l.pos)
	}
}

// rawBegin matches {% raw %} at p and returns where its content starts.
func (l *lexer) rawBegin(p int) (next int, ok bool) {
	_, p = l.sign(p + 2)
	rest := strings.TrimLeftFunc(l.src[p:], isSpace)
	if !strings.HasPrefix(rest, "raw") {
		return 0, false
	}
	rest = strings.TrimLeftFunc(rest[3:], isSpace)
	switch {
	case strings.HasPrefix(rest, "-%}"):
		return len(l.src) - len(strings.TrimLeftFunc(rest[3:], isSpace)), true
	case strings.HasPrefix(rest, "%}"):
		return len(l.src) - len(rest) + 2, true
	}
	return 0, false
}

// closing matches an end tag at p: "+%}", "-%}" with the white space after it, or "%}" with one newline.
func (l *lexer) closing(p int, end string, trimNewline bool) (next int, ok bool) {
	s := l.src[p:]
	switch {
	case trimNewline && strings.HasPrefix(s, "+"+end):
		return p + 1 + len(end), true
	case strings.HasPrefix(s, "-"+end):
		return len(l.src) - len(strings.TrimLeftFunc(s[1+len(end):], isSpace)), true
	case strings.HasPrefix(s, end):
		p += len(end)
		if trimNewline && p < len(l.src) && l.src[p] == '\n' {
			p++
		}
		return p, true
	}
	return 0, false
}

// root reads data up to the next tag, and that tag.
func (l *lexer) root() {
	at := l.pos
	for {
		i := strings.IndexByte(l.src[at:], '{')
		if i < 0 || at+i+1 >= len(l.src) {
			l.data(len(l.src), '+', false)
			l.advance(len(l.src))
			return
		}
		at += i
		if c := l.src[at+1]; c == '{' || c == '%' || c == '#' {
			break
		}
		at++
	}
	sign, next := l.sign(at + 2)
	switch l.src[at+1] {
	case '{':
		l.data(at, sign, false)
		l.emit(token{kind: tokVarBegin}, at)
		l.advance(next)
		l.code(tokVarEnd, "}}", false)
	case '#':
		l.data(at, sign, true)
		l.advance(next)
		l.comment()
	default:
		l.data(at, sign, true)
		if body, ok := l.rawBegin(at); ok {
			l.advance(body)
			l.raw()
			return
		}
		l.emit(token{kind: tokBlockBegin}, at)
		l.advance(next)
		l.code(tokBlockEnd, "%}", true)
	}
}

func (l *lexer) comment() {
	for p := l.pos; p < len(l.src); p++ {
		i := strings.IndexAny(l.src[p:], "+-#")
		if i < 0 {
			break
		}
		p += i
		if next, ok := l.closing(p, "#}", true); ok {
			l.advance(next)
			return
		}
	}
	l.errorf(l.pos, "Missing end of comment tag")
}

func (l *lexer) raw() {
	for p := l.pos; ; p++ {
		i := strings.Index(l.src[p:], "{%")
		if i < 0 {
			l.errorf(l.pos, "Missing end of raw directive")
			return
		}
		p += i
		sign, q := l.sign(p + 2)
		rest := strings.TrimLeftFunc(l.src[q:], isSpace)
		if !strings.HasPrefix(rest, "endraw") {
			continue
		}
		rest = strings.TrimLeftFunc(rest[len("endraw"):], isSpace)
		if next, ok := l.closing(len(l.src)-len(rest), "%}", true); ok {
			l.data(p, sign, true)
			l.advance(next)
			return
		}
	}
}

// code reads the tokens inside {{ }} or {% %}.
func (l *lexer) code(endKind tokenKind, end string, trimNewline bool) {
	l.balance = l.balance[:0]
	for l.failWith == nil {
		if len(l.balance) == 0 {
			if next, ok := l.closing(l.pos, end, trimNewline); ok {
				l.emit(token{kind: endKind}, l.pos)
				l.advance(next)
				return
			}
		}
		if l.pos >= len(l.src) {
			return // the parser reports the unexpected end
		}
		l.codeToken()
	}
}

func (l *lexer) codeToken() {
	s := l.src[l.pos:]
	if trimmed := strings.TrimLeftFunc(s, isSpace); len(trimmed) < len(s) {
		l.advance(len(l.src) - len(trimmed))
		return
	}
	if n := matchFloat(s); n > 0 && (l.pos == 0 || l.src[l.pos-1] != '.') {
		f, err := strconv.ParseFloat(strings.ReplaceAll(s[:n], "_", ""), 64)
		if err != nil && f == 0 {
			l.errorf(l.pos, "bad number")
			return
		}
		l.emit(token{kind: tokFloat, num: f}, l.pos)
		l.advance(l.pos + n)
		return
	}
	if n, base := matchInt(s); n > 0 {
		digits := strings.ReplaceAll(s[:n], "_", "")
		if base != 10 {
			digits = digits[2:]
		}
		if len(digits) > maxIntDigits {
			l.errorf(l.pos, "integer of %d digits, at most %d are allowed", len(digits), maxIntDigits)
			return
		}
		b, ok := new(big.Int).SetString(digits, base)
		if !ok {
			l.errorf(l.pos, "bad number")
			return
		}
		l.emit(token{kind: tokInt, num: normBig(b), text: digits}, l.pos)
		l.advance(l.pos + n)
		return
	}
	if c, _ := utf8.DecodeRuneInString(s); isWord(c) {
		name := s
		if i := strings.IndexFunc(s, func(c rune) bool { return !isWord(c) }); i >= 0 {
			name = s[:i]
		}
		if c != '_' && !unicode.IsLetter(c) && !unicode.Is(unicode.Nl, c) {
			l.errorf(l.pos, "Invalid character in identifier")
			return
		}
		l.emit(token{kind: tokName, text: name}, l.pos)
		l.advance(l.pos + len(name))
		return
	}
	if s[0] == '\'' || s[0] == '"' {
		l.stringToken(s)
		return
	}
	l.operator(s)
}

func isWord(c rune) bool {
	return c == '_' || unicode.IsLetter(c) || unicode.IsNumber(c) || c >= 0x80 && unicode.IsMark(c) || c == 0xb7
}

func (l *lexer) stringToken(s string) {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			text, msg := unescape(s[1:i])
			if msg != "" {
				l.errorf(l.pos, "%s", msg)
				return
			}
			l.emit(token{kind: tokString, text: text}, l.pos)
			l.advance(l.pos + i + 1)
			return
		}
	}
	l.errorf(l.pos, "unexpected char %s", reprString(s[:1]))
}

func (l *lexer) operator(s string) {
	op := ""
	if len(s) > 1 {
		switch s[:2] {
		case "//", "**", "==", "!=", ">=", "<=":
			op = s[:2]
		}
	}
	if op == "" {
		c, n := utf8.DecodeRuneInString(s)
		if !strings.ContainsRune("+-/*%~[](){}><=.:|,;", c) {
			l.errorf(l.pos, "unexpected char %s", reprString(s[:n]))
			return
		}
		op = s[:1]
	}
	switch op {
	case "{":
		l.balance = append(l.balance, '}')
	case "(":
		l.balance = append(l.balance, ')')
	case "[":
		l.balance = append(l.balance, ']')
	case "}", ")", "]":
		n := len(l.balance)
		if n == 0 {
			l.errorf(l.pos, "unexpected '%s'", op)
			return
		}
		if l.balance[n-1] != op[0] {
			l.errorf(l.pos, "unexpected '%s', expected '%c'", op, l.balance[n-1])
			return
		}
		l.balance = l.balance[:n-1]
	}
	l.emit(token{kind: tokOp, text: op}, l.pos)
	l.advance(l.pos + len(op))
}

// digitRun matches (\d+_)*\d+ and returns its length.
func digitRun(s string) int {
	n := 0
	for n < len(s) && (isDigit(s[n]) || s[n] == '_' && n > 0 && isDigit(s[n-1]) && n+1 < len(s) && isDigit(s[n+1])) {
		n++
	}
	return n
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// matchFloat matches digits with a fraction, an exponent, or both.
func matchFloat(s string) int {
	n := digitRun(s)
	if n == 0 {
		return 0
	}
	frac := false
	if n+1 < len(s) && s[n] == '.' {
		if d := digitRun(s[n+1:]); d > 0 {
			n += 1 + d
			frac = true
		}
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		e := n + 1
		if e < len(s) && (s[e] == '+' || s[e] == '-') {
			e++
		}
		if e < len(s) {
			if d := digitRun(s[e:]); d > 0 {
				return e + d
			}
		}
	}
	if frac {
		return n
	}
	return 0
}

func matchInt(s string) (n, base int) {
	if !isDigit(s[0]) {
		return 0, 0
	}
	if len(s) > 1 && s[0] == '0' {
		base := 0
		switch s[1] | 0x20 {
		case 'b':
			base = 2
		case 'o':
			base = 8
		case 'x':
			base = 16
		}
		n := 2
		for base > 0 && n < len(s) {
			c := n
			if s[c] == '_' {
				c++
			}
			if c >= len(s) || digitValue(s[c]) >= base {
				break
			}
			n = c + 1
		}
		if base > 0 && n > 2 {
			return n, base
		}
	}
	if s[0] != '0' {
		return digitRun(s), 10
	}
	n = 1
	for n < len(s) {
		switch {
		case s[n] == '0':
			n++
		case s[n] == '_' && n+1 < len(s) && s[n+1] == '0':
			n += 2
		default:
			return n, 10
		}
	}
	return n, 10
}

func digitValue(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'z':
		return int(c|0x20-'a') + 10
	}
	return 99
}

// unescape decodes a string literal as Python's unicode-escape does; msg is its complaint.
func unescape(s string) (out, msg string) {
	if !strings.Contains(s, `\`) {
		return s, ""
	}
	// Python first writes every non-ASCII character as an escape, so a backslash before one escapes that escape.
	var ascii strings.Builder
	for _, c := range s {
		switch {
		case c < 0x80:
			ascii.WriteRune(c)
		case c < 0x100:
			ascii.WriteString(`\x` + hexPad(c, 2))
		case c < 0x10000:
			ascii.WriteString(`\u` + hexPad(c, 4))
		default:
			ascii.WriteString(`\U` + hexPad(c, 8))
		}
	}
	s = ascii.String()
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		if i >= len(s) {
			return "", `\ at end of string`
		}
		switch c := s[i]; c {
		case '\n':
		case '\\', '\'', '"':
			b.WriteByte(c)
		case 'a', 'b', 'f', 'n', 'r', 't', 'v':
			b.WriteByte("\a\b\f\n\r\t\v"[strings.IndexByte("abfnrtv", c)])
		case '0', '1', '2', '3', '4', '5', '6', '7':
			n := rune(0)
			j := i
			for j < len(s) && j < i+3 && '0' <= s[j] && s[j] <= '7' {
				n = n*8 + rune(s[j]-'0')
				j++
			}
			b.WriteRune(n)
			i = j - 1
		case 'x', 'u', 'U':
			digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
			if i+digits >= len(s) {
				return "", `truncated \` + string(c) + ` escape`
			}
			n, err := strconv.ParseUint(s[i+1:i+1+digits], 16, 32)
			if err != nil {
				return "", `truncated \` + string(c) + ` escape`
			}
			if n > unicode.MaxRune || 0xD800 <= n && n < 0xE000 {
				return "", "escape of an illegal Unicode character"
			}
			b.WriteRune(rune(n))
			i += digits
		case 'N':
			return "", `\N escapes are not supported`
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

func hexPad(c rune, width int) string {
	s := strconv.FormatInt(int64(c), 16)
	return strings.Repeat("0", max(0, width-len(s))) + s
}
