package filestate_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
)

// inNamespace runs the test that calls it once more, in a user and mount namespace
// of its own, and returns true there.
func inNamespace(t *testing.T) bool {
	const mark = "FILESTATE_TEST_IN_NAMESPACE"
	if os.Getenv(mark) != "" {
		must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), mark+"=1", "TMPDIR="+os.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSPC) {
		t.Skip("no namespaces: ", err)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

func bind(t *testing.T, from, to string) {
	t.Helper()
	must(t, unix.Mount(from, to, "", unix.MS_BIND, ""))
	t.Cleanup(func() { _ = unix.Unmount(to, unix.MNT_DETACH) })
}

func TestPinsAndMounts(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	type mounted struct {
		deed
		first func(t *testing.T, d, outside string)
	}
	nothing := func(*testing.T, string, string) {}
	unmount := func(p string) func(t *testing.T, d, _ string) {
		return func(t *testing.T, d, _ string) { must(t, unix.Unmount(d+p, unix.MNT_DETACH)) }
	}
	overFile := func(t *testing.T, d, o string) {
		write(t, o+"/x", "x")
		bind(t, o+"/x", d+"/a/b/f")
	}
	over := func(p string) func(t *testing.T, d, o string) {
		return func(t *testing.T, d, o string) {
			write(t, o+"/f", "x")
			write(t, o+"/b/f", "y")
			bind(t, o, d+p)
		}
	}
	for _, c := range []mounted{
		{deed{"over a file", overFile, true}, nothing},
		{deed{"over a directory", over("/a/b"), true}, nothing},
		{deed{"over a directory above", over("/a"), true}, nothing},
		{deed{"over an unrelated directory", func(t *testing.T, d, o string) { over("/unrelated")(t, d, o) }, false},
			func(t *testing.T, d, _ string) { must(t, os.Mkdir(d+"/unrelated", 0o755)) }},
		{deed{"a file over itself", func(t *testing.T, d, o string) { bind(t, d+"/a/b/f", d+"/a/b/f") }, false}, nothing},
		{deed{"mounted and unmounted", func(t *testing.T, d, o string) {
			over("/a/b")(t, d, o)
			unmount("/a/b")(t, d, o)
		}, false}, nothing},
		{deed{"unmounted from a file", unmount("/a/b/f"), true}, overFile},
		{deed{"unmounted from a directory", unmount("/a/b"), true}, over("/a/b")},
		{deed{"unmounted from a directory above", unmount("/a"), true}, over("/a")},
		{deed{"a file system in memory over a directory", func(t *testing.T, d, _ string) {
			must(t, unix.Mount("none", d+"/a", "tmpfs", 0, ""))
			t.Cleanup(func() { _ = unix.Unmount(d+"/a", unix.MNT_DETACH) })
		}, true}, nothing},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, outside := t.TempDir(), t.TempDir()
			ps := deedTree(t, d)
			c.first(t, d, outside)
			tick()
			try(t, pinned(t, false), ps, c.deed, d, outside)
		})
	}
	t.Run("random", func(t *testing.T) {
		for seed := range uint64(10) {
			d := t.TempDir()
			m := &mounter{d: d}
			history(t, seed, d, pinned(t, false), m.mutate)
			m.clean()
		}
	})
}

// TestPinsByTicks is TestPinsRandomly on a file system that gives a second change in
// a tick the stamp of the first, whoever has looked.
func TestPinsByTicks(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, trusted := range []bool{true, false} {
		for seed := range uint64(6) {
			d := t.TempDir()
			must(t, unix.Mount("none", d, "ramfs", 0, ""))
			v := pinned(t, false)
			if trusted {
				v.GoByTicks(t, d)
			}
			history(t, seed, d, v, mutate)
			must(t, unix.Unmount(d, unix.MNT_DETACH))
		}
	}
	d := t.TempDir()
	must(t, unix.Mount("none", d, "ramfs", 0, ""))
	defer unix.Unmount(d, unix.MNT_DETACH)
	for range 20 {
		twice(t, d+"/sub/f")
	}
}

// twice rewrites a pinned file as it was and then, in the same tick most likely,
// otherwise.
func twice(t *testing.T, p string) {
	v := pinned(t, false)
	write(t, p, "1")
	v.GoByTicks(t, p)
	tick()
	s, _ := evaluate(t, v, &action.PathSet{Paths: []string{p}})
	must(t, os.WriteFile(p, []byte("1"), 0o644))
	if !s.Unchanged() {
		t.Error("written as it was: changed")
	}
	must(t, os.WriteFile(p, []byte("2"), 0o644))
	if s.Unchanged() {
		t.Error("written otherwise: unchanged")
	}
}

// mounter changes a tree at random, by mounts too.
type mounter struct {
	d     string
	stack []string
}

func (m *mounter) mutate(rnd *rand.Rand, d string) string {
	places := []string{"/a", "/b", "/c", "/c/d", "/a/f1", "/b/f2", "/c/d/g", "/a/d", "/f1"}
	from, to := d+places[rnd.IntN(len(places))], d+places[rnd.IntN(len(places))]
	switch rnd.IntN(6) {
	case 0:
		if unix.Mount(from, to, "", unix.MS_BIND, "") == nil {
			m.stack = append(m.stack, to)
		}
		return "mount " + from + " " + to
	case 1:
		if len(m.stack) > 0 {
			i := rnd.IntN(len(m.stack))
			p := m.stack[i]
			if unix.Unmount(p, unix.MNT_DETACH) == nil {
				m.stack = slices.Delete(m.stack, i, i+1)
			}
			return "unmount " + p
		}
	}
	return mutate(rnd, d)
}

func (m *mounter) clean() {
	for range 3 { // paths may lead elsewhere until another mount is gone
		for _, p := range slices.Backward(m.stack) {
			_ = unix.Unmount(p, unix.MNT_DETACH)
		}
	}
}

// TestPinsOnOverlay: a descriptor that was opened before a file was copied up
// tells of the copy.
func TestPinsOnOverlay(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	for _, c := range append(deeds(),
		deed{"hard link of the lower layer written", func(t *testing.T, d, _ string) { rewrite(t, d+"/hard/one") }, true},
		deed{"other hard link of the lower layer written", func(t *testing.T, d, _ string) { rewrite(t, d+"/hard/two") }, true},
		deed{"mode of directory of the lower layer", func(t *testing.T, d, _ string) { must(t, os.Chmod(d+"/a", 0o700)) }, false},
	) {
		if strings.HasPrefix(c.name, "directory") {
			continue // those of the lower layer cannot be renamed
		}
		t.Run(c.name, func(t *testing.T) {
			var ps *action.PathSet
			base := t.TempDir()
			d := overlay(t, base, func(lower string) {
				ps = deedTree(t, lower+"/d")
				write(t, lower+"/d/hard/one", "h")
				must(t, os.Link(lower+"/d/hard/one", lower+"/d/hard/two"))
				must(t, os.Mkdir(lower+"/outside", 0o755))
			})
			for i, p := range ps.Paths {
				ps.Paths[i] = d + strings.TrimPrefix(p, base+"/lower")
			}
			onOverlay(t, ps, c, d+"/d", d+"/outside")
		})
	}
	t.Run("random", func(t *testing.T) {
		for seed := range uint64(10) {
			rnd := rand.New(rand.NewPCG(seed, 3))
			d := overlay(t, t.TempDir(), func(lower string) {
				for range 25 {
					mutate(rnd, lower)
				}
			})
			history(t, seed, d, pinned(t, true), mutate)
		}
	})
}

// TestOverlayLinkOverLink: two names of one file of the lower layer have one
// identity and are two files as soon as one is written to. A mount may put one in
// the other's place while nothing that is looked at changes.
func TestOverlayLinkOverLink(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	d := overlay(t, t.TempDir(), func(lower string) {
		write(t, lower+"/sub/one", "1")
		must(t, os.Mkdir(lower+"/elsewhere", 0o755))
		must(t, os.Link(lower+"/sub/one", lower+"/elsewhere/two"))
	})
	tick()
	v := pinned(t, true)
	s, _ := evaluate(t, v, &action.PathSet{Paths: []string{d + "/sub/one"}})
	if !s.Unchanged() {
		t.Fatal("changed before anything happened")
	}
	bind(t, d+"/elsewhere/two", d+"/sub/one")
	s.Unchanged()
	rewrite(t, d+"/sub/one")
	if s.Unchanged() {
		t.Error("unchanged, it says")
	}
}

// overlay mounts an empty layer over one that fill has filled, and returns where.
func overlay(t *testing.T, base string, fill func(lower string)) string {
	for _, d := range []string{"lower", "upper", "work", "merged"} {
		must(t, os.Mkdir(base+"/"+d, 0o755))
	}
	fill(base + "/lower")
	opts := "userxattr,lowerdir=" + base + "/lower,upperdir=" + base + "/upper,workdir=" + base + "/work"
	if err := unix.Mount("overlay", base+"/merged", "overlay", 0, opts); err != nil {
		t.Skip("no overlay: ", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(base+"/merged", unix.MNT_DETACH) })
	return base + "/merged"
}

// onOverlay does c and looks at it through a set that has both names of a file of
// the lower layer, and through one that has only those.
func onOverlay(t *testing.T, ps *action.PathSet, c deed, d, outside string) {
	links := &action.PathSet{Paths: []string{d + "/hard/one", d + "/hard/two"}}
	all := &action.PathSet{Paths: append(links.Paths, ps.Paths...)}
	tick()
	v := pinned(t, true)
	var snaps [2]*filestate.Snapshot
	var roots [2]digest.Digest
	for i, ps := range []*action.PathSet{all, links} {
		snaps[i], roots[i] = evaluate(t, v, ps)
		if !snaps[i].Unchanged() {
			t.Fatal("changed before anything happened")
		}
	}
	if pins, _ := snaps[0].ByPins(); len(pins) < 5 {
		t.Fatalf("only %q looked at by pins", pins)
	}
	c.do(t, d, outside)
	for i, ps := range []*action.PathSet{all, links} {
		_, now := evaluate(t, filestate.New(filestate.Clock), ps)
		if i == 0 && (now != roots[i]) != c.changes {
			t.Fatalf("the tree has changed: %v; want %v", now != roots[i], c.changes)
		}
		if snaps[i].Unchanged() && now != roots[i] {
			t.Errorf("unchanged, it says (set %d)", i)
		}
	}
}
