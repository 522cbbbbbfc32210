package command

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/spf13/cobra"

	"libawq/kernels"
	"libawq/quant"
)

// shape is what a bench measures.
type shape struct {
	m, n, k, group int
	int8           bool
}

func (s shape) mode() kernels.Mode {
	if s.int8 {
		return kernels.Int8
	}
	return kernels.Exact
}

// measure is one row of a bench: the kernel beside the machine's limit, measured alternately in the same run.
type measure struct {
	Bench   string  `json:"bench"`
	Kernel  string  `json:"kernel"`
	M       int     `json:"m"`
	N       int     `json:"n"`
	K       int     `json:"k"`
	Group   int     `json:"group_size,omitempty"`
	Micros  float64 `json:"microseconds"`
	GFLOPS  float64 `json:"gflops"`
	GBs     float64 `json:"gbytes_per_second"` // of weights
	LimitF  float64 `json:"limit_gflops"`
	LimitI  float64 `json:"limit_gops_int8"`
	LimitB  float64 `json:"limit_gbytes_per_second"`
	OfLimit float64 `json:"share_of_limit"` // of the nearer of the two
}

func (a *app) bench() *cobra.Command {
	var s shape
	var seconds, gbytes float64
	var cache string
	c := &cobra.Command{
		Use:   "bench [gemm|linear|roof|model|load DIR]",
		Short: "Measure kernels beside the machine's limits",
		Long: "Measures the float32 product of calibration (gemm) or the quantised linear (linear), in the same run as the machine's float32 FMA rate,\n" +
			"its rate of 4-bit codes times signed bytes and its memory read rate; roof measures these alone. --m 0 runs a few batch sizes.\n" +
			"load loads every quantised linear of a folder, three times, beside reading its files; the best pass counts.\n" +
			"model measures nothing: what the cost model says of the linear on 1 to 16 threads whose memory gives --gbytes (0: all that they ask for).",
		Example: "  awq bench gemm\n  awq bench linear --n 4096 --k 4096 --m 1\n  awq bench load model-awq --cache /var/tmp/packed\n  AWQ_FORCE_ISA=avx2 awq bench --json",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			kinds := []string{"gemm", "linear"}
			if len(args) > 0 {
				kinds = args[:1]
			}
			if load := kinds[0] == "load"; load != (len(args) == 2) {
				return usagef("bench %s with %d arguments; load wants a folder, the others nothing", kinds[0], len(args)-1)
			}
			if s.group == 0 {
				s.group = usualGroup(s.k)
			}
			if s.m < 0 || s.n < 16 || s.k < 16 || s.m > 1<<16 || s.n > 1<<16 || s.k > 1<<16 || s.group < 2 || s.k%s.group != 0 || s.k%2 != 0 {
				return usagef("bench of m=%d n=%d k=%d group=%d", s.m, s.n, s.k, s.group)
			}
			device, err := a.device()
			if err != nil {
				return err
			}
			defer device.Close()
			if len(kinds) == 1 && kinds[0] == "roof" {
				return a.benchRoof(device)
			}
			usual := []int{1, 4, 16, 64, 512}
			if kinds[0] == "model" {
				if s.m != 0 {
					usual = []int{s.m}
				}
				if !(gbytes >= 0) {
					return usagef("--gbytes %g; want 0 or more", gbytes)
				}
				return a.benchModel(device, s, usual, gbytes)
			}
			if kinds[0] == "load" {
				return a.benchLoad(c.Context(), device, args[1], quant.LoadOptions{Mode: s.mode(), Cache: cache}, 3)
			}
			rows := []measure{}
			for _, kind := range kinds {
				run, sizes := a.benchLinear, usual
				switch kind {
				case "gemm":
					run, sizes = a.benchGemm, []int{512}
				case "linear":
				default:
					return usagef("unknown bench %q; known: gemm, linear, roof, model, load", kind)
				}
				if s.m != 0 {
					sizes = []int{s.m}
				}
				for _, m := range sizes {
					row := s
					row.m = m
					got, err := run(c.Context(), device, row, time.Duration(seconds*float64(time.Second)))
					if err != nil {
						return err
					}
					rows = append(rows, got)
					if !a.json {
						fmt.Fprintf(a.host.Out, "%-6s %-16s m=%-4d n=%-5d k=%-5d %10.1f us  %8.1f GFLOP/s of %.1f  %6.2f GB/s of %.2f  %3.0f %% of the limit\n", got.Bench, got.Kernel,
							got.M, got.N, got.K, got.Micros, got.GFLOPS, got.LimitF, got.GBs, got.LimitB, 100*got.OfLimit)
					}
				}
			}
			if a.json {
				return a.document(rows)
			}
			return nil
		},
	}
	v := c.Flags()
	v.BoolVar(&s.int8, "int8", false, "the linear's activations as signed bytes")
	v.IntVar(&s.m, "m", 0, "rows (0: a few sizes)")
	v.IntVar(&s.n, "n", 4096, "outputs")
	v.IntVar(&s.k, "k", 4096, "inputs")
	v.IntVar(&s.group, "group-size", 0, "inputs that share a scale (0: the largest of 128, 64, 32 that divides, else one group a row)")
	v.Float64Var(&gbytes, "gbytes", 0, "model: GB/s that the memory gives to all threads together (0: as much as they ask for)")
	v.StringVar(&cache, "cache", "", "load: folder of packed forms that processes share")
	v.Float64Var(&seconds, "seconds", 2, "time for each row")
	return c
}

// benchRoof prints the limits alone.
func (a *app) benchRoof(device *Device) error {
	if device.Roof == nil {
		return fmt.Errorf("%s: its limits can't be measured: %w", device.Ops.Name, kernels.ErrUnsupported)
	}
	r, err := device.Roof()
	if err != nil {
		return err
	}
	if a.json {
		return a.document(map[string]any{"kernel": device.Ops.Name, "gflops": r.FLOPS / 1e9, "gops_int8": r.Int8 / 1e9, "gbytes_per_second": r.Bytes / 1e9})
	}
	fmt.Fprintf(a.host.Out, "%s: %.1f GFLOP/s, %.1f GOP/s of codes times signed bytes, %.2f GB/s read\n", device.Ops.Name, r.FLOPS/1e9, r.Int8/1e9, r.Bytes/1e9)
	return nil
}

// benchGemm multiplies [m, k] by [n, k] transposed.
func (a *app) benchGemm(ctx context.Context, device *Device, s shape, d time.Duration) (measure, error) {
	buf, err := kernels.NewBuffer(4 * (s.m*s.k + s.n*s.k + s.m*s.n))
	if err != nil {
		return measure{}, err
	}
	defer buf.Close()
	data := buf.Float32()
	noise(data[:s.m*s.k+s.n*s.k])
	x, w, y := kernels.NewMat(data, s.m, s.k), kernels.NewMat(data[s.m*s.k:], s.n, s.k), kernels.NewMat(data[s.m*s.k+s.n*s.k:], s.m, s.n)
	return a.row(ctx, "gemm", device, s, 4*float64(s.n)*float64(s.k), d, func(int) error { return device.Ops.Gemm(x, w, y, 1, true, false) })
}

// benchLinear cycles through enough copies of a linear that its weights come from memory.
func (a *app) benchLinear(ctx context.Context, device *Device, s shape, d time.Duration) (measure, error) {
	q := &kernels.QWeight{N: s.n, K: s.k, Group: s.group, Codes: make([]uint8, s.n*s.k/2), Scales: make([]uint16, s.n*s.k/s.group), Zeros: make([]uint8, s.n*s.k/s.group)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range q.Codes {
		q.Codes[i] = uint8(r.Uint32())
	}
	for i := range q.Scales {
		q.Scales[i], q.Zeros[i] = kernels.ToF16(0.01+0.01*r.Float32()), uint8(r.Uint32()&15)
	}
	bytes := float64(len(q.Codes)) + 2.5*float64(len(q.Scales))
	copies := min(int(256e6/bytes)+1, 1024)
	var weights []kernels.Weight
	defer func() {
		for _, w := range weights {
			w.Close()
		}
	}()
	for i := 0; i < copies; i++ {
		w, err := device.Ops.Pack(q, s.mode())
		if err != nil {
			return measure{}, err
		}
		weights = append(weights, w)
	}
	buf, err := kernels.NewBuffer(4 * (s.m*s.k + s.m*s.n))
	if err != nil {
		return measure{}, err
	}
	defer buf.Close()
	data := buf.Float32()
	noise(data[:s.m*s.k])
	x, y := kernels.F32Rows(kernels.NewMat(data, s.m, s.k)), kernels.F32Rows(kernels.NewMat(data[s.m*s.k:], s.m, s.n))
	m, err := a.row(ctx, "linear", device, s, bytes, d, func(i int) error { return device.Ops.Linear(weights[i%copies], x, y) })
	m.Group = s.group
	return m, err
}

// row times calls for d in slices, the limits before and after, and takes the best of each.
func (a *app) row(ctx context.Context, name string, device *Device, s shape, bytes float64, d time.Duration, call func(int) error) (measure, error) {
	flop := 2 * float64(s.m) * float64(s.n) * float64(s.k)
	out := measure{Bench: name, Kernel: device.Ops.Name, M: s.m, N: s.n, K: s.k}
	limit := func() error {
		if device.Roof == nil {
			return nil
		}
		roof, err := device.Roof()
		out.LimitF, out.LimitI, out.LimitB = max(out.LimitF, roof.FLOPS/1e9), max(out.LimitI, roof.Int8/1e9), max(out.LimitB, roof.Bytes/1e9)
		return err
	}
	if err := limit(); err != nil {
		return out, err
	}
	best, calls := time.Duration(1<<62), 0
	for start := time.Now(); time.Since(start) < d || calls < 3; {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		const least = 20 * time.Millisecond // a slice long enough for the clock
		n, t := 0, time.Now()
		for time.Since(t) < least || n == 0 {
			if err := call(calls); err != nil {
				return out, err
			}
			n++
			calls++
		}
		best = min(best, time.Since(t)/time.Duration(n))
	}
	if err := limit(); err != nil {
		return out, err
	}
	sec := best.Seconds()
	out.Micros, out.GFLOPS, out.GBs = 1e6*sec, flop/sec/1e9, bytes/sec/1e9
	compute := out.LimitF
	if s.int8 && name == "linear" {
		compute = out.LimitI
	}
	if compute > 0 && out.LimitB > 0 {
		out.OfLimit = max(flop/(compute*1e9), bytes/(out.LimitB*1e9)) / sec
	}
	return out, nil
}

// usualGroup is the group size that people would choose for k inputs.
func usualGroup(k int) int {
	for _, g := range []int{128, 64, 32} {
		if k%g == 0 {
			return g
		}
	}
	return k
}

func noise(x []float32) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range x {
		x[i] = 2*r.Float32() - 1
	}
}
