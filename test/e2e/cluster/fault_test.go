package cluster

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// busy waits until jobs run.
func (s *scheduler) busy() {
	s.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if _, _, n, err := s.httpStatus(); err == nil && n > 0 {
			return
		}
	}
	s.t.Fatal("nothing runs")
}

// TestFaults: whatever is done to a server in the middle of a build, the build ends as a bare
// one does, and the next one is compiled by the workers again.
func TestFaults(t *testing.T) {
	s := startScheduler(t)
	workers := []*worker{startWorker(t, s, 1), startWorker(t, s, 2)}
	c := newClient(t, bookClient(t, s.url()))
	never := newClient(t, bookClient(t, s.url()), strict) // compiles at home
	dir := harness.Scratch(t)
	harness.Write(t, dir, cProject(9))
	round := 0
	build := func(c *harness.Client, what string, fault func()) {
		t.Helper()
		round++
		harness.Write(t, dir, map[string]string{"inc/a.h": fmt.Sprintf("#include <stdio.h>\n#define N %d\n", round)})
		bare, plain := makeIn(t, dir, c.Env, 2, "")
		type made struct {
			files map[string]string
			r     harness.Ended
		}
		done := make(chan made, 1)
		go func() {
			files, r := makeIn(t, dir, c.Env, 4, c.Wrapper+" ")
			done <- made{files, r}
		}()
		if fault != nil {
			s.busy()
			fault()
		}
		got := <-done
		if got.r.Code != 0 || len(got.r.Stderr) != len(plain.Stderr) {
			t.Errorf("%s: status %d: %s", what, got.r.Code, got.r.Stderr)
		}
		harness.SameFiles(t, what, bare, got.files)
	}
	// healed waits until jobs run on the workers again.
	n := 0
	healed := func() {
		t.Helper()
		for end := time.Now().Add(40 * time.Second); ; time.Sleep(200 * time.Millisecond) {
			n++
			harness.Write(t, dir, map[string]string{"probe.c": fmt.Sprintf("int probe = %d;\n", n)})
			before := c.Counters()
			if r := harness.Command(t, dir, c.Env, c.Wrapper, "gcc", "-c", "probe.c", "-o", "probe.obj"); r.Code != 0 {
				t.Fatalf("status %d: %s", r.Code, r.Stderr)
			}
			if after := c.Counters(); after.DistErrors == before.DistErrors {
				return
			} else if time.Now().After(end) {
				t.Fatalf("compiles do not go to the workers again: %+v", after.DistFailures)
			}
		}
	}
	build(c, "nothing", nil)
	w := workers[0]
	for _, f := range []struct {
		what   string
		do, un func()
	}{
		{"the scheduler is killed", s.Kill, func() { s.start() }},
		{"the scheduler is started again", func() { s.Kill(); s.start() }, func() {}},
		{"the scheduler is stopped", func() { s.signal(syscall.SIGSTOP) }, func() { s.signal(syscall.SIGCONT) }},
		{"a worker is killed", w.Kill, func() { w.start() }},
		{"a worker is started again", func() { w.Kill(); w.start() }, func() {}},
		{"a worker is stopped", func() { w.signal(syscall.SIGSTOP) }, func() { w.signal(syscall.SIGCONT) }},
		{"all workers are killed", func() { w.Kill(); workers[1].Kill() }, func() { w.start(); workers[1].start() }},
	} {
		build(c, f.what, f.do)
		f.un()
		healed()
	}
	s.await(2)
	// Where nothing may be compiled at home, nothing is, as long as there is somebody to try
	// next.
	build(never, "the scheduler is started again, nothing at home", func() { s.Kill(); s.start() })
	build(never, "a worker is killed, nothing at home", w.Kill)
	if _, _, n, err := s.status(); err != nil || n != 0 {
		t.Errorf("%d leases are in use, %v", n, err)
	}
}
