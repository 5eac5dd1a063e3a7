package places

import "testing"

// TestWhatFollows: what is made from a crate with its directory in it is counted as located,
// too, and by a reason of its own: where that crate is a hit as well.
func TestWhatFollows(t *testing.T) {
	t.Parallel()
	const (
		asks    = "a source asks for a variable that names the project's directory"
		follows = "what it is made from is for its directory alone"
	)
	base, i := newBase(t), newInstance(t)
	files := crates()
	files["a/src/lib.rs"] += "pub fn dir() -> &'static str { env!(\"CARGO_MANIFEST_DIR\") }\n"
	_, all, _ := cargoOf(t, i, base, one, files)
	if hits, _, _ := cargoOf(t, i, base, one, files); hits != all {
		t.Errorf("in the same place: %d hits; there were %d calls", hits, all)
	}
	if _, misses, located := cargoOf(t, i, base, two, files); misses != 4 || located != 3 { // and the macro's witness
		t.Errorf("elsewhere: %d misses, %d located", misses, located)
	}
	s, err := i.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s.Located[asks] != 2 || s.Located[follows] != 4 {
		t.Errorf("located %v", s.Located)
	}
	// A crate that the first one is a hit for follows it, too.
	if out, err := i.Admin("--stop-coordinator"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files["b/src/lib.rs"] += "pub fn more() {}\n"
	if _, misses, located := cargoOf(t, i, base, two, files); misses != 2 || located != 2 {
		t.Errorf("after a restart: %d misses, %d located", misses, located)
	}
}
