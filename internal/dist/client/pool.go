package client

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/distpb"
	"github.com/cachepot/cachepot/internal/reapi"
)

// kind is the jobs of one affinity.
type kind struct {
	affinity string
	idle     []*ticket
	waiting  []*waiter
	inUse    int
	last     time.Time     // when a job of it began
	took     time.Duration // what jobs take, of late; 0: not known
	told     uint32        // what the scheduler was told is wanted
}

// ticket is a lease.
type ticket struct {
	nonce    string
	affinity string
	worker   *worker
	lease    string    // guarded by the client's lock
	expires  time.Time // so
	renewed  chan struct{}
	busy     bool
}

// waiter is somebody who needs a lease.
type waiter struct {
	got  chan *ticket // has room for one
	fail chan error   // has room for one
}

const (
	// ahead is how many leases are held that nobody needs yet, at most, for each kind that
	// was in use within eager: a job that finds one saves the way to the scheduler.
	ahead = 4
	eager = 2 * time.Second
	// spoiled is what a lease must be good for when it is presented.
	spoiled = 2 * time.Second
)

// acquire returns a lease, in use. It waits for one as long as that is worth it.
func (c *Client) acquire(ctx context.Context, affinity string, action digest.Digest) (*ticket, error) {
	c.begin.Do(func() { go c.run() })
	c.mu.Lock()
	k := c.kind(affinity)
	k.last = time.Now()
	if t := k.takeIdle(action); t != nil {
		c.use(k, t)
		c.mu.Unlock()
		return t, nil
	}
	if err := c.hopeless(); err != nil {
		c.mu.Unlock()
		return nil, err
	}
	w := &waiter{make(chan *ticket, 1), make(chan error, 1)}
	k.waiting = append(k.waiting, w)
	limit := time.NewTimer(c.worthWaiting(k))
	c.adjust(k)
	c.mu.Unlock()
	defer limit.Stop()
	var err error
	select {
	case t := <-w.got:
		return t, nil
	case err = <-w.fail:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-c.done:
		err = &reapi.Failure{Address: c.Address(), What: "lease a slot", Code: codes.Canceled}
	case <-limit.C:
		err = &reapi.Failure{Address: c.Address(), What: "find a free slot in time", Code: codes.ResourceExhausted}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	k.waiting = slices.DeleteFunc(k.waiting, func(o *waiter) bool { return o == w })
	select {
	case t := <-w.got: // in the last moment
		if ctx.Err() == nil {
			return t, nil
		}
		c.giveBack(t, distpb.Outcome_UNUSED)
	default:
	}
	c.adjust(k)
	return nil, err
}

func (c *Client) kind(affinity string) *kind {
	k := c.kinds[affinity]
	if k == nil {
		k = &kind{affinity: affinity}
		c.kinds[affinity] = k
	}
	return k
}

// worthWaiting is how long a job of a kind waits for a slot. The caller holds the lock.
func (c *Client) worthWaiting(k *kind) time.Duration {
	switch {
	case c.config.Patient:
		return patience
	case !c.up:
		return connectWait
	case k.took == 0:
		return firstGuess
	}
	return min(max(k.took, waitMin), waitMax)
}

// hopeless says why there is no point in waiting. The caller holds the lock.
func (c *Client) hopeless() error {
	bear := comeBack
	if c.config.Patient {
		bear = patienceDown
	}
	switch gone := time.Since(c.since); {
	case c.refused:
		return c.down
	case !c.up && c.down != nil && gone > bear:
		return c.down
	case c.up && c.capacity != nil && c.capacity.GetWorkers() == 0 && (!c.config.Patient || gone > bear):
		return &reapi.Failure{Address: c.Address(), What: "find a worker", Code: codes.ResourceExhausted, Message: "none is registered"}
	}
	return nil
}

// failHopeless ends the waiting of all where there is no point in it. The caller holds the
// lock.
func (c *Client) failHopeless() {
	err := c.hopeless()
	if err == nil {
		return
	}
	for _, k := range c.kinds {
		for _, w := range k.waiting {
			w.fail <- err
		}
		k.waiting = nil
		c.adjust(k)
	}
}

// takeIdle takes out the lease that an action goes to: of the workers that could have it, all
// clients choose the same, so that equal actions meet.
func (k *kind) takeIdle(action digest.Digest) *ticket {
	best, most := -1, uint64(0)
	for i, t := range k.idle {
		if time.Until(t.expires) < spoiled {
			continue
		}
		if r := rank(action, t.worker.address); best < 0 || r > most {
			best, most = i, r
		}
	}
	if best < 0 {
		return nil
	}
	t := k.idle[best]
	k.idle = slices.Delete(k.idle, best, best+1)
	return t
}

// rank orders workers for an action.
func rank(action digest.Digest, address string) uint64 {
	sum := sha256.Sum256([]byte(action.String() + " " + address))
	return binary.BigEndian.Uint64(sum[:])
}

// use notes that a lease is in use. The caller holds the lock.
func (c *Client) use(k *kind, t *ticket) {
	t.busy = true
	k.inUse++
	k.last = time.Now()
	c.adjust(k) // before the scheduler sees that there is one idle lease less, and sends another
	c.say(&distpb.FromClient{Message: &distpb.FromClient_Begin{Begin: &distpb.Begin{Nonce: t.nonce}}})
}

// release gives a lease back that was in use.
func (c *Client) release(t *ticket, o distpb.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.giveBack(t, o)
	if o != distpb.Outcome_FAILED {
		return
	}
	// What else is held there is of no use now.
	for _, other := range c.ticketsOf(t.worker) {
		if !other.busy {
			c.giveBack(other, distpb.Outcome_UNUSED)
		}
	}
}

func (c *Client) ticketsOf(w *worker) []*ticket {
	var out []*ticket
	for _, t := range c.tickets {
		if t.worker == w {
			out = append(out, t)
		}
	}
	return out
}

// giveBack gives any lease back. The caller holds the lock.
func (c *Client) giveBack(t *ticket, o distpb.Outcome) {
	k := c.kind(t.affinity)
	if t.busy {
		k.inUse--
		t.busy = false
	}
	k.idle = slices.DeleteFunc(k.idle, func(other *ticket) bool { return other == t })
	if c.tickets[t.nonce] == t {
		delete(c.tickets, t.nonce)
		c.say(&distpb.FromClient{Message: &distpb.FromClient_Release{Release: &distpb.Release{Nonce: t.nonce, Outcome: o}}})
	}
	c.adjust(k)
}

// granted takes a lease in. The caller holds the lock.
func (c *Client) granted(t *ticket) {
	c.tickets[t.nonce] = t
	k := c.kind(t.affinity)
	if len(k.waiting) > 0 {
		w := k.waiting[0]
		k.waiting = k.waiting[1:]
		c.use(k, t)
		w.got <- t
		return
	}
	k.idle = append(k.idle, t)
	c.adjust(k)
}

// adjust tells the scheduler how many idle leases of a kind are wanted, where that has
// changed, and gives back what is too much. The caller holds the lock.
func (c *Client) adjust(k *kind) {
	want := len(k.waiting)
	if time.Since(k.last) < eager {
		want += min(ahead, max(k.inUse, 1))
	}
	for len(k.idle) > want {
		t := k.idle[0]
		k.idle = k.idle[1:]
		if c.tickets[t.nonce] == t {
			delete(c.tickets, t.nonce)
			c.say(&distpb.FromClient{Message: &distpb.FromClient_Release{Release: &distpb.Release{Nonce: t.nonce}}})
		}
	}
	if n := uint32(want); n != k.told {
		k.told = n
		c.say(&distpb.FromClient{Message: &distpb.FromClient_Demand{Demand: &distpb.Demand{Affinity: k.affinity, Idle: n}}})
	}
	if want == 0 && k.inUse == 0 && len(k.idle) == 0 && time.Since(k.last) > time.Hour {
		delete(c.kinds, k.affinity)
	}
}

// took notes what a job took.
func (c *Client) took(affinity string, d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.kind(affinity)
	if k.took == 0 {
		k.took = d
		return
	}
	k.took += (d - k.took) / 4
}

// homes remembers which worker has a blob, of the blobs of late results.
type homes struct {
	of1, of2 map[digest.Digest]*worker // the newer and the older half
}

// maxHomes bounds each half.
const maxHomes = 1 << 15

func newHomes() *homes { return &homes{of1: map[digest.Digest]*worker{}} }

func (h *homes) keep(w *worker, digests []digest.Digest) {
	if len(h.of1)+len(digests) > maxHomes {
		h.of1, h.of2 = map[digest.Digest]*worker{}, h.of1
	}
	for _, d := range digests {
		if d.Size > 0 {
			h.of1[d] = w
		}
	}
}

func (h *homes) of(d digest.Digest) *worker {
	if w := h.of1[d]; w != nil {
		return w
	}
	return h.of2[d]
}
