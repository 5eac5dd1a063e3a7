package archtest

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// modulePath is what every import of ours begins with; go.mod must agree.
const modulePath = "github.com/cachepot/cachepot"

// tree is the source of the module, for all platforms at once: build constraints
// are not looked at, so a rule holds for files that this machine never compiles.
type tree struct {
	fset  *token.FileSet
	fsys  fs.FS
	paths []string // every file that is not ignored, slash-separated
	files []*file  // the Go files, those below testdata left out
}

type file struct {
	path      string
	dir       string
	test      bool // see isTest
	generated bool
	lines     int
	syntax    *ast.File
	imports   map[string]string // by the name the file uses: import path
}

// finding is one breach of a rule, at a path or path:line.
type finding struct{ at, text string }

func (f finding) String() string { return f.at + ": " + f.text }

func (t *tree) at(p token.Pos, format string, a ...any) finding {
	pos := t.fset.Position(p)
	return finding{pos.Filename + ":" + strconv.Itoa(pos.Line), fmt.Sprintf(format, a...)}
}

// read returns the content of a file of the tree, nil where there is none.
func (t *tree) read(name string) []byte {
	b, err := fs.ReadFile(t.fsys, name)
	if err != nil {
		return nil
	}
	return b
}

// packages returns the Go files by directory.
func (t *tree) packages() map[string][]*file {
	out := map[string][]*file{}
	for _, f := range t.files {
		out[f.dir] = append(out[f.dir], f)
	}
	return out
}

// loadTree reads all of fsys but what .gitignore leaves out.
func loadTree(fsys fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), fsys: fsys}
	ignored, err := readIgnore(fsys)
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // another test's scratch file
		case err != nil:
			return err
		case d.IsDir() && (p == ".git" || ignored(p, true)):
			return fs.SkipDir
		case d.Type().IsRegular() && p != ".git" && !ignored(p, false):
			t.paths = append(t.paths, p)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("walk tree: %w", err)
	}
	return t, t.parse()
}

// readIgnore understands the two forms that our .gitignore uses, "/name/" and
// "*.suffix", and refuses others: a rule that is not understood would hide files.
func readIgnore(fsys fs.FS) (func(p string, dir bool) bool, error) {
	b, err := fs.ReadFile(fsys, ".gitignore")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read .gitignore: %w", err)
	}
	dirs, suffixes := map[string]bool{}, []string(nil)
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		name, rooted := strings.CutPrefix(line, "/")
		name, dir := strings.CutSuffix(name, "/")
		suffix, starred := strings.CutPrefix(line, "*.")
		switch {
		case line == "" || line[0] == '#':
		case rooted && dir && !strings.ContainsAny(name, "*?[/"):
			dirs[name] = true
		case starred && !strings.ContainsAny(suffix, "*?[/"):
			suffixes = append(suffixes, "."+suffix)
		default:
			return nil, fmt.Errorf("read .gitignore: %q is neither /name/ nor *.suffix", line)
		}
	}
	return func(p string, dir bool) bool {
		if dir {
			return dirs[p]
		}
		for _, s := range suffixes {
			if strings.HasSuffix(p, s) {
				return true
			}
		}
		return false
	}, nil
}

func (t *tree) parse() error {
	for _, p := range t.paths {
		if path.Ext(p) != ".go" || outsideBuild(p) || t.nestedModule(p) {
			continue
		}
		src := t.read(p)
		syntax, err := parser.ParseFile(t.fset, p, src, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parse: %w", err)
		}
		t.files = append(t.files, &file{
			path: p, dir: path.Dir(p), syntax: syntax,
			test:      isTest(p),
			generated: ast.IsGenerated(syntax),
			lines:     bytes.Count(src, []byte("\n")),
			imports:   importNames(syntax),
		})
	}
	return nil
}

// nestedModule reports whether p belongs to a module of its own.
func (t *tree) nestedModule(p string) bool {
	for dir := path.Dir(p); dir != "."; dir = path.Dir(dir) {
		if _, err := fs.Stat(t.fsys, dir+"/go.mod"); err == nil {
			return true
		}
	}
	return false
}

// isTest reports whether a file is no part of the product: a _test.go file, and
// all of a folder of tests.
func isTest(p string) bool { return strings.HasSuffix(p, "_test.go") || isTestFolder(path.Dir(p)) }

// isTestFolder reports whether dir holds tests alone: test, and suites that
// several packages run, whose names end in "test".
func isTestFolder(dir string) bool { return under(dir, "test") || strings.HasSuffix(dir, "test") }

// outsideBuild reports whether the go command passes over a file because of the
// name of a directory that it lies in.
func outsideBuild(p string) bool {
	for _, part := range strings.Split(path.Dir(p), "/") {
		if part == "testdata" || part != "." && (part[0] == '_' || part[0] == '.') {
			return true
		}
	}
	return false
}

func importNames(syntax *ast.File) map[string]string {
	out := map[string]string{}
	for _, spec := range syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has accepted it, so this does not happen
		}
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		} else if isVersion(name) {
			name = path.Base(path.Dir(p))
		}
		if name == "_" || name == "." {
			name += p // several of these may stand in one file
		}
		out[name] = p
	}
	return out
}

func isVersion(s string) bool {
	_, err := strconv.ParseUint(strings.TrimPrefix(s, "v"), 10, 16)
	return s[0] == 'v' && err == nil
}

// ref returns the import path and the name where e is a name of another package.
func (f *file) ref(e ast.Expr) (pkg, name string) {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	id, ok := sel.X.(*ast.Ident)
	if !ok || id.Obj != nil { // a local of the package's name
		return "", ""
	}
	return f.imports[id.Name], sel.Sel.Name
}

// under reports whether p is dir or lies below it.
func under(p, dir string) bool { return p == dir || strings.HasPrefix(p, dir+"/") }

// moduleRoot is the directory of go.mod: go test runs in the package's own.
const moduleRoot = "../.."

// loadReal reads the module's own tree once for all tests.
var loadReal = sync.OnceValues(func() (*tree, error) { return loadTree(os.DirFS(moduleRoot)) })

func realTree(tb testing.TB) *tree {
	tb.Helper()
	t, err := loadReal()
	if err != nil {
		tb.Fatal(err)
	}
	return t
}
