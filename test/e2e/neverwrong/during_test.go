package neverwrong

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// slow is text that keeps a compiler busy for about a second.
func slow(functions int) string {
	var b strings.Builder
	for n := range functions {
		fmt.Fprintf(&b, "int s%d(const int *a, int *b, int n) { int s = %d; for (int i = 1; i < n; i++) { b[i] = a[i] * s + b[i-1];"+
			" for (int j = 0; j < i; j++) s ^= (a[j] + b[i]) >> (j & 7); if (s & 1) b[i] += a[n-i] * %d; } return s; }\n", n, n, n+3)
	}
	return b.String()
}

// edit is a change of the file that the compile reads, at one moment of it.
type edit struct {
	name  string
	files files
	call  string
	do    string // from version 1 to version 2
}

func edits() []edit {
	h := files{"a.c": "#include \"h.h\"\n#include \"slow.h\"\nint v = V;\n", "h.h": "#define V 1\n", "slow.h": slow(80)}
	last := files{"a.c": "#include \"slow.h\"\n#include \"h.h\"\nint v = V;\n", "h.h": "#define V 1\n", "slow.h": slow(80)}
	const call = "$CC -O2 -c a.c -o a.o"
	return []edit{
		{"header in place", h, call, "echo '#define V 2' >h.h"},
		{"header by rename", h, call, "echo '#define V 2' >n; mv n h.h"},
		{"header with its old time", last, call, "touch -r h.h t; echo '#define V 2' >h.h; touch -r t h.h"},
		{"source", h, call, "sed -i 's/int v/int w/' a.c"},
		{"source in place with its old time", h, call, "touch -r a.c t; sed 's/int v/int w/' a.c >n; cat n >a.c; touch -r t a.c"},
		{"header appears earlier", files{"a.c": "#include \"slow.h\"\n#include <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n", "slow.h": slow(80)}, "$CC -O2 -I. -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"},
		{"link retargeted", files{"a.c": h["a.c"], "one": "#define V 1\n", "two": "#define V 2\n", "slow.h": h["slow.h"]}, "[ -h h.h ] || ln -s one h.h; " + call, "ln -sfn two h.h"},
		{"blob of the assembler", files{"a.c": "#include \"slow.h\"\n__asm__(\".data\\n.incbin \\\"b\\\"\\n.text\");\n", "b": "one", "slow.h": h["slow.h"]}, call, "printf two >b"},
	}
}

// TestChangedWhileCompiling edits at several moments of a compile (rows 14 and
// 19): whatever that compile gave, the text before the edit and the text after it
// must each give their own object later.
func TestChangedWhileCompiling(t *testing.T) {
	for _, cc := range ccs() {
		for _, e := range edits() {
			t.Run(e.name+"/"+cc, func(t *testing.T) {
				t.Parallel()
				e.run(t, cc)
			})
		}
	}
}

func (e *edit) run(t *testing.T, cc string) {
	t.Helper()
	i := shared.borrow(t)
	root := shared.place()
	c := &testCase{files: e.files}
	bare := &history{t: t, c: c, root: root, cc: shared.bare(cc), env: i.Env}
	bare.setUp()
	first := bare.call(e.call)
	bare.shell(e.do)
	second := bare.call(e.call)
	if first.Tree["a.o"].Data == second.Tree["a.o"].Data {
		t.Fatal("the edit changes nothing")
	}
	for _, moment := range []time.Duration{5, 60, 250, 600} {
		h := &history{t: t, c: c, root: root, cc: i.Wrapper + " " + cc, env: i.Env}
		h.setUp()
		h.shell("rm -f a.o")
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(moment * time.Millisecond)
			_, _ = harness.Run(root, root, e.do, i.Env, nil)
		})
		h.call(e.call)
		wg.Wait()
		check := func(when string, want *harness.Result) {
			t.Helper()
			h.shell("rm -f a.o")
			got := h.call(e.call)
			if got.Status != want.Status || got.Tree["a.o"].Data != want.Tree["a.o"].Data {
				t.Errorf("WRONG: edited after %v ms, then %s: another object", int(moment), when)
			}
		}
		check("as edited", second)
		h.setUp()
		check("as before", first)
		h.shell(e.do)
		check("edited again", second)
		if err := i.Mark(); err != nil { // all of it is stored
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(i.Cache, "rq")); err != nil { // the next moment starts afresh
			t.Fatal(err)
		}
		h.shell("echo '/* " + moment.String() + " */' >>slow.h; rm -f a.o")
	}
}

// TestTwoMisses starts equal calls at once: one compiles, the others wait.
func TestTwoMisses(t *testing.T) {
	for _, cc := range ccs() {
		t.Run(cc, func(t *testing.T) {
			t.Parallel()
			i := shared.private(t)
			if _, err := i.Admin("--start-coordinator"); err != nil {
				t.Fatal(err)
			}
			c := &testCase{files: files{"a.c": "#include \"slow.h\"\n", "slow.h": slow(80), "b.c": "int v;\n"}}
			root := shared.place()
			bare := &history{t: t, c: c, root: root, cc: shared.bare(cc), env: i.Env}
			bare.setUp()
			want := bare.call("$CC -O2 -c a.c -o a.o")
			h := &history{t: t, c: c, root: root, cc: i.Wrapper + " " + cc, env: i.Env}
			h.setUp()
			h.call("$CC -c b.c -o b.o") // the compiler is known from here on
			if err := i.Mark(); err != nil {
				t.Fatal(err)
			}
			got := h.call("for n in 1 2 3 4; do $CC -O2 -c a.c -o a.o & done; wait")
			outcome, err := i.Outcome()
			if err != nil {
				t.Fatal(err)
			}
			if outcome != "hit hit hit stored" {
				t.Errorf("want one compile, got %s", outcome)
			}
			if got.Tree["a.o"].Data != want.Tree["a.o"].Data || got.Stderr != "" {
				t.Errorf("WRONG: another object, or %q", got.Stderr)
			}
		})
	}
}

// TestTwoMissesOfAFailure starts equal calls that fail: each says so itself, into a file of
// its own, since even bare compilers interrupt each other.
func TestTwoMissesOfAFailure(t *testing.T) {
	t.Parallel()
	i := shared.borrow(t)
	c := testCase{files: files{"a.c": "#include \"none.h\"\n"}, on: gcc(), steps: []step{{"", "for n in 1 2 3; do $CC -c a.c -o a.o 2>said.$n & done; wait", "any"}, {"", "", "any"}}}
	c.run(t, "gcc", i)
}
