// Letters: Python's idea of white space, case and words, with full case mapping (ß becomes SS).

package jinja

import (
	"strings"
	"unicode"
)

// isSpace is str.isspace, which also counts the ASCII separators.
func isSpace(c rune) bool { return unicode.IsSpace(c) || 0x1c <= c && c <= 0x1f }

func isUpperRune(c rune) bool {
	return unicode.Is(unicode.Upper, c) || unicode.Is(unicode.Other_Uppercase, c)
}

func isLowerRune(c rune) bool {
	return unicode.Is(unicode.Lower, c) || unicode.Is(unicode.Other_Lowercase, c)
}

func isTitleRune(c rune) bool { return unicode.Is(unicode.Title, c) }

func isCasedRune(c rune) bool { return isUpperRune(c) || isLowerRune(c) || isTitleRune(c) }

func isCaseIgnorable(c rune) bool {
	return unicode.In(c, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", c)
}

func toUpper(s string) string {
	var b strings.Builder
	for _, c := range s {
		if full := fullUpper(c); full != "" {
			b.WriteString(full)
		} else {
			b.WriteRune(unicode.ToUpper(c))
		}
	}
	return b.String()
}

func titleRune(c rune) string {
	if full := fullTitle(c); full != "" {
		return full
	}
	return string(unicode.ToTitle(c))
}

func toLower(s string) string {
	runes := []rune(s)
	var b strings.Builder
	for i := range runes {
		lowerRune(&b, runes, i)
	}
	return b.String()
}

// lowerRune writes the lower case of runes[i]; a sigma at the end of a word has its own.
func lowerRune(b *strings.Builder, runes []rune, i int) {
	switch c := runes[i]; c {
	case 0x130:
		b.WriteString("i\u0307")
	case 0x3a3:
		if finalSigma(runes, i) {
			b.WriteRune(0x3c2)
		} else {
			b.WriteRune(0x3c3)
		}
	default:
		b.WriteRune(unicode.ToLower(c))
	}
}

func finalSigma(runes []rune, i int) bool {
	j := i - 1
	for j >= 0 && isCaseIgnorable(runes[j]) {
		j--
	}
	if j < 0 || !isCasedRune(runes[j]) {
		return false
	}
	j = i + 1
	for j < len(runes) && isCaseIgnorable(runes[j]) {
		j++
	}
	return j == len(runes) || !isCasedRune(runes[j])
}

func capitalize(s string) string {
	runes := []rune(s)
	var b strings.Builder
	for i, c := range runes {
		if i == 0 {
			b.WriteString(titleRune(c))
		} else {
			lowerRune(&b, runes, i)
		}
	}
	return b.String()
}

// titleCase is str.title: every run of cased letters starts with a capital.
func titleCase(s string) string {
	runes := []rune(s)
	var b strings.Builder
	inWord := false
	for i, c := range runes {
		if inWord {
			lowerRune(&b, runes, i)
		} else {
			b.WriteString(titleRune(c))
		}
		inWord = isCasedRune(c)
	}
	return b.String()
}

func swapCase(s string) string {
	runes := []rune(s)
	var b strings.Builder
	for i, c := range runes {
		switch {
		case isUpperRune(c):
			lowerRune(&b, runes, i)
		case isLowerRune(c):
			b.WriteString(toUpper(string(c)))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
