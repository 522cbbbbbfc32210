// The normalizer of BERT, four optional steps of which each is a normalizer by itself.

package tokenizer

import "strings"

func loadBertNormalizer(o object) ([]normalizer, error) {
	clean, err := o.flag("clean_text", true)
	if err != nil {
		return nil, err
	}
	chinese, err := o.flag("handle_chinese_chars", true)
	if err != nil {
		return nil, err
	}
	lower, err := o.flag("lowercase", true)
	if err != nil {
		return nil, err
	}
	accents, err := o.flag("strip_accents", lower)
	if err != nil {
		return nil, err
	}
	var list []normalizer
	if clean {
		list = append(list, drop{tables().set("control")}, blank{tables().set("blank")})
	}
	if chinese {
		list = append(list, spaceHan{newRuneSet([]runeRange{
			{0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xF900, 0xFAFF}, {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
			{0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0x2F800, 0x2FA1F},
		})})
	}
	if accents {
		list = append(list, newNormalForm(false, false), drop{tables().set("accent")})
	}
	if lower {
		list = append(list, newLowercase())
	}
	return list, nil
}

// blank turns every kind of white space into a blank.
type blank struct{ set *runeSet }

func (n blank) normalize(st *state, p piece) (piece, error) {
	w := rewrite(st, p)
	for i, r := range p.text {
		if n.set.has(r) {
			r = ' '
		}
		w.addRune(r, i)
	}
	return w.finish(st), nil
}

// spaceHan puts blanks around ideographs.
type spaceHan struct{ set *runeSet }

func (n spaceHan) normalize(st *state, p piece) (piece, error) {
	if strings.IndexFunc(p.text, n.set.has) < 0 {
		return p, nil
	}
	w := rewrite(st, p)
	for i, r := range p.text {
		if !n.set.has(r) {
			w.addRune(r, i)
			continue
		}
		w.add(" ", i)
		w.addRune(r, i)
		w.add(" ", i)
	}
	return w.finish(st), nil
}
