package audit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage/disk"
)

// TestMain builds the product once for all tests: it makes the entries, and it is
// what the audits start.
func TestMain(m *testing.M) { os.Exit(withProduct(m)) }

// productDir is where the programs lie, set once before the tests.
var productDir string

func withProduct(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cachepot-audit-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"cachepot", "cachepot-coordinator"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), "../../cmd/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "build %s: %v\n%s", name, err, out)
			return 1
		}
	}
	productDir = dir
	return m.Run()
}

// project is a directory to compile in, and a cache of its own.
type project struct {
	t        *testing.T
	dir      string
	env      []string
	cacheDir string
}

func newProject(t *testing.T, files map[string]string) *project {
	t.Helper()
	base, err := os.MkdirTemp("", "cachepot-p-") // short: it holds a socket
	if err != nil {
		t.Fatal(err)
	}
	p := &project{t: t, dir: filepath.Join(base, "work"), cacheDir: filepath.Join(base, "cache")}
	for _, d := range []string{"work/out", "run", "state"} {
		if err := os.MkdirAll(filepath.Join(base, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + base, "XDG_RUNTIME_DIR=" + base + "/run", "XDG_STATE_HOME=" + base + "/state",
		"CACHEPOT_DIR=" + p.cacheDir, "TMPDIR=" + os.TempDir(),
	}
	for name, text := range files {
		p.write(name, text)
	}
	t.Cleanup(func() {
		if err := p.command(productDir+"/cachepot", "--stop-coordinator").Run(); err != nil {
			t.Logf("stop coordinator: %v", err)
		}
		os.RemoveAll(base)
	})
	return p
}

func (p *project) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = p.env, p.dir
	return cmd
}

// compile runs a compiler through cachepot.
func (p *project) compile(args ...string) {
	p.t.Helper()
	if out, err := p.command(productDir+"/cachepot", args...).CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// verify runs "cachepot verify".
func (p *project) verify(args ...string) (status int, stdout, stderr string) {
	p.t.Helper()
	cmd := p.command(productDir+"/cachepot", append([]string{"verify"}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		p.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// auditor opens the project's cache for audits.
func (p *project) auditor() *Auditor {
	p.t.Helper()
	tier, err := disk.Open(disk.Config{Dir: p.cacheDir, Limit: 1 << 40, Now: time.Now})
	if err != nil {
		p.t.Fatal(err)
	}
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		p.t.Fatal(err)
	}
	a, err := New(p.t.Context(), Config{
		Store: tier, Program: productDir + "/cachepot-coordinator", Self: []string{"verify", "inner"}, Bwrap: bwrap, Root: os.Getuid() == 0,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := errors.Join(a.Close(), tier.Close()); err != nil {
			p.t.Error(err)
		}
	})
	return a
}

// entries waits until the coordinator has stored n entries, which it does after
// the wrapper has gone, and returns their keys.
func (p *project) entries(a *Auditor, n int) []digest.Digest {
	p.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		keys, err := a.Entries(p.t.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		if len(keys) == n {
			return keys
		}
		if time.Now().After(end) {
			stats, _ := p.command(productDir+"/cachepot", "--show-stats").Output()
			p.t.Fatalf("%d entries, want %d\n%s", len(keys), n, stats)
		}
	}
}

func (p *project) check(a *Auditor, key digest.Digest) *Report {
	p.t.Helper()
	r, err := a.Check(p.t.Context(), key)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// rustc returns the compiler behind rustup's proxy.
func (p *project) rustc() string {
	p.t.Helper()
	out, err := exec.Command("rustc", "--print", "sysroot").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(out)) + "/bin/rustc"
}
