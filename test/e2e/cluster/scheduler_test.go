package cluster

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

var product harness.Product

func TestMain(m *testing.M) { os.Exit(product.Main(m)) }

// server is a process of cachepot-dist that ends with the test.
type server struct {
	*harness.Server
	t *testing.T
}

// newServer prepares a server whose file holds text.
func newServer(t *testing.T, name, text string) *server {
	t.Helper()
	s, err := harness.NewServer(dist(t), name, harness.Scratch(t), text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Logf("the %s says:\n%s", name, harness.Tail(s.Log.String()))
		}
	})
	return &server{s, t}
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

// start starts the server, as for the first time or after Kill.
func (s *server) start(env ...string) {
	s.t.Helper()
	if err := s.Start(env...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// scheduler is a running scheduler with the file that the manual prints.
type scheduler struct {
	*server
	address string
	scheme  string // "" is http
	ca      string // by which it is believed
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
	return harness.AskStatus(dist(s.t), s.url(), s.ca, nil)
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

// await waits until so many workers are registered.
func (s *scheduler) await(workers int) {
	s.t.Helper()
	var got int
	var err error
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if got, _, _, err = s.httpStatus(); err == nil && got == workers {
			return
		}
	}
	s.t.Fatalf("%d workers, %v; want %d", got, err, workers)
}

// workerToken is what an administrator gives to the worker at an address.
func workerToken(t *testing.T, address string) string {
	t.Helper()
	token, err := harness.WorkerToken(dist(t), harness.BookKey, address)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
