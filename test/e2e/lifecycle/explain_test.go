package lifecycle

import (
	"os"
	"strings"
	"testing"
	"time"
)

// TestExplain: the reason of a miss is named, down to the file, flag or variable.
func TestExplain(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("h.h", "#define N 1\n")
	i.write("x.c", "#include \"h.h\"\nint x = N;\n")
	i.write("inc/other.h", "\n")
	call := []string{"gcc", "-O1", "-c", "x.c", "-o", "x.o"}
	// A result is stored after its wrapper has ended: it may take a moment.
	says := func(args []string, words ...string) {
		t.Helper()
		var r result
		for end := time.Now().Add(3 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if r = i.cachepot(append([]string{"explain"}, args...)...); r.code == 0 && containsAll(r.stdout, words) {
				return
			}
		}
		if r.code != 0 || r.stderr != "" {
			t.Errorf("explain: status %d: %s", r.code, r.stderr)
		}
		for _, w := range words {
			if !strings.Contains(r.stdout, w) {
				t.Errorf("explain does not say %q:\n%s", w, r.stdout)
			}
		}
	}
	says(call, "miss", "nothing like it")
	if i.exists("x.o") {
		t.Error("explain has compiled")
	}
	i.write("probe.c", "#error no\n")
	i.run(i.wrapper(), "gcc", "-c", "probe.c", "-o", "probe.o")
	says(nil, "compile failed", "probe.c")
	i.ok(call...)
	i.run(i.wrapper(), "gcc", "-c", "probe.c", "-o", "probe.o")
	says(nil, "miss", "first compile", "x.c")
	says(call, "hit")

	i.write("h.h", "#define N 2\n")
	says(call, "miss", i.work+"/h.h has changed")
	i.ok(call...)
	says(nil, "miss", i.work+"/h.h has changed")

	i.ok("gcc", "-O2", "-c", "x.c", "-o", "x.o")
	says(nil, "miss", `"-O2" is new`, `"-O1" is gone`)

	j := i.with("CPATH=" + i.work + "/inc")
	j.ok(call...)
	says(nil, "miss", "CPATH")
	if r := j.cachepot("explain"); strings.Contains(r.stdout, "CPATH="+i.work) {
		t.Errorf("values of variables are shown:\n%s", r.stdout)
	}

	i.script("bin/as", "#!/bin/sh\nexec /usr/bin/as \"$@\"\n")
	k := i.with("PATH=" + i.work + "/bin:" + os.Getenv("PATH"))
	k.ok(call...)
	says(nil, "miss", "compiler or one of its helpers")

	if r := i.cachepot("gcc", "-fplugin=no-such", "-c", "x.c", "-o", "x.o"); r.code == 0 {
		t.Error("a plugin that is not there is no obstacle to gcc?")
	}
	says(nil, "not cached", "plugin")
	says([]string{"gcc", "-E", "x.c"}, "not cached")
	says([]string{"sh", "-c", "true"}, "not cached", "unknown compiler")
	if r := i.cachepot("explain", "no-such-compiler", "-c", "x.c"); r.code != 2 || !strings.Contains(r.stderr, "no-such-compiler") {
		t.Errorf("explain of a program that is missing: %d %q", r.code, r.stderr)
	}
	// From another directory, by another name of the compiler, and after a restart.
	says(call, "hit")
	i.cachepot("--stop-coordinator")
	says(call, "hit")
	i.write("x.c", "#include \"h.h\"\nint y = N;\n")
	says(call, "miss", i.work+"/x.c has changed")
	// A header that appears earlier in the search path.
	i.write("x.c", "#include <h2.h>\n")
	i.write("b/h2.h", "\n")
	i.must(os.Mkdir(i.work+"/a", 0o755))
	search := []string{"gcc", "-Ia", "-Ib", "-c", "x.c", "-o", "x.o"}
	eventually(t, "a stored result", func() bool { // a header that is quite new may keep it from being stored
		i.ok(search...)
		return strings.Contains(i.cachepot(append([]string{"explain"}, search...)...).stdout, "hit")
	})
	before := i.stats().Requests
	i.write("a/h2.h", "\n")
	says(search, "miss", i.work+"/a/h2.h")
	if after := i.stats().Requests; after != before {
		t.Errorf("%d explanations are counted as calls", after-before)
	}
}

func containsAll(text string, words []string) bool {
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// TestExplainAtOnce: the latest call is the one that has just ended, not the one
// before it.
func TestExplainAtOnce(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "#include <stdio.h>\nint x;\n")
	for _, flag := range []string{"-O0", "-O1", "-O2", "-O3", "-Os", "-Og"} {
		i.ok("gcc", flag, "-c", "x.c", "-o", "x.o")
		if r := i.cachepot("explain"); r.code != 0 || !strings.Contains(r.stdout, "gcc "+flag+" ") {
			t.Errorf("after gcc %s: status %d\n%s%s", flag, r.code, r.stdout, r.stderr)
		}
	}
}
