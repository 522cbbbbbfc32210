package quant

// Inspection is what a folder is, from headers alone.
type Inspection struct {
	Architecture string         `json:"architecture"`
	ModelType    string         `json:"model_type"`
	Quantised    bool           `json:"quantised"`
	Method       string         `json:"quant_method,omitempty"`
	Layout       string         `json:"layout,omitempty"`
	Group        int            `json:"group_size,omitempty"`
	ZeroPoint    bool           `json:"zero_point,omitempty"`
	Layers       int            `json:"layers"`
	Hidden       int            `json:"hidden_size"`
	Vocab        int            `json:"vocab_size"`
	Tensors      int            `json:"tensors"`
	Bytes        int64          `json:"bytes"`
	Parameters   int64          `json:"parameters"` // weights, packed codes counted one by one
	DTypes       map[string]int `json:"dtypes"`
	Linears      []LinearInfo   `json:"linears"`
}

// LinearInfo is one linear of a decoder block.
type LinearInfo struct {
	Module    string `json:"module"`
	N         int    `json:"n"`
	K         int    `json:"k"`
	Quantised bool   `json:"quantised"`
	Bias      bool   `json:"bias"`
}

// Inspect opens a folder and describes it.
func Inspect(dir string) (*Inspection, error) {
	m, err := OpenModel(dir)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	c := m.Config
	out := &Inspection{Architecture: c.Architecture, ModelType: c.ModelType, Layers: c.Layers, Hidden: c.Hidden, Vocab: c.Vocab, DTypes: map[string]int{}}
	if q := c.Quantization; q != nil {
		out.Quantised, out.Method, out.Layout, out.Group, out.ZeroPoint = true, q.Method, m.Layout.Name, q.GroupSize, q.ZeroPoint
	}
	for _, t := range m.reader.Tensors() {
		out.Tensors++
		size, err := t.Bytes()
		if err != nil {
			return nil, err
		}
		out.Bytes += size
		out.DTypes[string(t.DType)]++
		if _, err := floatType(t); err == nil {
			count, err := t.Elements()
			if err != nil {
				return nil, err
			}
			out.Parameters += count
		}
	}
	for i := 0; i < c.Layers; i++ {
		for _, lin := range m.Family.Linears() {
			name := m.BlockName(i) + "." + lin
			n, k := m.Family.Shape(c, lin)
			_, bias := m.reader.Lookup(name + ".bias")
			info := LinearInfo{Module: name, N: n, K: k, Quantised: m.Packed(name), Bias: bias}
			if info.Quantised {
				out.Parameters += int64(n) * int64(k)
				if s, ok := m.reader.Lookup(name + ".scales"); ok { // scales are not weights
					count, err := s.Elements()
					if err != nil {
						return nil, err
					}
					out.Parameters -= count
				}
			}
			out.Linears = append(out.Linears, info)
		}
	}
	return out, nil
}
