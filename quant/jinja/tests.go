// The tests that "is" knows.

package jinja

import (
	"math/big"
	"strings"
)

func knownTest(name string) bool {
	return hasWord("odd even divisibleby defined undefined filter test none boolean false true integer float lower upper "+
		"string mapping number sequence iterable callable sameas escaped in == eq equalto != ne > gt greaterthan ge >= "+
		"< lt lessthan <= le", name)
}

func (r *run) test(name string, v Value, a *callArgs) (bool, error) {
	if op := comparisonTest(name); op != "" {
		args, err := a.positional(name, 1, 1)
		if err != nil {
			return false, err
		}
		return r.compare(op, v, args[0])
	}
	if name == "divisibleby" || name == "sameas" {
		args, err := a.bind(name, 1, map[bool]string{true: "num", false: "other"}[name == "divisibleby"])
		if err != nil {
			return false, err
		}
		if name == "sameas" {
			return same(v, args[0]), nil
		}
		return r.divides(v, args[0])
	}
	if !knownTest(name) {
		return false, fail("No test named %s.", reprString(name))
	}
	if _, err := a.positional(name, 0, 0); err != nil {
		return false, err
	}
	switch name {
	case "odd":
		even, err := r.divides(v, int64(2))
		return !even, err
	case "even":
		return r.divides(v, int64(2))
	case "filter", "test":
		s, ok := asString(v)
		if name == "filter" {
			return ok && knownFilter(s), nil
		}
		return ok && knownTest(s), nil
	case "lower", "upper":
		s, err := r.str(v)
		if name == "lower" {
			return isLower(s), err
		}
		return isUpper(s), err
	}
	return typeTest(name, v), nil
}

func comparisonTest(name string) string {
	switch name {
	case "==", "eq", "equalto":
		return "=="
	case "!=", "ne":
		return "!="
	case ">", "gt", "greaterthan":
		return ">"
	case ">=", "ge":
		return ">="
	case "<", "lt", "lessthan":
		return "<"
	case "<=", "le":
		return "<="
	case "in":
		return "in"
	}
	return ""
}

func typeTest(name string, v Value) bool {
	b, isBool := v.(bool)
	_, isUndefined := v.(*undefined)
	switch name {
	case "defined":
		return !isUndefined
	case "undefined":
		return isUndefined
	case "none":
		return v == nil
	case "boolean":
		return isBool
	case "true":
		return isBool && b
	case "false":
		return isBool && !b
	case "integer":
		_, ok := asInt(v)
		return ok && !isBool
	case "float":
		_, ok := v.(float64)
		return ok
	case "number":
		_, ok := asFloat(v)
		return ok
	case "string":
		_, ok := asString(v)
		return ok
	case "mapping":
		_, ok := v.(*Object)
		return ok
	case "escaped":
		_, ok := v.(Markup)
		return ok
	case "callable":
		switch v.(type) {
		case *builtin, *macro, *joiner, *loopValue, *undefined:
			return true
		}
		return false
	case "sequence":
		_, isView := v.(*view)
		_, ok := length(v)
		return ok && !isView
	case "iterable":
		if _, ok := v.(*loopValue); ok {
			return true
		}
		_, err := iterate(v)
		return err == nil
	}
	return false
}

// same approximates Python's "is": None, booleans and small values are one object each, the rest goes by identity.
func same(v, w Value) bool {
	if s, ok := asString(v); ok {
		t, ok := asString(w)
		return ok && s == t && typeName(v) == typeName(w)
	}
	if _, ok := v.(*big.Int); ok {
		return v == w
	}
	if typeName(v) != typeName(w) {
		return false
	}
	return v == w
}

func (r *run) divides(v, n Value) (bool, error) {
	m, err := r.binary("%", v, n)
	if err != nil {
		return false, err
	}
	return r.equal(m, int64(0))
}

func isLower(s string) bool {
	return cased(s) && strings.IndexFunc(s, func(c rune) bool { return isUpperRune(c) || isTitleRune(c) }) < 0
}

func isUpper(s string) bool {
	return cased(s) && strings.IndexFunc(s, func(c rune) bool { return isLowerRune(c) || isTitleRune(c) }) < 0
}

func cased(s string) bool {
	return strings.IndexFunc(s, func(c rune) bool { return isUpperRune(c) || isLowerRune(c) || isTitleRune(c) }) >= 0
}
