package remote

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestLayouts: compilers that are installed in unusual ways are sent whole, or stay here
// and are counted with the reason; either way what comes of it is what they give here.
func TestLayouts(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{
		"a.c": "#include <stddef.h>\n#include <stdio.h>\nsize_t a(void) { return sizeof(FILE *); }\n",
		"b.c": "#include <stddef.h>\nsize_t b(void) { return sizeof(void *); }\n", "c.cc": "#include <map>\nint c(std::map<int, int> &m) { return m[1]; }\n",
		"wrapper/gcc": "#!/bin/sh\nexec /usr/bin/gcc -DWRAPPED \"$@\"\n", "mine.specs": "*cc1_options:\n+ -fno-common\n\n",
	})
	if err := os.Chmod(filepath.Join(dir, "wrapper/gcc"), 0o755); err != nil {
		t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, d := range []string{"links", "llvm/bin", "llvm/lib/clang"} {
		if err := os.MkdirAll(at(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"links/gcc": "/usr/bin/gcc", "links/g++": "../links/plus", "links/plus": "/usr/bin/g++", "lib": "llvm", "links/clang": "../lib/bin/clang"} {
		if err := os.Symlink(target, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	resources := strings.TrimSpace(harness.Command(t, dir, os.Environ(), "clang", "-print-resource-dir").Stdout)
	if r := harness.Command(t, dir, os.Environ(), "sh", "-c", "cp -L /usr/bin/clang llvm/bin/clang && cp -rL "+resources+" llvm/lib/clang/"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	const watched = "an option chooses files by rules that have to be watched"
	for _, test := range []struct {
		argv []string
		here string // why it is compiled here; "": it is not
	}{
		{[]string{"cc", "a.c"}, ""},
		{[]string{"c++", "c.cc"}, ""},
		{[]string{"/etc/alternatives/cc", "a.c"}, ""},
		{[]string{"/bin/x86_64-linux-gnu-gcc-12", "a.c"}, ""},
		{[]string{at("links/gcc"), "a.c"}, ""},
		{[]string{at("links/g++"), "c.cc"}, ""},
		{[]string{"gcc", "-m32", "b.c"}, ""},
		{[]string{"clang", "-m32", "b.c"}, ""},
		{[]string{"aarch64-linux-gnu-gcc-12", "b.c"}, ""},
		{[]string{"clang", "--target=aarch64-linux-gnu", "b.c"}, ""},
		{[]string{at("llvm/bin/clang"), "a.c"}, ""},
		{[]string{at("lib/bin/clang"), "a.c"}, ""},
		{[]string{at("links/clang"), "a.c"}, ""},
		{[]string{"clang", "-resource-dir", at("llvm/lib/clang/" + filepath.Base(resources)), "b.c"}, watched},
		{[]string{"gcc", "-specs=mine.specs", "b.c"}, watched},
		{[]string{at("wrapper/gcc"), "a.c"}, "not cached"},
	} {
		t.Run(strings.ReplaceAll(strings.Join(test.argv, " "), dir, ""), func(t *testing.T) {
			c := newClient(t, strict(e.url()), "CACHEPOT_PATHS_MODE=exact")
			argv := append(test.argv, "-O2", "-g", "-c", "-o", "x.o")
			compile := func(prefix ...string) string {
				t.Helper()
				r := harness.Command(t, dir, c.Env, append(prefix, argv...)...)
				text, err := os.ReadFile(at("x.o"))
				if r.Code != 0 || err != nil {
					t.Fatalf("status %d, %v\n%s", r.Code, err, r.Stderr)
				}
				if err := os.Remove(at("x.o")); err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
			if compile() != compile(c.Wrapper) {
				t.Error("another object")
			}
			s := c.Counters()
			elsewhere := sum(s.DistCompiles) == 1
			reason := test.here == "not cached" && s.NotCacheable == 1 || test.here != "" && s.DistLocal[test.here] == 1
			if elsewhere != (test.here == "") || !elsewhere && !reason {
				t.Errorf("elsewhere %v, here %v, not cached %v", s.DistCompiles, s.DistLocal, s.NotCached)
			}
		})
	}
}

// TestRustLayouts: rustc is sent whole by the path that it lies at, by a link to its
// directory, and by what rustup knows it as; rustup's proxy itself is what cargo looks behind.
func TestRustLayouts(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"l.rs": "pub fn f() -> u32 { 7 }\n", "c/Cargo.toml": "[package]\nname = \"c\"\nedition = \"2021\"\n", "c/src/lib.rs": "pub fn f() {}\n"})
	sysroot := strings.TrimSpace(harness.Command(t, dir, os.Environ(), "rustc", "--print", "sysroot").Stdout)
	if err := os.Symlink(sysroot, filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	compilers := []string{sysroot + "/bin/rustc", dir + "/linked/bin/rustc"}
	home := ""
	if _, err := exec.LookPath("rustup"); err == nil {
		home = filepath.Join(dir, "rustup")
		if r := harness.Command(t, dir, append(os.Environ(), "RUSTUP_HOME="+home), "rustup", "toolchain", "link", "mine", sysroot); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		compilers = append(compilers, home+"/toolchains/mine/bin/rustc")
	}
	for _, compiler := range compilers {
		c := newClient(t, strict(e.url()), "CACHEPOT_PATHS_MODE=exact")
		argv := []string{compiler, "--crate-type", "lib", "--crate-name", "l", "--emit", "link,metadata,dep-info", "--out-dir", dir, "-C", "opt-level=2", "l.rs"}
		object := func(r harness.Ended) string {
			t.Helper()
			text, err := os.ReadFile(filepath.Join(dir, "libl.rlib"))
			if r.Code != 0 || err != nil {
				t.Fatalf("%s: status %d, %v\n%s", compiler, r.Code, err, r.Stderr)
			}
			return string(text)
		}
		if object(harness.Command(t, dir, c.Env, argv...)) != object(c.Compile(dir, argv...)) {
			t.Errorf("%s: another crate", compiler)
		}
		c.want(1, 0)
	}
	c := newClient(t, strict(e.url()), "CACHEPOT_PATHS_MODE=exact")
	env := append(c.Env, "RUSTC_WRAPPER="+c.Wrapper, "CARGO_INCREMENTAL=0")
	if home != "" {
		env = append(env, "RUSTUP_HOME="+home, "RUSTUP_TOOLCHAIN=mine")
	}
	if r := harness.Command(t, filepath.Join(dir, "c"), env, "cargo", "build", "--offline", "-q"); r.Code != 0 {
		t.Errorf("cargo: %s", r.Stderr)
	}
	c.want(1, 0)
}
