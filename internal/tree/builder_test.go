package tree

import (
	"testing"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
)

// TestGolden pins the encoding: a change here makes every key in the world
// another, and must come with another action.Salt.
func TestGolden(t *testing.T) {
	var b Builder
	b.File("/usr/bin/gcc", digest.Of([]byte("gcc")), true)
	b.File("/w/a.c", digest.Of([]byte("int a;")), false)
	b.Dir("/w/empty")
	b.Symlink("/lib", "/usr/lib")
	got, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	const want = "b66aa9c1"
	if got.Root.Hex()[:8] != want {
		t.Errorf("root = %s, want %s…", got.Root, want)
	}
	var root repb.Directory
	if err := proto.Unmarshal(got.Dirs[got.Root], &root); err != nil {
		t.Fatal(err)
	}
	if l := root.Symlinks[0]; l.Name != "lib" || l.Target != "usr/lib" {
		t.Errorf("symlink = %v, want lib -> usr/lib", l)
	}
}

func TestOrderOfAddingDoesNotMatter(t *testing.T) {
	var a, b Builder
	x, y := digest.Of([]byte("x")), digest.Of([]byte("y"))
	a.File("/d/x", x, false)
	a.File("/d/y", y, false)
	b.File("/d/y", y, false)
	b.Dir("/d")
	b.File("/d/x", x, false)
	b.File("/d/x", x, false)
	ta, _ := a.Build()
	tb, err := b.Build()
	if err != nil || ta.Root != tb.Root {
		t.Errorf("roots %v and %v, err %v", ta.Root, tb.Root, err)
	}
}

func TestConflicts(t *testing.T) {
	x, y := digest.Of([]byte("x")), digest.Of([]byte("y"))
	for name, add := range map[string]func(*Builder){
		"other content":   func(b *Builder) { b.File("/a", x, false); b.File("/a", y, false) },
		"other mode":      func(b *Builder) { b.File("/a", x, false); b.File("/a", x, true) },
		"file, then dir":  func(b *Builder) { b.File("/a", x, false); b.Dir("/a/b") },
		"dir, then file":  func(b *Builder) { b.Dir("/a/b"); b.File("/a", x, false) },
		"link, then dir":  func(b *Builder) { b.Symlink("/a", "b"); b.File("/a/c", x, false) },
		"dir, then link":  func(b *Builder) { b.Dir("/a"); b.Symlink("/a", "b") },
		"file, then link": func(b *Builder) { b.File("/a", x, false); b.Symlink("/a", "b") },
		"dot dot":         func(b *Builder) { b.File("/a/../b", x, false) },
	} {
		var b Builder
		add(&b)
		if _, err := b.Build(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRelative(t *testing.T) {
	for _, c := range [][3]string{
		{"/", "/usr/lib", "usr/lib"},
		{"/usr/lib64", "/lib/x", "../../lib/x"},
		{"/a/b", "/a", ".."},
		{"/a", "/a", "."},
		{"/a", "/", ".."},
	} {
		if got := relative(c[0], c[1]); got != c[2] {
			t.Errorf("relative(%s, %s) = %s, want %s", c[0], c[1], got, c[2])
		}
	}
}
