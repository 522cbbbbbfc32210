// What is kept of a file's metadata and of a page's header. Field numbers are those of the format's Thrift definition.

package parquet

type schemaElement struct {
	leaf       bool
	physical   int32
	repetition int32
	name       string
	children   int32
	converted  int32 // -1 = none
	logical    int64 // number of the member of the union; 0 = none
}

type rowGroup struct {
	rows    int64
	columns []chunkMeta
}

type chunkMeta struct {
	physical   int32
	codec      int32
	values     int64
	compressed int64
	data       int64
	dictionary int64 // 0 = none
	elsewhere  bool  // in another file, or encrypted
}

type metadata struct {
	schema []schemaElement
	groups []rowGroup
}

func parseMetadata(b []byte) (metadata, error) {
	var m metadata
	d := &decoder{b: b}
	d.fields(func(id int64, typ byte) {
		switch id {
		case 2:
			d.each(typ, typeStruct, func() { m.schema = append(m.schema, d.schemaElement()) })
		case 4:
			d.each(typ, typeStruct, func() { m.groups = append(m.groups, d.rowGroup()) })
		default:
			d.skip(typ)
		}
	})
	return m, d.err
}

func (d *decoder) schemaElement() schemaElement {
	e := schemaElement{converted: -1}
	d.fields(func(id int64, typ byte) {
		switch id {
		case 1:
			e.physical, e.leaf = d.i32(typ), true
		case 3:
			e.repetition = d.i32(typ)
		case 4:
			e.name = string(d.bytes(typ))
		case 5:
			e.children = d.i32(typ)
		case 6:
			e.converted = d.i32(typ)
		case 10:
			d.object(typ, func(member int64, typ byte) {
				e.logical = member
				d.skip(typ)
			})
		default:
			d.skip(typ)
		}
	})
	return e
}

func (d *decoder) rowGroup() rowGroup {
	var g rowGroup
	d.fields(func(id int64, typ byte) {
		switch id {
		case 1:
			d.each(typ, typeStruct, func() { g.columns = append(g.columns, d.chunk()) })
		case 3:
			g.rows = d.integer(typ)
		default:
			d.skip(typ)
		}
	})
	if g.rows < 0 || len(g.columns) == 0 {
		d.fail("a row group of %d rows and %d columns", g.rows, len(g.columns))
	}
	return g
}

func (d *decoder) chunk() chunkMeta {
	var c chunkMeta
	found := false
	d.fields(func(id int64, typ byte) {
		switch id {
		case 1, 8:
			c.elsewhere = true
			d.skip(typ)
		case 3:
			found = true
			d.object(typ, func(id int64, typ byte) {
				switch id {
				case 1:
					c.physical = d.i32(typ)
				case 4:
					c.codec = d.i32(typ)
				case 5:
					c.values = d.integer(typ)
				case 7:
					c.compressed = d.integer(typ)
				case 9:
					c.data = d.integer(typ)
				case 11:
					c.dictionary = d.integer(typ)
				default:
					d.skip(typ)
				}
			})
		default:
			d.skip(typ)
		}
	})
	if !found && !c.elsewhere {
		d.fail("a column without metadata")
	}
	return c
}

// Kinds of page.
const (
	pageData       = 0
	pageDictionary = 2
	pageDataV2     = 3
)

type pageHeader struct {
	kind         int32
	uncompressed int32
	compressed   int32
	crc          uint32
	hasCRC       bool
	values       int32
	encoding     int32
	defEncoding  int32
	repEncoding  int32
	defBytes     int32 // version 2
	repBytes     int32 // version 2
	plain        bool  // version 2: the values are not compressed
}

// parsePageHeader also says how many bytes the header takes; short is true where more bytes may mend the failure.
func parsePageHeader(b []byte) (h pageHeader, n int, short bool, err error) {
	h.kind, h.encoding, h.defEncoding, h.repEncoding = -1, -1, encodingRLE, encodingRLE
	d := &decoder{b: b}
	d.fields(func(id int64, typ byte) {
		switch id {
		case 1:
			h.kind = d.i32(typ)
		case 2:
			h.uncompressed = d.i32(typ)
		case 3:
			h.compressed = d.i32(typ)
		case 4:
			h.crc, h.hasCRC = uint32(d.i32(typ)), true
		case 5:
			d.object(typ, func(id int64, typ byte) {
				switch id {
				case 1:
					h.values = d.i32(typ)
				case 2:
					h.encoding = d.i32(typ)
				case 3:
					h.defEncoding = d.i32(typ)
				case 4:
					h.repEncoding = d.i32(typ)
				default:
					d.skip(typ)
				}
			})
		case 7:
			d.object(typ, func(id int64, typ byte) {
				switch id {
				case 1:
					h.values = d.i32(typ)
				case 2:
					h.encoding = d.i32(typ)
				default:
					d.skip(typ)
				}
			})
		case 8:
			d.object(typ, func(id int64, typ byte) {
				switch id {
				case 1:
					h.values = d.i32(typ)
				case 4:
					h.encoding = d.i32(typ)
				case 5:
					h.defBytes = d.i32(typ)
				case 6:
					h.repBytes = d.i32(typ)
				case 7:
					h.plain = !d.boolean(typ)
				default:
					d.skip(typ)
				}
			})
		default:
			d.skip(typ)
		}
	})
	return h, d.pos, d.short, d.err
}
