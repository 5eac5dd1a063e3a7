package client

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/dist/distpb"
	"github.com/cachepot/cachepot/internal/dist/reach"
	"github.com/cachepot/cachepot/internal/reapi"
)

const (
	// beat is how often the scheduler is shown that the client lives.
	beat = 2 * time.Second
	// silence is after how long without a word the scheduler is taken for gone.
	silence = 7 * time.Second
	// The time between tries to reach it.
	retryMin = 100 * time.Millisecond
	retryMax = 2 * time.Second
)

// run keeps a session until the client is closed.
func (c *Client) run() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-c.done
		cancel()
	}()
	wait := retryMin
	for ctx.Err() == nil {
		err := c.session(ctx)
		c.mu.Lock()
		if c.up {
			wait = retryMin
			c.up, c.since = false, time.Now()
			c.config.Log.Warn("the scheduler is gone", "error", err)
		}
		f, refused := errors.AsType[*reapi.Failure](err)
		c.down = err
		c.refused = refused && (f.Code == codes.Unauthenticated || f.Code == codes.PermissionDenied || f.Code == codes.Unimplemented)
		c.forgetIdle()
		c.failHopeless()
		c.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, retryMax)
	}
}

// forgetIdle drops what the scheduler gives to others when the stream is over. What is in use
// stays so: running jobs are none of its business. The caller holds the lock.
func (c *Client) forgetIdle() {
	c.out = nil
	for nonce, t := range c.tickets {
		if !t.busy {
			delete(c.tickets, nonce)
		}
	}
	for _, k := range c.kinds {
		k.idle, k.told = nil, 0
	}
}

func (c *Client) failure(what string, err error) error {
	s := status.Convert(err)
	return &reapi.Failure{Address: c.Address(), What: what, Code: s.Code(), Message: s.Message()}
}

// session is one stream.
func (c *Client) session(ctx context.Context) error {
	conn, err := reach.Dial(c.config.Scheduler)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silent := status.Error(codes.Unavailable, "it says nothing")
	quiet := time.AfterFunc(connectWait, func() { cancel(silent) })
	defer quiet.Stop()
	over := func(err error) error {
		if errors.Is(context.Cause(ctx), silent) {
			err = silent
		}
		return c.failure("lease a slot", err)
	}
	stream, err := distpb.NewSchedulerClient(conn).Lease(ctx)
	if err != nil {
		return over(err)
	}
	m, err := stream.Recv()
	if err != nil {
		return over(err)
	}
	realm := m.GetWelcome().GetRealm()
	c.connected()
	go c.talk(ctx, stream, cancel)
	for {
		quiet.Reset(silence)
		m, err := stream.Recv()
		if err != nil {
			return over(err)
		}
		c.hear(m, realm)
	}
}

// connected begins a session: the scheduler is told what is wanted.
func (c *Client) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up, c.since, c.down, c.refused, c.capacity = true, time.Now(), nil, false, nil
	for _, k := range c.kinds {
		c.adjust(k)
	}
	c.config.Log.Debug("the scheduler is there")
}

// say queues a message. The caller holds the lock.
func (c *Client) say(m *distpb.FromClient) {
	if !c.up {
		return
	}
	c.out = append(c.out, m)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// talk sends what is queued, and a sign of life now and then.
func (c *Client) talk(ctx context.Context, stream grpc.BidiStreamingClient[distpb.FromClient, distpb.ToClient], cancel context.CancelCauseFunc) {
	t := time.NewTicker(beat / 2)
	defer t.Stop()
	for n := 1; ; n++ {
		var out []*distpb.FromClient
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-t.C:
			out = append(out, &distpb.FromClient{Message: &distpb.FromClient_Alive{Alive: &distpb.Alive{}}})
			c.tidy()
		}
		c.mu.Lock()
		out, c.out = append(out, c.out...), nil
		c.mu.Unlock()
		for _, m := range out {
			if err := stream.Send(m); err != nil {
				if !errors.Is(err, io.EOF) { // else Recv says why
					cancel(err)
				}
				return
			}
		}
	}
}

// tidy gives back what is not wanted any more, or has lain too long.
func (c *Client) tidy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.kinds {
		for i := 0; i < len(k.idle); {
			if t := k.idle[i]; time.Until(t.expires) < spoiled {
				c.giveBack(t, distpb.Outcome_UNUSED)
			} else {
				i++
			}
		}
		c.adjust(k)
	}
	c.failHopeless()
}

// hear does what the scheduler says.
func (c *Client) hear(m *distpb.ToClient, realm string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch m := m.GetMessage().(type) {
	case *distpb.ToClient_Grant:
		c.hearGrant(m.Grant, realm)
	case *distpb.ToClient_Revoke:
		if t := c.tickets[m.Revoke.GetNonce()]; t != nil && !t.busy {
			c.giveBack(t, distpb.Outcome_UNUSED)
		}
	case *distpb.ToClient_Lost:
		for _, w := range c.workers {
			if w.address != m.Lost.GetWorker() {
				continue
			}
			for _, t := range c.ticketsOf(w) {
				if !t.busy {
					c.giveBack(t, distpb.Outcome_UNUSED)
				}
			}
			go w.lost()
		}
	case *distpb.ToClient_Capacity:
		if c.capacity == nil || (c.capacity.GetWorkers() == 0) != (m.Capacity.GetWorkers() == 0) {
			c.since = time.Now()
		}
		c.capacity = m.Capacity
		c.failHopeless()
	}
}

func (c *Client) hearGrant(g *distpb.Grant, realm string) {
	expires := time.Now().Add(time.Duration(g.GetValidMillis()) * time.Millisecond)
	w, err := c.workerOf(g, realm)
	if err != nil {
		c.config.Log.Warn("a worker cannot be used", "error", err)
		c.say(&distpb.FromClient{Message: &distpb.FromClient_Release{Release: &distpb.Release{Nonce: g.GetNonce(), Outcome: distpb.Outcome_FAILED}}})
		return
	}
	if t := c.tickets[g.GetNonce()]; t != nil {
		t.lease, t.expires = g.GetLease(), expires
		close(t.renewed)
		t.renewed = make(chan struct{})
		return
	}
	c.granted(&ticket{nonce: g.GetNonce(), affinity: g.GetAffinity(), worker: w, lease: g.GetLease(), expires: expires, renewed: make(chan struct{})})
}
