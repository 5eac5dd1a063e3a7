package places

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/stats"
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
	return cargoOf(t, i, base, place, crates(), extra...)
}

func cargoOf(t *testing.T, i *harness.Instance, base, place string, files map[string]string, extra ...string) (hits, misses, located uint64) {
	t.Helper()
	_, dir := lay(t, base, place, files)
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
	after, hits, misses, located := since(t, i, before)
	t.Logf("%s: located %v", place, after.Located)
	return hits, misses, located
}

// since returns the counters once all is stored, and what was counted in all languages since
// before.
func since(t *testing.T, i *harness.Instance, before stats.Counters) (after stats.Counters, hits, misses, located uint64) {
	t.Helper()
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
	return after, sum(after.CacheHits.Counts) - sum(before.CacheHits.Counts), sum(after.CacheMisses.Counts) - sum(before.CacheMisses.Counts), sum(after.Located) - sum(before.Located)
}

// TestCargo: a workspace that lies elsewhere is a hit but for what loads macros that have
// not been seen elsewhere, and what it gets is what it would have made itself.
func TestCargo(t *testing.T) {
	t.Parallel()
	base := newBase(t)
	i, fresh := newInstance(t), newInstance(t)
	_, all, located := cargo(t, i, base, one)
	if located != 1 {
		t.Errorf("%d calls are located, want 1", located)
	}
	hits, misses, located := cargo(t, i, base, two)
	if misses != 1 || located != 0 || hits != all-1 {
		t.Errorf("moved: %d hits, %d misses, %d located; there were %d calls", hits, misses, located, all)
	}
	// The second place was the witness that the macro does not care.
	if hits, misses, _ := cargo(t, i, base, "three"); misses != 0 || hits != all {
		t.Errorf("moved again: %d hits, %d misses; there were %d calls", hits, misses, all)
	}
	cargo(t, i, base, two)
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

// TestWitness: verify tries the macros of a build at places where nobody has been. Those
// that do not care where they run serve everybody from then on; those that do serve nobody
// else, and each place gets what it would make itself.
func TestWitness(t *testing.T) {
	t.Parallel()
	base := newBase(t)
	i := newInstance(t)
	_, all, _ := cargo(t, i, base, one)
	out, err := i.Admin("verify")
	if err != nil {
		t.Fatalf("verify: %v\n%s", err, out)
	}
	if hits, misses, _ := cargo(t, i, base, two); misses != 0 || hits != all {
		why, _ := i.Admin("explain")
		t.Errorf("after verify: %d hits, %d misses; there were %d calls\n%s\n%s", hits, misses, all, out, why)
	}
	// A macro that is made of where it runs: the length does not show in what is searched for.
	files := crates()
	files["pm/src/lib.rs"] = "#[proc_macro] pub fn pm(_: proc_macro::TokenStream) -> proc_macro::TokenStream {\n" +
		"    let n = std::env::current_dir().unwrap().as_os_str().len() + std::env::var(\"CARGO_MANIFEST_DIR\").unwrap().len();\n" +
		"    format!(\"pub fn made() -> usize {{ {n} }}\").parse().unwrap() }\n"
	for _, step := range []struct{ place, do string }{{one, ""}, {two, ""}, {"three", "verify"}, {"four/more", ""}, {two, ""}} {
		cargoOf(t, i, base, step.place, files)
		moved := products(t, base, step.place)
		cargoOf(t, newInstance(t), base, step.place, files)
		for name, text := range products(t, base, step.place) {
			if moved[name] != text {
				t.Errorf("%s in %s is not what is made there", name, step.place)
			}
		}
		if step.do != "" {
			if out, err := i.Admin(step.do); err != nil {
				t.Errorf("%s: %v\n%s", step.do, err, out)
			}
		}
	}
}

// lowest returns the lowest priority that a trial of the instance's has at this moment, as a
// nice value; -21 where none is running.
func lowest(i *harness.Instance) int {
	nice := -21
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range found {
		line, _ := os.ReadFile(name)
		env, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "environ"))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil || !strings.Contains(string(line), "verify\x00witness\x00") || !strings.Contains(string(env), "CACHEPOT_DIR="+i.Cache+"\x00") {
			continue
		}
		if n, err := syscall.Getpriority(syscall.PRIO_PROCESS, pid); err == nil {
			nice = max(nice, 20-n) // as the system call has it
		}
	}
	return nice
}

// TestTrial: macros are tried by the coordinator itself while nobody calls, and when nobody
// else wants to run.
func TestTrial(t *testing.T) {
	t.Parallel()
	base := newBase(t)
	i := newInstance(t)
	_, all, _ := cargo(t, i, base, one)
	nice := -21
	for end := time.Now().Add(90 * time.Second); ; {
		nice = max(nice, lowest(i))
		if seen, _ := filepath.Glob(filepath.Join(i.Cache, "wi/*/*")); len(seen) > 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no macro was tried within 90 s")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if nice != 19 {
		t.Errorf("macros are tried with a nice value of %d, want 19", nice)
	}
	if hits, misses, _ := cargo(t, i, base, two); misses != 0 || hits != all {
		t.Errorf("after the trial: %d hits, %d misses; there were %d calls", hits, misses, all)
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
	extra = append(extra, "HOME="+home, "CARGO_HOME="+home+"/.cargo", "RUSTUP_HOME="+home+"/.rustup", "PATH="+path)
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
