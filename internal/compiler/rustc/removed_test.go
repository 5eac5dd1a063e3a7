package rustc

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/compiler"
)

// TestReduce: a run that may load foreign code sees what its key holds and the
// plumbing, and nothing else.
func TestReduce(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	env := compiler.Environ{"B=1", "A=2", "B=3", "TERM=x", "SSH_TTY=/dev/pts/1", "CACHEPOT_LOG=trace", "_=/bin/x", "GITHUB_SHA=1", "CI_JOB_ID=7",
		"TMPDIR=/t", "CARGO_MAKEFLAGS=-j", "LC_ALL=C", "CARGO_PKG_NAME=p", "SHLVL=1", "CARGO_TERM_COLOR=always", "RUSTC_WRAPPER=w", "LD_LIBRARY_PATH=/l"}
	plain := []string{"CARGO_PKG_NAME=p", "GITHUB_SHA=1", "LC_ALL=C", "LD_LIBRARY_PATH=/l"}
	for _, tc := range []struct {
		name string
		json bool
		pwd  string
		vars compiler.Variables
		want environment
	}{
		{"messages for people", false, "/", compiler.Variables{}, environment{keyed: append([]string{"A=2", "B=1", "TERM=x"}, plain...)}},
		{"messages for cargo", true, dir, compiler.Variables{}, environment{keyed: append([]string{"A=2", "B=1"}, plain...)}},
		{"a spelling of the directory", true, link, compiler.Variables{}, environment{keyed: append([]string{"A=2", "B=1", "PWD=" + link}, plain...)}},
		{"removed", true, "/", compiler.Variables{Removed: []string{"A", "CARGO_PKG_*", "LD_LIBRARY_PATH", "TMPDIR"}},
			environment{keyed: []string{"B=1", "GITHUB_SHA=1", "LC_ALL=C", "LD_LIBRARY_PATH=/l"}}},
		{"keyed", true, "/", compiler.Variables{Keyed: []string{"CI_JOB_ID", "SSH_*", "A"}, Removed: []string{"A"}, Plumbing: []string{"A"}},
			environment{keyed: append([]string{"A=2", "B=1", "CACHEPOT_PLUMBING=A", "CI_JOB_ID=7", "SSH_TTY=/dev/pts/1"}, plain...)}},
		{"plumbing", true, "/", compiler.Variables{Plumbing: []string{"LD_*", "B"}}, environment{keyed: append([]string{"A=2", "CACHEPOT_PLUMBING=B LD_*"}, plain...), passed: []string{"B=1"}}},
	} {
		call := callWith(dir)
		call.Env = append(env[:len(env):len(env)], "PWD="+tc.pwd)
		call.Variables = func([]string) (compiler.Variables, error) { return tc.vars, nil }
		k, err := New(mapOrigins{}).classesOf(call, &command{dir: dir, json: tc.json})
		if err != nil {
			t.Fatal(err)
		}
		got, err := k.reduce(call.Env)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(tc.want.keyed)
		if d := cmp.Diff(tc.want, *got, cmp.AllowUnexported(environment{})); d != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, d)
		}
	}
	k := &classes{}
	k.removed.Add("LD_PRELOAD")
	if _, err := k.reduce(compiler.Environ{"LD_PRELOAD=/x.so"}); err == nil {
		t.Error("a preloaded library is accepted where the user has it removed")
	}
}

// TestProjectIsAsked: by the directory of the call and by that of its outputs; a
// file that is not understood keeps a call that links from being cached, and no other.
func TestProjectIsAsked(t *testing.T) {
	var asked []string
	problem := compiler.NotCacheable("not understood")
	variables := func(dirs []string) (compiler.Variables, error) {
		asked = dirs
		return compiler.Variables{}, problem
	}
	dir := t.TempDir()
	for _, tc := range []struct {
		kind string
		want []string
	}{{"bin", []string{dir, dir + "/o"}}, {"lib", nil}} {
		asked = nil
		call := callWith(dir, "--crate-name=x", "--out-dir=o", "--emit=dep-info,link", "--crate-type="+tc.kind, "x.rs")
		call.Variables = variables
		_, err := New(mapOrigins{}).Parse(call)
		if d := cmp.Diff(tc.want, asked); d != "" || errors.Is(err, problem) != (tc.want != nil) {
			t.Errorf("%s: %v; asked by: -want +got\n%s", tc.kind, err, d)
		}
	}
}

// TestRemovedTable: a name is in one row only, and none is what the compiler
// itself reads or a build is rightly made of.
func TestRemovedTable(t *testing.T) {
	seen := map[string]string{}
	k := &classes{}
	for _, g := range Removed() {
		for _, p := range g.Names {
			if other, twice := seen[p]; twice {
				t.Errorf("%s is of %s and of %s", p, other, g.What)
			}
			seen[p] = g.What
			if c := envClassOf(strings.TrimSuffix(p, "*")); c == envKeyed || c == envRefused {
				t.Errorf("%s is read by rustc", p)
			}
		}
		k.removed.Add(g.Names...)
	}
	for _, name := range []string{"GITHUB_SHA", "GITHUB_REF", "GITHUB_REF_NAME", "GITHUB_ACTOR", "CI_COMMIT_SHA", "CI_COMMIT_TAG", "GIT_COMMIT",
		"VERSION", "BUILDKITE_COMMIT", "CIRCLE_SHA1", "BUILD_SOURCEVERSION", "PATH", "HOME", "USER", "LANG", "CI", "SOURCE_DATE_EPOCH", "CARGO_PKG_NAME", "OUT_DIR"} {
		if k.of(name) != classKeyed {
			t.Errorf("%s is removed", name)
		}
	}
}

// TestNamed: what is written where, and whether the run sees it then.
func TestNamed(t *testing.T) {
	const job, tty, stamp = "CI_JOB_ID", "SSH_TTY", "STAMP_NUMBER"
	for _, tc := range []struct {
		name  string
		files project
		want  []string
	}{
		{"nothing", project{"src/x.rs": "fn main() {}"}, nil},
		{"env!", project{"src/x.rs": "const A: &str = env!(\"CI_JOB_ID\");"}, []string{job}},
		{"unset", project{"src/x.rs": "option_env!(\"CI_JOB_URL\")"}, []string{"CI_JOB_URL"}},
		{"another file", project{"src/x.rs": "mod y;", "src/y/mod.rs": "env!( r#\"SSH_TTY\"# )"}, []string{tty}},
		{"a template", project{"src/x.rs": "include_dir!(\"$CI_JOB_ID/x\")"}, []string{job}},
		{"longer and shorter words", project{"src/x.rs": "\"CI_JOB_IDS\" \"A_CI_JOB_ID\" \"CI_JOB\""}, nil},
		{"the user's", project{"src/x.rs": "\"STAMP_NUMBER\" \"STAMP\""}, []string{stamp}},
		{"a short word", project{"src/x.rs": "const WINDOWS: u8 = TMUX + STY;"}, nil},
		{"a short name", project{"src/x.rs": "option_env!(\"TMUX\")"}, []string{"TMUX"}},
		{"no Rust", project{"src/x.rs": "", "src/notes": "CI_JOB_ID"}, nil},
		{"a build's directory", project{"src/x.rs": "", "src/target/x.rs": "\"CI_JOB_ID\"", "src/.git/x.rs": "\"CI_JOB_ID\""}, nil},
		{"OUT_DIR", project{"src/x.rs": "", "out/made.rs": "env!(\"CI_JOB_ID\")"}, []string{job}},
		{"a linker that is a script", project{"src/x.rs": "", "lk": "#!/bin/sh\nexec cc -Wl,--defsym=j=$CI_JOB_ID \"$@\""}, []string{job}},
		{"a linker that is none", project{"src/x.rs": "", "lk": "\x7fELF CI_JOB_ID"}, nil},
	} {
		dir := t.TempDir()
		project(tc.files).write(t, dir)
		call := callWith(dir, "--crate-name=x", "--crate-type=bin", "--emit=dep-info,link", "-Clinker=./lk", "src/x.rs")
		call.Env = compiler.Environ{"OUT_DIR=" + dir + "/out", "CI_JOB_ID=1"}
		call.Variables = func([]string) (compiler.Variables, error) {
			return compiler.Variables{Removed: []string{"STAMP_*"}}, nil
		}
		l := New(mapOrigins{})
		inv, err := l.Parse(call)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.namedVariables(call, inv.Detail.(*detail), nil); !cmp.Equal(tc.want, got) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestNamedInCode: of a shared library all constants count.
func TestNamedInCode(t *testing.T) {
	k := &classes{}
	k.removed.Add("CI_JOB_ID", "TMUX", "SSH_*")
	k.keyed.Add("SSH_KEY")
	for text, want := range map[string][]string{
		"xyCI_JOB_IDpanicked at": {"CI_JOB_ID"},
		"TMUX":                   nil,
		"SSH_TTYreading SSH_":    {"SSH_TTY"},
		"CI_JOB":                 nil,
	} {
		n := newNameSearch(k, compiler.Environ{"SSH_TTY=1", "SSH_KEY=1", "CI_JOB_ID=2", "TMUX=3"})
		n.code([]byte(text))
		var got []string
		for name := range n.found {
			got = append(got, name)
		}
		if !cmp.Equal(want, got) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
