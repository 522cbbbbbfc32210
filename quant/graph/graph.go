// Package graph runs decoder blocks in float32, one window of tokens at a time, to obtain activations and outputs.
package graph

import (
	"fmt"
	"math"

	"libawq/kernels"
	"libawq/quant/family"
)

// Linear is one layer of a block: dense float32 rows, or packed by a back end (which then holds the bias too).
type Linear struct {
	W      kernels.Mat // [N, K]
	Bias   []float32   // [N] or nil
	Packed kernels.Weight
	N, K   int
}

// Block holds the tensors of one decoder block, by module name.
type Block struct {
	Index   int
	Linears map[string]*Linear
	Norms   map[string][]float32
}

// With is a copy of the block in which some linears are replaced; the search runs candidates this way.
func (b *Block) With(replace map[string]kernels.Mat) *Block {
	c := &Block{Index: b.Index, Norms: b.Norms, Linears: make(map[string]*Linear, len(b.Linears))}
	for name, l := range b.Linears {
		c.Linears[name] = l
	}
	for name, w := range replace {
		l := *b.Linears[name]
		l.W, l.Packed = w, nil
		c.Linears[name] = &l
	}
	return c
}

// Tap sees the input of linears (all names share it) while a block runs; the matrix is valid during the call only.
type Tap func(names []string, x kernels.Mat) error

// Cache keeps keys and values of earlier positions of one block for generation.
type Cache struct {
	K, V kernels.Mat // [capacity, KVHeads*HeadDim]
	Len  int
}

// Runner runs blocks of one model. It owns scratch for windows up to a fixed number of rows, so it serves one goroutine.
type Runner struct {
	ops    kernels.Ops
	fam    *family.Family
	cfg    *family.Config
	rows   int
	inv    []float64
	factor float64

	memory                       *kernels.Buffer
	norm, q, k, v, att, gate, up kernels.Mat
	out                          kernels.Mat
	scores                       []float32
	cos, sin                     []float32
	tableFrom, tableRows         int
}

// NewRunner prepares scratch for windows of up to rows tokens, with keys of up to past+rows positions.
func NewRunner(ops kernels.Ops, fam *family.Family, cfg *family.Config, rows, past int) (*Runner, error) {
	r := &Runner{ops: ops, fam: fam, cfg: cfg, rows: rows}
	r.inv, r.factor = Inverse(cfg.Rope, cfg.HeadDim)
	q, kv, rot := cfg.Heads*cfg.HeadDim, cfg.KVHeads*cfg.HeadDim, len(r.inv)
	total := rows * (2*cfg.Hidden + 2*q + 2*kv + 2*cfg.Intermediate + 2*rot + past + rows)
	var err error
	if r.memory, err = kernels.NewBuffer(4 * total); err != nil {
		return nil, fmt.Errorf("scratch for windows of %d tokens: %w", rows, err)
	}
	rest := r.memory.Float32()
	take := func(cols int) []float32 {
		part := rest[:rows*cols]
		rest = rest[rows*cols:]
		return part
	}
	mat := func(cols int) kernels.Mat { return kernels.NewMat(take(cols), rows, cols) }
	r.norm, r.out = mat(cfg.Hidden), mat(cfg.Hidden)
	r.q, r.att, r.k, r.v = mat(q), mat(q), mat(kv), mat(kv)
	r.gate, r.up = mat(cfg.Intermediate), mat(cfg.Intermediate)
	r.cos, r.sin = take(rot), take(rot)
	r.scores = take(past + rows)
	r.tableFrom = -1
	return r, nil
}

// Close frees the scratch.
func (r *Runner) Close() { r.memory.Close() }

// Forward computes y = block(x) for one window [T, hidden]; y may not alias x. tap and cache may be nil.
func (r *Runner) Forward(b *Block, x, y kernels.Mat, tap Tap, cache *Cache) error {
	if err := r.Attention(b, x, y, tap, cache); err != nil {
		return err
	}
	add(y, x)
	branch := r.out.Slice(0, x.Rows)
	if err := r.MLP(b, y, branch, tap); err != nil {
		return err
	}
	add(y, branch)
	return nil
}

// Attention computes the attention branch of a window, y = o_proj(attention(norm(x))), without the residual.
func (r *Runner) Attention(b *Block, x, y kernels.Mat, tap Tap, cache *Cache) error {
	a, t := &r.fam.Attention, x.Rows
	if t > r.rows {
		return fmt.Errorf("window of %d tokens exceeds the %d prepared", t, r.rows)
	}
	n, q, k, v := r.norm.Slice(0, t), r.q.Slice(0, t), r.k.Slice(0, t), r.v.Slice(0, t)
	past := 0
	if cache != nil { // new keys and values go straight to their place
		past = cache.Len
		if past+t > cache.K.Rows {
			return fmt.Errorf("position %d exceeds the cache of %d", past+t, cache.K.Rows)
		}
		k, v = cache.K.Slice(past, past+t), cache.V.Slice(past, past+t)
	}
	if err := r.ops.RMSNorm(x, b.Norms[a.Norm], float32(r.cfg.NormEps), n); err != nil {
		return err
	}
	if tap != nil {
		if err := tap([]string{a.Q, a.K, a.V}, n); err != nil {
			return err
		}
	}
	for _, p := range []struct {
		name string
		y    kernels.Mat
	}{{a.Q, q}, {a.K, k}, {a.V, v}} {
		if err := r.linear(b, p.name, n, p.y); err != nil {
			return err
		}
	}
	if err := r.positions(b, q, k, past); err != nil {
		return err
	}
	if cache != nil {
		k, v = cache.K.Slice(0, past+t), cache.V.Slice(0, past+t)
		cache.Len = past + t
	}
	att := r.att.Slice(0, t)
	if err := r.heads(q, k, v, att, past, r.cfg.Windows[b.Index]); err != nil {
		return err
	}
	if tap != nil {
		if err := tap([]string{a.O}, att); err != nil {
			return err
		}
	}
	return r.linear(b, a.O, att, y)
}

// positions applies the head norms, where the family has them, and the rotary embedding.
func (r *Runner) positions(b *Block, q, k kernels.Mat, past int) error {
	a, d, t := &r.fam.Attention, r.cfg.HeadDim, q.Rows
	if a.QNorm != "" {
		for _, p := range []struct {
			name string
			x    kernels.Mat
		}{{a.QNorm, q}, {a.KNorm, k}} {
			h := kernels.NewMat(p.x.Data, t*p.x.Cols/d, d)
			if err := r.ops.RMSNorm(h, b.Norms[p.name], float32(r.cfg.NormEps), h); err != nil {
				return err
			}
		}
	}
	if r.tableFrom != past || r.tableRows < t {
		tables(r.inv, r.factor, past, t, r.cos, r.sin)
		r.tableFrom, r.tableRows = past, t
	}
	rot := 2 * len(r.inv)
	cos, sin := r.cos[:t*rot/2], r.sin[:t*rot/2]
	if err := r.ops.Rope(q, r.cfg.Heads, d, rot, cos, sin, false); err != nil {
		return err
	}
	return r.ops.Rope(k, r.cfg.KVHeads, d, rot, cos, sin, false)
}

// heads computes softmax(q kT / sqrt(d)) v for each head; query heads share the keys of their group.
func (r *Runner) heads(q, k, v, att kernels.Mat, past, window int) error {
	d, t, span := r.cfg.HeadDim, q.Rows, k.Rows
	s := kernels.NewMat(r.scores, t, span)
	scale := float32(1 / math.Sqrt(float64(d)))
	share := r.cfg.Heads / r.cfg.KVHeads
	for h := 0; h < r.cfg.Heads; h++ {
		kv := h / share
		if err := r.ops.Gemm(q.Columns(h*d, h*d+d), k.Columns(kv*d, kv*d+d), s, 1, true, false); err != nil {
			return err
		}
		if err := r.ops.Softmax(s, scale, past, window); err != nil {
			return err
		}
		if err := r.ops.Gemm(s, v.Columns(kv*d, kv*d+d), att.Columns(h*d, h*d+d), 1, false, false); err != nil {
			return err
		}
	}
	return nil
}

// MLP computes the feed-forward branch of a window, y = down(act(gate n) * up n) with n = norm(x), without the residual.
func (r *Runner) MLP(b *Block, x, y kernels.Mat, tap Tap) error {
	m, t := &r.fam.MLP, x.Rows
	if t > r.rows {
		return fmt.Errorf("window of %d tokens exceeds the %d prepared", t, r.rows)
	}
	n, g, u := r.norm.Slice(0, t), r.gate.Slice(0, t), r.up.Slice(0, t)
	if err := r.ops.RMSNorm(x, b.Norms[m.Norm], float32(r.cfg.NormEps), n); err != nil {
		return err
	}
	if tap != nil {
		if err := tap([]string{m.Gate, m.Up}, n); err != nil {
			return err
		}
	}
	if err := r.linear(b, m.Gate, n, g); err != nil {
		return err
	}
	if err := r.linear(b, m.Up, n, u); err != nil {
		return err
	}
	if err := r.ops.GLU(g, u, g, kernels.SiLU); err != nil {
		return err
	}
	if tap != nil {
		if err := tap([]string{m.Down}, g); err != nil {
			return err
		}
	}
	return r.linear(b, m.Down, g, y)
}

func (r *Runner) linear(b *Block, name string, x, y kernels.Mat) error {
	l := b.Linears[name]
	if err := l.Forward(r.ops, x, y); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Forward computes y = x . WT + bias.
func (l *Linear) Forward(ops kernels.Ops, x, y kernels.Mat) error {
	if l.Packed != nil {
		return ops.Linear(l.Packed, kernels.F32Rows(x), kernels.F32Rows(y))
	}
	if err := ops.Gemm(x, l.W, y, 1, true, false); err != nil {
		return err
	}
	if l.Bias != nil {
		for i := 0; i < y.Rows; i++ {
			row := y.Row(i)
			for j, v := range l.Bias {
				row[j] += v
			}
		}
	}
	return nil
}

// Norm applies an RMS norm of the model outside the blocks.
func (r *Runner) Norm(x kernels.Mat, weight []float32, y kernels.Mat) error {
	return r.ops.RMSNorm(x, weight, float32(r.cfg.NormEps), y)
}

func add(y, x kernels.Mat) {
	for i := 0; i < y.Rows; i++ {
		a, b := y.Row(i), x.Row(i)
		for j := range a {
			a[j] += b[j]
		}
	}
}
