// Operators: Python's arithmetic with exact integers, joining and repeating of sequences.

package jinja

import (
	"math"
	"math/big"
	"strings"
)

// maxIntBits bounds integers; Python prints none above 4,300 digits (14,285 bits).
const (
	maxIntBits   = 1 << 15
	maxIntDigits = 4300
)

func unary(op string, v Value) (Value, error) {
	if u, ok := v.(*undefined); ok {
		return nil, fail("%s", u.msg)
	}
	if f, ok := v.(float64); ok {
		if op == "-" {
			f = -f
		}
		return f, nil
	}
	b, ok := asInt(v)
	if !ok {
		return nil, fail("bad operand type for unary %s: '%s'", op, typeName(v))
	}
	if op == "-" {
		b = new(big.Int).Neg(b)
	}
	return normBig(b), nil
}

func badOperands(op string, v, w Value) error {
	return fail("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(v), typeName(w))
}

func (r *run) binary(op string, v, w Value) (Value, error) {
	if op == "%" {
		if s, ok := asString(v); ok {
			return r.percent(v, s, w)
		}
	}
	for _, x := range []Value{v, w} {
		if u, ok := x.(*undefined); ok {
			return nil, fail("%s", u.msg)
		}
	}
	if x, ok := asSmall(v); ok {
		if y, ok := asSmall(w); ok {
			if n, ok := smallOp(op, x, y); ok {
				return n, nil
			}
		}
	}
	x, okx := asInt(v)
	y, oky := asInt(w)
	if okx && oky {
		return intOp(op, x, y)
	}
	f, okf := asFloat(v)
	g, okg := asFloat(w)
	if okf && okg {
		if math.IsInf(f, 0) && okx || math.IsInf(g, 0) && oky {
			return nil, fail("int too large to convert to float")
		}
		return floatOp(op, f, g)
	}
	switch op {
	case "+":
		return r.add(v, w)
	case "*":
		if oky {
			return r.repeat(v, w)
		}
		if okx {
			return r.repeat(w, v)
		}
	}
	return nil, badOperands(op, v, w)
}

// smallOp does the common cases that can't overflow.
func smallOp(op string, x, y int64) (Value, bool) {
	const lim = 1 << 30
	if x <= -lim || x >= lim || y <= -lim || y >= lim {
		return nil, false
	}
	switch op {
	case "+":
		return x + y, true
	case "-":
		return x - y, true
	case "*":
		return x * y, true
	}
	return nil, false
}

func intOp(op string, x, y *big.Int) (Value, error) {
	z := new(big.Int)
	switch op {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		if x.BitLen()+y.BitLen() > maxIntBits {
			return nil, failKind(Limit, "integer too large")
		}
		z.Mul(x, y)
	case "/", "//", "%":
		if y.Sign() == 0 {
			if op == "/" {
				return nil, fail("division by zero")
			}
			return nil, fail("integer division or modulo by zero")
		}
		if op == "/" {
			f, _ := new(big.Rat).SetFrac(x, y).Float64()
			if math.IsInf(f, 0) {
				return nil, fail("integer division result too large for a float")
			}
			return f, nil
		}
		m := new(big.Int)
		z.QuoRem(x, y, m)
		if m.Sign() != 0 && m.Sign() != y.Sign() { // Go truncates, Python floors
			z.Sub(z, big.NewInt(1))
			m.Add(m, y)
		}
		if op == "%" {
			z = m
		}
	case "**":
		return intPow(x, y)
	default:
		return nil, fail("unknown operator %s", op)
	}
	if z.BitLen() > maxIntBits {
		return nil, failKind(Limit, "integer too large")
	}
	return normBig(z), nil
}

func intPow(x, y *big.Int) (Value, error) {
	if y.Sign() < 0 {
		if x.Sign() == 0 {
			return nil, fail("0.0 cannot be raised to a negative power")
		}
		f, _ := asFloat(x)
		g, _ := asFloat(y)
		return floatOp("**", f, g)
	}
	if x.BitLen() > 1 && (!y.IsInt64() || y.Int64() > maxIntBits || int64(x.BitLen()-1)*y.Int64() > maxIntBits) {
		return nil, failKind(Limit, "integer too large")
	}
	if x.BitLen() <= 1 { // 0, 1 and -1, whatever the exponent
		if x.Sign() < 0 && y.Bit(0) == 0 || y.Sign() == 0 {
			return int64(1), nil
		}
		return normBig(x), nil
	}
	return normBig(new(big.Int).Exp(x, y, nil)), nil
}

func floatOp(op string, f, g float64) (Value, error) {
	switch op {
	case "+":
		return f + g, nil
	case "-":
		return f - g, nil
	case "*":
		return float64(f * g), nil
	case "/", "//", "%":
		if g == 0 {
			return nil, fail("float division by zero")
		}
		if op == "/" {
			return f / g, nil
		}
		m := math.Mod(f, g)
		q := (f - m) / g
		if m != 0 {
			if (g < 0) != (m < 0) {
				m += g
				q--
			}
		} else {
			m = math.Copysign(0, g)
		}
		if op == "%" {
			return m, nil
		}
		if q == 0 {
			return math.Copysign(0, f/g), nil
		}
		fl := math.Floor(q)
		if q-fl > 0.5 {
			fl++
		}
		return fl, nil
	case "**":
		if f == 0 && g < 0 {
			return nil, fail("0.0 cannot be raised to a negative power")
		}
		if f < 0 && !math.IsInf(f, 0) && g != math.Trunc(g) {
			return nil, failKind(Unsupported, "complex numbers are not supported")
		}
		p := math.Pow(f, g)
		if math.IsInf(p, 0) && !math.IsInf(f, 0) && !math.IsInf(g, 0) {
			return nil, fail("(34, 'Numerical result out of range')")
		}
		return p, nil
	}
	return nil, fail("unknown operator %s", op)
}

func (r *run) add(v, w Value) (Value, error) {
	s, oks := asString(v)
	t, okt := asString(w)
	if oks && okt {
		_, ms := v.(Markup)
		_, mt := w.(Markup)
		if ms != mt { // the plain one is escaped
			if ms {
				t = escapeHTML(t)
			} else {
				s = escapeHTML(s)
			}
		}
		if err := r.alloc(len(s) + len(t)); err != nil {
			return nil, err
		}
		if ms || mt {
			return Markup(s + t), nil
		}
		return s + t, nil
	}
	a, oka := seqItems(v)
	b, okb := seqItems(w)
	_, ta := v.(*Tuple)
	_, tb := w.(*Tuple)
	if oka && okb && ta == tb {
		if err := r.alloc(16 * (len(a) + len(b))); err != nil {
			return nil, err
		}
		items := append(append(make([]Value, 0, len(a)+len(b)), a...), b...)
		if ta {
			return &Tuple{items: items}, nil
		}
		return &List{items: items}, nil
	}
	if oks {
		return nil, fail(`can only concatenate str (not "%s") to str`, typeName(w))
	}
	return nil, badOperands("+", v, w)
}

// repeat is v * n for a string, list or tuple.
func (r *run) repeat(v, times Value) (Value, error) {
	items, isSeq := seqItems(v)
	s, isStr := asString(v)
	if !isSeq && !isStr {
		return nil, badOperands("*", v, times)
	}
	n, ok := asSmall(times)
	if !ok {
		n = math.MaxInt64
		if times.(*big.Int).Sign() < 0 {
			n = 0
		}
	}
	n = max(n, 0)
	size := int64(len(s) + 16*len(items))
	if size > 0 && n > int64(r.memory)/size {
		return nil, failKind(Limit, "too much memory")
	}
	if size == 0 {
		n = 0
	}
	if err := r.alloc(int(size * n)); err != nil {
		return nil, err
	}
	if isStr {
		return sameKind(v, strings.Repeat(s, int(n))), nil
	}
	out := make([]Value, 0, len(items)*int(n))
	for i := int64(0); i < n; i++ {
		out = append(out, items...)
	}
	if _, ok := v.(*Tuple); ok {
		return &Tuple{items: out}, nil
	}
	return &List{items: out}, nil
}
