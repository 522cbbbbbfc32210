// From levels and values back to records: one row of one column becomes one JSON value.

package parquet

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// append writes the value of a node, of which the levels of the next values tell whether it is there.
func (r *Rows) append(out []byte, n *node) ([]byte, error) {
	switch n.repetition {
	case repeated:
		return r.appendList(out, n, n)
	case optional:
		there, err := r.there(n)
		if err != nil {
			return nil, err
		}
		if !there {
			return append(out, "null"...), r.pass(n)
		}
	}
	return r.appendContent(out, n)
}

// there asks whether a node is there; all of its leaves have to agree.
func (r *Rows) there(n *node) (bool, error) {
	var there bool
	for i, c := range r.columns[n.first:n.last] {
		_, def, err := c.peek()
		if err != nil {
			return false, err
		}
		if i == 0 {
			there = def >= n.def
		} else if there != (def >= n.def) {
			return false, corrupt("%.60q and %.60q differ in whether %.60q is there", r.columns[n.first].leaf.name, c.leaf.name, n.name)
		}
	}
	return there, nil
}

// pass takes the one entry that each leaf has for a node that is not there.
func (r *Rows) pass(n *node) error {
	for _, c := range r.columns[n.first:n.last] {
		if _, err := c.take(); err != nil {
			return err
		}
	}
	return nil
}

// appendList writes a repeated node; elem is the part of it that counts as the element.
func (r *Rows) appendList(out []byte, n, elem *node) ([]byte, error) {
	there, err := r.there(n)
	if err != nil {
		return nil, err
	}
	if !there {
		return append(out, "[]"...), r.pass(n)
	}
	out = append(out, '[')
	for more := true; more; {
		if elem == n {
			out, err = r.appendContent(out, n)
		} else {
			out, err = r.append(out, elem)
		}
		if err != nil {
			return nil, err
		}
		if more, err = r.again(n); err != nil {
			return nil, err
		}
		if more {
			out = append(out, ',')
		}
	}
	return append(out, ']'), nil
}

// again asks whether a list goes on; all of its leaves have to agree.
func (r *Rows) again(n *node) (bool, error) {
	var again bool
	for i, c := range r.columns[n.first:n.last] {
		more, err := c.more()
		rep := 0
		if more && err == nil {
			rep, _, err = c.peek()
		}
		if err != nil {
			return false, err
		}
		if rep > n.rep {
			return false, corrupt("repetition level %d within %.60q, whose level is %d", rep, n.name, n.rep)
		}
		if i == 0 {
			again = rep == n.rep
		} else if again != (rep == n.rep) {
			return false, corrupt("%.60q and %.60q differ in the length of %.60q", r.columns[n.first].leaf.name, c.leaf.name, n.name)
		}
	}
	return again, nil
}

// appendContent writes a node that is there.
func (r *Rows) appendContent(out []byte, n *node) ([]byte, error) {
	if len(out) > maxCell {
		return nil, unsupported("a value of more than %d bytes", maxCell)
	}
	if n.leaf {
		v, err := r.columns[n.first].take()
		if err != nil {
			return nil, err
		}
		if !v.there {
			return nil, corrupt("%.60q is not there where it has to be", n.name)
		}
		return n.appendValue(out, v)
	}
	if list := n.list(); list != nil {
		return r.appendList(out, list, list.element(n))
	}
	out = append(out, '{')
	for i, c := range n.children {
		if i > 0 {
			out = append(out, ',')
		}
		var err error
		if out, err = appendString(out, []byte(c.name)); err != nil {
			return nil, err
		}
		if out, err = r.append(append(out, ':'), c); err != nil {
			return nil, err
		}
	}
	return append(out, '}'), nil
}

func (n *node) appendValue(out []byte, v value) ([]byte, error) {
	switch n.physical {
	case physBoolean:
		return strconv.AppendBool(out, v.bits != 0), nil
	case physInt32:
		if n.converted == convertedUint32 {
			return strconv.AppendUint(out, uint64(uint32(v.bits)), 10), nil
		}
		return strconv.AppendInt(out, int64(int32(v.bits)), 10), nil
	case physInt64:
		if n.converted == convertedUint64 {
			return strconv.AppendUint(out, v.bits, 10), nil
		}
		return strconv.AppendInt(out, int64(v.bits), 10), nil
	case physFloat, physDouble:
		f, size := math.Float64frombits(v.bits), 64
		if n.physical == physFloat {
			f, size = float64(math.Float32frombits(uint32(v.bits))), 32
		}
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, unsupported("%v in %.60q", f, n.name)
		}
		return strconv.AppendFloat(out, f, 'g', -1, size), nil
	}
	return appendString(out, v.bytes)
}

// appendString writes a JSON string; only what has to be escaped is.
func appendString(out, s []byte) ([]byte, error) {
	const hex = "0123456789abcdef"
	if !utf8.Valid(s) {
		for i := 0; i < len(s); {
			c, n := utf8.DecodeRune(s[i:])
			if c == utf8.RuneError && n == 1 {
				return nil, corrupt("not UTF-8: byte 0x%02x at offset %d of %d", s[i], i, len(s))
			}
			i += n
		}
	}
	out = append(out, '"')
	begin := 0
	for i, c := range s {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		out = append(out, s[begin:i]...)
		begin = i + 1
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\b':
			out = append(out, '\\', 'b')
		case '\t':
			out = append(out, '\\', 't')
		case '\n':
			out = append(out, '\\', 'n')
		case '\f':
			out = append(out, '\\', 'f')
		case '\r':
			out = append(out, '\\', 'r')
		default:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(out, s[begin:]...), '"'), nil
}
