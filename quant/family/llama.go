package family

// llama is the pattern that most open decoders follow: RMS norms, rotary grouped-query attention, gated SiLU MLP.
func llama() Family {
	return Family{
		Archs:     []string{"LlamaForCausalLM"},
		Block:     "model.layers.%d",
		Embed:     "model.embed_tokens",
		FinalNorm: "model.norm",
		Head:      "lm_head",
		Attention: Attention{
			Norm: "input_layernorm",
			Q:    "self_attn.q_proj", K: "self_attn.k_proj", V: "self_attn.v_proj", O: "self_attn.o_proj",
		},
		MLP: MLP{Norm: "post_attention_layernorm", Gate: "mlp.gate_proj", Up: "mlp.up_proj", Down: "mlp.down_proj"},
		Groups: []Group{
			{Prev: "input_layernorm", Into: []string{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"}, Through: ThroughAttention},
			{Prev: "self_attn.v_proj", Into: []string{"self_attn.o_proj"}, When: SameShape},
			{Prev: "post_attention_layernorm", Into: []string{"mlp.gate_proj", "mlp.up_proj"}, Through: ThroughMLP},
			{Prev: "mlp.up_proj", Into: []string{"mlp.down_proj"}},
		},
		NoClip: []string{"self_attn.q_proj", "self_attn.k_proj"},
	}
}

// mistral adds a sliding window in every layer.
func mistral() Family {
	return llama().With(func(f *Family) {
		f.Archs = []string{"MistralForCausalLM"}
		f.Window = EveryLayer
	})
}

// qwen2 has biases on q, k, v (found in the files) and windows only in upper layers.
func qwen2() Family {
	return llama().With(func(f *Family) {
		f.Archs = []string{"Qwen2ForCausalLM"}
		f.Window = UpperLayers
	})
}

// qwen3 normalises each head of q and k.
func qwen3() Family {
	return llama().With(func(f *Family) {
		f.Archs = []string{"Qwen3ForCausalLM"}
		f.Window = UpperLayers
		f.Attention.QNorm, f.Attention.KNorm = "self_attn.q_norm", "self_attn.k_norm"
	})
}
