package quant

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"libawq/kernels"
	"libawq/quant/checkpoint"
	"libawq/quant/checkpoint/safetensors"
)

// tiny is a random model of a few kilobytes: odd sizes, grouped heads, outlier channels that make scaling worth its while.
type tiny struct {
	arch   string
	config map[string]any
	dtype  string
	bias   bool
	qknorm bool
	tied   bool
	edit   func(tensors map[string][]float32) // last changes before writing
}

const (
	tinyHidden, tinyInter, tinyLayers = 64, 96, 2
	tinyHeads, tinyKV, tinyDim        = 4, 2, 32
	tinyVocab                         = 97
)

func (m tiny) shapes() map[string][]int64 {
	s := map[string][]int64{"model.embed_tokens.weight": {tinyVocab, tinyHidden}, "model.norm.weight": {tinyHidden}}
	if !m.tied {
		s["lm_head.weight"] = []int64{tinyVocab, tinyHidden}
	}
	for i := 0; i < tinyLayers; i++ {
		p := fmt.Sprintf("model.layers.%d.", i)
		for name, shape := range map[string][]int64{
			"self_attn.q_proj": {tinyHeads * tinyDim, tinyHidden}, "self_attn.k_proj": {tinyKV * tinyDim, tinyHidden},
			"self_attn.v_proj": {tinyKV * tinyDim, tinyHidden}, "self_attn.o_proj": {tinyHidden, tinyHeads * tinyDim},
			"mlp.gate_proj": {tinyInter, tinyHidden}, "mlp.up_proj": {tinyInter, tinyHidden}, "mlp.down_proj": {tinyHidden, tinyInter},
			"input_layernorm": {tinyHidden}, "post_attention_layernorm": {tinyHidden},
		} {
			s[p+name+".weight"] = shape
			if m.bias && strings.HasSuffix(name, "_proj") && strings.HasPrefix(name, "self_attn") && !strings.HasSuffix(name, "o_proj") {
				s[p+name+".bias"] = shape[:1]
			}
		}
		if m.qknorm {
			s[p+"self_attn.q_norm.weight"], s[p+"self_attn.k_norm.weight"] = []int64{tinyDim}, []int64{tinyDim}
		}
	}
	return s
}

// write makes the folder and returns its path.
func (m tiny) write(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	config := map[string]any{"architectures": []string{m.arch}, "hidden_size": tinyHidden, "intermediate_size": tinyInter, "num_hidden_layers": tinyLayers,
		"num_attention_heads": tinyHeads, "num_key_value_heads": tinyKV, "head_dim": tinyDim, "vocab_size": tinyVocab, "rms_norm_eps": 1e-5,
		"max_position_embeddings": 256, "tie_word_embeddings": m.tied, "hidden_act": "silu", "rope_theta": 10000.0}
	for k, v := range m.config {
		config[k] = v
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(11, 13))
	shapes, values := m.shapes(), map[string][]float32{}
	var names []string
	for name := range shapes {
		names = append(names, name)
	}
	sort.Strings(names)
	var infos []checkpoint.Info
	for _, name := range names {
		size := int64(1)
		for _, d := range shapes[name] {
			size *= d
		}
		v := make([]float32, size)
		for i := range v {
			v[i] = float32(r.NormFloat64()) * 0.15
			if strings.Contains(name, "norm") {
				v[i] = 1 + 0.2*float32(r.NormFloat64())
				if i%16 == 5 {
					v[i] *= 12 // outlier channels
				}
			}
		}
		values[name] = v
		infos = append(infos, checkpoint.Info{Name: name, DType: checkpoint.DType(m.dtype), Shape: shapes[name]})
	}
	if m.edit != nil {
		m.edit(values)
	}
	w, err := safetensors.Create(dir, infos, checkpoint.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dt := map[string]kernels.DType{"F32": kernels.F32, "F16": kernels.F16, "BF16": kernels.BF16}[m.dtype]
	for _, name := range names {
		buf := make([]byte, len(values[name])*dt.Size())
		dt.Encode(buf, values[name])
		if err := w.WriteAt(name, buf, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// models are one tiny model for each family.
func models() map[string]tiny {
	return map[string]tiny{
		"llama":   {arch: "LlamaForCausalLM", dtype: "F16", tied: true},
		"mistral": {arch: "MistralForCausalLM", dtype: "BF16", config: map[string]any{"sliding_window": 5}},
		"qwen2":   {arch: "Qwen2ForCausalLM", dtype: "F32", bias: true},
		"qwen3":   {arch: "Qwen3ForCausalLM", dtype: "BF16", qknorm: true, tied: true},
	}
}

// tokens writes a file of input_ids lines.
func tokens(t testing.TB, lines, length int, seed uint64) string {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	var b strings.Builder
	for i := 0; i < lines; i++ {
		ids := make([]int, length)
		for j := range ids {
			ids[j] = r.IntN(tinyVocab)
		}
		text, err := json.Marshal(map[string]any{"input_ids": ids})
		if err != nil {
			t.Fatal(err)
		}
		b.Write(append(text, '\n'))
	}
	path := filepath.Join(t.TempDir(), "tokens.jsonl")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
