package quant

import (
	"fmt"
	"path"
	"strings"
)

// excluder decides which linears stay in float. A pattern with * ? [ ] is matched against the whole module name; any other
// must match whole dotted parts of it, so "down_proj" and "layers.3" match and "gate" does not match gate_proj.
type excluder struct {
	patterns []string
	used     []bool
}

func newExcluder(patterns []string) (*excluder, error) {
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil || p == "" {
			return nil, fmt.Errorf("%w: exclude pattern %q", ErrInvalid, p)
		}
	}
	return &excluder{patterns: patterns, used: make([]bool, len(patterns))}, nil
}

// match returns the first pattern that excludes a module.
func (e *excluder) match(name string) (string, bool) {
	found := ""
	for i, p := range e.patterns {
		var hit bool
		if strings.ContainsAny(p, "*?[") {
			hit, _ = path.Match(p, name)
		} else {
			hit = strings.Contains("."+name+".", "."+p+".")
		}
		if hit {
			e.used[i] = true
			if found == "" {
				found = p
			}
		}
	}
	return found, found != ""
}

// unused is an error naming a pattern that matched nothing: most likely a typing mistake.
func (e *excluder) unused() error {
	for i, u := range e.used {
		if !u {
			return fmt.Errorf("%w: exclude pattern %q matches no linear of the model", ErrInvalid, e.patterns[i])
		}
	}
	return nil
}
