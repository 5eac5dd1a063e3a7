package places

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// crates is a workspace: a library with generated sources, one above it, a program, a
// macro, and a crate that uses it.
func crates() map[string]string {
	manifest := func(name, more string) string {
		return "[package]\nname = \"" + name + "\"\nversion = \"1.0.0\"\nedition = \"2021\"\n" + more
	}
	return map[string]string{
		"Cargo.toml":   "[workspace]\nresolver = \"2\"\nmembers = [\"a\", \"b\", \"app\", \"pm\", \"user\"]\n",
		"a/Cargo.toml": manifest("a", ""),
		"a/build.rs": "fn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n" +
			"    std::fs::write(format!(\"{out}/generated.rs\"), \"pub fn generated() -> u32 { 1 }\").unwrap();\n}\n",
		"a/src/lib.rs":    "include!(concat!(env!(\"OUT_DIR\"), \"/generated.rs\"));\npub fn a(x: u32) -> u32 { if x > 7 { panic!(\"too much\") } generated() + x }\n",
		"b/Cargo.toml":    manifest("b", "[dependencies]\na = { path = \"../a\" }\n"),
		"b/src/lib.rs":    "pub fn b() -> u32 { a::a(1) }\npub fn file() -> &'static str { file!() }\nfn unused() {}\n",
		"app/Cargo.toml":  manifest("app", "[dependencies]\nb = { path = \"../b\" }\n"),
		"app/src/main.rs": "fn main() { println!(\"{} {}\", b::b(), b::file()); }\n",
		"pm/Cargo.toml":   manifest("pm", "[lib]\nproc-macro = true\n"),
		"pm/src/lib.rs":   "#[proc_macro] pub fn pm(_: proc_macro::TokenStream) -> proc_macro::TokenStream { \"pub fn made() -> u32 { 3 }\".parse().unwrap() }\n",
		"user/Cargo.toml": manifest("user", "[dependencies]\npm = { path = \"../pm\" }\n"),
		"user/src/lib.rs": "pm::pm!();\n",
	}
}

// cargo builds the workspace in place; extra are further variables.
func cargo(t *testing.T, i *harness.Instance, base, place string, extra ...string) (hits, misses, located uint64) {
	t.Helper()
	_, dir := lay(t, base, place, crates())
	before, err := i.Stats()
	if err != nil {
		t.Fatal(err)
	}
	env := append(slices.Clone(i.Env), "RUSTC_WRAPPER="+i.Wrapper, "CARGO_INCREMENTAL=0")
	env = append(env, extra...)
	r, err := harness.Run(dir, dir, "cargo build --offline -q && target/debug/app", env, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != "exit status 0" || r.Stdout != "2 b/src/lib.rs\n" {
		t.Fatalf("%s: %s\n%s%s", place, r.Status, r.Stdout, r.Stderr)
	}
	if _, err := i.Outcome(); err != nil { // waits until all is stored
		t.Fatal(err)
	}
	after, err := i.Stats()
	if err != nil {
		t.Fatal(err)
	}
	sum := func(m map[string]uint64) (n uint64) {
		for _, v := range m {
			n += v
		}
		return n
	}
	t.Logf("%s: located %v", place, after.Located)
	return sum(after.CacheHits.Counts) - sum(before.CacheHits.Counts), sum(after.CacheMisses.Counts) - sum(before.CacheMisses.Counts), sum(after.Located) - sum(before.Located)
}

// TestCargo: a workspace that lies elsewhere is a hit but for what loads macros, and
// what it gets is what it would have made itself.
func TestCargo(t *testing.T) {
	t.Parallel()
	base := newBase(t)
	i, fresh := newInstance(t), newInstance(t)
	_, all, located := cargo(t, i, base, one)
	if located != 1 {
		t.Errorf("%d calls are located, want 1", located)
	}
	hits, misses, located := cargo(t, i, base, two)
	if misses != 1 || located != 1 || hits != all-1 {
		t.Errorf("moved: %d hits, %d misses, %d located; there were %d calls", hits, misses, located, all)
	}
	moved := products(t, base, two)
	cargo(t, fresh, base, two)
	made := products(t, base, two)
	for name, text := range made {
		if moved[name] != text {
			t.Errorf("%s is not what is made there", name)
		}
	}
	for name, text := range moved {
		if strings.Contains(text, base+"/one") {
			t.Errorf("%s names the first place", name)
		}
	}
	if out, err := i.Admin("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

// TestOtherUser: another user, who has the toolchain, the crates and all else in a home
// directory of another name, and other programs in PATH, is served alike.
func TestOtherUser(t *testing.T) {
	t.Parallel()
	base := newBase(t)
	first := user(t, base, "one")
	second := user(t, base, "two", "CACHEPOT_DIR="+first.Cache)
	fresh := user(t, base, "two")
	_, all, located := cargo(t, first, base, "one/p", "USER=one")
	hits, misses, _ := cargo(t, second, base, "two/there/project", "USER=two")
	if misses != located || hits != all-located {
		t.Errorf("for another user: %d hits, %d misses; there were %d calls, %d located", hits, misses, all, located)
	}
	moved := products(t, base, "two/there/project")
	cargo(t, fresh, base, "two/there/project", "USER=two")
	for name, text := range products(t, base, "two/there/project") {
		if moved[name] != text {
			t.Errorf("%s is not what is made there", name)
		}
	}
	for name, text := range moved {
		if strings.Contains(text, base+"/one") || strings.Contains(text, base+"/home-one") {
			t.Errorf("%s names the first user", name)
		}
	}
	if out, err := second.Admin("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

// user returns an instance for a user whose home directory, below base, has a copy of the
// toolchain.
func user(t *testing.T, base, name string, extra ...string) *harness.Instance {
	t.Helper()
	home := filepath.Join(base, "home-"+name)
	tools := filepath.Join(home, ".rustup/toolchains/some")
	if _, err := os.Stat(tools); err != nil {
		out, err := exec.Command("rustc", "--print", "sysroot").Output()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(tools, 0o755); err != nil {
			t.Fatal(err)
		}
		sysroot := strings.TrimSpace(string(out))
		if out, err := exec.Command("cp", "-a", sysroot+"/bin", sysroot+"/lib", tools).CombinedOutput(); err != nil {
			t.Fatalf("copy toolchain: %v\n%s", err, out)
		}
	}
	path := filepath.Join(home, "bin") + ":" + filepath.Join(tools, "bin") + ":/usr/local/bin:/usr/bin:/bin"
	extra = append(extra, "CACHEPOT_PATHS_MODE=relocatable", "HOME="+home, "CARGO_HOME="+home+"/.cargo", "RUSTUP_HOME="+home+"/.rustup", "PATH="+path)
	i, err := product.NewInstance(extra...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Stop)
	return i
}

// products are the files that rustc has made in place, by name.
func products(t *testing.T, base, place string) map[string]string {
	t.Helper()
	target := filepath.Join(base, place, "target/debug")
	all := map[string]string{}
	err := filepath.WalkDir(target, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.Contains(p, "/.fingerprint/") || strings.HasSuffix(p, "/.cargo-lock") {
			return err
		}
		b, err := os.ReadFile(p)
		all[strings.TrimPrefix(p, target)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
