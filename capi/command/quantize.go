package command

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"libawq/quant"
	"libawq/quant/pack"
)

// quantFlags are shared by quantize and plan.
type quantFlags struct {
	cfg           quant.Config
	method        string
	objective     string
	refine        string
	noClip, noDuo bool
	calib, column string
	chat          bool
}

func (f *quantFlags) add(c *cobra.Command) {
	f.cfg = quant.DefaultConfig()
	v := c.Flags()
	v.IntVar(&f.cfg.Group, "group-size", f.cfg.Group, "inputs that share a scale: 32, 64, 128, 256, or -1 for one group a row")
	v.BoolVar(&f.cfg.Symmetric, "symmetric", false, "no zero points")
	v.StringVar(&f.method, "method", string(f.cfg.Method), "awq, or rtn (round to nearest, no calibration)")
	v.StringVar(&f.cfg.Layout, "layout", f.cfg.Layout, "layout of the files: gemm (AutoAWQ's)")
	v.StringVar(&f.calib, "calib", "", "calibration text: .txt, .jsonl, .json, .parquet, or - for standard input (default: a built-in text)")
	v.StringVar(&f.column, "text-column", "text", "name of the text in .jsonl and .parquet")
	v.BoolVar(&f.chat, "chat", false, "apply the model's chat template to messages")
	v.IntVar(&f.cfg.Samples, "samples", f.cfg.Samples, "calibration windows at most")
	v.IntVar(&f.cfg.SeqLen, "seq-len", f.cfg.SeqLen, "tokens a calibration window")
	v.StringArrayVar(&f.cfg.Exclude, "exclude", nil, "keep linears in float: parts of a module's name, or a pattern with * (repeatable); lm_head always is")
	v.StringVar(&f.objective, "objective", string(f.cfg.Objective), "what the scale search minimises: linear (each linear's own output), module (the published loss), or auto (module among linear's best)")
	v.StringVar(&f.refine, "refine", string(f.cfg.Refine), "after AWQ's searches: off, or fast (move codes and scales; the same files)")
	v.BoolVar(&f.noClip, "no-clip", false, "no clip search")
	v.BoolVar(&f.noDuo, "no-duo", false, "scales from activations alone")
	v.Uint64Var(&f.cfg.Seed, "seed", 0, "draw calibration windows by this seed (0: evenly)")
	v.BoolVar(&f.cfg.Overwrite, "force", false, "replace an existing destination")
}

func (f *quantFlags) config(a *app) (quant.Config, error) {
	var err error
	if f.cfg.Method, err = quant.ParseMethod(f.method); err != nil {
		return f.cfg, err
	}
	if f.cfg.Objective, err = quant.ParseObjective(f.objective); err != nil {
		return f.cfg, err
	}
	if f.cfg.Refine, err = quant.ParseRefinement(f.refine); err != nil {
		return f.cfg, err
	}
	if _, err := pack.Find(f.cfg.Layout); err != nil {
		return f.cfg, usageError{err}
	}
	f.cfg.Clip, f.cfg.Duo = !f.noClip, !f.noDuo
	f.cfg.Calib = quant.Text{Path: f.calib, Column: f.column, Chat: f.chat, Stdin: a.host.In}
	return f.cfg, nil
}

func (a *app) quantize() *cobra.Command {
	var f quantFlags
	c := &cobra.Command{
		Use:   "quantize SRC DST",
		Short: "Quantise a model folder",
		Long: "Quantises the Hugging Face folder SRC (safetensors, config.json, tokenizer.json) into the new folder DST.\n" +
			"DST appears complete or not at all. Ctrl-C stops within a second.",
		Example: "  awq quantize Llama-3.2-1B Llama-3.2-1B-awq\n" +
			"  awq quantize SmolLM2-135M SmolLM2-135M-awq --group-size 64 --samples 16\n" +
			"  awq quantize SRC DST --calib chats.jsonl --chat --exclude 'model.layers.0.*'\n" +
			"  zcat corpus.txt.gz | awq quantize SRC DST --calib - --json > report.json",
		Args: exactly("SRC", "DST"),
		RunE: func(c *cobra.Command, args []string) error {
			cfg, err := f.config(a)
			if err != nil {
				return err
			}
			device, err := a.device()
			if err != nil {
				return err
			}
			defer device.Close()
			a.bar = newBar(a.host.Err)
			sum, err := quant.Quantize(c.Context(), device.Ops, args[0], args[1], cfg, a.bar.report)
			a.bar.clear()
			if err != nil {
				return err
			}
			if a.json {
				return a.document(sum)
			}
			_, err = fmt.Fprintf(a.host.Out, "%s: %d linears in %d layers, %s -> %s, %.1f s, peak memory %s (%s)\n", args[1], sum.Linears, sum.Layers,
				size(sum.In), size(sum.Out), sum.Seconds, size(sum.Peak), device.Ops.Name)
			return err
		},
	}
	f.add(c)
	return c
}

func (a *app) plan() *cobra.Command {
	var f quantFlags
	c := &cobra.Command{
		Use:     "plan SRC",
		Short:   "Show what quantize would do",
		Long:    "Reads headers only: which linears are quantised, which stay in float and why, sizes, peak memory, group sizes that divide.",
		Example: "  awq plan Llama-3.2-1B\n  awq plan SmolLM2-135M --group-size 64 --json",
		Args:    exactly("SRC"),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, err := f.config(a)
			if err != nil {
				return err
			}
			p, err := quant.MakePlan(args[0], cfg)
			if p == nil {
				return err
			}
			defer p.Close()
			if a.json {
				return errors.Join(a.document(p), err)
			}
			a.printPlan(args[0], p)
			return err
		},
	}
	f.add(c)
	return c
}

func (a *app) printPlan(src string, p *quant.Plan) {
	w := tabwriter.NewWriter(a.host.Out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	zero := "zero points"
	if !p.ZeroPoint {
		zero = "symmetric"
	}
	fmt.Fprintf(w, "%s\t%s, %d layers\n", src, p.Architecture, p.Layers)
	fmt.Fprintf(w, "method\t%s, group %d, %s, layout %s\n", p.Method, p.Group, zero, p.Layout)
	for _, s := range p.Shapes {
		fmt.Fprintf(w, "quantise\t%d x %s [%d, %d]\n", s.Count, s.Linear, s.N, s.K)
	}
	for _, k := range p.Float {
		fmt.Fprintf(w, "keep\t%s: %s\n", k.Module, k.Reason)
	}
	if p.Method == quant.AWQ {
		fmt.Fprintf(w, "scale\t%s\n", strings.Join(p.Scaled, "; "))
		for _, s := range p.Skipped {
			fmt.Fprintf(w, "not scaled\t%s\n", s)
		}
	}
	fmt.Fprintf(w, "group sizes that divide every linear\t%s\n", strings.Trim(strings.ReplaceAll(fmt.Sprint(p.Usable), " ", ", "), "[]"))
	if p.Problem != "" {
		fmt.Fprintf(w, "problem\t%s\n", p.Problem)
		return
	}
	fmt.Fprintf(w, "size\t%s -> %s\n", size(p.BytesIn), size(p.BytesOut))
	fmt.Fprintf(w, "peak memory\tabout %s\n", size(p.PeakMemory))
}
