// Steps that can't be asked to stop: reading a silent standard input, tokenising one long text.

package quant

import (
	"context"

	"libawq/kernels"
)

// await runs fn and returns what it returns, or the context's error as soon as there is one. fn then runs on by itself until it
// ends or looks at the context, and what it returns is dropped, so it must not touch what its caller will free.
func await[T any](ctx context.Context, fn func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	var g kernels.Group
	g.Go(func() error {
		defer close(done) // a panic, too, ends the wait
		value, err := fn()
		done <- result{value, err}
		return nil
	})
	var none T
	select {
	case <-ctx.Done():
		return none, ctx.Err()
	case r, ok := <-done:
		if !ok {
			return none, g.Wait()
		}
		return r.value, r.err
	}
}
