package neverwrong

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// trouble is something that keeps cachepot from caching.
type trouble struct {
	name  string
	extra []string                                      // variables; $R is the instance's directory
	prep  func(t *testing.T, i *harness.Instance)       // before anything runs
	wrap  func(i *harness.Instance, call string) string // shell around the calls
}

func troubles() []trouble {
	file := func(name, text string, mode os.FileMode) func(*testing.T, *harness.Instance) {
		return func(t *testing.T, i *harness.Instance) {
			t.Helper()
			p := filepath.Join(i.Root, name)
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(p, []byte(text), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir := func(name string, mode os.FileMode) func(*testing.T, *harness.Instance) {
		return func(t *testing.T, i *harness.Instance) {
			t.Helper()
			p := filepath.Join(i.Root, name)
			if os.MkdirAll(p, 0o755) != nil || os.Chmod(p, mode) != nil {
				t.Fatal("cannot make " + p)
			}
		}
	}
	full := func(size, after string) func(*harness.Instance, string) string {
		return func(i *harness.Instance, call string) string {
			return "unshare -rm sh -c 'mkdir -p " + i.Cache + "; mount -t tmpfs -o size=" + size + ",mode=700 none " + i.Cache + "; " +
				i.Wrapper + " --start-coordinator 2>/dev/null; " + after + call + "; x=$?; " + i.Wrapper + " --stop-coordinator >/dev/null 2>&1; exit $x'"
		}
	}
	return []trouble{
		{name: "cache directory is a file", prep: file("cache", "x", 0o600)},
		{name: "cache directory cannot be made", extra: []string{"CACHEPOT_DIR=/proc/none/cache"}},
		{name: "cache directory is open to others", prep: dir("cache", 0o777)},
		{name: "cache directory is a dangling link", prep: func(t *testing.T, i *harness.Instance) {
			t.Helper()
			if err := os.Symlink("/none/at/all", i.Cache); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "part of the cache is a file", prep: file("cache/cas", "x", 0o600)},
		{name: "state directory is a file", prep: file("state", "x", 0o600)},
		{name: "configuration cannot be parsed", prep: file("config/cachepot/config", "[cache\n", 0o600)},
		{name: "configuration has an unknown key", prep: file("config/cachepot/config", "nonsense = 1\n", 0o600)},
		{name: "configuration file is missing", extra: []string{"CACHEPOT_CONF=/none"}},
		{name: "a variable is wrong", extra: []string{"CACHEPOT_CACHE_SIZE=lots"}},
		{name: "port is wrong", extra: []string{"CACHEPOT_COORDINATOR_PORT=0"}},
		{name: "runtime directory is missing", extra: []string{"XDG_RUNTIME_DIR=/none"}},
		{name: "squatter's directory", prep: dir("run/cachepot", 0o777)},
		{name: "squatter's file", prep: file("run/cachepot", "x", 0o600)},
		{name: "disk full", wrap: full("64k", "")},
		{name: "disk full later", wrap: full("2m", "head -c 3000000 /dev/zero >"+"$R/cache/fill 2>/dev/null; ")},
		{name: "disk read-only", wrap: full("2m", "mount -o remount,ro $R/cache; ")},
		{name: "disk read-only from the start", wrap: func(i *harness.Instance, call string) string {
			return "unshare -rm sh -c 'mkdir -p " + i.Cache + "; mount -t tmpfs -o ro,mode=700 none " + i.Cache + "; " + call + "; x=$?; " + i.Wrapper + " --stop-coordinator >/dev/null 2>&1; exit $x'"
		}},
		{name: "no coordinator installed", wrap: func(i *harness.Instance, call string) string {
			alone := filepath.Join(i.Root, "alone", "cachepot")
			return "mkdir -p " + filepath.Dir(alone) + "; cp " + i.Wrapper + " " + alone + "; " + strings.ReplaceAll(call, i.Wrapper, alone)
		}},
		{name: "switched off", extra: []string{"CACHEPOT_NO_CACHE=1"}},
	}
}

// TestGoesOn is the second table: the compiler alone would pass, so the wrapped
// call passes, with one line of warning at most.
func TestGoesOn(t *testing.T) {
	const call = "$CC -g -MD -Wall -c a.c -o a.o"
	for _, tr := range troubles() {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			i := shared.private(t)
			for _, kv := range tr.extra {
				i.Env = append(without(i.Env, kv[:strings.IndexByte(kv, '=')+1]), kv)
			}
			if tr.prep != nil {
				tr.prep(t, i)
			}
			c := &testCase{files: files{"a.c": "#include <stddef.h>\n#include \"h.h\"\nint f(void) { int unused; return V; }\n", "h.h": "#define V 1\n"}}
			root := shared.place()
			bare := &history{t: t, c: c, root: root, cc: shared.bare("gcc"), env: i.Env}
			potted := &history{t: t, c: c, root: root, cc: i.Wrapper + " gcc", env: i.Env}
			exact := &history{t: t, c: c, root: root, cc: "gcc", env: i.Env} // where cachepot knows no better
			changes := []string{":", ":", "rm -f a.o", "echo '#define V 2' >h.h", "echo 'int x;' >h.h", "echo '#define V 3' >h.h"}
			for _, h := range []*history{bare, exact} {
				h.setUp()
				for _, change := range changes {
					h.shell(change)
					h.results = append(h.results, h.call(call))
				}
			}
			potted.setUp()
			for n, change := range changes {
				potted.shell(change)
				script := expand(call, potted.cc)
				if tr.wrap != nil {
					script = strings.ReplaceAll(tr.wrap(i, script), "$R", i.Root)
				}
				got := potted.call(script)
				got.Stderr = withoutWarning(t, got.Stderr)
				if d := harness.Diff(bare.results[n], got, nil); d != "" && harness.Diff(exact.results[n], got, nil) != "" {
					t.Errorf("WRONG at call %d\n%s", n+1, d)
				}
			}
		})
	}
}

// withoutWarning takes the one line away that cachepot may print.
func withoutWarning(t *testing.T, stderr string) string {
	t.Helper()
	var rest []string
	own := 0
	for _, line := range strings.SplitAfter(stderr, "\n") {
		if strings.HasPrefix(line, "cachepot: ") {
			own++
			continue
		}
		rest = append(rest, line)
	}
	if own > 1 {
		t.Errorf("%d lines of warning:\n%s", own, stderr)
	}
	return strings.Join(rest, "")
}

func without(env []string, prefix string) []string {
	var out []string
	for _, kv := range env {
		if !strings.HasPrefix(kv, prefix) {
			out = append(out, kv)
		}
	}
	return out
}

// TestOtherPrograms is about what is no compiler at all.
func TestOtherPrograms(t *testing.T) {
	f := files{"a.c": "int v;\n", "script": "#!/bin/sh\necho out; echo err >&2; exit 3\n", "plain": "not a program", "b.c": "int w;\n"}
	run := func(name, compiler, call string) testCase {
		return testCase{name: "program " + name, on: []string{compiler}, files: f, steps: []step{{"", call, "any"}, {"", "", "any"}}}
	}
	runCases(t, []testCase{
		run("ld", "ld", "$CC --version; echo $?"),
		run("ld that fails", "ld", "$CC none.o; echo $?"),
		run("true", "true", "$CC; echo $?"),
		run("false", "/bin/false", "$CC; echo $?"),
		run("shell", "sh", "$CC -c 'echo $0 $@; exit 7' a b; echo $?"),
		run("killed", "sh", "$CC -c 'kill -KILL $$'; echo $?"),
		run("killed by SIGPIPE", "sh", "$CC -c 'kill -PIPE $$'; echo $?"),
		run("script", "./script", "$CC a b; echo $?"),
		run("cat", "cat", "echo hi | $CC - a.c; echo $?"),
		run("env", "env", "X=1 $CC | grep -v '^_=\\|^CACHEPOT\\|^XDG\\|^PWD\\|^OLDPWD' | sort"),
		run("as", "as", "$CC -o a.o /dev/null; echo $?"),
		run("ar", "ar", "$CC rcsD x.a a.c; echo $?"),
		run("seq into head", "seq", "$CC 1 100000 | head -2"),
		run("cpp", "cpp", "$CC a.c; echo $?"),
		run("python", "python3", "$CC -c 'import sys; sys.stdout.buffer.write(bytes(range(256))); sys.stderr.buffer.write(bytes(range(256)))' | cksum"),
		run("make of a sub-build", "make", "printf 'a.o: a.c\\n\\tgcc -c a.c\\n' >Makefile; rm -f a.o; $CC; echo $?"),
	})
}

// TestMissingCompiler compares with what a shell says of the same: the status
// must be equal, the words may differ.
func TestMissingCompiler(t *testing.T) {
	t.Parallel()
	i := shared.borrow(t)
	for _, name := range []string{"no-such-compiler", "./none", "/none/gcc", "./plain", "./dir"} {
		root := shared.place()
		c := &testCase{files: files{"plain": "int v;\n", "dir/k": ""}}
		h := &history{t: t, c: c, root: root, cc: "", env: i.Env}
		h.setUp()
		want := h.call(name + " -c a.c")
		got := h.call(i.Wrapper + " " + name + " -c a.c")
		if want.Status != got.Status || got.Stdout != "" || strings.Count(got.Stderr, "\n") != 1 {
			t.Errorf("%s: bare %s, cachepot %s with %q", name, want.Status, got.Status, got.Stderr)
		}
	}
}
