package kernels

// Plan is how a linear is computed: speed alone, never bits. It mirrors awqk_plan of awq_backend.h.
type Plan struct {
	Rows        int32   // it is meant for calls of up to that many rows
	DecodeRows  int32   // with more rows codes are spread out once for all, with fewer each tile of rows decodes for itself
	Ahead       int32   // segments of prefetch
	ChunkBytes  int32   // of weights that a thread takes at once
	Picoseconds float64 // that one thread takes for a product of a weight and a value of x
}

// PlanFor is the first of some plans, in order of rows, that is meant for that many; the last if none is. Nil without plans.
func PlanFor(plans []Plan, rows int) *Plan {
	for i := range plans {
		if rows <= int(plans[i].Rows) {
			return &plans[i]
		}
	}
	if len(plans) == 0 {
		return nil
	}
	return &plans[len(plans)-1]
}
