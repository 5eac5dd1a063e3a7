package scheduler

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// scene is a machine with a clock, and what it said.
type scene struct {
	t   *testing.T
	m   *Machine
	now Instant
	n   int
}

func newScene(t *testing.T) *scene {
	s := &scene{t: t, now: 1000 * Second}
	s.m = New(func() string { s.n++; return fmt.Sprintf("n%d", s.n) })
	return s
}

func (s *scene) client(id ClientID) {
	s.t.Helper()
	if err := s.m.AddClient(s.now, id); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) worker(id WorkerID, w Worker) {
	s.t.Helper()
	if err := s.m.AddWorker(s.now, id, w, true); err != nil {
		s.t.Fatal(err)
	}
}

// said compares what the machine says with lines like "1 gets n1 at w1", "1 gives n1 back",
// "1 lost w1", "worker 2 is silent".
func (s *scene) said(want ...string) {
	s.t.Helper()
	var got []string
	for _, e := range s.m.Take() {
		switch e := e.(type) {
		case Grant:
			got = append(got, fmt.Sprintf("%d gets %s at %s", e.Client, e.Nonce, e.Addr)+map[bool]string{true: " again"}[e.Again])
		case Revoke:
			got = append(got, fmt.Sprintf("%d gives %s back", e.Client, e.Nonce))
		case Lost:
			got = append(got, fmt.Sprintf("%d lost %s", e.Client, e.Addr))
		case Silent:
			if e.Worker != 0 {
				got = append(got, fmt.Sprintf("worker %d is silent", e.Worker))
			} else {
				got = append(got, fmt.Sprintf("client %d is silent", e.Client))
			}
		}
	}
	if len(got)+len(want) > 0 && !reflect.DeepEqual(got, want) {
		s.t.Errorf("said\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// pass lets time pass in which everybody is heard.
func (s *scene) pass(d Instant) {
	for end := s.now + d; s.now < end; {
		s.now = min(s.now+Second/2, end)
		for id := range s.m.clients {
			s.m.Alive(s.now, id)
		}
		for id, w := range s.m.workers {
			s.m.Load(s.now, id, w.unleased)
		}
		s.m.Tick(s.now)
	}
}

func (s *scene) status(workers, cpus, inProgress int) {
	s.t.Helper()
	if got := s.m.Status(); got != (Status{workers, cpus, inProgress}) {
		s.t.Errorf("status %+v, want %d, %d, %d", got, workers, cpus, inProgress)
	}
}

func reporting(addr string, cpus int) Worker { return Worker{Addr: addr, CPUs: cpus, Reports: true} }

// TestDemand: a client gets what it wants as far as there are slots, and more as these
// become free; what it uses is replaced.
func TestDemand(t *testing.T) {
	s := newScene(t)
	s.client(1)
	s.m.Demand(s.now, 1, "gcc", 3)
	s.said()
	s.worker(1, reporting("w1", 2))
	s.said("1 gets n1 at w1", "1 gets n2 at w1")
	s.m.Demand(s.now, 1, "gcc", 1)
	s.m.Begin(s.now, 1, "n1")
	s.said()
	s.status(1, 2, 1)
	s.m.Demand(s.now, 1, "gcc", 2)
	s.m.Started(s.now, 1, "n1")
	s.m.Ended(s.now, 1, "n1")
	s.said("1 gets n3 at w1")
	s.m.Release(s.now, 1, "n1", Done)
	s.m.Release(s.now, 1, "n1", Done)
	s.said()
	s.status(1, 2, 0)
	s.m.Load(s.now, 1, 1) // somebody's job without a lease
	s.m.Release(s.now, 1, "n2", Unused)
	s.said()
	s.m.Load(s.now, 1, 0)
	s.said("1 gets n4 at w1")
}

// TestAffinity: a job goes where its toolchain is, as long as there is room, and to the
// worker with most room else.
func TestAffinity(t *testing.T) {
	s := newScene(t)
	s.client(1)
	s.worker(1, reporting("w1", 2))
	s.worker(2, Worker{Addr: "w2", CPUs: 4, Reports: true, Toolchains: []string{"rust"}})
	s.m.Demand(s.now, 1, "rust", 1)
	s.said("1 gets n1 at w2")
	s.m.Demand(s.now, 1, "gcc", 3) // w1 is empty, then it has gcc, then it is full
	s.said("1 gets n2 at w1", "1 gets n3 at w1", "1 gets n4 at w2")
}

// TestShares: who comes late gets a share, from what others hold and do not use; what is in
// use is left to them.
func TestShares(t *testing.T) {
	s := newScene(t)
	s.client(1)
	s.worker(1, reporting("w1", 4))
	s.m.Demand(s.now, 1, "gcc", 10)
	s.said("1 gets n1 at w1", "1 gets n2 at w1", "1 gets n3 at w1", "1 gets n4 at w1")
	s.m.Begin(s.now, 1, "n1")
	s.m.Begin(s.now, 1, "n2")
	s.m.Begin(s.now, 1, "n3")
	s.client(2)
	s.m.Demand(s.now, 2, "gcc", 10)
	s.said("1 gives n4 back")
	s.m.Alive(s.now, 1) // asked once
	s.said()
	s.m.Release(s.now, 1, "n4", Unused)
	s.said("2 gets n5 at w1")
	s.m.Release(s.now, 1, "n1", Done)
	s.said("2 gets n6 at w1") // it has less
	s.m.Release(s.now, 1, "n2", Done)
	s.said("1 gets n7 at w1")
	s.m.Release(s.now, 1, "n3", Done)
	s.said("1 gets n8 at w1")
	s.client(3)
	s.m.Demand(s.now, 3, "gcc", 1)
	s.said() // two each is a share of three clients
	s.client(4)
	s.m.Demand(s.now, 4, "gcc", 1)
	s.said("1 gives n7 back", "2 gives n5 back")
	s.m.Begin(s.now, 2, "n5") // a lease that is asked back too late stays in use, and another is asked for
	s.said("2 gives n6 back")
	s.m.Release(s.now, 1, "n7", Unused)
	s.said("3 gets n9 at w1")
}

// TestEarly: who says that leases are in use, and has nothing run, keeps others from their share
// for half a minute at most, and is given no more than its own share; what runs is left to it.
func TestEarly(t *testing.T) {
	s := newScene(t)
	s.client(1)
	s.worker(1, reporting("w1", 4))
	s.m.Demand(s.now, 1, "", 100)
	s.said("1 gets n1 at w1", "1 gets n2 at w1", "1 gets n3 at w1", "1 gets n4 at w1")
	for i := range 4 {
		s.m.Begin(s.now, 1, fmt.Sprint("n", i+1))
	}
	s.m.Started(s.now, 1, "n1")
	s.pass(60 * Second)
	s.said() // it is alone
	for i := range 3 {
		s.m.Renew(s.now, 1, fmt.Sprint("n", i+2))
	}
	s.m.Take()
	s.client(2)
	s.m.Demand(s.now, 2, "", 100)
	s.said("1 gives n2 back", "1 gives n3 back", "2 gets n5 at w1", "2 gets n6 at w1")
	s.m.Begin(s.now, 2, "n5")
	s.m.Begin(s.now, 2, "n6")
	s.pass(60 * Second)
	s.said() // each has its share
	s.m.Release(s.now, 1, "n4", Done)
	s.said("1 gets n7 at w1") // 2 waits for less
	s.m.Release(s.now, 2, "n5", Done)
	s.m.Release(s.now, 2, "n6", Done)
	s.said("2 gets n8 at w1", "2 gets n9 at w1")
	// A client that has just begun is given time, however long others wait.
	s = newScene(t)
	s.client(1)
	s.client(2)
	s.worker(1, reporting("w1", 2))
	s.m.Demand(s.now, 1, "", 2)
	s.m.Begin(s.now, 1, "n1")
	s.m.Begin(s.now, 1, "n2")
	s.m.Demand(s.now, 2, "", 1)
	s.m.Take()
	s.pass(earlyLife - Second)
	s.said()
	s.pass(Second)
	s.said("1 gives n1 back", "2 gets n3 at w1")
	// Of a worker that does not report nobody knows what runs.
	s = newScene(t)
	s.client(1)
	s.client(2)
	s.worker(1, Worker{Addr: "w1", CPUs: 2})
	s.m.Demand(s.now, 1, "", 2)
	s.m.Begin(s.now, 1, "n1")
	s.m.Begin(s.now, 1, "n2")
	s.m.Demand(s.now, 2, "", 1)
	s.m.Take()
	s.pass(beginLife - Second)
	s.said()
}

// TestStates: the table of states in docs/spec/leases.md.
func TestStates(t *testing.T) {
	begin := func(reports bool) *scene {
		s := newScene(t)
		s.client(1)
		s.worker(1, Worker{Addr: "w1", CPUs: 1, Reports: reports})
		s.m.Demand(s.now, 1, "", 1)
		s.said("1 gets n1 at w1")
		return s
	}
	taken := func(s *scene) bool { return s.m.free() == 0 }

	s := begin(true)
	s.m.Demand(s.now, 1, "", 0)
	s.pass(LeaseLife)
	if taken(s) {
		t.Error("an idle lease does not lapse")
	}
	s = begin(true)
	s.m.Demand(s.now, 1, "", 0)
	s.m.Begin(s.now, 1, "n1")
	s.pass(beginLife - Second)
	s.m.Renew(s.now, 1, "n1")
	s.said("1 gets n1 at w1 again")
	if !taken(s) {
		t.Error("a lease in use lapses early")
	}
	s.pass(Second)
	s.said("1 gives n1 back")
	if taken(s) {
		t.Error("a lease that is said to be in use never lapses")
	}
	s = begin(true)
	s.m.Demand(s.now, 1, "", 0)
	s.m.Started(s.now, 1, "n1") // before Begin is heard
	s.m.Begin(s.now, 1, "n1")
	s.pass(2 * beginLife)
	s.m.Renew(s.now, 1, "n1")
	s.status(1, 1, 1)
	s.m.Release(s.now, 1, "n1", Done)
	if s.said(); !taken(s) {
		t.Error("a slot is free before its worker says so")
	}
	s.m.Ended(s.now, 1, "n1")
	if s.status(1, 1, 0); taken(s) {
		t.Error("a slot is not free after its worker has said so")
	}
	s = begin(true)
	s.m.Demand(s.now, 1, "", 0)
	s.m.Started(s.now, 1, "n1")
	s.m.Ended(s.now, 1, "n1")
	s.m.Started(s.now, 1, "n1") // of messages that cross
	if s.status(1, 1, 0); taken(s) {
		t.Error("a job that has ended takes a slot")
	}
	s.pass(61 * Second)
	if len(s.m.leases) != 0 {
		t.Error("a lease that has ended is never forgotten")
	}
	for _, reports := range []bool{false, true} {
		s = begin(reports)
		s.m.Begin(s.now, 1, "n1")
		s.m.RemoveClient(s.now, 1)
		if taken(s) != reports {
			t.Errorf("its client gone, the slot is taken: %t, worker reports: %t", taken(s), reports)
		}
		s.pass(LeaseLife)
		if taken(s) {
			t.Error("its client gone, a lease that nobody used does not lapse")
		}
	}
	s = begin(true)
	s.m.Begin(s.now, 1, "n1")
	s.m.RemoveWorker(s.now, 1)
	s.said("1 lost w1")
	s.m.Release(s.now, 1, "n1", Failed)
	s.m.Ended(s.now, 1, "n1")
	s.status(0, 0, 0)
	if len(s.m.leases) != 0 {
		t.Error("a lease of a worker that is gone is left")
	}
}

// TestRestart: a scheduler that is started again hears from its workers what runs, and frees
// these slots when it has ended.
func TestRestart(t *testing.T) {
	s := newScene(t)
	s.worker(1, Worker{Addr: "w1", CPUs: 3, Reports: true, Running: []string{"a", "b"}})
	s.status(1, 3, 2)
	s.client(1)
	s.m.Demand(s.now, 1, "", 5)
	s.said("1 gets n1 at w1")
	s.m.Started(s.now, 1, "c") // presented after the restart
	s.status(1, 3, 3)
	s.m.Ended(s.now, 1, "a")
	s.said() // one too many was under way
	s.m.Ended(s.now, 1, "c")
	s.said("1 gets n2 at w1")
}

// TestTrouble: a worker that fails a client is left alone by it, for no more than 30 s, and
// others use it.
func TestTrouble(t *testing.T) {
	s := newScene(t)
	s.client(1)
	s.client(2)
	s.worker(1, reporting("w1", 1))
	s.m.Demand(s.now, 1, "", 1)
	last := ""
	longest := Instant(0)
	for range 50 {
		events := s.m.Take()
		if len(events) != 1 {
			t.Fatalf("%d events", len(events))
		}
		last = events[0].(Grant).Nonce
		s.m.Begin(s.now, 1, last)
		failed := s.now
		s.m.Release(s.now, 1, last, Failed)
		s.said()
		for len(s.m.events) == 0 {
			s.pass(Second / 2)
		}
		longest = max(longest, s.now-failed)
	}
	if longest < 25*Second || longest > 30*Second {
		t.Errorf("left alone for %d s, want somewhat less than 30", longest/Second)
	}
	s.m.Take()
	s.m.Release(s.now, 1, fmt.Sprintf("n%d", s.n), Failed)
	s.m.Demand(s.now, 2, "", 1)
	s.said(fmt.Sprintf("2 gets n%d at w1", s.n))
	s.m.Release(s.now, 2, fmt.Sprintf("n%d", s.n), Done)
	s.pass(31 * Second)
	s.m.Take()
	for range 12 {
		s.m.Release(s.now, 1, fmt.Sprintf("n%d", s.n), Done)
	}
	if len(s.m.clients[2].shy) != 0 {
		t.Error("a worker that did well is remembered as one that failed")
	}
}

// TestSilence: who is not heard is gone within 7.5 s.
func TestSilence(t *testing.T) {
	s := newScene(t)
	s.client(1)
	s.worker(1, reporting("w1", 1))
	s.worker(2, reporting("w2", 1))
	s.m.Demand(s.now, 1, "", 1)
	s.said("1 gets n1 at w1")
	for range 14 {
		s.now += Second / 2
		s.m.Alive(s.now, 1)
		s.m.Load(s.now, 2, 0)
		s.m.Tick(s.now)
	}
	s.said()
	s.now += Second / 2
	s.m.Load(s.now, 2, 0)
	s.m.Tick(s.now)
	s.said("worker 1 is silent", "1 lost w1", "1 gets n2 at w2")
	for range 15 {
		s.now += Second / 2
		s.m.Load(s.now, 2, 0)
		s.m.Tick(s.now)
	}
	s.said("client 1 is silent")
	s.status(1, 1, 0)
}

// TestWorkers: what a worker may not say of itself (threats, row 28).
func TestWorkers(t *testing.T) {
	many := make([]string, maxToolchains+1)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	for name, test := range map[string]struct {
		says  Worker
		bound bool
		ok    bool
	}{
		"another one":                {reporting("w2:1", 2), false, true},
		"most CPUs":                  {reporting("w2:1", MaxCPUs), false, true},
		"a billion CPUs":             {reporting("w2:1", 1_000_000_000), false, false},
		"no CPUs":                    {reporting("w2:1", 0), false, false},
		"less than none":             {reporting("w2:1", -1), false, false},
		"no address":                 {reporting("", 1), false, false},
		"a long address":             {reporting(strings.Repeat("w", maxName+1), 1), false, false},
		"a line in an address":       {reporting("w2\n:1", 1), false, false},
		"toolchains without end":     {Worker{Addr: "w2:1", CPUs: 1, Toolchains: many}, false, false},
		"a nameless job":             {Worker{Addr: "w2:1", CPUs: 1, Running: []string{""}}, false, false},
		"another's address":          {Worker{Addr: "w1:1", Pin: "mallory", CPUs: 1}, false, false},
		"another's address in clear": {Worker{Addr: "w1:1", CPUs: 1}, false, false},
		"the same again":             {Worker{Addr: "w1:1", Pin: "alice", CPUs: 1}, false, true},
		"with proof, a new key":      {Worker{Addr: "w1:1", Pin: "bob", CPUs: 1}, true, true},
	} {
		s := newScene(t)
		s.worker(1, Worker{Addr: "w1:1", Pin: "alice", CPUs: 1})
		if err := s.m.AddWorker(s.now, 2, test.says, test.bound); (err == nil) != test.ok {
			t.Errorf("%s: %v, want it taken: %t", name, err, test.ok)
		}
		if want := map[bool]int{true: 2, false: 1}[test.ok && test.says.Addr == "w2:1"]; s.m.Status().Workers != want {
			t.Errorf("%s: %d workers, want %d", name, s.m.Status().Workers, want)
		}
	}
	s := newScene(t)
	s.worker(1, reporting("w1:1", 1))
	for i := range 1000 { // jobs that nobody leased
		s.m.Started(s.now, 1, fmt.Sprint("x", i))
		s.m.Load(s.now, 1, -5+i)
	}
	if n := len(s.m.leases); n > 4 {
		t.Errorf("a worker has the scheduler remember %d jobs", n)
	}
	// What a worker says of another's leases is nothing.
	s = newScene(t)
	s.client(1)
	s.worker(1, reporting("w1:1", 1))
	s.m.Demand(s.now, 1, "", 1)
	s.worker(2, reporting("w2:1", 1))
	s.m.Take()
	s.m.Begin(s.now, 1, "n1")
	s.m.Ended(s.now, 2, "n1")
	s.m.Started(s.now, 2, "n1")
	s.m.Ended(s.now, 2, "n1")
	s.status(2, 2, 1)
}

// TestClients: what a client may have the scheduler do is bounded, and what it says of
// another's leases is nothing.
func TestClients(t *testing.T) {
	s := newScene(t)
	s.client(1)
	s.client(2)
	s.worker(1, reporting("w1", 3))
	s.m.Demand(s.now, 2, "", 1)
	s.said("2 gets n1 at w1")
	s.m.Begin(s.now, 1, "n1")
	s.m.Renew(s.now, 1, "n1")
	s.m.Release(s.now, 1, "n1", Failed)
	s.m.Begin(s.now, 99, "n1")
	s.status(1, 3, 0)
	for i := range 10 * maxDemands {
		s.m.Demand(s.now, 1, fmt.Sprint(i), 1<<40)
	}
	if n := len(s.m.clients[1].demands); n > maxDemands {
		t.Errorf("%d demands are remembered", n)
	}
	s.m.Demand(s.now, 1, strings.Repeat("x", maxName+1), 1)
	s.m.Demand(s.now, 1, "0", -1)
	if n := s.m.clients[1].lacks(); n > maxDemands*maxIdle {
		t.Errorf("it wants %d", n)
	}
	if n := s.m.clients[1].early(); n > 2 {
		t.Errorf("it has %d early leases, and its share is 2", n)
	}
}
