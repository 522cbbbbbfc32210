// Hostile templates: each must end soon, in an error, whatever it asks for.

package jinja

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestHostileTemplates(t *testing.T) {
	grow := func(step string) string {
		return "{% set ns = namespace(x='ab') %}{% for i in range(99999) %}{% set ns.x = " + step + " %}{% endfor %}"
	}
	cases := map[string]string{
		"repeat":         "{{ 'a' * 10 ** 12 }}",
		"repeat list":    "{{ [1] * 10 ** 12 }}",
		"repeat big":     "{{ 'a' * 10 ** 30 }}",
		"doubling":       grow("ns.x + ns.x"),
		"doubling list":  grow("[ns.x] + [ns.x]") + "{{ ns.x }}",
		"shared nesting": grow("[ns.x, ns.x]") + "{{ ns.x }}",
		"shared equal":   grow("[ns.x, ns.x]") + "{% set a = ns.x %}" + grow("[ns.x, ns.x]") + "{{ a == ns.x }}",
		"shared key":     grow("(ns.x, ns.x)") + "{{ {ns.x: 1} }}",
		"deep list":      grow("[ns.x]") + "{{ ns.x }}",
		"deep json":      grow("[ns.x]") + "{{ ns.x|tojson }}",
		"deep generator": grow("ns.x|map('string')") + "{{ ns.x|list }}",
		"self":           "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
		"power":          "{{ 9 ** (9 ** 9) }}",
		"power big":      "{{ 2 ** (2 ** 100) }}",
		"squaring":       "{% set ns = namespace(x=99) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
		"digits":         "{{ 2 ** 20000 }}",
		"range":          "{{ range(10 ** 9) }}",
		"loops":          "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
		"output":         "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
		"recursion":      "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"two macros":     "{% macro a() %}{{ b() }}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{{ a() }}{% endmacro %}{{ a() }}",
		"exponential":    "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
		"loop recursion": "{% set ns = namespace() %}{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
		"pad":            "{{ 'a'.center(10 ** 12) }}",
		"width":          "{{ '%999999999d' % 1 }}",
		"width format":   "{{ '{:999999999}'.format(1) }}",
		"precision":      "{{ '%.*f' % (999999999, 1.5) }}",
		"indent":         "{{ [1]|tojson(indent=10 ** 9) }}",
		"indent filter":  "{{ 'a\nb'|indent(10 ** 12) }}",
		"replace":        "{{ ('a' * 9999999)|replace('', 'b' * 9999999) }}",
		"join":           "{{ ([1] * 999999)|join('x' * 99999) }}",
		"batch":          "{{ [1]|batch(10 ** 12, 0)|list }}",
		"slice":          "{{ [1]|slice(10 ** 12)|list }}",
		"strftime":       "{% for i in range(99999) %}{{ strftime_now('%c' * 99999) }}{% endfor %}",
		"brackets":       strings.Repeat("{{ (", 1) + strings.Repeat("(", 100000),
		"lists":          "{{ " + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + " }}",
		"minus":          "{{ " + strings.Repeat("-", 100000) + "1 }}",
		"plus":           "{{ 1" + strings.Repeat("+1", 100000) + " }}",
		"filters":        "{{ 1" + strings.Repeat("|abs", 100000) + " }}",
		"calls":          "{{ a" + strings.Repeat("()", 100000) + " }}",
		"ifs":            strings.Repeat("{% if 1 %}", 100000) + strings.Repeat("{% endif %}", 100000),
		"params":         "{% macro m(" + manyNames(100000) + ") %}{% endmacro %}",
		"many branches":  strings.Repeat("{% if a %}{% set b", 1) + " = 1 %}{% endif %}" + manyBranches(15000),
		"size":           strings.Repeat("x", maxSource+1),
	}
	for name, source := range cases {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			tmpl, err := Parse(source)
			if err == nil {
				_, err = tmpl.Render(nil, Options{MaxSteps: 3_000_000, MaxMemory: 64 << 20})
			}
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("error %v, want an *Error", err)
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("took %v (%v)", d, err)
			}
		})
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "p%d", i)
	}
	return b.String()
}

func manyBranches(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{%% if v%d %%}{%% set w%d = 1 %%}{%% endif %%}", i, i)
	}
	return b.String()
}

func TestLimitsAreOptions(t *testing.T) {
	tmpl, err := Parse("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{{ 'xxxxxxxxxx' * 10 }}{% endmacro %}{{ m(20) }}")
	if err != nil {
		t.Fatal(err)
	}
	out, err := tmpl.Render(nil, Options{})
	if err != nil || len(out) != 2100 {
		t.Fatalf("%d bytes, %v", len(out), err)
	}
	for name, o := range map[string]Options{
		"steps":  {MaxSteps: 100},
		"output": {MaxOutput: 1000},
		"memory": {MaxMemory: 1000},
		"depth":  {MaxDepth: 10},
	} {
		_, err := tmpl.Render(nil, o)
		var e *Error
		if !errors.As(err, &e) || e.Kind != Limit || e.Line != 1 {
			t.Errorf("%s: %v, want a limit", name, err)
		}
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for _, c := range []struct {
		source string
		kind   Kind
		want   string
	}{
		{"a\n{{ x.y }}", Runtime, "template line 2: 'x' is undefined"},
		{"a\n\n{{ raise_exception('no\nway') }}", Raised, `template line 3: no\nway`},
		{"{% if x %}\n{% endfor %}", Syntax, "template line 2: Encountered unknown tag 'endfor'."},
		{"\n{# x", Syntax, "template line 2: Missing end of comment tag"},
		{"{% macro m() %}\n{{ 1 + 'a' }}\n{% endmacro %}\n\n{{ m() }}", Runtime, "template line 2: unsupported operand type(s) for +: 'int' and 'str'"},
		{"{% macro m() %}\n{% endmacro %}\n{{ m() ~ (1 + 'a') }}", Runtime, "template line 3: unsupported operand type(s) for +: 'int' and 'str'"},
		{"\n{{ 'a'|urlize }}", Unsupported, "template line 2: the filter 'urlize' is not supported"},
		{"{% block x %}{% endblock %}", Unsupported, "template line 1: the tag 'block' is not supported"},
	} {
		tmpl, err := Parse(c.source)
		if err == nil {
			_, err = tmpl.Render(nil, Options{})
		}
		var e *Error
		if !errors.As(err, &e) || e.Kind != c.kind || err.Error() != c.want {
			t.Errorf("%q: got %v\nwant %s", c.source, err, c.want)
		}
	}
}
