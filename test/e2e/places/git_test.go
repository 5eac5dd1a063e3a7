package places

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestGitDependency: crates that cargo takes from a git repository, and checks out in its
// CARGO_HOME, are hits for who has another CARGO_HOME and another project, and name neither
// of the first. One is a macro, which a third place has the use of.
func TestGitDependency(t *testing.T) {
	t.Parallel()
	base := newBase(t)
	manifest := func(name, more string) string {
		return "[package]\nname = \"" + name + "\"\nversion = \"1.0.0\"\nedition = \"2021\"\n" + more
	}
	_, repository := lay(t, base, "repository", map[string]string{
		"Cargo.toml":        "[workspace]\nresolver = \"2\"\nmembers = [\"made\", \"macros\"]\n",
		"made/Cargo.toml":   manifest("made", "[dependencies]\nmacros = { path = \"../macros\" }\n"),
		"made/build.rs":     "fn main() {\n    let out = std::env::var(\"OUT_DIR\").unwrap();\n    std::fs::write(format!(\"{out}/one.rs\"), \"pub fn one(x: usize) -> u32 { [1, 2][x] }\").unwrap();\n}\n",
		"made/src/lib.rs":   "include!(concat!(env!(\"OUT_DIR\"), \"/one.rs\"));\nmacros::three!();\npub fn file() -> &'static str { file!() }\npub fn fail(x: u32) -> u32 { if x > 1 { panic!(\"too much\") } x }\n",
		"macros/Cargo.toml": manifest("macros", "[lib]\nproc-macro = true\n"),
		"macros/src/lib.rs": "#[proc_macro] pub fn three(_: proc_macro::TokenStream) -> proc_macro::TokenStream { \"pub fn three() -> u32 { 3 }\".parse().unwrap() }\n",
	})
	project := map[string]string{
		"Cargo.toml":  manifest("app", "[dependencies]\nmade = { git = \"file://"+repository+"\" }\n"),
		"src/main.rs": "fn main() { println!(\"{} {} {}\", made::one(0), made::three(), made::file()); }\n",
	}
	shell := func(dir, script string, env []string) *harness.Result {
		t.Helper()
		r, err := harness.Run(dir, dir, script, env, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Status != "exit status 0" {
			t.Fatalf("%s: %s\n%s%s", script, r.Status, r.Stdout, r.Stderr)
		}
		return r
	}
	i, fresh := newInstance(t), newInstance(t)
	shell(repository, "git init -q . && git add . && git -c user.name=n -c user.email=n@localhost commit -q -m made", i.Env)
	build := func(i *harness.Instance, place string) (hits, misses, located uint64) {
		t.Helper()
		_, dir := lay(t, base, place, project)
		home := filepath.Join(base, strings.Split(place, "/")[0], "cargo-of-"+strings.ReplaceAll(place, "/", "-"))
		if err := os.Mkdir(home, 0o755); err != nil {
			t.Fatal(err)
		}
		before, err := i.Stats()
		if err != nil {
			t.Fatal(err)
		}
		r := shell(dir, "cargo build -q && target/debug/app", append(i.Env, "RUSTC_WRAPPER="+i.Wrapper, "CARGO_INCREMENTAL=0", "CARGO_HOME="+home))
		if !strings.HasPrefix(r.Stdout, "1 3 /cachepot/cargo/git/checkouts/repository-") || !strings.HasSuffix(r.Stdout, "/made/src/lib.rs\n") {
			t.Errorf("%s: %q", place, r.Stdout)
		}
		_, hits, misses, located = since(t, i, before)
		return hits, misses, located
	}
	_, all, _ := build(i, one)
	for _, step := range []struct {
		place  string
		misses uint64
	}{{two, 2}, {"three/p", 0}} { // the second place is the macro's witness, for two sets of directories
		hits, misses, located := build(i, step.place)
		if misses != step.misses || hits != all-step.misses || located != 0 {
			why, _ := i.Admin("explain")
			t.Errorf("%s: %d hits, %d misses, %d located; there were %d calls\n%s", step.place, hits, misses, located, all, why)
		}
		moved := products(t, base, step.place)
		build(fresh, step.place)
		for name, text := range products(t, base, step.place) {
			if moved[name] != text {
				t.Errorf("%s: %s is not what is made there", step.place, name)
			}
		}
		for name, text := range moved {
			if strings.Contains(text, base+"/one") || strings.Contains(text, "cargo-of-one") {
				t.Errorf("%s: %s names the first place", step.place, name)
			}
		}
	}
	if out, err := i.Admin("verify"); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
}
