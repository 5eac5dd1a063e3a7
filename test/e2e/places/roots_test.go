package places

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// kit is a directory outside of the project, where it lies beside each place.
const kit = "kit"

// withKit builds in place with a header of the kit beside it, which is a named root if
// named is set, and uses the cache of other if there is one.
func withKit(t *testing.T, base, place string, other *harness.Instance, named bool) (i *harness.Instance, r *harness.Result, outcome string) {
	t.Helper()
	root, dir := lay(t, base, place, map[string]string{"Makefile": "", "src/x.c": "#include <kit.h>\n#include <stdio.h>\nint f(struct kit *k) { return puts(KIT) + k->n; }\n"})
	kitDir := filepath.Join(root, kit)
	if err := os.MkdirAll(filepath.Join(kitDir, "include"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(kitDir, "include/kit.h"), []byte("#define KIT \"kit\"\nstruct kit { int n; };\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var settings []string
	if named {
		settings = []string{"CACHEPOT_PATHS_ROOTS=kit=" + kitDir}
	}
	i = newInstance(t, settings...)
	for n, kv := range i.Env {
		if other != nil && strings.HasPrefix(kv, "CACHEPOT_DIR=") {
			i.Env[n] = "CACHEPOT_DIR=" + other.Cache
		}
	}
	r, err := harness.Run(root, dir, "$CC -g -MD -I$KIT/include -c $PWD/src/x.c -o x.o", append(i.Env, "CC="+i.Wrapper+" gcc", "KIT="+kitDir), nil)
	if err != nil {
		t.Fatal(err)
	}
	if outcome, err = i.Outcome(); err != nil {
		t.Fatal(err)
	}
	return i, r, outcome
}

// TestNamedRoots: a directory with a name may lie somewhere else, too.
func TestNamedRoots(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		named bool
		want  string
	}{{true, "hit"}, {false, "stored"}} {
		base := newBase(t)
		i, _, outcome := withKit(t, base, one, nil, tc.named)
		if outcome != "stored" {
			t.Errorf("first: %s", outcome)
		}
		moved, r, outcome := withKit(t, base, two, i, tc.named)
		if outcome != tc.want {
			t.Errorf("named: %t: %s, want %s", tc.named, outcome, tc.want)
		}
		_, fresh, _ := withKit(t, base, two, nil, tc.named)
		if d := harness.Diff(fresh, r, nil); d != "" {
			t.Errorf("named: %t: as compiled there: %s", tc.named, d)
		}
		for name, f := range r.Tree {
			if strings.Contains(f.Data, base+"/one") {
				t.Errorf("%s names the first place", name)
			}
			if strings.HasSuffix(name, ".o") && strings.Contains(f.Data, "/cachepot/roots/kit/include") != tc.named {
				t.Errorf("%s: the name of the root is not what is asked for: %t", name, tc.named)
			}
		}
		if out, err := moved.Admin("verify"); err != nil {
			t.Errorf("verify: %v\n%s", err, out)
		}
	}
}
