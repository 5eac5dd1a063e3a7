package lifecycle

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestQuestions: what cargo asks rustc, and clippy-driver in rustc's place, is
// answered as the compiler answers it: by itself at first, then from memory.
func TestQuestions(t *testing.T) {
	i := start(t)
	sysroot := strings.TrimSpace(i.run("rustc", "--print", "sysroot").stdout)
	rustc, clippy := filepath.Join(sysroot, "bin/rustc"), filepath.Join(sysroot, "bin/clippy-driver")
	for _, q := range []struct {
		argv     []string
		answered bool
	}{
		{[]string{rustc, "-vV"}, true},
		{[]string{rustc, "-V"}, true},
		{[]string{rustc, "--version"}, true},
		{[]string{clippy, "rustc", "-vV"}, true},
		{[]string{clippy, rustc, "-vV"}, true},
		{[]string{rustc, "--version", "--verbose"}, true}, // build scripts ask so
		{[]string{rustc, "--version", "-v"}, true},
		{[]string{clippy, "rustc", "--version"}, true},
		{[]string{clippy, "rustc", "--version", "--verbose"}, true},
		{[]string{clippy, "--version"}, false},
		{[]string{clippy, "rustc", "-vV", "--cfg", "x"}, false},
		{[]string{rustc, "--version", "--cfg", "x"}, false},
		{[]string{rustc, "-v"}, false},
		{[]string{rustc, "-V", "-v", "-v"}, false},
	} {
		bare := i.run(q.argv...)
		ask := func() (answered bool) {
			t.Helper()
			before := i.stats()
			if r := i.cachepot(q.argv...); r.code != bare.code || r.stdout != bare.stdout || r.stderr != bare.stderr {
				t.Errorf("%v: status %d, %q and %q, want %d, %q and %q", q.argv, r.code, r.stdout, r.stderr, bare.code, bare.stdout, bare.stderr)
			}
			after := i.stats()
			if after.Requests != before.Requests+1 {
				t.Fatalf("%v: %d requests, want 1", q.argv, after.Requests-before.Requests)
			}
			return sum(after.NotCached) == sum(before.NotCached)
		}
		if !q.answered {
			if ask() || ask() {
				t.Errorf("%v: answered from memory", q.argv)
			}
			continue
		}
		eventually(t, strings.Join(q.argv, " ")+" answered from memory", ask)
	}
	forced := i.with("RUSTC_FORCE_RUSTC_VERSION=1.2.3").cachepot(rustc, "-vV")
	if want := i.with("RUSTC_FORCE_RUSTC_VERSION=1.2.3").run(rustc, "-vV"); forced.stdout != want.stdout {
		t.Errorf("with a forced version: %q, want %q", forced.stdout, want.stdout)
	}
}
