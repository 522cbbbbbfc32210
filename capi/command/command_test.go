package command

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"libawq/kernels"
	"libawq/kernels/ref"
)

// awq runs the program on the plain reference and returns exit code, standard output and standard error.
func awq(t *testing.T, stdin string, args ...string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	code := Run(context.Background(), args, Host{
		In: strings.NewReader(stdin), Out: &out, Err: &errs, Version: "1.2.3",
		Getenv: func(string) string { return "" },
		Open:   func(string, int) (*Device, error) { return &Device{Ops: ref.Ops(), Close: func() {}}, nil },
		Devices: func([]string) []kernels.Device {
			return []kernels.Device{{Name: "ref", Kind: "cpu", Available: true, Description: "plain Go"}, {Name: "x", Reason: "not here"}}
		},
	})
	return code, out.String(), errs.String()
}

func TestExitCodesAndMessages(t *testing.T) {
	empty := t.TempDir()
	for _, c := range []struct {
		args []string
		code int
		text string // in standard error, which is one line on failure
	}{
		{[]string{"version"}, 0, ""},
		{[]string{"devices"}, 0, ""},
		{[]string{"help", "quantize"}, 0, ""},
		{nil, 0, ""},
		{[]string{"nonsense"}, 2, `unknown command "nonsense"`},
		{[]string{"quantize"}, 2, "expected SRC DST"},
		{[]string{"quantize", "a", "b", "c"}, 2, "got 3"},
		{[]string{"quantize", "a", "b", "--bogus"}, 2, "--bogus"},
		{[]string{"quantize", "a", "b", "--group-size", "x"}, 2, "group-size"},
		{[]string{"quantize", "a", "b", "--group-size", "48"}, 2, "group size 48"},
		{[]string{"quantize", "a", "b", "--method", "gptq"}, 2, "known: awq, rtn"},
		{[]string{"quantize", "a", "b", "--layout", "gemx"}, 2, "known: gemm"},
		{[]string{"quantize", "a", "b", "--threads", "-1"}, 2, "--threads -1"},
		{[]string{"quantize", filepath.Join(empty, "none"), filepath.Join(empty, "out")}, 1, "not found"},
		{[]string{"quantize", empty, filepath.Join(empty, "out")}, 1, "config.json"},
		{[]string{"plan"}, 2, "expected SRC"},
		{[]string{"eval", empty}, 2, "--text or --prompt"},
		{[]string{"eval", empty, "--text", "x.txt"}, 1, "config.json"},
		{[]string{"inspect", empty}, 1, "config.json"},
		{[]string{"bench", "other"}, 2, "known: gemm, linear"},
		{[]string{"bench", "--k", "100", "--group-size", "64"}, 2, "k=100"},
	} {
		code, _, errs := awq(t, "", c.args...)
		if code != c.code || !strings.Contains(errs, c.text) {
			t.Errorf("awq %v: exit %d, %q; want %d and %q", c.args, code, errs, c.code, c.text)
		}
		if c.code != 0 && (strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "awq: ")) {
			t.Errorf("awq %v: not one line: %q", c.args, errs)
		}
	}
	if left, _ := os.ReadDir(empty); len(left) != 0 {
		t.Errorf("%s is left", left[0].Name())
	}
}

func TestJSONIsOneDocument(t *testing.T) {
	for _, args := range [][]string{{"version", "--json"}, {"devices", "--json"}} {
		code, out, _ := awq(t, "", args...)
		var v any
		if code != 0 || strings.Count(out, "\n") != 1 || json.Unmarshal([]byte(out), &v) != nil {
			t.Errorf("awq %v: exit %d, %q", args, code, out)
		}
	}
}

func TestEveryCommandHasExamplesOrNeedsNone(t *testing.T) {
	for _, name := range []string{"quantize", "plan", "eval", "inspect", "bench"} {
		_, out, _ := awq(t, "", "help", name)
		if !strings.Contains(out, "Examples:\n  awq "+name) {
			t.Errorf("awq help %s shows no example", name)
		}
	}
}

func TestBenchMeasures(t *testing.T) {
	code, out, errs := awq(t, "", "bench", "--m", "2", "--n", "16", "--k", "32", "--group-size", "32", "--seconds", "0.05", "--json")
	var rows []measure
	if code != 0 || json.Unmarshal([]byte(out), &rows) != nil || len(rows) != 2 || rows[0].Micros <= 0 || rows[1].GFLOPS <= 0 {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
}
