//go:build native

package quant

import (
	"testing"

	"libawq/kernels"
	"libawq/kernels/native"
	"libawq/kernels/ref"
)

// backends are the plain reference and the best kernels of this machine.
func backends(t *testing.T) map[string]kernels.Ops {
	t.Helper()
	d, err := native.Open(native.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return map[string]kernels.Ops{"ref": ref.Ops(), "native": d.Ops()}
}
