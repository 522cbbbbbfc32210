package quant

import (
	"context"
	"encoding/json"
	"fmt"

	"libawq/kernels"
	"libawq/quant/corpus"
	"libawq/quant/graph"
)

// Generate continues a prompt greedily with the model of a folder; emit receives text as it appears. With chat the prompt is one
// user message in the model's template, else it is taken as it stands with the tokenizer's own special tokens.
func Generate(ctx context.Context, ops kernels.Ops, dir, prompt string, chat bool, maxNew int, emit func(string)) (string, error) {
	if maxNew < 1 {
		return "", fmt.Errorf("%w: %d new tokens", ErrInvalid, maxNew)
	}
	m, err := OpenModel(dir)
	if err != nil {
		return "", err
	}
	defer m.Close()
	r := &reader{ctx: ctx, dir: dir, vocab: m.Config.Vocab}
	if chat {
		messages, err := json.Marshal([]map[string]string{{"role": "user", "content": prompt}})
		if err != nil {
			return "", err
		}
		if prompt, err = r.render(messages, true); err != nil {
			return "", err
		}
	}
	ids, err := r.ids(corpus.Sample{Text: prompt, Place: "prompt"}, false, !chat)
	if err != nil {
		return "", err
	}
	if len(ids) == 0 || len(ids)+maxNew > m.Config.MaxPositions {
		return "", fmt.Errorf("%w: prompt of %d tokens and %d new ones; the model has %d positions", ErrInvalid, len(ids), maxNew, m.Config.MaxPositions)
	}
	s, err := newSession(ctx, ops, m, len(ids), maxNew)
	if err != nil {
		return "", err
	}
	defer s.close()
	tok, err := r.tokenizer()
	if err != nil {
		return "", err
	}
	var made []int32
	text := ""
	for step := ids; len(made) < maxNew; {
		if err := ctx.Err(); err != nil {
			return text, err
		}
		next, err := s.next(step)
		if err != nil {
			return text, err
		}
		if m.stops(next) {
			break
		}
		made = append(made, next)
		whole, err := tok.Decode(made, true)
		if err != nil {
			return text, err
		}
		// A character may span tokens; print only what has become stable.
		if emit != nil && len(whole) > len(text) && whole[:len(text)] == text && !endsOpen(whole) {
			emit(whole[len(text):])
			text = whole
		} else if emit == nil {
			text = whole
		}
		step = []int32{next}
	}
	if whole, err := tok.Decode(made, true); err == nil && emit != nil && len(whole) > len(text) {
		emit(whole[len(text):])
		text = whole
	}
	return text, nil
}

// endsOpen says that a text ends in the replacement character, the sign of an unfinished one.
func endsOpen(s string) bool {
	const open = "\uFFFD"
	return len(s) >= len(open) && s[len(s)-len(open):] == open
}

// stops says whether a token ends a text.
func (m *Model) stops(id int32) bool {
	for _, e := range m.Config.EOS {
		if int32(e) == id {
			return true
		}
	}
	return false
}

// session holds a whole model and its keys and values.
type session struct {
	ctx     context.Context
	ops     kernels.Ops
	side    *side
	blocks  []*loadedBlock
	caches  []*graph.Cache
	buffers []*kernels.Buffer
	x, y    kernels.Mat
	logits  kernels.Mat
}

func newSession(ctx context.Context, ops kernels.Ops, m *Model, prompt, maxNew int) (*session, error) {
	c := m.Config
	s := &session{ctx: ctx, ops: ops}
	var err error
	if s.side, err = openSide(ops, m, prompt, prompt+maxNew); err != nil {
		return nil, err
	}
	mat := func(rows, cols int) kernels.Mat {
		if err != nil {
			return kernels.Mat{}
		}
		var b *kernels.Buffer
		var out kernels.Mat
		if b, out, err = kernels.NewMatBuffer(rows, cols); err == nil {
			s.buffers = append(s.buffers, b)
		}
		return out
	}
	s.x, s.y, s.logits = mat(prompt, c.Hidden), mat(prompt, c.Hidden), mat(1, c.Vocab)
	for i := 0; i < c.Layers && err == nil; i++ {
		s.caches = append(s.caches, &graph.Cache{K: mat(prompt+maxNew, c.KVHeads*c.HeadDim), V: mat(prompt+maxNew, c.KVHeads*c.HeadDim)})
		var b *loadedBlock
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			if b, err = m.loadBlock(ops, i); err == nil {
				s.blocks = append(s.blocks, b)
			}
		}
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() {
	s.side.close()
	for _, b := range s.blocks {
		b.Close()
	}
	for _, b := range s.buffers {
		b.Close()
	}
}

// next feeds tokens and returns the most likely one after them.
func (s *session) next(ids []int32) (int32, error) {
	x, y := s.x.Slice(0, len(ids)), s.y.Slice(0, len(ids))
	if err := s.side.m.embed(ids, x); err != nil {
		return 0, err
	}
	for i, b := range s.blocks {
		if err := s.ctx.Err(); err != nil {
			return 0, err
		}
		if err := s.side.runner.Forward(&b.Block, x, y, nil, s.caches[i]); err != nil {
			return 0, fmt.Errorf("%s: %w", s.side.m.BlockName(i), err)
		}
		x, y = y, x
	}
	last := x.Slice(len(ids)-1, len(ids))
	if err := s.side.runner.Norm(last, s.side.norm, last); err != nil {
		return 0, err
	}
	if err := s.ops.Gemm(last, s.side.head, s.logits, 1, true, false); err != nil {
		return 0, err
	}
	best := int32(0)
	row := s.logits.Row(0)
	for i, v := range row {
		if v > row[best] {
			best = int32(i)
		}
	}
	return best, nil
}
