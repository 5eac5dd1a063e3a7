// Package register keeps a worker registered at its scheduler: it says who the worker is, how
// much it has to do, and which leases are in use, and learns by which key leases are verified.
// docs/spec/leases.md specifies the stream.
//
// The main of cachepot-dist imports it, and nobody else.
package register

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/dist/distpb"
	"github.com/cachepot/cachepot/internal/dist/reach"
	"github.com/cachepot/cachepot/internal/lease"
)

// Config says where the scheduler is, and who the worker is.
type Config struct {
	Scheduler reach.Config
	Address   string // host:port, where clients reach the worker
	CPUs      int    // jobs at a time
	Pin       []byte // SHA-256 of the worker's SubjectPublicKeyInfo; nil: in the clear, loopback only
	// Leases are verified by whoever admits jobs, and their use is reported. false: the worker
	// is another's, which knows no leases.
	Leases bool
	// Toolchains returns the affinities of jobs whose toolchains the worker has, the latest last.
	// nil: those of the leases that were used lately.
	Toolchains func() []string
	// Unleased returns how many jobs run without a lease. It may be nil.
	Unleased func() int
	Log      *slog.Logger
}

const (
	// beat is how often the worker says that it lives.
	beat = 2 * time.Second
	// silence is after how long without a word the scheduler is taken for gone.
	silence = 7 * time.Second
	// The time between tries to reach it.
	retryMin = 200 * time.Millisecond
	retryMax = 3 * time.Second
)

// Registration is a worker's, whether or not the scheduler is there at the moment.
type Registration struct {
	config   Config
	verifier *lease.Verifier

	mu    sync.Mutex              // guards what follows
	queue chan *distpb.FromWorker // to the scheduler; nil where there is none
	end   context.CancelCauseFunc // of the session that queue is of
}

// New returns a Registration. Run keeps it up.
func New(c Config) *Registration {
	r := &Registration{config: c}
	r.config.Log = c.Log.With("target", "cachepot::worker")
	r.verifier = lease.NewVerifier(c.Address, r.report)
	if c.Toolchains == nil {
		r.config.Toolchains = r.verifier.Affinities
	}
	return r
}

// Verifier returns what verifies the leases of this worker.
func (r *Registration) Verifier() *lease.Verifier { return r.verifier }

// report passes on what became of a lease. Without a scheduler nobody hears it; one that
// comes is told which are in use.
func (r *Registration) report(nonce string, started bool) {
	m := &distpb.FromWorker{Message: &distpb.FromWorker_Ended{Ended: &distpb.Job{Nonce: nonce}}}
	if started {
		m = &distpb.FromWorker{Message: &distpb.FromWorker_Started{Started: &distpb.Job{Nonce: nonce}}}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.queue == nil {
		return
	}
	select {
	case r.queue <- m:
	default: // a new session begins with what is in use
		r.end(errors.New("it does not listen"))
		r.queue = nil
	}
}

// Run registers the worker, again whenever the scheduler was gone, until ctx is done.
func (r *Registration) Run(ctx context.Context) {
	wait, said := retryMin, ""
	for ctx.Err() == nil {
		worked, err := r.session(ctx)
		if worked {
			wait, said = retryMin, ""
		}
		if ctx.Err() != nil {
			return
		}
		if text := err.Error(); text != said { // not the same line for hours
			r.config.Log.Warn("not registered", "scheduler", r.config.Scheduler.URL, "error", err)
			said = text
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMax)
	}
}

// session is one stream. worked says that the scheduler has taken the worker.
func (r *Registration) session(ctx context.Context) (worked bool, err error) {
	conn, err := reach.Dial(r.config.Scheduler)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, err := distpb.NewSchedulerClient(conn).Serve(ctx)
	if err != nil {
		return false, failure(ctx, err)
	}
	queue := make(chan *distpb.FromWorker, 4096)
	r.attach(queue, cancel)
	defer r.attach(nil, nil)
	// What is in use is looked up after the queue is there: nothing is left out.
	if err := stream.Send(r.hello()); err != nil && !errors.Is(err, io.EOF) { // else Recv says why
		return false, failure(ctx, err)
	}
	quiet := time.AfterFunc(silence, func() { cancel(errors.New("it says nothing")) })
	defer quiet.Stop()
	go func() { cancel(r.talk(ctx, stream, queue)) }()
	for {
		m, err := stream.Recv()
		if err != nil {
			return worked, failure(ctx, err)
		}
		quiet.Reset(silence)
		if key := m.GetLeaseKey(); len(key) == ed25519.PublicKeySize {
			r.verifier.Trust(ed25519.PublicKey(key), time.Unix(0, m.GetNow()), time.Now())
		}
		if !worked {
			worked = true
			r.config.Log.Info("registered", "scheduler", r.config.Scheduler.URL)
		}
	}
}

func (r *Registration) attach(queue chan *distpb.FromWorker, end context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue, r.end = queue, end
}

func (r *Registration) hello() *distpb.FromWorker {
	return &distpb.FromWorker{Message: &distpb.FromWorker_Register{Register: &distpb.Register{
		PublicAddr: r.config.Address, Cpus: uint32(r.config.CPUs), KeyPin: r.config.Pin, Reports: r.config.Leases,
		Toolchains: r.config.Toolchains(), Running: r.verifier.Running(),
	}}}
}

// talk sends what is queued, and a sign of life now and then.
func (r *Registration) talk(ctx context.Context, stream distpb.Scheduler_ServeClient, queue <-chan *distpb.FromWorker) error {
	t := time.NewTicker(beat)
	defer t.Stop()
	for {
		var m *distpb.FromWorker
		select {
		case <-ctx.Done():
			return ctx.Err()
		case m = <-queue:
		case <-t.C:
			load := &distpb.Load{}
			if r.config.Unleased != nil {
				load.Unleased = uint32(max(r.config.Unleased(), 0))
			}
			m = &distpb.FromWorker{Message: &distpb.FromWorker_Load{Load: load}}
		}
		err := stream.Send(m)
		if errors.Is(err, io.EOF) { // Recv says why
			<-ctx.Done()
		}
		if err != nil {
			return err
		}
	}
}

// failure is one line about the end of a session.
func failure(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if s, ok := status.FromError(err); ok {
		return fmt.Errorf("%s: %s", s.Code(), s.Message())
	}
	return err
}
