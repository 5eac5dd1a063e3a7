package places

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// panics is a workspace whose program panics in a library.
func panics() map[string]string {
	const manifest = "[package]\nname = \"NAME\"\nversion = \"1.0.0\"\nedition = \"2021\"\n"
	named := func(name string) string { return strings.ReplaceAll(manifest, "NAME", name) }
	return map[string]string{
		"Cargo.toml":      "[workspace]\nresolver = \"2\"\nmembers = [\"dep\", \"app\"]\n",
		"dep/Cargo.toml":  named("dep"),
		"dep/src/lib.rs":  "#[inline(never)]\npub fn fail(n: usize) -> usize {\n    if n > 0 { // in the library\n        panic!(\"too much\");\n    }\n    n\n}\n",
		"app/Cargo.toml":  named("app") + "[dependencies]\ndep = { path = \"../dep\" }\n",
		"app/src/main.rs": "fn main() {\n    let here = std::env::args().count(); // in the program\n    dep::fail(here);\n}\n",
	}
}

// TestDebuggersRust is TestDebuggers for a Rust program, and its panic.
func TestDebuggersRust(t *testing.T) {
	t.Parallel()
	base, i := newBase(t), newInstance(t)
	env := append(i.Env, "RUSTC_WRAPPER="+i.Wrapper, "CARGO_INCREMENTAL=0", "RUST_BACKTRACE=1")
	var stderr string
	for _, place := range []string{one, two} {
		_, dir := lay(t, base, place, panics())
		r, err := harness.Run(dir, dir, "cargo build --offline -q && target/debug/app", env, nil)
		if err != nil {
			t.Fatal(err)
		}
		stderr = r.Stderr
		if _, err := i.Outcome(); err != nil { // waits until all is stored
			t.Fatal(err)
		}
	}
	if s, err := i.Stats(); err != nil || s.CacheHits.Counts["Rust"] != 2 {
		t.Fatalf("hits %v, located %v, %v", s.CacheHits.Counts, s.Located, err)
	}
	expect(t, "the panic", stderr, "panicked at dep/src/lib.rs:4:", "./dep/src/lib.rs:4:", "./app/src/main.rs:3:")
	if strings.Contains(stderr, base) {
		t.Errorf("the panic names where it was compiled:\n%s", stderr)
	}
	project := filepath.Join(base, two)
	prog := filepath.Join(project, "target/debug/app")
	for _, dir := range []string{project, "/"} {
		gdb, lldb := "show version", "version"
		if dir == "/" {
			gdb = strings.ReplaceAll(manual(t, "directory PROJECT"), "PROJECT", project)
			lldb = strings.ReplaceAll(manual(t, "settings set target.source-map . PROJECT"), "PROJECT", project)
		}
		out := run(t, dir, "gdb", "-nx", "-batch", "-ex", gdb, "-ex", "list app::main", "-ex", "list dep::fail", "-ex", "break dep::fail", "-ex", "run", "-ex", "backtrace", prog)
		expect(t, "gdb", out, "in the program", "in the library", "app/src/main.rs:3")
		out = run(t, dir, "lldb", "-x", "-b", "-o", lldb, "-o", "source list -n app::main", "-o", "source list -n dep::fail", prog)
		expect(t, "lldb", out, "in the program", "in the library")
	}
}
