package quant

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"libawq/kernels"
	"libawq/quant/checkpoint"
	"libawq/quant/checkpoint/safetensors"
	"libawq/quant/graph"
	"libawq/quant/pack"
)

// Quantize writes the quantised form of the folder src to the new folder dst. On failure or cancellation nothing of dst is left.
func Quantize(ctx context.Context, ops kernels.Ops, src, dst string, cfg Config, report Report) (*Summary, error) {
	start := time.Now()
	plan, err := MakePlan(src, cfg)
	if plan != nil {
		defer plan.Close()
	}
	if err != nil {
		return nil, err
	}
	if err := separate(src, dst); err != nil {
		return nil, err
	}
	out, err := checkpoint.NewOutput(dst, cfg.Overwrite, src)
	if err != nil {
		return nil, err
	}
	defer out.Abort() // does nothing after Commit
	j := &job{ctx: ctx, ops: ops, cfg: cfg, plan: plan, model: plan.model, refined: map[string]refinement{}}
	if cfg.Method == AWQ {
		if err := j.prepare(report); err != nil {
			return nil, err
		}
		defer j.release()
	} else {
		j.meter = newMeter(report, float64(plan.Layers)+1)
	}
	if j.writer, err = safetensors.Create(out.Dir(), plan.outputs, checkpoint.WriteOptions{}); err != nil {
		return nil, err
	}
	defer j.writer.Abort()
	if err := j.run(); err != nil {
		return nil, err
	}
	if err := j.writer.Close(); err != nil {
		return nil, err
	}
	sum, err := j.finish(out.Dir(), start)
	if err != nil {
		return nil, err
	}
	return sum, out.Commit()
}

// separate refuses a dst that is src, lies in it or contains it.
func separate(src, dst string) error {
	resolve := func(p string) string {
		if abs, err := filepath.Abs(p); err == nil {
			p = abs
		}
		if real, err := filepath.EvalSymlinks(p); err == nil {
			return real
		}
		if real, err := filepath.EvalSymlinks(filepath.Dir(p)); err == nil {
			return filepath.Join(real, filepath.Base(p))
		}
		return p
	}
	s, d := resolve(src), resolve(dst)
	in := func(a, b string) bool {
		return strings.HasPrefix(a+string(os.PathSeparator), b+string(os.PathSeparator))
	}
	if in(s, d) || in(d, s) {
		return fmt.Errorf("%w: destination %s and source %s overlap", ErrInvalid, dst, src)
	}
	return nil
}

// job is one running quantisation.
type job struct {
	ctx    context.Context
	ops    kernels.Ops
	cfg    Config
	plan   *Plan
	model  *Model
	writer checkpoint.Writer
	meter  *meter
	layers []LinearReport
	folds  float64 // largest relative change by folding

	windows      [][]int32
	runner       *graph.Runner
	buffers      []*kernels.Buffer
	x, o, m      kernels.Mat        // block input, what attention and what the feed-forward add to it; [tokens, hidden]
	scratch, mid kernels.Mat        // one window each
	gains        map[string]float64 // clip gain of each linear of the present block
	refined      map[string]refinement
}

// prepare reads the calibration text and embeds it.
func (j *job) prepare(report Report) error {
	c := j.model.Config
	if j.cfg.SeqLen > c.MaxPositions {
		return fmt.Errorf("%w: windows of %d tokens exceed max_position_embeddings %d", ErrInvalid, j.cfg.SeqLen, c.MaxPositions)
	}
	r := &reader{ctx: j.ctx, dir: j.model.Dir, vocab: c.Vocab}
	var err error
	j.windows, err = await(j.ctx, func() ([][]int32, error) {
		return r.calibration(j.cfg.Calib, j.cfg.Samples, j.cfg.SeqLen, j.cfg.Seed)
	})
	if err != nil {
		return err
	}
	j.meter = newMeter(report, float64(c.Layers)+0.2)
	j.meter.at("calibrate", j.cfg.Calib.name(), 0)
	mat := func(rows int) kernels.Mat {
		if err != nil {
			return kernels.Mat{}
		}
		var b *kernels.Buffer
		var m kernels.Mat
		if b, m, err = kernels.NewMatBuffer(rows, c.Hidden); err == nil {
			j.buffers = append(j.buffers, b)
		}
		return m
	}
	tokens := len(j.windows) * j.cfg.SeqLen
	j.x, j.o, j.m = mat(tokens), mat(tokens), mat(tokens)
	j.scratch, j.mid = mat(j.cfg.SeqLen), mat(j.cfg.SeqLen)
	if err == nil {
		j.runner, err = graph.NewRunner(j.ops, j.model.Family, c, j.cfg.SeqLen, 0)
	}
	if err != nil {
		j.release()
		return fmt.Errorf("%d calibration tokens: %w", tokens, err)
	}
	for i, w := range j.windows {
		if err := j.model.embed(w, j.window(j.x, i)); err != nil {
			j.release()
			return err
		}
	}
	return nil
}

func (j *job) release() {
	if j.runner != nil {
		j.runner.Close()
		j.runner = nil
	}
	for _, b := range j.buffers {
		b.Close()
	}
	j.buffers = nil
}

func (j *job) window(m kernels.Mat, i int) kernels.Mat {
	return m.Slice(i*j.cfg.SeqLen, (i+1)*j.cfg.SeqLen)
}

// poll ends the job when it has been cancelled.
func (j *job) poll() error { return j.ctx.Err() }

func (j *job) run() error {
	for i := 0; i < j.model.Config.Layers; i++ {
		if err := j.block(i); err != nil {
			return err
		}
	}
	return j.rest()
}

// block quantises decoder block i and leaves its float output as the next block's input.
func (j *job) block(i int) error {
	name := j.model.BlockName(i)
	b, err := j.model.loadBlock(j.ops, i)
	if err != nil {
		return err
	}
	defer b.Close()
	found := &findings{}
	if j.cfg.Method == AWQ {
		if found, err = j.search(&b.Block); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		defer found.close()
	}
	for _, lin := range j.model.Family.Linears() {
		if err := j.poll(); err != nil {
			return err
		}
		if err := j.write(name, lin, b.Linears[lin], found); err != nil {
			return err
		}
	}
	for _, norm := range j.model.Family.Norms() {
		if err := j.writeFloat(name+"."+norm+".weight", b.Norms[norm]); err != nil {
			return err
		}
	}
	share := 0.1
	if j.cfg.Method == RTN {
		share = 1
	}
	j.meter.at("write", name, share)
	return nil
}

// rest copies every tensor that no block has written.
func (j *job) rest() error {
	blocks := map[string]bool{}
	for i := 0; i < j.model.Config.Layers; i++ {
		name := j.model.BlockName(i)
		for _, lin := range j.model.Family.Linears() {
			for _, t := range j.plan.layout.Tensors(8, 8, 8) {
				blocks[name+"."+lin+"."+t.Suffix] = true
			}
			blocks[name+"."+lin+".weight"], blocks[name+"."+lin+".bias"] = true, true
		}
		for _, norm := range j.model.Family.Norms() {
			blocks[name+"."+norm+".weight"] = true
		}
	}
	buf := make([]byte, readChunk)
	for _, t := range j.plan.outputs {
		if blocks[t.Name] {
			continue
		}
		size, err := t.Bytes()
		if err != nil {
			return err
		}
		for at := int64(0); at < size; at += int64(len(buf)) {
			if err := j.poll(); err != nil {
				return err
			}
			part := buf[:min(int64(len(buf)), size-at)]
			if err := j.model.reader.ReadAt(t.Name, part, at); err != nil {
				return err
			}
			if err := checkFinite(t, part, at); err != nil {
				return err
			}
			if err := j.writer.WriteAt(t.Name, part, at); err != nil {
				return err
			}
		}
	}
	j.meter.at("write", "other tensors", 0.1)
	return nil
}

// checkFinite refuses NaN and Inf in the tensors that are copied.
func checkFinite(t checkpoint.Info, part []byte, at int64) error {
	dt, err := floatType(t)
	if err != nil {
		return nil // not a float tensor: copied as it is
	}
	vals := make([]float32, len(part)/dt.Size())
	dt.Decode(vals, part)
	for i, v := range vals {
		if v-v != 0 {
			return fmt.Errorf("tensor %s: %w: %v at element %d", t.Name, checkpoint.ErrCorrupt, v, at/int64(dt.Size())+int64(i))
		}
	}
	return nil
}

// write stores linear `lin` of a block, quantised or, where excluded, in the source's dtype with its scales folded in.
func (j *job) write(block, lin string, l *graph.Linear, found *findings) error {
	name := block + "." + lin
	if !j.plan.quantised[name] {
		if l.Bias != nil {
			if err := j.writeFloat(name+".bias", l.Bias); err != nil {
				return err
			}
		}
		return j.writeFloat(name+".weight", l.W.Data[:l.N*l.K])
	}
	q := pack.New(l.N, l.K, groupOf(j.cfg.Group, l.K))
	if err := j.ops.Quantize(l.W, found.limits[lin], j.cfg.Symmetric, q); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if j.cfg.Method == AWQ && j.cfg.Refine != RefineOff {
		if err := j.refine(name, l, q, found.stats[lin], found.held[lin], found.scale[lin]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for i, s := range q.Scales {
		if f := kernels.FromF16(s); math.IsInf(float64(f), 0) || f <= 0 {
			return fmt.Errorf("%s: %w: group %d of output %d needs a scale that float16 can't hold", name, ErrUnsupported, i%(l.K/q.Group), i/(l.K/q.Group))
		}
	}
	for _, t := range j.plan.layout.Pack(q) {
		if err := j.writer.WriteAt(name+"."+t.Suffix, t.Data, 0); err != nil {
			return err
		}
	}
	if l.Bias != nil {
		return j.writeAs(name+".bias", l.Bias, kernels.F16)
	}
	return nil
}

// writeFloat stores values in the dtype that the source has for the tensor.
func (j *job) writeFloat(name string, vals []float32) error {
	t, ok := j.model.reader.Lookup(name)
	if !ok {
		return fmt.Errorf("tensor %s: %w", name, checkpoint.ErrNotFound)
	}
	dt, err := floatType(t)
	if err != nil {
		return err
	}
	return j.writeAs(name, vals, dt)
}

func (j *job) writeAs(name string, vals []float32, dt kernels.DType) error {
	buf := make([]byte, min(len(vals)*dt.Size(), readChunk))
	for at := 0; at < len(vals); {
		n := min(len(vals)-at, len(buf)/dt.Size())
		for i, v := range vals[at : at+n] {
			if math.IsInf(float64(round(v, dt)), 0) {
				return fmt.Errorf("tensor %s: %w: %v at element %d is beyond the dtype it is stored in", name, ErrUnsupported, v, at+i)
			}
		}
		dt.Encode(buf[:n*dt.Size()], vals[at:at+n])
		if err := j.writer.WriteAt(name, buf[:n*dt.Size()], int64(at)*int64(dt.Size())); err != nil {
			return err
		}
		at += n
	}
	return nil
}

// finish writes config.json, the report and the side files.
func (j *job) finish(dir string, start time.Time) (*Summary, error) {
	q := quantizationConfig{Method: "awq", ZeroPoint: !j.cfg.Symmetric, Group: j.cfg.Group, Bits: 4, Version: j.plan.Layout}
	for _, f := range j.plan.Float {
		if f.Module != j.model.Family.Head {
			q.NotConvert = append(q.NotConvert, f.Module)
		}
	}
	config, err := checkpoint.WithQuantization(j.model.raw, q)
	if err != nil {
		return nil, err
	}
	if _, err := checkpoint.CopyFiles(j.model.Dir, dir); err != nil {
		return nil, err
	}
	sum := j.summary(start)
	text, err := json.MarshalIndent(sum.Report, "", "  ")
	if err != nil {
		return nil, err
	}
	for name, data := range map[string][]byte{"config.json": config, "awq_report.json": append(text, '\n')} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return nil, checkpoint.FileError(name, err)
		}
	}
	return sum, nil
}

// quantizationConfig is the dictionary that AutoAWQ writes; readers expect just these keys.
type quantizationConfig struct {
	Method     string   `json:"quant_method"`
	ZeroPoint  bool     `json:"zero_point"`
	Group      int      `json:"group_size"`
	Bits       int      `json:"bits"`
	Version    string   `json:"version"`
	NotConvert []string `json:"modules_to_not_convert"`
}
