package rustc

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestBookOfVariables: what the manual says of variables that rustc itself reads is
// what the code does, and it leaves none out.
func TestBookOfVariables(t *testing.T) {
	text, err := os.ReadFile("../../../docs/book/environment.md")
	if err != nil {
		t.Fatal(err)
	}
	classes := map[string]envClass{"keyed": envKeyed, "keyed where there are messages": envMessages,
		"not cached where set": envRefused, "keyed only where `env!` asks": envPassed}
	_, section, _ := strings.Cut(string(text), "\n## rustc, for libraries\n")
	section, _, ok := strings.Cut(section, "\n## ")
	if !ok {
		t.Fatal("no such section")
	}
	named := map[string]bool{}
	rows := 0
	for line := range strings.SplitSeq(section, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 4 {
			continue
		}
		class, ok := classes[strings.TrimSpace(cells[1])]
		if !ok {
			continue
		}
		rows++
		for _, name := range quotedNames(cells[2]) {
			named[name] = true
			if name == "env!" {
				continue
			}
			if got := envClassOf(strings.ReplaceAll(name, "*", "ANY")); got != class {
				t.Errorf("%s is in class %d, not as the manual says", name, got)
			}
		}
	}
	for _, name := range quotedNames(section) {
		named[name] = true
	}
	for _, name := range personal() {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%s is not in the manual", name)
		}
	}
	if rows != len(classes) {
		t.Errorf("%d rows, want %d", rows, len(classes))
	}
	for _, name := range namesIn(t, "env.go", "envClassOf", "ofTerminal", "clippyReads") {
		if !named[name] && !named[name+"*"] && !named["*"+name] {
			t.Errorf("%s is not in the manual", name)
		}
	}
}

func quotedNames(s string) []string {
	var out []string
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(s, -1) {
		out = append(out, m[1])
	}
	return out
}

// namesIn returns the strings in functions of a source of this package.
func namesIn(t *testing.T, file string, functions ...string) []string {
	t.Helper()
	f, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range functions {
		fn, ok := f.Scope.Lookup(name).Decl.(*ast.FuncDecl)
		if !ok {
			t.Fatalf("%s has no function %s", file, name)
		}
		ast.Inspect(fn, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == gotoken.STRING {
				s, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, s)
			}
			return true
		})
	}
	return out
}
