package quant

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"libawq/quant/checkpoint"
	"libawq/quant/corpus"
	"libawq/quant/jinja"
	"libawq/quant/tokenizer"
)

// Text names a text on disk and how to read it.
type Text struct {
	Path   string // "" = the built-in calibration text, "-" = Stdin
	Column string
	Chat   bool // render `messages` with the model's template
	Stdin  io.Reader
}

// reader tokenises samples for one model; the tokenizer is loaded at the first text.
type reader struct {
	ctx   context.Context
	dir   string
	vocab int
	tok   *tokenizer.Tokenizer
	chat  *jinja.Chat
}

func (r *reader) tokenizer() (*tokenizer.Tokenizer, error) {
	if r.tok != nil {
		return r.tok, nil
	}
	path := filepath.Join(r.dir, "tokenizer.json")
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, checkpoint.FileError(path, err)
	}
	if r.tok, err = tokenizer.Load(data); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r.tok, nil
}

// render turns a chat into text with the model's own template.
func (r *reader) render(messages json.RawMessage, generation bool) (string, error) {
	if r.chat == nil {
		path := filepath.Join(r.dir, "tokenizer_config.json")
		config, err := os.ReadFile(path)
		if err != nil {
			return "", checkpoint.FileError(path, err)
		}
		template, err := os.ReadFile(filepath.Join(r.dir, "chat_template.jinja"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", checkpoint.FileError(filepath.Join(r.dir, "chat_template.jinja"), err)
		}
		if r.chat, err = jinja.NewChat(config, string(template)); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
	}
	return r.chat.Render(messages, generation)
}

// ids tokenises one sample.
func (r *reader) ids(s corpus.Sample, chat, special bool) ([]int32, error) {
	if s.IDs != nil {
		for _, id := range s.IDs {
			if id < 0 || int(id) >= r.vocab {
				return nil, fmt.Errorf("%s: %w: token id %d beyond the vocabulary of %d", s.Place, ErrText, id, r.vocab)
			}
		}
		return s.IDs, nil
	}
	text := s.Text
	if chat {
		if s.Messages == nil {
			return nil, fmt.Errorf("%s: %w: no `messages` to apply a chat template to", s.Place, ErrText)
		}
		rendered, err := r.render(s.Messages, false)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Place, err)
		}
		text, special = rendered, false
	} else if s.Messages != nil && text == "" {
		return nil, fmt.Errorf("%s: %w: `messages` needs --chat", s.Place, ErrText)
	}
	tok, err := r.tokenizer()
	if err != nil {
		return nil, err
	}
	ids, err := tok.Encode(text, special)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Place, err)
	}
	for _, id := range ids {
		if int(id) >= r.vocab {
			return nil, fmt.Errorf("%s: %w: the tokenizer gives id %d beyond the vocabulary of %d", s.Place, ErrText, id, r.vocab)
		}
	}
	return ids, nil
}

// each feeds all samples of a text to fn until it answers false.
func (r *reader) each(t Text, fn func(corpus.Sample) (bool, error)) error {
	src, err := corpus.Default(), error(nil)
	if t.Path != "" {
		src, err = corpus.Open(t.Path, corpus.Options{Column: t.Column, Stdin: t.Stdin})
	}
	if err != nil {
		return err
	}
	defer src.Close()
	for {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		s, err := src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if more, err := fn(s); err != nil || !more {
			return err
		}
	}
}

func (t Text) name() string {
	if t.Path == "" {
		return "the built-in text"
	}
	return t.Path
}

// calibration cuts the token stream of a text into at most `samples` windows of seqLen tokens. More windows than wanted are
// thinned evenly, or drawn by a seed that is not 0. Reading stops once the stream is 64 times what is needed.
func (r *reader) calibration(t Text, samples, seqLen int, seed uint64) ([][]int32, error) {
	var stream []int32
	limit := 64 * samples * seqLen
	err := r.each(t, func(s corpus.Sample) (bool, error) {
		ids, err := r.ids(s, t.Chat, true)
		stream = append(stream, ids...)
		return len(stream) < limit, err
	})
	if err != nil {
		return nil, err
	}
	n := len(stream) / seqLen
	if n == 0 {
		return nil, fmt.Errorf("%s: %w: calibration text of %d tokens is shorter than one window of %d", t.name(), ErrText, len(stream), seqLen)
	}
	pick := make([]int, 0, samples)
	switch {
	case n <= samples:
		for i := 0; i < n; i++ {
			pick = append(pick, i)
		}
	case seed != 0:
		pick = rand.New(rand.NewPCG(seed, 0)).Perm(n)[:samples]
		sort.Ints(pick)
	case samples == 1:
		pick = append(pick, 0)
	default:
		for i := 0; i < samples; i++ {
			pick = append(pick, i*(n-1)/(samples-1))
		}
	}
	var windows [][]int32
	for _, i := range pick {
		windows = append(windows, stream[i*seqLen:(i+1)*seqLen])
	}
	return windows, nil
}

// evaluation cuts a text into windows of `context` tokens without special tokens; the rest is dropped. Lines of input_ids are
// windows as they stand. At most `tokens` tokens are used (0: all).
func (r *reader) evaluation(t Text, context int, tokens int64) ([][]int32, error) {
	var text []string
	var windows [][]int32
	var place string
	err := r.each(t, func(s corpus.Sample) (bool, error) {
		switch {
		case s.IDs != nil:
			ids, err := r.ids(s, false, false)
			if err != nil {
				return false, err
			}
			if len(ids) < 2 {
				return false, fmt.Errorf("%s: %w: a window of %d tokens predicts nothing", s.Place, ErrText, len(ids))
			}
			windows = append(windows, ids)
		case t.Chat || s.Messages != nil && s.Text == "":
			ids, err := r.ids(s, t.Chat, false)
			if err != nil {
				return false, err
			}
			if len(ids) >= 2 {
				windows = append(windows, ids[:min(len(ids), context)])
			}
		default:
			text, place = append(text, s.Text), s.Place
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if len(text) > 0 {
		ids, err := r.ids(corpus.Sample{Text: strings.Join(text, "\n\n"), Place: place}, false, false)
		if err != nil {
			return nil, err
		}
		if len(ids) < context {
			return nil, fmt.Errorf("%s: %w: %d tokens are fewer than one window of %d", t.name(), ErrText, len(ids), context)
		}
		for ; len(ids) >= context; ids = ids[context:] {
			windows = append(windows, ids[:context])
		}
	}
	if tokens > 0 && len(windows) > 0 && int64(len(windows[0])) > tokens {
		return nil, fmt.Errorf("%s: %w: the first window has %d tokens, more than the %d asked for", t.name(), ErrText, len(windows[0]), tokens)
	}
	if tokens > 0 {
		var used int64
		for i, w := range windows {
			if used += int64(len(w)); used > tokens {
				windows = windows[:i]
				break
			}
		}
	}
	if len(windows) == 0 {
		return nil, fmt.Errorf("%s: %w: no window of %d tokens", t.name(), ErrText, context)
	}
	return windows, nil
}
