// The encodings of values, each a source that gives one value after the other.

package parquet

import "encoding/binary"

const (
	encodingPlain           = 0
	encodingPlainDictionary = 2
	encodingRLE             = 3
	encodingDeltaBinary     = 5
	encodingDeltaLength     = 6
	encodingDeltaBytes      = 7
	encodingRLEDictionary   = 8
)

type source interface {
	next() (value, error)
}

func openValues(encoding int32, data []byte, physical int32, dictionary []value) (source, error) {
	bytes, ints := physical == physByteArray, physical == physInt32 || physical == physInt64
	switch {
	case encoding == encodingPlain:
		return &plain{b: data, physical: physical}, nil
	case encoding == encodingPlainDictionary || encoding == encodingRLEDictionary:
		if len(data) == 0 { // a page of nulls alone
			return &indexed{ids: &hybrid{}}, nil
		}
		if data[0] > 32 {
			return nil, corrupt("dictionary indices of %d bits", data[0])
		}
		return &indexed{ids: &hybrid{b: data[1:], width: int(data[0])}, dictionary: dictionary}, nil
	case encoding == encodingRLE && physical == physBoolean:
		if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
			return nil, corrupt("runs beyond a page of %d bytes", len(data))
		}
		return &truths{ids: &hybrid{b: data[4 : 4+binary.LittleEndian.Uint32(data)], width: 1}}, nil
	case encoding == encodingDeltaBinary && ints:
		d, err := openDelta(data)
		return &deltaInts{d}, err
	case encoding == encodingDeltaLength && bytes:
		return openDeltaLength(data)
	case encoding == encodingDeltaBytes && bytes:
		return openDeltaBytes(data)
	}
	return nil, unsupported("encoding %d of type %d", encoding, physical)
}

// plain is values one after the other.
type plain struct {
	b        []byte
	physical int32
	bit      int
}

func (p *plain) next() (value, error) {
	n := 0
	switch p.physical {
	case physBoolean:
		if len(p.b) == 0 {
			return value{}, corrupt("a page has too few truth values")
		}
		v := value{bits: uint64(p.b[0] >> p.bit & 1)}
		if p.bit++; p.bit == 8 {
			p.b, p.bit = p.b[1:], 0
		}
		return v, nil
	case physInt32, physFloat, physByteArray:
		n = 4
	case physInt64, physDouble:
		n = 8
	default:
		return value{}, unsupported("values of type %d", p.physical)
	}
	if len(p.b) < n {
		return value{}, corrupt("a page ends within a value")
	}
	var v value
	if n == 8 {
		v.bits = binary.LittleEndian.Uint64(p.b)
	} else {
		v.bits = uint64(binary.LittleEndian.Uint32(p.b))
	}
	p.b = p.b[n:]
	if p.physical == physByteArray {
		if v.bits > uint64(len(p.b)) {
			return value{}, corrupt("a string of %d bytes where %d are left", v.bits, len(p.b))
		}
		v.bytes, p.b = p.b[:v.bits], p.b[v.bits:]
	}
	return v, nil
}

// indexed is values of a dictionary.
type indexed struct {
	ids        *hybrid
	dictionary []value
}

func (x *indexed) next() (value, error) {
	i, err := x.ids.next()
	if err != nil {
		return value{}, err
	}
	if uint64(i) >= uint64(len(x.dictionary)) {
		return value{}, corrupt("entry %d of a dictionary of %d", i, len(x.dictionary))
	}
	return x.dictionary[i], nil
}

// truths is truth values in runs.
type truths struct{ ids *hybrid }

func (t *truths) next() (value, error) {
	v, err := t.ids.next()
	return value{bits: uint64(v)}, err
}

// hybrid is small numbers, in runs of one value and in groups of packed bits.
type hybrid struct {
	b      []byte
	width  int
	left   uint64 // of the run
	run    uint32
	packed []byte // not nil: a packed run
	bit    uint64
}

func (h *hybrid) next() (uint32, error) {
	for h.left == 0 {
		head, n := binary.Uvarint(h.b)
		if n <= 0 {
			return 0, corrupt("runs end early")
		}
		h.b = h.b[n:]
		h.left, h.packed = head>>1, nil
		if head&1 == 0 {
			n := (h.width + 7) / 8
			if len(h.b) < n {
				return 0, corrupt("a run ends early")
			}
			var v [4]byte
			copy(v[:], h.b[:n])
			h.run, h.b = binary.LittleEndian.Uint32(v[:]), h.b[n:]
			continue
		}
		// The last group may be cut short: what counts is that the bytes of the values that are read are there.
		if h.left > 1<<32 {
			return 0, corrupt("%d groups of values", h.left)
		}
		bytes := min(h.left*uint64(h.width), uint64(len(h.b)))
		h.packed, h.b, h.bit = h.b[:bytes:bytes], h.b[bytes:], 0
		h.left *= 8
	}
	h.left--
	if h.packed == nil {
		return h.run, nil
	}
	v, ok := bitsAt(h.packed, h.bit, h.width)
	if !ok {
		return 0, corrupt("a packed run ends early")
	}
	h.bit += uint64(h.width)
	return uint32(v), nil
}

// level is the next number of a level that is at most `most`; where that is 0 there are no levels, and h is nil.
func (h *hybrid) level(most int) (int, error) {
	if h == nil {
		return 0, nil
	}
	v, err := h.next()
	if err == nil && int64(v) > int64(most) {
		err = corrupt("level %d where %d is the highest", v, most)
	}
	return int(v), err
}

// bitsAt reads `width` bits, at most 64, from bit `at` on, the lowest first.
func bitsAt(b []byte, at uint64, width int) (uint64, bool) {
	if width == 0 {
		return 0, true
	}
	if at+uint64(width) > uint64(len(b))*8 {
		return 0, false
	}
	var v uint64
	for got := 0; got < width; {
		shift := int(at & 7)
		part := uint64(b[at>>3]) >> shift
		take := min(8-shift, width-got)
		v |= part & (1<<take - 1) << got
		got += take
		at += uint64(take)
	}
	return v, true
}
