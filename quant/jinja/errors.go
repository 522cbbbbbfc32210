// Errors: every failure of a template is one line that names the template's line.

package jinja

import (
	"fmt"
	"strings"
)

// Kind says what went wrong in a template.
type Kind int

const (
	// Syntax marks a template that can't be parsed.
	Syntax Kind = iota + 1
	// Runtime marks an operation that Python's Jinja refuses too: a wrong type, an undefined value, a division by zero.
	Runtime
	// Raised marks a call of raise_exception by the template itself.
	Raised
	// Limit marks a template that used up one of the bounds in Options.
	Limit
	// Unsupported marks a construct that Jinja2 has and this engine leaves out.
	Unsupported
)

// Error is a failed Parse or Render.
type Error struct {
	Kind Kind
	Line int // line of the template, from 1; 0 if unknown
	Msg  string
}

// Error returns the message in one line.
func (e *Error) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("template line %d: %s", e.Line, oneLine(e.Msg))
	}
	return "template: " + oneLine(e.Msg)
}

// fail makes a Runtime error; the line is filled in where the error leaves the interpreter.
func fail(format string, args ...any) error {
	return &Error{Kind: Runtime, Msg: fmt.Sprintf(format, args...)}
}

func failKind(k Kind, format string, args ...any) error {
	return &Error{Kind: k, Msg: fmt.Sprintf(format, args...)}
}

// maxMessage bounds the text of an error, since raise_exception may quote a whole conversation.
const maxMessage = 600

func oneLine(s string) string {
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return strings.NewReplacer("\n", `\n`, "\r", `\r`, "\u2028", " ", "\u2029", " ").Replace(s)
}
