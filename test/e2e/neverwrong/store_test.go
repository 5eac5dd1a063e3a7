package neverwrong

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// damage is something that can befall one file of the store, or two.
type damage struct {
	name string
	do   func(t *testing.T, file, other string)
}

func damages() []damage {
	write := func(t *testing.T, file string, b []byte) {
		t.Helper()
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(t *testing.T, file string) []byte {
		t.Helper()
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	flip := func(at func(n int) int) func(*testing.T, string, string) {
		return func(t *testing.T, file, _ string) {
			t.Helper()
			b := read(t, file)
			if len(b) > 0 {
				b[at(len(b))] ^= 1
			}
			write(t, file, b)
		}
	}
	return []damage{
		{"first bit flipped", flip(func(int) int { return 0 })},
		{"middle bit flipped", flip(func(n int) int { return n / 2 })},
		{"last bit flipped", flip(func(n int) int { return n - 1 })},
		{"truncated", func(t *testing.T, file, _ string) { t.Helper(); b := read(t, file); write(t, file, b[:len(b)/2]) }},
		{"zero length", func(t *testing.T, file, _ string) { t.Helper(); write(t, file, nil) }},
		{"zeroed", func(t *testing.T, file, _ string) { t.Helper(); write(t, file, make([]byte, len(read(t, file)))) }},
		{"appended to", func(t *testing.T, file, _ string) { t.Helper(); write(t, file, append(read(t, file), 'x')) }},
		{"removed", func(t *testing.T, file, _ string) {
			t.Helper()
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		}},
		{"a directory", func(t *testing.T, file, _ string) {
			t.Helper()
			if os.Remove(file) != nil || os.Mkdir(file, 0o700) != nil {
				t.Fatal("cannot make a directory of it")
			}
		}},
		{"swapped", func(t *testing.T, file, other string) {
			t.Helper()
			a, b := read(t, file), read(t, other)
			write(t, file, b)
			write(t, other, a)
		}},
		{"another's bytes", func(t *testing.T, file, other string) { t.Helper(); write(t, file, read(t, other)) }},
		{"a link to another", func(t *testing.T, file, other string) {
			t.Helper()
			if os.Remove(file) != nil || os.Symlink(other, file) != nil {
				t.Fatal("cannot make a link of it")
			}
		}},
		{"without rights", func(t *testing.T, file, _ string) {
			t.Helper()
			if err := os.Chmod(file, 0); err != nil {
				t.Fatal(err)
			}
		}},
	}
}

// TestStoreLies damages every file of one kind in the store (row 11): the next
// calls get what the compiler gives, and the one after as well.
func TestStoreLies(t *testing.T) {
	for _, kind := range []string{"cas", "ac", "ps", "rq", "sj", "tc", "state"} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/restart=%v", kind, restart), func(t *testing.T) {
				t.Parallel()
				lie(t, kind, restart)
			})
		}
	}
}

func lie(t *testing.T, kind string, restart bool) {
	t.Helper()
	i := shared.private(t)
	const call = "for n in a b; do $CC -g -MD -Wall -c $n.c -o $n.o; done"
	c := &testCase{files: files{"a.c": "#include \"h.h\"\nint v = V; static int unused;\n", "b.c": "#include \"h.h\"\nint w = V+1; static int idle;\n", "h.h": "#define V 1\n"}}
	root := shared.place()
	bare := &history{t: t, c: c, root: root, cc: shared.bare("gcc"), env: i.Env}
	bare.setUp()
	want := bare.call(call)
	h := &history{t: t, c: c, root: root, cc: i.Wrapper + " gcc", env: i.Env}
	for n, d := range damages() {
		if restart && n%3 != 0 { // a start is slow; what is verified is the same
			continue
		}
		h.setUp()
		h.tree = nil
		h.call(call)
		if err := i.Mark(); err != nil {
			t.Fatal(err)
		}
		h.call("rm -f *.o *.d; " + call)
		if _, err := i.Outcome(); err != nil {
			t.Fatal(err)
		}
		if restart {
			_, _ = i.Admin("--stop-coordinator") // it may have given up its directory
		}
		if spoil(t, i, kind, d) == 0 && n == 0 {
			t.Fatalf("no files of kind %s", kind)
		}
		for again := range 2 {
			h.shell("rm -f *.o *.d")
			got := h.call(call)
			if diff := harness.Diff(want, got, nil); diff != "" {
				t.Errorf("WRONG after %s %s, call %d\n%s", kind, d.name, again+1, diff)
			}
		}
		if outcome, err := i.Outcome(); err != nil {
			t.Errorf("after %s %s: %v", kind, d.name, err)
		} else if n := len(outcome); n == 0 {
			t.Errorf("after %s %s: no call was counted", kind, d.name)
		}
	}
}

// spoil does d to all files of a kind and returns how many it found: the
// coordinator does not write again what it has in memory.
func spoil(t *testing.T, i *harness.Instance, kind string, d damage) int {
	t.Helper()
	dir := filepath.Join(i.Cache, kind)
	if kind == "state" {
		dir = filepath.Join(i.Root, "state")
	}
	var list []string
	_ = filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			list = append(list, p)
		}
		return nil
	})
	sort.Strings(list)
	for n, file := range list {
		other := list[(n+1)%len(list)]
		if n%2 == 1 && d.name == "swapped" || other == file {
			continue
		}
		if _, err := os.Stat(other); err != nil && (d.name == "another's bytes" || d.name == "swapped") {
			continue
		}
		d.do(t, file, other)
	}
	return len(list)
}
