package scheduler

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ErrTaken is the error for a worker whose address another one serves at.
var ErrTaken = errors.New("another worker serves at this address")

// check refuses what no worker can be.
func (w *Worker) check() error {
	switch {
	case w.Addr == "" || len(w.Addr) > maxName || strings.ContainsFunc(w.Addr, func(r rune) bool { return r <= ' ' || r > '~' }):
		return errors.New("its address is none")
	case w.CPUs < 1 || w.CPUs > MaxCPUs:
		return fmt.Errorf("it has %d CPUs; 1 to %d are possible", w.CPUs, MaxCPUs)
	case len(w.Toolchains) > maxToolchains || len(w.Running) > 4*MaxCPUs:
		return errors.New("it tells of too much")
	}
	for _, name := range slices.Concat(w.Toolchains, w.Running) {
		if name == "" || len(name) > maxName {
			return errors.New("it tells of something without a name")
		}
	}
	return nil
}

// AddWorker lets a worker in. bound says that it has proven that the address is its own: then
// it takes the place of one that serves there already. Without that only the same key does.
func (m *Machine) AddWorker(now Instant, id WorkerID, says Worker, bound bool) error {
	if err := says.check(); err != nil {
		return err
	}
	old, taken := m.addrs[says.Addr]
	switch {
	case taken && !bound && m.workers[old].Pin != says.Pin:
		return ErrTaken
	case taken:
		m.tell(Silent{Worker: old})
		m.RemoveWorker(now, old)
	case len(m.workers) >= MaxWorkers:
		return fmt.Errorf("there are %d workers already", len(m.workers))
	}
	w := &worker{Worker: says, id: id, seen: now, leases: map[string]*lease{}, has: map[string]uint64{}}
	for _, a := range says.Toolchains {
		w.has[a] = m.grants
	}
	m.workers[id], m.addrs[says.Addr] = w, id
	for _, nonce := range says.Running {
		m.started(w, nonce)
	}
	m.place(now)
	return nil
}

// RemoveWorker says that a worker is gone.
func (m *Machine) RemoveWorker(now Instant, id WorkerID) {
	w := m.workers[id]
	if w == nil {
		return
	}
	delete(m.workers, id)
	delete(m.addrs, w.Addr)
	tell := map[ClientID]bool{}
	for _, l := range w.leases {
		if l.client != nil {
			tell[l.client.id] = true
		}
		m.drop(l)
	}
	for _, c := range slices.Sorted(maps.Keys(tell)) {
		m.tell(Lost{c, w.Addr})
	}
	m.place(now)
}

// Load notes that a worker was heard, and how many jobs it runs without a lease.
func (m *Machine) Load(now Instant, id WorkerID, unleased int) {
	w := m.workers[id]
	if w == nil {
		return
	}
	w.seen, w.unleased = now, min(max(unleased, 0), MaxCPUs)
	m.place(now)
}

// Started says that the job of a lease runs.
func (m *Machine) Started(now Instant, id WorkerID, nonce string) {
	if w := m.workers[id]; w != nil {
		w.seen = now
		m.started(w, nonce)
	}
}

// started also takes in leases that are not known: those of a scheduler before this one.
func (m *Machine) started(w *worker, nonce string) {
	l := m.leases[nonce]
	switch {
	case l == nil && (nonce == "" || len(nonce) > maxName || len(w.leases) >= 4*w.CPUs):
		return
	case l == nil:
		l = &lease{nonce: nonce, worker: w}
		m.leases[nonce], w.leases[nonce] = l, l
	case l.worker != w || l.state == ended: // not a lease of this worker's
		return
	case l.client != nil && l.state != started:
		l.client.wasted = max(l.client.wasted-1, 0)
	}
	l.begin(started)
}

// Ended says that the job of a lease has ended.
func (m *Machine) Ended(now Instant, id WorkerID, nonce string) {
	w := m.workers[id]
	if w == nil {
		return
	}
	w.seen = now
	l := w.leases[nonce]
	if l == nil {
		return
	}
	if l.client == nil {
		m.drop(l)
	} else { // the client will say how it went
		l.begin(ended)
		l.until = now + 60*Second
		delete(w.leases, nonce)
	}
	m.place(now)
}

// free is how many slots of a worker nobody has.
func (w *worker) free() int { return w.CPUs - len(w.leases) - w.unleased }
