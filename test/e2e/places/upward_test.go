package places

import (
	"maps"
	"testing"
)

// TestUpward: macros that search for a file in all directories above, as cargo does for its
// configuration, serve other places, though the first is still there; and where one has such
// a file, it is not given what those without have made.
func TestUpward(t *testing.T) {
	t.Parallel()
	base, i := newBase(t), newInstance(t)
	files := crates()
	files["pm/src/lib.rs"] = personalMacro(`std::env::current_dir().unwrap().ancestors().filter_map(|d| std::fs::read_to_string(d.join(".up/name.toml")).ok()).collect()`)
	_, all, _ := cargoOf(t, i, base, one, files)
	for _, step := range []struct {
		place, above string // where such a file lies, as seen from the place
		misses       uint64
	}{
		{two, "", 1}, // the witness
		{"three/a/b/c/p", "", 0},
		{"four", "", 0},
		{two, "../.up/name.toml", 1},
		{"five/p", "../.up/name.toml", 1},
		{two, "../../.up/name.toml", 1},
		{"four", "", 0},
	} {
		here := maps.Clone(files)
		if step.above != "" {
			here[step.above] = "found in " + step.place + step.above
		}
		hits, misses, _ := cargoOf(t, i, base, step.place, here)
		if misses != step.misses || hits != all-step.misses {
			why, _ := i.Admin("explain")
			t.Errorf("%s with %q: %d hits, %d misses, want %d; there were %d calls\n%s", step.place, step.above, hits, misses, step.misses, all, why)
		}
		asMade(t, base, step.place, "nobody", here)
	}
}
