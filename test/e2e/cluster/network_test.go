package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// network is hosts that see each other by a bridge, each a network namespace.
type network struct {
	t    *testing.T
	name string // the names of all begin so
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{t: t, name: fmt.Sprintf("cl%d", os.Getpid())}
	n.ip("netns", "add", n.name)
	t.Cleanup(func() { n.ip("netns", "del", n.name) })
	n.ip("-n", n.name, "link", "add", "bridge", "type", "bridge")
	n.ip("-n", n.name, "link", "set", "bridge", "up")
	return n
}

// host is a machine with an address.
type host struct {
	n       *network
	name    string
	address string
}

// newHost makes the host with a number, from 1 to 254.
func (n *network) newHost(number int) *host {
	n.t.Helper()
	h := &host{n, fmt.Sprintf("%s-%d", n.name, number), fmt.Sprintf("10.99.0.%d", number)}
	n.ip("netns", "add", h.name)
	n.t.Cleanup(func() { n.ip("netns", "del", h.name) })
	port := fmt.Sprint("port", number)
	n.ip("-n", n.name, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", h.name)
	n.ip("-n", n.name, "link", "set", port, "master", "bridge", "up")
	n.ip("-n", h.name, "addr", "add", h.address+"/24", "dev", "eth0")
	n.ip("-n", h.name, "link", "set", "eth0", "up")
	n.ip("-n", h.name, "link", "set", "lo", "up")
	return h
}

// in returns a command line that runs argv on the host. Its files are everybody's: another
// mount namespace would be a container's.
func (h *host) in(argv ...string) []string {
	return append([]string{"nsenter", "--net=/run/netns/" + h.name}, argv...)
}

// cut drops what h sends to other, and returns what ends that.
func (h *host) cut(other *host) (heal func()) {
	h.n.t.Helper()
	nft := func(args ...string) {
		h.n.t.Helper()
		argv := h.in(append([]string{"nft"}, args...)...)
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			h.n.t.Fatalf("%v: %v: %s", argv, err, out)
		}
	}
	nft("add", "table", "ip", "cut")
	nft("add", "chain", "ip", "cut", "out", "{ type filter hook output priority 0; }")
	nft("add", "rule", "ip", "cut", "out", "ip", "daddr", other.address, "drop")
	return func() { nft("delete", "table", "ip", "cut") }
}

// user is a client on a host, with a project of its own.
type user struct {
	*client
	host *host
	dir  string
}

// build builds the user's project, changed so that all of it is new, and compares it with a bare
// build.
func (u *user) build(what string, round int, env ...string) {
	u.t.Helper()
	harness.Write(u.t, u.dir, map[string]string{"inc/a.h": fmt.Sprintf("#include <stdio.h>\n#define N %d\n", round)})
	make := func(prefix string) (map[string]string, result) {
		for name := range products(u.t, u.dir, ".o", ".d") {
			if err := os.Remove(filepath.Join(u.dir, name)); err != nil {
				u.t.Error(err)
			}
		}
		r := run(u.t, u.dir, append(u.Env[:len(u.Env):len(u.Env)], env...), u.host.in("make", "-j4", "CC="+prefix+"gcc", "CXX="+prefix+"g++")...)
		return products(u.t, u.dir, ".o", ".d"), r
	}
	bare, plain := make("")
	got, r := make(u.Wrapper + " ")
	if r.code != 0 || len(r.stderr) != len(plain.stderr) {
		u.t.Errorf("%s, %s: status %d: %s", what, u.host.address, r.code, r.stderr)
	}
	same(u.t, what, bare, got)
}

// TestNetwork: on hosts of their own, two clients build on three workers at the same time, and
// nothing runs at home. Cut one way or the other between any two of them, builds end as bare ones
// do, and when the cut has healed compiles go to the workers again.
func TestNetwork(t *testing.T) {
	n := newNetwork(t)
	sh := n.newHost(1)
	s := &scheduler{address: sh.address + ":10600", scheme: "https", host: sh}
	cert, key := harness.Certificate(t, harness.Scratch(t), sh.address)
	s.ca = cert
	s.server = newServer(t, "scheduler", strings.Replace(bookScheduler(t, s.address), s.address, "https://"+s.address, 1)+
		"\n[tls]\ncertificate = \""+cert+"\"\nkey = \""+key+"\"\n")
	s.server.host = sh
	s.start()
	s.await(0)
	var workers []*worker
	for i := range 3 {
		h := n.newHost(11 + i)
		w := &worker{address: h.address + ":10501"}
		dir := harness.Scratch(t)
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		w.server = newServer(t, "worker", "scheduler_ca = \""+cert+"\"\n"+bookWorker(t, w.address, s.url(), workerToken(t, w.address), dir))
		w.server.host = h
		w.start()
		workers = append(workers, w)
	}
	s.await(3)
	var users []*user
	for i := range 2 {
		u := &user{newClient(t, withCA(bookClient(t, s.url()), cert)), n.newHost(21 + i), harness.Scratch(t)}
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
		c := u.counters()
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
	one := users[0].host
	for _, cut := range []struct {
		what     string
		from, to *host
	}{
		{"a worker does not reach the scheduler", workers[0].server.host, sh},
		{"the scheduler does not reach a worker", sh, workers[0].server.host},
		{"a client does not reach a worker", one, workers[1].server.host},
		{"a worker does not reach a client", workers[1].server.host, one},
		{"a client does not reach the scheduler", one, sh},
		{"the scheduler does not reach a client", sh, one},
	} {
		heal := cut.from.cut(cut.to)
		start := time.Now()
		both(cut.what)
		t.Logf("%s: %v", cut.what, time.Since(start).Round(time.Second))
		heal()
		s.await(3)
		healed(t, users[0], &round)
	}
}

// healed waits until a user's compiles go to the workers again.
func healed(t *testing.T, u *user, round *int) {
	t.Helper()
	for end := time.Now().Add(40 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		*round++
		harness.Write(t, u.dir, map[string]string{"probe.c": fmt.Sprintf("int probe = %d;\n", *round)})
		before := u.counters()
		if r := run(t, u.dir, u.Env, u.host.in(u.Wrapper, "gcc", "-c", "probe.c", "-o", "probe.obj")...); r.code != 0 {
			t.Fatalf("status %d: %s", r.code, r.stderr)
		}
		if after := u.counters(); after.DistErrors == before.DistErrors {
			return
		} else if time.Now().After(end) {
			t.Fatalf("compiles do not go to the workers again: %+v", after.DistFailures)
		}
	}
}
