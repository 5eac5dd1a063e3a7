package archtest

import (
	"go/ast"
	"path"
	"regexp"
	"strings"
)

func packageDocGate() gate {
	return gate{
		name:  "package doc",
		check: checkPackageDocs,
		bad: []example{
			{"none", map[string]string{"internal/a/a.go": "package a\n"}, []string{"internal/a: has no package comment"}},
			{"detached", map[string]string{"internal/a/a.go": "// Package a is one. Nobody may import it.\n\npackage a\n"}, []string{"internal/a: has no package comment"}},
			{"two", map[string]string{
				"internal/a/a.go": "// Package a is one. Anybody may import it.\npackage a\n",
				"internal/a/b.go": "// Package a is another.\npackage a\n",
			}, []string{"internal/a/b.go:2: has a second package comment, after internal/a/a.go"}},
			{"beginning", map[string]string{"internal/a/a.go": "// A package. Anybody may import it.\npackage a\n"}, []string{`internal/a/a.go:2: must begin with "Package a "`}},
			{"command", map[string]string{"cmd/tool/main.go": "// Package main is a tool.\npackage main\n"}, []string{`cmd/tool/main.go:2: must begin with "Command tool "`}},
			{"importers", map[string]string{"internal/a/a.go": "// Package a is one.\npackage a\n"}, []string{"internal/a/a.go:2: does not say who may import it"}},
			{"in a test only", map[string]string{
				"internal/a/a.go":      "package a\n",
				"internal/a/a_test.go": "// Package a is one. Anybody may import it.\npackage a\n",
			}, []string{"internal/a: has no package comment"}},
		},
		good: []example{
			{"command", map[string]string{"cmd/tool/main.go": "// Tool does it.\npackage main\n", "cmd/t/main.go": "// Command t does it.\npackage main\n"}, nil},
			{"tests only", map[string]string{"test/e2e/a_test.go": "// Package e2e runs the programs.\npackage e2e\n"}, nil},
			{"a directive is no comment", map[string]string{
				"internal/a/a.go": "// Package a is one. Anybody may import it.\npackage a\n",
				"internal/a/b.go": "//go:build linux\n\npackage a\n",
			}, nil},
		},
	}
}

// checkPackageDocs wants exactly one comment a package: with two, readers and
// tools show either. In a directory of tests alone a test file carries it.
func checkPackageDocs(t *tree) []finding {
	var out []finding
	pkgs := t.packages()
	for _, dir := range sortedKeys(pkgs) {
		var first *file
		for _, f := range docCarriers(pkgs[dir]) {
			if f.syntax.Doc.Text() == "" {
				continue
			}
			if first != nil {
				out = append(out, t.at(f.syntax.Package, "has a second package comment, after %s", first.path))
				continue
			}
			first = f
			if why := docFault(dir, f.syntax); why != "" {
				out = append(out, t.at(f.syntax.Package, "%s", why))
			}
		}
		if first == nil {
			out = append(out, finding{dir, "has no package comment"})
		}
	}
	return out
}

func docCarriers(files []*file) []*file {
	var product []*file
	for _, f := range files {
		if !strings.HasSuffix(f.path, "_test.go") {
			product = append(product, f)
		}
	}
	if product == nil {
		return files
	}
	return product
}

func docFault(dir string, syntax *ast.File) string {
	doc, name := syntax.Doc.Text(), syntax.Name.Name
	// How a package comment speaks of its place among the others.
	importers := regexp.MustCompile(`\b(imports?|uses?|leaf)\b`)
	begin, other := "Package "+strings.TrimSuffix(name, "_test")+" ", ""
	if name == "main" {
		base := path.Base(dir)
		begin, other = "Command "+base+" ", strings.ToUpper(base[:1])+base[1:]+" "
	}
	switch {
	case !strings.HasPrefix(doc, begin) && (other == "" || !strings.HasPrefix(doc, other)):
		return `must begin with "` + begin + `"`
	case under(dir, "internal") && !importers.MatchString(doc):
		return "does not say who may import it, or what it may import"
	}
	return ""
}
