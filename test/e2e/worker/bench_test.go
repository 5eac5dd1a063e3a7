package worker

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

var product harness.Product

func TestMain(m *testing.M) { os.Exit(product.Main(m)) }

// worker is a running cachepot-dist worker.
type worker struct {
	t       *testing.T
	address string
	dir     string // with worker.conf, cache and build
	cmd     *exec.Cmd
	as      *syscall.Credential // nil: who runs the tests
	log     bytes.Buffer
}

// start starts a worker on a free port of the loopback interface; more are sections of
// its file.
func start(t *testing.T, more string) *worker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &worker{t: t, address: l.Addr().String(), dir: scratch(t)}
	l.Close()
	write(t, w.dir, map[string]string{"worker.conf": "cache_dir = \"" + w.dir + "/cache\"\npublic_addr = \"" + w.address + "\"\n" +
		"[builder]\ntype = \"overlay\"\nbuild_dir = \"" + w.dir + "/build\"\n" + more})
	w.run()
	t.Cleanup(func() {
		w.kill(syscall.SIGTERM)
		if t.Failed() {
			t.Logf("the worker says:\n%s", w.log.String())
		}
	})
	return w
}

// run starts the process, as for the first time or after kill.
func (w *worker) run() {
	w.t.Helper()
	program, err := product.Servers()
	if err != nil {
		w.t.Fatal(err)
	}
	w.cmd = exec.Command(program, "worker", "--config", filepath.Join(w.dir, "worker.conf"))
	w.cmd.Dir = "/"
	w.cmd.Env = []string{"CACHEPOT_NO_DAEMON=1", "CACHEPOT_LOG=info", "PATH=" + os.Getenv("PATH")}
	w.cmd.Stdout, w.cmd.Stderr = &w.log, &w.log
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: w.as}
	if err := w.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	if !harness.Listens(w.address) {
		w.t.Fatalf("the worker does not listen: %s", w.log.String())
	}
}

func (w *worker) kill(how syscall.Signal) {
	if w.cmd != nil {
		_ = w.cmd.Process.Signal(how)
		_ = w.cmd.Wait()
		w.cmd = nil
	}
}

// scratch returns a directory that other users can pass through.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "we-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Bazel's own directories are closed to writing.
		_ = filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				_ = os.Chmod(p, 0o700)
			}
			return nil
		})
		_ = os.RemoveAll(dir)
	})
	return dir
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func withoutToken() string { return "[client_auth]\ntype = \"DANGEROUSLY_INSECURE\"\n" }

// refuse starts a worker that must not start, and returns what it says.
func refuse(t *testing.T, conf string) (int, string) {
	t.Helper()
	program, err := product.Servers()
	if err != nil {
		t.Fatal(err)
	}
	dir := scratch(t)
	write(t, dir, map[string]string{"worker.conf": strings.ReplaceAll(conf, "DIR", dir)})
	cmd := exec.Command(program, "worker", "--config", filepath.Join(dir, "worker.conf"))
	cmd.Env = []string{"CACHEPOT_NO_DAEMON=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stop := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	out, _ := cmd.CombinedOutput()
	return cmd.ProcessState.ExitCode(), string(out)
}

// TestThreat38Listen: a worker does not let in whoever comes, and says what to do.
func TestThreat38Listen(t *testing.T) {
	const base = "cache_dir = \"DIR/c\"\n[builder]\ntype = \"overlay\"\nbuild_dir = \"DIR/b\"\n"
	for name, test := range map[string]struct{ conf, want string }{
		"nobody":         {"public_addr = \"0.0.0.0:10501\"\n" + base, "client_auth"},
		"nobody, here":   {"public_addr = \"127.0.0.1:10501\"\n" + base, "client_auth"},
		"everybody":      {"public_addr = \"0.0.0.0:10501\"\n" + base + withoutToken(), "type = \"token\""},
		"empty token":    {"public_addr = \"0.0.0.0:10501\"\n" + base + "[client_auth]\ntype = \"token\"\n", "token"},
		"no certificate": {"public_addr = \"127.0.0.1:10501\"\n" + base + withoutToken() + "[tls]\ncertificate = \"DIR/none\"\nkey = \"DIR/none\"\n", "tls"},
	} {
		if code, out := refuse(t, test.conf); code != 2 || !strings.Contains(out, test.want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: status %d, %s", name, code, out)
		}
	}
}
