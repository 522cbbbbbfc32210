// Package jinja renders the chat templates of language models: a subset of Jinja2 with the settings that Hugging Face's
// apply_chat_template uses (sandboxed, trim_blocks and lstrip_blocks on, loop controls, generation blocks, its own
// tojson), reproduced to the byte. Templates come from strangers: steps, output, memory and depth are bounded.
//
// Left out, as an error that says so: template inheritance, include and import, autoescape, and the filters and methods
// that no chat template needs (urlize, pprint, wordwrap, str.translate and the like).
package jinja

import (
	"errors"
	"time"
)

// Template is a parsed template. It may be rendered by several goroutines at once.
type Template struct {
	body  []stmt
	fn    *function
	scope scopeInfo
}

// Options bound a rendering; a zero field means its default.
type Options struct {
	Now       func() time.Time // what strftime_now reads; default time.Now
	MaxSteps  int              // operations; default 10 million
	MaxOutput int              // bytes of the result; default 16 MiB
	MaxMemory int              // bytes of all values made on the way; default 256 MiB
	MaxDepth  int              // macro calls and recursive loops inside one another; default 100
}

// Parse reads a template. Its error is an *Error with a line.
func Parse(source string) (*Template, error) {
	body, err := parse(source)
	if err != nil {
		return nil, err
	}
	fn, scope, err := resolveTemplate(body)
	if err != nil {
		return nil, err
	}
	return &Template{body: body, fn: fn, scope: scope}, nil
}

// Render runs the template with vars as its variables; vars may be nil. Its error is an *Error with a line.
func (t *Template) Render(vars *Object, opts Options) (string, error) {
	r := newRun(vars, opts)
	out, err := r.template(t)
	if err == nil {
		return out, nil
	}
	var e *Error
	if errors.As(err, &e) && e.Line == 0 {
		located := *e
		located.Line = r.line
		err = &located
	}
	return "", err
}
