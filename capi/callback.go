//go:build native

package main

/*
#include "core.h"
#include <stdlib.h>
*/
import "C"

import (
	"context"
	"sync"
	"time"
	"unsafe"

	"libawq/kernels"
	"libawq/quant"
)

// tick is how often a running job looks at its caller.
const tick = 50 * time.Millisecond

// pump runs a job in a goroutine and asks `ask` before it and about twenty times a second on the calling thread, the only one on
// which callbacks may run; true cancels the job, whose end is awaited all the same.
func pump(job func(ctx context.Context) error, ask func() bool) error {
	if ask() {
		return context.Canceled
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var g kernels.Group
	done := make(chan struct{})
	g.Go(func() error {
		defer close(done)
		return job(ctx)
	})
	timer := time.NewTicker(tick)
	defer timer.Stop()
	for {
		select {
		case <-done:
			return g.Wait()
		case <-timer.C:
			if ctx.Err() == nil && ask() {
				cancel()
			}
		}
	}
}

// withProgress pumps a job's latest progress to a C callback.
func withProgress(fn C.awq_progress_fn, user unsafe.Pointer, job func(ctx context.Context, report quant.Report) error) error {
	var mu sync.Mutex
	last := quant.Progress{Stage: "start", Left: -1}
	report := func(p quant.Progress) {
		mu.Lock()
		last = p
		mu.Unlock()
	}
	return pump(func(ctx context.Context) error { return job(ctx, report) }, func() bool {
		if fn == nil {
			return false
		}
		mu.Lock()
		p := last
		mu.Unlock()
		stage, item := C.CString(p.Stage), C.CString(p.Item)
		defer C.free(unsafe.Pointer(stage))
		defer C.free(unsafe.Pointer(item))
		c := C.awq_progress{struct_size: C.sizeof_awq_progress, stage: stage, item: item, fraction: C.double(p.Fraction),
			seconds: C.double(p.Elapsed.Seconds()), seconds_left: C.double(p.Left.Seconds())}
		return C.awqc_progress(fn, user, &c) != 0
	})
}

// withCancel runs a command whose caller may only cancel it.
func withCancel(fn C.awq_cancel_fn, user unsafe.Pointer, job func(ctx context.Context) error) error {
	return pump(job, func() bool { return fn != nil && C.awqc_cancel(fn, user) != 0 })
}
