package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// worker is a running worker with the file that the manual prints.
type worker struct {
	*server
	address string
}

// startWorker starts one with a slot for each CPU, and waits until it is registered as the
// nth.
func startWorker(t *testing.T, s *scheduler, nth int) *worker {
	t.Helper()
	w := &worker{address: harness.FreeAddress(t)}
	dir := harness.Scratch(t)
	if err := os.Chmod(dir, 0o755); err != nil { // jobs are another user's
		t.Fatal(err)
	}
	w.server = newServer(t, "worker", bookWorker(t, w.address, s.url(), workerToken(t, w.address), dir))
	w.start()
	s.await(nth)
	return w
}

// TestQuickStart is the manual's: three files, three commands, a distributed build.
func TestQuickStart(t *testing.T) {
	s := startScheduler(t)
	w := startWorker(t, s, 1)
	dir := harness.Scratch(t)
	harness.Write(t, dir, cProject(6))
	c := newClient(t, bookClient(t, s.url()), strict)
	bare, plain := makeIn(t, dir, c.Env, 2, "")
	got, r := makeIn(t, dir, c.Env, 2, c.Wrapper+" ")
	if r.Code != 0 {
		t.Fatalf("status %d: %s", r.Code, r.Stderr)
	}
	harness.SameFiles(t, "first build", bare, got)
	if len(r.Stderr) != len(plain.Stderr) {
		t.Errorf("messages\n%s\nwant\n%s", r.Stderr, plain.Stderr)
	}
	if n := c.Counters(); n.DistCompiles[w.address] != 7 || n.DistErrors != 0 || len(n.DistLocal) != 0 {
		t.Errorf("%d compiles there, %d errors, local %v; want 7 there", n.DistCompiles[w.address], n.DistErrors, n.DistLocal)
	}
	out, err := c.Admin("--dist-status")
	workers, cpus, busy, perr := harness.ParseStatus(out, s.url())
	if err != nil || perr != nil || workers != 1 || cpus < 1 || busy != 0 {
		t.Errorf("%s, %v, %v", out, err, perr)
	}
	own, err := exec.Command(dist(t), "status", "--config", s.Conf).Output()
	if err != nil || string(own) != out {
		t.Errorf("cachepot-dist status prints %s, and cachepot --dist-status %s", own, out)
	}

	cargo := cargoProject(t)
	bareRun := cargoBuild(t, cargo, c.Env)
	cleanCargo(t, cargo)
	before := c.Counters()
	if through := cargoBuild(t, cargo, append(c.Env, "RUSTC_WRAPPER="+c.Wrapper)); through != bareRun {
		t.Errorf("the program prints %q, and %q when built here", through, bareRun)
	}
	after := c.Counters()
	if n := after.DistCompiles[w.address] - before.DistCompiles[w.address]; n < 4 || after.DistErrors != 0 {
		t.Errorf("%d compiles of the cargo project there, %d errors, local %v; want at least 4", n, after.DistErrors, after.DistLocal)
	}
}

// cargoProject is a library with a build script, a proc-macro, and a program that uses both.
func cargoProject(t *testing.T) string {
	t.Helper()
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{
		"Cargo.toml":      "[workspace]\nmembers = [\"app\", \"lib\", \"mac\"]\nresolver = \"2\"\n[profile.dev]\nincremental = false\n",
		"lib/Cargo.toml":  "[package]\nname = \"lib\"\nversion = \"0.1.0\"\nedition = \"2021\"\n",
		"lib/build.rs":    "fn main() { println!(\"cargo:rustc-env=MADE=by build.rs\"); }\n",
		"lib/src/lib.rs":  "pub fn made() -> &'static str { env!(\"MADE\") }\n",
		"mac/Cargo.toml":  "[package]\nname = \"mac\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[lib]\nproc-macro = true\n",
		"mac/src/lib.rs":  "use proc_macro::TokenStream;\n#[proc_macro]\npub fn seven(_: TokenStream) -> TokenStream { \"7\".parse().unwrap() }\n",
		"app/Cargo.toml":  "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nlib = { path = \"../lib\" }\nmac = { path = \"../mac\" }\n",
		"app/src/main.rs": "fn main() { println!(\"{} {}\", lib::made(), mac::seven!()); }\n",
	})
	return dir
}

// cargoBuild builds the project, and returns what its program prints.
func cargoBuild(t *testing.T, dir string, env []string) string {
	t.Helper()
	if r := harness.Command(t, dir, env, "cargo", "build", "--offline", "-q", "-j2"); r.Code != 0 {
		t.Fatalf("cargo: status %d: %s", r.Code, r.Stderr)
	}
	return harness.Command(t, dir, env, filepath.Join(dir, "target/debug/app")).Stdout
}

func cleanCargo(t *testing.T, dir string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, "target")); err != nil {
		t.Fatal(err)
	}
}
