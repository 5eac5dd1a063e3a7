package archtest

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/cfamily"
	"github.com/cachepot/cachepot/internal/compiler/clang"
	"github.com/cachepot/cachepot/internal/compiler/gcc"
	"github.com/cachepot/cachepot/internal/compiler/rustc"
)

// TestBookShowsVariables keeps the tables of variables in the manual those that the
// compilers' packages give.
func TestBookShowsVariables(t *testing.T) {
	const chapter = "docs/book/environment.md"
	text := realTree(t).read(chapter)
	for name, table := range map[string]string{
		"removed": removedTable(), "plumbing": "\n`" + strings.Join(compiler.Plumbing(), "`, `") + "`\n", "C family": cFamilyTable(),
	} {
		begin, end := "<!-- "+name+": checked by internal/archtest -->\n", "<!-- end of "+name+" -->\n"
		_, rest, ok := bytes.Cut(text, []byte(begin))
		got, _, closed := bytes.Cut(rest, []byte(end))
		if want := table + "\n"; !ok || !closed || string(got) != want {
			t.Errorf("%s: between %q and %q put\n%s", chapter, begin, end, want)
		}
	}
}

func removedTable() string {
	var b strings.Builder
	b.WriteString("\n| of | variables |\n|---|---|\n")
	for _, g := range rustc.Removed() {
		b.WriteString("| " + g.What + " | `" + strings.Join(g.Names, "`, `") + "` |\n")
	}
	return b.String()
}

// cFamilyTable has a row for each reason, with the compilers that it holds for.
func cFamilyTable() string {
	type row struct {
		rule cfamily.EnvRule
		on   string
	}
	rows := map[row][]string{}
	g, c := gcc.Env(), clang.Env()
	for name, rule := range g {
		if c[name] == rule {
			rows[row{rule, "both"}] = append(rows[row{rule, "both"}], name)
		} else {
			rows[row{rule, "gcc"}] = append(rows[row{rule, "gcc"}], name)
		}
	}
	for name, rule := range c {
		if g[name] != rule {
			rows[row{rule, "clang"}] = append(rows[row{rule, "clang"}], name)
		}
	}
	classes := map[cfamily.Class]string{cfamily.Keyed: "keyed", cfamily.Message: "keyed where there are messages",
		cfamily.Forbid: "not cached where set", cfamily.WorkDir: "keyed where it spells the working directory in another way"}
	var b strings.Builder
	b.WriteString("\n| class | compiler | what for | variables |\n|---|---|---|---|\n")
	for _, r := range slices.SortedFunc(maps.Keys(rows), func(x, y row) int {
		return strings.Compare(classes[x.rule.Class]+x.on+x.rule.Why, classes[y.rule.Class]+y.on+y.rule.Why)
	}) {
		slices.Sort(rows[r])
		b.WriteString("| " + classes[r.rule.Class] + " | " + r.on + " | " + r.rule.Why + " | `" + strings.Join(rows[r], "`, `") + "` |\n")
	}
	return b.String()
}
