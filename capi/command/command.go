// Package command is the program `awq`: flags to calls, results to text or JSON. It runs inside the library, so that the C
// program, the Python entry point and a test are the same code; all it needs from outside comes in a Host.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"libawq/kernels"
	"libawq/quant"
)

// Host is what the program gets from the process around it.
type Host struct {
	In       io.Reader
	Out, Err io.Writer
	Version  string
	Getenv   func(string) string
	Open     func(isa string, threads int) (*Device, error)
	Devices  func(pluginDirs []string) []kernels.Device
}

// Device is an opened device.
type Device struct {
	Ops   kernels.Ops
	Roof  func() (kernels.Roof, error) // measures what the machine can do at most; nil where that can't be measured
	Close func()
}

// Exit codes.
const (
	exitDone      = 0
	exitFailure   = 1
	exitUsage     = 2
	exitCancelled = 130
)

// usageError is wrong use: exit code 2 and a pointer to the help.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Run runs the program with the arguments after its name and returns its exit code.
func Run(ctx context.Context, args []string, h Host) int {
	a := &app{host: h}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(h.In)
	root.SetOut(h.Out)
	root.SetErr(h.Err)
	cmd, err := root.ExecuteContextC(ctx)
	a.bar.clear()
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(h.Err, "awq: cancelled; nothing was left behind")
		return exitCancelled
	case errors.As(err, &usage), errors.Is(err, quant.ErrInvalid), strings.HasPrefix(err.Error(), "unknown command"):
		fmt.Fprintf(h.Err, "awq: %s (see `%s --help`)\n", oneLine(err), cmd.CommandPath())
		return exitUsage
	default:
		fmt.Fprintf(h.Err, "awq: %s\n", oneLine(err))
		return exitFailure
	}
}

func oneLine(err error) string {
	return strings.Join(strings.Split(strings.TrimSpace(err.Error()), "\n"), "; ")
}

// app is one run of the program.
type app struct {
	host    Host
	json    bool
	threads int
	bar     bar
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "awq",
		Short: "4-bit Activation-aware Weight Quantization",
		Long: "awq quantises Hugging Face model folders to 4 bits with AWQ (arXiv:2306.00978) and measures the result.\n" +
			"`awq help COMMAND` shows examples.",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return usagef("unknown command %q", args[0])
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print one JSON document on standard output, everything else on standard error")
	root.PersistentFlags().IntVar(&a.threads, "threads", 0, "CPU threads (0: AWQ_NUM_THREADS, else all that the process may use)")
	root.AddCommand(a.quantize(), a.plan(), a.eval(), a.inspect(), a.bench(), a.devices(), a.version())
	return root
}

// exactly wants n arguments and names them in its error.
func exactly(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usagef("expected %s, got %d arguments", strings.Join(names, " "), len(args))
		}
		return nil
	}
}

// device opens the CPU with the instruction set that AWQ_FORCE_ISA names.
func (a *app) device() (*Device, error) {
	if a.threads < 0 || a.threads > 4096 {
		return nil, usagef("--threads %d", a.threads)
	}
	return a.host.Open(a.host.Getenv("AWQ_FORCE_ISA"), a.threads)
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			if a.json {
				return a.document(map[string]string{"version": a.host.Version})
			}
			_, err := fmt.Fprintln(a.host.Out, "awq", a.host.Version)
			return err
		},
	}
}

func (a *app) devices() *cobra.Command {
	return &cobra.Command{
		Use: "devices", Short: "List the devices and instruction sets", Args: exactly(),
		Long: "Lists every kernel table: those of the CPU, best first, and those of plug-ins in AWQ_BACKEND_PATH, with the reason where one can't be used.",
		RunE: func(*cobra.Command, []string) error {
			var dirs []string
			for _, d := range strings.Split(a.host.Getenv("AWQ_BACKEND_PATH"), ":") {
				if d != "" {
					dirs = append(dirs, d)
				}
			}
			all := a.host.Devices(dirs)
			if a.json {
				type row struct {
					Name        string `json:"name"`
					Kind        string `json:"kind"`
					Index       int    `json:"index"`
					Available   bool   `json:"available"`
					Description string `json:"description"`
				}
				rows := []row{}
				for _, d := range all {
					rows = append(rows, row{d.Name, d.Kind, d.Index, d.Available, describe(d)})
				}
				return a.document(rows)
			}
			for _, d := range all {
				state := "yes"
				if !d.Available {
					state = "no "
				}
				fmt.Fprintf(a.host.Out, "%-18s %s  %s\n", d.Name, state, describe(d))
			}
			return nil
		},
	}
}

func describe(d kernels.Device) string {
	if d.Available {
		return d.Description
	}
	return d.Reason
}
