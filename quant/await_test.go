package quant

import (
	"context"
	"errors"
	"testing"

	"libawq/kernels"
)

func TestAwait(t *testing.T) {
	fail := errors.New("fail")
	if v, err := await(context.Background(), func() (int, error) { return 3, fail }); v != 3 || err != fail {
		t.Errorf("%d, %v", v, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	silent, started := make(chan struct{}), make(chan struct{})
	defer close(silent)
	go func() {
		<-started
		cancel()
	}()
	if _, err := await(ctx, func() (int, error) {
		close(started)
		<-silent // as a terminal at which nobody types
		return 0, nil
	}); !errors.Is(err, context.Canceled) {
		t.Errorf("a silent step ended with %v", err)
	}
	var p *kernels.PanicError
	if _, err := await(context.Background(), func() (int, error) { panic("broken") }); !errors.As(err, &p) || p.Value != "broken" {
		t.Errorf("a panic became %v", err)
	}
}
