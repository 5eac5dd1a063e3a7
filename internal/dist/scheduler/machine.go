package scheduler

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Instant is a moment, in nanoseconds since any other one.
type Instant int64

// Second is the length of a second.
const Second Instant = 1_000_000_000

const (
	// LeaseLife is how long a lease may lie idle at a client.
	LeaseLife = 10 * Second
	// beginLife is how long a lease may be in use before its worker has said that the job
	// runs: an upload may take long.
	beginLife = 600 * Second
	// earlyLife is how long of that it is left to a client that has more than its share while
	// another lacks some: who says Begin and sends nothing keeps nobody waiting for longer.
	earlyLife = 30 * Second
	// silence is after how long without a word a worker or a client is taken for gone.
	// They speak every two seconds.
	silence = 7 * Second
)

// Limits bound what others can have the scheduler remember.
const (
	MaxWorkers    = 10_000
	MaxClients    = 10_000
	MaxCPUs       = 4096
	maxToolchains = 256
	maxName       = 256 // bytes of an address, a nonce or an affinity
	maxDemands    = 64  // affinities that a client asks for
	maxIdle       = 1024
)

// ClientID and WorkerID are names of streams: who comes again has a new one.
type (
	ClientID uint64
	WorkerID uint64
)

// Worker is what a worker says of itself.
type Worker struct {
	Addr       string // host:port
	Pin        string // of its public key; "" in the clear
	CPUs       int    // jobs at a time
	Toolchains []string
	Running    []string // nonces of leases whose jobs run
	Reports    bool     // it says when leases are used
}

// Outcome is what became of a lease.
type Outcome int

// The outcomes.
const (
	Unused Outcome = iota
	Done
	Failed // the worker did
)

// Event is something to tell a client or a worker: one of the types below.
type Event any

// Grant gives a lease to a client. Again: it is signed anew.
type Grant struct {
	Client   ClientID
	Nonce    string
	Affinity string
	Addr     string
	Pin      string
	Again    bool
}

// Revoke asks a client for an idle lease, or says that one in use has lapsed.
type Revoke struct {
	Client ClientID
	Nonce  string
}

// Lost tells a client, which has leases there, that a worker is gone.
type Lost struct {
	Client ClientID
	Addr   string
}

// Silent says that a client or a worker has said nothing for too long.
type Silent struct {
	Client ClientID
	Worker WorkerID
}

// Machine is the state of a scheduler. It is not safe for concurrent use. Calls that are
// given what is unknown by now, do nothing: messages may cross.
type Machine struct {
	nonce   func() string
	clients map[ClientID]*client
	workers map[WorkerID]*worker
	leases  map[string]*lease
	addrs   map[string]WorkerID
	events  []Event
	grants  uint64 // given so far
}

type client struct {
	id      ClientID
	seen    Instant
	leases  map[string]*lease
	demands map[string]*demand
	order   []string // keys of demands, the one that was served last at the end
	shy     map[string]*trouble
	served  uint64 // grants of the machine when it was last given one
	// wasted is how many leases it said it uses with no job to show, less one for each job since.
	wasted int
}

// demand is how many idle leases of an affinity a client wants to have and has.
type demand struct{ want, idle int }

// trouble is what a client had with a worker.
type trouble struct {
	rate  float64 // of failures, of late
	until Instant // it gets no lease there before
}

type worker struct {
	Worker
	id       WorkerID
	seen     Instant
	leases   map[string]*lease
	unleased int // jobs of others
	has      map[string]uint64
}

// lease is a slot of a worker that is taken.
type lease struct {
	nonce, affinity string
	client          *client // nil: it has gone, or is not known
	worker          *worker
	state           state
	since           Instant // of begun ones: when
	until           Instant // of idle and begun ones
	revoking        bool
}

type state int

const (
	idle    state = iota
	begun         // the client uses it
	started       // the worker says that the job runs
	ended         // the worker says that it has ended; takes no slot
)

// New returns a Machine. nonce makes names that nobody can guess.
func New(nonce func() string) *Machine {
	return &Machine{nonce: nonce, clients: map[ClientID]*client{}, workers: map[WorkerID]*worker{},
		leases: map[string]*lease{}, addrs: map[string]WorkerID{}}
}

// Take returns what is to be told since it was last called, in order.
func (m *Machine) Take() []Event {
	out := m.events
	m.events = nil
	return out
}

func (m *Machine) tell(e Event) { m.events = append(m.events, e) }

// AddClient lets a client in.
func (m *Machine) AddClient(now Instant, id ClientID) error {
	if len(m.clients) >= MaxClients {
		return fmt.Errorf("there are %d clients already", len(m.clients))
	}
	m.clients[id] = &client{id: id, seen: now, leases: map[string]*lease{}, demands: map[string]*demand{}, shy: map[string]*trouble{}}
	return nil
}

// RemoveClient takes all leases back that nothing runs on.
func (m *Machine) RemoveClient(now Instant, id ClientID) {
	c := m.clients[id]
	if c == nil {
		return
	}
	delete(m.clients, id)
	for _, l := range c.leases {
		l.client = nil
		switch {
		case l.state == ended, l.state == idle && !l.worker.Reports, l.state == begun && !l.worker.Reports:
			m.drop(l)
		case l.state != started: // its ticket may still be shown
			l.state, l.until = idle, now+LeaseLife
		}
	}
	m.place(now)
}

// Demand says how many idle leases of an affinity a client wants to have.
func (m *Machine) Demand(now Instant, id ClientID, affinity string, want int) {
	c := m.heard(now, id)
	if c == nil || len(affinity) > maxName {
		return
	}
	d := c.demands[affinity]
	if d == nil {
		if want <= 0 || len(c.demands) >= maxDemands && !c.dropDemand() {
			return
		}
		d = &demand{}
		for _, l := range c.leases {
			if l.affinity == affinity && l.state == idle {
				d.idle++
			}
		}
		c.demands[affinity] = d
		c.order = append(c.order, affinity)
	}
	d.want = min(max(want, 0), maxIdle)
	m.place(now)
}

// dropDemand forgets an affinity that nothing is wanted of.
func (c *client) dropDemand() bool {
	for i, a := range c.order {
		if c.demands[a].want == 0 {
			delete(c.demands, a)
			c.order = slices.Delete(c.order, i, i+1)
			return true
		}
	}
	return false
}

// Alive notes that a client was heard.
func (m *Machine) Alive(now Instant, id ClientID) { m.heard(now, id) }

func (m *Machine) heard(now Instant, id ClientID) *client {
	c := m.clients[id]
	if c != nil {
		c.seen = now
	}
	return c
}

// Begin says that a client uses a lease from now on.
func (m *Machine) Begin(now Instant, id ClientID, nonce string) {
	c := m.heard(now, id)
	if c == nil {
		return
	}
	if l := c.leases[nonce]; l != nil && l.state == idle {
		l.begin(begun)
		l.since, l.until = now, now+beginLife
		m.place(now)
	}
}

// begin takes a lease out of the idle ones.
func (l *lease) begin(s state) {
	if l.state == idle && l.client != nil {
		if d := l.client.demands[l.affinity]; d != nil {
			d.idle--
		}
	}
	l.state = s
}

// Renew has a lease in use signed anew.
func (m *Machine) Renew(now Instant, id ClientID, nonce string) {
	c := m.heard(now, id)
	if c == nil {
		return
	}
	if l := c.leases[nonce]; l != nil && l.state == begun {
		m.tell(Grant{id, l.nonce, l.affinity, l.worker.Addr, l.worker.Pin, true})
	}
}

// Release gives a lease back.
func (m *Machine) Release(now Instant, id ClientID, nonce string, o Outcome) {
	c := m.heard(now, id)
	if c == nil {
		return
	}
	l := c.leases[nonce]
	if l == nil {
		return
	}
	c.judge(now, l.worker.Addr, o)
	l.begin(l.state)
	delete(c.leases, nonce)
	l.client = nil
	if l.state != started { // else the worker says when its slot is free
		m.drop(l)
	}
	m.place(now)
}

// judge remembers how a worker did. One that fails often is left alone by this client for
// longer, up to 30 s; nobody else hears of it, for it may be the client's fault.
func (c *client) judge(now Instant, addr string, o Outcome) {
	t := c.shy[addr]
	switch {
	case o == Unused:
		return
	case t == nil && o == Done:
		return
	case t == nil:
		t = &trouble{}
		c.shy[addr] = t
	}
	if o == Done {
		if t.rate *= 0.7; t.rate < 0.05 {
			delete(c.shy, addr)
		}
		return
	}
	t.rate += 0.3 * (1 - t.rate)
	t.until = now + Instant(float64(Second)*(1+29*t.rate*t.rate))
}

// drop frees the slot of a lease.
func (m *Machine) drop(l *lease) {
	l.begin(l.state)
	delete(m.leases, l.nonce)
	delete(l.worker.leases, l.nonce)
	if l.client != nil {
		delete(l.client.leases, l.nonce)
	}
}

// Tick notes that time has passed: what was granted lapses, and who is silent is gone.
func (m *Machine) Tick(now Instant) {
	for _, nonce := range slices.Sorted(maps.Keys(m.leases)) {
		l := m.leases[nonce]
		if l == nil || l.state == started || now < l.until {
			continue
		}
		if l.client != nil && l.state == begun {
			m.tell(Revoke{l.client.id, l.nonce})
			if l.worker.Reports {
				l.client.wasted = min(l.client.wasted+1, maxIdle)
			}
		}
		m.drop(l)
	}
	for _, id := range slices.Sorted(maps.Keys(m.clients)) {
		if now-m.clients[id].seen > silence {
			m.tell(Silent{Client: id})
			m.RemoveClient(now, id)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.workers)) {
		if now-m.workers[id].seen > silence {
			m.tell(Silent{Worker: id})
			m.RemoveWorker(now, id)
		}
	}
	m.place(now)
}

// Status is how many workers there are, how many jobs they take at a time, and how many
// leases are in use.
type Status struct{ Workers, CPUs, InProgress int }

// Status counts.
func (m *Machine) Status() Status {
	s := Status{Workers: len(m.workers)}
	for _, w := range m.workers {
		s.CPUs += w.CPUs
		for _, l := range w.leases {
			if l.state == begun || l.state == started {
				s.InProgress++
			}
		}
	}
	return s
}

// byServed orders clients: who has least comes first, of equals who has waited longest.
func byServed(a, b *client) int {
	return cmp.Or(cmp.Compare(a.held(), b.held()), cmp.Compare(a.served, b.served), cmp.Compare(a.id, b.id))
}

// held is how many slots a client takes.
func (c *client) held() int {
	n := 0
	for _, l := range c.leases {
		if l.state != ended {
			n++
		}
	}
	return n
}
