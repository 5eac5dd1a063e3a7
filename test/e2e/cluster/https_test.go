package cluster

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

// startNginx starts nginx with the block that the manual prints, before a scheduler, and
// returns its process, its URL and its certificate.
func startNginx(t *testing.T, s *scheduler) (p *os.Process, url, ca string) {
	t.Helper()
	dir := harness.Scratch(t)
	if err := os.Chmod(dir, 0o755); err != nil { // it serves as another user
		t.Fatal(err)
	}
	cert, key := harness.Certificate(t, dir, "127.0.0.1")
	address := harness.FreeAddress(t)
	block := printed(t, "nginx", "grpc_pass", "listen 443", "listen "+address, "/etc/ssl/certs/scheduler.pem", cert,
		"/etc/ssl/private/scheduler.key", key, "127.0.0.1:10600", s.address)
	harness.Write(t, dir, map[string]string{"nginx.conf": "daemon off;\npid " + dir + "/pid;\nerror_log " + dir + "/log;\nevents {}\nhttp {\naccess_log off;\n" + block + "}\n"})
	cmd := exec.Command("nginx", "-p", dir, "-c", dir+"/nginx.conf", "-e", dir+"/log")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Logf("nginx says:\n%s%s", out.String(), harness.Tail(string(log)))
		}
	})
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return cmd.Process, "https://" + address, cert
		}
	}
	t.Fatalf("nginx does not listen: %s", out.String())
	return nil, "", ""
}

// withCA adds the certificate by which a scheduler is believed to a client's file.
func withCA(conf, ca string) string { return conf + "\n[dist.tls]\nca = \"" + ca + "\"\n" }

// workerBehind starts a worker that reaches its scheduler by a URL.
func workerBehind(t *testing.T, s *scheduler, url, ca string) *worker {
	t.Helper()
	w := &worker{address: harness.FreeAddress(t)}
	dir := harness.Scratch(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	conf := "scheduler_ca = \"" + ca + "\"\n" + bookWorker(t, w.address, url, workerToken(t, w.address), dir)
	w.server = newServer(t, "worker", conf)
	w.start()
	return w
}

// TestNginx: the manual's HTTPS server in front of the scheduler serves worker, client and
// whoever asks for the status, and may read its file anew in the middle of a build.
func TestNginx(t *testing.T) {
	s := startScheduler(t)
	nginx, url, ca := startNginx(t, s)
	w := workerBehind(t, s, url, ca)
	s.await(1)
	c := newClient(t, withCA(bookClient(t, url), ca), strict)
	dir := harness.Scratch(t)
	harness.Write(t, dir, cProject(5))
	bare, _ := makeIn(t, dir, c.Env, 2, "")
	go func() {
		s.busy()
		_ = nginx.Signal(syscall.SIGHUP)
	}()
	got, r := makeIn(t, dir, c.Env, 2, c.Wrapper+" ")
	if r.Code != 0 {
		t.Fatalf("status %d: %s", r.Code, r.Stderr)
	}
	harness.SameFiles(t, "through nginx", bare, got)
	if n := c.Counters(); n.DistCompiles[w.address] != 6 {
		t.Errorf("%d compiles there, want 6; %v", n.DistCompiles[w.address], n.DistFailures)
	}
	if out, err := c.Admin("--dist-status"); err != nil || !strings.HasPrefix(out, `{"SchedulerStatus":["`+url+`",`) {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := exec.Command(dist(t), "status", "--url", url, "--ca", ca).CombinedOutput(); err != nil || !strings.HasPrefix(string(out), `{"SchedulerStatus":["`+url+`",{"num_workers":1,`) {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := exec.Command(dist(t), "status", "--url", url).CombinedOutput(); err == nil || !strings.Contains(string(out), "certificate") {
		t.Errorf("a certificate that nobody trusts: %s, %v", out, err)
	}
}

// TestOwnTLS: so does the scheduler with a certificate of its own.
func TestOwnTLS(t *testing.T) {
	s := &scheduler{address: harness.FreeAddress(t), scheme: "https"}
	cert, key := harness.Certificate(t, harness.Scratch(t), "127.0.0.1")
	s.ca = cert
	s.server = newServer(t, "scheduler", strings.Replace(bookScheduler(t, s.address), s.address, "https://"+s.address, 1)+
		"\n[tls]\n"+strings.Join(strings.Split(printed(t, "toml", "[tls]", "/etc/cachepot/scheduler.pem", cert, "/etc/cachepot/scheduler.key", key), "\n")[3:], "\n"))
	s.start()
	s.await(0)
	w := workerBehind(t, s, s.url(), cert)
	s.await(1)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int a;\n"})
	c := newClient(t, withCA(bookClient(t, s.url()), cert), strict)
	if r := harness.Command(t, dir, c.Env, c.Wrapper, "gcc", "-c", "a.c"); r.Code != 0 || c.Counters().DistCompiles[w.address] != 1 {
		t.Errorf("status %d: %s", r.Code, r.Stderr)
	}
	// Whoever does not know the certificate, or has another token, compiles at home, and is told
	// why when asked.
	for conf, want := range map[string]string{
		bookClient(t, s.url()): "certificate",
		strings.Replace(withCA(bookClient(t, s.url()), cert), "my client token", "another token", 1): "",
	} {
		other := newClient(t, conf)
		if r := harness.Command(t, dir, other.Env, other.Wrapper, "gcc", "-c", "a.c"); r.Code != 0 || r.Stderr != "" || other.Counters().DistErrors != 1 {
			t.Errorf("status %d: %s; %v", r.Code, r.Stderr, other.Counters().DistFailures)
		}
		if out, err := other.Admin("--dist-status"); err != nil || !strings.Contains(out, want) {
			t.Errorf("%s, %v", out, err)
		}
	}
}
