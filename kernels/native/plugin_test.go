//go:build native

// Device plug-ins: a good one is listed, opened and filled up from ref; a bad one is a line with a reason.

package native

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"libawq/kernels"
)

// build compiles testdata/fake.c with the given macros into dir.
func build(t *testing.T, dir, file string, macros ...string) string {
	t.Helper()
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	words := strings.Fields(cc)
	if _, err := exec.LookPath(words[0]); err != nil {
		t.Skipf("no C compiler to build a plug-in with: %v", err)
	}
	path := filepath.Join(dir, file)
	args := append(words[1:], "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-I", "../abi", "-o", path)
	for _, m := range macros {
		args = append(args, "-D"+m)
	}
	if out, err := exec.Command(words[0], append(args, "testdata/fake.c")...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cc, err, out)
	}
	return path
}

func TestPluginIsListedAndOpened(t *testing.T) {
	dir := t.TempDir()
	path := build(t, dir, "libawq_fake.so")
	own := len(List(nil))
	all := List([]string{dir})
	if len(all) != own+2 {
		t.Fatalf("%d devices with the plug-in, %d without", len(all), own)
	}
	want := []kernels.Device{
		{Name: "fake/one", Kind: "cpu", ISA: "one", Description: "fake device 0", Available: true},
		{Name: "fake/one", Kind: "cpu", Index: 1, ISA: "one", Reason: "it can't be described: status 7"},
	}
	for i, d := range all[own:] {
		if d != want[i] {
			t.Errorf("got %+v, want %+v", d, want[i])
		}
	}

	d, err := Open(Options{Plugin: path})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	m := kernels.NewMat([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	if sum, err := d.Ops().SqDiff(m, kernels.Mat{}); err != nil || sum != 6 {
		t.Errorf("the plug-in's own slot gave %v, %v", sum, err)
	}
	sums := make([]float64, 3)
	if err := d.Ops().AbsSum(m, sums); err != nil || sums[0] != 5 || sums[2] != 9 {
		t.Errorf("the slot from ref gave %v, %v", sums, err)
	}
	q := emptyWeight(2, 4, 2)
	w, err := d.Ops().Pack(q, kernels.Exact)
	if err != nil || WeightHandle(w) != 0 {
		t.Errorf("packing falls back to ref: %v, handle %x", err, WeightHandle(w))
	}
}

func TestPluginOpenFails(t *testing.T) {
	dir := t.TempDir()
	path := build(t, dir, "libawq_fake.so")
	cuda := build(t, dir, "libawq_cuda.so", "TYPE=AWQK_DEVICE_CUDA")
	for _, c := range []struct {
		opt  Options
		want error
		text string
	}{
		{Options{Plugin: path, Index: 1}, kernels.ErrMemory, "status 6"},
		{Options{Plugin: path, Threads: 99}, kernels.ErrDevice, "status 42"},
		{Options{Plugin: path, Index: 2}, kernels.ErrArgument, "device 2"},
		{Options{Plugin: path, ISA: "two"}, kernels.ErrUnsupported, "runs one"},
		{Options{Plugin: cuda}, kernels.ErrUnsupported, "memory"},
		{Options{Plugin: filepath.Join(dir, "none.so")}, kernels.ErrDevice, "none.so"},
	} {
		if d, err := Open(c.opt); !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: %v, %v", c.opt, d, err)
		}
	}
}

func TestBadPluginsAreReasons(t *testing.T) {
	for name, c := range map[string]struct {
		macros []string
		reason string
	}{
		"abi":      {[]string{"ABI=99"}, "is of ABI 99, this library's is 2"},
		"short":    {[]string{"SIZE=16"}, "table 0 of 16 bytes"},
		"entry":    {[]string{"ENTRY=other_entry"}, "awqk_entry"},
		"score":    {[]string{"SCORE=0"}, "this machine can't run it"},
		"nodevice": {[]string{"COUNT=0"}, "no device present"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			build(t, dir, "libawq_"+name+".so", c.macros...)
			got := List([]string{dir})[len(List(nil)):]
			if len(got) != 1 || got[0].Available || !strings.Contains(got[0].Reason, c.reason) {
				t.Errorf("got %+v, want one device with %q", got, c.reason)
			}
		})
	}
}

func TestFilesThatAreNoPlugins(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"libawq_text.so": "this is no library", "libawq.so": "", "libother_x.so": "", "libawq_a.txt": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	missing := filepath.Join(dir, "missing")
	got := List([]string{dir, missing})[len(List(nil)):]
	if len(got) != 2 {
		t.Fatalf("got %+v", got)
	}
	for i, name := range []string{"text", missing} {
		d := got[i]
		if d.Name != name || d.Kind != "plugin" || d.Available || d.Reason == "" || strings.Contains(d.Reason, "\n") {
			t.Errorf("got %+v, want %s with a reason", d, name)
		}
	}
}
