// The methods of dict, list, tuple and the numbers.

package jinja

import "math"

func dictMethod(o *Object, name string) (Value, bool) {
	var f func(r *run, a *callArgs) (Value, error)
	switch name {
	case "keys", "values", "items":
		f = func(r *run, a *callArgs) (Value, error) {
			_, err := a.positional(name, 0, 0)
			return &view{obj: o, kind: name}, err
		}
	case "get":
		f = func(r *run, a *callArgs) (Value, error) {
			v, err := a.positional("get", 1, 2)
			if err != nil {
				return nil, err
			}
			h, err := r.hashKey(v[0])
			if err != nil {
				return nil, err
			}
			if x, ok := o.lookup(h); ok {
				return x, nil
			}
			if len(v) > 1 {
				return v[1], nil
			}
			return nil, nil
		}
	case "copy":
		f = func(r *run, a *callArgs) (Value, error) {
			if _, err := a.positional("copy", 0, 0); err != nil {
				return nil, err
			}
			return makeDict(r, &callArgs{pos: []Value{o}})
		}
	case "fromkeys":
		f = func(r *run, a *callArgs) (Value, error) {
			v, err := a.positional("fromkeys", 1, 2)
			if err != nil {
				return nil, err
			}
			keys, err := r.collect(v[0])
			if err != nil {
				return nil, err
			}
			var value Value
			if len(v) > 1 {
				value = v[1]
			}
			out := NewObject()
			for _, k := range keys {
				if err := r.put(out, k, value); err != nil {
					return nil, err
				}
			}
			return out, nil
		}
	default:
		return nil, false
	}
	return &builtin{name: name, call: f}, true
}

func seqMethod(v Value, items []Value, name string) (Value, bool) {
	var f func(r *run, a *callArgs) (Value, error)
	switch name {
	case "copy":
		f = func(r *run, a *callArgs) (Value, error) {
			if _, err := a.positional("copy", 0, 0); err != nil {
				return nil, err
			}
			c, err := r.collect(v)
			return &List{items: c}, err
		}
	case "count", "index":
		f = func(r *run, a *callArgs) (Value, error) {
			args, err := a.positional(name, 1, 3)
			if err != nil {
				return nil, err
			}
			from, to := 0, len(items)
			if len(args) > 1 {
				bounds := [3]Value{}
				copy(bounds[:], args[1:])
				start, _, count, err := sliceBounds(bounds, len(items))
				if err != nil {
					return nil, err
				}
				from, to = int(start), int(start+count)
			}
			n := int64(0)
			for i := from; i < to; i++ {
				eq, err := r.equal(items[i], args[0])
				if err != nil {
					return nil, err
				}
				if eq && name == "index" {
					return int64(i), nil
				}
				if eq {
					n++
				}
			}
			if name == "index" {
				return nil, fail("value is not in the %s", typeName(v))
			}
			return n, nil
		}
	default:
		return nil, false
	}
	return &builtin{name: name, call: f}, true
}

func numberAttr(v Value, name string) (Value, bool) {
	f, isFloat := v.(float64)
	switch name {
	case "real":
		if isFloat {
			return f, true
		}
		b, _ := asInt(v)
		return normBig(b), true
	case "imag":
		if isFloat {
			return 0.0, true
		}
		return int64(0), true
	case "numerator", "denominator":
		if isFloat {
			return nil, false
		}
		if name == "denominator" {
			return int64(1), true
		}
		b, _ := asInt(v)
		return normBig(b), true
	case "is_integer":
		if !isFloat {
			return nil, false
		}
		return &builtin{name: name, call: func(r *run, a *callArgs) (Value, error) {
			_, err := a.positional(name, 0, 0)
			return f == math.Trunc(f) && !math.IsInf(f, 0), err
		}}, true
	case "bit_length":
		if isFloat {
			return nil, false
		}
		return &builtin{name: name, call: func(r *run, a *callArgs) (Value, error) {
			b, _ := asInt(v)
			_, err := a.positional(name, 0, 0)
			return int64(b.BitLen()), err
		}}, true
	}
	return nil, false
}
