package tree

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
)

// folder is a source: files by name of their content.
type folder struct {
	t      *testing.T
	dir    string
	opened int
}

func (f *folder) put(content string) digest.Digest {
	d := digest.Of([]byte(content))
	if err := os.WriteFile(filepath.Join(f.dir, d.Hex()), []byte(content), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return d
}

func (f *folder) Open(_ context.Context, d digest.Digest) (*os.File, error) {
	f.opened++
	return os.Open(filepath.Join(f.dir, d.Hex()))
}

func newPool(t *testing.T) (*Pool, *folder) {
	t.Helper()
	return NewPool(t.TempDir(), -1), &folder{t: t, dir: t.TempDir()}
}

func TestMaterialise(t *testing.T) {
	p, src := newPool(t)
	var b Builder
	b.File("/usr/bin/cc", src.put("compiler"), true)
	b.File("/w/cc", src.put("compiler"), false)
	b.File("/w/copy", src.put("compiler"), false)
	b.File("/w/empty.h", src.put(""), false)
	b.Dir("/w/none")
	b.Symlink("/lib", "/usr/lib")
	tr, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"usr": "drwxr-xr-x", "usr/bin": "drwxr-xr-x", "usr/bin/cc": "-r-xr-xr-x compiler", "w": "drwxr-xr-x",
		"w/cc": "-r--r--r-- compiler", "w/copy": "-r--r--r-- compiler", "w/empty.h": "-r--r--r-- ", "w/none": "drwxr-xr-x",
		"lib": "Lrwxrwxrwx usr/lib",
	}
	for range 2 {
		root := t.TempDir()
		if err := p.Materialise(t.Context(), tr, root, src); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, listing(t, root)); d != "" {
			t.Error(d)
		}
	}
	if src.opened != 3 {
		t.Errorf("source opened %d times, want 3: once for each content and mode", src.opened)
	}
}

func listing(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, path)
		if err != nil || rel == "." {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		out[rel] = info.Mode().String()
		switch {
		case info.Mode().IsRegular():
			b, err := os.ReadFile(path)
			out[rel] += " " + string(b)
			return err
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			out[rel] += " " + target
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestChangedContent: what a source gives is verified, and what is wrong stays
// out of the pool.
func TestChangedContent(t *testing.T) {
	p, src := newPool(t)
	d := src.put("right")
	var b Builder
	b.File("/f", d, false)
	tr, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(src.dir, d.Hex()), []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Materialise(t.Context(), tr, t.TempDir(), src); !errors.Is(err, ErrContent) {
		t.Errorf("error = %v, want ErrContent", err)
	}
	src.put("right")
	if err := p.Materialise(t.Context(), tr, t.TempDir(), src); err != nil {
		t.Errorf("after the source was put right: %v", err)
	}
}

// hostile returns a tree of the given root message, with sub as the only other
// directory.
func hostile(t *testing.T, sub, root *repb.Directory) *Tree {
	t.Helper()
	tr := &Tree{Dirs: map[digest.Digest][]byte{}}
	add := func(m *repb.Directory) digest.Digest {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		tr.Dirs[digest.Of(b)] = b
		return digest.Of(b)
	}
	if sub != nil {
		for _, d := range root.Directories {
			if d.Digest == nil {
				d.Digest = Proto(add(sub))
			}
		}
	}
	tr.Root = add(root)
	return tr
}

// TestHostileTrees: no tree puts anything outside the directory it is laid out in.
func TestHostileTrees(t *testing.T) {
	p, src := newPool(t)
	x := Proto(src.put("x"))
	file := func(name string) []*repb.FileNode { return []*repb.FileNode{{Name: name, Digest: x}} }
	dirs := func(name string) []*repb.DirectoryNode { return []*repb.DirectoryNode{{Name: name}} }
	for name, tr := range map[string]*Tree{
		"dot dot":           hostile(t, nil, &repb.Directory{Files: file("..")}),
		"dot":               hostile(t, nil, &repb.Directory{Files: file(".")}),
		"slash":             hostile(t, nil, &repb.Directory{Files: file("../x")}),
		"absolute":          hostile(t, nil, &repb.Directory{Files: file("/tmp/x")}),
		"no name":           hostile(t, nil, &repb.Directory{Files: file("")}),
		"zero byte":         hostile(t, nil, &repb.Directory{Files: file("x\x00y")}),
		"no digest":         hostile(t, nil, &repb.Directory{Files: []*repb.FileNode{{Name: "x"}}}),
		"dir dot dot":       hostile(t, &repb.Directory{}, &repb.Directory{Directories: dirs("..")}),
		"link, then dir":    hostile(t, &repb.Directory{Files: file("x")}, &repb.Directory{Directories: dirs("d"), Symlinks: []*repb.SymlinkNode{{Name: "d", Target: "/tmp"}}}),
		"link, then file":   hostile(t, nil, &repb.Directory{Files: file("f"), Symlinks: []*repb.SymlinkNode{{Name: "f", Target: "/tmp/x"}}}),
		"name twice":        hostile(t, nil, &repb.Directory{Files: append(file("f"), file("f")...)}),
		"missing directory": hostile(t, nil, &repb.Directory{Directories: []*repb.DirectoryNode{{Name: "d", Digest: x}}}),
	} {
		if err := p.Materialise(t.Context(), tr, t.TempDir(), src); err == nil {
			t.Errorf("%s: laid out", name)
		}
	}
}

// TestBomb: 30 levels of directories with two equal entries each stand for 2^31
// nodes.
func TestBomb(t *testing.T) {
	tr := &Tree{Dirs: map[digest.Digest][]byte{}}
	tr.Root = digest.Empty()
	tr.Dirs[tr.Root] = nil
	for range 30 {
		b, err := proto.Marshal(&repb.Directory{Directories: []*repb.DirectoryNode{
			{Name: "a", Digest: Proto(tr.Root)}, {Name: "b", Digest: Proto(tr.Root)}}})
		if err != nil {
			t.Fatal(err)
		}
		tr.Root = digest.Of(b)
		tr.Dirs[tr.Root] = b
	}
	err := tr.Walk(func(string, Node) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "nodes") {
		t.Errorf("error = %v, want one of too many nodes", err)
	}
}
