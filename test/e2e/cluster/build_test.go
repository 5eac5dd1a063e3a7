package cluster

import (
	"fmt"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// cProject is n sources in C, and one in C++.
func cProject(n int) map[string]string {
	files := map[string]string{
		"Makefile": "CFLAGS = -O2 -g -Wall -Iinc\nOBJ = $(patsubst src/%.c,out/%.o,$(wildcard src/*.c))\nall: $(OBJ) out/x.o\n" +
			"out/%.o: src/%.c ; $(CC) $(CFLAGS) -MD -MF $@.d -c $< -o $@\nout/%.o: src/%.cc ; $(CXX) $(CFLAGS) -c $< -o $@\n",
		"inc/a.h":  "#include <stdio.h>\n#define N 3\n",
		"src/x.cc": "#include <map>\n#include <string>\nint c(std::map<std::string, int> &m) { return m[\"x\"]; }\n",
		"out/keep": "",
	}
	for i := range n {
		files[fmt.Sprintf("src/f%d.c", i)] = fmt.Sprintf("#include \"a.h\"\nint f%d(int x) { int unused; return printf(\"%%d\\n\", N * x + %d); }\n", i, i)
	}
	return files
}

// makeIn builds the project with CC and CXX behind prefix.
func makeIn(t *testing.T, dir string, env []string, jobs int, prefix string) (map[string]string, harness.Ended) {
	t.Helper()
	clean(t, dir)
	r := harness.Command(t, dir, env, "make", fmt.Sprintf("-j%d", jobs), "CC="+prefix+"gcc", "CXX="+prefix+"g++")
	return harness.Built(t, dir, isProduct), r
}

// TestEngine: the scheduler works with workers that are no cachepot's.
func TestEngine(t *testing.T) {
	s := startScheduler(t)
	first, second := startEngine(t, s, 2), startEngine(t, s, 2)
	s.await(2)
	dir := harness.Scratch(t)
	harness.Write(t, dir, cProject(12))
	c := newClient(t, bookClient(t, s.url()), strict)
	bare, plain := makeIn(t, dir, c.Env, 4, "")
	got, r := makeIn(t, dir, c.Env, 4, c.Wrapper+" ")
	if r.Code != 0 {
		t.Fatalf("status %d: %s", r.Code, r.Stderr)
	}
	harness.SameFiles(t, "first build", bare, got)
	if len(r.Stderr) != len(plain.Stderr) {
		t.Errorf("messages\n%s\nwant\n%s", r.Stderr, plain.Stderr)
	}
	n := c.Counters()
	if a, b := n.DistCompiles[first.address], n.DistCompiles[second.address]; a+b != 13 || a == 0 || b == 0 || n.DistErrors != 0 {
		t.Errorf("%d and %d compiles, %d errors; want 13 on both and none", a, b, n.DistErrors)
	}
	out, err := c.Admin("--dist-status")
	workers, cpus, busy, perr := harness.ParseStatus(out, s.url())
	if err != nil || perr != nil || workers != 2 || cpus != 4 || busy != 0 {
		t.Errorf("%s, %v, %v", out, err, perr)
	}
}
