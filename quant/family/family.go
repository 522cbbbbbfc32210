// Package family describes model families as data: where the blocks are, how a block computes, and which tensors scale
// together. A new family is a new value here; code is needed only when a block's mathematics is new (quant/graph).
package family

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// ErrUnsupported marks a model that no row of this package describes.
var ErrUnsupported = errors.New("unsupported model")

// Family is one row: names are Hugging Face module names, inside a block relative to it.
type Family struct {
	Archs     []string
	Block     string // "model.layers.%d"
	Embed     string
	FinalNorm string
	Head      string // absent from the files when tied to Embed
	Attention Attention
	MLP       MLP
	Groups    []Group
	NoClip    []string // linears left out of the clip search: clipping queries and keys harms attention
	Window    WindowRule
}

// Attention is causal self-attention with grouped heads and rotary positions.
type Attention struct {
	Norm, Q, K, V, O string
	QNorm, KNorm     string // RMS norms over each head of q and k, or ""
}

// MLP is the gated feed-forward: down(act(gate x) * up x).
type MLP struct {
	Norm, Gate, Up, Down string
}

// Group is one scale search: Prev is divided by s, the inputs of Into are multiplied by it.
type Group struct {
	Prev    string
	Into    []string
	Through Through
	When    Condition
}

// Through says where the loss of a group is measured.
type Through int

// A group of one linear is measured at its own output; siblings behind the module they feed.
const (
	ThroughLinear Through = iota
	ThroughAttention
	ThroughMLP
)

// Condition restricts a group to shapes where the fold is exact.
type Condition int

// Always folds; SameShape only where producer and consumer have equal weight shapes (no grouped kv heads).
const (
	Always Condition = iota
	SameShape
)

// WindowRule is how a family's config.json states sliding windows.
type WindowRule int

// NoWindow ignores the keys; EveryLayer applies sliding_window everywhere; UpperLayers only with use_sliding_window and
// from max_window_layers up.
const (
	NoWindow WindowRule = iota
	EveryLayer
	UpperLayers
)

// With derives a row by changing a copy.
func (f Family) With(change ...func(*Family)) Family {
	for _, c := range change {
		c(&f)
	}
	return f
}

// Linears lists the linears of a block in the order in which they run.
func (f *Family) Linears() []string {
	a, m := f.Attention, f.MLP
	return []string{a.Q, a.K, a.V, a.O, m.Gate, m.Up, m.Down}
}

// Norms lists the norms of a block.
func (f *Family) Norms() []string {
	n := []string{f.Attention.Norm, f.MLP.Norm}
	if f.Attention.QNorm != "" {
		n = append(n, f.Attention.QNorm, f.Attention.KNorm)
	}
	return n
}

// Shape is the [out, in] size of a linear of a block.
func (f *Family) Shape(c *Config, linear string) (n, k int) {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	switch linear {
	case f.Attention.Q:
		return q, c.Hidden
	case f.Attention.K, f.Attention.V:
		return kv, c.Hidden
	case f.Attention.O:
		return c.Hidden, q
	case f.MLP.Gate, f.MLP.Up:
		return c.Intermediate, c.Hidden
	default:
		return c.Hidden, c.Intermediate
	}
}

// ActiveGroups are the groups whose condition holds for this model.
func (f *Family) ActiveGroups(c *Config) []Group {
	var out []Group
	for _, g := range f.Groups {
		if g.When == SameShape {
			n, k := f.Shape(c, g.Prev)
			n2, k2 := f.Shape(c, g.Into[0])
			if n != n2 || k != k2 {
				continue
			}
		}
		out = append(out, g)
	}
	return out
}

// Clips says whether the clip search applies to a linear.
func (f *Family) Clips(linear string) bool {
	for _, n := range f.NoClip {
		if n == linear {
			return false
		}
	}
	return true
}

// Find returns the row of an `architectures` entry, or an error that lists what is known.
func Find(arch string) (*Family, error) {
	var known []string
	for _, f := range all() {
		for _, a := range f.Archs {
			if a == arch {
				return &f, nil
			}
			known = append(known, a)
		}
	}
	sort.Strings(known)
	return nil, fmt.Errorf("%w: architecture %q; known: %s", ErrUnsupported, arch, strings.Join(known, ", "))
}

// All lists every row, for tables and tests.
func All() []Family { return all() }

func all() []Family { return []Family{llama(), mistral(), qwen2(), qwen3()} }
