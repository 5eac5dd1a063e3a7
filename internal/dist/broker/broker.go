// Package broker is a scheduler as others reach it: the streams of workers and clients, and
// the status, on one port. It keeps the time, checks who is let in and signs leases; what is
// decided is decided by internal/dist/scheduler. docs/spec/leases.md specifies the streams.
//
// The main of cachepot-dist imports it, and nobody else.
package broker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cachepot/cachepot/internal/auth"
	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/dist/distpb"
	"github.com/cachepot/cachepot/internal/dist/scheduler"
	"github.com/cachepot/cachepot/internal/lease"
)

// Broker is a scheduler without its port.
type Broker struct {
	distpb.UnimplementedSchedulerServer
	log      *slog.Logger
	clients  *auth.Clients
	workers  *auth.Workers
	signer   *lease.Signer
	bound    bool // tokens of workers say which address is whose
	insecure bool // workers need none

	mu      sync.Mutex // guards all below
	machine *scheduler.Machine
	start   time.Time // the machine's beginning
	ids     uint64
	toldOf  map[scheduler.ClientID]*peerOf[distpb.ToClient]
	served  map[scheduler.WorkerID]*peerOf[distpb.ToWorker]
}

// realm is that of all clients: the instance without a name. There are no others yet.
const realm = ""

// tick is how often the machine is told of the time.
const tick = 500 * time.Millisecond

// New returns the broker that c describes.
func New(c *config.Scheduler, log *slog.Logger) (*Broker, error) {
	workers, err := auth.NewWorkers(c.WorkerAuth)
	if err != nil {
		return nil, err
	}
	seed, err := auth.LeaseSeed(c)
	if err != nil {
		return nil, err
	}
	log = log.With("target", "cachepot::scheduler")
	if workers.Derived {
		log.Warn("worker_auth.secret_key is no key but a text, which may be guessed from a worker's token; cachepot-dist auth generate-jwt-hs256-key makes one")
	}
	return &Broker{
		log: log, clients: auth.NewClients(c.ClientAuth), workers: workers, signer: lease.NewSigner(seed),
		bound: c.WorkerAuth.Type == config.AuthJWT, insecure: c.WorkerAuth.Type == config.AuthInsecure,
		machine: scheduler.New(nonce), start: time.Now(),
		toldOf: map[scheduler.ClientID]*peerOf[distpb.ToClient]{}, served: map[scheduler.WorkerID]*peerOf[distpb.ToWorker]{},
	}, nil
}

// nonce returns 128 random bits.
func nonce() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Run keeps the time until ctx is done.
func (b *Broker) Run(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		b.do(func(m *scheduler.Machine, now scheduler.Instant) { m.Tick(now) })
		if n%4 == 0 {
			b.tellAll()
		}
	}
}

// do tells the machine what happened, and those concerned what follows.
func (b *Broker) do(happened func(m *scheduler.Machine, now scheduler.Instant)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.machine.Status()
	happened(b.machine, b.now())
	for _, e := range b.machine.Take() {
		b.tell(e)
	}
	if after := b.machine.Status(); (before.Workers == 0) != (after.Workers == 0) {
		b.tellCapacity(after)
	}
}

// now is the machine's clock: nobody can set it.
func (b *Broker) now() scheduler.Instant { return scheduler.Instant(time.Since(b.start)) }

// tell passes one event on. The caller holds the lock.
func (b *Broker) tell(e scheduler.Event) {
	switch e := e.(type) {
	case scheduler.Grant:
		b.tellGrant(e)
	case scheduler.Revoke:
		b.toldOf[e.Client].send(&distpb.ToClient{Message: &distpb.ToClient_Revoke{Revoke: &distpb.Revoke{Nonce: e.Nonce}}})
	case scheduler.Lost:
		b.toldOf[e.Client].send(&distpb.ToClient{Message: &distpb.ToClient_Lost{Lost: &distpb.Lost{Worker: e.Addr}}})
	case scheduler.Silent:
		b.toldOf[e.Client].end()
		b.served[e.Worker].end()
	}
}

func (b *Broker) tellGrant(e scheduler.Grant) {
	p := b.toldOf[e.Client]
	if p == nil {
		return
	}
	now := time.Now()
	l := lease.Lease{Client: p.name, Realm: realm, Worker: e.Addr, Nonce: e.Nonce, Affinity: e.Affinity, Expires: now.Add(lease.Life)}
	ticket, err := b.signer.Lease(l)
	l.Expires = now.Add(lease.PassLife)
	pass, perr := b.signer.Pass(l)
	if err != nil || perr != nil {
		b.log.Error("cannot sign a lease", "error", err, "pass", perr)
		return
	}
	p.send(&distpb.ToClient{Message: &distpb.ToClient_Grant{Grant: &distpb.Grant{
		Nonce: e.Nonce, Affinity: e.Affinity, Worker: e.Addr, KeyPin: []byte(e.Pin), Lease: ticket, Pass: pass,
		ValidMillis: uint32(lease.Life / time.Millisecond),
	}}})
}

// tellAll shows everybody that the scheduler lives.
func (b *Broker) tellAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tellCapacity(b.machine.Status())
	for _, p := range b.served {
		p.send(b.clock())
	}
}

func (b *Broker) tellCapacity(s scheduler.Status) {
	for _, p := range b.toldOf {
		p.send(capacity(s))
	}
}

func capacity(s scheduler.Status) *distpb.ToClient {
	return &distpb.ToClient{Message: &distpb.ToClient_Capacity{Capacity: &distpb.Capacity{Workers: uint32(s.Workers), Cpus: uint32(s.CPUs)}}}
}

// clock tells a worker the time, and the key.
func (b *Broker) clock() *distpb.ToWorker {
	return &distpb.ToWorker{LeaseKey: b.signer.Public(), Now: time.Now().UnixNano()}
}

// Status implements distpb.SchedulerServer.
func (b *Broker) Status(context.Context, *distpb.StatusRequest) (*distpb.StatusReply, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.machine.Status()
	return &distpb.StatusReply{NumWorkers: uint32(s.Workers), NumCpus: uint32(s.CPUs), InProgress: uint32(s.InProgress)}, nil
}

// peerOf is somebody at the other end of a stream.
type peerOf[M any] struct {
	name  string
	queue chan *M
	gone  chan struct{}
	once  sync.Once
}

// maxQueue is how many messages may wait for a peer. One that does not take them is taken
// for gone.
const maxQueue = 4096

func newPeer[M any](name string) *peerOf[M] {
	return &peerOf[M]{name: name, queue: make(chan *M, maxQueue), gone: make(chan struct{})}
}

// send queues a message. It never waits.
func (p *peerOf[M]) send(m *M) {
	if p == nil {
		return
	}
	select {
	case p.queue <- m:
	default:
		p.end()
	}
}

func (p *peerOf[M]) end() {
	if p != nil {
		p.once.Do(func() { close(p.gone) })
	}
}

// converse sends what is queued while hear listens, until either has come to its end.
func (p *peerOf[M]) converse(ctx context.Context, send func(*M) error, hear func()) error {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		hear()
	}()
	return p.pump(ctx, send)
}

// pump sends what is queued until the peer is taken for gone or ctx is done.
func (p *peerOf[M]) pump(ctx context.Context, send func(*M) error) error {
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.gone:
			return fmt.Errorf("it was silent for too long")
		case m := <-p.queue:
			if err := send(m); err != nil {
				return err
			}
		}
	}
}
