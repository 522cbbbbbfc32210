// The calibration text for those who bring none. What it is made of, and why it may be passed on, stands in
// data/PROVENANCE.md; data/make.py makes it.

package corpus

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
)

//go:embed data/default.jsonl.gz
var defaultText []byte

// Default is the built-in calibration text: some hundred documents in a fixed order, the kinds of text mixed evenly.
func Default() Source {
	const name = "the built-in text"
	z, err := gzip.NewReader(bytes.NewReader(defaultText))
	if err != nil {
		return &lines{name: name, err: fmt.Errorf("%s: %w", name, err)}
	}
	return newLines(name, bufio.NewReader(z), z, defaultColumn)
}
