//go:build native

package main

/*
#include "core.h"
*/
import "C"

import (
	"fmt"
	"unsafe"

	"libawq/quant"
	"libawq/quant/pack"
)

// quantConfig turns the C struct (already checked for size) into the library's configuration.
func quantConfig(c *C.awq_quant_config) (quant.Config, error) {
	cfg := quant.DefaultConfig()
	bad := func(field string, value int64) (quant.Config, error) {
		return cfg, fmt.Errorf("%w: awq_quant_config.%s is %d", quant.ErrInvalid, field, value)
	}
	if c.bits != 0 && c.bits != 4 {
		return bad("bits", int64(c.bits))
	}
	if c.group_size != 0 {
		cfg.Group = int(c.group_size)
	}
	switch c.zero_point {
	case C.AWQ_ZERO_POINT_DEFAULT, C.AWQ_ZERO_POINT_ASYMMETRIC:
	case C.AWQ_ZERO_POINT_SYMMETRIC:
		cfg.Symmetric = true
	default:
		return bad("zero_point", int64(c.zero_point))
	}
	switch c.method {
	case C.AWQ_METHOD_DEFAULT, C.AWQ_METHOD_AWQ:
	case C.AWQ_METHOD_RTN:
		cfg.Method = quant.RTN
	default:
		return bad("method", int64(c.method))
	}
	switch c.objective {
	case C.AWQ_OBJECTIVE_DEFAULT:
	case C.AWQ_OBJECTIVE_LINEAR:
		cfg.Objective = quant.ObjectiveLinear
	case C.AWQ_OBJECTIVE_MODULE:
		cfg.Objective = quant.ObjectiveModule
	case C.AWQ_OBJECTIVE_AUTO:
		cfg.Objective = quant.ObjectiveAuto
	default:
		return bad("objective", int64(c.objective))
	}
	switch c.refinement {
	case C.AWQ_REFINEMENT_DEFAULT:
	case C.AWQ_REFINEMENT_OFF:
		cfg.Refine = quant.RefineOff
	case C.AWQ_REFINEMENT_FAST:
		cfg.Refine = quant.RefineFast
	default:
		return bad("refinement", int64(c.refinement))
	}
	if c.layout != C.AWQ_LAYOUT_DEFAULT {
		l, err := pack.ByID(int32(c.layout))
		if err != nil {
			return cfg, err
		}
		cfg.Layout = l.Name
	}
	if c.reserved != 0 {
		return bad("reserved", int64(c.reserved))
	}
	cfg.Clip, cfg.Duo = c.no_clip == 0, c.no_duo == 0
	if c.samples != 0 {
		cfg.Samples = int(c.samples)
	}
	if c.seq_len != 0 {
		cfg.SeqLen = int(c.seq_len)
	}
	cfg.Calib = quant.Text{Path: text(c.calib), Column: text(c.text_column), Chat: c.chat != 0}
	cfg.Overwrite, cfg.Seed = c.overwrite != 0, uint64(c.seed)
	if c.exclude_count > 1<<16 {
		return bad("exclude_count", int64(c.exclude_count))
	}
	for i, p := range unsafe.Slice(c.exclude, int(c.exclude_count)) {
		if p == nil {
			return cfg, fmt.Errorf("%w: awq_quant_config.exclude[%d] is NULL", quant.ErrInvalid, i)
		}
		cfg.Exclude = append(cfg.Exclude, C.GoString(p))
	}
	return cfg, nil
}

// evalConfig does the same for an evaluation.
func evalConfig(c *C.awq_eval_config) quant.EvalConfig {
	cfg := quant.EvalConfig{
		Text:    quant.Text{Path: text(c.text), Column: text(c.text_column), Chat: c.chat != 0},
		Against: text(c.against), Context: 1024, Tokens: int64(c.tokens),
	}
	if c.context != 0 {
		cfg.Context = int(c.context)
	}
	return cfg
}

// text copies a C string; NULL is "".
func text(p *C.char) string {
	if p == nil {
		return ""
	}
	return C.GoString(p)
}
