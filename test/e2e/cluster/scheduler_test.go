package cluster

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

var product harness.Product

func TestMain(m *testing.M) { os.Exit(product.Main(m)) }

// secretKey is that of the manual.
const secretKey = "my secret key"

// server is a process of cachepot-dist, in the foreground.
type server struct {
	t    *testing.T
	name string
	conf string
	host *host // nil: this one
	cmd  *exec.Cmd
	log  *syncBuffer
}

// syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// newServer prepares a server whose file holds text. It ends with the test.
func newServer(t *testing.T, name, text string) *server {
	t.Helper()
	s := &server{t: t, name: name, conf: filepath.Join(harness.Scratch(t), name+".conf"), log: &syncBuffer{}}
	if err := os.WriteFile(s.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the %s says:\n%s", name, tail(s.log.String()))
		}
	})
	return s
}

func tail(text string) string {
	if len(text) > 8000 {
		return "..." + text[len(text)-8000:]
	}
	return text
}

// dist returns the path of cachepot-dist.
func dist(t *testing.T) string {
	t.Helper()
	program, err := product.Servers()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// start starts the server, as for the first time or after kill.
func (s *server) start(env ...string) {
	s.t.Helper()
	argv := []string{dist(s.t), s.name, "--config", s.conf}
	if s.host != nil {
		argv = s.host.in(argv...)
	}
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.Env = append(append(os.Environ(), "CACHEPOT_NO_DAEMON=1", "CACHEPOT_LOG=debug"), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// kill ends the server at once, in the middle of whatever it does.
func (s *server) kill() {
	if s.cmd == nil {
		return
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	_ = s.cmd.Wait()
	s.cmd = nil
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := syscall.Kill(-s.cmd.Process.Pid, sig); err != nil {
		s.t.Fatal(err)
	}
}

// scheduler is a running scheduler with the file that the manual prints.
type scheduler struct {
	*server
	address string
	scheme  string // "" is http
	ca      string // by which it is believed
	host    *host  // nil: this one
}

func (s *scheduler) url() string { return cmp.Or(s.scheme, "http") + "://" + s.address }

func startScheduler(t *testing.T) *scheduler {
	t.Helper()
	s := &scheduler{address: harness.FreeAddress(t)}
	s.server = newServer(t, "scheduler", bookScheduler(t, s.address))
	s.start()
	s.await(0)
	return s
}

// status is what cachepot-dist status prints.
func (s *scheduler) status() (workers, cpus, inProgress int, err error) {
	argv := []string{dist(s.t), "status", "--url", s.url()}
	if s.ca != "" {
		argv = append(argv, "--ca", s.ca)
	}
	if s.host != nil {
		argv = s.host.in(argv...)
	}
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	if err != nil {
		return 0, 0, 0, err
	}
	return parseStatus(string(out), s.url())
}

// httpStatus asks as any program can.
func (s *scheduler) httpStatus() (workers, cpus, inProgress int, err error) {
	client := http.Client{Timeout: 2 * time.Second}
	if s.ca != "" {
		pem, _ := os.ReadFile(s.ca)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
		defer client.CloseIdleConnections()
	}
	resp, err := client.Get(s.url() + "/api/v1/scheduler/status")
	if err != nil {
		return 0, 0, 0, err
	}
	defer resp.Body.Close()
	_, err = fmt.Fscanf(resp.Body, `{"num_workers":%d,"num_cpus":%d,"in_progress":%d}`, &workers, &cpus, &inProgress)
	return workers, cpus, inProgress, err
}

// parseStatus reads what --dist-status and cachepot-dist status print.
func parseStatus(text, url string) (workers, cpus, inProgress int, err error) {
	_, err = fmt.Sscanf(text, `{"SchedulerStatus":["`+url+`",{"num_workers":%d,"num_cpus":%d,"in_progress":%d}]}`, &workers, &cpus, &inProgress)
	if err == nil && !json.Valid([]byte(text)) {
		err = fmt.Errorf("%q is no JSON", text)
	}
	return workers, cpus, inProgress, err
}

// await waits until so many workers are registered.
func (s *scheduler) await(workers int) {
	s.t.Helper()
	var got int
	var err error
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ask := s.httpStatus
		if s.host != nil {
			ask = s.status
		}
		if got, _, _, err = ask(); err == nil && got == workers {
			return
		}
	}
	s.t.Fatalf("%d workers, %v; want %d", got, err, workers)
}

// workerToken is what an administrator gives to the worker at an address.
func workerToken(t *testing.T, address string) string {
	t.Helper()
	out, err := exec.Command(dist(t), "auth", "generate-jwt-hs256-worker-token", "--secret-key", secretKey, "--worker", address).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
