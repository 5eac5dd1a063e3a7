package places

import (
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestRenamed: a generated source that says by a full path what it was made from is not
// shared, though the same text lies elsewhere: there the path leads out of the project.
func TestRenamed(t *testing.T) {
	t.Parallel()
	base, i := newBase(t), newInstance(t)
	files := map[string]string{"Makefile": "", "x.c": "#line 1 \"" + base + "/one/p/x.y\"\nint f(void) { return 1; }\n"}
	for _, place := range []string{one, two} {
		root, dir := lay(t, base, place, files)
		if _, err := harness.Run(root, dir, "$CC -g -c x.c -o x.o", append(i.Env, "CC="+i.Wrapper+" gcc"), nil); err != nil {
			t.Fatal(err)
		}
		if got, err := i.Outcome(); err != nil || got != "stored" {
			t.Errorf("in %s: %s, %v; want stored", place, got, err)
		}
	}
	s, err := i.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Located["a #line names the project's directory"]; n != 1 {
		t.Errorf("%d are located for their #line, want the first: %v", n, s.Located)
	}
}
