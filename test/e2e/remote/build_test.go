package remote

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// cProject is a library, a header in a directory of its own, C, C++ and assembler.
func cProject() map[string]string {
	return map[string]string{
		"Makefile": `CFLAGS = -O2 -g -Wall -Iinc
all: out/a.o out/b.o out/c.o out/d.o
out/%.o: src/%.c ; $(CC) $(CFLAGS) -MD -MF $@.d -c $< -o $@
out/%.o: src/%.cc ; $(CXX) $(CFLAGS) -c $< -o $@
out/%.o: src/%.S ; $(CC) $(CFLAGS) -c $< -o $@
`,
		"inc/a.h":   "#include <stdio.h>\n#define N 3\n#ifdef NEVER\n#include \"no such file.h\"\n#endif\n",
		"src/a.c":   "#include \"a.h\"\nint main(void) { int unused; return printf(\"%d\\n\", N); }\n",
		"src/b.c":   "#include <a.h>\n#include \"../src/local.h\"\nint b(void) { return LOCAL + N; }\n",
		"src/c.cc":  "#include <map>\n#include <string>\n#include <vector>\nint c(std::map<std::string, std::vector<int>> &m) { return m[\"x\"].size(); }\n",
		"src/d.S":   "#include \"../src/local.h\"\n.text\n.globl d\nd:\n .long LOCAL\n.incbin \"src/d.bin\"\n",
		"src/d.bin": "some bytes", "src/local.h": "#define LOCAL 4\n",
		"out/keep": "",
	}
}

func isBuilt(name string) bool { return strings.HasSuffix(name, ".o") || strings.HasSuffix(name, ".d") }

// clean removes what was built.
func clean(t *testing.T, dir string) {
	t.Helper()
	for name := range harness.Built(t, dir, isBuilt) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

// makeIn builds the project with CC and CXX behind prefix.
func makeIn(t *testing.T, dir string, env []string, prefix string) (map[string]string, harness.Ended) {
	t.Helper()
	clean(t, dir)
	r := harness.Command(t, dir, env, "make", "-j2", "CC="+prefix+"gcc", "CXX="+prefix+"g++")
	return harness.Built(t, dir, isBuilt), r
}

// before returns what is put before a compiler that makes in the project dir what cachepot
// promises to deliver there.
func before(t *testing.T, dir string) string {
	t.Helper()
	mapped, err := product.Project(dir)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimLeft(mapped+" ", " ")
}

// TestC: a C project that nobody has seen before is compiled by the service, to the
// bytes, messages and modes of a compile here; a second client does so again; after
// a change the project is compiled from what is known of it.
func TestC(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, cProject())
	// The file that .incbin names is no text that anybody looks through: it is found by
	// a compile here, and known then.
	first := newClient(t, tolerant(e.url()))
	mapped := before(t, dir)
	bare, plain := makeIn(t, dir, first.Env, mapped)
	got, r := makeIn(t, dir, first.Env, first.Wrapper+" ")
	harness.SameFiles(t, "first build", bare, got)
	if r.Code != 0 || messages(r) != messages(plain) {
		t.Errorf("status %d, messages\n%s\nwant\n%s", r.Code, r.Stderr, plain.Stderr)
	}
	first.want(3, 1)
	again, _ := makeIn(t, dir, first.Env, first.Wrapper+" ")
	harness.SameFiles(t, "second build", bare, again)
	counted := first.Counters()
	if hits := counted.CacheHits.Total(); hits != 4 {
		t.Errorf("%d hits in the second build, want 4", hits)
	}

	harness.Write(t, dir, map[string]string{"inc/a.h": "#include <stdio.h>\n#include <limits.h>\n#include \"new.h\"\n#define N 5\n",
		"inc/new.h": "#include <signal.h>\n", "src/d.bin": "other bytes"})
	bare, _ = makeIn(t, dir, first.Env, mapped)
	strictly := append(first.Env[:len(first.Env):len(first.Env)], "CACHEPOT_DIST_FALLBACK=fail")
	stop(t, first)
	got, r = makeIn(t, dir, strictly, first.Wrapper+" ")
	if r.Code != 0 {
		t.Fatalf("after a change: %s", r.Stderr)
	}
	harness.SameFiles(t, "after a change", bare, got)

	harness.Write(t, dir, map[string]string{"src/d.S": "#include \"../src/local.h\"\n.text\n.globl d\nd:\n .long LOCAL\n"})
	second := newClient(t, strict(e.url()))
	bare, _ = makeIn(t, dir, second.Env, mapped)
	got, r = makeIn(t, dir, second.Env, second.Wrapper+" ")
	if r.Code != 0 {
		t.Fatalf("second client: %s", r.Stderr)
	}
	harness.SameFiles(t, "second client", bare, got)
	second.want(4, 0)
	second.verify()
}

// TestClang: the same for clang, of which nothing was seen before.
func TestClang(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	files := cProject()
	files["src/d.S"] = strings.Replace(files["src/d.S"], ".incbin \"src/d.bin\"\n", "", 1)
	harness.Write(t, dir, files)
	c := newClient(t, strict(e.url()))
	clang := func(prefix string) (map[string]string, harness.Ended) {
		clean(t, dir)
		r := harness.Command(t, dir, c.Env, "make", "-j2", "CC="+prefix+"clang", "CXX="+prefix+"clang++")
		return harness.Built(t, dir, isBuilt), r
	}
	mapped := before(t, dir)
	for i, header := range []string{files["inc/a.h"], "#include <stdio.h>\n#include <limits.h>\n#define N 5\n"} {
		harness.Write(t, dir, map[string]string{"inc/a.h": header})
		bare, plain := clang(mapped)
		got, r := clang(c.Wrapper + " ")
		harness.SameFiles(t, "build", bare, got)
		if r.Code != 0 || r.Stderr != plain.Stderr {
			t.Errorf("status %d, messages\n%s\nwant\n%s", r.Code, r.Stderr, plain.Stderr)
		}
		c.want([]uint64{4, 6}[i], 0)
	}
	c.verify()
}

// TestMessages: warnings are those of a compile here, in letters that a plain service
// does not have.
func TestMessages(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int f(void) { int unused; }\n"})
	for _, language := range []string{"LC_ALL=C", "LC_ALL=C.UTF-8", "LC_ALL=nowhere"} {
		for _, compiler := range []string{"gcc", "clang"} {
			c := newClient(t, strict(e.url()))
			argv := []string{compiler, "-Wall", "-c", "a.c", "-o", "a.o"}
			env := []string{"PATH=" + os.Getenv("PATH"), language}
			want := harness.Command(t, dir, env, argv...)
			c.Env = append(c.Env, language) // the last of a name counts
			if got := c.Compile(dir, argv...); got.Stderr != want.Stderr || !strings.Contains(got.Stderr, "unused") {
				t.Errorf("%s, %s:\n%s\nwant\n%s", language, compiler, got.Stderr, want.Stderr)
			}
			c.want(1, 0)
		}
	}
}

// stop ends the coordinator and keeps its cache.
func stop(t *testing.T, c *client) {
	t.Helper()
	if _, err := c.Admin("--stop-coordinator"); err != nil {
		t.Fatal(err)
	}
}

// messages returns what compilers printed, without make's own echo.
func messages(r harness.Ended) string { return r.Stderr }

// crates is a workspace: libraries with an included text and a large module in a directory,
// a program with a build script, and a macro.
func crates() map[string]string {
	manifest := func(name, more string) string {
		return "[package]\nname = \"" + name + "\"\nversion = \"1.2.3\"\nedition = \"2021\"\n" + more
	}
	return map[string]string{
		"Cargo.toml":       "[workspace]\nresolver = \"2\"\nmembers = [\"low\", \"high\", \"mac\", \"user\", \"app\"]\n",
		"low/Cargo.toml":   manifest("low", ""),
		"low/src/lib.rs":   "mod inner;\npub const TEXT: &str = include_str!(\"../text.txt\");\npub fn version() -> &'static str { env!(\"CARGO_PKG_VERSION\") }\npub fn twice(x: u32) -> u32 { inner::deep::double(x) }\n",
		"low/src/inner.rs": "pub mod deep;\n", "low/src/inner/deep.rs": "pub fn double(x: u32) -> u32 { x * 2 }\n" + strings.Repeat("// of a table that a program has written\n", 30000), // over 1 MiB
		"low/text.txt":    "hello",
		"high/Cargo.toml": manifest("high", "[dependencies]\nlow = { path = \"../low\" }\n"),
		"high/build.rs": "fn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n" +
			"    std::fs::write(format!(\"{out}/made.rs\"), \"pub fn made() -> u32 { 1 }\").unwrap();\n    println!(\"cargo:rerun-if-changed=build.rs\");\n}\n",
		"high/src/lib.rs": "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\npub fn high() -> u32 { made() + low::twice(4) }\n",
		"mac/Cargo.toml":  manifest("mac", "[lib]\nproc-macro = true\n"),
		"mac/src/lib.rs":  "#[proc_macro] pub fn five(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n    let dir = std::env::var(\"CARGO_MANIFEST_DIR\").unwrap() + \"/../mac\";\n    let more = if std::path::Path::new(&format!(\"{dir}/more\")).exists() { \"+ 100\" } else { \"\" };\n    (std::fs::read_to_string(dir + \"/text.txt\").unwrap() + more).parse().unwrap()\n}\n",
		"mac/text.txt":    "5u32",
		"user/Cargo.toml": manifest("user", "[dependencies]\nmac = { path = \"../mac\" }\n"),
		"user/src/lib.rs": "pub fn user() -> u32 { mac::five!() }\n",
		"app/Cargo.toml":  manifest("app", "[dependencies]\nhigh = { path = \"../high\" }\nlow = { path = \"../low\" }\nuser = { path = \"../user\" }\n"),
		"app/src/main.rs": "fn main() { println!(\"{} {} {} {}\", high::high(), low::version(), low::TEXT, user::user()); }\n",
	}
}

// isProduct tells what rustc made of what cargo and build scripts write.
func isProduct(name string) bool {
	if strings.Contains(name, ".fingerprint") || strings.Contains(name, "/out/") {
		return false
	}
	base := filepath.Base(name)
	return strings.HasSuffix(base, ".rlib") || strings.HasSuffix(base, ".rmeta") || strings.HasSuffix(base, ".so") ||
		!strings.Contains(base, ".") && (strings.HasPrefix(base, "app") || strings.HasPrefix(base, "build"))
}

// cargoIn builds the workspace from nothing and returns the products.
func cargoIn(t *testing.T, dir string, env []string, wrapper string) map[string]string {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "target")); err != nil {
		t.Fatal(err)
	}
	env = append(env[:len(env):len(env)], "CARGO_INCREMENTAL=0", "RUSTC_WRAPPER="+wrapper)
	if r := harness.Command(t, dir, env, "cargo", "build", "--offline", "-q"); r.Code != 0 {
		t.Fatalf("cargo: %s", r.Stderr)
	}
	return harness.Built(t, filepath.Join(dir, "target"), isProduct)
}

// exact has calls name their real paths, as the compiler alone does.
const exact = "[paths]\nmode = \"exact\"\n"

// TestCargo: all of a workspace that was never seen is compiled and linked by the service, and
// again after a change. All of it is what rustc gives here.
func TestCargo(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, crates())
	c := newClient(t, strict(e.url())+exact)
	bare := cargoIn(t, dir, c.Env, "")
	harness.SameFiles(t, "first build", bare, cargoIn(t, dir, c.Env, c.Wrapper))
	c.want(6, 0) // low, high and its build script, mac, user, app
	if local := c.Counters().DistLocal; len(local) != 0 {
		t.Errorf("compiled here %v", local)
	}

	harness.Write(t, dir, map[string]string{
		"low/src/inner/deep.rs": "pub fn double(x: u32) -> u32 { x + x + 1 }\n",
		"mac/src/lib.rs":        crates()["mac/src/lib.rs"] + "// another\n",
		"mac/text.txt":          "6u32",
	})
	bare = cargoIn(t, dir, c.Env, "")
	harness.SameFiles(t, "after a change", bare, cargoIn(t, dir, c.Env, c.Wrapper))
	c.want(11, 0) // low, high, user, mac, app
	if r := harness.Command(t, dir, c.Env, "target/debug/app"); r.Stdout != "10 1.2.3 hello 6\n" {
		t.Errorf("the program prints %q", r.Stdout)
	}

	harness.Write(t, dir, map[string]string{"mac/more": "", "user/src/lib.rs": "pub fn user() -> u32 { mac::five!() + 1 }\n"})
	bare = cargoIn(t, dir, c.Env, "")
	harness.SameFiles(t, "with a file that a macro looks for", bare, cargoIn(t, dir, c.Env, c.Wrapper))
	if r := harness.Command(t, dir, c.Env, "target/debug/app"); r.Stdout != "10 1.2.3 hello 107\n" {
		t.Errorf("the program prints %q", r.Stdout)
	}

	second := newClient(t, strict(e.url())+exact)
	harness.SameFiles(t, "second client", bare, cargoIn(t, dir, second.Env, second.Wrapper))
	second.want(6, 0)
	second.verify()
	c.verify()
}
