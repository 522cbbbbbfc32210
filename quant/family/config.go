package family

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// ErrConfig marks a config.json that contradicts itself or lacks a needed key.
var ErrConfig = errors.New("config.json")

// Config is what a forward pass needs from config.json, synonyms and defaults resolved.
type Config struct {
	Architecture string
	ModelType    string
	Hidden       int
	Layers       int
	Heads        int
	KVHeads      int
	HeadDim      int
	Intermediate int
	Vocab        int
	NormEps      float64
	MaxPositions int
	Tied         bool
	Rope         Rope
	Windows      []int // per layer; 0 = full attention
	BOS          int   // -1 when not given
	EOS          []int
	DType        string // torch_dtype as written, may be ""
	Quantization *Quantization
}

// Rope is the rotary position rule; inverse frequencies come from graph.
type Rope struct {
	Type            string // default, linear, llama3, yarn
	Theta           float64
	Partial         float64 // share of head_dim that rotates
	Factor          float64
	LowFreq         float64
	HighFreq        float64
	Original        float64 // original_max_position_embeddings
	AttentionFactor float64 // yarn; 0 = from Factor
	BetaFast        float64
	BetaSlow        float64
	MScale          float64
	MScaleAllDim    float64
	NoTruncate      bool
}

// Quantization is quantization_config as the field writes it.
type Quantization struct {
	Method     string   `json:"quant_method"`
	Bits       int      `json:"bits"`
	GroupSize  int      `json:"group_size"`
	ZeroPoint  bool     `json:"zero_point"`
	Version    string   `json:"version"`
	NotConvert []string `json:"modules_to_not_convert"`
}

// rawConfig mirrors the keys that are read; pointers tell absent and null from zero.
type rawConfig struct {
	Architectures   []string         `json:"architectures"`
	ModelType       string           `json:"model_type"`
	Hidden          *int             `json:"hidden_size"`
	Layers          *int             `json:"num_hidden_layers"`
	Heads           *int             `json:"num_attention_heads"`
	KVHeads         *int             `json:"num_key_value_heads"`
	HeadDim         *int             `json:"head_dim"`
	Intermediate    *int             `json:"intermediate_size"`
	Vocab           *int             `json:"vocab_size"`
	Eps             *float64         `json:"rms_norm_eps"`
	MaxPos          *int             `json:"max_position_embeddings"`
	Tied            *bool            `json:"tie_word_embeddings"`
	Act             *string          `json:"hidden_act"`
	Theta           *float64         `json:"rope_theta"`
	Partial         *float64         `json:"partial_rotary_factor"`
	Scaling         *rawRope         `json:"rope_scaling"`
	Parameters      *rawRope         `json:"rope_parameters"`
	Window          json.RawMessage  `json:"sliding_window"`
	UseWindow       *bool            `json:"use_sliding_window"`
	MaxWindowLayers *int             `json:"max_window_layers"`
	LayerTypes      []string         `json:"layer_types"`
	BOS             json.RawMessage  `json:"bos_token_id"`
	EOS             json.RawMessage  `json:"eos_token_id"`
	TorchDType      string           `json:"torch_dtype"`
	DType           string           `json:"dtype"`
	Quantization    *json.RawMessage `json:"quantization_config"`
	Compression     *json.RawMessage `json:"compression_config"`
}

type rawRope struct {
	RopeType        string   `json:"rope_type"`
	Type            string   `json:"type"`
	Theta           *float64 `json:"rope_theta"`
	Partial         *float64 `json:"partial_rotary_factor"`
	Factor          *float64 `json:"factor"`
	LowFreq         *float64 `json:"low_freq_factor"`
	HighFreq        *float64 `json:"high_freq_factor"`
	Original        *float64 `json:"original_max_position_embeddings"`
	AttentionFactor *float64 `json:"attention_factor"`
	BetaFast        *float64 `json:"beta_fast"`
	BetaSlow        *float64 `json:"beta_slow"`
	MScale          *float64 `json:"mscale"`
	MScaleAllDim    *float64 `json:"mscale_all_dim"`
	Truncate        *bool    `json:"truncate"`
}

// ParseConfig reads config.json and finds its family.
func ParseConfig(data []byte) (*Config, *Family, error) {
	var r rawConfig
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, nil, fmt.Errorf("%w: %v", ErrConfig, err)
	}
	if len(r.Architectures) == 0 {
		return nil, nil, fmt.Errorf("%w: no `architectures` entry", ErrConfig)
	}
	f, err := Find(r.Architectures[0])
	if err != nil {
		return nil, nil, err
	}
	c := &Config{Architecture: r.Architectures[0], ModelType: r.ModelType, NormEps: 1e-6, BOS: -1, DType: r.TorchDType}
	if c.DType == "" {
		c.DType = r.DType
	}
	if err := c.sizes(&r); err != nil {
		return nil, nil, err
	}
	if r.Eps != nil {
		c.NormEps = *r.Eps
	}
	if !(c.NormEps >= 0 && c.NormEps < 1) {
		return nil, nil, fmt.Errorf("%w: rms_norm_eps %v is not in [0, 1)", ErrConfig, c.NormEps)
	}
	if r.Act != nil && *r.Act != "silu" && *r.Act != "swish" {
		return nil, nil, fmt.Errorf("%w: hidden_act %q with %s; known: silu", ErrUnsupported, *r.Act, c.Architecture)
	}
	c.Tied = r.Tied != nil && *r.Tied
	if c.Rope, err = readRope(&r, c.HeadDim, c.MaxPositions); err != nil {
		return nil, nil, err
	}
	if c.Windows, err = windows(f, &r, c.Layers); err != nil {
		return nil, nil, err
	}
	if bos := tokenIDs(r.BOS); len(bos) > 0 {
		c.BOS = bos[0]
	}
	c.EOS = tokenIDs(r.EOS)
	if q := r.Quantization; q != nil || r.Compression != nil {
		if q == nil {
			q = r.Compression
		}
		if c.Quantization, err = readQuantization(*q); err != nil {
			return nil, nil, err
		}
	}
	return c, f, nil
}

// Limits that no real model reaches; they keep products far from overflow.
const (
	maxDim    = 1 << 20
	maxLayers = 1 << 12
	maxVocab  = 1 << 24
)

func (c *Config) sizes(r *rawConfig) error {
	for _, d := range []struct {
		key   string
		from  *int
		to    *int
		limit int
	}{
		{"hidden_size", r.Hidden, &c.Hidden, maxDim},
		{"num_hidden_layers", r.Layers, &c.Layers, maxLayers},
		{"num_attention_heads", r.Heads, &c.Heads, maxDim},
		{"intermediate_size", r.Intermediate, &c.Intermediate, maxDim},
		{"vocab_size", r.Vocab, &c.Vocab, maxVocab},
	} {
		if d.from == nil {
			return fmt.Errorf("%w: %s is missing", ErrConfig, d.key)
		}
		if *d.from < 1 || *d.from > d.limit {
			return fmt.Errorf("%w: %s %d is not in 1..%d", ErrConfig, d.key, *d.from, d.limit)
		}
		*d.to = *d.from
	}
	c.KVHeads = c.Heads
	if r.KVHeads != nil {
		c.KVHeads = *r.KVHeads
	}
	if c.KVHeads < 1 || c.Heads%c.KVHeads != 0 {
		return fmt.Errorf("%w: num_key_value_heads %d does not divide num_attention_heads %d", ErrConfig, c.KVHeads, c.Heads)
	}
	if r.HeadDim != nil {
		c.HeadDim = *r.HeadDim
	} else if c.Hidden%c.Heads == 0 {
		c.HeadDim = c.Hidden / c.Heads
	} else {
		return fmt.Errorf("%w: hidden_size %d is not a multiple of num_attention_heads %d and head_dim is missing", ErrConfig, c.Hidden, c.Heads)
	}
	if c.HeadDim < 2 || c.HeadDim%2 != 0 || c.HeadDim > 1<<16 || c.HeadDim*c.Heads > maxDim {
		return fmt.Errorf("%w: head_dim %d with %d heads is not usable", ErrConfig, c.HeadDim, c.Heads)
	}
	c.MaxPositions = 2048
	if r.MaxPos != nil {
		c.MaxPositions = *r.MaxPos
	}
	if c.MaxPositions < 1 {
		return fmt.Errorf("%w: max_position_embeddings %d", ErrConfig, c.MaxPositions)
	}
	return nil
}

func readRope(r *rawConfig, headDim, maxPos int) (Rope, error) {
	p := Rope{Type: "default", Theta: 10000, Partial: 1, Factor: 1, BetaFast: 32, BetaSlow: 1, Original: float64(maxPos)}
	set := func(to *float64, from *float64) {
		if from != nil {
			*to = *from
		}
	}
	set(&p.Theta, r.Theta)
	set(&p.Partial, r.Partial)
	s := r.Scaling
	if r.Parameters != nil {
		s = r.Parameters
	}
	if s != nil {
		if s.RopeType != "" {
			p.Type = s.RopeType
		} else if s.Type != "" {
			p.Type = s.Type
		}
		set(&p.Theta, s.Theta)
		set(&p.Partial, s.Partial)
		set(&p.Factor, s.Factor)
		set(&p.LowFreq, s.LowFreq)
		set(&p.HighFreq, s.HighFreq)
		set(&p.Original, s.Original)
		set(&p.AttentionFactor, s.AttentionFactor)
		set(&p.BetaFast, s.BetaFast)
		set(&p.BetaSlow, s.BetaSlow)
		set(&p.MScale, s.MScale)
		set(&p.MScaleAllDim, s.MScaleAllDim)
		p.NoTruncate = s.Truncate != nil && !*s.Truncate
	}
	for _, v := range []float64{p.Theta, p.Partial, p.Factor, p.Original} {
		if !(v > 0) || math.IsInf(v, 0) {
			return p, fmt.Errorf("%w: a rope parameter is %v, wanted a positive number", ErrConfig, v)
		}
	}
	if d := int(float64(headDim) * p.Partial); d < 2 || d > headDim || d%2 != 0 {
		return p, fmt.Errorf("%w: partial_rotary_factor %v turns %d of %d dimensions", ErrConfig, p.Partial, d, headDim)
	}
	switch p.Type {
	case "default", "linear", "yarn":
	case "llama3":
		if !(p.LowFreq > 0) || !(p.HighFreq > p.LowFreq) {
			return p, fmt.Errorf("%w: llama3 rope with low_freq_factor %v, high_freq_factor %v", ErrConfig, p.LowFreq, p.HighFreq)
		}
	default:
		return p, fmt.Errorf("%w: rope type %q; known: default, linear, llama3, yarn", ErrUnsupported, p.Type)
	}
	return p, nil
}

func windows(f *Family, r *rawConfig, layers int) ([]int, error) {
	w := make([]int, layers)
	size := 0
	switch {
	case f.Window == NoWindow:
		return w, nil
	case len(r.Window) == 0 && f.Window == EveryLayer:
		size = 4096 // what transformers assumes for Mistral when the key is absent; null means none
	case len(r.Window) != 0:
		if err := json.Unmarshal(r.Window, &size); err != nil || size < 0 {
			return nil, fmt.Errorf("%w: sliding_window %s", ErrConfig, r.Window)
		}
	}
	if size == 0 {
		return w, nil
	}
	if f.Window == UpperLayers && (r.UseWindow == nil || !*r.UseWindow) {
		return w, nil
	}
	if n := len(r.LayerTypes); n != 0 && n != layers {
		return nil, fmt.Errorf("%w: %d layer_types for %d layers", ErrConfig, n, layers)
	}
	for i := range w {
		slides := f.Window == EveryLayer || r.MaxWindowLayers == nil || i >= *r.MaxWindowLayers
		if len(r.LayerTypes) != 0 {
			slides = r.LayerTypes[i] == "sliding_attention"
		}
		if slides {
			w[i] = size
		}
	}
	return w, nil
}

// tokenIDs reads an id or a list of ids; anything else is none.
func tokenIDs(raw json.RawMessage) []int {
	var one int
	if json.Unmarshal(raw, &one) == nil && string(raw) != "null" {
		return []int{one}
	}
	var many []int
	if json.Unmarshal(raw, &many) == nil {
		return many
	}
	return nil
}

// readQuantization accepts the synonyms that AutoAWQ, transformers and GPTQModel write.
func readQuantization(raw json.RawMessage) (*Quantization, error) {
	var r struct {
		Method     string   `json:"quant_method"`
		Bits       *int     `json:"bits"`
		WBit       *int     `json:"w_bit"`
		Group      *int     `json:"group_size"`
		QGroup     *int     `json:"q_group_size"`
		ZeroPoint  *bool    `json:"zero_point"`
		Version    string   `json:"version"`
		Format     string   `json:"format"`
		Backend    string   `json:"backend"`
		NotConvert []string `json:"modules_to_not_convert"`
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return nil, fmt.Errorf("%w: quantization_config: %v", ErrConfig, err)
	}
	q := &Quantization{Method: r.Method, Bits: 4, GroupSize: 128, ZeroPoint: true, Version: r.Version, NotConvert: r.NotConvert}
	if q.Version == "" {
		q.Version = r.Format
	}
	if q.Version == "" {
		q.Version = "gemm"
	}
	if r.Backend == "llm-awq" {
		q.Version = "llm-awq"
	}
	for _, p := range []*int{r.WBit, r.Bits} {
		if p != nil {
			q.Bits = *p
		}
	}
	for _, p := range []*int{r.QGroup, r.Group} {
		if p != nil {
			q.GroupSize = *p
		}
	}
	if r.ZeroPoint != nil {
		q.ZeroPoint = *r.ZeroPoint
	}
	return q, nil
}
