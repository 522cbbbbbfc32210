//go:build !native

package quant

import (
	"testing"

	"libawq/kernels"
	"libawq/kernels/ref"
)

// backends is the plain reference: without the native tag there is nothing else.
func backends(*testing.T) map[string]kernels.Ops { return map[string]kernels.Ops{"ref": ref.Ops()} }
