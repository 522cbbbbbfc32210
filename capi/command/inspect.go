package command

import (
	"fmt"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"libawq/quant"
)

func (a *app) inspect() *cobra.Command {
	return &cobra.Command{
		Use:     "inspect DIR",
		Short:   "Say what a model folder is",
		Long:    "Reads headers only: architecture, quantisation, layout, sizes, linears. --json lists every linear.",
		Example: "  awq inspect SmolLM2-135M-awq",
		Args:    exactly("DIR"),
		RunE: func(_ *cobra.Command, args []string) error {
			i, err := quant.Inspect(args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.document(i)
			}
			w := a.host.Out
			fmt.Fprintf(w, "%s: %s, %d layers, hidden %d, vocabulary %d\n", args[0], i.Architecture, i.Layers, i.Hidden, i.Vocab)
			quantised := 0
			for _, l := range i.Linears {
				if l.Quantised {
					quantised++
				}
			}
			if i.Quantised {
				zero := "zero points"
				if !i.ZeroPoint {
					zero = "symmetric"
				}
				fmt.Fprintf(w, "%s, layout %s, group %d, %s; %d of %d linears quantised\n", i.Method, i.Layout, i.Group, zero, quantised, len(i.Linears))
			} else {
				fmt.Fprintf(w, "not quantised; %d linears\n", len(i.Linears))
			}
			var types []string
			for t, n := range i.DTypes {
				types = append(types, fmt.Sprintf("%d %s", n, t))
			}
			sort.Strings(types)
			_, err = fmt.Fprintf(w, "%d tensors (%s), %d weights, %s\n", i.Tensors, strings.Join(types, ", "), i.Parameters, size(i.Bytes))
			return err
		},
	}
}
