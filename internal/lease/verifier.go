package lease

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/cachepot/cachepot/internal/digest"
)

// Verifier verifies the tickets of one worker and remembers what leases were used for. It is
// safe for concurrent use.
type Verifier struct {
	worker string // host:port, the audience of its tickets
	report Report

	mu     sync.Mutex // guards all below
	key    ed25519.PublicKey
	theirs time.Time // the scheduler's clock ...
	ours   time.Time // ... at this moment of ours
	uses   map[string]*use
	purge  time.Time         // when uses was last looked through
	passes map[string]*Lease // verified, by their text: each comes with many calls
	has    []string          // affinities of jobs that ran, the latest last
}

// Report is told when the job of a lease begins and ends. It is called without locks held,
// in the order of events of one lease.
type Report func(nonce string, started bool)

// use is what became of a lease.
type use struct {
	action  digest.Digest
	running int       // how many calls wait for its job
	spent   bool      // the job has ended
	idle    time.Time // when it was first seen that none runs; a ticket signed anew until then may come
	forget  time.Time // when the tickets that were shown have expired
}

const (
	// leeway is how long after its time a ticket is still taken, for what it takes to travel.
	leeway = 2 * time.Second
	// maxUses bounds the leases that are remembered, each for seconds.
	maxUses = 1 << 16
	// maxHas bounds the affinities that are remembered.
	maxHas = 256
	// maxPasses bounds the passes that are remembered.
	maxPasses = 1024
	// maxTicket is the longest ticket that is looked at, in bytes.
	maxTicket = 4096
)

// NewVerifier returns a Verifier for the worker at an address, host:port. It refuses
// everything until it is told whom to trust. report may be nil.
func NewVerifier(worker string, report Report) *Verifier {
	if report == nil {
		report = func(string, bool) {}
	}
	return &Verifier{worker: strings.ToLower(worker), report: report, uses: map[string]*use{}, passes: map[string]*Lease{}}
}

// Trust has tickets verified by key from now on. The scheduler's clock said theirs when ours
// said ours: expiry is a matter of the scheduler's clock, wherever the worker's stands.
func (v *Verifier) Trust(key ed25519.PublicKey, theirs, ours time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !key.Equal(v.key) {
		clear(v.passes)
	}
	v.key, v.theirs, v.ours = key, theirs, ours
}

// Admit verifies the pass that comes with a call that executes nothing. The error is
// ErrRefused.
func (v *Verifier) Admit(token string, now time.Time) (*Lease, error) {
	v.mu.Lock()
	l, key := v.passes[token], v.key
	expired := l != nil && v.theirs.Add(now.Sub(v.ours)).After(l.Expires.Add(leeway))
	v.mu.Unlock()
	if l != nil && !expired {
		return l, nil
	}
	l, err := v.read(token, useBlobs, now)
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.passes) >= maxPasses {
		clear(v.passes)
	}
	if key.Equal(v.key) { // else it is not what it was verified by
		v.passes[token] = l
	}
	return l, nil
}

// Verify verifies the lease that comes with a call to execute an action. The first action
// that a lease is presented with is the only one that it is good for, until its job has
// ended. Each success is to be followed by Done. The error is ErrRefused.
func (v *Verifier) Verify(token string, action digest.Digest, now time.Time) (*Lease, error) {
	l, err := v.read(token, useExecute, now)
	if err != nil {
		return nil, err
	}
	if l.Nonce == "" {
		return nil, fmt.Errorf("%w: it has no nonce", ErrRefused)
	}
	first, err := v.bind(l, action, now)
	if err != nil {
		return nil, err
	}
	if first {
		v.report(l.Nonce, true)
	}
	return l, nil
}

// bind notes what a lease is used for.
func (v *Verifier) bind(l *Lease, action digest.Digest, now time.Time) (first bool, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.tidy(now)
	u := v.uses[l.Nonce]
	switch {
	case u == nil && len(v.uses) >= maxUses:
		return false, fmt.Errorf("%w: too many at once", ErrRefused)
	case u == nil:
		u = &use{action: action}
		v.uses[l.Nonce] = u
	case u.spent:
		return false, fmt.Errorf("%w: it was used before", ErrRefused)
	case u.action != action:
		return false, fmt.Errorf("%w: it is in use for another action", ErrRefused)
	}
	u.running, u.idle = u.running+1, time.Time{}
	// As long as the ticket could be shown again.
	if end := l.Expires.Sub(v.theirs) + 2*leeway; u.forget.Before(v.ours.Add(end)) {
		u.forget = v.ours.Add(end)
	}
	v.note(l.Affinity)
	return u.running == 1, nil
}

// note remembers an affinity as the latest.
func (v *Verifier) note(affinity string) {
	if affinity == "" {
		return
	}
	if i := slices.Index(v.has, affinity); i >= 0 {
		v.has = slices.Delete(v.has, i, i+1)
	} else if len(v.has) == maxHas {
		v.has = slices.Delete(v.has, 0, 1)
	}
	v.has = append(v.has, affinity)
}

// Done says that a call that Verify let through has ended. ran says that its job has run: then
// the lease is spent. A job that could not run, since blobs were missing, may be tried again.
func (v *Verifier) Done(nonce string, ran bool) {
	v.mu.Lock()
	u := v.uses[nonce]
	last := false
	if u != nil && u.running > 0 {
		u.running--
		u.spent = u.spent || ran
		last = u.running == 0
	}
	v.mu.Unlock()
	if last {
		v.report(nonce, false)
	}
}

// Running returns the nonces of leases whose jobs have not ended.
func (v *Verifier) Running() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []string
	for nonce, u := range v.uses {
		if u.running > 0 {
			out = append(out, nonce)
		}
	}
	slices.Sort(out)
	return out
}

// Affinities returns those of the jobs that ran last, the latest last.
func (v *Verifier) Affinities() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.has)
}

// tidy forgets leases that cannot be presented any more.
func (v *Verifier) tidy(now time.Time) {
	if now.Sub(v.purge) < time.Second {
		return
	}
	v.purge = now
	for nonce, u := range v.uses {
		switch {
		case u.running > 0:
		case u.idle.IsZero():
			u.idle = now
		case now.After(u.forget) && now.Sub(u.idle) > Life+2*leeway:
			delete(v.uses, nonce)
		}
	}
}

// read verifies a ticket for a use.
func (v *Verifier) read(token, use string, now time.Time) (*Lease, error) {
	v.mu.Lock()
	key := v.key
	clock := v.theirs.Add(now.Sub(v.ours))
	v.mu.Unlock()
	if key == nil {
		return nil, fmt.Errorf("%w: this worker has not heard of its scheduler yet", ErrRefused)
	}
	if len(token) > maxTicket {
		return nil, fmt.Errorf("%w: it is too long", ErrRefused)
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithStrictDecoding(),
		jwt.WithAudience(v.worker), jwt.WithExpirationRequired(), jwt.WithLeeway(leeway),
		jwt.WithTimeFunc(func() time.Time { return clock }))
	var c claims
	if _, err := parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrRefused, reason(err))
	}
	if c.Use != use {
		return nil, fmt.Errorf("%w: it is for something else", ErrRefused)
	}
	return &Lease{Client: c.Subject, Realm: c.Realm, Worker: v.worker, Nonce: c.ID, Affinity: c.Affinity, Expires: c.ExpiresAt.Time}, nil
}

// reason says what is wrong with a ticket without repeating any of it.
func reason(err error) string {
	switch {
	case errors.Is(err, jwt.ErrTokenExpired):
		return "it has expired"
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return "it is not valid yet"
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return "it is one for another worker"
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return "it lacks a part"
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return "it was not signed by this worker's scheduler"
	}
	return "it is damaged"
}
