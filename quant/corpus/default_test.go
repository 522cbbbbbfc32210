// The built-in text is the one that its provenance describes, and the held-out text is none of it.

package corpus

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

func TestDefault(t *testing.T) {
	const wantSum = "65fbd7d0e886543bd98952483a40112728760b3ec3c591ffb72aee43a0279b2c"
	z, err := gzip.NewReader(bytes.NewReader(defaultText))
	if err != nil {
		t.Fatal(err)
	}
	lines, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(lines)
	got := hex.EncodeToString(sum[:])
	if got != wantSum {
		t.Errorf("SHA-256 of the lines is %s, want %s", got, wantSum)
	}
	provenance, err := os.ReadFile("data/PROVENANCE.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(provenance, []byte(got)) {
		t.Errorf("PROVENANCE.md does not name SHA-256 %s", got)
	}
	if len(defaultText) > 250_000 {
		t.Errorf("%d bytes compressed are more than the library is meant to carry", len(defaultText))
	}

	src, count, size := Default(), 0, 0
	for {
		s, err := src.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		count++
		size += len(s.Text)
		if len(s.Text) < 400 || len(s.Text) > 10000 || s.Messages != nil || s.IDs != nil {
			t.Errorf("%s: a document of %d bytes", s.Place, len(s.Text))
		}
		if strings.Contains(s.Text, "Gutenberg") {
			t.Errorf("%s: names a distributor", s.Place)
		}
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
	// 128 windows of 512 tokens, even where a token covers eight bytes.
	if count < 150 || size < 128*512*8 || size > 700_000 {
		t.Errorf("%d documents of %d bytes", count, size)
	}
}

// TestHeldOut looks for the held-out text's runs of words in the mix.
func TestHeldOut(t *testing.T) {
	held, err := os.ReadFile("heldout/alice29.txt")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(held)
	if got := hex.EncodeToString(sum[:]); got != "7467306ee0feed4971260f3c87421154a05be571d944e9cb021a5713700c38f0" {
		t.Errorf("SHA-256 of the held-out text is %s", got)
	}
	const run = 8 // words in a row that two texts share only where one holds the other
	mix := map[string]bool{}
	for src := Default(); ; {
		s, err := src.Next()
		if err != nil {
			break
		}
		words := strings.Fields(s.Text)
		for i := 0; i+run <= len(words); i++ {
			mix[strings.Join(words[i:i+run], " ")] = true
		}
	}
	words := strings.Fields(string(held))
	for i := 0; i+run <= len(words); i++ {
		if part := strings.Join(words[i:i+run], " "); mix[part] {
			t.Errorf("%q is in the calibration text, too", part)
		}
	}
	if len(mix) < 50000 || len(words) < 20000 {
		t.Errorf("%d runs of words and %d words are too few to compare", len(mix), len(words))
	}
}
