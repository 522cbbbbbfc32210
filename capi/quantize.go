//go:build native

package main

/*
#include "core.h"
*/
import "C"

import (
	"context"
	"encoding/json"

	"libawq/quant"
)

//export awqgo_quantize
func awqgo_quantize(h C.uintptr_t, src, dst *C.char, c *C.awq_quant_config, report **C.char) C.int32_t {
	return call(h, func(e *engine) error {
		cfg, err := quantConfig(c)
		if err != nil {
			return err
		}
		var sum *quant.Summary
		err = withProgress(c.progress, c.user, func(ctx context.Context, r quant.Report) error {
			sum, err = quant.Quantize(ctx, e.ops, C.GoString(src), C.GoString(dst), cfg, r)
			return err
		})
		if err != nil || report == nil {
			return err
		}
		return document(sum, report)
	})
}

//export awqgo_plan
func awqgo_plan(h C.uintptr_t, src *C.char, c *C.awq_quant_config, out **C.char) C.int32_t {
	return call(h, func(e *engine) error {
		cfg, err := quantConfig(c)
		if err != nil {
			return err
		}
		p, err := quant.MakePlan(C.GoString(src), cfg)
		if p != nil {
			defer p.Close()
		}
		if err != nil {
			return err
		}
		return document(p, out)
	})
}

//export awqgo_evaluate
func awqgo_evaluate(h C.uintptr_t, dir *C.char, c *C.awq_eval_config, out *C.awq_eval_result) C.int32_t {
	return call(h, func(e *engine) error {
		var r *quant.Evaluation
		err := withProgress(c.progress, c.user, func(ctx context.Context, report quant.Report) (err error) {
			r, err = quant.Evaluate(ctx, e.ops, C.GoString(dir), evalConfig(c), report)
			return err
		})
		if err != nil {
			return err
		}
		out.perplexity, out.nll, out.tokens = C.double(r.Perplexity), C.double(r.NLL), C.int64_t(r.Tokens)
		out.kl, out.top1_agreement, out.seconds = C.double(r.KL), C.double(r.Top1), C.double(r.Seconds)
		return nil
	})
}

// document hands a value to C as JSON text that awq_string_destroy frees.
func document(v any, out **C.char) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	*out = C.CString(string(text))
	return nil
}
