package cluster

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestDaemon: a server goes into the background once it can be reached, with a session of its
// own, and nothing of its starter; what keeps it from that is told before the command ends, with
// status 2.
func TestDaemon(t *testing.T) {
	state := harness.Scratch(t)
	env := append(os.Environ(), "XDG_STATE_HOME="+state, "CACHEPOT_NO_DAEMON=", "RUST_LOG=trace", "JOURNAL_STREAM=")
	address := harness.FreeAddress(t)
	conf := newServer(t, "scheduler", bookScheduler(t, address)).Conf
	command := func(conf string) harness.Ended {
		return harness.Command(t, "/", env, dist(t), "scheduler", "--config", conf)
	}
	if r := command(conf); r.Code != 0 || r.Stdout+r.Stderr != "" {
		t.Fatalf("status %d: %s%s", r.Code, r.Stdout, r.Stderr)
	}
	s := &scheduler{address: address}
	if _, _, _, err := s.httpStatus(); err != nil {
		t.Errorf("it is not there when the command has ended: %v", err)
	}
	pid := pidOf(t, conf)
	defer func() { _ = syscall.Kill(pid, syscall.SIGKILL) }()
	if sid, err := getsid(pid); err != nil || sid != pid {
		t.Errorf("session %d, %v, of process %d", sid, err, pid)
	}
	fds, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, _ := os.Readlink("/proc/" + strconv.Itoa(pid) + "/fd/" + fd.Name()); strings.HasPrefix(to, "pipe:") {
			t.Errorf("it holds %s, which its starter may wait for", to)
		}
	}
	_, port, _ := strings.Cut(address, ":")
	log := filepath.Join(state, "cachepot", "scheduler-"+port+".log")
	if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), "the scheduler listens") || strings.Contains(string(text), "my client token") || strings.Contains(string(text), harness.BookKey) {
		t.Errorf("%v; its log says\n%s", err, text)
	}
	second := newServer(t, "scheduler", bookScheduler(t, address)).Conf
	exposed := newServer(t, "scheduler", bookScheduler(t, "0.0.0.0:"+port)).Conf
	insecure := newServer(t, "scheduler", "public_addr = \"0.0.0.0:"+port+"\"\n[client_auth]\ntype = \"DANGEROUSLY_INSECURE\"\n[worker_auth]\ntype = \"DANGEROUSLY_INSECURE\"\n").Conf
	wrong := newServer(t, "scheduler", "public_adr = \"127.0.0.1:1\"\n").Conf
	for conf, want := range map[string]string{
		second:       "address already in use",
		exposed:      ":2:15: public_addr: can be reached from other machines, so it needs tls.certificate and tls.key",
		insecure:     "client_auth is DANGEROUSLY_INSECURE",
		wrong:        ":1:1: public_adr: unknown key, perhaps public_addr is meant",
		conf + "-no": "no such file",
	} {
		if r := command(conf); r.Code != 2 || r.Stdout != "" || !strings.Contains(r.Stderr, want) || !strings.HasPrefix(r.Stderr, "cachepot-dist: error: ") {
			t.Errorf("status %d: %s%s; want %s", r.Code, r.Stdout, r.Stderr, want)
		}
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, _, _, err := s.httpStatus(); err != nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not end when it is told to")
		}
	}
}

// pidOf returns the process that was started with a file.
func pidOf(t *testing.T, conf string) int {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		text, _ := os.ReadFile(path) // it may have ended
		if strings.HasPrefix(string(text), "cachepot-dist\x00scheduler\x00") && strings.Contains(string(text), "\x00"+conf+"\x00") {
			pid, err := strconv.Atoi(strings.Split(path, "/")[2])
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("no process has that file")
	return 0
}

func getsid(pid int) (int, error) {
	out, err := exec.Command("ps", "-o", "sid=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(out)))
}
