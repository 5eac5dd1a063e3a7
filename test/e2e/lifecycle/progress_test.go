package lifecycle

import (
	"strings"
	"testing"
)

// TestProgress: long work shows how far it is, on a terminal and nowhere else, and
// leaves nothing of that behind.
func TestProgress(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	work := []struct {
		what string
		argv []string
	}{
		{"reading the toolchain", []string{"clang", "-c", "x.c", "-o", "x.o"}},
		{"verifying", []string{"verify"}},
		{"clearing", []string{"--clear-cache"}},
	}
	for _, w := range work {
		shown, r := i.onTerminal(append([]string{i.wrapper()}, w.argv...)...)
		if r.code != 0 {
			t.Fatalf("%v: status %d: %s", w.argv, r.code, shown)
		}
		if !strings.Contains(shown, "\rcachepot: "+w.what+" [") {
			t.Errorf("%v: no progress on a terminal: %q", w.argv, shown)
		}
		if last := strings.LastIndex(shown, "\rcachepot: "); last > strings.LastIndex(shown, "\r\x1b[K") {
			t.Errorf("%v: the bar stays: %q", w.argv, shown)
		}
	}
	for _, w := range work {
		r := i.cachepot(w.argv...)
		if r.code != 0 || strings.Contains(r.stderr+r.stdout, w.what) {
			t.Errorf("%v in a pipe: status %d: %q %q", w.argv, r.code, r.stdout, r.stderr)
		}
	}
}
