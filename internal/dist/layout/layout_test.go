package layout_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/dist/layout"
)

// yard is a layout and the blobs that it takes.
type yard struct {
	t      testing.TB
	dir    string
	realm  *blobs.Realm
	layout *layout.Layout
	stop   func()
}

func open(t testing.TB, dir string, limit int64) *yard {
	t.Helper()
	s, err := blobs.Open(blobs.Config{Dir: filepath.Join(dir, "blobs"), Limit: 4 << 30, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	stop := sync.OnceFunc(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	r, err := s.Realm("")
	if err != nil {
		t.Fatal(err)
	}
	l, err := layout.Open(layout.Config{Dir: filepath.Join(dir, "layout"), Limit: limit, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return &yard{t, dir, r, l, stop}
}

func (y *yard) put(content []byte) *repb.Digest {
	y.t.Helper()
	d := digest.Of(content)
	if err := y.realm.Put(y.t.Context(), d, content); err != nil {
		y.t.Fatal(err)
	}
	return &repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}
}

// tree stores a directory of files, by name, and of others below it.
func (y *yard) tree(files map[string]string, below map[string]*repb.Digest) *repb.Digest {
	y.t.Helper()
	m := &repb.Directory{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		m.Files = append(m.Files, &repb.FileNode{Name: name, Digest: y.put([]byte(files[name]))})
	}
	for _, name := range slices.Sorted(maps.Keys(below)) {
		m.Directories = append(m.Directories, &repb.DirectoryNode{Name: name, Digest: below[name]})
	}
	enc, err := proto.Marshal(m)
	if err != nil {
		y.t.Fatal(err)
	}
	return y.put(enc)
}

func (y *yard) lay(root *repb.Digest) *layout.Root {
	y.t.Helper()
	d, err := digest.FromHex(root.Hash, fmt.Sprint(root.SizeBytes))
	if err != nil {
		y.t.Fatal(err)
	}
	tree, err := y.layout.Load(y.t.Context(), y.realm, d)
	if err != nil {
		y.t.Fatal(err)
	}
	r, err := y.layout.Materialise(y.t.Context(), y.realm, tree, layout.Shape{})
	if err != nil {
		y.t.Fatal(err)
	}
	return r
}

// union returns the files of all layers by path, and fails where two have the same.
func union(t *testing.T, layers []string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range layers {
		err := filepath.WalkDir(dir, func(p string, e os.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			b, err := os.ReadFile(p)
			name := strings.TrimPrefix(p, dir)
			if _, twice := out[name]; twice {
				t.Errorf("%s is in two layers", name)
			}
			out[name] = string(b)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// many returns the files of a directory that is worth a layer.
func many(mark string) map[string]string {
	out := map[string]string{}
	for i := range 40 {
		out[fmt.Sprint("f", i)] = fmt.Sprint(mark, i)
	}
	return out
}

// TestLayers: what comes again is a layer, what has changed is not, and the union of the
// layers is the tree each time.
func TestLayers(t *testing.T) {
	y := open(t, t.TempDir(), 1<<30)
	for i, step := range []struct {
		usr    string
		layers int
	}{{"a", 1}, {"a", 2}, {"a", 2}, {"b", 1}, {"b", 2}, {"a", 2}} {
		usr, w := many(step.usr), map[string]string{"in": fmt.Sprint(i)}
		r := y.lay(y.tree(nil, map[string]*repb.Digest{"usr": y.tree(usr, nil), "w": y.tree(w, nil)}))
		if len(r.Layers) != step.layers {
			t.Errorf("step %d: %d layers, want %d", i, len(r.Layers), step.layers)
		}
		got := union(t, r.Layers)
		if len(got) != len(usr)+1 || got["/w/in"] != fmt.Sprint(i) {
			t.Errorf("step %d: %d files, %q", i, len(got), got["/w/in"])
		}
		for name, content := range usr {
			if got["/usr/"+name] != content {
				t.Errorf("step %d: %s is %q", i, name, got["/usr/"+name])
			}
		}
		r.Release()
	}
}

// TestRestart: the pool stays over a restart, and what has changed in it meanwhile is
// not believed; what was laid out for jobs is gone.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	y := open(t, dir, 1<<30)
	root := y.tree(nil, map[string]*repb.Digest{"usr": y.tree(many("x"), nil)})
	y.lay(root).Release()
	y.lay(root)
	pool := filepath.Join(dir, "layout/pool")
	names, err := os.ReadDir(pool)
	if err != nil || len(names) != 40 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	spoil := filepath.Join(pool, names[0].Name())
	if err := os.Chmod(spoil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(spoil, []byte("y"), 0); err != nil { // of another length, even
		t.Fatal(err)
	}
	other := filepath.Join(pool, names[1].Name())
	was, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	was[0] ^= 1
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, was, 0o444); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pool, "new-7"), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	kept, err := os.Stat(filepath.Join(pool, names[2].Name()))
	if err != nil {
		t.Fatal(err)
	}
	y.stop()
	y = open(t, dir, 1<<30)
	for _, name := range []string{"jobs", "layers"} {
		if left, err := os.ReadDir(filepath.Join(dir, "layout", name)); err != nil || len(left) != 0 {
			t.Errorf("%s: %v, %v", name, left, err)
		}
	}
	got := union(t, y.lay(root).Layers)
	for name, content := range many("x") {
		if got["/usr/"+name] != content {
			t.Errorf("%s is %q", name, got["/usr/"+name])
		}
	}
	if again, err := os.Stat(filepath.Join(pool, names[2].Name())); err != nil || !os.SameFile(kept, again) {
		t.Error("a file that was right was made anew")
	}
}

// TestTrim: what was used last the longest ago goes, with its layers; what a job has in
// use stays as it is.
func TestTrim(t *testing.T) {
	y := open(t, t.TempDir(), 500<<10)
	big := func(mark string) map[string]string {
		out := many(mark)
		for name := range out {
			out[name] += strings.Repeat(mark, 2000)
		}
		return out
	}
	used := y.tree(nil, map[string]*repb.Digest{"usr": y.tree(big("u"), nil)})
	y.lay(used).Release()
	held := y.lay(used)
	for i := range 20 { // 80 KB each, as a layer
		root := y.tree(nil, map[string]*repb.Digest{"usr": y.tree(big(fmt.Sprint("m", i, "-")[:3]), nil)})
		y.lay(root).Release()
		y.lay(root).Release()
	}
	size := func() (n int64) {
		names, err := os.ReadDir(filepath.Join(y.dir, "layout/pool"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range names {
			if info, err := e.Info(); err == nil {
				n += info.Size()
			}
		}
		return n
	}
	for end := time.Now().Add(20 * time.Second); size() > 500<<10; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d bytes are left", size())
		}
	}
	if got := union(t, held.Layers); len(got) != 40 || got["/usr/f1"] != big("u")["f1"] {
		t.Errorf("what is in use: %d files", len(got))
	}
	held.Release()
	if got := union(t, y.lay(used).Layers); len(got) != 40 {
		t.Errorf("%d files", len(got))
	}
}

// BenchmarkJob lays out a tree that has a directory of 100 files with 500 MB beside 20 of
// the job's own, as a compile with a Rust sysroot has; and one without.
func BenchmarkJob(b *testing.B) {
	for _, name := range []string{"sysroot", "without"} {
		b.Run(name, func(b *testing.B) {
			y := open(b, b.TempDir(), 4<<30)
			below := map[string]*repb.Digest{}
			if name == "sysroot" {
				files := map[string]string{}
				for i := range 100 {
					files[fmt.Sprint("lib", i)] = strings.Repeat(string(rune('a'+i%26))+fmt.Sprint(i), 5<<20/3)
				}
				below["toolchain"] = y.tree(files, nil)
			}
			small := map[string]string{}
			for i := range 20 {
				small[fmt.Sprint("h", i)] = fmt.Sprint(i)
			}
			first := time.Now()
			below["w"] = y.tree(small, nil)
			y.lay(y.tree(nil, below)).Release()
			took := time.Since(first)
			y.lay(y.tree(nil, below)).Release()
			roots := make([]*repb.Digest, 100)
			for i := range roots {
				small["in"] = fmt.Sprint(i)
				below["w"] = y.tree(small, nil)
				roots[i] = y.tree(nil, below)
			}
			b.ResetTimer()
			for i := range b.N {
				y.lay(roots[i%len(roots)]).Release()
			}
			b.ReportMetric(float64(took.Milliseconds()), "ms/first")
		})
	}
}
