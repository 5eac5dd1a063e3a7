package rustc

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/compiler"
)

func TestClassify(t *testing.T) {
	env := compiler.Environ{"TERM=xterm", "FOO=1", "RUSTC_BOOTSTRAP=1", "FOO=2", "CARGO_PKG_NAME=x", "LD_LIBRARY_PATH=/x",
		"CLIPPY_CONF_DIR=/c", "HOME=/h", "LC_ALL=C", "RUSTC_WRAPPER=w"}
	for _, tc := range []struct {
		name          string
		clippy, proxy bool
		want          environment
	}{
		{"rustc", false, false, environment{
			keyed:    []string{"LD_LIBRARY_PATH=/x", "RUSTC_BOOTSTRAP=1"},
			messages: []string{"LC_ALL=C", "TERM=xterm"},
			passed:   []string{"CARGO_PKG_NAME=x", "CLIPPY_CONF_DIR=/c", "FOO=1", "HOME=/h", "RUSTC_WRAPPER=w"},
		}},
		{"clippy by proxy", true, true, environment{
			keyed:    []string{"CLIPPY_CONF_DIR=/c", "HOME=/h", "LD_LIBRARY_PATH=/x", "RUSTC_BOOTSTRAP=1"},
			messages: []string{"LC_ALL=C", "TERM=xterm"},
			passed:   []string{"CARGO_PKG_NAME=x", "FOO=1", "RUSTC_WRAPPER=w"},
		}},
	} {
		got, err := classify(env, tc.clippy, tc.proxy)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(tc.want, *got, cmp.AllowUnexported(environment{})); d != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, d)
		}
	}
	if _, err := classify(compiler.Environ{"LD_PRELOAD=/x.so"}, false, false); err == nil {
		t.Error("a preloaded library is accepted")
	}
}

// getenvLogger is a library for LD_PRELOAD that writes the name of every variable
// that is asked for to the file that GETENV_LOG names.
const getenvLogger = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
static char *ask(const char *how, const char *name) {
	char *(*real)(const char *) = dlsym(RTLD_NEXT, how);
	char line[300];
	int n = snprintf(line, sizeof line, "%s\n", name);
	int fd = open(real("GETENV_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0644);
	if (write(fd, line, n) != n) _exit(99);
	close(fd);
	return real(name);
}
char *getenv(const char *name) { return ask("getenv", name); }
char *secure_getenv(const char *name) { return ask("secure_getenv", name); }
`

// TestVariablesThatAreRead: whatever variable the compiler asks for is keyed,
// shapes messages, is refused, is plumbing, or is in the dependency list.
func TestVariablesThatAreRead(t *testing.T) {
	dir := t.TempDir()
	project{
		"log.c": getenvLogger,
		"quiet.rs": "pub const A: Option<&str> = option_env!(\"ASKED_UNSET\"); pub const B: &str = env!(\"ASKED_SET\");\n" +
			"pub const C: &str = env!(\"ASKED_SET\"); macro_rules! m { ($n:literal) => { option_env!($n) } } pub const D: Option<&str> = m!(\"ASKED_EMPTY\");",
		"noisy.rs": "#[cfg(unheard_of)] pub fn f() {}\npub fn g() { let unused = 1; }\nfn never() {}\npub const X: u8 = { let mut i = 0; while i < 3 { i += 1 } i };",
	}.write(t, dir)
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-o", dir+"/log.so", dir+"/log.c", "-ldl").CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	sysroot := sysrootOf(t)
	for _, tc := range []struct {
		program, source string
		args            []string
	}{
		{"rustc", "quiet.rs", nil},
		{"rustc", "noisy.rs", []string{"--check-cfg", "cfg(docsrs)", "-g", "-O"}},
		{"rustc", "noisy.rs", []string{"--error-format=json", "--json=diagnostic-rendered-ansi,artifacts", "--diagnostic-width=80", "--check-cfg", "cfg(docsrs)"}},
		{"rustc", "quiet.rs", []string{"-Copt-level=3", "-Ccodegen-units=16", "-Cinstrument-coverage", "-L", "native=x", "-lstatic:-bundle=q"}},
		{"clippy-driver", "quiet.rs", nil},
		{"clippy-driver", "noisy.rs", []string{"-Wclippy::pedantic", "-Wclippy::restriction"}},
	} {
		log := filepath.Join(t.TempDir(), "log")
		cmd := exec.Command(filepath.Join(sysroot, "bin", tc.program), append([]string{"--crate-name", "l", "--edition=2021",
			tc.source, "--crate-type=lib", "--emit=dep-info,metadata,link"}, tc.args...)...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LD_PRELOAD=" + dir + "/log.so", "GETENV_LOG=" + log, "ASKED_SET=1", "ASKED_EMPTY="}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
		}
		deps, err := parseDepInfo(string(read1(t, dir+"/l.d")))
		if err != nil {
			t.Fatal(err)
		}
		if tc.source == "quiet.rs" {
			want := []string{"ASKED_EMPTY", "ASKED_SET", "ASKED_UNSET"}
			if tc.program != "rustc" {
				want = append(want, "CLIPPY_ARGS", "CLIPPY_CONF_DIR")
			}
			if d := cmp.Diff(want, deps.env); d != "" {
				t.Errorf("dependency list: -want +got\n%s", d)
			}
		}
		named := map[string]bool{}
		for _, n := range deps.env {
			named[n] = true
		}
		for name := range strings.FieldsSeq(string(read1(t, log))) {
			if !named[name] && !accounted(name, tc.program != "rustc") {
				t.Errorf("%s %v asks for %s, of which nothing is known", tc.program, tc.args, name)
			}
		}
	}
}

func accounted(name string, clippy bool) bool {
	switch name {
	case "MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS", "TMPDIR": // plumbing
		return true
	case "RUST_MIN_STACK": // a crate compiles or does not
		return true
	case "bar": // LLVM asks for it so that the linker keeps its passes, and goes by nothing of it
		return true
	}
	return envClassOf(name) != envPassed || clippy && clippyReads(name)
}
