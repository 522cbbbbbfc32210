// What a person or a caller sees of back ends: a line for each device, and tables filled up from one another.

package kernels

// Device is one line of the device list: something that runs ops, or the reason why it can't.
type Device struct {
	Name        string // of the table that serves it: "ref", "cpu/avx2", "cuda/sm90"
	Kind        string // "cpu", "cuda", "hip", "sycl", or "plugin" when the plug-in couldn't say
	Index       int    // among the devices of this table
	ISA         string // "scalar", "avx2", "sm90"; empty for ref
	Description string // one line for people
	Available   bool
	Reason      string // why it isn't available
}

// Fill returns o with every slot that it doesn't offer taken from base. Linear and all that packs go together: a packed weight means
// nothing to another back end.
func (o Ops) Fill(base Ops) Ops {
	if o.Pack == nil || o.Linear == nil {
		o.Pack, o.PackGemm, o.Linear = base.Pack, base.PackGemm, base.Linear
		o.Files = base.Files
	}
	if pack := o.Pack; o.PackGemm == nil {
		o.PackGemm = func(g *GemmWeight, mode Mode) (Weight, error) {
			q, err := g.Canonical()
			if err != nil {
				return nil, err
			}
			return pack(q, mode)
		}
	}
	if o.Gemm == nil {
		o.Gemm = base.Gemm
	}
	if o.RMSNorm == nil {
		o.RMSNorm = base.RMSNorm
	}
	if o.Rope == nil {
		o.Rope = base.Rope
	}
	if o.Softmax == nil {
		o.Softmax = base.Softmax
	}
	if o.GLU == nil {
		o.GLU = base.GLU
	}
	if o.AbsSum == nil {
		o.AbsSum = base.AbsSum
	}
	if o.FakeQuant == nil {
		o.FakeQuant = base.FakeQuant
	}
	if o.Quantize == nil {
		o.Quantize = base.Quantize
	}
	if o.Clip == nil {
		o.Clip = base.Clip
	}
	if o.Refine == nil {
		o.Refine = base.Refine
	}
	if o.SqDiff == nil {
		o.SqDiff = base.SqDiff
	}
	if o.Logits == nil {
		o.Logits = base.Logits
	}
	return o
}
