package remote

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/test/e2e/harness"
)

func digestOf(content string) *repb.Digest {
	d := digest.Of([]byte(content))
	return &repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}
}

// TestKilledEngine: a service that is not there, and one that goes away and comes back
// empty, leave builds as they are; in strict mode they fail in one line.
func TestKilledEngine(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	files := cProject()
	delete(files, "src/d.bin")
	files["src/d.S"] = ".text\n.globl d\nd:\n .long 1\n"
	harness.Write(t, dir, files)
	c := newClient(t, tolerant(e.url()))
	mapped := before(t, dir)
	bare, _ := makeIn(t, dir, c.Env, mapped)
	e.kill()
	got, r := makeIn(t, dir, c.Env, c.Wrapper+" ")
	harness.SameFiles(t, "without a service", bare, got)
	if r.Code != 0 || strings.Contains(r.Stderr, "cachepot") {
		t.Errorf("status %d: %s", r.Code, r.Stderr)
	}
	c.want(0, 4)

	strictly := newClient(t, strict(e.url()))
	if r := strictly.Compile(dir, "gcc", "-c", "src/a.c", "-Iinc", "-o", "out/x.o"); r.Code != 1 ||
		strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, "check that it runs") || exists(dir, "out/x.o") {
		t.Errorf("strict: status %d: %q", r.Code, r.Stderr)
	}
	if out, err := strictly.Admin("--dist-status"); err != nil || !strings.HasPrefix(out, `{"NotConnected":["`+e.url()+`","`) {
		t.Errorf("status %s, %v", out, err)
	}

	e.dir = harness.Scratch(t) // nothing of what was uploaded is there
	e.start()
	other := newClient(t, strict(e.url()))
	got, _ = makeIn(t, dir, other.Env, other.Wrapper+" ")
	harness.SameFiles(t, "with a service again", bare, got)
	other.want(4, 0)
	e.kill()
	e.dir = harness.Scratch(t)
	e.start() // behind the client's back: it believes the blobs to be there
	harness.Write(t, dir, map[string]string{"src/a.c": "#include \"a.h\"\nint a = N + 1;\n"})
	bare, _ = makeIn(t, dir, c.Env, mapped)
	got, r = makeIn(t, dir, other.Env, other.Wrapper+" ")
	if r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	harness.SameFiles(t, "with an empty service", bare, got)
	other.want(5, 0)
}

// hold keeps the ends of executions back until release is closed, and tells of each
// that it keeps.
func (p *proxy) hold(held chan<- struct{}, release <-chan struct{}) {
	p.answer = func(method string, message []byte) []byte {
		op := &longrunning.Operation{}
		if method != methodExecute || proto.Unmarshal(message, op) != nil || !op.GetDone() || isProbe(op) {
			return message
		}
		held <- struct{}{}
		<-release
		return message
	}
}

func isProbe(op *longrunning.Operation) bool {
	resp := &repb.ExecuteResponse{}
	return op.GetResponse().UnmarshalTo(resp) == nil && resp.GetResult().GetExitCode() == 42
}

// TestCallerGoesAway: a wrapper that is killed has its operation cancelled.
func TestCallerGoesAway(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int a;\n"})
	p := startProxy(t, e, nil)
	held, release := make(chan struct{}, 8), make(chan struct{})
	defer close(release)
	p.hold(held, release)
	c := newClient(t, strict(p.url()))
	cmd := exec.Command(c.Wrapper, "gcc", "-c", "a.c", "-o", "a.o")
	cmd.Dir, cmd.Env = dir, c.Env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait(t, "the execution", held)
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for end := time.Now().Add(10 * time.Second); p.count(methodCancel) == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the operation was not cancelled")
		}
	}
	c.want(0, 0)
}

// TestKilledInTheMiddle: a service that dies during an execution costs nothing but time.
func TestKilledInTheMiddle(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int a;\n"})
	p := startProxy(t, e, nil)
	held, release := make(chan struct{}, 8), make(chan struct{})
	p.hold(held, release)
	p.drop = true
	c := newClient(t, tolerant(p.url()))
	done := make(chan harness.Ended, 1)
	go func() { done <- c.Compile(dir, "gcc", "-c", "a.c", "-o", "a.o") }()
	wait(t, "the execution", held)
	e.kill()
	close(release)
	if r := <-done; r.Code != 0 || r.Stderr != "" || !exists(dir, "a.o") {
		t.Errorf("status %d: %q", r.Code, r.Stderr)
	}
	c.want(0, 1)
}

// TestStoppedEngine: a service that is stopped keeps its connections and says nothing.
func TestStoppedEngine(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int a;\n", "b.c": "int b;\n", "c.c": "int c;\n"})
	c := newClient(t, tolerant(e.url()))
	if r := c.Compile(dir, "gcc", "-c", "a.c", "-o", "a.o"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	c.want(1, 0)
	if err := e.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"b", "c"} { // the second finds the service left alone
		start := time.Now()
		r := c.Compile(dir, "gcc", "-c", name+".c", "-o", name+".o")
		if r.Code != 0 || r.Stderr != "" || !exists(dir, name+".o") {
			t.Errorf("status %d: %q", r.Code, r.Stderr)
		}
		if limit := []time.Duration{35 * time.Second, 3 * time.Second}[i]; time.Since(start) > limit {
			t.Errorf("%s took %v, want at most %v", name, time.Since(start), limit)
		}
	}
	c.want(1, 2)
}

func wait(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s did not come", what)
	}
}
