package scheduler

import (
	"cmp"
	"maps"
	"slices"
)

// place gives away all slots that are free and wanted, and asks for idle leases back where
// somebody has less than a fair share. Each slot goes to the client that has least.
func (m *Machine) place(now Instant) {
	share := m.share()
	m.lapse(now, share)
	for m.free() > 0 && m.grantOne(now, share) {
	}
	m.revoke(share)
}

func (m *Machine) free() int {
	n := 0
	for _, w := range m.workers {
		n += max(w.free(), 0)
	}
	return n
}

// share is how many slots each client may have that has or wants any, at least one.
func (m *Machine) share() int {
	slots, active := 0, 0
	for _, w := range m.workers {
		slots += max(w.CPUs-w.unleased, 0)
	}
	for _, c := range m.clients {
		if len(c.leases) > 0 || c.lacks() > 0 {
			active++
		}
	}
	return max(1, (slots+max(active, 1)-1)/max(active, 1))
}

// lacks is how many idle leases a client wants and does not have.
func (c *client) lacks() int {
	n := 0
	for _, d := range c.demands {
		n += max(d.want-d.idle, 0)
	}
	return n
}

// early is how many leases a client has of which nobody but itself says that they are used.
func (c *client) early() int {
	n := 0
	for _, l := range c.leases {
		if l.early() {
			n++
		}
	}
	return n
}

func (l *lease) early() bool { return l.state == idle || l.state == begun && l.worker.Reports }

// grantOne gives one slot away, and reports whether it did.
func (m *Machine) grantOne(now Instant, share int) bool {
	var waiting []*client
	for _, c := range m.clients {
		if c.lacks() > 0 && c.early() < max(1, share-c.wasted) {
			waiting = append(waiting, c)
		}
	}
	slices.SortFunc(waiting, byServed)
	for _, c := range waiting {
		for i, affinity := range c.order {
			d := c.demands[affinity]
			if d.want <= d.idle {
				continue
			}
			w := m.choose(now, c, affinity)
			if w == nil {
				continue
			}
			c.order = append(slices.Delete(c.order, i, i+1), affinity)
			m.grant(now, c, w, affinity, d)
			return true
		}
	}
	return false
}

func (m *Machine) grant(now Instant, c *client, w *worker, affinity string, d *demand) {
	m.grants++
	l := &lease{nonce: m.nonce(), affinity: affinity, client: c, worker: w, until: now + LeaseLife}
	m.leases[l.nonce], w.leases[l.nonce], c.leases[l.nonce] = l, l, l
	d.idle++
	c.served = m.grants
	w.learn(affinity, m.grants)
	m.tell(Grant{c.id, l.nonce, affinity, w.Addr, w.Pin, false})
}

// learn notes that a worker will have what jobs of an affinity need.
func (w *worker) learn(affinity string, when uint64) {
	if affinity == "" {
		return
	}
	if _, known := w.has[affinity]; !known && len(w.has) >= maxToolchains {
		oldest := slices.MinFunc(slices.Sorted(maps.Keys(w.has)), func(a, b string) int { return cmp.Compare(w.has[a], w.has[b]) })
		delete(w.has, oldest)
	}
	w.has[affinity] = when
}

// choose returns the worker that a client's next lease is for: one that has what is needed,
// and of these the one that is least busy. nil: none is free that did not fail it lately.
func (m *Machine) choose(now Instant, c *client, affinity string) *worker {
	var best *worker
	for _, w := range m.workers {
		if t := c.shy[w.Addr]; w.free() <= 0 || t != nil && now < t.until {
			continue
		}
		if best == nil || better(w, best, affinity) {
			best = w
		}
	}
	return best
}

func better(a, b *worker, affinity string) bool {
	_, hasA := a.has[affinity]
	_, hasB := b.has[affinity]
	if hasA != hasB {
		return hasA
	}
	busy := func(w *worker) float64 { return 1 - float64(w.free())/float64(w.CPUs) }
	return cmp.Or(cmp.Compare(busy(a), busy(b)), cmp.Compare(a.Addr, b.Addr)) < 0
}

// wanted is how many slots clients lack to their share, less those that come back already.
func (m *Machine) wanted(share int) int {
	n := 0
	for _, c := range m.clients {
		n += max(min(c.lacks(), share-c.held()), 0)
	}
	if n == 0 {
		return 0
	}
	for _, l := range m.leases {
		if l.comesBack() {
			n--
		}
	}
	return n
}

// spare is how many slots a client has above its share, less those that come back already.
func (c *client) spare(share int) int {
	n := c.held() - share
	for _, l := range c.leases {
		if l.comesBack() {
			n--
		}
	}
	return n
}

func (l *lease) comesBack() bool { return l.revoking && l.state == idle }

// lapse takes leases back of clients that have more than their share, as many as others lack
// to theirs beyond what is free: those that have long been said to be in use, and no job runs.
func (m *Machine) lapse(now Instant, share int) {
	wanted := m.wanted(share) - m.free()
	if wanted <= 0 {
		return
	}
	for _, c := range m.richest() {
		spare := c.spare(share)
		for _, nonce := range slices.Sorted(maps.Keys(c.leases)) {
			if wanted <= 0 || spare <= 0 {
				break
			}
			if l := c.leases[nonce]; l.state == begun && l.worker.Reports && now-l.since >= earlyLife {
				m.tell(Revoke{c.id, nonce})
				m.drop(l)
				c.wasted = min(c.wasted+1, maxIdle)
				wanted, spare = wanted-1, spare-1
			}
		}
	}
}

// richest returns the clients, who has most first.
func (m *Machine) richest() []*client {
	return slices.SortedFunc(maps.Values(m.clients), func(a, b *client) int { return byServed(b, a) })
}

// revoke asks clients that have more than their share for idle leases back, as many as others
// lack to theirs.
func (m *Machine) revoke(share int) {
	wanted := m.wanted(share)
	if wanted <= 0 {
		return
	}
	for _, c := range m.richest() {
		spare := c.spare(share)
		for _, nonce := range slices.Sorted(maps.Keys(c.leases)) {
			l := c.leases[nonce]
			if wanted <= 0 || spare <= 0 {
				break
			}
			if l.state == idle && !l.revoking {
				l.revoking = true
				wanted, spare = wanted-1, spare-1
				m.tell(Revoke{c.id, nonce})
			}
		}
	}
}
