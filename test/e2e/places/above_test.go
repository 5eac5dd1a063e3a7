package places

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestAbove: clippy looks for its configuration in every directory above the project. What it
// said where there was none is said in another place where there is none either, and only
// there, however deep that lies.
func TestAbove(t *testing.T) {
	t.Parallel()
	base, i := newBase(t), newInstance(t)
	files := map[string]string{
		"Cargo.toml": "[package]\nname = \"a\"\nversion = \"1.0.0\"\nedition = \"2021\"\n", "src/lib.rs": "pub fn a(x: u32, y: u32, z: u32) -> u32 { x + y + z }\n",
	}
	const says, limit = "this function has too many arguments", "too-many-arguments-threshold = 1\n"
	var hits uint64
	for _, step := range []struct {
		place, config string // config: the directory that has one, "" for none
		hit, warned   bool
	}{
		{"p", "", false, false}, {"q/p", "", true, false}, {"r/deep/p", "", true, false}, {"s/deep/p", "s", false, true}, {"t/very/deep/p", "t/very", false, true},
		{"s/deep/p", "s", true, true}, {"p", "", true, false},
	} {
		_, dir := lay(t, base, step.place, files)
		if step.config != "" {
			write(t, filepath.Join(base, step.config, "clippy.toml"), limit)
		}
		r, err := harness.Run(dir, dir, "cargo clippy --offline -q", append(i.Env, "RUSTC_WRAPPER="+i.Wrapper, "CARGO_INCREMENTAL=0"), nil)
		if err != nil || r.Status != "exit status 0" {
			t.Fatalf("in %s: %v\n%+v", step.place, err, r)
		}
		if strings.Contains(r.Stderr, says) != step.warned {
			t.Errorf("in %s: a warning is due: %t; it says\n%s", step.place, step.warned, r.Stderr)
		}
		if _, err := i.Outcome(); err != nil { // waits until all is stored
			t.Fatal(err)
		}
		s, err := i.Stats()
		if err != nil {
			t.Fatal(err)
		}
		if now := s.CacheHits.Counts["Rust"]; (now > hits) != step.hit {
			t.Errorf("in %s: %d hits after %d, located %v", step.place, now, hits, s.Located)
		} else {
			hits = now
		}
	}
	if out, err := i.Admin("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
}
