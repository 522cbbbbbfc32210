// One column of one row group as a stream of entries: repetition level, definition level and, where there is one, a value.

package parquet

import (
	"encoding/binary"
	"hash/crc32"
	"math/bits"
)

// value is one value of a leaf. bytes points into the page and is good until the next entry is taken.
type value struct {
	there bool
	bits  uint64
	bytes []byte
}

type column struct {
	f          *File
	leaf       *node
	codec      int32
	pos, end   int64 // of the file
	left       int64 // entries of the chunk that are in no opened page yet
	dictionary []value
	unpack     unpacker

	pageLeft int // entries of this page
	reps     *hybrid
	defs     *hybrid
	values   source
	peeked   bool
	rep, def int
}

func (f *File) openColumn(m chunkMeta, leaf *node) (*column, error) {
	begin := m.data
	if m.dictionary > 0 && m.dictionary < begin {
		begin = m.dictionary
	}
	switch {
	case m.values == 0: // writers leave the offsets of nothing at 0
		return &column{f: f, leaf: leaf}, nil
	case m.elsewhere:
		return nil, unsupported("a column in another file, or encrypted")
	case m.physical != leaf.physical:
		return nil, corrupt("type %d in the row group, %d in the schema", m.physical, leaf.physical)
	case begin < int64(len(magic)) || m.compressed < 0 || begin > f.end || m.compressed > f.end-begin || m.values < 0:
		return nil, corrupt("%d values in %d bytes at %d do not fit into %d bytes of data", m.values, m.compressed, begin, f.end)
	}
	if err := knownCodec(m.codec); err != nil {
		return nil, err
	}
	return &column{f: f, leaf: leaf, codec: m.codec, pos: begin, end: begin + m.compressed, left: m.values}, nil
}

// more says whether another entry follows.
func (c *column) more() (bool, error) {
	for !c.peeked && c.pageLeft == 0 {
		if c.left == 0 {
			return false, nil
		}
		if err := c.nextPage(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// peek gives the levels of the next entry.
func (c *column) peek() (rep, def int, err error) {
	if c.peeked {
		return c.rep, c.def, nil
	}
	more, err := c.more()
	if err != nil {
		return 0, 0, err
	}
	if !more {
		return 0, 0, corrupt("%.60q has too few values", c.leaf.name)
	}
	if c.rep, err = c.reps.level(c.leaf.rep); err != nil {
		return 0, 0, err
	}
	if c.def, err = c.defs.level(c.leaf.def); err != nil {
		return 0, 0, err
	}
	c.pageLeft--
	c.peeked = true
	return c.rep, c.def, nil
}

// take gives the next entry's value.
func (c *column) take() (value, error) {
	_, def, err := c.peek()
	if err != nil {
		return value{}, err
	}
	c.peeked = false
	if def < c.leaf.def {
		return value{}, nil
	}
	v, err := c.values.next()
	v.there = true
	return v, err
}

// nextPage opens the next page of data, reading the dictionary on the way.
func (c *column) nextPage() error {
	for {
		h, body, err := c.readPage()
		if err != nil {
			return err
		}
		switch h.kind {
		case pageDictionary:
			err = c.readDictionary(h, body)
		case pageData:
			return c.openV1(h, body)
		case pageDataV2:
			return c.openV2(h, body)
		} // index pages hold nothing that is needed here
		if err != nil {
			return err
		}
	}
}

// readPage reads a page's header and its body, still packed.
func (c *column) readPage() (pageHeader, []byte, error) {
	for size := int64(1 << 10); ; size *= 8 {
		size = min(size, maxHeader, c.end-c.pos)
		if size <= 0 {
			return pageHeader{}, nil, corrupt("%.60q ends with %d values missing", c.leaf.name, c.left)
		}
		head := make([]byte, size)
		if err := readAt(c.f.r, head, c.pos); err != nil {
			return pageHeader{}, nil, err
		}
		h, n, short, err := parsePageHeader(head)
		if short && size < min(maxHeader, c.end-c.pos) {
			continue
		}
		if err != nil {
			return pageHeader{}, nil, err
		}
		begin := c.pos + int64(n)
		if h.compressed < 0 || int64(h.compressed) > c.end-begin || h.compressed > maxPage || h.uncompressed < 0 || h.uncompressed > maxPage {
			return pageHeader{}, nil, corrupt("a page of %d bytes, %d unpacked, in a column with %d left", h.compressed, h.uncompressed, c.end-begin)
		}
		if h.values < 0 || int(h.values) > c.f.pageValues {
			return pageHeader{}, nil, corrupt("a page of %d values", h.values)
		}
		body := make([]byte, h.compressed)
		if err := readAt(c.f.r, body, begin); err != nil {
			return pageHeader{}, nil, err
		}
		if sum := crc32.ChecksumIEEE(body); h.hasCRC && sum != h.crc {
			return pageHeader{}, nil, corrupt("a page's checksum is %08x, it says %08x", sum, h.crc)
		}
		c.pos = begin + int64(h.compressed)
		return h, body, nil
	}
}

func (c *column) readDictionary(h pageHeader, body []byte) error {
	if h.encoding != encodingPlain && h.encoding != encodingPlainDictionary {
		return unsupported("a dictionary of encoding %d", h.encoding)
	}
	if c.dictionary != nil {
		return corrupt("a second dictionary")
	}
	if c.leaf.physical == physBoolean {
		return corrupt("a dictionary of truth values")
	}
	data, err := c.unpack.unpack(c.codec, body, int(h.uncompressed))
	if err != nil {
		return err
	}
	plain := &plain{b: data, physical: c.leaf.physical}
	for i := int32(0); i < h.values; i++ {
		v, err := plain.next()
		if err != nil {
			return err
		}
		c.dictionary = append(c.dictionary, v)
	}
	return nil
}

func (c *column) openV1(h pageHeader, body []byte) error {
	data, err := c.unpack.unpack(c.codec, body, int(h.uncompressed))
	if err != nil {
		return err
	}
	level := func(most int, encoding int32) (*hybrid, error) {
		if most == 0 {
			return nil, nil
		}
		if encoding != encodingRLE {
			return nil, unsupported("levels of encoding %d", encoding)
		}
		if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
			return nil, corrupt("levels beyond a page of %d bytes", len(data))
		}
		n := int(binary.LittleEndian.Uint32(data))
		l := &hybrid{b: data[4 : 4+n], width: bits.Len(uint(most))}
		data = data[4+n:]
		return l, nil
	}
	if c.reps, err = level(c.leaf.rep, h.repEncoding); err != nil {
		return err
	}
	if c.defs, err = level(c.leaf.def, h.defEncoding); err != nil {
		return err
	}
	return c.begin(h, data)
}

func (c *column) openV2(h pageHeader, body []byte) error {
	if h.repBytes < 0 || h.defBytes < 0 || int64(h.repBytes)+int64(h.defBytes) > int64(len(body)) ||
		int64(h.repBytes)+int64(h.defBytes) > int64(h.uncompressed) {
		return corrupt("levels of %d and %d bytes in a page of %d, %d unpacked", h.repBytes, h.defBytes, len(body), h.uncompressed)
	}
	levels := int(h.repBytes + h.defBytes)
	c.reps, c.defs = nil, nil
	if c.leaf.rep > 0 {
		c.reps = &hybrid{b: body[:h.repBytes], width: bits.Len(uint(c.leaf.rep))}
	}
	if c.leaf.def > 0 {
		c.defs = &hybrid{b: body[h.repBytes:levels], width: bits.Len(uint(c.leaf.def))}
	}
	data, size := body[levels:], int(h.uncompressed)-levels
	if !h.plain && size > 0 { // writers leave out the packing of nothing
		var err error
		if data, err = c.unpack.unpack(c.codec, data, size); err != nil {
			return err
		}
	}
	return c.begin(h, data)
}

// begin sets up the values of a page.
func (c *column) begin(h pageHeader, data []byte) (err error) {
	if int64(h.values) > c.left {
		return corrupt("a page of %d values where the column has %d left", h.values, c.left)
	}
	c.left -= int64(h.values)
	c.pageLeft = int(h.values)
	c.values, err = openValues(h.encoding, data, c.leaf.physical, c.dictionary)
	return err
}
