package archtest

import (
	"go/ast"
	"slices"
	"strings"
)

// ban is a set of names that may be used in some packages only. A mention
// counts, called or not.
type ban struct {
	pkg    string
	names  []string // all functions that begin with it, where it ends in "*"
	in     []string // where the ban holds, with all below; empty: everywhere
	except []string // where it does not
	why    string
}

func bans() []ban {
	const (
		environment = "the environment is read in internal/config and the two mains alone, and handed on as values"
		processes   = "processes are started in internal/spawn and internal/watch, which know about descriptors, signals and jobservers"
		exits       = "return an error; only a main may end the process"
		truncates   = "truncates what is there and follows links: use internal/safefile"
	)
	env := []string{"internal/config", "cmd"}
	// The sandbox gives its jobs namespaces and descriptors that nothing else has;
	// the command line starts the coordinator, which is its own program.
	starts := []string{"internal/spawn", "internal/watch", "internal/sandbox", "internal/cli", "cmd"}
	compiles := append([]string{"internal/wrapper"}, starts...) // the compiler is the wrapper's child
	return []ban{
		{"os", []string{"Create", "WriteFile"}, []string{"internal/wrapper", "internal/worker", "internal/dist/worker", "internal/sandbox"}, nil, truncates},
		{"os", []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv", "Setenv", "Unsetenv", "Clearenv", "UserHomeDir", "UserCacheDir", "UserConfigDir", "TempDir"}, nil, env, environment},
		{"syscall", []string{"Getenv", "Environ", "Setenv", "Unsetenv", "Clearenv"}, nil, env, environment},
		{"golang.org/x/sys/unix", []string{"Getenv", "Environ", "Setenv", "Unsetenv", "Clearenv"}, nil, env, environment},
		{"os/exec", []string{"Command*"}, nil, starts, processes},
		{"os", []string{"StartProcess"}, nil, starts, processes},
		{"syscall", []string{"ForkExec", "StartProcess", "Exec"}, nil, compiles, processes},
		{"golang.org/x/sys/unix", []string{"Exec"}, nil, compiles, processes},
		{"os", []string{"Exit"}, nil, []string{"cmd"}, exits},
		{"syscall", []string{"Exit"}, nil, []string{"cmd", "internal/watch"}, exits},
		{"log", []string{"Fatal*", "Panic*"}, nil, []string{"cmd"}, exits},
		{"time", []string{"Now", "Since", "Until", "Sleep", "After*", "New*", "Tick"}, []string{"internal/dist/scheduler", "internal/lease"}, nil, "a state machine takes its clock as a parameter"},
	}
}

func (b ban) holds(dir, name string) bool {
	if !slices.ContainsFunc(b.names, func(n string) bool {
		prefix, star := strings.CutSuffix(n, "*")
		return n == name || star && strings.HasPrefix(name, prefix)
	}) {
		return false
	}
	within := func(d string) bool { return under(dir, d) }
	return (len(b.in) == 0 || slices.ContainsFunc(b.in, within)) && !slices.ContainsFunc(b.except, within)
}

func bannedCallGate() gate {
	src := func(dir, imports, use string) map[string]string {
		return map[string]string{dir + "/x.go": "package x\n\nimport " + imports + "\n\nfunc f() { " + use + " }\n"}
	}
	return gate{
		name:  "banned calls",
		check: checkBans,
		bad: []example{
			{"create", src("internal/wrapper", `"os"`, `os.Create("x")`), []string{"internal/wrapper/x.go:5: os.Create: truncates"}},
			{"create below", src("internal/sandbox/sub", `"os"`, `os.WriteFile("x", nil, 0)`), []string{"internal/sandbox/sub/x.go:5: os.WriteFile: truncates"}},
			{"environment", src("internal/coordinator", `"os"`, `os.Getenv("X")`), []string{"internal/coordinator/x.go:5: os.Getenv: the environment"}},
			{"renamed", src("internal/coordinator", `o "os"`, `o.Environ()`), []string{"internal/coordinator/x.go:5: os.Environ: the environment"}},
			{"as a value", src("internal/coordinator", `"os"`, `g := os.LookupEnv; _ = g`), []string{"internal/coordinator/x.go:5: os.LookupEnv: the environment"}},
			{"dot import", src("internal/coordinator", `. "os"`, ``), []string{"internal/coordinator/x.go:3: dot import hides"}},
			{"exec", src("internal/toolchain", `"os/exec"`, `exec.CommandContext(nil, "x")`), []string{"internal/toolchain/x.go:5: os/exec.CommandContext: processes"}},
			{"start", src("internal/wrapper", `"os"`, `os.StartProcess("x", nil, nil)`), []string{"internal/wrapper/x.go:5: os.StartProcess: processes"}},
			{"replace", src("internal/coordinator", `"syscall"`, `syscall.Exec("x", nil, nil)`), []string{"internal/coordinator/x.go:5: syscall.Exec: processes"}},
			{"fatal", src("internal/cas", `"log"`, `log.Fatalf("x")`), []string{"internal/cas/x.go:5: log.Fatalf: return an error"}},
			{"exit", src("internal/wrapper", `"os"`, `os.Exit(1)`), []string{"internal/wrapper/x.go:5: os.Exit: return an error"}},
			{"clock", src("internal/dist/scheduler", `"time"`, `time.NewTimer(1)`), []string{"internal/dist/scheduler/x.go:5: time.NewTimer: a state machine"}},
		},
		good: []example{
			{"main", src("cmd/cachepot", `"os"`, `os.Exit(len(os.Environ()))`), nil},
			{"config", src("internal/config", `"os"`, `os.Getenv("X")`), nil},
			{"a local of that name", src("internal/cas", `"io"`, `var os struct{ Exit func(int) }; os.Exit(1); _ = io.EOF`), nil},
			{"suite", src("internal/compiler/gcctest", `"os"`, `os.Getenv("X")`), nil},
			{"test", map[string]string{"internal/cas/x_test.go": "package x\n\nimport \"os\"\n\nfunc f() { os.Getenv(\"X\") }\n"}, nil},
		},
	}
}

func checkBans(t *tree) []finding {
	var out []finding
	table := bans()
	for _, f := range t.files {
		if f.test {
			continue
		}
		for _, spec := range f.syntax.Imports {
			if spec.Name != nil && spec.Name.Name == "." {
				out = append(out, t.at(spec.Pos(), "dot import hides where names come from"))
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			pkg, name := f.ref(e)
			for _, b := range table {
				if pkg != "" && b.pkg == pkg && b.holds(f.dir, name) {
					out = append(out, t.at(n.Pos(), "%s.%s: %s", pkg, name, b.why))
				}
			}
			return true
		})
	}
	return out
}

func clockGate() gate {
	src := func(body string) map[string]string {
		return map[string]string{"internal/a/x.go": "package a\n\nimport \"time\"\n\n" + body + "\n"}
	}
	const timed = "type timed struct{ now func() time.Time }\n\n"
	return gate{
		name:  "injected clock",
		check: checkClocks,
		bad: []example{
			{"method", src(timed + "func (t *timed) f() { _ = time.Now() }"), []string{"internal/a/x.go:7: time.Now: has an injected clock"}},
			{"method in another file", map[string]string{
				"internal/a/x.go": "package a\n\nimport \"time\"\n\n" + timed,
				"internal/a/y.go": "package a\n\nimport \"time\"\n\nfunc (t timed) f(b time.Time) { _ = time.Since(b) }\n",
			}, []string{"internal/a/y.go:5: time.Since: has an injected clock"}},
			{"parameter", src("func f(now func() time.Time) { _ = time.Until(now()) }"), []string{"internal/a/x.go:5: time.Until: has an injected clock"}},
			{"generic receiver", src("type g[T any] struct{ now func() time.Time }\n\nfunc (t *g[T]) f() { _ = time.Now() }"), []string{"internal/a/x.go:7: time.Now: has an injected clock"}},
		},
		good: []example{
			{"handed on", src(timed + "func newTimed() *timed { return &timed{now: time.Now} }"), nil},
			{"no clock", src("type plain struct{}\n\nfunc (plain) f() { _ = time.Now() }"), nil},
		},
	}
}

// checkClocks finds code that was given a clock and reads another: methods of
// structs with a "func() time.Time" field, and functions with such a parameter.
func checkClocks(t *tree) []finding {
	var out []finding
	for _, files := range inOrder(t.packages()) {
		clocked := map[string]bool{}
		for _, f := range files {
			ast.Inspect(f.syntax, func(n ast.Node) bool {
				if spec, ok := n.(*ast.TypeSpec); ok {
					if s, ok := spec.Type.(*ast.StructType); ok && f.hasClock(s.Fields) {
						clocked[spec.Name.Name] = true
					}
				}
				return true
			})
		}
		for _, f := range files {
			for _, d := range f.syntax.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if ok && !f.test && (f.hasClock(fn.Type.Params) || clocked[receiver(fn)]) {
					out = append(out, readsClock(t, f, fn)...)
				}
			}
		}
	}
	return out
}

func readsClock(t *tree, f *file, fn *ast.FuncDecl) []finding {
	var out []finding
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		pkg, name := f.ref(call.Fun)
		if pkg == "time" && (name == "Now" || name == "Since" || name == "Until") {
			out = append(out, t.at(call.Pos(), "time.%s: has an injected clock, which this call passes by", name))
		}
		return true
	})
	return out
}

func (f *file) hasClock(fields *ast.FieldList) bool {
	return fields != nil && slices.ContainsFunc(fields.List, func(fd *ast.Field) bool {
		fn, ok := fd.Type.(*ast.FuncType)
		if !ok || fn.Params.NumFields() != 0 || fn.Results.NumFields() != 1 {
			return false
		}
		pkg, name := f.ref(fn.Results.List[0].Type)
		return pkg == "time" && name == "Time"
	})
}

// receiver returns the name of a method's type, "" for a function.
func receiver(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return ""
	}
	e := fn.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.IndexListExpr:
			e = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// inOrder yields the packages sorted by directory.
func inOrder(pkgs map[string][]*file) func(yield func(string, []*file) bool) {
	return func(yield func(string, []*file) bool) {
		for _, dir := range sortedKeys(pkgs) {
			if !yield(dir, pkgs[dir]) {
				return
			}
		}
	}
}
