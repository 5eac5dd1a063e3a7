package filestate_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/tree"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func evaluate(t *testing.T, v *filestate.View, ps *action.PathSet) (*filestate.Snapshot, digest.Digest) {
	t.Helper()
	s, err := v.Evaluate(ps)
	if err != nil {
		t.Fatal(err)
	}
	return s, rootOf(t, s)
}

// rootOf returns the digest of the tree that a snapshot holds.
func rootOf(t *testing.T, s *filestate.Snapshot) digest.Digest {
	t.Helper()
	var b tree.Builder
	s.AddTo(&b)
	tr, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return tr.Root
}

// tick waits until the clock of time stamps has passed the present moment. It may
// lag behind by more than a tick, and stamps of files that were looked at do not.
func tick() {
	for start := time.Now().UnixNano(); filestate.Clock() <= start; {
		time.Sleep(time.Millisecond)
	}
}

// found returns what a snapshot holds, with paths relative to dir.
func found(t *testing.T, s *filestate.Snapshot, dir string) (files, dirs []string, links [][2]string) {
	t.Helper()
	rel := func(p string) string {
		r, err := filepath.Rel(dir, p)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, f := range s.Files() {
		files = append(files, rel(f.Path))
	}
	for _, d := range s.Dirs() {
		if r := rel(d); filepath.IsLocal(r) && r != "." {
			dirs = append(dirs, r)
		}
	}
	for _, l := range s.Links() {
		links = append(links, [2]string{rel(l[0]), l[1]})
	}
	return files, dirs, links
}

func TestEvaluate(t *testing.T) {
	d := t.TempDir()
	write(t, d+"/real/inc/a.h", "a")
	write(t, d+"/real/inc/sys/b.h", "b")
	write(t, d+"/deps/libx-1.rmeta", "x")
	write(t, d+"/deps/libx-1.rlib", "xx")
	write(t, d+"/deps/liby-1.rmeta", "y")
	for link, target := range map[string]string{"link": "real", "abs": d + "/real/inc", "loop": "loop", "dangling": "nowhere", "a.h": "link/inc/a.h"} {
		if err := os.Symlink(target, d+"/"+link); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		ps    action.PathSet
		files []string
		dirs  []string
		links [][2]string
	}{
		{"file", action.PathSet{Paths: []string{d + "/real/inc/a.h"}}, []string{"real/inc/a.h"}, []string{"real", "real/inc"}, nil},
		{"absent", action.PathSet{Paths: []string{d + "/real/no/a.h"}}, nil, []string{"real"}, nil},
		{"below a file", action.PathSet{Paths: []string{d + "/real/inc/a.h/x"}}, nil, []string{"real", "real/inc"}, nil},
		{"through a link", action.PathSet{Paths: []string{d + "/link/inc/a.h"}}, []string{"real/inc/a.h"}, []string{"real", "real/inc"}, [][2]string{{"link", "real"}}},
		{"back from a link", action.PathSet{Paths: []string{d + "/abs/../inc/a.h"}}, []string{"real/inc/a.h"}, []string{"real", "real/inc"}, [][2]string{{"abs", d + "/real/inc"}}},
		{"link to a file", action.PathSet{Paths: []string{d + "/a.h"}}, []string{"real/inc/a.h"}, []string{"real", "real/inc"}, [][2]string{{"a.h", "link/inc/a.h"}, {"link", "real"}}},
		{"loop", action.PathSet{Paths: []string{d + "/loop/x", d + "/loop"}}, nil, nil, [][2]string{{"loop", "loop"}}},
		{"dangling", action.PathSet{Paths: []string{d + "/dangling"}}, nil, nil, [][2]string{{"dangling", "nowhere"}}},
		{"directory", action.PathSet{Paths: []string{d + "/real/inc/"}}, nil, []string{"real", "real/inc"}, nil},
		{"search", action.PathSet{Searches: []action.Search{{Dirs: []string{d + "/link/inc", d + "/deps", d + "/none"}, Names: []string{"a.h", "sys/b.h", "sys/c.h", "../inc/a.h", "libx-1.rlib"}}}},
			[]string{"real/inc/a.h", "real/inc/sys/b.h", "deps/libx-1.rlib"}, []string{"deps", "real", "real/inc", "real/inc/sys"}, [][2]string{{"link", "real"}}},
		{"listing", action.PathSet{Listings: []action.Listing{{Dir: d + "/deps", Prefix: "libx-1", Suffix: ".rmeta"}}}, []string{"deps/libx-1.rmeta"}, []string{"deps"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, _ := evaluate(t, filestate.New(filestate.Clock), &c.ps)
			files, dirs, links := found(t, s, d)
			if diff := cmp.Diff([]any{c.files, c.dirs, c.links}, []any{files, dirs, links}, cmp.Transformer("sorted", sorted)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func sorted(s []string) map[string]bool {
	m := make(map[string]bool)
	for _, x := range s {
		m[x] = true
	}
	return m
}

// TestUnchangedAgreesWithEvaluate makes random changes to a small tree. After each
// one, Unchanged must say of an old snapshot what evaluating again shows.
func TestUnchangedAgreesWithEvaluate(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		d := t.TempDir()
		v := filestate.New(filestate.Clock)
		ps := &action.PathSet{
			Paths:    []string{d + "/a/f1", d + "/b/../f2", d + "/c/f1"},
			Searches: []action.Search{{Dirs: []string{d + "/a", d + "/b", d + "/c/d"}, Names: []string{"f1", "f2", "d/f1", "../f2"}}},
			Listings: []action.Listing{{Dir: d + "/b", Prefix: "f"}},
		}
		for range 15 {
			mutate(rnd, d)
		}
		s, root := evaluate(t, v, ps)
		for step := range 60 {
			if rnd.IntN(4) == 0 {
				tick() // otherwise several changes fall into one tick
			}
			what := mutate(rnd, d)
			unchanged := s.Unchanged()
			renewed := s.Renewed()
			s2, root2 := evaluate(t, filestate.New(filestate.Clock), ps)
			if renewed != nil && rootOf(t, renewed) != root2 {
				t.Fatalf("seed %d step %d (%s): renewed to another tree", seed, step, what)
			}
			if renewed == s && root != root2 {
				t.Fatalf("seed %d step %d (%s): renewed is the same, but the tree is another", seed, step, what)
			}
			if renewed != nil && rnd.IntN(2) == 0 {
				s, root = renewed, root2
				continue
			}
			if unchanged && root != root2 {
				t.Fatalf("seed %d step %d (%s): Unchanged, but the tree is another", seed, step, what)
			}
			if !unchanged {
				if s3, root3 := evaluate(t, v, ps); root3 != root2 {
					t.Fatalf("seed %d step %d (%s): the old view sees another tree than a new one", seed, step, what)
				} else {
					s, root = s3, root3
				}
			}
			_ = s2
		}
	}
}

// mutate does something at random below d and says what.
func mutate(rnd *rand.Rand, d string) string {
	dirs := []string{d, d + "/a", d + "/b", d + "/c", d + "/c/d", d + "/a/d"}
	names := []string{"f1", "f2", "d", "a", "b", "c", "g"}
	pick := func(l []string) string { return l[rnd.IntN(len(l))] }
	p, q := pick(dirs)+"/"+pick(names), pick(dirs)+"/"+pick(names)
	switch rnd.IntN(8) {
	case 0, 1:
		_ = os.WriteFile(p, []byte{byte('0' + rnd.IntN(3))}, 0o644)
		return "write " + p
	case 2:
		_ = os.MkdirAll(pick(dirs), 0o755)
		return "mkdir"
	case 3:
		_ = os.Symlink(pick([]string{"a", "../b", "f1", d + "/c"}), p)
		return "symlink " + p
	case 4:
		_ = os.RemoveAll(p)
		return "remove " + p
	case 5:
		_ = os.Rename(p, q)
		return "rename " + p + " " + q
	case 6:
		_ = os.Chmod(p, 0o644|os.FileMode(rnd.IntN(2))*0o111)
		return "chmod " + p
	default:
		_ = os.Link(p, q)
		return "link " + p + " " + q
	}
}

// TestRenewed: another content makes another snapshot, another name none.
func TestRenewed(t *testing.T) {
	d := t.TempDir()
	write(t, d+"/a.h", "a")
	write(t, d+"/b.h", "b")
	v := filestate.New(filestate.Clock)
	ps := &action.PathSet{Paths: []string{d + "/a.h", d + "/c.h"}, Searches: []action.Search{{Dirs: []string{d}, Names: []string{"b.h"}}}}
	s, root := evaluate(t, v, ps)
	if s.Renewed() != s {
		t.Error("nothing has changed, and the snapshot is another")
	}
	tick()
	write(t, d+"/b.h", "c")
	n := s.Renewed()
	if n == nil || n == s {
		t.Fatalf("another content: %p of %p, want another snapshot", n, s)
	}
	if rootOf(t, s) != root {
		t.Error("the old snapshot has changed")
	}
	if _, now := evaluate(t, v, ps); rootOf(t, n) != now || now == root {
		t.Error("the new snapshot holds another tree than an evaluation")
	}
	if !n.Unchanged() || n.Renewed() != n {
		t.Error("the new snapshot is not what is there")
	}
	write(t, d+"/c.h", "there now")
	if n.Renewed() != nil {
		t.Error("another name, and a snapshot")
	}
}

// TestSameTickChange: a change that leaves size and time stamps as they were is
// seen, because nothing read within its own tick is remembered.
func TestSameTickChange(t *testing.T) {
	d := t.TempDir()
	now := int64(0)
	v := filestate.New(func() int64 { return now })
	write(t, d+"/f", "old")
	id, err := filestate.Stat(d + "/f")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		clock   int64
		settled bool
	}{{id.Ctime - 1, false}, {id.Ctime, false}, {id.Ctime + 1, true}} {
		now = c.clock
		got, err := v.File(d + "/f")
		if err != nil || got.Settled != c.settled {
			t.Errorf("clock %+d: settled %v, %v; want %v", c.clock-id.Ctime, got.Settled, err, c.settled)
		}
	}
}

func TestChangedSince(t *testing.T) {
	d := t.TempDir()
	write(t, d+"/inc/a.h", "a")
	write(t, d+"/out/keep", "")
	tick()
	start := filestate.New(filestate.Clock).Now()
	ps := &action.PathSet{Paths: []string{d + "/inc/a.h", d + "/out/b.h"}}
	changed := func() string {
		s, _ := evaluate(t, filestate.New(filestate.Clock), ps)
		return s.ChangedSince(start, nil)
	}
	if p := changed(); p != "" {
		t.Fatalf("nothing happened, but %s", p)
	}
	write(t, d+"/out/object.o", "o")
	if p := changed(); p != "" {
		t.Fatalf("an output appeared: %s", p)
	}
	if err := os.Rename(d+"/inc", d+"/was"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(d+"/was", d+"/inc"); err != nil {
		t.Fatal(err)
	}
	if p := changed(); p != d+"/inc" {
		t.Errorf("directory moved away and back: %q", p)
	}
	write(t, d+"/out/b.h", "b")
	if p := changed(); p != d+"/out/b.h" && p != d+"/inc" {
		t.Errorf("file appeared: %q", p)
	}
}

// TestChangedWhole: of a file that is never rewritten, new time stamps are no change;
// another content, and another file with the same content, are.
func TestChangedWhole(t *testing.T) {
	p := t.TempDir() + "/lib.rmeta"
	write(t, p, "a")
	v := filestate.New(filestate.Clock)
	before, err := v.File(p)
	if err != nil {
		t.Fatal(err)
	}
	tick()
	start := v.Now()
	changed := func(whole map[string]filestate.Content) string {
		s, _ := evaluate(t, filestate.New(filestate.Clock), &action.PathSet{Paths: []string{p}})
		return s.ChangedSince(start, whole)
	}
	whole := map[string]filestate.Content{p: before}
	if err := os.Chtimes(p, time.Unix(1e9, 0), time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	if got := changed(whole); got != "" {
		t.Errorf("time set: %q changed", got)
	}
	if got := changed(nil); got != p {
		t.Errorf("time set, nothing known of the content before: %q changed, want %q", got, p)
	}
	rewrite(t, p)
	if got := changed(whole); got != p {
		t.Errorf("other content: %q changed, want %q", got, p)
	}
	if err := os.Remove(p); err != nil {
		t.Fatal(err)
	}
	write(t, p+"-new", "a") // before the old inode can be used again
	if err := os.Rename(p+"-new", p); err != nil {
		t.Fatal(err)
	}
	whole[p] = filestate.Content{ID: filestate.ID{Ino: before.ID.Ino + 1, Dev: before.ID.Dev, Mode: before.ID.Mode}, Digest: before.Digest}
	if got := changed(whole); got != p {
		t.Errorf("another file with that content: %q changed, want %q", got, p)
	}
}

// TestTouchedWhileRead: a file whose time is set once while it is read has the
// content that it has; one that changes all the time has none.
func TestTouchedWhileRead(t *testing.T) {
	const size = 64 << 20 // some 30 ms of reading
	p := filepath.Join(t.TempDir(), "f")
	must(t, os.WriteFile(p, make([]byte, size), 0o600))
	touch := func() { must(t, os.Chtimes(p, time.Time{}, time.Now())) }
	for delay := range 4 {
		v := filestate.New(filestate.Clock)
		done := make(chan struct{})
		go func() {
			defer close(done)
			time.Sleep(time.Duration(5*delay+1) * time.Millisecond)
			touch()
		}()
		c, err := v.File(p)
		<-done
		if err != nil || c.Digest.Size != size {
			t.Errorf("touched once: %v, %v", c, err)
		}
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				touch()
			}
		}
	}()
	_, err := filestate.New(filestate.Clock).File(p)
	close(stop)
	<-done
	if !errors.Is(err, filestate.ErrChanging) {
		t.Errorf("touched all the time: %v", err)
	}
}

func TestDirectoryInPlaceOfFileIsNoContent(t *testing.T) {
	d := t.TempDir()
	if _, err := filestate.New(filestate.Clock).File(d); err == nil {
		t.Error("a directory has content")
	}
}

// TestFileBecomesDirectory: where a path led through a file, and so nowhere, it
// may lead somewhere once a directory or a link takes the file's place.
func TestFileBecomesDirectory(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(t *testing.T, at string)
	}{
		{"directory", func(t *testing.T, at string) { write(t, at+"/f", "f") }},
		{"link", func(t *testing.T, at string) { must(t, os.Symlink("real", at)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := t.TempDir()
			write(t, d+"/inc", "a file")
			write(t, d+"/real/f", "f")
			tick()
			s, root := evaluate(t, filestate.New(filestate.Clock), &action.PathSet{Paths: []string{d + "/inc/f"}})
			must(t, os.Remove(d+"/inc"))
			if !s.Unchanged() {
				t.Error("nothing there instead of a file: changed")
			}
			c.make(t, d+"/inc")
			if s.Unchanged() && rootOf(t, s) == root {
				t.Error("unchanged")
			}
		})
	}
}

// BenchmarkUnchanged is the cost of a hit's look at 420 headers in 15 directories
// that are searched for 840 names.
func BenchmarkUnchanged(b *testing.B) {
	d := b.TempDir()
	ps := &action.PathSet{}
	s := action.Search{}
	for i := range 15 {
		dir := fmt.Sprintf("%s/%d", d, i)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		s.Dirs = append(s.Dirs, dir)
		for k := range 28 {
			p := fmt.Sprintf("%s/h%d_%d.h", dir, i, k)
			if err := os.WriteFile(p, []byte(p), 0o644); err != nil {
				b.Fatal(err)
			}
			ps.Paths = append(ps.Paths, p)
			s.Names = append(s.Names, filepath.Base(p), filepath.Base(p)+".gch")
		}
	}
	ps.Searches = []action.Search{s}
	tick()
	for _, way := range []struct {
		name string
		view *filestate.View
	}{{"paths", filestate.New(filestate.Clock)}, {"pins", pinned(b, false)}} {
		b.Run(way.name, func(b *testing.B) {
			snap, err := way.view.Evaluate(ps)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if !snap.Unchanged() {
					b.Fatal("changed")
				}
			}
		})
	}
}
