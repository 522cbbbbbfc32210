// From a JSON object to a document: which fields count, and what they may hold.

package corpus

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

// parseObject reads one JSON object; false where its document is null, which counts as none.
func parseObject(raw []byte, column, place string) (Sample, bool, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil || fields == nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return Sample{}, false, fmt.Errorf("%s: %w: not JSON: %w, at byte %d of %d", place, ErrText, err, syntax.Offset, len(raw))
		}
		return Sample{}, false, fmt.Errorf("%s: %w: %s where an object is wanted", place, ErrText, describe(raw))
	}
	return choose(fields, column, place)
}

// choose takes a document out of an object's fields.
func choose(fields map[string]json.RawMessage, column, place string) (Sample, bool, error) {
	s := Sample{Place: place}
	names := []string{column}
	if column == defaultColumn {
		names = wanted()
	}
	present, given := 0, 0
	for _, name := range names {
		value, ok := fields[name]
		if !ok {
			continue
		}
		present++
		if string(value) == "null" {
			continue
		}
		given++
		if err := s.set(name, column == defaultColumn, value); err != nil {
			return Sample{}, false, fmt.Errorf("%s: %w: `%s`: %w", place, ErrText, clip(name), err)
		}
	}
	if present == 0 {
		has := make([]string, 0, len(fields))
		for name := range fields {
			has = append(has, name)
		}
		sort.Strings(has)
		return Sample{}, false, missing(place, names, has)
	}
	return s, given > 0, nil
}

// set reads one field. The default's three names mean three forms; a column that was asked for by name says its form itself.
func (s *Sample) set(name string, byName bool, value json.RawMessage) (err error) {
	if !byName {
		switch {
		case value[0] == '[' && len(value) > 1 && strings.HasPrefix(strings.TrimLeft(string(value[1:]), " \t\r\n"), "{"):
			name = "messages"
		case value[0] == '[':
			name = "input_ids"
		default:
			name = defaultColumn
		}
	}
	switch name {
	case "messages":
		s.Messages, err = chat(value)
	case "input_ids":
		s.IDs, err = tokens(value)
	default:
		s.Text, err = stringOf(value)
	}
	return err
}

func stringOf(value json.RawMessage) (string, error) {
	if value[0] != '"' {
		return "", fmt.Errorf("%s where a string is wanted", describe(value))
	}
	if i := loneSurrogate(value); i >= 0 {
		return "", fmt.Errorf("half a surrogate pair, %s, at byte %d", value[i:min(i+6, len(value))], i)
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err
}

// loneSurrogate finds an escape that is no character by itself; encoding/json would put U+FFFD in its place without a word.
func loneSurrogate(value []byte) int {
	unit := func(i int) uint64 {
		if i+6 > len(value) || value[i] != '\\' || value[i+1] != 'u' {
			return 0
		}
		u, err := strconv.ParseUint(string(value[i+2:i+6]), 16, 16)
		if err != nil {
			return 0
		}
		return u
	}
	for i := 0; i < len(value); i++ {
		if value[i] != '\\' {
			continue
		}
		switch u := unit(i); {
		case u >= 0xd800 && u < 0xdc00 && unit(i+6)>>10 == 0xdc00>>10:
			i += 11
		case u >= 0xd800 && u < 0xe000:
			return i
		default:
			i++ // the escaped character
		}
	}
	return -1
}

// chat checks that a value is a list of objects and keeps it as it stands.
func chat(value json.RawMessage) (json.RawMessage, error) {
	if value[0] != '[' {
		return nil, fmt.Errorf("%s where a list of messages is wanted", describe(value))
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, err
	}
	for i, m := range list {
		if m[0] != '{' {
			return nil, fmt.Errorf("message %d is %s, not an object", i+1, describe(m))
		}
	}
	return value, nil
}

// tokens reads a list of token ids. Whether they are in the vocabulary is for the caller to say.
func tokens(value json.RawMessage) ([]int32, error) {
	if value[0] != '[' {
		return nil, fmt.Errorf("%s where a list of token ids is wanted", describe(value))
	}
	var list []json.RawMessage
	if err := json.Unmarshal(value, &list); err != nil {
		return nil, err
	}
	ids := make([]int32, len(list))
	for i, v := range list {
		id, err := strconv.ParseInt(string(v), 10, 64)
		if err != nil || id < 0 || id > math.MaxInt32 {
			return nil, fmt.Errorf("entry %d, %s, is not a token id", i+1, clip(string(v)))
		}
		ids[i] = int32(id)
	}
	return ids, nil
}

// describe names the kind of a JSON value.
func describe(value []byte) string {
	if len(value) == 0 {
		return "nothing"
	}
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a truth value"
	case 'n':
		return "null"
	}
	return "the number " + clip(string(value))
}

// missing says which columns there are where none of the wanted ones is.
func missing(place string, names, has []string) error {
	const most = 20
	more := ""
	if len(has) > most {
		more = fmt.Sprintf(" and %d more", len(has)-most)
		has = has[:most]
	}
	list := func(names []string) string {
		quoted := make([]string, len(names))
		for i, name := range names {
			quoted[i] = "`" + clip(name) + "`"
		}
		return strings.Join(quoted, ", ")
	}
	there := "there are none"
	if len(has) > 0 {
		there = "there are " + list(has) + more
	}
	return fmt.Errorf("%s: %w: no column %s; %s", place, ErrText, strings.ReplaceAll(list(names), ", ", " or "), there)
}

// clip keeps a piece of foreign text short, and on the line, in a message.
func clip(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}
