package command

import (
	"fmt"
	"strings"

	"libawq/kernels"
	"libawq/kernels/tune"
)

// modelThreads are the numbers of threads that the cost model is asked for.
var modelThreads = [...]int{1, 2, 4, 8, 16}

// estimate is one row of the cost model: microseconds by number of threads.
type estimate struct {
	Kernel string             `json:"kernel"`
	M      int                `json:"m"`
	N      int                `json:"n"`
	K      int                `json:"k"`
	Group  int                `json:"group_size"`
	Micros map[string]float64 `json:"microseconds"` // by number of threads
}

// benchModel prints what the cost model says of a linear: nothing is measured. gbytes bounds what all threads read together; 0: as much
// as they ask for.
func (a *app) benchModel(device *Device, s shape, sizes []int, gbytes float64) error {
	cost, ok := tune.CostOf(device.Ops.Name, s.mode())
	if !ok {
		return fmt.Errorf("%s: no cost model: %w", device.Ops.Name, kernels.ErrUnsupported)
	}
	rows := []estimate{}
	for _, m := range sizes {
		row := estimate{Kernel: device.Ops.Name, M: m, N: s.n, K: s.k, Group: s.group, Micros: map[string]float64{}}
		var line strings.Builder
		for _, threads := range modelThreads {
			us := 1e6 * cost.Seconds(m, s.n, s.k, s.group, threads, 1e9*gbytes)
			row.Micros[fmt.Sprint(threads)] = us
			fmt.Fprintf(&line, "  %d: %.1f us", threads, us)
		}
		rows = append(rows, row)
		if !a.json {
			fmt.Fprintf(a.host.Out, "model  %-16s m=%-4d n=%-5d k=%-5d threads%s\n", row.Kernel, m, s.n, s.k, line.String())
		}
	}
	if a.json {
		return a.document(rows)
	}
	return nil
}
