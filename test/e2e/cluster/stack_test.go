package cluster

import (
	"bytes"
	"fmt"
	"net"
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

// stack is a client, a scheduler and two workers with a slot each, all with the manual's files and
// each on a host of its own, that reach each other by lines.
type stack struct {
	t         *testing.T
	client    *harness.Host
	scheduler *harness.Server
	workers   []*harness.Server
	leases    *line   // from the client to the scheduler
	jobs      []*line // from the client to each worker
	reports   []*line // from each worker to the scheduler
	c         *harness.Client
	dir       string // of the sources
	calls     int
}

// schedulerAddress is where clients and workers reach the scheduler of a stack.
const schedulerAddress = "127.0.0.1:10600"

// newStack starts a stack.
func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{t: t, dir: harness.Scratch(t)}
	n, err := harness.NewNetwork()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	host := func(number int) *harness.Host {
		h, err := n.Host(number)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	url := "http://" + schedulerAddress
	s.client = host(2)
	s.scheduler = newServer(t, "scheduler", bookScheduler(t, schedulerAddress)).Server
	s.scheduler.Host = host(1)
	s.startServer(s.scheduler, schedulerAddress)
	s.leases = s.line(schedulerAddress, s.client, s.scheduler.Host)
	for i := range 2 {
		h, address, dir := host(11+i), fmt.Sprintf("127.0.0.1:%d", 10501+i), harness.Scratch(t)
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		conf := bookWorker(t, address, url, workerToken(t, address), dir)
		w := newServer(t, "worker", strings.Replace(conf, "[builder]\n", "[builder]\nslots = 1\n", 1)).Server
		w.Host = h
		s.reports = append(s.reports, s.line(schedulerAddress, h, s.scheduler.Host))
		s.startServer(w, address)
		s.jobs = append(s.jobs, s.line(address, s.client, h))
		s.workers = append(s.workers, w)
	}
	s.c = newClient(t, bookClient(t, url))
	return s
}

// line starts a line that ends with the test.
func (s *stack) line(address string, from, to *harness.Host) *line {
	s.t.Helper()
	l := &line{address: address, from: from, to: to}
	if err := l.start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(l.end)
	return l
}

// startServer starts a server and waits until it listens at its address.
func (s *stack) startServer(server *harness.Server, address string) {
	s.t.Helper()
	if err := server.Start(); err != nil {
		s.t.Fatal(err)
	}
	var err error
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = server.Host.Do(func() error {
			c, err := net.Dial("tcp4", address)
			if err == nil {
				c.Close()
			}
			return err
		}); err == nil {
			return
		}
	}
	s.t.Fatal(err)
}

// killScheduler ends the scheduler, and with it its connections.
func (s *stack) killScheduler() {
	s.scheduler.Kill()
	for _, l := range append(s.reports, s.leases) {
		l.end()
	}
}

func (s *stack) startScheduler() {
	s.t.Helper()
	s.startServer(s.scheduler, schedulerAddress)
	for _, l := range append(s.reports, s.leases) {
		s.again(l)
	}
}

func (s *stack) killWorker(i int) {
	s.workers[i].Kill()
	s.jobs[i].end()
}

func (s *stack) startWorker(i int) {
	s.t.Helper()
	s.startServer(s.workers[i], s.jobs[i].address)
	s.again(s.jobs[i])
}

func (s *stack) again(l *line) {
	s.t.Helper()
	if err := l.start(); err != nil {
		s.t.Fatal(err)
	}
}

// coordinator is the client's process.
func (s *stack) coordinator() int {
	s.t.Helper()
	pid, err := harness.CoordinatorOf(s.c.Cache)
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// sources are of the kinds of calls, all named a.c, with a comment that makes each another.
func sources() map[string]string {
	return map[string]string{
		"small": "int a = 1;\n",
		// Takes the compiler a while.
		"slow": "#define A(x) x x x x x x x x\n#define B(x) A(A(A(x)))\nint f(int a) { A(B(B(;))) return a; }\nint g(int a) { A(B(B(;))) return a; }\n",
		// What comes of it is too large to come with the answer.
		"large": "char a[3 << 20] = {1};\n",
	}
}

// bareObjects are what the compiler makes of the sources.
func bareObjects(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for kind, text := range sources() {
		dir := harness.Scratch(t)
		harness.Write(t, dir, map[string]string{"a.c": text})
		if r := harness.Command(t, dir, harness.BareEnv(), "gcc", "-O1", "-c", "a.c", "-o", "a.o"); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		text, err := os.ReadFile(filepath.Join(dir, "a.o"))
		if err != nil {
			t.Fatal(err)
		}
		out[kind] = string(text)
	}
	return out
}

// call is a compile under way.
type call struct {
	kind string
	dir  string
	cmd  *exec.Cmd
	out  bytes.Buffer
	end  chan struct{}
	once sync.Once
}

// compile starts a compile of a kind that was never made before.
func (s *stack) compile(kind string) *call {
	s.t.Helper()
	s.calls++
	c := &call{kind: kind, dir: filepath.Join(s.dir, fmt.Sprint(s.calls))}
	harness.Write(s.t, c.dir, map[string]string{"a.c": sources()[kind] + fmt.Sprintf("/* %d */\n", s.calls)})
	s.start(c)
	return c
}

// start starts a compile, as for the first time or again.
func (s *stack) start(c *call) {
	s.t.Helper()
	argv := s.client.In(s.c.Wrapper, "gcc", "-O1", "-c", "a.c", "-o", "a.o")
	cmd := exec.Command(argv[0], argv[1:]...)
	c.out.Reset()
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = c.dir, s.c.Env, &c.out, &c.out, 5*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	end := make(chan struct{})
	c.cmd, c.end = cmd, end
	go func() {
		_ = cmd.Wait()
		close(end)
	}()
}

// wait waits for the end of a compile, until a time.
func (s *stack) wait(c *call, until time.Time) bool {
	select {
	case <-c.end:
		return true
	case <-time.After(time.Until(until)):
		return false
	}
}

// right checks that a compile ended as without cachepot.
func (s *stack) right(t *testing.T, what string, c *call, bare map[string]string) {
	t.Helper()
	object, _ := os.ReadFile(filepath.Join(c.dir, "a.o")) // none differs, too
	if code := c.cmd.ProcessState.ExitCode(); code != 0 || c.out.Len() > 0 || string(object) != bare[c.kind] {
		t.Errorf("%s: status %d, %q, %d bytes; want those %d of the compiler", what, code, c.out.String(), len(object), len(bare[c.kind]))
	}
}

// healthy makes compiles until one went to a worker.
func (s *stack) healthy(t *testing.T, bare map[string]string) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		before := s.c.Counters()
		c := s.compile("small")
		if !s.wait(c, end) {
			t.Fatal("a compile does not end when all is well again")
		}
		s.right(t, "all is well", c, bare)
		after := s.c.Counters()
		if sum(after.DistCompiles) > sum(before.DistCompiles) {
			return
		} else if time.Now().After(end) {
			t.Fatalf("compiles do not go to the workers again: %+v", after.DistFailures)
		}
	}
}

func sum(l map[string]uint64) (n uint64) {
	for _, k := range l {
		n += k
	}
	return n
}
