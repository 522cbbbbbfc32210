package tune

import (
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"libawq/kernels"
)

// Every kernel of the archive has a cost in both modes, and every row a kernel.
func TestEveryKernelHasCosts(t *testing.T) {
	source, err := os.ReadFile("../cpu/kernels.inc")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^AWQ_TABLE\((\w+),`).FindAllSubmatch(source, -1) {
		known["cpu/"+string(m[1])] = true
	}
	if len(known) < 5 {
		t.Fatalf("kernels.inc lists %d tables", len(known))
	}
	for kernel := range known {
		for name, mode := range modes {
			if _, ok := CostOf(kernel, mode); !ok {
				t.Errorf("cost.tsv has no row for %s %s", kernel, name)
			}
		}
	}
	if err := tables().err; err != nil {
		t.Fatal(err)
	}
	for k := range tables().cost {
		if !known[k.kernel] {
			t.Errorf("cost.tsv has a row for %s, which kernels.inc lacks", k.kernel)
		}
	}
	for s := range tables().linear {
		if !known[s.Kernel] {
			t.Errorf("linear.tsv has a row for %s, which kernels.inc lacks", s.Kernel)
		}
		if kernels.PlanFor(Plans(s.Kernel, s.Mode, s.N, s.K, s.Group), int(s.Rows)).Rows != s.Rows {
			t.Errorf("linear.tsv: no call has the rows of %+v", s)
		}
	}
}

func TestPlans(t *testing.T) {
	if Plans("cuda/sm90", kernels.Exact, 64, 64, 64) != nil {
		t.Error("plans for an unknown kernel")
	}
	for k := range tables().cost {
		plans := Plans(k.kernel, k.mode, 4096, 4096, 128)
		if len(plans) != len(Buckets) {
			t.Fatalf("%v: %d plans", k, len(plans))
		}
		last := math.Inf(1)
		for i, p := range plans {
			if p.Rows != Buckets[i] || p.ChunkBytes < 1<<10 || p.Picoseconds <= 0 || p.Picoseconds > last {
				t.Errorf("%v: plan %+v after %v ps", k, p, last)
			}
			last = p.Picoseconds
		}
		for rows, want := range map[int]int32{1: 1, 3: 4, 8: 8, 9: 16, 129: math.MaxInt32, 1 << 20: math.MaxInt32} {
			if got := kernels.PlanFor(plans, rows).Rows; got != want {
				t.Errorf("%d rows get the plan for %d", rows, got)
			}
		}
	}
}

// A row of linear.tsv wins over the model, for its shape and rows alone.
func TestMeasuredRowWins(t *testing.T) {
	rows, err := ParseLinear("# comment\ncpu/avx2\tint8\t64\t128\t32\t4\t9\t1\t16\t5.0\t4.0\n")
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	p := rows[Shape{"cpu/avx2", kernels.Int8, 64, 128, 32, 4}]
	if p.DecodeRows != 9 || p.Ahead != 1 || p.ChunkBytes != 16<<10 {
		t.Errorf("%+v", p)
	}
	for table, want := range map[string]string{
		"cpu/avx2\tint8\t64": "3 fields, want 11",
		strings.Repeat("cpu/avx2\tint8\t64\t128\t32\t4\t9\t1\t16\t5.0\t4.0\n", 2): "linear.tsv:2: {Kernel:cpu/avx2 Mode:1 N:64 K:128 Group:32 Rows:4} stands twice",
		"cpu/avx2\tint9\t64\t128\t32\t4\t9\t1\t16\t5.0\t4.0":                      `unknown mode "int9"`,
		"cpu/avx2\tint8\t-64\t128\t32\t4\t9\t1\t16\t5.0\t4.0":                     `"-64" is not a number`,
		"cpu/avx2\tint8\t64\t128\t32\t4\t9\t1\t0\t5.0\t4.0":                       "chunk of 0 KiB",
	} {
		if _, err := ParseLinear(table); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", table, err, want)
		}
	}
}

func TestCostModel(t *testing.T) {
	c := Cost{Single: Line{0, 30}, Decode: Line{20, 8}, Spread: Line{60, 4}}
	if got := c.decodeRows(); got != 10 {
		t.Errorf("lines cross at %d rows", got)
	}
	if got := c.Seconds(1, 1000, 1000, 100, 1, 0); math.Abs(got-30e-6) > 1e-12 {
		t.Errorf("one row: %g s", got)
	}
	if one, four := c.Seconds(64, 4096, 4096, 128, 1, 0), c.Seconds(64, 4096, 4096, 128, 4, 0); math.Abs(four-one/4-Wake) > 1e-9 {
		t.Errorf("four threads: %g of %g s", four, one)
	}
	if got := c.Seconds(1, 4096, 4096, 128, 16, 1e9); math.Abs(got-4096*4096*(0.5+2.5/128)/1e9) > 1e-9 {
		t.Errorf("bound by memory: %g s", got)
	}
	if got := c.Seconds(1, 16, 16, 16, 8, 0); got > 16*16*30e-12 {
		t.Errorf("threads make a tiny linear slower: %g s", got)
	}
}
