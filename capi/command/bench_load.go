package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"libawq/kernels"
	"libawq/quant"
)

// loadRow is what `awq bench load` says: the best of some passes over all linears of a folder, each kept until the pass ends, beside what
// reading the same files takes in the same run.
type loadRow struct {
	Bench   string  `json:"bench"`
	Kernel  string  `json:"kernel"`
	Linears int     `json:"linears"`
	Shared  int     `json:"shared"` // mapped from the cache
	Bytes   int64   `json:"bytes"`  // of the linears in the files
	Seconds float64 `json:"seconds"`
	GBs     float64 `json:"gbytes_per_second"`
	Median  float64 `json:"median_milliseconds"`    // of one linear
	ReadGBs float64 `json:"read_gbytes_per_second"` // one thread, into one small buffer
	CopyGBs float64 `json:"copy_gbytes_per_second"` // one thread, into new memory
}

func (a *app) benchLoad(ctx context.Context, device *Device, dir string, opt quant.LoadOptions, passes int) error {
	info, err := quant.Inspect(dir)
	if err != nil {
		return err
	}
	var names []string
	row := loadRow{Bench: "load", Kernel: device.Ops.Name}
	for _, l := range info.Linears {
		if l.Quantised {
			names = append(names, l.Module)
			groups := int64(1)
			if info.Group > 0 {
				groups = int64(l.K / info.Group)
			}
			row.Bytes += int64(l.N)*int64(l.K)/2 + int64(l.N)*groups*5/2
		}
	}
	if len(names) == 0 {
		return fmt.Errorf("%s: %w: no quantised linear", dir, quant.ErrUnsupported)
	}
	row.Linears = len(names)
	opt.Warn = func(text string) { fmt.Fprintln(a.host.Err, "awq:", text) }
	for range passes {
		for _, fresh := range []bool{false, true} {
			rate, err := readAll(ctx, dir, fresh)
			if err != nil {
				return err
			}
			if fresh {
				row.CopyGBs = max(row.CopyGBs, rate)
			} else {
				row.ReadGBs = max(row.ReadGBs, rate)
			}
		}
		if err := row.pass(ctx, device, dir, names, opt); err != nil {
			return err
		}
	}
	if a.json {
		return a.document(row)
	}
	fmt.Fprintf(a.host.Out, "load   %-16s %d linears, %d of them shared, %.2f GB in %.2f s: %.2f GB/s, median %.2f ms; reading %.2f GB/s, into new memory %.2f GB/s\n",
		row.Kernel, row.Linears, row.Shared, float64(row.Bytes)/1e9, row.Seconds, row.GBs, row.Median, row.ReadGBs, row.CopyGBs)
	return nil
}

// pass loads every linear once.
func (r *loadRow) pass(ctx context.Context, device *Device, dir string, names []string, opt quant.LoadOptions) error {
	var models quant.Models
	defer models.Close()
	var all []*quant.Linear
	defer func() {
		for _, l := range all {
			l.Close()
		}
	}()
	var times []time.Duration
	shared, start := 0, time.Now()
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		one := time.Now()
		l, err := models.Load(device.Ops, dir, name, opt)
		if err != nil {
			return err
		}
		times = append(times, time.Since(one))
		all = append(all, l)
		if l.Shared {
			shared++
		}
	}
	if sec := time.Since(start).Seconds(); r.Seconds == 0 || sec < r.Seconds {
		slices.Sort(times)
		r.Seconds, r.GBs, r.Median, r.Shared = sec, float64(r.Bytes)/sec/1e9, 1e3*times[len(times)/2].Seconds(), shared
	}
	return nil
}

// readAll reads the weight files of a folder once, in bytes a second / 1e9: into one buffer, or each piece into new memory.
func readAll(ctx context.Context, dir string, fresh bool) (float64, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
	if err != nil {
		return 0, err
	}
	const small, large = 256 << 10, 16 << 20
	size := small
	if fresh {
		size = large
	}
	var buffers []*kernels.Buffer
	defer func() {
		for _, b := range buffers {
			b.Close()
		}
	}()
	total, start := int64(0), time.Now()
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		for n := 1; n > 0; total += int64(n) {
			if err := ctx.Err(); err != nil {
				return 0, err
			}
			if fresh || len(buffers) == 0 {
				b, err := kernels.NewBuffer(size)
				if err != nil {
					return 0, err
				}
				buffers = append(buffers, b)
			}
			n, _ = f.Read(buffers[len(buffers)-1].Bytes())
		}
	}
	return float64(total) / time.Since(start).Seconds() / 1e9, nil
}
