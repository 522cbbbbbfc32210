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
	bad := func(field string, value int64) (quant.Config, error) { return cfg, badField(field, value) }
	if c.bits != 0 && c.bits != 4 {
		return bad("bits", int64(c.bits))
	}
	if c.group_size != 0 {
		cfg.Group = int(c.group_size)
	}
	for _, err := range []error{
		choose("zero_point", int32(c.zero_point), &cfg.Symmetric, false, true),
		choose("method", int32(c.method), &cfg.Method, quant.AWQ, quant.RTN),
		choose("objective", int32(c.objective), &cfg.Objective, quant.ObjectiveLinear, quant.ObjectiveModule, quant.ObjectiveAuto),
		choose("refinement", int32(c.refinement), &cfg.Refine, quant.RefineOff, quant.RefineFast),
	} {
		if err != nil {
			return cfg, err
		}
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

func badField(field string, value int64) error {
	return fmt.Errorf("%w: awq_quant_config.%s is %d", quant.ErrInvalid, field, value)
}

// choose sets what an enumerator of awq.h names: 0 leaves the default, 1 and up stand for the values in the header's order.
func choose[T any](field string, value int32, to *T, values ...T) error {
	switch {
	case value == 0:
	case value > 0 && int(value) <= len(values):
		*to = values[value-1]
	default:
		return badField(field, int64(value))
	}
	return nil
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
