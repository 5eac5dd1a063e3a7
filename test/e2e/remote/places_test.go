package remote

import (
	"path/filepath"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestPlaces: where calls are shared between places, what was compiled remotely for
// one is a hit in another, and both get what a compile there gives.
func TestPlaces(t *testing.T) {
	e := startEngine(t)
	base := harness.Scratch(t)
	c := newClient(t, strict(e.url()))
	files := map[string]string{
		"p/Makefile": "", "p/inc/a.h": "#include <stdio.h>\n#define N 3\n",
		"p/src/a.c": "#include \"a.h\"\nint f(void) { return printf(\"%d\", N); }\n",
	}
	objects := map[string]string{}
	for i, place := range []string{"one", "two"} {
		dir := filepath.Join(base, place)
		harness.Write(t, dir, files)
		argv := []string{"gcc", "-g", "-Iinc", "-MD", "-c", "src/a.c", "-o", "a.o"}
		if r := c.Compile(filepath.Join(dir, "p"), argv...); r.Code != 0 {
			t.Fatalf("%s: %s", place, r.Stderr)
		}
		objects[place] = read(t, dir, "p/a.o")
		s := c.Counters()
		if sum(s.DistCompiles) != 1 || s.CacheHits.Total() != uint64(i) {
			t.Errorf("%s: %v remotely, %d hits; located %v", place, s.DistCompiles, s.CacheHits.Total(), s.Located)
		}
	}
	if objects["one"] != objects["two"] {
		t.Error("the objects differ")
	}
	c.verify()
}

// TestNames: the other names of a compiler lead to it there too, through whatever links.
func TestNames(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "#include <stdlib.h>\nint a;\n"})
	c := newClient(t, strict(e.url())+exact)
	for i, name := range []string{"cc", "c++", "/usr/bin/gcc"} {
		want := harness.Command(t, dir, c.Env, name, "-g", "-c", "a.c", "-o", "a.o")
		object := read(t, dir, "a.o")
		remove(t, dir, "a.o")
		if r := c.Compile(dir, name, "-g", "-c", "a.c", "-o", "a.o"); r.Code != 0 || r.Stderr != want.Stderr || read(t, dir, "a.o") != object {
			t.Errorf("%s: status %d, %q", name, r.Code, r.Stderr)
		}
		c.want(uint64(i+1), 0)
	}
}

// TestCratesInPlaces is the same for a workspace.
func TestCratesInPlaces(t *testing.T) {
	e := startEngine(t)
	base := harness.Scratch(t)
	c := newClient(t, strict(e.url()))
	for i, place := range []string{"one", "two"} {
		dir := filepath.Join(base, place)
		harness.Write(t, dir, crates())
		cargoIn(t, dir, c.Env, c.Wrapper)
		if r := harness.Command(t, dir, c.Env, "target/debug/app"); r.Stdout != "9 1.2.3 hello 5\n" {
			t.Errorf("%s: the program prints %q, %s", place, r.Stdout, r.Stderr)
		}
		s := c.Counters()
		if n := sum(s.DistCompiles); n < 3 || s.DistErrors != 0 || i == 1 && s.CacheHits.Total() < 2 {
			t.Errorf("%s: %v remotely, failures %v, %d hits; here %v; located %v", place, s.DistCompiles, s.DistFailures, s.CacheHits.Total(), s.DistLocal, s.Located)
		}
		t.Logf("%s: %v remotely, %d hits; here %v; located %v", place, s.DistCompiles, s.CacheHits.Total(), s.DistLocal, s.Located)
	}
	c.verify()
}
