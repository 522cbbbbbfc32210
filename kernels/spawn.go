// Goroutines: the one place with a go statement, so that no panic in one can end the host process.

package kernels

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// PanicError is a panic caught in a goroutine.
type PanicError struct {
	Value any
	Stack []byte
}

// Error names the panic; the stack is for logs.
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap is the panic's value if that was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// Group runs functions at the same time. The zero value is ready.
type Group struct {
	wait  sync.WaitGroup
	mu    sync.Mutex
	count int
	first int // index of the call that err came from
	err   error
}

// Go starts fn in a goroutine of its own.
func (g *Group) Go(fn func() error) {
	g.mu.Lock()
	index := g.count
	g.count++
	g.mu.Unlock()
	g.wait.Add(1)
	go func() {
		defer g.wait.Done()
		defer func() {
			if r := recover(); r != nil {
				g.fail(index, &PanicError{Value: r, Stack: debug.Stack()})
			}
		}()
		g.fail(index, fn())
	}()
}

// fail keeps the error of the earliest call, so that the result doesn't depend on timing.
func (g *Group) fail(index int, err error) {
	if err == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil || index < g.first {
		g.first, g.err = index, err
	}
}

// Wait returns when all calls have ended, with the error of the earliest call that failed.
func (g *Group) Wait() error {
	g.wait.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}
