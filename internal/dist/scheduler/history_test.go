package scheduler_test

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/scheduler"
	"github.com/cachepot/cachepot/internal/lease"
)

// world is a scheduler with clients and workers that fail at random, in a time of its own.
// Workers verify leases as real ones do.
type world struct {
	t       *testing.T
	rng     *rand.Rand
	now     scheduler.Instant
	m       *scheduler.Machine
	signer  *lease.Signer
	ids     uint64
	nonces  uint64
	clients []*simClient
	workers []*simWorker
	granted map[string]string // nonce -> client and worker, of all times
	used    map[string]digest.Digest
	done    map[digest.Digest]int // jobs by how often they succeeded
	made    int
	local   int
}

type simClient struct {
	id      scheduler.ClientID
	name    string
	waiting []*simJob
	waits   int // grants to others since it began to wait
	// hoards: it wants all that there is, says that it uses it, and does not.
	hoards bool
	held   []string // nonces that it keeps
}

type simJob struct {
	action digest.Digest
	tries  int
	since  scheduler.Instant
}

// simRun is a job at a worker.
type simRun struct {
	client *simClient
	job    *simJob
	nonce  string
	ends   scheduler.Instant
}

type simWorker struct {
	id       scheduler.WorkerID
	addr     string
	cpus     int
	deaf     bool // no stream to the scheduler
	verifier *lease.Verifier
	runs     []*simRun
}

func (w *world) time() time.Time { return time.Unix(0, int64(w.now)) }

func (w *world) newWorker(i int) *simWorker {
	s := &simWorker{addr: fmt.Sprintf("w%d:1", i), cpus: 1 + i%3}
	w.boot(s)
	return s
}

// boot starts a worker, which knows nothing of what ran on it.
func (w *world) boot(s *simWorker) {
	s.runs = nil
	s.verifier = lease.NewVerifier(s.addr, func(nonce string, started bool) {
		switch {
		case s.deaf:
		case started:
			w.m.Started(w.now, s.id, nonce)
		default:
			w.m.Ended(w.now, s.id, nonce)
		}
	})
	w.join(s)
}

func (w *world) join(s *simWorker) {
	w.ids++
	s.id, s.deaf = scheduler.WorkerID(w.ids), false
	s.verifier.Trust(w.signer.Public(), w.time(), w.time())
	if err := w.m.AddWorker(w.now, s.id, scheduler.Worker{Addr: s.addr, Pin: "k", CPUs: s.cpus, Reports: true, Running: s.verifier.Running()}, true); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) connect(c *simClient) {
	w.ids++
	c.id = scheduler.ClientID(w.ids)
	if err := w.m.AddClient(w.now, c.id); err != nil {
		w.t.Fatal(err)
	}
	if c.hoards {
		c.held = nil
		w.m.Demand(w.now, c.id, "", 1000)
		return
	}
	w.m.Demand(w.now, c.id, "", len(c.waiting))
}

// settle does what the machine has said, until it says nothing.
func (w *world) settle() {
	for {
		events := w.m.Take()
		if len(events) == 0 {
			return
		}
		for _, e := range events {
			if g, ok := e.(scheduler.Grant); ok {
				w.grant(g)
			} else if r, ok := e.(scheduler.Revoke); ok {
				w.revoked(r)
			}
		}
	}
}

// revoked gives a lease back, as clients do that mean well.
func (w *world) revoked(r scheduler.Revoke) {
	if !slices.ContainsFunc(w.clients, func(c *simClient) bool { return c.id == r.Client && c.hoards }) {
		w.m.Release(w.now, r.Client, r.Nonce, scheduler.Unused)
	}
}

// grant has the client use a lease for the job that waits longest.
func (w *world) grant(g scheduler.Grant) {
	i := slices.IndexFunc(w.clients, func(c *simClient) bool { return c.id == g.Client })
	if i < 0 { // its stream is over
		return
	}
	c := w.clients[i]
	key := c.name + " " + g.Addr
	if w.granted[g.Nonce] != "" && !g.Again {
		w.t.Errorf("nonce %s was granted twice", g.Nonce)
	}
	w.granted[g.Nonce] = key
	for _, o := range w.clients {
		if o != c && len(o.waiting) > 0 && !g.Again {
			o.waits++
		}
	}
	c.waits = 0
	if c.hoards {
		if !g.Again {
			c.held = append(c.held, g.Nonce)
			w.m.Begin(w.now, c.id, g.Nonce)
		}
		return
	}
	if len(c.waiting) == 0 {
		w.m.Release(w.now, c.id, g.Nonce, scheduler.Unused)
		return
	}
	job := c.waiting[0]
	c.waiting = c.waiting[1:]
	w.m.Demand(w.now, c.id, "", len(c.waiting))
	w.m.Begin(w.now, c.id, g.Nonce)
	s := w.workerAt(g.Addr)
	token, err := w.signer.Lease(lease.Lease{Client: c.name, Worker: g.Addr, Nonce: g.Nonce, Expires: w.time().Add(lease.Life)})
	if err != nil {
		w.t.Fatal(err)
	}
	w.present(c, s, job, g.Nonce, token)
}

func (w *world) workerAt(addr string) *simWorker {
	return w.workers[slices.IndexFunc(w.workers, func(s *simWorker) bool { return s.addr == addr })]
}

// present shows a lease to a worker, for the job and, as who wants more would, for others.
func (w *world) present(c *simClient, s *simWorker, job *simJob, nonce, token string) {
	if _, err := s.verifier.Verify(token, job.action, w.time()); err != nil {
		w.failed(c, job, nonce)
		return
	}
	if before, used := w.used[nonce]; used && before != job.action {
		w.t.Errorf("lease %s was used for two actions", nonce)
	}
	w.used[nonce] = job.action
	for _, o := range w.workers {
		if _, err := o.verifier.Verify(token, digest.Of([]byte("another")), w.time()); err == nil {
			w.t.Errorf("lease %s is taken at %s for another action", nonce, o.addr)
		}
	}
	s.runs = append(s.runs, &simRun{c, job, nonce, w.now + scheduler.Instant(1+w.rng.IntN(4000))*1_000_000})
}

// failed has a job tried elsewhere, or compiled by the client.
func (w *world) failed(c *simClient, job *simJob, nonce string) {
	w.m.Release(w.now, c.id, nonce, scheduler.Failed)
	if job.tries++; job.tries < 3 {
		c.waiting = append(c.waiting, job)
		w.m.Demand(w.now, c.id, "", len(c.waiting))
	} else {
		w.local++
		w.done[job.action]++
	}
}

// step lets a tenth of a second pass.
func (w *world) step(faults bool) {
	w.now += scheduler.Second / 10
	for _, s := range w.workers {
		for _, r := range slices.Clone(s.runs) {
			if r.ends > w.now {
				continue
			}
			s.runs = slices.DeleteFunc(s.runs, func(o *simRun) bool { return o == r })
			s.verifier.Done(r.nonce, true)
			w.done[r.job.action]++
			w.m.Release(w.now, r.client.id, r.nonce, scheduler.Done)
		}
		if !s.deaf {
			w.m.Load(w.now, s.id, 0)
		}
	}
	for _, c := range w.clients {
		w.m.Alive(w.now, c.id)
		for _, nonce := range c.held {
			w.m.Renew(w.now, c.id, nonce)
		}
		if !c.hoards && len(c.waiting) < 8 && w.rng.IntN(4) == 0 && faults {
			w.made++
			c.waiting = append(c.waiting, &simJob{action: digest.Of(fmt.Append(nil, "job ", w.made)), since: w.now})
			w.m.Demand(w.now, c.id, "", len(c.waiting))
		}
	}
	if faults {
		w.fault()
	}
	w.m.Tick(w.now)
	w.settle()
	w.check()
}

// fault does something bad now and then.
func (w *world) fault() {
	s, c := w.workers[w.rng.IntN(len(w.workers))], w.clients[w.rng.IntN(len(w.clients))]
	switch w.rng.IntN(60) {
	case 0: // a worker is killed, and starts again
		lost := s.runs
		w.m.RemoveWorker(w.now, s.id)
		w.boot(s)
		for _, r := range lost {
			w.failed(r.client, r.job, r.nonce)
		}
	case 1: // its stream breaks
		s.deaf = true
		w.m.RemoveWorker(w.now, s.id)
	case 2: // it stops talking
		s.deaf = true
	case 3, 4, 5:
		if s.deaf {
			w.m.RemoveWorker(w.now, s.id)
			w.join(s)
		}
	case 6: // a client's stream breaks; its jobs go on
		w.m.RemoveClient(w.now, c.id)
		w.connect(c)
	case 7: // the scheduler is started again
		w.restart()
	}
}

func (w *world) restart() {
	w.m = scheduler.New(w.nonce)
	for _, s := range w.workers {
		if !s.deaf {
			w.join(s)
		}
	}
	for _, c := range w.clients {
		w.connect(c)
	}
}

func (w *world) nonce() string { w.nonces++; return fmt.Sprint("n", w.nonces) }

// check is what holds at every moment.
func (w *world) check() {
	for action, n := range w.done {
		if n > 1 {
			w.t.Fatalf("job %s succeeded %d times", action, n)
		}
	}
	st := w.m.Status()
	cpus := 0
	for _, s := range w.workers {
		cpus += s.cpus
	}
	if st.CPUs > cpus || st.InProgress > 5*cpus {
		w.t.Fatalf("status %+v with %d slots", st, cpus)
	}
	for _, c := range w.clients {
		// Who has least goes first: the others cannot pass it by again and again. Each may be
		// served a few times when its turn comes with more than one slot, or after a restart.
		if c.waits > 100 {
			w.t.Fatalf("%s waits while others got %d leases", c.name, c.waits)
		}
	}
}

// newWorld returns a world with workers and clients that are connected.
func newWorld(t *testing.T, seed uint64, workers, clients int) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 1)), now: scheduler.Second, signer: lease.NewSigner(bytes.Repeat([]byte{7}, ed25519.SeedSize)),
		granted: map[string]string{}, used: map[string]digest.Digest{}, done: map[digest.Digest]int{}}
	w.m = scheduler.New(w.nonce)
	for i := range workers {
		w.workers = append(w.workers, w.newWorker(i))
	}
	for i := range clients {
		c := &simClient{name: fmt.Sprint("c", i)}
		w.clients = append(w.clients, c)
		w.connect(c)
	}
	return w
}

// busy keeps every client that means well waiting for more than there is; else they lose interest.
func (w *world) busy(busy bool) {
	for _, c := range w.clients {
		if !busy && !c.hoards {
			c.waiting = nil
			w.m.Demand(w.now, c.id, "", 0)
			continue
		}
		for !c.hoards && len(c.waiting) < 8 {
			w.made++
			c.waiting = append(c.waiting, &simJob{action: digest.Of(fmt.Append(nil, "job ", w.made)), since: w.now})
		}
		if !c.hoards {
			w.m.Demand(w.now, c.id, "", len(c.waiting))
		}
	}
}

// TestHoarders: clients that take all slots there are, say that they use them, have them signed
// anew and run nothing, keep two others waiting for half a minute, once; from then on these have
// their share, as if the hoarders were as many clients with work. So it is where the two want
// nothing now and then, for a third of the time.
func TestHoarders(t *testing.T) {
	for _, test := range []struct {
		hoarders int
		bursts   bool
	}{{1, false}, {2, false}, {1, true}} {
		w := newWorld(t, 1, 6, 0) // 12 slots
		for range test.hoarders {
			c := &simClient{name: "hoarder", hoards: true}
			w.clients = append(w.clients, c)
			w.connect(c)
		}
		w.settle()
		if n := w.m.Status().InProgress; test.hoarders > 0 && n != 12 {
			t.Fatalf("of 12 slots the hoarders have %d", n)
		}
		for i := range 2 {
			c := &simClient{name: fmt.Sprint("c", i)}
			w.clients = append(w.clients, c)
			w.connect(c)
		}
		first, began, wanted := scheduler.Instant(0), w.now, 0
		for i := range 6000 { // ten minutes
			busy := !test.bursts || i%450 < 300
			if busy {
				wanted++
			}
			w.busy(busy)
			w.step(false)
			if first == 0 && len(w.done) > 0 {
				first = w.now - began
			}
		}
		// Jobs take two seconds, as a mean.
		share := 12.0 * 2 / float64(2+test.hoarders)
		rate := float64(len(w.done)) * 2 / (float64(wanted) / 10)
		t.Logf("%+v: the first job ends after %.1f s, %.1f slots are of use; the share is %.0f", test, float64(first)/float64(scheduler.Second), rate, share)
		if first == 0 || first > 36*scheduler.Second || rate < 0.9*share {
			t.Error("others have less than their share")
		}
	}
}

// TestHistories: whatever fails, each job succeeds once or is given up by its client, each
// lease is used for one action at one worker, and when nothing fails any more all that wait
// are served.
func TestHistories(t *testing.T) {
	for seed := range uint64(6) {
		w := newWorld(t, seed, 4, 5)
		for range 3000 { // five minutes
			w.step(true)
		}
		for _, s := range w.workers {
			if s.deaf {
				w.m.RemoveWorker(w.now, s.id)
				w.join(s)
			}
		}
		for range 600 { // a minute without faults; nobody is left alone for longer than half of it
			w.step(false)
		}
		if len(w.done) != w.made || w.made < 300 || w.local > w.made/3 {
			t.Errorf("seed %d: of %d jobs %d came to an end, %d of them locally", seed, w.made, len(w.done), w.local)
		}
		if st := w.m.Status(); st.InProgress != 0 {
			t.Errorf("seed %d: %d leases are in use and nothing runs", seed, st.InProgress)
		}
		if n := len(slices.Collect(maps.Keys(w.used))); n == 0 {
			t.Errorf("seed %d: nothing was used", seed)
		}
	}
}
