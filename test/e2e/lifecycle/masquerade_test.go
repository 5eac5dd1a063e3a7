package lifecycle

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copyFile copies a program.
func (i *instance) copyFile(from, to string) {
	i.t.Helper()
	b, err := os.ReadFile(from)
	i.must(err)
	i.must(os.WriteFile(to, b, 0o755))
}

// TestMasquerade: a link called like a compiler is that compiler, with a cache.
func TestMasquerade(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.write("x.cc", "int x;\n")
	i.write("x.rs", "pub fn x() -> u32 { 1 }\n")
	masks := i.mkdir("masks")
	calls := map[string][]string{
		"gcc": {"gcc", "-c", "x.c", "-o", "o"}, "g++": {"g++", "-c", "x.cc", "-o", "o"}, "cc": {"cc", "-c", "x.c", "-o", "o"}, "c++": {"c++", "-c", "x.cc", "-o", "o"},
		"clang": {"clang", "-c", "x.c", "-o", "o"}, "clang++": {"clang++", "-c", "x.cc", "-o", "o"},
		"x86_64-linux-gnu-gcc-12": {"x86_64-linux-gnu-gcc-12", "-c", "x.c", "-o", "o"}, "x86_64-linux-gnu-g++": {"x86_64-linux-gnu-g++", "-c", "x.cc", "-o", "o"},
		"gcc-12": {"gcc-12", "-c", "x.c", "-o", "o"}, "clang-14": {"clang-14", "-c", "x.c", "-o", "o"},
	}
	for name := range calls {
		i.must(os.Symlink(i.wrapper(), masks+"/"+name))
	}
	j := i.with("PATH=" + masks + ":" + os.Getenv("PATH"))
	for name, call := range calls {
		via := append([]string{masks + "/" + name}, call[1:]...)
		shell := []string{"sh", "-c", "exec " + strings.Join(call, " ")} // found in PATH
		j.want(1, 1, func() {
			for _, argv := range [][]string{via, shell} {
				if r := j.run(argv...); r.code != 0 || r.stderr != "" {
					t.Errorf("%v: status %d: %s", argv, r.code, r.stderr)
				}
			}
		})
		i.sameAsBare("o", call...)
		if bare, r := i.run(name, "--version"), j.run(masks+"/"+name, "--version"); bare.stdout != r.stdout {
			t.Errorf("%s --version: %q", name, r.stdout)
		}
	}
	for _, name := range []string{"gcc", "clang"} { // what is not a compile at all
		if r := j.run(masks+"/"+name, "x.c", "-shared", "-o", "lib.so"); r.code != 0 || r.stderr != "" {
			t.Errorf("%s -shared: status %d: %s", name, r.code, r.stderr)
		}
	}
}

// TestMasqueradeForms: other ways to put a compiler's name on the wrapper.
func TestMasqueradeForms(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	path := os.Getenv("PATH")
	for _, test := range []struct {
		name string
		make func(dir string)
		path string // below dir, less PATH
	}{
		{"relative link", func(dir string) {
			rel, err := filepath.Rel(dir+"/m", i.wrapper())
			i.must(err)
			i.must(os.Symlink(rel, dir+"/m/gcc"))
		}, "m"},
		{"link to a link", func(dir string) {
			i.must(os.Symlink(i.wrapper(), dir+"/cp"))
			i.must(os.Symlink("../cp", dir+"/m/gcc"))
		}, "m"},
		{"twice in PATH", func(dir string) { i.must(os.Symlink(i.wrapper(), dir+"/m/gcc")) }, "m:m"},
		{"two directories", func(dir string) {
			i.must(os.Symlink(i.wrapper(), dir+"/m/gcc"))
			i.must(os.Symlink(i.wrapper(), dir+"/n/gcc"))
		}, "m:n"},
		{"directory through a link", func(dir string) {
			i.must(os.Symlink(i.wrapper(), dir+"/m/gcc"))
			i.must(os.Symlink("m", dir+"/l"))
		}, "l:m"},
		{"hard link", func(dir string) { i.hardLinked(dir); i.must(os.Link(dir+"/n/cachepot", dir+"/m/gcc")) }, "m"},
		{"copies", func(dir string) {
			for _, p := range []string{"cachepot", "cachepot-coordinator"} {
				i.copyFile(i.bin+"/"+p, dir+"/m/"+p)
			}
			i.copyFile(i.wrapper(), dir+"/m/gcc")
			i.copyFile(i.wrapper(), dir+"/n/gcc")
			i.copyFile(i.bin+"/cachepot-coordinator", dir+"/n/cachepot-coordinator")
		}, "m:n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := i.mkdir("forms/" + strings.ReplaceAll(test.name, " ", "-"))
			for _, d := range []string{"m", "n"} {
				i.must(os.Mkdir(dir+"/"+d, 0o755))
			}
			test.make(dir)
			dirs := dir + "/" + strings.ReplaceAll(test.path, ":", ":"+dir+"/")
			c := *i
			c.t = t
			j := c.with("PATH=" + dirs + ":" + path)
			before := j.stats()
			for range 3 {
				// Two that call each other in turns would never end.
				if r := j.run("sh", "-c", "exec timeout -s KILL 8 gcc -c x.c -o x.o"); r.code != 0 || r.stderr != "" {
					t.Fatalf("status %d, signal %v: %s", r.code, r.signal, r.stderr)
				}
			}
			if s := j.stats(); s.hits()-before.hits() < 2 || s.Requests-before.Requests != 3 {
				t.Errorf("three calls counted from %+v to %+v", *before, *s)
			}
			c.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
		})
	}
}

// hardLinked puts both programs into dir/n, on the file system of dir.
func (i *instance) hardLinked(dir string) {
	i.t.Helper()
	for _, p := range []string{"cachepot", "cachepot-coordinator"} {
		i.copyFile(i.bin+"/"+p, dir+"/n/"+p)
	}
}

// TestRenamed: a wrapper under another name that is no compiler's is a wrapper.
func TestRenamed(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	for _, name := range []string{"cachepot_pub", "sccache", "ccache", "my-cachepot-1.0", "launcher.exe"} {
		dir := i.mkdir("as-" + name)
		i.copyFile(i.wrapper(), dir+"/"+name)
		i.copyFile(i.bin+"/cachepot-coordinator", dir+"/cachepot-coordinator")
		i.want(1, 0, func() {
			if r := i.run(dir+"/"+name, "gcc", "-c", "x.c", "-o", "x.o"); r.code != 0 || r.stderr != "" {
				t.Errorf("%s: status %d: %s", name, r.code, r.stderr)
			}
		})
		if r := i.run(dir+"/"+name, "--show-stats"); r.code != 0 || !strings.Contains(r.stdout, "Compile requests") {
			t.Errorf("%s --show-stats: %d %q", name, r.code, r.stderr)
		}
	}
}

// TestCompilerPaths: the compiler may be named in any way that a shell takes.
func TestCompilerPaths(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.must(os.Mkdir(i.work+"/sub", 0o755))
	i.must(os.Symlink("/usr/bin/gcc", i.work+"/sub/gcc"))
	i.must(os.Symlink("/usr/bin", i.work+"/usrbin"))
	for _, name := range []string{"gcc", "/usr/bin/gcc", "sub/gcc", "./sub/gcc", "../work/sub/gcc", i.work + "/sub/gcc", "usrbin/gcc", "/usr/bin/../bin/gcc"} {
		i.ok(name, "-c", "x.c", "-o", "x.o") // a miss, or a hit where another name leads to the same file
		i.want(1, 0, func() { i.ok(name, "-c", "x.c", "-o", "x.o") })
	}
	i.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
	// The wrapper before itself, once and more often.
	for _, args := range [][]string{{i.wrapper(), "gcc"}, {i.wrapper(), i.wrapper(), "gcc"}} {
		if r := i.cachepot(append(args, "-c", "x.c", "-o", "x.o")...); r.code != 0 || r.stderr != "" {
			t.Errorf("%v: status %d: %s", args, r.code, r.stderr)
		}
	}
	// What is no compiler is run, and ends as it does.
	for _, args := range [][]string{{"/bin/true"}, {"/bin/false"}, {"sh", "-c", "exit 7"}, {"sh", "-c", "kill -9 $$"}, {"ld", "--version"}, {"echo", "a  b", ""}} {
		bare, r := i.run(args...), i.cachepot(args...)
		if bare.code != r.code || bare.signal != r.signal || bare.stdout != r.stdout || bare.stderr != r.stderr {
			t.Errorf("%v: %+v, bare %+v", args, r, bare)
		}
	}
	if s := i.stats(); s.Unsupported == 0 {
		t.Errorf("no call counted as of an unknown compiler: %+v", *s)
	}
	for args, code := range map[string]int{"no-such-compiler -c x.c": 127, "./no/such -c x.c": 127, "./x.c": 126} {
		if r := i.cachepot(strings.Fields(args)...); r.code != code || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%s: status %d, want %d: %q", args, r.code, code, r.stderr)
		}
	}
}

// TestBesideCcache: ccache's links in PATH lead neither to a loop nor to a wrong
// object.
func TestBesideCcache(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/usr/bin/ccache"); err != nil {
		t.Skip("no ccache here")
	}
	i := start(t, "CACHEPOT_PATHS_MODE=exact") // since ccache gives what the compiler alone makes
	i.write("x.c", "int x;\n")
	links, masks := i.mkdir("ccache-links"), i.mkdir("masks")
	i.must(os.Symlink("/usr/bin/ccache", links+"/gcc"))
	i.must(os.Symlink(i.wrapper(), masks+"/gcc"))
	for _, dirs := range []string{links, masks + ":" + links, links + ":" + masks} {
		j := i.with("PATH="+dirs+":"+os.Getenv("PATH"), "CCACHE_DIR="+i.dir+"/ccache")
		for _, command := range []string{"gcc", i.wrapper() + " gcc"} {
			for n := range 2 {
				i.write("x.c", strings.Repeat("\n", n)+"int x;\n")
				// Two caches that call each other in turns would never end.
				r := j.run("timeout", "-s", "KILL", "8", "sh", "-c", "exec "+command+" -g -c x.c -o x.o")
				if r.code != 0 || r.stderr != "" {
					t.Errorf("%s with %s: status %d, signal %v: %s", command, dirs, r.code, r.signal, r.stderr)
					break
				}
				i.sameAsBare("x.o", "gcc", "-g", "-c", "x.c", "-o", "x.o")
			}
		}
	}
	j := i.with("CCACHE_PREFIX="+i.wrapper(), "CCACHE_DIR="+i.dir+"/ccache2")
	for range 2 {
		if r := j.run("ccache", "gcc", "-c", "x.c", "-o", "x.o"); r.code != 0 || r.stderr != "" {
			t.Errorf("as ccache's prefix: status %d: %s", r.code, r.stderr)
		}
	}
	i.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
}

// TestMasqueradeBelowRustc: the cc that rustc links with is a masquerade too, and
// keeps out of the way.
func TestMasqueradeBelowRustc(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.rs", "fn main() {}\n")
	masks := i.mkdir("masks")
	for _, name := range []string{"cc", "gcc"} {
		i.must(os.Symlink(i.wrapper(), masks+"/"+name))
	}
	j := i.with("PATH=" + masks + ":" + os.Getenv("PATH"))
	sysroot := strings.TrimSpace(i.run("rustc", "--print", "sysroot").stdout)
	call := []string{i.wrapper(), sysroot + "/bin/rustc", "--crate-name", "x", "--crate-type", "bin", "--emit=dep-info,link", "x.rs"}
	j.want(1, 1, func() {
		for range 2 {
			if r := j.run(call...); r.code != 0 || r.stderr != "" {
				t.Errorf("status %d: %s", r.code, r.stderr)
			}
		}
	})
	i.sameAsBare("x", call[1:]...)
}
