package lifecycle

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// workspace writes a cargo workspace with all that links: a macro, a library that uses
// it, a program, a build script, a test and an example.
func (i *instance) workspace() {
	i.t.Helper()
	i.write("Cargo.toml", "[workspace]\nmembers = [\"m\", \"l\", \"b\"]\nresolver = \"2\"\n")
	i.write("m/Cargo.toml", "[package]\nname = \"m\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\nproc-macro = true\n")
	i.write("m/src/lib.rs", "use proc_macro::TokenStream;\n#[proc_macro] pub fn name(_: TokenStream) -> TokenStream {\n"+
		" format!(\"{:?}\", std::env::var(\"CARGO_PKG_NAME\").unwrap()).parse().unwrap() }\n")
	i.write("l/Cargo.toml", "[package]\nname = \"l\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nm = { path = \"../m\" }\n")
	i.write("l/src/lib.rs", "pub fn name() -> &'static str { m::name!() }\n#[test] fn t() { assert_eq!(name(), \"l\") }\n")
	i.write("b/Cargo.toml", "[package]\nname = \"b\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nl = { path = \"../l\" }\n")
	i.write("b/build.rs", "fn main() { println!(\"cargo:rerun-if-changed=build.rs\") }\n")
	i.write("b/src/main.rs", "fn main() { println!(\"{} {}\", l::name(), env!(\"CARGO_PKG_VERSION\")) }\n")
	i.write("b/tests/t.rs", "#[test] fn t() { assert_eq!(l::name(), \"l\") }\n")
	i.write("b/examples/e.rs", "fn main() { println!(\"{}\", l::name()) }\n")
}

// TestSessions: a build from a terminal has made a hit of every compile of the same
// build by a CI job, by another one, and from another terminal: what tells one from
// the other is no part of what they build.
func TestSessions(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cargo"); err != nil {
		t.Skip("no cargo here")
	}
	i := start(t, "CARGO_INCREMENTAL=0", "GITHUB_SHA=0123abc")
	i.workspace()
	build := []string{"cargo", "build", "--workspace", "--all-targets", "--offline"}
	sub := i.work + "/l"
	sessions := []struct {
		name     string
		terminal bool
		vars     []string
	}{
		{"terminal", true, []string{"TERM=xterm-256color", "COLORTERM=truecolor", "SHLVL=1", "SSH_TTY=/dev/pts/1", "SSH_CONNECTION=10.0.0.1 1", "DISPLAY=:0",
			"XDG_SESSION_ID=7", "TMUX=/tmp/tmux-0/default,1,0", "LS_COLORS=di=1", "PWD=" + i.work, "OLDPWD=/", "_=/usr/bin/cargo"}},
		{"CI job", false, []string{"TERM=dumb", "CARGO_TERM_COLOR=always", "CARGO_TERM_VERBOSE=true", "CI_JOB_ID=11", "CI_PIPELINE_ID=3", "CI_JOB_TOKEN=secret", "GITHUB_RUN_ID=5",
			"BUILD_NUMBER=8", "HOSTNAME=runner-1", "NO_COLOR=1", "PWD=/builds", "SHLVL=3", "CARGO_BUILD_JOBS=1", "MAKEFLAGS=", "GITHUB_ENV=/tmp/e1"}},
		{"next CI job", false, []string{"CI_JOB_ID=12", "CI_PIPELINE_ID=4", "CI_JOB_TOKEN=other", "GITHUB_RUN_ID=6", "BUILD_NUMBER=9", "HOSTNAME=runner-2",
			"PWD=" + sub, "GITHUB_ENV=/tmp/e2"}},
		{"another terminal", true, []string{"TERM=screen", "SHLVL=4", "SSH_TTY=/dev/pts/9", "TMUX_PANE=%3", "VSCODE_PID=1", "TERM_PROGRAM=vscode", "PWD=/"}},
	}
	for n, s := range sessions {
		// By another name of the wrapper, too: cargo passes that on.
		name := i.dir + "/by-" + strings.ReplaceAll(s.name, " ", "-")
		i.must(os.Symlink(i.bin, name))
		j := i.with(append(s.vars, "RUSTC_WRAPPER="+name+"/cachepot")...)
		i.must(os.RemoveAll(i.work + "/target"))
		before := i.stats()
		var r result
		var shown string
		if s.terminal {
			shown, r = j.onTerminal(build...)
		} else {
			r = j.run(build...)
		}
		if r.code != 0 {
			t.Fatalf("%s: status %d\n%s%s", s.name, r.code, shown, r.stderr)
		}
		after := i.stats()
		hits, misses := after.hits()-before.hits(), after.misses()-before.misses()
		if n == 0 && (misses < 8 || len(after.NotStored) > 0) || n > 0 && (misses > 0 || hits < 8) {
			t.Errorf("%s: %d hits, %d misses, not stored %v, not cached %v\n%s", s.name, hits, misses, after.NotStored, after.NotCached, i.cachepot("explain").stdout)
		}
	}
	if r := i.run("target/debug/b"); r.stdout != "l 0.1.0\n" {
		t.Errorf("the program prints %q", r.stdout)
	}
	// What a program may rightly be made of counts.
	i.must(os.RemoveAll(i.work + "/target"))
	before := i.stats()
	i.with("GITHUB_SHA=4567def", "RUSTC_WRAPPER="+i.wrapper()).run(build...)
	if after := i.stats(); after.misses() == before.misses() {
		t.Error("another commit is all hits: no linker could have read it")
	}
	if r := i.cachepot("explain"); !strings.Contains(r.stdout, "variable GITHUB_SHA has another value") {
		t.Errorf("explain does not name the variable:\n%s", r.stdout)
	}
}
