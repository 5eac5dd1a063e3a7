package wrapper

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestLooksLikeCompiler(t *testing.T) {
	for name, want := range map[string]bool{
		"gcc": true, "g++": true, "cc": true, "clang-14": true, "gcc-12.2": true, "x86_64-linux-gnu-gcc-12": true,
		"rustc": true, "clippy-driver": true, "cachepot": false, "cachepot_pub": false, "sccache": false, "my-gcc": false,
		"gcc-ar": false, "clang-format": false, "": false, "-12": false,
	} {
		if got := looksLikeCompiler(name); got != want {
			t.Errorf("looksLikeCompiler(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestWithoutRepetition(t *testing.T) {
	for _, c := range []struct {
		argv []string
		want int
	}{
		{[]string{"cachepot", "cachepot", "gcc", "-c"}, 3},
		{[]string{"/a/cachepot", "/b/cachepot", "cachepot", "gcc"}, 2},
		{[]string{"cachepot", "gcc"}, 2},
		{[]string{"cachepot", "cachepot"}, 2},
	} {
		if got := withoutRepetition(c.argv); len(got) != c.want {
			t.Errorf("withoutRepetition(%q) = %q", c.argv, got)
		}
	}
}

// TestFind: caches are passed over, and what is not there is not searched for.
func TestFind(t *testing.T) {
	d := t.TempDir()
	self := filepath.Join(d, "cachepot")
	write := func(name, content string, mode os.FileMode) string {
		p := filepath.Join(d, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	write("cachepot", "this program", 0o755)
	write("copy/gcc", "this program", 0o755)
	write("plain/gcc", "no permission", 0o644)
	real := write("real/gcc", "a compiler", 0o755)
	for dir, target := range map[string]string{"link": "../cachepot", "ccache": "../bin/ccache"} {
		if err := os.Mkdir(filepath.Join(d, dir), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(d, dir, "gcc")); err != nil {
			t.Fatal(err)
		}
	}
	write("bin/ccache", "ccache", 0o755)
	path := d + "/link:" + d + "/copy:" + d + "/ccache:" + d + "/plain:" + d + "/real"
	w := &wrapper{self: self, env: []string{"PATH=" + path}}
	for _, c := range []struct {
		name     string
		path     string
		shadowed bool
		errno    syscall.Errno
	}{
		{"gcc", real, true, 0},
		{d + "/link/gcc", real, true, 0},
		{real, real, false, 0},
		{"/none/gcc", "", false, syscall.ENOENT},
		{d + "/plain/gcc", "", false, syscall.EACCES},
		{d + "/real", "", false, syscall.EACCES}, // a directory
		{"g++", "", false, syscall.ENOENT},
	} {
		p, shadowed, errno := w.find(c.name)
		if p != c.path || shadowed != c.shadowed || errno != c.errno {
			t.Errorf("find(%s) = %s, %v, %v; want %s, %v, %v", c.name, p, shadowed, errno, c.path, c.shadowed, c.errno)
		}
	}
}
