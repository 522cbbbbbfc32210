// Groups: every call runs, panics become errors, and the error doesn't depend on timing.

package kernels

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"
)

func TestGroup(t *testing.T) {
	var g Group
	var ran atomic.Int32
	for range 100 {
		g.Go(func() error { ran.Add(1); return nil })
	}
	if err := g.Wait(); err != nil || ran.Load() != 100 {
		t.Fatalf("%d ran: %v", ran.Load(), err)
	}
}

func TestGroupEarliestErrorWins(t *testing.T) {
	early, late := errors.New("early"), errors.New("late")
	for range 50 {
		var g Group
		failed := make(chan struct{})
		g.Go(func() error { <-failed; return early })
		g.Go(func() error { close(failed); return late })
		if err := g.Wait(); err != early {
			t.Fatalf("got %v", err)
		}
	}
}

func TestGroupRecovers(t *testing.T) {
	var g Group
	cause := errors.New("cause")
	g.Go(func() error { panic(cause) })
	err := g.Wait()
	var p *PanicError
	if !errors.As(err, &p) || !errors.Is(err, cause) || err.Error() != "panic: cause" {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(string(p.Stack), "TestGroupRecovers") {
		t.Errorf("the stack does not show the panic:\n%s", p.Stack)
	}
	g = Group{}
	g.Go(func() error { var none []int; return errors.New(string(rune(none[3]))) })
	if err := g.Wait(); err == nil || !strings.Contains(err.Error(), "index out of range") {
		t.Errorf("got %v", err)
	}
}
