package command

import (
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"libawq/quant"
)

// evaluation is the JSON document of eval.
type evaluation struct {
	Perplexity   *float64 `json:"perplexity"`
	NLL          *float64 `json:"nll"`
	Tokens       int64    `json:"tokens"`
	KL           *float64 `json:"kl"`
	Top1         *float64 `json:"top1_agreement"`
	Seconds      float64  `json:"seconds"`
	Peak         int64    `json:"peak_rss_bytes"`
	Continuation *string  `json:"continuation,omitempty"`
}

func (a *app) eval() *cobra.Command {
	var cfg quant.EvalConfig
	var prompt string
	var chat bool
	var maxNew int
	c := &cobra.Command{
		Use:   "eval DIR",
		Short: "Measure a float or quantised folder",
		Long: "Perplexity on a text in non-overlapping windows, no special tokens added; with --against, KL divergence and top-1 agreement with\n" +
			"that folder's model; with --prompt, a greedy continuation. A .jsonl line of `input_ids` is one window as it stands.",
		Example: "  awq eval SmolLM2-135M-awq --text held-out.txt --against SmolLM2-135M\n" +
			"  awq eval SmolLM2-135M-awq --text ids.jsonl --json\n" +
			"  awq eval SmolLM2-135M-awq --prompt 'The capital of France is' --max-new-tokens 16",
		Args: exactly("DIR"),
		RunE: func(c *cobra.Command, args []string) error {
			asked := c.Flags().Changed("prompt")
			if cfg.Text.Path == "" && !asked {
				return usagef("eval needs --text or --prompt")
			}
			device, err := a.device()
			if err != nil {
				return err
			}
			defer device.Close()
			out := evaluation{}
			if cfg.Text.Path != "" {
				cfg.Text.Chat, cfg.Text.Stdin = chat, a.host.In
				a.bar = newBar(a.host.Err)
				r, err := quant.Evaluate(c.Context(), device.Ops, args[0], cfg, a.bar.report)
				a.bar.clear()
				if err != nil {
					return err
				}
				out = evaluation{Perplexity: number(r.Perplexity), NLL: number(r.NLL), Tokens: r.Tokens, KL: number(r.KL), Top1: number(r.Top1), Seconds: r.Seconds}
				if !a.json {
					fmt.Fprintf(a.host.Out, "perplexity %.4f  nll %.5f  tokens %d", r.Perplexity, r.NLL, r.Tokens)
					if !math.IsNaN(r.KL) {
						fmt.Fprintf(a.host.Out, "  kl %.5f  top-1 agreement %.2f %%", r.KL, 100*r.Top1)
					}
					fmt.Fprintf(a.host.Out, "  %.1f s\n", r.Seconds)
				}
			}
			if asked {
				var emit func(string)
				if !a.json {
					emit = func(s string) { fmt.Fprint(a.host.Out, s) }
				}
				text, err := quant.Generate(c.Context(), device.Ops, args[0], prompt, chat, maxNew, emit)
				if err != nil {
					return err
				}
				if !a.json {
					fmt.Fprintln(a.host.Out)
				}
				out.Continuation = &text
			}
			out.Peak = quant.PeakRSS()
			if a.json {
				return a.document(out)
			}
			return nil
		},
	}
	v := c.Flags()
	v.StringVar(&cfg.Text.Path, "text", "", "text to measure on: .txt, .jsonl, .json, .parquet, or - for standard input")
	v.StringVar(&cfg.Text.Column, "text-column", "text", "name of the text in .jsonl and .parquet")
	v.IntVar(&cfg.Context, "context", 1024, "tokens a window")
	v.Int64Var(&cfg.Tokens, "tokens", 0, "use at most that many tokens (0: all)")
	v.StringVar(&cfg.Against, "against", "", "folder of the model to compare with")
	v.StringVar(&prompt, "prompt", "", "continue this text")
	v.BoolVar(&chat, "chat", false, "apply the model's chat template to messages and to the prompt")
	v.IntVar(&maxNew, "max-new-tokens", 64, "tokens to add to the prompt")
	return c
}
