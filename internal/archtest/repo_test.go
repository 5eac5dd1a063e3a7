package archtest

import (
	"bytes"
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func goModGate() gate {
	const head = "module " + modulePath + "\n\ngo 1.26.0\n"
	return gate{
		name:  "go.mod",
		check: checkGoMod,
		bad: []example{
			{"replace", map[string]string{"go.mod": head + "\nreplace a.org/b => ../b\n"}, []string{"go.mod:5: replace"}},
			{"replace block", map[string]string{"go.mod": head + "\nreplace ( // for now\n\ta.org/b => ../b\n)\n"}, []string{"go.mod:5: replace"}},
			{"exclude", map[string]string{"go.mod": head + "exclude a.org/b v1.0.0\n"}, []string{"go.mod:4: exclude"}},
			{"module", map[string]string{"go.mod": "module example.org/x\n"}, []string{"go.mod:1: module is not " + modulePath}},
			{"reason", map[string]string{
				"go.mod":               head + "require (\n\ta.org/b v1.0.0\n\ta.org/c v1.0.0\n\td.org/e v1.0.0 // indirect\n)\nrequire f.org/g v1.0.0\n",
				"docs/dependencies.md": "| a.org/b | for reading |\n| a.org/cc | no |\n",
			}, []string{"go.mod:6: a.org/c has no reason in docs/dependencies.md", "go.mod:9: f.org/g has no reason"}},
			{"none", map[string]string{"x.go": "package x\n"}, []string{"go.mod: is missing"}},
		},
		good: []example{{"comment", map[string]string{"go.mod": head + "// replace nothing\n"}, nil}},
	}
}

// checkGoMod wants a module that builds the same for everybody: directives that
// hold only where this module is the main one are not for it. Each direct
// requirement has its reason in docs/dependencies.md.
func checkGoMod(t *tree) []finding {
	src := t.read("go.mod")
	if src == nil {
		return []finding{{"go.mod", "is missing"}}
	}
	var out []finding
	reasons := t.read("docs/dependencies.md")
	block := ""
	for i, line := range strings.Split(string(src), "\n") {
		code, comment, _ := strings.Cut(line, "//")
		words := strings.Fields(code)
		at := fmt.Sprintf("go.mod:%d", i+1)
		switch {
		case len(words) == 0:
			continue
		case words[0] == ")":
			block = ""
			continue
		case words[len(words)-1] == "(":
			block = words[0]
		case block != "":
			words = append([]string{block}, words...)
		}
		switch {
		case words[0] == "replace" && (words[1] == "(" || block == ""), words[0] == "exclude" && (words[1] == "(" || block == ""):
			out = append(out, finding{at, words[0] + " holds only in this checkout, so others would build something else"})
		case words[0] == "module" && words[1] != modulePath:
			out = append(out, finding{at, "module is not " + modulePath})
		case words[0] == "require" && words[1] != "(" && strings.TrimSpace(comment) != "indirect" && !mentions(reasons, words[1]):
			out = append(out, finding{at, words[1] + " has no reason in docs/dependencies.md"})
		}
	}
	return out
}

// mentions reports whether text holds word and not as part of a longer one.
func mentions(text []byte, word string) bool {
	re := regexp.MustCompile(`(^|[^\w./-])` + regexp.QuoteMeta(word) + `($|[^\w./-]|[./-]\W|[./-]$)`)
	return re.Match(text)
}

func licenceGate() gate {
	return gate{
		name: "licence",
		check: func(t *tree) []finding {
			text := t.read("LICENSE")
			if bytes.Contains(text, []byte("Apache License")) && bytes.Contains(text, []byte("Version 2.0")) {
				return nil
			}
			return []finding{{"LICENSE", "is not the Apache License, Version 2.0"}}
		},
		bad: []example{
			{"none", map[string]string{"x.go": "package x\n"}, []string{"LICENSE: is not"}},
			{"another", map[string]string{"LICENSE": "Do as you like.\n"}, []string{"LICENSE: is not"}},
		},
	}
}

// places are patterns of what names one machine or its surroundings. They are
// written so that they do not find themselves.
func places() []*regexp.Regexp {
	const begin = `(?:^|[^\w./~$})\]*-])` // a path begins here, it is not the rest of one
	return []*regexp.Regexp{
		regexp.MustCompile(begin + `/[r]oot/`),
		regexp.MustCompile(begin + `/[w]ork/`),
		regexp.MustCompile(begin + `/[h]ome/[\w.-]+`),
		regexp.MustCompile(begin + `/[U]sers/[\w.-]+`),
		regexp.MustCompile(`\b(?:proxy|sum)[.]golang[.]org\b|\bregistry[.]npmjs[.]org\b|\b(?:static[.]|index[.])?crates[.]io\b(?:[^\w-]|$)|\b(?:files[.])?py(?:pi|thonhosted)[.]org\b|\brubygems[.]org\b|\brepo1?[.]maven[.]org\b|\bdeb[.]debian[.]org\b|\bsecurity[.]debian[.]org\b`),
	}
}

// someone are the names of users in examples.
func someone() []string { return []string{"user", "me", "u", "alice", "bob"} }

func placeGate() gate {
	const root, home, work = "/ro" + "ot/", "/ho" + "me/", "/wo" + "rk/"
	in := func(text string) map[string]string { return map[string]string{"docs/a.md": "x\n" + text + "\n"} }
	found := func(what string) []string { return []string{"docs/a.md:2: names a place of one machine: " + what} }
	return gate{
		name:  "no place of one machine",
		check: checkPlaces,
		bad: []example{
			{"root", in("see " + root + "x"), found(root)},
			{"quoted", in(`"` + root + `x"`), found(root)},
			{"home", in(home + "jdoe/src"), found(home + "jdoe")},
			{"checkout", in("cd " + work + "main"), found(work)},
			{"in an option", in("--dir=" + work + "main"), found(work)},
			{"in a list", in("/usr:" + work + "main"), found(work)},
			{"Go", in("GOPROXY=https://proxy" + ".golang.org"), found("proxy" + ".golang.org")},
			{"Rust", in("static.crates" + ".io/x"), found("static.crates" + ".io")},
			{"Python", in("https://pypi" + ".org/simple"), found("pypi" + ".org")},
			{"npm", in("registry.npmjs" + ".org"), found("registry.npmjs" + ".org")},
			{"Debian", in("deb http://deb.debian" + ".org/debian x main"), found("deb.debian" + ".org")},
			{"in a script", map[string]string{"scripts/a": "ls " + root + "\n"}, []string{"scripts/a:1: names a place"}},
			{"in testdata", map[string]string{"internal/a/testdata/x.txt": work + "x\n"}, []string{"internal/a/testdata/x.txt:1: names a place"}},
		},
		good: []example{
			{"examples", in(home + "user/.cache " + home + "me/.mozbuild " + home + "<user>/x " + home + "$USER/x"), nil},
			{"the rest of a path", in("$dir" + root + "x build" + work + "x ~" + work + " ." + work + " ${d}" + work), nil},
			{"a lock file", in(`source = "registry+https://github.com/rust-lang/crates.io-index"`), nil},
			{"binary", map[string]string{"a.bin": "\x00" + root}, nil},
		},
	}
}

func checkPlaces(t *tree) []finding {
	var out []finding
	for _, p := range t.paths {
		text := t.read(p)
		if bytes.IndexByte(text, 0) >= 0 {
			continue
		}
		for _, re := range places() {
			for _, m := range re.FindAllIndex(text, -1) {
				what := strings.TrimLeftFunc(string(text[m[0]:m[1]]), func(r rune) bool { return r != '/' && !isWord(r) })
				what = strings.TrimRightFunc(what, func(r rune) bool { return r != '/' && !isWord(r) })
				if slices.Contains(someone(), path.Base(what)) {
					continue
				}
				line := 1 + bytes.Count(text[:m[1]-1], []byte("\n"))
				out = append(out, finding{fmt.Sprintf("%s:%d", p, line), "names a place of one machine: " + what})
			}
		}
	}
	return out
}

func isWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

func conformanceGate() gate {
	const tier = "package a\n\nimport _ \"" + modulePath + "/internal/storage\"\n"
	const suite = "package a_test\n\nimport \"" + modulePath + "/internal/storage/storagetest\"\n\n"
	return gate{
		name:  "conformance",
		check: checkConformance,
		bad: []example{
			{"no test", map[string]string{"internal/storage/s3/a.go": tier}, []string{"internal/storage/s3: no test of it calls storagetest.Run"}},
			{"other call", map[string]string{
				"internal/storage/s3/a.go":      tier,
				"internal/storage/s3/a_test.go": suite + "func f() { storagetest.Other() }\n",
			}, []string{"internal/storage/s3: no test of it calls storagetest.Run"}},
		},
		good: []example{{"called", map[string]string{
			"internal/storage/a.go":             "package storage\n",
			"internal/storage/storagetest/a.go": tier,
			"internal/storage/memo/a.go":        "package memo\n",
			"internal/storage/s3/a.go":          tier,
			"internal/storage/s3/a_test.go":     suite + "func f() { storagetest.Run() }\n",
		}, nil}},
	}
}

// checkConformance wants every tier, which is a package below storage that
// imports it, to pass the one suite.
func checkConformance(t *tree) []finding {
	var out []finding
	for dir, files := range inOrder(t.packages()) {
		if path.Dir(dir) != "internal/storage" || path.Base(dir) == "storagetest" {
			continue
		}
		if slices.ContainsFunc(files, isTier) && !slices.ContainsFunc(files, runsSuite) {
			out = append(out, finding{dir, "no test of it calls storagetest.Run"})
		}
	}
	return out
}

func isTier(f *file) bool {
	return !f.test && slices.ContainsFunc(f.syntax.Imports, func(spec *ast.ImportSpec) bool {
		return spec.Path.Value == strconv.Quote(modulePath+"/internal/storage")
	})
}

func runsSuite(f *file) bool {
	found := false
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok && f.test {
			pkg, name := f.ref(e)
			found = found || pkg == modulePath+"/internal/storage/storagetest" && name == "Run"
		}
		return !found
	})
	return found
}
