//go:build native

// Command measure writes the tables of package tune for the instruction set that it runs with (AWQ_FORCE_ISA chooses another):
//
//	go run -tags native ./kernels/tune/measure -cost >> kernels/tune/cost.tsv
//	go run -tags native ./kernels/tune/measure >> kernels/tune/linear.tsv
//
// Candidates of a shape are measured in turns, each by its best slice, which other processes disturb least. A plan that is not clearly
// better than the model's, in two measurements, gets no row.
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"libawq/kernels"
	"libawq/kernels/native"
	"libawq/kernels/tune"
)

// Shapes that people run: n, k, group.
var shapes = [][3]int{
	{576, 576, 64}, {192, 576, 64}, {1536, 576, 64}, {576, 1536, 64}, // SmolLM2 135M
	{896, 896, 128}, {4864, 896, 128}, {896, 4864, 128}, // Qwen2.5 0.5B
	{2048, 2048, 128}, {512, 2048, 128}, {8192, 2048, 128}, {2048, 8192, 128}, // Llama 3.2 1B
	{4096, 4096, 128}, {1024, 4096, 128}, {11008, 4096, 128}, {4096, 11008, 128}, {14336, 4096, 128}, {4096, 14336, 128}, // 7B and 8B
}

const (
	memory = 96 << 20 // bytes of weights to go round in
	better = 0.93     // of the model's time: two equal plans differ by up to 5 % on a shared machine
)

// bench is a linear in as many copies as don't fit a cache, with its activations.
type bench struct {
	device  *native.Device
	weights []kernels.Weight
	x, y    kernels.Rows
	turn    int
}

func newBench(d *native.Device, mode kernels.Mode, n, k, group int, rows int) (*bench, error) {
	q := &kernels.QWeight{N: n, K: k, Group: group, Codes: make([]uint8, n*k/2), Scales: make([]uint16, n*k/group), Zeros: make([]uint8, n*k/group)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range q.Codes {
		q.Codes[i] = uint8(r.Uint32())
	}
	for i := range q.Scales {
		q.Scales[i], q.Zeros[i] = kernels.ToF16(0.01+0.01*r.Float32()), uint8(r.Uint32()&15)
	}
	b := &bench{device: d}
	for range memory/(n*k/2) + 1 {
		w, err := d.Ops().Pack(q, mode)
		if err != nil {
			b.Close()
			return nil, err
		}
		b.weights = append(b.weights, w)
	}
	x := make([]float32, rows*k)
	for i := range x {
		x[i] = 2*r.Float32() - 1
	}
	b.x, b.y = kernels.F32Rows(kernels.NewMat(x, rows, k)), kernels.F32Rows(kernels.NewMat(make([]float32, rows*n), rows, n))
	return b, nil
}

func (b *bench) Close() {
	for _, w := range b.weights {
		w.Close()
	}
}

// clock is the wall's, or on one thread that thread's processor time, which a busy machine disturbs less.
var clock = unix.CLOCK_MONOTONIC

func now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(int32(clock), &t); err != nil {
		panic(err) // both clocks are there since Linux 2.6
	}
	return time.Duration(t.Nano())
}

// slice is the mean time of a call over about 4 ms.
func (b *bench) slice(p *kernels.Plan) (time.Duration, error) {
	calls, start := 0, now()
	for now()-start < 4*time.Millisecond || calls == 0 {
		b.turn++
		if err := b.device.LinearPlanned(b.weights[b.turn%len(b.weights)], b.x, b.y, p); err != nil {
			return 0, err
		}
		calls++
	}
	return (now() - start) / time.Duration(calls), nil
}

// race is the best slice of each plan.
func (b *bench) race(plans []kernels.Plan, rounds int) ([]time.Duration, error) {
	best := make([]time.Duration, len(plans))
	for round := range rounds {
		for i := range plans {
			t, err := b.slice(&plans[i])
			if err != nil {
				return nil, err
			}
			if round == 0 || t < best[i] {
				best[i] = t
			}
		}
	}
	return best, nil
}

// knobs are the numbers of a plan that tuned varies, with their values. Spreading codes out for one or two rows never pays.
func knobs(rows int32) []func(p *kernels.Plan, v int32) {
	all := []func(p *kernels.Plan, v int32){
		func(p *kernels.Plan, v int32) { p.Ahead = []int32{1, 2, 4}[v] },
		func(p *kernels.Plan, v int32) { p.ChunkBytes = []int32{16 << 10, 64 << 10, 256 << 10}[v] },
	}
	if rows > 2 {
		all = append(all, func(p *kernels.Plan, v int32) { p.DecodeRows = []int32{0, 1 << 20, 1 << 20}[v] })
	}
	return all
}

// tuned looks for a better plan than the model's, one number at a time.
func (b *bench) tuned(model kernels.Plan) (best kernels.Plan, was, is time.Duration, err error) {
	best = model
	for _, vary := range knobs(model.Rows) {
		plans := []kernels.Plan{best}
		for v := range int32(3) {
			p := best
			vary(&p, v)
			if !slices.Contains(plans, p) {
				plans = append(plans, p)
			}
		}
		times, err := b.race(plans, 9)
		if err != nil {
			return best, 0, 0, err
		}
		fastest := 0
		for i := range times {
			if float64(times[i]) < better*float64(times[0]) && times[i] < times[fastest] {
				fastest = i
			}
		}
		best = plans[fastest]
	}
	times, err := b.race([]kernels.Plan{model, best}, 15)
	if err != nil {
		return best, 0, 0, err
	}
	return best, times[0], times[1], nil
}

// linear prints rows of linear.tsv.
func linear(d *native.Device, largest int) error {
	for _, s := range shapes {
		for _, mode := range []kernels.Mode{kernels.Exact, kernels.Int8} {
			cost, ok := tune.CostOf(d.Ops().Name, mode)
			if !ok {
				return fmt.Errorf("cost.tsv has no row for %s: run with -cost first", d.Ops().Name)
			}
			for _, rows := range tune.Buckets {
				if int(rows) > largest {
					break
				}
				b, err := newBench(d, mode, s[0], s[1], s[2], int(rows))
				if err != nil {
					return err
				}
				model := cost.Plan(rows)
				plan, was, is, err := b.tuned(model)
				b.Close()
				if err != nil {
					return err
				}
				fmt.Fprintf(os.Stderr, "%v %s rows %d: %.1f us, with %+v %.1f us\n", s, tune.ModeName(mode), rows, us(was), plan, us(is))
				if plan != model && float64(is) < better*float64(was) {
					fmt.Printf("%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f\t%.1f\n", d.Ops().Name, tune.ModeName(mode), s[0], s[1], s[2], rows, plan.DecodeRows,
						plan.Ahead, plan.ChunkBytes>>10, us(was), us(is))
				}
			}
		}
	}
	return nil
}

func us(d time.Duration) float64 { return float64(d) / 1e3 }

// cost prints rows of cost.tsv: of each line two points, the two plans measured in turns.
func cost(d *native.Device, source string) error {
	const n, k, group, few, many = 4096, 4096, 128, 4, 64
	decode := kernels.Plan{DecodeRows: 1 << 20, Ahead: 2, ChunkBytes: 64 << 10, Picoseconds: 1e3}
	spread := decode
	spread.DecodeRows = 0
	for _, mode := range []kernels.Mode{kernels.Exact, kernels.Int8} {
		points := map[int][2]float64{} // picoseconds a weight by rows: decode, spread
		for _, rows := range []int{1, few, many} {
			b, err := newBench(d, mode, n, k, group, rows)
			if err != nil {
				return err
			}
			t, err := b.race([]kernels.Plan{decode, spread}, 60)
			b.Close()
			if err != nil {
				return err
			}
			points[rows] = [2]float64{float64(t[0]) * 1e3 / (n * k), float64(t[1]) * 1e3 / (n * k)}
			fmt.Fprintf(os.Stderr, "%s rows %d: decode %.1f ps a weight, spread %.1f\n", tune.ModeName(mode), rows, points[rows][0], points[rows][1])
		}
		fmt.Printf("%s\t%s\t0\t%.1f", d.Ops().Name, tune.ModeName(mode), points[1][0])
		for i := range 2 {
			product := (points[many][i] - points[few][i]) / (many - few)
			fmt.Printf("\t%.1f\t%.2f", max(0, points[few][i]-product*few), product)
		}
		fmt.Printf("\t%s\n", source)
	}
	return nil
}

func main() {
	model := flag.Bool("cost", false, "rows of cost.tsv, on one thread, instead of linear.tsv")
	source := flag.String("source", "measured", "where the rows of cost.tsv come from: processor and date")
	rows := flag.Int("rows", 32, "largest number of rows")
	flag.Parse()
	threads := 0
	if *model {
		runtime.LockOSThread()
		threads, clock = 1, unix.CLOCK_THREAD_CPUTIME_ID
	}
	d, err := native.Open(native.Options{ISA: os.Getenv("AWQ_FORCE_ISA"), Threads: threads})
	if err == nil {
		defer d.Close()
		if *model {
			err = cost(d, *source)
		} else {
			err = linear(d, *rows)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
