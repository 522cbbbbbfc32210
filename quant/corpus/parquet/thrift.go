// The compact protocol in which a parquet file's metadata is written: a reader over bytes that remembers its first failure.

package parquet

import "encoding/binary"

// Types of the compact protocol.
const (
	typeTrue   = 1
	typeFalse  = 2
	typeByte   = 3
	typeI16    = 4
	typeI32    = 5
	typeI64    = 6
	typeDouble = 7
	typeBinary = 8
	typeList   = 9
	typeSet    = 10
	typeMap    = 11
	typeStruct = 12
)

const maxThriftDepth = 48

type decoder struct {
	b     []byte
	pos   int
	depth int
	short bool // failed because the bytes ended
	err   error
}

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = corrupt("metadata, byte %d: "+format, append([]any{d.pos}, args...)...)
	}
}

func (d *decoder) end() {
	if d.err == nil {
		d.short = true
	}
	d.fail("it ends early")
}

func (d *decoder) byte() byte {
	if d.err != nil {
		return 0
	}
	if d.pos >= len(d.b) {
		d.end()
		return 0
	}
	d.pos++
	return d.b[d.pos-1]
}

func (d *decoder) uvarint() uint64 {
	if d.err != nil {
		return 0
	}
	v, n := binary.Uvarint(d.b[d.pos:])
	switch {
	case n == 0:
		d.end()
		return 0
	case n < 0:
		d.fail("a number of more than 64 bits")
		return 0
	}
	d.pos += n
	return v
}

func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// fields calls fn for every field of a struct; fn reads its value or skips it.
func (d *decoder) fields(fn func(id int64, typ byte)) {
	if d.depth++; d.depth > maxThriftDepth {
		d.fail("more than %d levels", maxThriftDepth)
	}
	var id int64
	for d.err == nil {
		head := d.byte()
		if d.err != nil || head == 0 {
			break
		}
		if delta := int64(head >> 4); delta != 0 {
			id += delta
		} else {
			id = d.varint()
		}
		fn(id, head&15)
	}
	d.depth--
}

// list reads a list's head. Every element takes a byte at least, so a length beyond the bytes that are left is a lie.
func (d *decoder) list() (typ byte, n int) {
	head := d.byte()
	size := uint64(head >> 4)
	if size == 15 {
		size = d.uvarint()
	}
	if d.err == nil && size > uint64(len(d.b)-d.pos) {
		d.end()
	}
	if d.err != nil {
		return 0, 0
	}
	return head & 15, int(size)
}

// each reads a list of which every element is of one type.
func (d *decoder) each(typ, want byte, fn func()) {
	if typ != typeList {
		d.fail("type %d where a list is wanted", typ)
	}
	elem, n := d.list()
	if n > 0 && elem != want {
		d.fail("a list of type %d where %d is wanted", elem, want)
	}
	for ; n > 0 && d.err == nil; n-- {
		fn()
	}
}

func (d *decoder) integer(typ byte) int64 {
	switch typ {
	case typeI16, typeI32, typeI64:
		return d.varint()
	}
	d.fail("type %d where an integer is wanted", typ)
	return 0
}

func (d *decoder) i32(typ byte) int32 {
	v := d.integer(typ)
	if int64(int32(v)) != v {
		d.fail("%d where 32 bits are wanted", v)
	}
	return int32(v)
}

func (d *decoder) boolean(typ byte) bool {
	if typ != typeTrue && typ != typeFalse {
		d.fail("type %d where a truth value is wanted", typ)
	}
	return typ == typeTrue
}

func (d *decoder) bytes(typ byte) []byte {
	if typ != typeBinary {
		d.fail("type %d where a string is wanted", typ)
	}
	n := d.uvarint()
	if d.err == nil && n > uint64(len(d.b)-d.pos) {
		d.end()
	}
	if d.err != nil {
		return nil
	}
	d.pos += int(n)
	return d.b[d.pos-int(n) : d.pos]
}

func (d *decoder) object(typ byte, fn func(id int64, typ byte)) {
	if typ != typeStruct {
		d.fail("type %d where a struct is wanted", typ)
	}
	d.fields(fn)
}

// skip passes over a value that is not wanted.
func (d *decoder) skip(typ byte) {
	if d.err != nil {
		return
	}
	switch typ {
	case typeTrue, typeFalse:
	case typeByte:
		d.byte()
	case typeI16, typeI32, typeI64:
		d.uvarint()
	case typeDouble:
		if len(d.b)-d.pos < 8 {
			d.end()
			return
		}
		d.pos += 8
	case typeBinary:
		d.bytes(typ)
	case typeStruct:
		d.fields(func(_ int64, typ byte) { d.skip(typ) })
	case typeList, typeSet:
		elem, n := d.list()
		d.skipEach(n, elem)
	case typeMap:
		n := d.uvarint()
		if n == 0 || d.err != nil {
			return
		}
		if n > uint64(len(d.b)-d.pos) {
			d.end()
			return
		}
		types := d.byte()
		d.skipEach(int(n), types>>4, types&15)
	default:
		d.fail("type %d is not known", typ)
	}
}

// skipEach passes over n groups of values. Truth values take a byte each here, unlike in a struct.
func (d *decoder) skipEach(n int, types ...byte) {
	if d.depth++; d.depth > maxThriftDepth {
		d.fail("more than %d levels", maxThriftDepth)
	}
	for ; n > 0 && d.err == nil; n-- {
		for _, typ := range types {
			if typ == typeTrue || typ == typeFalse {
				typ = typeByte
			}
			d.skip(typ)
		}
	}
	d.depth--
}
