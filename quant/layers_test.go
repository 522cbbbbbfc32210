// The layers of the code: who may import whom, and what no library package may do.

package quant_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "libawq"

// layer says what a package and those below it may import. Names of our own packages stand without the module; an entry that
// ends in "/..." covers the folders below, too.
type layer struct {
	pkg   string
	own   []string
	other []string // modules besides the standard library
}

// layers holds the rules, the first that matches a package counts. Arrows point downwards only; nobody imports capi.
func layers() []layer {
	checkpoint := []string{"quant/checkpoint/...", "quant/pack", "kernels"}
	return []layer{
		{"capi/command", []string{"quant/...", "kernels/..."}, []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "golang.org/x/term"}},
		{"capi/...", []string{"capi/...", "quant/...", "kernels/..."}, nil},
		{"quant", []string{"quant/...", "kernels"}, nil},
		{"quant/graph", []string{"quant/family", "kernels"}, nil},
		{"quant/calib", []string{"quant/family", "kernels"}, nil},
		{"quant/search", []string{"quant/family", "kernels"}, nil},
		{"quant/checkpoint/safetensors", checkpoint, []string{"github.com/nlpodyssey/safetensors"}},
		{"quant/checkpoint/...", checkpoint, nil},
		{"quant/pack", []string{"kernels"}, nil},
		{"quant/family", nil, nil},
		{"quant/tokenizer/...", []string{"quant/tokenizer/..."}, []string{"golang.org/x/text"}},
		{"quant/jinja/...", []string{"quant/jinja/..."}, nil},
		{"quant/corpus/parquet", nil, []string{"github.com/klauspost/compress"}},
		{"quant/corpus", []string{"quant/corpus/parquet"}, nil},
		{"kernels/conformance", []string{"kernels", "kernels/ref"}, nil},
		{"kernels/tune/measure", []string{"kernels/..."}, []string{"golang.org/x/sys"}},
		{"kernels/tune", []string{"kernels"}, nil},
		{"kernels/native", []string{"kernels", "kernels/ref", "kernels/tune"}, // ref fills the slots that a back end leaves empty
			[]string{"github.com/ebitengine/purego"}},
		{"kernels/ref", []string{"kernels"}, nil},
		{"kernels", nil, nil},
	}
}

func covers(pattern, pkg string) bool {
	if folder, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == folder || strings.HasPrefix(pkg, folder+"/")
	}
	return pattern == pkg
}

// listed is what `go list -json` says of a package, as far as it is read here.
type listed struct {
	Dir, ImportPath string
	Standard        bool
	Imports         []string
	GoFiles         []string
	CgoFiles        []string
}

// packages lists this module's packages with everything that they depend on, native parts included.
func packages(t *testing.T) []listed {
	t.Helper()
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("the layer rules need the go command")
	}
	cmd := exec.Command(goTool, "list", "-e", "-tags", "native", "-deps", "-json=Dir,ImportPath,Standard,Imports,GoFiles,CgoFiles", "./...")
	cmd.Dir = ".."
	// Listing needs no C compiler, but without cgo it would leave out the files that import "C".
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, stderr.String())
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func ours(pkg string) (string, bool) {
	return strings.CutPrefix(pkg, module+"/")
}

// TestLayers fails with each import that the table does not allow.
func TestLayers(t *testing.T) {
	standard := map[string]bool{"C": true}
	all := packages(t)
	for _, p := range all {
		if p.Standard {
			standard[p.ImportPath] = true
		}
	}
	seen := 0
	for _, p := range all {
		name, ok := ours(p.ImportPath)
		if !ok {
			continue
		}
		seen++
		rules := layers()
		i := slices.IndexFunc(rules, func(l layer) bool { return covers(l.pkg, name) })
		if i < 0 {
			t.Errorf("%s: no layer; add a row to the table", name)
			continue
		}
		for _, imported := range p.Imports {
			if standard[imported] {
				continue
			}
			allowed := rules[i].other
			target, own := ours(imported)
			if own {
				allowed = rules[i].own
			} else {
				target = imported
			}
			if !slices.ContainsFunc(allowed, func(a string) bool {
				return covers(a, target) || !own && covers(a+"/...", target)
			}) {
				t.Errorf("%s may not import %s", name, target)
			}
		}
	}
	if seen < 10 {
		t.Errorf("only %d packages of %s were listed", seen, module)
	}
}

// TestManners reads the source of every package: no init, no bare goroutine, no way out of the process, no print, no package
// variable that something assigns to.
func TestManners(t *testing.T) {
	for _, p := range packages(t) {
		if name, ok := ours(p.ImportPath); ok && name != "kernels/tune/measure" { // a program, not part of the library
			for _, fault := range faults(t, name, p) {
				t.Error(fault)
			}
		}
	}
}

// forbidden maps a function to the reason why a library may not call it.
func forbidden() map[string]string {
	return map[string]string{
		"os.Exit": "ends the host", "log.Fatal": "ends the host", "log.Fatalf": "ends the host", "log.Fatalln": "ends the host",
		"log.Print": "prints", "log.Printf": "prints", "log.Println": "prints", "fmt.Print": "prints", "fmt.Printf": "prints",
		"fmt.Println": "prints", "os.Setenv": "changes the host's environment", "os.Chdir": "changes the host's directory",
	}
}

func faults(t *testing.T, name string, p listed) []string {
	t.Helper()
	fset := token.NewFileSet()
	var files []*ast.File
	for _, file := range append(slices.Clone(p.GoFiles), p.CgoFiles...) {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	// Imports stay unresolved: what is asked of the type checker is only which name means which variable.
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	checker := types.Config{Importer: noImporter{}, Error: func(error) {}, FakeImportC: true}
	pkg, _ := checker.Check(p.ImportPath, fset, files, info)

	var out []string
	fault := func(at token.Pos, format string, arguments ...any) {
		pos := fset.Position(at)
		out = append(out, fmt.Sprintf("%s/%s:%d: %s", name, filepath.Base(pos.Filename), pos.Line, fmt.Sprintf(format, arguments...)))
	}
	assigned := func(target ast.Expr) {
		root := rootIdent(target)
		if root == nil {
			return
		}
		if v, ok := info.Uses[root].(*types.Var); ok && pkg != nil && v.Parent() == pkg.Scope() {
			fault(target.Pos(), "assigns to the package variable %s", root.Name)
		}
	}
	calls := forbidden()
	for _, f := range files {
		for _, spec := range f.Imports {
			if spec.Path.Value == `"os/signal"` {
				fault(spec.Pos(), "imports os/signal: signals belong to the host")
			}
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					fault(d.Pos(), "func init")
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR && shared(v.Type) {
						fault(v.Pos(), "the package variable %s is mutable", v.Names[0].Name)
					}
				}
			}
		}
		file := filepath.Base(fset.Position(f.Pos()).Filename)
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				if name != "kernels" || file != "spawn.go" {
					fault(n.Pos(), "go statement: use kernels.Spawn, which recovers")
				}
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, target := range n.Lhs {
						assigned(target)
					}
				}
			case *ast.IncDecStmt:
				assigned(n.X)
			case *ast.CallExpr:
				switch fn := n.Fun.(type) {
				case *ast.Ident:
					if _, builtin := info.Uses[fn].(*types.Builtin); builtin && (fn.Name == "print" || fn.Name == "println") {
						fault(n.Pos(), "calls %s", fn.Name)
					}
				case *ast.SelectorExpr:
					if x, ok := fn.X.(*ast.Ident); ok {
						if _, isPackage := info.Uses[x].(*types.PkgName); isPackage {
							if why := calls[x.Name+"."+fn.Sel.Name]; why != "" {
								fault(n.Pos(), "calls %s.%s: it %s", x.Name, fn.Sel.Name, why)
							}
						}
					}
				}
			}
			return true
		})
	}
	return out
}

// rootIdent is x in x, x[i], x.f, *x and their combinations.
func rootIdent(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

// shared tells types that exist to be changed: locks, once, atomics, pools.
func shared(e ast.Expr) bool {
	if index, ok := e.(*ast.IndexExpr); ok {
		e = index.X
	}
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && (x.Name == "sync" || x.Name == "atomic")
}

type noImporter struct{}

func (noImporter) Import(path string) (*types.Package, error) {
	pkg := types.NewPackage(path, path[strings.LastIndexByte(path, '/')+1:])
	pkg.MarkComplete()
	return pkg, nil
}

// TestMannersFindsFaults keeps the check itself true.
func TestMannersFindsFaults(t *testing.T) {
	dir := t.TempDir()
	source := `package p
import ("fmt"; "os"; "os/signal"; "sync")
var n int
var table = map[string]int{}
var fixed = []int{1}
var lock sync.Mutex
func init() {}
func f() int {
	go f()
	n++
	table["a"] = 1
	fixed := []int{}
	fixed[0] = 2
	fmt.Println(n)
	println(n)
	signal.Reset()
	os.Exit(1)
	return fixed[0]
}
`
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	got := faults(t, "p", listed{Dir: dir, ImportPath: module + "/p", GoFiles: []string{"p.go"}})
	want := []string{
		"p/p.go:2: imports os/signal: signals belong to the host",
		"p/p.go:6: the package variable lock is mutable",
		"p/p.go:7: func init",
		"p/p.go:9: go statement: use kernels.Spawn, which recovers",
		"p/p.go:10: assigns to the package variable n",
		"p/p.go:11: assigns to the package variable table",
		"p/p.go:14: calls fmt.Println: it prints",
		"p/p.go:15: calls println",
		"p/p.go:17: calls os.Exit: it ends the host",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
