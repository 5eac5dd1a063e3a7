package cluster

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// user is a client on a host, with a project of its own.
type user struct {
	*harness.Client
	t    *testing.T
	host *harness.Host
	dir  string
}

// build builds the user's project, changed so that all of it is new, and compares it with a bare
// build.
func (u *user) build(what string, round int, env ...string) {
	u.t.Helper()
	harness.Write(u.t, u.dir, map[string]string{"inc/a.h": fmt.Sprintf("#include <stdio.h>\n#define N %d\n", round)})
	make := func(prefix string) (map[string]string, harness.Ended) {
		clean(u.t, u.dir)
		r := harness.Command(u.t, u.dir, append(u.Env[:len(u.Env):len(u.Env)], env...), u.host.In("make", "-j4", "CC="+prefix+"gcc", "CXX="+prefix+"g++")...)
		return harness.Built(u.t, u.dir, isProduct), r
	}
	bare, plain := make("")
	got, r := make(u.Wrapper + " ")
	if r.Code != 0 || len(r.Stderr) != len(plain.Stderr) {
		u.t.Errorf("%s, %s: status %d: %s", what, u.host.Address, r.Code, r.Stderr)
	}
	harness.SameFiles(u.t, what, bare, got)
}

// TestNetwork: on hosts of their own, two clients build on three workers at the same time, and
// nothing runs at home. Cut one way or the other between any two of them, builds end as bare ones
// do, and when the cut has healed compiles go to the workers again.
func TestNetwork(t *testing.T) {
	dir := harness.Scratch(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cluster, err := harness.StartCluster(dist(t), chapter, dir, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { endCluster(t, cluster) })
	conf, err := cluster.ClientConf()
	if err != nil {
		t.Fatal(err)
	}
	var users []*user
	for i := range 2 {
		h, err := cluster.Network.Host(21 + i)
		if err != nil {
			t.Fatal(err)
		}
		u := &user{newClient(t, conf), t, h, harness.Scratch(t)}
		harness.Write(t, u.dir, cProject(5+i)) // not the same: one's work would be the other's hit
		users = append(users, u)
	}
	round := 0
	both := func(what string, env ...string) {
		t.Helper()
		round++
		var all sync.WaitGroup
		for _, u := range users {
			all.Go(func() { u.build(what, round, env...) })
		}
		all.Wait()
	}
	both("all is well", strict)
	by := map[string]uint64{}
	for i, u := range users {
		c := u.Counters()
		for w, k := range c.DistCompiles {
			by[w] += k
		}
		if c.DistErrors != 0 || len(c.DistLocal) != 0 || c.CacheMisses.Total() != uint64(6+i) {
			t.Errorf("%d misses, %v, %v; want %d, all on workers", c.CacheMisses.Total(), c.DistFailures, c.DistLocal, 6+i)
		}
	}
	if len(by) < 2 {
		t.Errorf("compiles by worker: %v; want several", by)
	}
	for _, u := range users { // a configuration of its own: another coordinator
		if _, err := u.Admin("--stop-coordinator"); err != nil {
			t.Fatal(err)
		}
	}
	one, scheduler, workers := users[0].host, cluster.Scheduler.Host, cluster.Workers
	for _, cut := range []struct {
		what     string
		from, to *harness.Host
	}{
		{"a worker does not reach the scheduler", workers[0].Host, scheduler},
		{"the scheduler does not reach a worker", scheduler, workers[0].Host},
		{"a client does not reach a worker", one, workers[1].Host},
		{"a worker does not reach a client", workers[1].Host, one},
		{"a client does not reach the scheduler", one, scheduler},
		{"the scheduler does not reach a client", scheduler, one},
	} {
		heal, err := cut.from.Cut(cut.to)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		both(cut.what)
		t.Logf("%s: %v", cut.what, time.Since(start).Round(time.Second))
		if err := errors.Join(heal(), cluster.Await(3)); err != nil {
			t.Fatal(err)
		}
		healed(t, users[0], &round)
	}
}

// endCluster ends a cluster, and shows what its servers said where the test failed.
func endCluster(t *testing.T, c *harness.Cluster) {
	for _, s := range append(c.Workers, c.Scheduler) {
		s.Kill()
		if t.Failed() {
			t.Logf("%s says:\n%s", s.Conf, harness.Tail(s.Log.String()))
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// healed waits until a user's compiles go to the workers again.
func healed(t *testing.T, u *user, round *int) {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		*round++
		harness.Write(t, u.dir, map[string]string{"probe.c": fmt.Sprintf("int probe = %d;\n", *round)})
		before := u.Counters()
		if r := harness.Command(t, u.dir, u.Env, u.host.In(u.Wrapper, "gcc", "-c", "probe.c", "-o", "probe.obj")...); r.Code != 0 {
			t.Fatalf("status %d: %s", r.Code, r.Stderr)
		}
		if after := u.Counters(); after.DistErrors == before.DistErrors {
			return
		} else if time.Now().After(end) {
			t.Fatalf("compiles do not go to the workers again: %+v", after.DistFailures)
		}
	}
}
