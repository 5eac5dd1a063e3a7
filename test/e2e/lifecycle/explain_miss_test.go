package lifecycle

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// change is something that makes a call miss, and what explain has to say of it.
type change struct {
	what string
	do   func(i *instance)
	vars []string // for this call and those after it
	args []string // in place of the call's
	says string
}

// explained makes a call, then changes one thing after the other. After each, explain
// names it beforehand for the call and afterwards for the latest miss, and nothing
// beside it.
func (i *instance) explained(call []string, changes []change) {
	i.t.Helper()
	j := i
	j.ok(call...)
	j.want(1, 0, func() { j.ok(call...) })
	for _, c := range changes {
		if c.do != nil {
			c.do(i)
		}
		if c.vars != nil {
			j = j.with(c.vars...)
		}
		if c.args != nil {
			call = c.args
		}
		before := j.cachepot(append([]string{"explain"}, call...)...)
		j.want(0, 1, func() { j.ok(call...) })
		after := j.cachepot("explain")
		for _, r := range []result{before, after} {
			_, reasons, _ := strings.Cut(r.stdout, "\nmiss")
			if !strings.Contains(reasons, "  - "+c.says+"\n") || strings.Count(reasons, "\n  - ") != 1 || strings.Contains(reasons, "directory changed") {
				i.t.Errorf("%s: explain does not say only %q:\n%s%s", c.what, c.says, r.stdout, r.stderr)
			}
		}
		j.want(1, 0, func() { j.ok(call...) })
	}
}

func writes(name, text string) func(*instance) {
	return func(i *instance) { i.write(name, text) }
}

// TestExplainGcc: each thing that a compile of gcc may miss by.
func TestExplainGcc(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "#include <h.h>\nint x = N;\n")
	i.write("b/h.h", "#define N 1\n")
	i.mkdir("work/a")
	i.mkdir("work/empty")
	i.script("bin/as", "#!/bin/sh\nexec /usr/bin/as \"$@\"\n")
	call := []string{"gcc", "-Ia", "-Ib", "-c", "x.c", "-o", "x.o"}
	longer := append([]string{"gcc", "-O1"}, call[1:]...)
	i.explained(call, []change{
		{what: "file", do: writes("b/h.h", "#define N 2\n"), says: "file " + i.work + "/b/h.h has changed"},
		{what: "source", do: writes("x.c", "#include <h.h>\nint y = N;\n"), says: "file " + i.work + "/x.c has changed"},
		{what: "path appears", do: writes("a/h.h", "#include_next <h.h>\n"), says: "file " + i.work + "/a/h.h was not there"},
		{what: "variable set", vars: []string{"CPATH=empty"}, says: "variable CPATH is set now"},
		{what: "variable changed", vars: []string{"CPATH=a"}, says: "variable CPATH has another value"},
		{what: "variable emptied", vars: []string{"CPATH="}, says: "variable CPATH is empty now"},
		{what: "flag", args: longer, says: `argument "-O1" is new`},
	})
	// The changes above are in force but for the variable, which i never had.
	if r := i.cachepot(append([]string{"explain"}, longer...)...); !strings.Contains(r.stdout, "  - variable CPATH is not set any more\n") {
		t.Errorf("a variable that is not set any more is not named:\n%s", r.stdout)
	}
	k := i.with("CPATH=", "PATH="+i.work+"/bin:"+os.Getenv("PATH"))
	if r := k.cachepot(append([]string{"explain"}, longer...)...); !strings.Contains(r.stdout, "  - the compiler or one of its helpers is another\n") {
		t.Errorf("another assembler is not named:\n%s", r.stdout)
	}
}

// TestExplainRust: each thing that a watched compile of rustc may miss by: here the
// linker is a script, which looks where it likes.
func TestExplainRust(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("a.rs", "fn main() {}\n")
	i.write("data", "")
	i.write("d/one", "")
	i.script("lk", "#!/bin/sh\nread o <data\n[ -e flag ] && o=-s\nfor f in d/*; do :; done\nexec cc $o \"$@\"\n")
	call := realRustc(t, []string{"rustc", "--crate-name", "a", "--crate-type", "bin", "--emit=dep-info,link", "-C", "linker=./lk", "a.rs"})
	i.explained(call, []change{
		{what: "source", do: writes("a.rs", "fn main() { print!(\"1\") }\n"), says: "file " + i.work + "/a.rs has changed"},
		{what: "file that the linker reads", do: writes("data", "-s"), says: "file " + i.work + "/data has changed"},
		{what: "path appears", do: writes("flag", ""), says: "file " + i.work + "/flag was not there"},
		{what: "listing gains a file", do: writes("d/two", ""), says: "file " + i.work + "/d/two was not there (names * are listed there)"},
		{what: "listing loses a file", do: func(i *instance) { i.must(os.Remove(i.work + "/d/one")) },
			says: "file " + i.work + "/d/one is gone or no longer read (names * are listed there)"},
		{what: "listing gains a directory", do: func(i *instance) { i.mkdir("work/d/sub") }, says: "directory " + i.work + "/d/sub was not there (names * are listed there)"},
		{what: "path vanishes", do: func(i *instance) { i.must(os.Remove(i.work + "/flag")) }, says: "file " + i.work + "/flag is gone or no longer read"},
		{what: "variable set", vars: []string{"SOME_FLAG=1"}, says: "variable SOME_FLAG is set now"},
		{what: "variable changed", vars: []string{"SOME_FLAG=2"}, says: "variable SOME_FLAG has another value"},
		{what: "variable emptied", vars: []string{"SOME_FLAG="}, says: "variable SOME_FLAG is empty now"},
		{what: "linker", do: func(i *instance) { i.script("lk", "#!/bin/sh\nexec cc \"$@\"\n") }, says: "file " + i.work + "/lk has changed"},
	})
	// Unset after it was set: nothing is remembered of a time without it.
	j := i.with("ONLY=1")
	i.write("b.rs", "fn main() {}\n")
	other := realRustc(t, []string{"rustc", "--crate-name", "b", "--crate-type", "bin", "--emit=dep-info,link", "b.rs"})
	j.ok(other...)
	if r := i.cachepot(append([]string{"explain"}, other...)...); !strings.Contains(r.stdout, "  - variable ONLY is not set any more\n") {
		t.Errorf("a variable that is not set any more is not named:\n%s", r.stdout)
	}
	// A removed one that the source names.
	i.write("b.rs", "fn main() { print!(\"{:?}\", option_env!(\"CI_JOB_ID\")) }\n")
	i.with("CI_JOB_ID=1").ok(other...)
	if r := i.with("CI_JOB_ID=2").cachepot(append([]string{"explain"}, other...)...); !strings.Contains(r.stdout, "  - variable CI_JOB_ID has another value\n") {
		t.Errorf("a removed variable that is named is not named:\n%s", r.stdout)
	}
}

// TestExplainRustLibrary: what a compile may miss by of which rules say what it reads.
func TestExplainRustLibrary(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("p.rs", "pub fn p() {}\n")
	i.write("q.rs", "pub fn q() { p::p() }\n")
	i.write("l.rs", "pub fn f() { q::q() }\npub const V: Option<&str> = option_env!(\"ASKED\");\n")
	lib := func(name string, more ...string) []string {
		return realRustc(t, append([]string{"rustc", "--crate-name", name, "--crate-type", "lib", "--emit=dep-info,metadata,link", "--out-dir", "o",
			"-C", "extra-filename=-0123456789abcdef", "-L", "dependency=o", name + ".rs"}, more...))
	}
	const suffix = "-0123456789abcdef"
	i.mkdir("work/o")
	i.ok(lib("p")...)
	i.ok(lib("q", "--extern", "p=o/libp"+suffix+".rmeta")...)
	call := lib("l", "--extern", "q=o/libq"+suffix+".rmeta")
	i.explained(call, []change{
		{what: "variable of env! set", vars: []string{"ASKED=1"}, says: "variable ASKED is set now"},
		{what: "variable of env! changed", vars: []string{"ASKED=2"}, says: "variable ASKED has another value"},
		{what: "variable of env! emptied", vars: []string{"ASKED="}, says: "variable ASKED is empty now"},
		{what: "source", do: writes("l.rs", "pub fn f() { q::q() }\npub const W: Option<&str> = option_env!(\"ASKED\");\n"), says: "file " + i.work + "/l.rs has changed"},
		{what: "flag", args: append(slices.Clone(call), "-g"), says: `argument "-g" is new`},
		// a crate that is found in the directory of the others by its name
		{what: "listing gains a crate", do: func(i *instance) {
			i.must(os.Link(i.work+"/o/libp"+suffix+".rmeta", i.work+"/o/libp"+suffix+".2.rmeta"))
		}, says: "file " + i.work + "/o/libp" + suffix + ".2.rmeta was not there (names libp" + suffix + "*.rmeta are listed there)"},
	})
}
