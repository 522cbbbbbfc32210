// Package tune holds the plans of the linears as data: what was measured to be best for a shape, and a cost model for all others.
// The tables are written by the program in measure.
package tune

import (
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"

	"libawq/kernels"
)

//go:embed linear.tsv
var linearTable string

//go:embed cost.tsv
var costTable string

// Buckets are the numbers of rows for which a linear has a plan each; the last serves all above.
var Buckets = [...]int32{1, 2, 4, 8, 16, 32, 128, math.MaxInt32}

// Shape is what a row of linear.tsv is measured for.
type Shape struct {
	Kernel      string // a table's name, "cpu/avx2"
	Mode        kernels.Mode
	N, K, Group int
	Rows        int32 // one of Buckets
}

// Line is the time of one thread for a weight that comes from memory: Code picoseconds, and Product for each row.
type Line struct{ Code, Product float64 }

// At is the time for one weight in picoseconds.
func (l Line) At(rows float64) float64 { return l.Code + l.Product*rows }

// Cost is what the cost model knows of a kernel in one mode.
type Cost struct {
	Single Line // one row
	Decode Line // each tile of rows decodes for itself
	Spread Line // codes are spread out once for all rows
}

// key of costTable.
type key struct {
	kernel string
	mode   kernels.Mode
}

// tables parses both files once; a mistake in them is found by the tests.
var tables = sync.OnceValue(func() (t struct {
	linear map[Shape]kernels.Plan
	cost   map[key]Cost
	err    error
}) {
	t.linear, t.err = ParseLinear(linearTable)
	if t.err == nil {
		t.cost, t.err = parseCost(costTable)
	}
	return t
})

// Plans are a linear's plans, one for each of Buckets; nil for a kernel that no table knows, which then uses its own.
func Plans(kernel string, mode kernels.Mode, n, k, group int) []kernels.Plan {
	t := tables()
	cost, ok := t.cost[key{kernel, mode}]
	if !ok {
		return nil
	}
	plans := make([]kernels.Plan, len(Buckets))
	for i, rows := range Buckets {
		plans[i] = cost.Plan(rows)
		if p, ok := t.linear[Shape{kernel, mode, n, k, group, rows}]; ok {
			p.Rows, p.Picoseconds = rows, plans[i].Picoseconds
			plans[i] = p
		}
	}
	return plans
}

// CostOf is the cost model of a kernel.
func CostOf(kernel string, mode kernels.Mode) (Cost, bool) {
	c, ok := tables().cost[key{kernel, mode}]
	return c, ok
}

// Plan of the model for calls of up to that many rows. One or two rows go through the weights so fast that a near prefetch is in time and
// that a thread takes much at once.
func (c Cost) Plan(rows int32) kernels.Plan {
	r := float64(min(rows, 512)) // more is nothing new
	p := kernels.Plan{Rows: rows, DecodeRows: c.decodeRows(), Ahead: 2, ChunkBytes: 64 << 10, Picoseconds: c.code(r) / r}
	if rows <= 2 {
		p.Ahead, p.ChunkBytes = 1, 256<<10
	}
	return p
}

// decodeRows is where the two lines cross.
func (c Cost) decodeRows() int32 {
	if c.Decode.Product <= c.Spread.Product {
		return math.MaxInt32
	}
	return int32(max(1, (c.Spread.Code-c.Decode.Code)/(c.Decode.Product-c.Spread.Product)))
}

// code is the time for one weight in picoseconds.
func (c Cost) code(rows float64) float64 {
	if rows <= 1 {
		return c.Single.At(1)
	}
	return min(c.Decode.At(rows), c.Spread.At(rows))
}

// Wake is what sharing a call with threads that wait for work costs, in seconds.
const Wake = 2e-6

// Seconds is the model's time for a linear of n outputs and k inputs on some threads whose memory gives bytesPerSecond to all of them
// together (0: as much as they ask for). For sizing and for machines that one doesn't have; calls don't ask it.
func (c Cost) Seconds(rows, n, k, group, threads int, bytesPerSecond float64) float64 {
	codes := float64(n) * float64(k)
	t := codes * c.code(float64(rows)) * 1e-12
	if threads > 1 {
		t = min(t, t/float64(threads)+Wake)
	}
	if bytesPerSecond > 0 {
		t = max(t, codes*(0.5+2.5/float64(group))/bytesPerSecond)
	}
	return t
}

var modes = map[string]kernels.Mode{"exact": kernels.Exact, "int8": kernels.Int8}

// ModeName is a mode's word in the tables.
func ModeName(m kernels.Mode) string {
	for name, mode := range modes {
		if mode == m {
			return name
		}
	}
	return strconv.Itoa(int(m))
}

// fields splits a table into rows of `columns` fields; lines with # are comments.
func fields(table, name string, columns int, row func(f []string) error) error {
	for i, line := range strings.Split(table, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.Split(line, "\t")
		err := fmt.Errorf("%d fields, want %d", len(f), columns)
		if len(f) == columns {
			err = row(f)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
	}
	return nil
}

// numbers reads fields into integers.
func numbers(f []string, to ...*int32) error {
	for i, p := range to {
		n, err := strconv.ParseInt(f[i], 10, 32)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a number from 0 to 2^31-1", f[i])
		}
		*p = int32(n)
	}
	return nil
}

// ParseLinear reads linear.tsv: kernel, mode, n, k, group, rows; decode_rows, ahead, chunk_kib; microseconds of the model's plan and of
// this one, where they were measured side by side.
func ParseLinear(table string) (map[Shape]kernels.Plan, error) {
	all := map[Shape]kernels.Plan{}
	err := fields(table, "linear.tsv", 11, func(f []string) error {
		mode, ok := modes[f[1]]
		if !ok {
			return fmt.Errorf("unknown mode %q", f[1])
		}
		var n, k, group, rows, chunk int32
		var p kernels.Plan
		if err := numbers(f[2:], &n, &k, &group, &rows, &p.DecodeRows, &p.Ahead, &chunk); err != nil {
			return err
		}
		if chunk < 1 || chunk > 1<<16 || p.Ahead > 16 {
			return fmt.Errorf("chunk of %d KiB, %d segments ahead", chunk, p.Ahead)
		}
		p.ChunkBytes = chunk << 10
		s := Shape{f[0], mode, int(n), int(k), int(group), rows}
		if _, twice := all[s]; twice {
			return fmt.Errorf("%+v stands twice", s)
		}
		all[s] = p
		return nil
	})
	return all, err
}

// parseCost reads cost.tsv: kernel, mode, then code and product of the three lines in picoseconds, then where they come from.
func parseCost(table string) (map[key]Cost, error) {
	all := map[key]Cost{}
	err := fields(table, "cost.tsv", 9, func(f []string) error {
		mode, ok := modes[f[1]]
		if !ok {
			return fmt.Errorf("unknown mode %q", f[1])
		}
		var c Cost
		for i, p := range []*float64{&c.Single.Code, &c.Single.Product, &c.Decode.Code, &c.Decode.Product, &c.Spread.Code, &c.Spread.Product} {
			v, err := strconv.ParseFloat(f[2+i], 64)
			if err != nil || v < 0 || v > 1e6 {
				return fmt.Errorf("%q is not a time in picoseconds", f[2+i])
			}
			*p = v
		}
		k := key{f[0], mode}
		if _, twice := all[k]; twice {
			return fmt.Errorf("%s %s stands twice", f[0], f[1])
		}
		all[k] = c
		return nil
	})
	return all, err
}
