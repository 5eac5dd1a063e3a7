package roots

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func sample(t *testing.T) *Map {
	t.Helper()
	m := NewMap([]Root{
		{"/home/u/p", Base + "/src", "."}, {"/mnt/p", Base + "/src", "."},
		{"/home/u/p/out", Base + "/build", Base + "/build"},
	})
	if m == nil {
		t.Fatal("no map")
	}
	return m
}

func TestPaths(t *testing.T) {
	m := sample(t)
	for real, fixed := range map[string]string{
		"/home/u/p":         "/cachepot/src",
		"/home/u/p/x.c":     "/cachepot/src/x.c",
		"/home/u/p/../y":    "/cachepot/src/../y",
		"/home/u/p2/x.c":    "/home/u/p2/x.c",
		"/home/u":           "/home/u",
		"x.c":               "x.c",
		"/home/u/p/out/x.o": "/cachepot/build/x.o",
		"/home/u/p/outer":   "/cachepot/src/outer",
		"/usr/include/x.h":  "/usr/include/x.h",
	} {
		if got := m.Fixed(real); got != fixed {
			t.Errorf("Fixed(%s) = %s, want %s", real, got, fixed)
		}
		if got := m.Real(fixed); got != real {
			t.Errorf("Real(%s) = %s, want %s", fixed, got, real)
		}
	}
	if got := m.Real(m.Fixed("/mnt/p/x.c")); got != "/home/u/p/x.c" {
		t.Errorf("another spelling became %s", got)
	}
	for p, leaves := range map[string]bool{
		"/home/u/p/a/../b/x.c": false, "/home/u/p/../p/x.c": true, "/home/u/p/a/../../q/x.c": true, "/home/u/q/../p/x.c": true,
		"/usr/lib/../include/x.h": false, "/home/u/p/out/../x.c": true,
	} {
		if m.Leaves(p) != leaves {
			t.Errorf("Leaves(%s) = %t", p, !leaves)
		}
	}
	if got := m.FixedList("/home/u/p/a:/usr/bin::/mnt/p"); got != "/cachepot/src/a:/usr/bin::/cachepot/src" {
		t.Errorf("list: %s", got)
	}
	if !m.Above("/home") || !m.Above("/") || m.Above("/home/u/p/x") || m.Above("/homes") || m.Above("/usr") {
		t.Error("directories above")
	}
	if !m.Within("/mnt/p/a") || m.Within("/mnt/pa") {
		t.Error("directories within")
	}
}

func TestText(t *testing.T) {
	m := sample(t)
	for text, want := range map[string]string{
		"x.o: /home/u/p/x.c /home/u/p/a.h \\\n /home/u/p2/b.h\n": "x.o: /cachepot/src/x.c /cachepot/src/a.h \\\n /home/u/p2/b.h\n",
		"/home/u/p:1: error":              "/cachepot/src:1: error",
		`{"file":"/home/u/p/a.rs"}`:       `{"file":"/cachepot/src/a.rs"}`,
		"/home/u/p/home/u/p":              "/cachepot/src/home/u/p",
		"/tmp/home/u/p x/home/u/p":        "/tmp/home/u/p x/home/u/p",
		"(/home/u/p) /home/u/p":           "(/cachepot/src) /cachepot/src",
		"/home/u/p/out/x /mnt/p-1 /mnt/p": "/cachepot/build/x /mnt/p-1 /cachepot/src",
	} {
		got := string(m.FixedText([]byte(text)))
		if got != want {
			t.Errorf("FixedText(%q) = %q, want %q", text, got, want)
		}
	}
	if got := string(m.RealText([]byte("/cachepot/src/a:/cachepot/build"))); got != "/home/u/p/a:/home/u/p/out" {
		t.Errorf("RealText: %s", got)
	}
	if got := m.RealArg("-I/cachepot/src/a"); got != "-I/home/u/p/a" {
		t.Errorf("RealArg: %s", got)
	}
	for text, named := range map[string]bool{
		"x/home/u/py": true, "home_u_p_x_c": true, "#mnt#p#x": true, "home.u.p": true, "/cachepot/src": false, "/home/u": false, "": false,
	} {
		if (m.Names([]byte(text)) != "") != named {
			t.Errorf("Names(%q) = %q", text, m.Names([]byte(text)))
		}
	}
}

// TestShort: in a container a project may lie at "/src".
func TestShort(t *testing.T) {
	m := NewMap([]Root{{"/src", Base + "/src", "."}})
	for text, named := range map[string]bool{
		"/src/x.c": true, "\x00/src\x00": true, "_src_x_c": true, "./src/x.c": false, "/usr/src/x.c": false, "/srcs": false, "src": false, "a_src": false,
	} {
		if (m.Names([]byte(text)) != "") != named {
			t.Errorf("Names(%q) is not %v", text, named)
		}
	}
}

// TestSpoken: a text speaks of a root where that is the beginning of a path.
func TestSpoken(t *testing.T) {
	m := sample(t)
	for text, spoken := range map[string]bool{
		"#include \"/home/u/p/x.h\"": true, "see file:///mnt/p": true, "/home/u/p": true, "/home/u/p2/x /home/u/p-1": false, "home_u_p": false, "/home/u": false, "": false,
	} {
		if m.Spoken([]byte(text)) != spoken {
			t.Errorf("Spoken(%q) is not %t", text, spoken)
		}
	}
	m = NewMap([]Root{{"/src", Base + "/src", "."}})
	for text, spoken := range map[string]bool{
		"#include \"/src/x.h\"": true, "#include </src/x.h>": true, "'/src'": true, "lies in /src/x.h": false, "\"/srcs\"": false, "\"/usr/src\"": false,
	} {
		if m.Spoken([]byte(text)) != spoken {
			t.Errorf("Spoken(%q) is not %t, for a short root", text, spoken)
		}
	}
}

func TestNoMap(t *testing.T) {
	for _, real := range []string{"/", "", "rel", "/a b", "/a\\b", "/a$b", "/a#b", "/a\"b", "/a:b", "/ä", "/a=b", "/a,b", "/a'b", "/a%b"} {
		if NewMap([]Root{{real, Base + "/src", "."}}) != nil {
			t.Errorf("%q is a root", real)
		}
	}
	if NewMap(nil) != nil {
		t.Error("a map of nothing")
	}
}

// tree makes files in a new directory, whose real path it returns.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	base, err := os.MkdirTemp("", "roots-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	if base, err = filepath.EvalSymlinks(base); err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		p := filepath.Join(base, f)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"link": "tar", "sdk-link": "sdk"} {
		if err := os.Symlink(target, filepath.Join(base, link)); err != nil {
			t.Fatal(err)
		}
	}
	return base
}

// TestMarkers: each name that marks a project does so by itself.
func TestMarkers(t *testing.T) {
	for _, name := range append(checkouts(), projects()...) {
		base := tree(t, "p/"+name, "p/src/x.c")
		m := NewFinder(base).Find(Call{Dir: base + "/p/src", Source: base + "/p/src/x.c", Env: func(string) string { return "" }})
		if m == nil || show(m, base) != "p=src" {
			t.Errorf("%s marks nothing: %v", name, m)
		}
	}
	for _, name := range []string{"Cargo.toml", "Makefile", "CMakeLists.txt", "meson.build", "configure", "build.ninja", "CMakeCache.txt", "WORKSPACE", "MODULE.bazel"} {
		if !slices.Contains(projects(), name) {
			t.Errorf("%s is no name of a project", name)
		}
	}
}

// TestCommon: which directories hold many projects, or none.
func TestCommon(t *testing.T) {
	f := NewFinder("/home/u")
	for dir, common := range map[string]bool{
		"/": true, "/home": true, "/home/u": true, "/home/u/p": false, "/usr": true, "/usr/include": true, "/usr/lib/x": true, "/usr/src": true,
		"/usr/src/app": false, "/usr/srcs": true, "/opt": true, "/opt/p": false, "/src": false, "/etc/p": true, "rel": true,
	} {
		if f.common(dir) != common {
			t.Errorf("common(%s) is not %t", dir, common)
		}
	}
}

func TestFind(t *testing.T) {
	base := tree(t, "git/.git", "git/sub/Makefile", "git/sub/src/x.c", "tar/configure", "tar/src/Makefile", "tar/src/x.c", "tar/deps/y.c", "sdk/include/x.h", "git/third/.git", "git/third/x.c", "git/cargo/registry/x.rs", "build/CMakeCache.txt", "build/obj/k", "bare/x.c", "home/u/Makefile", "home/u/p/x.c", "home/u/q/Makefile", "home/u/q/x.c")
	f := NewFinder(base + "/home/u")
	for _, tc := range []struct {
		dir, source, pwd string
		want             string // of String, less base
	}{
		{"git/sub/src", "git/sub/src/x.c", "", "git=src"},
		{"git", "git/third/x.c", "", "git=src"}, // a checkout in the checkout
		{"git/third", "git/third/x.c", "", "git/third=src"},
		{"tar/src", "tar/src/x.c", "", "tar=src"},
		{"tar", "tar/deps/y.c", "", "tar=src"},
		{"build/obj", "git/sub/src/x.c", "", "build=build git=src"},
		{"build", "tar/src/../src/x.c", "", "build=build tar=src"},
		{"bare", "bare/x.c", "", "bare=src"},
		{"bare", "nowhere/x.c", "", ""},
		{"tar/src", "tar/src/x.c", "link/src", "link=src tar=src"},
		{"tar/src", "link/src/x.c", "", "link=src tar=src"},
		{"tar/src", "tar/src/x.c", "git/src", "tar=src"}, // PWD of some other directory
		{"home/u", "home/u/p/x.c", "", ""},
		{"home/u/p", "home/u/p/x.c", "", "home/u/p=src"},
		{"home/u/q", "home/u/q/x.c", "", "home/u/q=src"},
	} {
		pwd := tc.pwd
		if pwd != "" {
			pwd = base + "/" + pwd
		}
		got := ""
		if m := f.Find(Call{Dir: base + "/" + tc.dir, Source: base + "/" + tc.source, PWD: pwd, Env: func(string) string { return "" }}); m != nil {
			got = show(m, base)
		}
		if got != tc.want {
			t.Errorf("%s in %s, PWD=%s: %q, want %q", tc.source, tc.dir, tc.pwd, got, tc.want)
		}
	}
}

// TestNames: debuggers look from where the caller stands.
func TestNames(t *testing.T) {
	base := tree(t, "p/.git", "p/x.c", "p-build/CMakeCache.txt", "target/CACHEDIR.TAG")
	for _, tc := range []struct{ dir, also, want string }{{"p-build", "", "."}, {"p", "target", build}} {
		c := Call{Dir: base + "/" + tc.dir, Source: base + "/p/x.c", Env: func(string) string { return "" }}
		if tc.also != "" {
			c.Also = base + "/" + tc.also
		}
		for _, r := range NewFinder("").Find(c).Roots() {
			if want := map[string]string{workspace: ".", build: tc.want}[r.Fixed]; r.Name != want {
				t.Errorf("in %s: %s is called %s, want %s", tc.dir, r.Real, r.Name, want)
			}
		}
	}
}

// TestCargoHome: the directory of cargo is a root of its own unless the project has it.
func TestCargoHome(t *testing.T) {
	base := tree(t, "p/.git", "p/target/k", "p/src/lib.rs", "p/.cargo/registry/y/lib.rs", "cargo/registry/y/lib.rs", "cargo/git/checkouts/z/.git", "cargo/git/checkouts/z/lib.rs")
	for _, tc := range []struct{ dir, source, home, want string }{
		{"p", "p/src/lib.rs", "cargo", "p=src"},
		{"cargo/registry/y", "cargo/registry/y/lib.rs", "cargo", "cargo=cargo p=src"},
		{"cargo/git/checkouts/z", "cargo/git/checkouts/z/lib.rs", "cargo", "cargo=cargo p=src"},
		{"p/.cargo/registry/y", "p/.cargo/registry/y/lib.rs", "p/.cargo", "p=src"},
	} {
		env := func(string) string { return base + "/" + tc.home }
		m := NewFinder("").Find(Call{Dir: base + "/" + tc.dir, Source: base + "/" + tc.source, Also: base + "/p/target", Env: env})
		if m == nil || show(m, base) != tc.want {
			t.Errorf("%s: %v, want %q", tc.source, m, tc.want)
		}
	}
	// Macros see where it is, wherever the source lies.
	env := func(name string) string { return map[string]string{"CARGO_HOME": base + "/cargo"}[name] }
	m := NewFinder("").Find(Call{Dir: base + "/p", Source: base + "/p/src/lib.rs", Home: true, Env: env})
	if m == nil || show(m, base) != "cargo=cargo p=src" {
		t.Errorf("with macros: %v", m)
	}
}

// TestNamed: what the user names is a root unless it is one, lies in one or has one in it.
func TestNamed(t *testing.T) {
	base := tree(t, "p/.git", "p/x.c", "p/third/y.c", "sdk/x.h", "all/q/.git", "all/q/x.c", "gcc/bin/gcc")
	f := NewFinder("", Named{"sdk", base + "/sdk-link"}, Named{"none", base + "/none"}, Named{"third", base + "/p/third"},
		Named{"p", base + "/p"}, Named{"all", base + "/all"}, Named{"tools", base + "/gcc"})
	for _, tc := range []struct{ dir, want string }{
		{"p", "all=all gcc=tools p=src sdk-link=sdk sdk=sdk"},
		{"all/q", "all/q=src gcc=tools p/third=third sdk-link=sdk sdk=sdk"},
	} {
		m := f.Find(Call{Dir: base + "/" + tc.dir, Source: base + "/" + tc.dir + "/x.c", Compiler: "/usr/bin/gcc", Env: func(string) string { return "" }})
		if m == nil || show(m, base) != tc.want {
			t.Errorf("in %s: %v, want %q", tc.dir, m, tc.want)
		}
	}
	m := f.Find(Call{Dir: base + "/p", Source: base + "/p/x.c", Compiler: base + "/gcc/bin/gcc", Env: func(string) string { return "" }})
	if got := m.Fixed(base + "/gcc/bin/gcc"); got != compiler+"/bin/gcc" {
		t.Errorf("the compiler became %s", got)
	}
	if got := m.Fixed(base + "/sdk-link/x.h"); got != "/cachepot/roots/sdk/x.h" || m.Real(got) != base+"/sdk/x.h" {
		t.Errorf("a named root became %s", got)
	}
}

// show renders a map, its roots in order of their names.
func show(m *Map, base string) string {
	var list []string
	for _, r := range m.Spellings() {
		rel, _ := filepath.Rel(base, r.Real)
		list = append(list, rel+"="+filepath.Base(r.Fixed))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
