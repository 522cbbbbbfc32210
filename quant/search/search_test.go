package search

import (
	"math"
	"testing"

	"libawq/kernels"
	"libawq/kernels/ref"
)

// One linear of 4 x 8, groups of 4, eight tokens, worked through by hand-checked code of the published algorithm: losses of the
// whole grid, with and without duo scaling, on the linear's own output.
var (
	weights = []float32{
		-0.109375, -0.296875, 0.1875, 0.46875, -0.09375, 0.3125, -0.234375, 0.234375,
		-0.25, -0.125, 0.3125, -0.34375, 0.140625, 0.234375, 0.34375, -0.234375,
		-0.359375, -0.4375, 0.125, 0.09375, 0.46875, 0.046875, -0.25, 0.21875,
		-0.46875, 0.40625, 0.015625, -0.25, -0.34375, 0.078125, -0.25, -0.3125,
	}
	inputs = []float32{
		-0.5, -0.125, -7.5, 0.4375, -1, -5.25, 1.5625, -1.625,
		0.75, 1.1875, -1, 0.5625, 0.875, 4.5, -0.5, -0.0625,
		1.8125, 0.75, 7, -0.375, 0.0625, 3, -0.125, -1.1875,
		1.5625, -1.5625, -7, 0, -0.125, 2, -0.5625, -1.1875,
		-0.375, 1.25, 1.5, 0.625, -1.0625, 7.5, 1.1875, -1.75,
		-1.25, 1.6875, -8.5, 1, 0.1875, -2.25, -1.8125, 1.875,
		0.0625, -0.3125, -7, 0.6875, -0.5625, -6.5, 1.5625, -0.75,
		0.9375, 0.5, -5, -0.875, 0.3125, 6.25, -0.1875, -0.875,
	}
	duoLosses = []float64{0.00514556, 0.00660650, 0.00575371, 0.00436172, 0.00619196, 0.00387182, 0.00324936, 0.00435738, 0.00402950, 0.00283206,
		0.00331335, 0.00439639, 0.00407020, 0.00261488, 0.00394155, 0.00424508, 0.00298201, 0.00301699, 0.00252443, 0.00551428}
	plainLosses = []float64{0.01064532, 0.01052930, 0.00775282, 0.00656887, 0.00952528, 0.00666376, 0.00462811, 0.00646300, 0.00718048, 0.00247665,
		0.00202515, 0.00658016, 0.00284906, 0.00219669, 0.00334727, 0.00618385, 0.00293862, 0.00332400, 0.00295150, 0.00527101}
	duoBest   = []float32{0.550115, 0.557031, 2.971240, 0.363055, 0.336560, 2.479120, 0.562698, 0.688513}
	plainBest = []float32{0.728770, 0.735025, 1.805516, 0.578126, 0.553858, 1.651903, 0.741228, 0.825951}
)

// example builds the problem; withGram judges by the second moments instead of by running the linear.
func example(t *testing.T, duo, withGram bool) Problem {
	t.Helper()
	ops := ref.Ops()
	w, x := kernels.NewMat(weights, 4, 8), kernels.NewMat(inputs, 8, 8)
	p := Problem{Layers: []kernels.Mat{w}, Group: 4, Duo: duo, AbsMean: make([]float64, 8), Tokens: 8}
	for i, v := range inputs {
		p.AbsMean[i%8] += math.Abs(float64(v)) / 8
	}
	if withGram {
		p.Gram = kernels.NewMat(make([]float32, 64), 8, 8)
		for i := 0; i < 8; i++ {
			for j := 0; j < 8; j++ {
				for k := 0; k < 8; k++ {
					p.Gram.Data[i*8+j] += x.Row(k)[i] * x.Row(k)[j]
				}
			}
		}
		return p
	}
	want := kernels.NewMat(make([]float32, 32), 8, 4)
	if err := ops.Gemm(x, w, want, 1, true, false); err != nil {
		t.Fatal(err)
	}
	p.Loss = func(layers []kernels.Mat, _ float64) (float64, error) {
		got := kernels.NewMat(make([]float32, 32), 8, 4)
		if err := ops.Gemm(x, layers[0], got, 1, true, false); err != nil {
			return 0, err
		}
		sum, err := ops.SqDiff(got, want)
		return sum / 32, err
	}
	return p
}

func TestScaleFollowsThePublishedGrid(t *testing.T) {
	for _, c := range []struct {
		name      string
		duo, gram bool
		losses    []float64
		ratio     float64
		s         []float32
	}{
		{"duo", true, false, duoLosses, 0.90, duoBest},
		{"plain", false, false, plainLosses, 0.50, plainBest},
		{"duo by second moments", true, true, duoLosses, 0.90, duoBest},
		{"plain by second moments", false, true, plainLosses, 0.50, plainBest},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Scale(ref.Ops(), example(t, c.duo, c.gram), func() error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range c.losses {
				if math.Abs(r.Losses[i]-want) > 2e-4*want {
					t.Errorf("loss of ratio %d/20: %.8f, want %.8f", i, r.Losses[i], want)
				}
			}
			if r.Ratio != c.ratio {
				t.Errorf("ratio %v, want %v", r.Ratio, c.ratio)
			}
			if math.Abs(r.RTN-plainLosses[0]) > 2e-4*plainLosses[0] { // s = 1 is the plain grid's first candidate
				t.Errorf("loss of rounding to nearest %.8f, want %.8f", r.RTN, plainLosses[0])
			}
			for i, want := range c.s {
				if math.Abs(float64(r.S[i]-want)) > 2e-6*math.Max(1, float64(want)) {
					t.Errorf("s[%d] = %v, want %v", i, r.S[i], want)
				}
			}
		})
	}
}

func TestWeightMean(t *testing.T) {
	want := []float64{0.69550699, 0.71590745, 0.40703356, 0.68690306, 0.67727095, 0.50227123, 0.75264937, 0.70189193}
	for i, got := range WeightMean([]kernels.Mat{kernels.NewMat(weights, 4, 8)}, 4) {
		if math.Abs(got-want[i]) > 1e-6 {
			t.Errorf("channel %d: %v, want %v", i, got, want[i])
		}
	}
}

func TestCandidateRepairsDeadAndWildChannels(t *testing.T) {
	for _, x := range [][]float64{{0, 1, 2}, {math.Inf(1), 1, 2}, {math.NaN(), 1, 2}, {0, 0, 0}, {1e300, 1e-300, 1}} {
		for _, duo := range []bool{false, true} {
			for i := 0; i < Ratios; i++ {
				for j, s := range Candidate(x, []float64{0.5, 0, 1}, float64(i)/Ratios, duo) {
					if !(s > 0) || math.IsInf(float64(s), 0) {
						t.Fatalf("x %v duo %v ratio %d: s[%d] = %v", x, duo, i, j, s)
					}
				}
			}
		}
	}
}

func TestScaleWithoutAFiniteLossKeepsTheIdentity(t *testing.T) {
	p := example(t, true, false)
	p.Loss = func([]kernels.Mat, float64) (float64, error) { return math.NaN(), nil }
	r, err := Scale(ref.Ops(), p, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range r.S {
		if s != 1 {
			t.Errorf("s[%d] = %v, want 1", i, s)
		}
	}
	if !math.IsNaN(r.Ratio) {
		t.Errorf("ratio %v, want NaN", r.Ratio)
	}
}

func TestSmallestRatioWinsTies(t *testing.T) {
	p := example(t, true, false)
	p.Loss = func([]kernels.Mat, float64) (float64, error) { return 1, nil }
	r, err := Scale(ref.Ops(), p, func() error { return nil })
	if err != nil || r.Ratio != 0 {
		t.Errorf("ratio %v, error %v; want 0", r.Ratio, err)
	}
}

// TestStoppingEarlyChangesNothing: a loss that gives up above the limit leads to the same decision.
func TestStoppingEarlyChangesNothing(t *testing.T) {
	full := example(t, true, false)
	want, err := Scale(ref.Ops(), full, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	early, stopped := full, 0
	early.Loss = func(layers []kernels.Mat, limit float64) (float64, error) {
		loss, err := full.Loss(layers, math.Inf(1))
		if loss > limit {
			stopped++
			loss = limit + (loss-limit)/8
		}
		return loss, err
	}
	got, err := Scale(ref.Ops(), early, func() error { return nil })
	if err != nil || got.Ratio != want.Ratio || got.Loss != want.Loss || got.RTN != want.RTN || stopped == 0 {
		t.Errorf("ratio %v, loss %v, %d stopped, %v; want %v, %v", got.Ratio, got.Loss, stopped, err, want.Ratio, want.Loss)
	}
}
