package checkpoint

// The output folder appears whole or not at all: wrong targets, each request
// failing in turn, a full disk, a process killed at any moment.

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"libawq/quant/checkpoint/disk"
	"libawq/quant/checkpoint/disk/disktest"
)

func put(t testing.TB, dir string, files ...string) {
	t.Helper()
	for _, name := range files {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(name), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
}

// tree lists all paths below a folder with the contents of files.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		text := "/"
		if d.Type().IsRegular() {
			p, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text = "=" + string(p)
		}
		fmt.Fprintf(&b, "%s%s ", rel, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func TestOutput(t *testing.T) {
	parent := t.TempDir()
	dst := filepath.Join(parent, "out")
	o, err := NewOutput(dst, false)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(o.Dir()) != filepath.Dir(dst) || !strings.HasPrefix(filepath.Base(o.Dir()), ".out.awq-tmp-") {
		t.Fatal(o.Dir())
	}
	put(t, o.Dir(), "config.json", "sub/x")
	if _, err := os.Stat(dst); err == nil {
		t.Fatal("there before Commit")
	}
	if err := o.Commit(); err != nil {
		t.Fatal(err)
	}
	const whole = "out/ out/config.json=config.json out/sub/ out/sub/x=sub/x"
	if got := tree(t, parent); got != whole {
		t.Fatal(got)
	}
	if err := o.Abort(); err != nil || tree(t, parent) != whole {
		t.Fatal("Abort after Commit", err)
	}
	if err := o.Commit(); !errors.Is(err, ErrInvalid) {
		t.Fatal(err)
	}
	if _, err := NewOutput(dst, false); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	if o, err = NewOutput(dst, true); err != nil {
		t.Fatal(err)
	}
	put(t, o.Dir(), "new")
	if err := o.Abort(); err != nil || tree(t, parent) != whole {
		t.Fatal("Abort", err)
	}
	if o, err = NewOutput(dst, true); err != nil {
		t.Fatal(err)
	}
	put(t, o.Dir(), "config.json")
	if err := o.Commit(); err != nil || tree(t, parent) != "out/ out/config.json=config.json" {
		t.Fatal(err, tree(t, parent))
	}
}

func TestOutputAppearsMeanwhile(t *testing.T) {
	parent := t.TempDir()
	o, err := NewOutput(filepath.Join(parent, "out"), false)
	if err != nil {
		t.Fatal(err)
	}
	put(t, parent, "out/config.json")
	if err := o.Commit(); !errors.Is(err, ErrExists) || tree(t, parent) != "out/ out/config.json=out/config.json" {
		t.Fatal(err, tree(t, parent))
	}
}

func TestOutputThroughLink(t *testing.T) {
	parent := t.TempDir()
	put(t, parent, "disk/real/config.json")
	if err := os.Symlink("disk/real", filepath.Join(parent, "out")); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	o, err := NewOutput(filepath.Join(parent, "out"), true)
	if err != nil {
		t.Fatal(err)
	}
	put(t, o.Dir(), "new")
	if err := o.Commit(); err != nil || tree(t, parent) != "disk/ disk/real/ disk/real/new=new out/" {
		t.Fatal(err, tree(t, parent))
	}
}

func TestOutputRefuses(t *testing.T) {
	parent := t.TempDir()
	put(t, parent, "file", "home/.profile", "model/config.json", "model/src/config.json", "cache/blobs/b", "cache/config.json", "empty/x")
	if err := errors.Join(os.Remove(filepath.Join(parent, "empty/x")), os.Mkdir(filepath.Join(parent, "snapshot"), 0o777),
		os.Symlink("../cache/blobs/b", filepath.Join(parent, "snapshot/weights"))); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	before := tree(t, parent)
	for _, c := range []struct {
		dst, src string
		force    bool
		is       error
		want     string
	}{
		{"missing/out", "", false, ErrNotFound, "parent folder"},
		{"file/out", "", false, ErrInvalid, ""},
		{"file", "", true, ErrExists, "not a folder"},
		{"home", "", true, ErrExists, "holds no config.json"},
		{"model", "model", true, ErrExists, "holds the source"},
		{"model", "model/src", true, ErrExists, "holds the source"},
		{"model/.", "model/../model", true, ErrExists, "holds the source"},
		{"cache", "snapshot", true, ErrExists, "holds the source"},
		{"model", "gone", true, ErrNotFound, "gone"},
	} {
		src := ""
		if c.src != "" {
			src = filepath.Join(parent, c.src)
		}
		o, err := NewOutput(parent+"/"+c.dst, c.force, []string{src}[:min(1, len(src))]...)
		if err == nil {
			t.Errorf("%v accepted", c)
			o.Abort()
		} else if c.is != ErrInvalid && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c, err)
		}
	}
	for _, dst := range []string{"", "/"} {
		if _, err := NewOutput(dst, true); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", dst, err)
		}
	}
	for _, c := range [][2]string{{"empty", "model"}, {"model", "cache"}, {"cache", "model"}} {
		o, err := NewOutput(filepath.Join(parent, c[0]), true, filepath.Join(parent, c[1]))
		if err != nil {
			t.Errorf("%v: %v", c, err)
		} else if err := o.Abort(); err != nil {
			t.Error(err)
		}
	}
	if after := tree(t, parent); after != before {
		t.Fatalf("%s\nbecame\n%s", before, after)
	}
}

// leftovers of dead runs go, those of living runs and of others stay.
func TestSweep(t *testing.T) {
	parent := t.TempDir()
	dst := filepath.Join(parent, "out")
	living, err := NewOutput(dst, false)
	if err != nil {
		t.Fatal(err)
	}
	put(t, parent, ".out.awq-tmp-0123456789abcdef/x", ".out.awq-old-0123456789abcdef/config.json",
		".out.awq-tmp-0123/x", ".out2.awq-tmp-0123456789abcdef/x", ".out.awq-tmp-0123456789abcdeg/x")
	_, err = NewOutput(dst, false)
	// The old folder was moved aside by a run that died before the new one stood.
	if !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	const others = ".out.awq-tmp-0123/ .out.awq-tmp-0123/x=.out.awq-tmp-0123/x .out.awq-tmp-0123456789abcdeg/ .out.awq-tmp-0123456789abcdeg/x=.out.awq-tmp-0123456789abcdeg/x"
	const rest = ".out2.awq-tmp-0123456789abcdef/ .out2.awq-tmp-0123456789abcdef/x=.out2.awq-tmp-0123456789abcdef/x out/ out/config.json=.out.awq-old-0123456789abcdef/config.json"
	got := strings.Replace(tree(t, parent), filepath.Base(living.Dir())+"/ ", "", 1)
	if got != others+" "+rest {
		t.Fatalf("%s\nwant\n%s", got, others+" "+rest)
	}
	if err := living.Abort(); err != nil {
		t.Fatal(err)
	}
}

// Each request in turn fails, with and without an old folder, with a swap and
// with two renames.
func TestOutputEachRequestFails(t *testing.T) {
	for _, mode := range []struct {
		err               error
		full, force, swap bool
	}{
		{syscall.EIO, false, false, true}, {syscall.EIO, false, true, true}, {syscall.EIO, false, true, false},
		{syscall.ENOSPC, true, false, true}, {syscall.ENOSPC, true, true, true}, {syscall.ENOSPC, true, true, false},
	} {
		t.Run(fmt.Sprintf("%v force=%v swap=%v", mode.err, mode.force, mode.swap), func(t *testing.T) {
			n := 1
			for ; ; n++ {
				parent := t.TempDir()
				put(t, parent, "src/config.json", "src/tokenizer.json", "src/LICENSE")
				old := ""
				if mode.force {
					put(t, parent, "out/config.json")
					old = " out/ out/config.json=out/config.json"
				}
				src := " src/ src/LICENSE=src/LICENSE src/config.json=src/config.json src/tokenizer.json=src/tokenizer.json"
				const fresh = " out/ out/LICENSE=src/LICENSE out/config.json={} out/tokenizer.json=src/tokenizer.json"
				f := &disktest.Faults{FS: disk.OS{}, N: n, Err: mode.err, Full: mode.full, NoSwap: !mode.swap, NoSync: true}
				err := output(f, filepath.Join(parent, "src"), filepath.Join(parent, "out"), mode.force)
				got := " " + tree(t, parent)
				if f.Hit() == "" {
					if err != nil || got != fresh+src {
						t.Fatal(err, got)
					}
					break
				}
				switch {
				case err == nil && f.Hit() == "remove":
					// The new folder stands, the old one is left for the next run.
					o, err := NewOutput(filepath.Join(parent, "out"), true)
					if err != nil {
						t.Fatal(err)
					}
					if err := o.Abort(); err != nil {
						t.Fatal(err)
					}
					if got := " " + tree(t, parent); got != fresh+src {
						t.Fatalf("request %d (%s): %s", n, f.Hit(), got)
					}
				case err == nil && f.Hit() == "close" && got == fresh+src:
					// A file that was only read, or the lock.
				case err == nil:
					t.Fatalf("request %d (%s) went unnoticed", n, f.Hit())
				case !errors.Is(err, ErrIO) || !errors.Is(err, mode.err):
					t.Fatalf("request %d (%s): %v", n, f.Hit(), err)
				case got != old+src:
					t.Fatalf("request %d (%s): %v\n%s\nwant\n%s", n, f.Hit(), err, got, old+src)
				}
			}
			t.Logf("%d requests", n-1)
			if n < 20 {
				t.Fatal("too few requests to mean anything")
			}
		})
	}
}

// output is one whole run: side files and a config into a new folder.
func output(fsys disk.FS, src, dst string, force bool) error {
	o, err := NewOutputOn(fsys, dst, force, src)
	if err != nil {
		return err
	}
	_, err = CopyFilesOn(fsys, src, o.Dir())
	if err == nil {
		err = FileError(ConfigName, disk.WriteFile(fsys, filepath.Join(o.Dir(), ConfigName), []byte("{}")))
	}
	if err != nil {
		return errors.Join(err, o.Abort())
	}
	return o.Commit()
}

func TestCopyFiles(t *testing.T) {
	root := t.TempDir()
	put(t, root, "blobs/t", "src/README.md", "src/modeling_x.py", "src/model.safetensors", "src/config.json", "src/merges.txt", "src/LICENSE")
	if err := errors.Join(os.Symlink("../blobs/t", filepath.Join(root, "src/tokenizer.json")), os.Mkdir(filepath.Join(root, "dst"), 0o777)); err != nil {
		t.Skip("no symbolic links here:", err)
	}
	src, dst := filepath.Join(root, "src"), filepath.Join(root, "dst")
	names, err := CopyFiles(src, dst)
	if err != nil || fmt.Sprint(names) != "[LICENSE merges.txt tokenizer.json]" {
		t.Fatal(names, err)
	}
	if got := tree(t, dst); got != "LICENSE=src/LICENSE merges.txt=src/merges.txt tokenizer.json=blobs/t" {
		t.Fatal(got)
	}
	if _, err := CopyFiles(src, dst); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	for _, name := range []string{"config.json", "../src/LICENSE", "modeling_x.py", ""} {
		if err := CopyFile(disk.OS{}, src, dst, name); !errors.Is(err, ErrUnsupported) {
			t.Fatalf("%q: %v", name, err)
		}
	}
	if err := os.Remove(filepath.Join(root, "blobs/t")); err != nil {
		t.Fatal(err)
	}
	if _, err := CopyFiles(src, t.TempDir()); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "tokenizer.json") {
		t.Fatal(err)
	}
}

const killEnv = "CHECKPOINT_TEST_OUTPUT"

// TestKilledChild is the victim of TestKill: it replaces a folder for ever. Each
// generation's files say the same number.
func TestKilledChild(t *testing.T) {
	dst := os.Getenv(killEnv)
	if dst == "" {
		t.Skip("only runs as a child of TestKill")
	}
	for i := 0; ; i++ {
		o, err := NewOutput(dst, true)
		if err != nil {
			t.Fatal(err)
		}
		text := []byte(fmt.Sprintf("%d.%d", os.Getpid(), i))
		for _, name := range []string{"config.json", "a", "b", "c"} {
			if err := disk.WriteFile(disk.OS{}, filepath.Join(o.Dir(), name), text); err != nil {
				t.Fatal(err)
			}
		}
		if err := o.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}

// A process killed at any moment leaves the old folder or the new one, and the
// next run tidies up.
func TestKill(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	dst := filepath.Join(parent, "out")
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	seen := map[string]bool{}
	leftovers := 0
	for range 20 {
		cmd := exec.Command(self, "-test.run=^TestKilledChild$")
		cmd.Env = append(os.Environ(), killEnv+"="+dst)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(5+r.IntN(150)) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || strings.Contains(out.String(), "FAIL") {
			t.Fatalf("%v: %s", err, out.String())
		}
		entries, err := os.ReadDir(parent)
		if err != nil {
			t.Fatal(err)
		}
		whole := false
		for _, e := range entries {
			if e.Name() != "out" {
				leftovers++
				continue
			}
			whole = true
			var first []byte
			for _, name := range []string{"config.json", "a", "b", "c"} {
				text, err := os.ReadFile(filepath.Join(dst, name))
				if err != nil {
					t.Fatal(err)
				}
				if first == nil {
					first = text
				}
				if string(first) != string(text) || len(text) == 0 {
					t.Fatalf("a mixture: %q and %q", first, text)
				}
			}
			seen[string(first)] = true
		}
		if len(seen) > 0 && !whole {
			t.Fatal("the old folder is gone and no new one is there")
		}
	}
	t.Logf("%d different folders, %d leftovers", len(seen), leftovers)
	if len(seen) < 3 {
		t.Fatalf("only %d different folders in 20 kills", len(seen))
	}
	o, err := NewOutput(dst, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Abort(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(parent)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d entries after tidying up: %v", len(entries), err)
	}
}
