//go:build native

// Speed of every instruction set: go test -tags native -run xxx -bench . (set the environment as the Makefile does).

package native

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"libawq/kernels"
)

func BenchmarkLinear(b *testing.B) {
	const n, k, group = 4096, 4096, 128
	r := rand.New(rand.NewPCG(1, 1))
	q := randomWeight(r, n, k, group)
	bytes := float64(n*k/2 + n*k/group*3)
	for _, isa := range isas(b) {
		for mode, name := range []string{"exact", "int8"} {
			for _, m := range []int{1, 4, 16, 128} {
				b.Run(fmt.Sprintf("fmt=w4g128/isa=%s/mode=%s/m=%d/k=%d/n=%d", isa, name, m, k, n), func(b *testing.B) {
					ops := open(b, isa, 0).Ops()
					// two weights in turn, so that none is found in a cache of its size
					var w [2]kernels.Weight
					for i := range w {
						var err error
						if w[i], err = ops.Pack(q, kernels.Mode(mode)); err != nil {
							b.Fatal(err)
						}
						defer w[i].Close()
					}
					x, y := kernels.F32Rows(randomMat(r, m, k)), kernels.F32Rows(randomMat(r, m, n))
					i := 0
					for b.Loop() {
						i++
						if err := ops.Linear(w[i%2], x, y); err != nil {
							b.Fatal(err)
						}
					}
					seconds := b.Elapsed().Seconds() / float64(b.N)
					b.ReportMetric(bytes/seconds/1e9, "GB/s")
					b.ReportMetric(2*float64(m)*n*k/seconds/1e9, "GFLOP/s")
				})
			}
		}
	}
}

func BenchmarkGemm(b *testing.B) {
	const m, n, k = 512, 1536, 576
	r := rand.New(rand.NewPCG(2, 2))
	x, w, y := randomMat(r, m, k), randomMat(r, n, k), randomMat(r, m, n)
	for _, isa := range isas(b) {
		b.Run(fmt.Sprintf("isa=%s/m=%d/k=%d/n=%d", isa, m, k, n), func(b *testing.B) {
			ops := open(b, isa, 0).Ops()
			for b.Loop() {
				if err := ops.Gemm(x, w, y, 1, true, false); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(2*m*n*k*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
}
