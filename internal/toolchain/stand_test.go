package toolchain

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFind: an override is for the compiler that it names, by whatever links that is
// reached, and for no other.
func TestFind(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, d := range []string{"usr/bin", "etc/alternatives", "llvm/bin", "rust", "other"} {
		if err := os.MkdirAll(at(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"usr/bin/x86_64-linux-gnu-gcc-12", "usr/bin/x86_64-linux-gnu-g++-12", "llvm/bin/clang", "rust/rustup", "usr/bin/wrapper", "other/gcc"} {
		if err := os.WriteFile(at(name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{
		"usr/bin/gcc-12": "x86_64-linux-gnu-gcc-12", "usr/bin/gcc": "gcc-12", "etc/alternatives/cc": at("usr/bin/gcc"), "usr/bin/cc": at("etc/alternatives/cc"),
		"usr/bin/g++": "x86_64-linux-gnu-g++-12", "bin": "usr/bin", "usr/bin/clang": "../../llvm/bin/clang", "usr/bin/clang++": "../../llvm/bin/clang++",
		"llvm/bin/clang++": "clang", "rust/rustc": "rustup", "rust/cargo": "rustup", "usr/bin/rustc": "../../rust/rustc", "usr/bin/dead": "nowhere",
	} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	s := NewStands(nil, nil, nil, nil, []Override{
		{Compiler: at("usr/bin/gcc"), Inside: "gcc"}, {Compiler: at("usr/bin/clang"), Inside: "clang"}, {Compiler: at("usr/bin/clang-gone"), Inside: "gone"},
		{Compiler: at("usr/bin/rustc"), Inside: "rustc"}, {Compiler: at("usr/bin/cc"), Inside: "cc"}, {Compiler: at("usr/bin/wrapper"), Inside: "wrapper"},
	})
	for called, want := range map[string]string{
		"usr/bin/gcc": "gcc", "bin/gcc": "gcc", "usr/bin/../bin/gcc": "gcc", "usr/bin/gcc-12": "gcc", "usr/bin/x86_64-linux-gnu-gcc-12": "gcc",
		"usr/bin/cc": "cc", "etc/alternatives/cc": "gcc", // what is named itself goes before what leads to the same
		"usr/bin/g++": "", "other/gcc": "", "usr/bin/clang": "clang", "llvm/bin/clang": "clang", "usr/bin/clang++": "", "llvm/bin/clang++": "",
		"usr/bin/rustc": "rustc", "rust/rustc": "rustc", "rust/cargo": "", "rust/rustup": "", "usr/bin/wrapper": "wrapper", "usr/bin/dead": "", "usr/bin/nothing": "",
	} {
		got := ""
		if o := s.Find(at(called)); o != nil {
			got = o.Inside
		}
		if got != want {
			t.Errorf("%s: %q, want %q", called, got, want)
		}
	}
	if (*Stands)(nil).Find("/usr/bin/gcc") != nil {
		t.Error("no configuration has an override")
	}
}
