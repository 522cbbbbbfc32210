// The encodings by difference: of integers, of the lengths of strings, and of strings that begin like the one before.

package parquet

import "encoding/binary"

// delta is integers as differences in blocks of packed bits.
type delta struct {
	b       []byte
	pos     int
	perMini uint64 // values of a miniblock
	minis   int
	left    uint64 // values still to give
	last    uint64
	begun   bool
	least   uint64 // the block's smallest difference
	widths  []byte // of the block's miniblocks that are still to come
	packed  []byte
	width   int
	bit     uint64
	inMini  uint64 // values left in the miniblock
}

func openDelta(b []byte) (*delta, error) {
	d := &delta{b: b}
	block, err := d.uvarint()
	if err != nil {
		return nil, err
	}
	minis, err := d.uvarint()
	if err != nil {
		return nil, err
	}
	if d.left, err = d.uvarint(); err != nil {
		return nil, err
	}
	first, err := d.uvarint()
	if err != nil {
		return nil, err
	}
	if block == 0 || block > 1<<24 || block%128 != 0 || minis == 0 || minis > block/32 || block%minis != 0 || block/minis%32 != 0 {
		return nil, corrupt("blocks of %d differences in %d parts", block, minis)
	}
	d.perMini, d.minis, d.last = block/minis, int(minis), unzigzag(first)
	return d, nil
}

func (d *delta) uvarint() (uint64, error) {
	v, n := binary.Uvarint(d.b[d.pos:])
	if n <= 0 {
		return 0, corrupt("differences end early")
	}
	d.pos += n
	return v, nil
}

func unzigzag(v uint64) uint64 { return v>>1 ^ -(v & 1) }

// mini steps into the next miniblock.
func (d *delta) mini() error {
	if len(d.widths) == 0 {
		least, err := d.uvarint()
		if err != nil {
			return err
		}
		if len(d.b)-d.pos < d.minis {
			return corrupt("differences end early")
		}
		d.least, d.widths = unzigzag(least), d.b[d.pos:d.pos+d.minis]
		d.pos += d.minis
	}
	d.width, d.widths = int(d.widths[0]), d.widths[1:]
	if d.width > 64 {
		return corrupt("differences of %d bits", d.width)
	}
	n := d.perMini / 8 * uint64(d.width)
	if n > uint64(len(d.b)-d.pos) {
		return corrupt("differences end early")
	}
	d.packed, d.bit, d.inMini = d.b[d.pos:d.pos+int(n)], 0, d.perMini
	d.pos += int(n)
	return nil
}

func (d *delta) next() (int64, error) {
	if d.left == 0 {
		return 0, corrupt("too few differences")
	}
	if !d.begun {
		d.begun = true
		d.left--
		return int64(d.last), nil
	}
	if d.inMini == 0 {
		if err := d.mini(); err != nil {
			return 0, err
		}
	}
	v, _ := bitsAt(d.packed, d.bit, d.width)
	d.bit += uint64(d.width)
	d.inMini--
	d.left--
	d.last += d.least + v
	return int64(d.last), nil
}

// rest is what follows the differences. It looks at each block's head alone.
func (d delta) rest() ([]byte, error) {
	if d.left > 0 && !d.begun {
		d.left--
	}
	for d.left > d.inMini {
		d.left -= d.inMini
		if err := d.mini(); err != nil {
			return nil, err
		}
	}
	return d.b[d.pos:], nil
}

// deltaInts is integers.
type deltaInts struct{ *delta }

func (d *deltaInts) next() (value, error) {
	v, err := d.delta.next()
	return value{bits: uint64(v)}, err
}

// deltaLength is the lengths of all strings, then the strings.
type deltaLength struct {
	lengths *delta
	data    []byte
}

func openDeltaLength(b []byte) (*deltaLength, error) {
	lengths, err := openDelta(b)
	if err != nil {
		return nil, err
	}
	data, err := lengths.rest()
	return &deltaLength{lengths, data}, err
}

func (d *deltaLength) next() (value, error) {
	n, err := d.lengths.next()
	if err != nil {
		return value{}, err
	}
	if n < 0 || n > int64(len(d.data)) {
		return value{}, corrupt("a string of %d bytes where %d are left", n, len(d.data))
	}
	v := value{bytes: d.data[:n]}
	d.data = d.data[n:]
	return v, nil
}

// deltaBytes is, for each string, how much of the one before it begins with, and how it goes on.
type deltaBytes struct {
	prefixes *delta
	suffixes *deltaLength
	last     []byte
}

func openDeltaBytes(b []byte) (*deltaBytes, error) {
	prefixes, err := openDelta(b)
	if err != nil {
		return nil, err
	}
	data, err := prefixes.rest()
	if err != nil {
		return nil, err
	}
	suffixes, err := openDeltaLength(data)
	return &deltaBytes{prefixes: prefixes, suffixes: suffixes}, err
}

func (d *deltaBytes) next() (value, error) {
	n, err := d.prefixes.next()
	if err != nil {
		return value{}, err
	}
	suffix, err := d.suffixes.next()
	if err != nil {
		return value{}, err
	}
	if n < 0 || n > int64(len(d.last)) {
		return value{}, corrupt("%d bytes of a string of %d", n, len(d.last))
	}
	d.last = append(d.last[:n], suffix.bytes...)
	return value{bytes: d.last}, nil
}
