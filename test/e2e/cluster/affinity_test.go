package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestAffinity: of two workers that are free, a compile goes to the one that has its toolchain,
// also when scheduler and workers have been started again since.
func TestAffinity(t *testing.T) {
	s := startScheduler(t)
	workers := []*worker{startWorker(t, s, 1), startWorker(t, s, 2)}
	// Of equals the scheduler takes the one whose address comes first.
	first, has := workers[0], workers[1]
	if has.address < first.address {
		first, has = has, first
	}
	first.Kill()
	s.await(1)
	dir := harness.Scratch(t)
	n := 0
	compile := func(what string, want *worker) {
		t.Helper()
		n++
		name := fmt.Sprintf("a%d.c", n)
		harness.Write(t, dir, map[string]string{name: fmt.Sprintf("int a%d;\n", n)})
		c := newClient(t, bookClient(t, s.url()), strict)
		if r := harness.Command(t, dir, c.Env, c.Wrapper, "gcc", "-c", name); r.Code != 0 {
			t.Fatalf("%s: status %d: %s", what, r.Code, r.Stderr)
		}
		if by := c.Counters().DistCompiles; by[want.address] != 1 {
			t.Errorf("%s: compiled at %v, want %s", what, by, want.address)
		}
		// For two seconds it keeps slots for what may come; those of a client that goes are kept for longer.
		time.Sleep(4 * time.Second)
	}
	compile("one worker", has)
	first.start()
	s.await(2)
	compile("another one", has)
	s.Kill()
	first.Kill()
	has.Kill()
	s.start()
	s.await(0)
	first.start()
	has.start()
	s.await(2)
	compile("all started again", has)
}
