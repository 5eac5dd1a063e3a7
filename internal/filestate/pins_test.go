package filestate_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/filestate"
)

// pinned returns a View that pins all it can.
func pinned(t testing.TB, overlay bool) *filestate.View {
	v := filestate.New(filestate.Clock)
	v.PinAll(t, overlay)
	t.Cleanup(v.Close)
	return v
}

// deed is something that happens to the tree below d, which holds a/b/f, a/b/g,
// a/b/link -> f and other/f; outside is an empty directory. It says whether the
// path set then leads to something else.
type deed struct {
	name    string
	do      func(t *testing.T, d, outside string)
	changes bool
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rewrite writes other bytes of the same length into the file at p.
func rewrite(t *testing.T, p string) {
	t.Helper()
	f, err := os.OpenFile(p, os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("F"), 0)
	must(t, err)
	must(t, f.Close())
}

func deeds() []deed {
	return []deed{
		{"nothing", func(*testing.T, string, string) {}, false},
		{"file written", func(t *testing.T, d, _ string) { rewrite(t, d+"/a/b/f") }, true},
		{"file written by another name", func(t *testing.T, d, o string) {
			must(t, os.Link(d+"/a/b/f", o+"/name"))
			rewrite(t, o+"/name")
		}, true},
		{"file written by a map", func(t *testing.T, d, _ string) {
			f, err := os.OpenFile(d+"/a/b/f", os.O_RDWR, 0)
			must(t, err)
			defer f.Close()
			m, err := unix.Mmap(int(f.Fd()), 0, 1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
			must(t, err)
			m[0] = 'M'
			must(t, unix.Munmap(m))
		}, true},
		{"file truncated", func(t *testing.T, d, _ string) { must(t, os.Truncate(d+"/a/b/f", 0)) }, true},
		{"file made executable", func(t *testing.T, d, _ string) { must(t, os.Chmod(d+"/a/b/f", 0o755)) }, true},
		{"file touched", func(t *testing.T, d, _ string) { must(t, unix.Utimes(d+"/a/b/f", nil)) }, false},
		{"file removed", func(t *testing.T, d, _ string) { must(t, os.Remove(d+"/a/b/f")) }, true},
		{"file made anew", func(t *testing.T, d, _ string) {
			must(t, os.Remove(d+"/a/b/f"))
			write(t, d+"/a/b/f", "new")
		}, true},
		{"same file made anew", func(t *testing.T, d, _ string) {
			must(t, os.Remove(d+"/a/b/f"))
			write(t, d+"/a/b/f", "f")
		}, false},
		{"file replaced by rename", func(t *testing.T, d, o string) {
			write(t, o+"/x", "x")
			must(t, os.Rename(o+"/x", d+"/a/b/f"))
		}, true},
		{"file replaced by a link", func(t *testing.T, d, _ string) {
			must(t, os.Remove(d+"/a/b/f"))
			must(t, os.Symlink("g", d+"/a/b/f"))
		}, true},
		{"files exchanged", func(t *testing.T, d, _ string) {
			must(t, unix.Renameat2(unix.AT_FDCWD, d+"/a/b/f", unix.AT_FDCWD, d+"/a/b/g", unix.RENAME_EXCHANGE))
		}, true},
		{"link replaced", func(t *testing.T, d, _ string) {
			must(t, os.Remove(d+"/a/b/link"))
			must(t, os.Symlink("g", d+"/a/b/link"))
		}, true},
		{"absent file appears", func(t *testing.T, d, _ string) { write(t, d+"/a/b/none", "") }, true},
		{"unrelated file appears", func(t *testing.T, d, _ string) { write(t, d+"/a/b/unrelated", "") }, false},
		{"directory renamed", func(t *testing.T, d, o string) { must(t, os.Rename(d+"/a/b", o+"/b")) }, true},
		{"directory above renamed", func(t *testing.T, d, o string) { must(t, os.Rename(d+"/a", o+"/a")) }, true},
		{"directory above replaced by another", func(t *testing.T, d, o string) {
			must(t, os.Rename(d+"/a", o+"/a"))
			write(t, d+"/a/b/f", "other")
		}, true},
		{"directory above exchanged", func(t *testing.T, d, o string) {
			write(t, o+"/b/f", "other")
			must(t, unix.Renameat2(unix.AT_FDCWD, d+"/a", unix.AT_FDCWD, o, unix.RENAME_EXCHANGE))
		}, true},
		{"directory above replaced by a link", func(t *testing.T, d, o string) {
			must(t, os.Rename(d+"/a", o+"/a"))
			must(t, os.Symlink(o+"/a", d+"/a"))
		}, true},
		{"directory moved away and back", func(t *testing.T, d, o string) {
			must(t, os.Rename(d+"/a/b", o+"/b"))
			must(t, os.Rename(o+"/b", d+"/a/b"))
		}, false},
		{"mode of directory above", func(t *testing.T, d, _ string) {
			must(t, os.Chmod(d+"/a", 0))
			t.Cleanup(func() { _ = os.Chmod(d+"/a", 0o755) })
		}, os.Geteuid() != 0},
	}
}

func deedTree(t *testing.T, d string) *action.PathSet {
	write(t, d+"/a/b/f", "f")
	write(t, d+"/a/b/g", "g")
	write(t, d+"/other/f", "o")
	must(t, os.Symlink("f", d+"/a/b/link"))
	ps := &action.PathSet{Paths: []string{d + "/a/b/f", d + "/a/b/g", d + "/a/b/link", d + "/a/b/none", d + "/other/f"}}
	tick()
	return ps
}

// try does one deed and compares what a View with pins makes of it with what is
// there.
func try(t *testing.T, v *filestate.View, ps *action.PathSet, c deed, d, outside string) {
	s, root := evaluate(t, v, ps)
	// Others make files in the directory for temporary ones all the time: it and what
	// lies above d may then be looked at by their paths, and for moments all below.
	for end := time.Now().Add(10 * time.Second); ; tick() {
		if !s.Unchanged() {
			t.Fatal("changed before anything happened")
		}
		_, others := s.ByPins()
		if !slices.ContainsFunc(others, func(p string) bool { return !isAbove(p, d) }) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("looked at by path: %q", others)
		}
	}
	c.do(t, d, outside)
	unchanged := s.Unchanged()
	_, now := evaluate(t, filestate.New(filestate.Clock), ps)
	if (now != root) != c.changes {
		t.Fatalf("the tree has changed: %v; want %v", now != root, c.changes)
	}
	if unchanged && now != root {
		t.Error("unchanged, it says")
	}
	if !c.changes && !unchanged {
		// Allowed, but then evaluating must find the same.
		if _, again := evaluate(t, v, ps); again != root {
			t.Error("evaluating with pins finds another tree")
		}
		return
	}
	again := s.Unchanged()
	if again && now != root {
		t.Error("unchanged, it says when asked again")
	}
}

// isAbove reports whether p is a directory above d.
func isAbove(p, d string) bool { return p != d && (p == "/" || strings.HasPrefix(d, p+"/")) }

func TestPinsAgreeWithEvaluate(t *testing.T) {
	for _, c := range deeds() {
		t.Run(c.name, func(t *testing.T) {
			d, outside := t.TempDir(), t.TempDir()
			ps := deedTree(t, d)
			try(t, pinned(t, false), ps, c, d, outside)
		})
	}
}

// TestPinsRandomly is TestUnchangedAgreesWithEvaluate with pins, and two path sets
// that share them.
func TestPinsRandomly(t *testing.T) {
	for seed := range uint64(25) {
		history(t, seed, t.TempDir(), pinned(t, false), mutate)
	}
}

// history makes random changes below d and compares.
func history(t *testing.T, seed uint64, d string, v *filestate.View, mutate func(*rand.Rand, string) string) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	sets := []*action.PathSet{{
		Paths:    []string{d + "/a/f1", d + "/b/../f2", d + "/c/f1", d + "/c/d/g"},
		Searches: []action.Search{{Dirs: []string{d + "/a", d + "/b", d + "/c/d"}, Names: []string{"f1", "f2", "d/f1", "../f2"}}},
	}, {
		Paths:    []string{d + "/a/f1", d + "/a/d/f1", d + "/f1"},
		Listings: []action.Listing{{Dir: d + "/b", Prefix: "f"}},
	}}
	for range 15 {
		mutate(rnd, d)
	}
	old := make([]*filestate.Snapshot, len(sets))
	for step := range 60 {
		if rnd.IntN(3) == 0 {
			tick()
		}
		if rnd.IntN(8) == 0 {
			v.Tend()
		}
		what := mutate(rnd, d)
		for i, ps := range sets {
			if rnd.IntN(3) == 0 {
				continue // this one learns of several changes at once
			}
			_, now := evaluate(t, filestate.New(filestate.Clock), ps)
			if old[i] != nil && rnd.IntN(2) == 0 {
				if s := old[i].Renewed(); s != nil {
					if rootOf(t, s) != now {
						t.Fatalf("seed %d step %d (%s), set %d: renewed to another tree", seed, step, what, i)
					}
					if rnd.IntN(3) > 0 {
						old[i] = s
					}
					continue
				}
			}
			if old[i] != nil && old[i].Unchanged() {
				if was := rootOf(t, old[i]); was != now {
					t.Fatalf("seed %d step %d (%s), set %d: Unchanged, but the tree is another", seed, step, what, i)
				}
				continue
			}
			s, root := evaluate(t, v, ps)
			if root != now {
				t.Fatalf("seed %d step %d (%s): the old view sees another tree than a new one", seed, step, what)
			}
			if old[i] == nil || rnd.IntN(3) > 0 {
				old[i] = s // else the old one must still know that it is old
			}
		}
	}
}

// TestPinsAfterHalfAPass: a pass that ended early has learned that a directory is
// another, and not what its entries are now.
func TestPinsAfterHalfAPass(t *testing.T) {
	d := t.TempDir()
	ps := deedTree(t, d)
	ps.Paths = append(ps.Paths, d+"/other/none")
	v := pinned(t, false)
	s, _ := evaluate(t, v, ps)
	if !s.Unchanged() {
		t.Fatal("changed before anything happened")
	}
	must(t, os.Remove(d+"/a/b/link"))
	must(t, os.Symlink("g", d+"/a/b/link"))
	write(t, d+"/other/none", "")
	tick()
	if s.Unchanged() {
		t.Error("file appeared: unchanged")
	}
	must(t, os.Remove(d+"/other/none"))
	tick()
	for range 2 {
		if s.Unchanged() {
			t.Error("link replaced: unchanged")
		}
	}
}

// TestPinsGiveSpaceBack: a deleted file is let go of, and everything is when
// nothing has been verified for long; verification then goes by path and pins anew.
func TestPinsGiveSpaceBack(t *testing.T) {
	d := t.TempDir()
	ps := deedTree(t, d)
	v := pinned(t, false)
	s, _ := evaluate(t, v, ps)
	all := v.Pinned()
	v.Tend()
	if v.Pinned() != all {
		t.Errorf("%d pins of %d left though nothing was deleted", v.Pinned(), all)
	}
	must(t, os.Remove(d+"/other/f"))
	must(t, os.Remove(d+"/other"))
	v.Tend()
	if v.Pinned() != all-2 {
		t.Errorf("%d pins left of %d after a file and a directory were deleted", v.Pinned(), all)
	}
	write(t, d+"/other/f", "o")
	tick()
	if s, _ = evaluate(t, v, ps); v.Pinned() != all {
		t.Errorf("%d pins of %d after evaluating again", v.Pinned(), all)
	}
	for range filestate.IdleTends + 1 {
		v.Tend()
	}
	if v.Pinned() != 0 {
		t.Errorf("%d pins left after a long rest", v.Pinned())
	}
	if !s.Unchanged() || !s.Unchanged() {
		t.Error("changed without pins")
	}
	if v.Pinned() != all {
		t.Errorf("%d pins of %d after verifying again", v.Pinned(), all)
	}
}

// TestPinsBounded: no more descriptors are open than allowed, and the rest is
// looked up by path.
func TestPinsBounded(t *testing.T) {
	d := t.TempDir()
	ps := deedTree(t, d)
	v := filestate.New(filestate.Clock)
	must(t, v.Pin(0))
	defer v.Close()
	s, root := evaluate(t, v, ps)
	if !s.Unchanged() || v.Pinned() != 0 {
		t.Errorf("%d pins, want none", v.Pinned())
	}
	rewrite(t, d+"/a/b/f")
	if s.Unchanged() {
		t.Error("change not seen")
	}
	if _, now := evaluate(t, v, ps); now == root {
		t.Error("change not found")
	}
}

// TestPinsChooseFiles: of another mount than that of "/", and of what we have just
// made, nothing is pinned.
func TestPinsChooseFiles(t *testing.T) {
	v := filestate.New(filestate.Clock)
	must(t, v.Pin(filestate.MostPins()))
	defer v.Close()
	shm, err := os.MkdirTemp("/dev/shm", "filestate-")
	must(t, err)
	defer os.RemoveAll(shm)
	own := t.TempDir()
	for _, d := range []string{shm, own} {
		write(t, d+"/sub/f", "f")
		tick()
		before := v.Pinned()
		s, _ := evaluate(t, v, &action.PathSet{Paths: []string{d + "/sub/f"}})
		s2, _ := evaluate(t, v, &action.PathSet{Paths: []string{filepath.Dir(d) + "/none"}})
		if !s.Unchanged() || !s2.Unchanged() {
			t.Errorf("%s changed", d)
		}
		pins, _ := s.ByPins()
		above, _ := s2.ByPins()
		if len(pins) != len(above) || v.Pinned() > before+len(s2.Dirs()) {
			t.Errorf("below %s: %q pinned, of them above it %q", d, pins, above)
		}
	}
	later := filestate.New(func() int64 { return filestate.Clock() + 3600e9 }) // the system may be just installed
	must(t, later.Pin(filestate.MostPins()))
	defer later.Close()
	s, _ := evaluate(t, later, &action.PathSet{Paths: []string{"/usr/bin/env", "/etc/passwd"}})
	if !s.Unchanged() {
		t.Fatal("the system changed")
	}
	_, others := s.ByPins()
	for _, p := range others {
		if filepath.Dir(p) != "/" { // what lies in the root directory is always looked up by path
			t.Errorf("%s looked at by its path", p)
		}
	}
}
