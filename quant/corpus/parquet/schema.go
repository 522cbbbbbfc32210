// The schema as a tree: which leaves a column has, at which levels a value is null or a list goes on.

package parquet

const (
	required = 0
	optional = 1
	repeated = 2
)

// Physical types.
const (
	physBoolean   = 0
	physInt32     = 1
	physInt64     = 2
	physFloat     = 4
	physDouble    = 5
	physByteArray = 6
)

// Annotations: the old ones by their number, the new ones by their place in the union.
const (
	convertedUTF8   = 0
	convertedMap    = 1
	convertedMapKV  = 2
	convertedList   = 3
	convertedEnum   = 4
	convertedUint8  = 11
	convertedUint32 = 13
	convertedUint64 = 14
	convertedInt64  = 18
	convertedJSON   = 19

	logicalString  = 1
	logicalMap     = 2
	logicalList    = 3
	logicalEnum    = 4
	logicalInteger = 10
	logicalUnknown = 11
	logicalJSON    = 12
)

type node struct {
	name       string
	repetition int32
	leaf       bool
	physical   int32
	converted  int32
	logical    int64
	children   []*node
	def, rep   int // levels at which this node is there
	first      int // its leaves: [first, last)
	last       int
}

// buildSchema makes a tree of the flat list that a file holds.
func buildSchema(elements []schemaElement) (root *node, leaves []*node, err error) {
	next := 0
	var build func(depth, def, rep int) (*node, error)
	build = func(depth, def, rep int) (*node, error) {
		if next >= len(elements) {
			return nil, corrupt("the schema ends after %d elements", len(elements))
		}
		if depth > maxDepth {
			return nil, unsupported("a schema of more than %d levels", maxDepth)
		}
		e := elements[next]
		next++
		n := &node{name: e.name, repetition: e.repetition, leaf: e.leaf, physical: e.physical, converted: e.converted, logical: e.logical, first: len(leaves)}
		if depth > 0 {
			switch e.repetition {
			case required:
			case optional:
				def++
			case repeated:
				def++
				rep++
			default:
				return nil, corrupt("schema element %.60q has repetition %d", e.name, e.repetition)
			}
		}
		n.def, n.rep = def, rep
		if n.leaf {
			if e.children != 0 {
				return nil, corrupt("schema element %.60q has a type and %d children", e.name, e.children)
			}
			leaves = append(leaves, n)
		} else if e.children <= 0 {
			return nil, corrupt("schema element %.60q has no type and %d children", e.name, e.children)
		}
		for i := int32(0); i < e.children; i++ {
			c, err := build(depth+1, def, rep)
			if err != nil {
				return nil, err
			}
			n.children = append(n.children, c)
		}
		n.last = len(leaves)
		return n, nil
	}
	root, err = build(0, 0, 0)
	switch {
	case err != nil:
		return nil, nil, err
	case next != len(elements):
		return nil, nil, corrupt("the schema has %d elements, its tree %d", len(elements), next)
	case root.leaf:
		return nil, nil, corrupt("the schema's root is a column")
	}
	return root, leaves, nil
}

// check says whether a column can be put as JSON without guessing what its numbers mean.
func (n *node) check() error {
	if !n.leaf {
		if n.converted == convertedMap || n.converted == convertedMapKV || n.logical == logicalMap {
			return unsupported("a map, %.60q", n.name)
		}
		for _, c := range n.children {
			if err := c.check(); err != nil {
				return err
			}
		}
		return nil
	}
	ok := false
	switch n.physical {
	case physBoolean, physFloat, physDouble:
		ok = n.converted < 0 && n.logical == 0
	case physInt32, physInt64:
		ok = (n.converted < 0 || n.converted >= convertedUint8 && n.converted <= convertedInt64) && (n.logical == 0 || n.logical == logicalInteger || n.logical == logicalUnknown)
	case physByteArray:
		text := n.converted < 0 || n.converted == convertedUTF8 || n.converted == convertedEnum || n.converted == convertedJSON
		ok = text && (n.logical == 0 || n.logical == logicalString || n.logical == logicalEnum || n.logical == logicalJSON)
	}
	if !ok {
		return unsupported("%.60q of type %d, annotation %d, logical type %d", n.name, n.physical, n.converted, n.logical)
	}
	return nil
}

// element is what a repeated node repeats: for a three-level list the middle level's only child, else the node itself. The
// exceptions are the format's own rules for files of old writers.
func (n *node) element(list *node) *node {
	if n.leaf || len(n.children) != 1 || n.name == "array" || n.name == list.name+"_tuple" {
		return n
	}
	return n.children[0]
}

// list is the repeated node of a group that is annotated as a list, or nil.
func (n *node) list() *node {
	if (n.converted == convertedList || n.logical == logicalList) && len(n.children) == 1 && n.children[0].repetition == repeated {
		return n.children[0]
	}
	return nil
}
