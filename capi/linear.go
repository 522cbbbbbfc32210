//go:build native

package main

/*
#include "core.h"
*/
import "C"

import (
	"fmt"
	"hash/fnv"
	"unsafe"

	"libawq/kernels"
	"libawq/kernels/native"
	"libawq/quant"
	"libawq/quant/pack"
)

// compute reads an awq_compute.
func compute(c C.awq_compute) (kernels.Mode, error) {
	switch c {
	case C.AWQ_COMPUTE_DEFAULT, C.AWQ_COMPUTE_EXACT:
		return kernels.Exact, nil
	case C.AWQ_COMPUTE_INT8:
		return kernels.Int8, nil
	}
	return 0, fmt.Errorf("%w: compute is %d", quant.ErrInvalid, int(c))
}

// wrap gives a packed weight to C.
func wrap(d *C.awqc_device, l quant.Linear, mode kernels.Mode, order uint64, out **C.awq_linear) error {
	flag := func(b bool) C.int32_t {
		if b {
			return 1
		}
		return 0
	}
	groups := l.N * (l.K / l.Group)
	bytes := l.N*l.K/2 + 2*groups + (groups+1)/2 // codes, scales, zeros
	plans := native.WeightPlans(l.Weight)
	c := C.awqc_linear_new(d, C.uintptr_t(native.WeightHandle(l.Weight)), C.int64_t(l.N), C.int64_t(l.K), C.int32_t(l.Group), C.int32_t(mode)+1,
		flag(l.Bias), C.uint64_t(bytes), C.uint64_t(order), flag(l.Shared), (*C.awqk_plan)(unsafe.Pointer(unsafe.SliceData(plans))), C.int32_t(len(plans)))
	if c == nil {
		return kernels.ErrMemory
	}
	*out = c
	return nil
}

// finish packs the words of a file for the device and wraps the weight for C. gidx (may be nil) is the group of each input.
func finish(e *engine, d *C.awqc_device, g *kernels.GemmWeight, gidx []byte, mode kernels.Mode, out **C.awq_linear) error {
	if gidx == nil {
		w, err := e.ops.PackGemm(g, mode)
		if err != nil {
			return err
		}
		return wrap(d, quant.Linear{Weight: w, N: g.N, K: g.K, Group: g.Group, Bias: g.Bias != nil}, mode, 0, out)
	}
	q, err := g.Canonical()
	if err != nil {
		return err
	}
	if err := q.Regroup(gidx); err != nil {
		return err
	}
	w, err := e.ops.Pack(q, mode)
	if err != nil {
		return err
	}
	order := uint64(0)
	if q.Order != nil {
		h := fnv.New64a()
		h.Write(gidx)
		order = h.Sum64() | 1 // never 0, which means none
	}
	return wrap(d, quant.Linear{Weight: w, N: q.N, K: q.K, Group: q.Group, Bias: q.Bias != nil}, mode, order, out)
}

//export awqgo_linear_load
func awqgo_linear_load(h C.uintptr_t, d *C.awqc_device, dir, name *C.char, o *C.awq_linear_options, out **C.awq_linear) C.int32_t {
	return call(h, func(e *engine) error {
		mode, err := compute(o.compute)
		if err != nil {
			return err
		}
		l, err := e.models.Load(e.ops, C.GoString(dir), C.GoString(name), quant.LoadOptions{Mode: mode, Cache: text(o.cache), Warn: e.warn})
		if err != nil {
			return err
		}
		return wrap(d, *l, mode, 0, out)
	})
}

//export awqgo_linear_create
func awqgo_linear_create(h C.uintptr_t, d *C.awqc_device, desc *C.awq_linear_desc, out **C.awq_linear) C.int32_t {
	return call(h, func(e *engine) error {
		mode, err := compute(desc.compute)
		if err != nil {
			return err
		}
		id := int32(desc.layout)
		if id == 0 {
			id = C.AWQ_LAYOUT_GEMM
		}
		layout, err := pack.ByID(id)
		if err != nil {
			return err
		}
		n, k, group := int64(desc.n), int64(desc.k), int64(desc.group_size)
		if n < 1 || k < 1 || n > 1<<31-1 || k > 1<<31-1 {
			return fmt.Errorf("%w: awq_linear_desc with n=%d, k=%d", quant.ErrInvalid, n, k)
		}
		if group == -1 {
			group = k
		}
		if group < 1 || k%group != 0 {
			return fmt.Errorf("%w: awq_linear_desc: group_size %d does not divide k=%d", quant.ErrInvalid, int64(desc.group_size), k)
		}
		if err := layout.Check(int(n), int(k), int(group)); err != nil {
			return err
		}
		given := map[string]*C.DLTensor{"qweight": desc.qweight, "qzeros": desc.qzeros, "scales": desc.scales}
		data := map[string][]byte{}
		for _, t := range layout.Tensors(int(n), int(k), int(group)) {
			if given[t.Suffix] == nil {
				continue // only qzeros can be NULL here: symmetric
			}
			if data[t.Suffix], err = array(t.Suffix, given[t.Suffix], t.Shape, t.DType); err != nil {
				return err
			}
		}
		g := pack.Gemm(int(n), int(k), int(group), func(s string) []byte { return data[s] })
		if at, s := g.BadScale(); at >= 0 {
			return fmt.Errorf("%w: scales: %v for output %d, group %d", quant.ErrInvalid, s, at%int(n), at/int(n))
		}
		var gidx []byte
		if desc.g_idx != nil {
			if gidx, err = array("g_idx", desc.g_idx, []int64{k}, "I32"); err != nil {
				return err
			}
		}
		if desc.bias != nil {
			if g.Bias, err = bias(desc.bias, n); err != nil {
				return err
			}
		}
		return finish(e, d, g, gidx, mode, out)
	})
}

// dtypes gives DLPack's (code, bits) of a safetensors dtype.
var dtypes = [...]struct {
	name       string
	code, bits int
	dtype      kernels.DType
}{{"F32", 2, 32, kernels.F32}, {"F16", 2, 16, kernels.F16}, {"BF16", 4, 16, kernels.BF16}, {"I32", 0, 32, -1}}

// array checks one of the caller's packed arrays and views its bytes.
func array(name string, t *C.DLTensor, shape []int64, dtype string) ([]byte, error) {
	bytes := int64(1)
	for _, d := range dtypes {
		if d.name == dtype {
			if int(t.dtype.code) != d.code || int(t.dtype.bits) != d.bits || t.dtype.lanes != 1 {
				return nil, fmt.Errorf("%w: %s has DLPack dtype (%d, %d, %d), wanted %s (%d, %d, 1)", quant.ErrInvalid, name,
					int(t.dtype.code), int(t.dtype.bits), int(t.dtype.lanes), dtype, d.code, d.bits)
			}
			bytes = int64(d.bits / 8)
		}
	}
	if t.device.device_type != C.kDLCPU {
		return nil, fmt.Errorf("%w: %s lies on device type %d, wanted the CPU (1)", quant.ErrInvalid, name, int(t.device.device_type))
	}
	if int(t.ndim) != len(shape) || t.shape == nil {
		return nil, fmt.Errorf("%w: %s has %d dimensions, wanted %d", quant.ErrInvalid, name, int(t.ndim), len(shape))
	}
	have := unsafe.Slice((*int64)(unsafe.Pointer(t.shape)), len(shape))
	want := int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		if have[i] != shape[i] {
			return nil, fmt.Errorf("%w: %s has shape %v, wanted %v", quant.ErrInvalid, name, have, shape)
		}
		if t.strides != nil {
			if s := unsafe.Slice((*int64)(unsafe.Pointer(t.strides)), len(shape))[i]; s != want && shape[i] != 1 {
				return nil, fmt.Errorf("%w: %s is not compact: stride %d in dimension %d, wanted %d", quant.ErrInvalid, name, s, i, want)
			}
		}
		want *= shape[i]
	}
	if t.data == nil {
		return nil, fmt.Errorf("%w: %s.data is NULL", quant.ErrInvalid, name)
	}
	return unsafe.Slice((*byte)(unsafe.Add(t.data, int(t.byte_offset))), want*bytes), nil
}

// bias reads the caller's bias as float32.
func bias(t *C.DLTensor, n int64) ([]float32, error) {
	for _, d := range dtypes {
		if int(t.dtype.code) == d.code && int(t.dtype.bits) == d.bits && d.dtype >= 0 {
			raw, err := array("bias", t, []int64{n}, d.name)
			if err != nil {
				return nil, err
			}
			out := make([]float32, n)
			d.dtype.Decode(out, raw)
			return out, nil
		}
	}
	return nil, fmt.Errorf("%w: bias has DLPack dtype (%d, %d, %d), wanted float32, float16 or bfloat16", quant.ErrInvalid,
		int(t.dtype.code), int(t.dtype.bits), int(t.dtype.lanes))
}
