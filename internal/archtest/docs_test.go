package archtest

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

func linkGate() gate {
	return gate{
		name:  "links",
		check: checkLinks,
		bad: []example{
			{"broken", map[string]string{"docs/a.md": "x\n[b](b.md)\n"}, []string{"docs/a.md:2: links to docs/b.md, which is not there"}},
			{"broken with anchor", map[string]string{"a.md": "[b](docs/b.md#x)\n"}, []string{"a.md:1: links to docs/b.md"}},
			{"chapter left out", map[string]string{
				"docs/book/README.md": "[a](a.md)\n",
				"docs/book/a.md":      "x\n",
				"docs/book/b.md":      "x\n",
			}, []string{"docs/book/b.md: is not linked from docs/book/README.md"}},
		},
		good: []example{{"whole", map[string]string{
			"README.md":       "[d](docs) [f](docs/b.md#top) [w](https://example.org/x) [h](#here)\n",
			"docs/b.md":       "[up](../README.md)\n",
			"x/testdata/c.md": "[nowhere](gone.md)\n",
		}, nil}},
	}
}

// checkLinks wants every relative link to lead somewhere, and every chapter and
// decision to be reachable from the index beside it.
func checkLinks(t *tree) []finding {
	link := regexp.MustCompile(`\]\(([^)#\s]+)`)
	var out []finding
	reached := map[string]bool{}
	for _, p := range t.paths {
		if path.Ext(p) != ".md" || outsideBuild(p) {
			continue
		}
		text := t.read(p)
		for _, m := range link.FindAllSubmatchIndex(text, -1) {
			target := string(text[m[2]:m[3]])
			if strings.Contains(target, ":") {
				continue
			}
			target = path.Join(path.Dir(p), target)
			reached[p+" "+target] = true
			if !t.has(target) {
				line := 1 + bytes.Count(text[:m[2]], []byte("\n"))
				out = append(out, finding{fmt.Sprintf("%s:%d", p, line), "links to " + target + ", which is not there"})
			}
		}
	}
	for _, p := range t.paths {
		index := path.Join(path.Dir(p), "README.md")
		indexed := path.Dir(p) == "docs/book" || path.Dir(p) == "docs/adr"
		if indexed && p != index && !reached[index+" "+p] {
			out = append(out, finding{p, "is not linked from " + index})
		}
	}
	return out
}

// has reports whether a file or a folder with files has that name.
func (t *tree) has(name string) bool {
	return slices.ContainsFunc(t.paths, func(p string) bool { return under(p, name) })
}

func decisionGate() gate {
	const whole = "# 0000. A\n\nStatus: accepted\n\n## Context\n\nx\n\n## Decision\n\nx\n\n## Consequences\n\nx\n"
	return gate{
		name:  "decisions",
		check: checkDecisions,
		bad: []example{
			{"gap", map[string]string{
				"docs/adr/0000-a.md": whole,
				"docs/adr/0002-c.md": strings.Replace(whole, "0000", "0002", 1),
			}, []string{"docs/adr/0002-c.md: is number 2 where 1 is next"}},
			{"name", map[string]string{"docs/adr/idea.md": whole}, []string{"docs/adr/idea.md: is not called NNNN-title.md"}},
			{"title", map[string]string{"docs/adr/0000-a.md": strings.Replace(whole, "0000", "0007", 1)}, []string{`docs/adr/0000-a.md: lacks "# 0000. "`}},
			{"order", map[string]string{"docs/adr/0000-a.md": strings.Replace(whole, "## Context", "## Consequences", 1)}, []string{`docs/adr/0000-a.md: lacks "## Context"`}},
			{"status", map[string]string{"docs/adr/0000-a.md": strings.Replace(whole, "accepted", "maybe", 1)}, []string{"docs/adr/0000-a.md: has no status"}},
		},
		good: []example{{"whole", map[string]string{"docs/adr/0000-a.md": whole, "docs/adr/README.md": "x\n"}, nil}},
	}
}

// checkDecisions wants the records numbered without a gap and each in the form
// of the template.
func checkDecisions(t *tree) []finding {
	name := regexp.MustCompile(`^(\d{4})-[a-z0-9-]+\.md$`)
	status := regexp.MustCompile(`(?m)^Status: (accepted|template|superseded by \d{4})$`)
	var out []finding
	next := 0
	for _, p := range t.paths {
		if path.Dir(p) != "docs/adr" || path.Base(p) == "README.md" {
			continue
		}
		m := name.FindStringSubmatch(path.Base(p))
		if m == nil {
			out = append(out, finding{p, "is not called NNNN-title.md"})
			continue
		}
		if n, err := strconv.Atoi(m[1]); err != nil || n != next {
			out = append(out, finding{p, fmt.Sprintf("is number %d where %d is next", n, next)})
			next = n
		}
		next++
		rest := string(t.read(p))
		for _, heading := range []string{"# " + m[1] + ". ", "\n## Context\n", "\n## Decision\n", "\n## Consequences\n"} {
			_, after, ok := strings.Cut(rest, heading)
			if !ok {
				out = append(out, finding{p, "lacks " + strconv.Quote(strings.TrimPrefix(strings.TrimSuffix(heading, "\n"), "\n")) + " at its place"})
				break
			}
			rest = after
		}
		if !status.Match(t.read(p)) {
			out = append(out, finding{p, "has no status: accepted, template or superseded by NNNN"})
		}
	}
	return out
}

// promises is where the names are listed that users were promised, by the manual
// that came before ours:
//
//	line = ("code" | "docs") kind name
//	kind = "flag" | "env" | "key" | "system"
//
// "docs" stands for a promise of which nothing is built yet.
const promises = "internal/archtest/testdata/promised.txt"

type promise struct {
	code       bool
	kind, name string
	at         string
}

func (t *tree) promises() []promise {
	var out []promise
	lines := bufio.NewScanner(bytes.NewReader(t.read(promises)))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		words := strings.SplitN(line, " ", 3)
		if len(words) != 3 {
			words = append(words, "", "")
		}
		out = append(out, promise{words[0] == "code", words[1], words[2], fmt.Sprintf("%s:%d", promises, n)})
	}
	return out
}

// book returns the text of all chapters.
func (t *tree) book() []byte {
	var book []byte
	for _, p := range t.paths {
		if path.Dir(p) == "docs/book" {
			book = append(book, t.read(p)...)
		}
	}
	return book
}

func promiseGate() gate {
	book := func(text, list string) map[string]string {
		return map[string]string{"docs/book/a.md": text, promises: list}
	}
	return gate{
		name:  "promises in the book",
		check: checkPromises,
		bad: []example{
			{"no list", map[string]string{"docs/book/a.md": "x\n"}, []string{promises + ": is missing or empty"}},
			{"left out", book("`CACHEPOT_DIRECTORY`\n", "# names\ncode env CACHEPOT_DIR\n"), []string{promises + ":2: env CACHEPOT_DIR is not in docs/book"}},
			{"kind", book("x\n", "code thing x\n"), []string{promises + ":1: is no promise"}},
			{"short", book("x\n", "code flag\n"), []string{promises + ":1: is no promise"}},
		},
		good: []example{{"there", book("`cachepot --stop-coordinator`, [cache.disk.dir](x), `CACHEPOT_DIR=/x`\n",
			"code flag --stop-coordinator\n\ndocs key cache.disk.dir\ncode env CACHEPOT_DIR\n"), nil}},
	}
}

// checkPromises wants every name that users were promised in the manual.
func checkPromises(t *tree) []finding {
	list := t.promises()
	if len(list) == 0 {
		return []finding{{promises, "is missing or empty"}}
	}
	book := t.book()
	var out []finding
	for _, p := range list {
		switch {
		case p.name == "" || !slices.Contains([]string{"flag", "env", "key", "system"}, p.kind):
			out = append(out, finding{p.at, "is no promise"})
		case !mentions(book, p.name):
			out = append(out, finding{p.at, p.kind + " " + p.name + " is not in docs/book"})
		}
	}
	return out
}

func settingsGate() gate {
	code := func(config, list string) map[string]string {
		return map[string]string{
			"internal/config/a.go": "package config\n\n" + config + "\n",
			"docs/book/a.md":       "`CACHEPOT_DIR`\n",
			promises:               list,
		}
	}
	return gate{
		name:  "settings in code",
		check: checkSettings,
		bad: []example{
			{"variable not read", code(`const a = "CACHEPOT_DIRS"[0:1]`, "code env CACHEPOT_DIR\n"), []string{
				"internal/config/a.go:3: CACHEPOT_DIRS is not in docs/book", promises + ":1: env CACHEPOT_DIR is not in internal/config"}},
			{"key not read", code(`type t struct { A string `+"`toml:\"dirs\"`"+` }`, "code key cache.disk.dir\n"), []string{promises + ":1: key cache.disk.dir is not in internal/config"}},
			{"flag not taken", code(`const a = "stop-coordinator"`, "code flag --stop-coordinator\n"), []string{promises + ":1: flag --stop-coordinator is not in internal/cli"}},
			{"in a test alone", map[string]string{
				"internal/config/a_test.go": "package config\n\nconst a = \"CACHEPOT_DIR\"\n", promises: "code env CACHEPOT_DIR\n",
			}, []string{promises + ":1: env CACHEPOT_DIR is not in internal/config"}},
		},
		good: []example{
			{"read", code(`type t struct { A string `+"`toml:\"dir\" env:\"CACHEPOT_DIR\"`"+` }`, "code key cache.disk.dir\ncode env CACHEPOT_DIR\ndocs env CACHEPOT_LATER\n"), nil},
			{"flag taken", map[string]string{
				"internal/cli/a.go": "package cli\n\nconst a = \"stop-coordinator\"\n", promises: "code flag --stop-coordinator\n",
			}, nil},
		},
	}
}

// readsVariables reports whether code in dir may ask for a variable of the user.
func readsVariables(dir string) bool {
	return dir == "internal/config" || dir == "internal/wrapper" || under(dir, "cmd")
}

// checkSettings wants every promised name in the literals of the package that
// reads its kind, and every variable of ours that the product reads in the book.
func checkSettings(t *tree) []finding {
	variable := regexp.MustCompile(`\bCACHEPOT_[A-Z0-9_]+\b`)
	book := t.book()
	var out []finding
	literals := map[string]*bytes.Buffer{"internal/config": {}, "internal/cli": {}}
	for _, f := range t.files {
		if f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			if !ok {
				return true
			}
			if b := literals[f.dir]; b != nil {
				b.WriteString(lit.Value + "\n")
			}
			for _, v := range variable.FindAllString(lit.Value, -1) {
				if readsVariables(f.dir) && !mentions(book, v) {
					out = append(out, t.at(lit.Pos(), "%s is not in docs/book", v))
				}
			}
			return true
		})
	}
	for _, p := range t.promises() {
		dir, name := "internal/config", p.name
		switch p.kind {
		case "key": // spelled whole, or part by part as structs and sections do
			name = name[strings.LastIndexByte(name, '.')+1:]
		case "flag":
			dir, name = "internal/cli", strings.TrimLeft(name, "-")
		}
		word := regexp.MustCompile(`\b` + regexp.QuoteMeta(name) + `\b`)
		if p.code && !word.Match(literals[dir].Bytes()) {
			out = append(out, finding{p.at, p.kind + " " + p.name + " is not in " + dir})
		}
	}
	return out
}

func statisticsGate() gate {
	const code = "package stats\n\ntype c struct {\n\tA int `json:\"cache_hits\"`\n\tB int `json:\"declined,omitempty\"`\n\tC int `json:\"-\"`\n}\n"
	return gate{
		name:  "statistics in the book",
		check: checkStatistics,
		bad: []example{
			{"left out", map[string]string{
				"internal/stats/a.go": code, "docs/book/statistics.md": "`cache_hits` `declined_calls`\n",
			}, []string{"internal/stats/a.go:5: declined is not in docs/book/statistics.md"}},
			{"around the counters", map[string]string{
				"internal/cli/a.go": code, "docs/book/statistics.md": "`declined`\n",
			}, []string{"internal/cli/a.go:4: cache_hits is not in docs/book/statistics.md"}},
		},
		good: []example{{"whole", map[string]string{
			"internal/stats/a.go": code, "docs/book/statistics.md": "`cache_hits` `declined`\n",
		}, nil}},
	}
}

// checkStatistics wants every field of the statistics' JSON in its chapter: the
// counters and what the command line puts around them.
func checkStatistics(t *tree) []finding {
	const chapter = "docs/book/statistics.md"
	tag := regexp.MustCompile(`json:"(\w+)[,"]`)
	text := t.read(chapter)
	var out []finding
	for _, f := range t.files {
		if f.dir != "internal/stats" && f.dir != "internal/cli" || f.test {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			field, ok := n.(*ast.Field)
			if !ok || field.Tag == nil {
				return true
			}
			m := tag.FindStringSubmatch(field.Tag.Value)
			if m != nil && !mentions(text, m[1]) {
				out = append(out, t.at(field.Pos(), "%s is not in %s", m[1], chapter))
			}
			return true
		})
	}
	return out
}
