package archtest

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

func wrappedErrorGate() gate {
	src := func(body string) map[string]string {
		return map[string]string{"internal/a/x.go": "package a\n\nimport (\n\t\"errors\"\n\t\"fmt\"\n)\n\n" + body + "\n"}
	}
	return gate{
		name:  "wrapped errors",
		check: checkWrappedErrors,
		bad: []example{
			{"by name", src(`func f(err error) error { return fmt.Errorf("read x: %v", err) }`), []string{"internal/a/x.go:8: %v of an error"}},
			{"second verb", src(`func f(n int) { err := g(); _ = fmt.Errorf("%-5d of %s", n, err) }`), []string{"internal/a/x.go:8: %s of an error"}},
			{"by type", src(`func f(cause error) error { return fmt.Errorf("%q", cause) }`), []string{"internal/a/x.go:8: %q of an error"}},
			{"its text", src(`func f(e error) error { return fmt.Errorf("%s", e.Error()) }`), []string{"internal/a/x.go:8: %s of an error"}},
			{"a field", src(`func f(r result) error { return fmt.Errorf("%d%%: %v", 1, r.Err) }`), []string{"internal/a/x.go:8: %v of an error"}},
			{"made in place", src(`func f() error { return fmt.Errorf("%v", errors.New("x")) }`), []string{"internal/a/x.go:8: %v of an error"}},
			{"capital", src(`func f(err error) error { return fmt.Errorf("Read x: %w", err) }`), []string{"internal/a/x.go:8: begin error texts in lower case"}},
		},
		good: []example{
			{"wrapped", src(`func f(err error) error { return fmt.Errorf("read %s: %w", "x", err) }`), nil},
			{"no error", src(`func f(name string) error { return fmt.Errorf("read %v", name) }`), nil},
			{"an acronym", src(`func f() error { return fmt.Errorf("TOML: %d", 1) }`), nil},
		},
	}
}

// checkWrappedErrors finds errors that are printed into another one, which cuts
// the chain that errors.Is and errors.As follow. Without types, an error is what
// is called err or declared as error in the same function.
func checkWrappedErrors(t *tree) []finding {
	var out []finding
	for _, f := range t.files {
		if f.test {
			continue
		}
		declared := errorNames(f.syntax)
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			pkg, name := f.ref(call.Fun)
			if pkg != "fmt" || name != "Errorf" {
				return true
			}
			format := stringValue(call.Args[0])
			if beginsWithCapital(format) {
				out = append(out, t.at(call.Pos(), "begin error texts in lower case"))
			}
			for i, verb := range verbs(format) {
				if i+1 < len(call.Args) && strings.ContainsRune("vsq", rune(verb)) && f.isError(call.Args[i+1], declared) {
					out = append(out, t.at(call.Pos(), "%%%c of an error; wrap it with %%w", verb))
				}
			}
			return true
		})
	}
	return out
}

// errorNames returns the declarations that have the type error by their syntax.
func errorNames(syntax *ast.File) map[*ast.Object]bool {
	out := map[*ast.Object]bool{}
	add := func(typ ast.Expr, names []*ast.Ident) {
		if id, ok := typ.(*ast.Ident); ok && id.Name == "error" {
			for _, n := range names {
				out[n.Obj] = true
			}
		}
	}
	ast.Inspect(syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			add(n.Type, n.Names)
		case *ast.ValueSpec:
			add(n.Type, n.Names)
		}
		return true
	})
	return out
}

func (f *file) isError(e ast.Expr, declared map[*ast.Object]bool) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Obj != nil && declared[e.Obj] || errorName(e.Name)
	case *ast.SelectorExpr:
		return errorName(e.Sel.Name)
	case *ast.CallExpr:
		pkg, name := f.ref(e.Fun)
		if pkg == "errors" || pkg == "fmt" && name == "Errorf" {
			return true
		}
		sel, ok := e.Fun.(*ast.SelectorExpr)
		return ok && len(e.Args) == 0 && (sel.Sel.Name == "Error" || sel.Sel.Name == "Err")
	}
	return false
}

func errorName(s string) bool {
	return s == "err" || s == "Err" || strings.HasSuffix(s, "Err") || strings.HasPrefix(s, "err") && len(s) > 3 && s[3] <= 'Z'
}

func stringValue(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return s
}

// verbs returns the verb of each argument of a format, in order. Formats with
// argument indexes or starred widths are not used here.
func verbs(format string) []byte {
	var out []byte
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		i++
		for i < len(format) && strings.IndexByte("+-# 0123456789.", format[i]) >= 0 {
			i++
		}
		if i < len(format) && format[i] != '%' {
			out = append(out, format[i])
		}
	}
	return out
}

// beginsWithCapital passes over acronyms: two capitals.
func beginsWithCapital(s string) bool {
	upper := func(c byte) bool { return c >= 'A' && c <= 'Z' }
	return len(s) > 1 && upper(s[0]) && s[1] >= 'a' && s[1] <= 'z'
}
