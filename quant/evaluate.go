package quant

import (
	"context"
	"fmt"
	"math"
	"time"

	"libawq/kernels"
	"libawq/quant/graph"
)

// EvalConfig says on what a folder is measured.
type EvalConfig struct {
	Text    Text
	Against string // folder to compare with, or ""
	Context int
	Tokens  int64
}

// Evaluation is the result: nats per predicted token.
type Evaluation struct {
	Perplexity float64
	NLL        float64
	Tokens     int64
	KL         float64 // NaN without Against
	Top1       float64 // NaN without Against
	Seconds    float64
}

// batchTokens bounds the hidden states held at once; blocks are read once a batch.
const batchTokens = 1 << 16

// Evaluate measures perplexity in non-overlapping windows, and the divergence from another folder's model.
func Evaluate(ctx context.Context, ops kernels.Ops, dir string, cfg EvalConfig, report Report) (*Evaluation, error) {
	start := time.Now()
	if cfg.Context < 2 || cfg.Tokens < 0 {
		return nil, fmt.Errorf("%w: context %d, tokens %d", ErrInvalid, cfg.Context, cfg.Tokens)
	}
	models := []*Model{}
	for _, d := range []string{dir, cfg.Against} {
		if d == "" {
			continue
		}
		m, err := OpenModel(d)
		if err != nil {
			return nil, err
		}
		defer m.Close()
		models = append(models, m)
	}
	q := models[0]
	if p := models[len(models)-1]; p.Config.Vocab != q.Config.Vocab {
		return nil, fmt.Errorf("%w: %s has %d tokens, %s has %d: no divergence between them", ErrInvalid, q.Dir, q.Config.Vocab, p.Dir, p.Config.Vocab)
	}
	r := &reader{ctx: ctx, dir: dir, vocab: q.Config.Vocab}
	windows, err := await(ctx, func() ([][]int32, error) { return r.evaluation(cfg.Text, cfg.Context, cfg.Tokens) })
	if err != nil {
		return nil, err
	}
	longest, total := 0, 0
	for _, w := range windows {
		longest, total = max(longest, len(w)), total+len(w)
	}
	work := 0.0
	for _, m := range models {
		if longest > m.Config.MaxPositions {
			return nil, fmt.Errorf("%w: a window of %d tokens; %s has max_position_embeddings %d", ErrInvalid, longest, m.Dir, m.Config.MaxPositions)
		}
		work += float64(total) * float64(m.Config.Layers+2)
	}
	e := &evaluator{ctx: ctx, ops: ops, longest: longest, meter: newMeter(report, work)}
	defer e.close()
	if err := e.open(models); err != nil {
		return nil, err
	}
	for lo := 0; lo < len(windows); {
		hi, size := lo, 0
		for hi < len(windows) && (hi == lo || size+len(windows[hi]) <= batchTokens) {
			size += len(windows[hi])
			hi++
		}
		if err := e.batch(windows[lo:hi], size); err != nil {
			return nil, err
		}
		lo = hi
	}
	out := &Evaluation{NLL: e.nll / float64(e.predicted), Tokens: e.predicted, KL: math.NaN(), Top1: math.NaN(), Seconds: time.Since(start).Seconds()}
	out.Perplexity = math.Exp(out.NLL)
	if cfg.Against != "" {
		out.KL, out.Top1 = e.kl/float64(e.predicted), float64(e.agree)/float64(e.predicted)
	}
	return out, nil
}

// evaluator measures one or two models side by side; the first is the one measured.
type evaluator struct {
	ctx     context.Context
	ops     kernels.Ops
	longest int
	meter   *meter
	sides   []*side
	scores  *kernels.Buffer // logits of a few rows for each side

	nll, kl          float64
	predicted, agree int64
}

// side is one model with its output matrix in memory.
type side struct {
	m      *Model
	runner *graph.Runner
	head   kernels.Mat
	norm   []float32
	buffer *kernels.Buffer
}

// logitRows bounds how many rows of logits exist at once.
const logitRows = 256

func (e *evaluator) open(models []*Model) error {
	for _, m := range models {
		s, err := openSide(e.ops, m, e.longest, 0)
		if err != nil {
			return err
		}
		e.sides = append(e.sides, s)
	}
	var err error
	e.scores, err = kernels.NewBuffer(4 * logitRows * models[0].Config.Vocab * len(models))
	return err
}

func openSide(ops kernels.Ops, m *Model, rows, past int) (*side, error) {
	c := m.Config
	s := &side{m: m, norm: make([]float32, c.Hidden)}
	var err error
	if s.runner, err = graph.NewRunner(ops, m.Family, c, rows, past); err != nil {
		return nil, err
	}
	if s.buffer, s.head, err = kernels.NewMatBuffer(c.Vocab, c.Hidden); err == nil {
		if err = m.Float(m.head(), s.head.Data, 0); err == nil {
			err = m.Float(m.Family.FinalNorm+".weight", s.norm, 0)
		}
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *side) close() {
	s.runner.Close()
	s.buffer.Close()
}

func (e *evaluator) close() {
	for _, s := range e.sides {
		s.close()
	}
	e.scores.Close()
}

// batch runs windows of together `size` tokens through every side and adds up the comparison.
func (e *evaluator) batch(windows [][]int32, size int) error {
	var hidden []kernels.Mat
	for _, s := range e.sides {
		buf, x, err := kernels.NewMatBuffer(size, s.m.Config.Hidden)
		if err != nil {
			return err
		}
		defer buf.Close()
		hidden = append(hidden, x)
		if err := e.forward(s, windows, x); err != nil {
			return err
		}
	}
	at := 0
	for _, w := range windows {
		if err := e.compare(w, hidden, at); err != nil {
			return err
		}
		at += len(w)
	}
	return nil
}

// forward leaves the final hidden states, normalised, in x.
func (e *evaluator) forward(s *side, windows [][]int32, x kernels.Mat) error {
	buf, y, err := kernels.NewMatBuffer(e.longest, s.m.Config.Hidden)
	if err != nil {
		return err
	}
	defer buf.Close()
	at := 0
	for _, w := range windows {
		if err := s.m.embed(w, x.Slice(at, at+len(w))); err != nil {
			return err
		}
		at += len(w)
	}
	for i := 0; i < s.m.Config.Layers; i++ {
		b, err := s.m.loadBlock(e.ops, i)
		if err != nil {
			return err
		}
		at := 0
		for _, w := range windows {
			rows := x.Slice(at, at+len(w))
			if err = e.ctx.Err(); err == nil {
				if err = s.runner.Forward(&b.Block, rows, y.Slice(0, len(w)), nil, nil); err == nil {
					copyRows(rows, y)
				}
			}
			if err != nil {
				break
			}
			at += len(w)
			e.meter.at("evaluate", s.m.BlockName(i), float64(len(w)))
		}
		b.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", s.m.BlockName(i), err)
		}
	}
	return s.runner.Norm(x, s.norm, x)
}

// compare adds the losses of one window, rows at..at+len(w) of the hidden states.
func (e *evaluator) compare(w []int32, hidden []kernels.Mat, at int) error {
	vocab := e.sides[0].m.Config.Vocab
	for lo := 0; lo+1 < len(w); lo += logitRows {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		rows := min(logitRows, len(w)-1-lo)
		logits := [2]kernels.Mat{}
		for i, s := range e.sides {
			logits[i] = kernels.NewMat(e.scores.Float32()[i*logitRows*vocab:], rows, vocab)
			if err := e.ops.Gemm(hidden[i].Slice(at+lo, at+lo+rows), s.head, logits[i], 1, true, false); err != nil {
				return err
			}
		}
		nll := make([]float64, rows)
		var kl []float64
		var agree []uint8
		if len(e.sides) == 2 {
			kl, agree = make([]float64, rows), make([]uint8, rows)
		}
		if err := e.ops.Logits(logits[1], logits[0], w[lo+1:lo+1+rows], nll, kl, agree); err != nil {
			return err
		}
		for i := range nll {
			e.nll += nll[i]
			e.predicted++
			if kl != nil {
				e.kl += kl[i]
				e.agree += int64(agree[i])
			}
		}
		e.meter.at("evaluate", "logits", 2*float64(rows)*float64(len(e.sides)))
	}
	return nil
}

func copyRows(dst, src kernels.Mat) {
	for i := 0; i < dst.Rows; i++ {
		copy(dst.Row(i), src.Row(i))
	}
}
