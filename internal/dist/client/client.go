// Package client has actions executed by the workers of a scheduler. It holds leases for slots of
// workers, a few more than are in use while there is work, and sends each action to one of
// them, by internal/reapi as to any other engine. docs/spec/leases.md specifies how it speaks
// to the scheduler.
//
// A *Client is an engine of internal/coordinator. The main of cachepot-coordinator imports it,
// and nobody else.
package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/distpb"
	"github.com/cachepot/cachepot/internal/dist/reach"
	"github.com/cachepot/cachepot/internal/reapi"
)

// Config says where the scheduler is.
type Config struct {
	Scheduler reach.Config
	// Patient waits long for a free slot, since nothing is to be compiled here.
	Patient bool
	Log     *slog.Logger
}

const (
	// maxTries is at how many workers an action is tried.
	maxTries = 3
	// What an action waits for a slot, at least and at most, where it may be compiled here:
	// about what that would take.
	waitMin = 250 * time.Millisecond
	waitMax = 10 * time.Second
	// firstGuess is what a compile takes as long as nothing is known.
	firstGuess = 2 * time.Second
	// patience is that of a client that is patient, and patienceDown so where there is no
	// scheduler or no worker.
	patience     = 10 * time.Minute
	patienceDown = 30 * time.Second
	// connectWait is how long the scheduler may take to be there at first, and comeBack how
	// long it may be gone until it is not waited for.
	connectWait = 5 * time.Second
	comeBack    = 3 * time.Second
)

// Client speaks to one scheduler and its workers. It connects when it is first used, or
// Connect is called. It is safe for concurrent use.
type Client struct {
	config Config
	begin  sync.Once // the first use
	done   chan struct{}
	wake   chan struct{} // the session has something to say

	mu       sync.Mutex // guards all below
	out      []*distpb.FromClient
	up       bool             // there is a session
	since    time.Time        // of up
	down     error            // why there is none
	refused  bool             // down for good
	capacity *distpb.Capacity // nil: not known
	kinds    map[string]*kind
	tickets  map[string]*ticket // by nonce
	workers  map[string]*worker // by address and key
	homes    *homes
}

// New returns a Client.
func New(c Config) *Client {
	c.Log = c.Log.With("target", "cachepot::dist")
	return &Client{config: c, done: make(chan struct{}), wake: make(chan struct{}, 1), since: time.Now(), kinds: map[string]*kind{},
		tickets: map[string]*ticket{}, workers: map[string]*worker{}, homes: newHomes()}
}

// Address returns the scheduler's URL.
func (c *Client) Address() string { return c.config.Scheduler.URL }

// Connect has the scheduler reached, and waits for nothing. A worker is connected to as soon
// as a lease for it is there.
func (c *Client) Connect() { c.begin.Do(func() { go c.run() }) }

// Close gives up all leases and connections. Calls under way fail.
func (c *Client) Close() {
	c.begin.Do(func() {}) // nothing begins any more
	close(c.done)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, w := range c.workers {
		_ = w.client.Close()
	}
}

// ProbeRoot shows that one worker executes actions of this machine.
func (c *Client) ProbeRoot(ctx context.Context, isa string) error {
	t, err := c.acquire(ctx, "", digest.Empty())
	if err != nil {
		return err
	}
	err = t.worker.client.ProbeRoot(withTicket(ctx, t), isa)
	c.release(t, outcomeOf(err))
	return err
}

// Execute has the action executed by a worker that has a slot for it, and by another where
// that fails. An error that is a *reapi.Failure with code ResourceExhausted says that there
// was no slot in time.
func (c *Client) Execute(ctx context.Context, job *reapi.Job) (*reapi.Result, error) {
	var failed error
	for range maxTries {
		t, err := c.acquire(ctx, job.Affinity, job.Action)
		if err != nil {
			return nil, errors.Join(failed, err)
		}
		start := time.Now()
		res, err := t.worker.execute(ctx, t, job)
		c.release(t, outcomeOf(err))
		if err == nil {
			c.took(job.Affinity, time.Since(start))
			c.keepHomes(t.worker, res)
			res.Worker = t.worker.address
			return res, nil
		}
		if ctx.Err() != nil || !elsewhere(err) {
			return nil, err
		}
		c.config.Log.Warn("a worker failed", "worker", t.worker.address, "error", err)
		failed = err
	}
	return nil, failed
}

// outcomeOf says how a worker did, by what came of its calls.
func outcomeOf(err error) distpb.Outcome {
	if err != nil && elsewhere(err) {
		return distpb.Outcome_FAILED
	}
	return distpb.Outcome_DONE
}

// elsewhere reports whether another worker may do what this one did not.
func elsewhere(err error) bool {
	_, unfit := errors.AsType[*reapi.Unfit](err)
	f, failure := errors.AsType[*reapi.Failure](err)
	return unfit || errors.Is(err, reapi.ErrContent) || failure && f.Code != codes.Canceled
}

// keepHomes remembers where blobs of a result can be fetched.
func (c *Client) keepHomes(w *worker, r *reapi.Result) {
	var digests []digest.Digest
	for _, f := range r.Files {
		if f.Content == nil {
			digests = append(digests, f.Digest)
		}
	}
	digests = append(digests, r.Stdout.Digest, r.Stderr.Digest)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.homes.keep(w, digests)
}

// Fetch returns contents of small blobs of results, verified.
func (c *Client) Fetch(ctx context.Context, digests []digest.Digest) (map[digest.Digest][]byte, error) {
	out := make(map[digest.Digest][]byte, len(digests))
	byWorker := map[*worker][]digest.Digest{}
	for _, d := range digests {
		if d.Size == 0 && d == digest.Empty() {
			out[d] = nil
			continue
		}
		w, err := c.home(d)
		if err != nil {
			return nil, err
		}
		byWorker[w] = append(byWorker[w], d)
	}
	for w, some := range byWorker {
		got, err := w.client.Fetch(ctx, some)
		if err != nil {
			return nil, err
		}
		for d, content := range got {
			out[d] = content
		}
	}
	return out, nil
}

// Download writes the content of a blob of a result to dst, verified.
func (c *Client) Download(ctx context.Context, d digest.Digest, dst io.Writer) error {
	w, err := c.home(d)
	if err != nil {
		return err
	}
	return w.client.Download(ctx, d, dst)
}

func (c *Client) home(d digest.Digest) (*worker, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if w := c.homes.of(d); w != nil {
		return w, nil
	}
	return nil, fmt.Errorf("blob %s: no worker is known to have it", d)
}

// Status is how the scheduler says that its workers are doing.
type Status struct{ Workers, CPUs, InProgress int }

// Status asks the scheduler.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	conn, err := reach.Dial(c.config.Scheduler)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, connectWait)
	defer cancel()
	s, err := distpb.NewSchedulerClient(conn).Status(ctx, &distpb.StatusRequest{})
	if err != nil {
		return nil, c.failure("ask how it is doing", err)
	}
	return &Status{int(s.GetNumWorkers()), int(s.GetNumCpus()), int(s.GetInProgress())}, nil
}
