// Post-processors: the special tokens around a text.

package tokenizer

import (
	"fmt"
	"strconv"
)

// postProcessor turns a list of id sequences into another. There is one sequence at first; a template makes one of
// each of its pieces.
type postProcessor interface {
	process(parts [][]int32, addSpecial bool) ([][]int32, error)
}

// finish runs the post-processors and returns a new slice.
func finish(list []postProcessor, ids []int32, addSpecial bool) ([]int32, error) {
	parts := [][]int32{ids}
	for _, p := range list {
		var err error
		if parts, err = p.process(parts, addSpecial); err != nil {
			return nil, err
		}
	}
	size := 0
	for _, part := range parts {
		size += len(part)
	}
	out := make([]int32, 0, size)
	for _, part := range parts {
		out = append(out, part...)
	}
	return out, nil
}

// loadPostProcessors reads the field post_processor, sequences laid flat.
func loadPostProcessors(v value) ([]postProcessor, error) {
	if v.isNull() {
		return nil, nil
	}
	o, err := v.object()
	if err != nil {
		return nil, err
	}
	kind, err := o.typeName()
	if err != nil {
		return nil, err
	}
	switch kind {
	case "Sequence":
		list, err := o.get("processors").list()
		if err != nil {
			return nil, err
		}
		var out []postProcessor
		for _, item := range list {
			more, err := loadPostProcessors(item)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		}
		return out, nil
	case "ByteLevel":
		return nil, nil // it moves offsets, and ids have none
	case "TemplateProcessing":
		t, err := loadTemplate(o)
		return []postProcessor{t}, err
	case "BertProcessing", "RobertaProcessing":
		t := enclose{}
		if t.cls, err = loadTokenID(o.get("cls")); err != nil {
			return nil, err
		}
		t.sep, err = loadTokenID(o.get("sep"))
		t.doubled = kind == "RobertaProcessing"
		return []postProcessor{t}, err
	}
	return nil, o.unsupported("post-processor " + kind)
}

// loadTokenID reads [token, id].
func loadTokenID(v value) (int32, error) {
	list, err := v.list()
	if err != nil {
		return 0, err
	}
	if len(list) != 2 {
		return 0, v.errorf("expected a token and its id")
	}
	return loadID(list[1])
}

func loadID(v value) (int32, error) {
	id, err := v.int()
	if err == nil && id < 0 {
		err = v.errorf("a negative id %d", id)
	}
	return int32(id), err
}

// enclose puts one token before the text and one behind it.
type enclose struct {
	cls, sep int32
	doubled  bool // sequences after the first one begin with the separator too
}

func (t enclose) process(parts [][]int32, addSpecial bool) ([][]int32, error) {
	if !addSpecial {
		return parts, nil
	}
	out := make([][]int32, len(parts))
	for i, part := range parts {
		var ids []int32
		if i == 0 {
			ids = append(ids, t.cls)
		} else if t.doubled {
			ids = append(ids, t.sep)
		}
		out[i] = append(append(ids, part...), t.sep)
	}
	return out, nil
}

// template is a list of special tokens and places for sequences; pair is for two sequences, which only arise where
// one template follows another.
type template struct {
	single, pair []templatePiece
	place        string
}

// templatePiece is a sequence (0 or 1), or special tokens.
type templatePiece struct {
	sequence int // -1: ids
	ids      []int32
}

func loadTemplate(o object) (template, error) {
	t := template{place: o.place}
	special := map[string][]int32{}
	if v := o.get("special_tokens"); !v.isNull() {
		tokens, err := v.object()
		if err != nil {
			return t, err
		}
		for name, v := range tokens.fields {
			token, err := v.object()
			if err != nil {
				return t, err
			}
			list, err := token.get("ids").list()
			if err != nil {
				return t, err
			}
			ids := []int32{}
			for _, item := range list {
				id, err := loadID(item)
				if err != nil {
					return t, err
				}
				ids = append(ids, id)
			}
			special[name] = ids
		}
	}
	var err error
	if t.single, err = loadPieces(o.get("single"), special); err != nil {
		return t, err
	}
	if v := o.get("pair"); !v.isNull() {
		t.pair, err = loadPieces(v, special)
	}
	return t, err
}

func loadPieces(v value, special map[string][]int32) ([]templatePiece, error) {
	list, err := v.list()
	if err != nil {
		return nil, err
	}
	var out []templatePiece
	for _, item := range list {
		o, err := item.object()
		if err != nil {
			return nil, err
		}
		if len(o.fields) != 1 {
			return nil, o.errorf("expected one of Sequence and SpecialToken")
		}
		for kind, v := range o.fields {
			body, err := v.object()
			if err != nil {
				return nil, err
			}
			id, err := body.get("id").string()
			if err != nil {
				return nil, err
			}
			switch kind {
			case "Sequence":
				if id != "A" && id != "B" {
					return nil, v.errorf("unknown sequence %q", id)
				}
				out = append(out, templatePiece{sequence: int(id[0] - 'A')})
			case "SpecialToken":
				ids, ok := special[id]
				if !ok {
					return nil, v.errorf("special token %q is not among special_tokens", id)
				}
				out = append(out, templatePiece{-1, ids})
			default:
				return nil, v.unsupported("template piece " + strconv.Quote(kind))
			}
		}
	}
	return out, nil
}

func (t template) process(parts [][]int32, addSpecial bool) ([][]int32, error) {
	pieces := t.single
	switch len(parts) {
	case 1:
	case 2:
		pieces = t.pair
	default:
		return nil, fmt.Errorf("%w: %s: a template for %d sequences", ErrUnsupported, t.place, len(parts))
	}
	var out [][]int32
	for _, p := range pieces {
		switch {
		case p.sequence >= len(parts):
			return nil, fmt.Errorf("%w: %s: the template for one text uses sequence B", ErrUnsupported, t.place)
		case p.sequence >= 0:
			out = append(out, parts[p.sequence])
		case addSpecial:
			out = append(out, p.ids)
		}
	}
	return out, nil
}
