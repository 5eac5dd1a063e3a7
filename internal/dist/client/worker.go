package client

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"

	"github.com/cachepot/cachepot/internal/dist/distpb"
	"github.com/cachepot/cachepot/internal/dist/reach"
	"github.com/cachepot/cachepot/internal/reapi"
)

// worker is where leases lead to.
type worker struct {
	owner   *Client
	address string
	client  *reapi.Client

	mu   sync.Mutex // guards all below
	pass string     // the latest
	runs map[*run]struct{}
}

// run is an execution under way.
type run struct{ cancel context.CancelCauseFunc }

// errLost is the cause of the end of what ran on a worker that is gone.
var errLost = errors.New("the worker is gone")

// worker returns the one that a lease is for. The caller holds the lock.
func (c *Client) workerOf(g *distpb.Grant, realm string) (*worker, error) {
	key := g.GetWorker() + " " + hex.EncodeToString(g.GetKeyPin())
	w := c.workers[key]
	if w == nil {
		rc := reapi.Config{Address: g.GetWorker(), Instance: realm, Agent: c.config.Scheduler.Agent}
		if pin := g.GetKeyPin(); len(pin) > 0 {
			rc.TLS = reach.Pinned(pin)
		} else if !loopback(g.GetWorker()) {
			return nil, fmt.Errorf("worker %s is on another machine and has no key", g.GetWorker())
		}
		w = &worker{owner: c, address: g.GetWorker(), runs: map[*run]struct{}{}}
		rc.Credentials = (*papers)(w)
		var err error
		if w.client, err = reapi.New(rc); err != nil {
			return nil, err
		}
		c.workers[key] = w
	}
	w.mu.Lock()
	w.pass = g.GetPass()
	w.mu.Unlock()
	w.client.Connect() // the lease is about to be used
	return w, nil
}

func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// execute is Execute at this worker, for as long as it is there.
func (w *worker) execute(ctx context.Context, t *ticket, job *reapi.Job) (*reapi.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{cancel}
	w.mu.Lock()
	w.runs[r] = struct{}{}
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.runs, r)
	}()
	res, err := w.client.Execute(withTicket(ctx, t), job)
	if err != nil && errors.Is(context.Cause(ctx), errLost) {
		return nil, &reapi.Failure{Address: w.address, What: "go on", Code: codes.Unavailable, Message: errLost.Error()}
	}
	return res, err
}

// lostWait is what a worker has to give a sign of life that the scheduler does not hear any
// more.
const lostWait = 3 * time.Second

// lost ends what runs on a worker unless it answers us: the scheduler may be cut off from it
// and we not.
func (w *worker) lost() {
	w.mu.Lock()
	busy := len(w.runs) > 0
	w.mu.Unlock()
	if !busy {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), lostWait)
	defer cancel()
	if w.client.Alive(ctx) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.runs {
		r.cancel(errLost)
	}
}

// papers adds the tickets to the calls to a worker.
type papers worker

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (p *papers) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	w := (*worker)(p)
	w.mu.Lock()
	md := map[string]string{"authorization": "Bearer " + w.pass}
	w.mu.Unlock()
	info, _ := credentials.RequestInfoFromContext(ctx)
	if t, ok := ctx.Value(ticketKey{}).(*ticket); ok && strings.HasSuffix(info.Method, "/Execute") {
		md["cachepot-lease"] = w.owner.fresh(ctx, t)
	}
	return md, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials: what is in the clear
// does not leave this machine.
func (p *papers) RequireTransportSecurity() bool { return false }

// ticketKey is the key of the lease of a call.
type ticketKey struct{}

func withTicket(ctx context.Context, t *ticket) context.Context {
	return context.WithValue(ctx, ticketKey{}, t)
}

// renewWait is how long a lease that is to be signed anew is waited for.
const renewWait = 2 * time.Second

// fresh returns a lease that can be presented, signed anew where what came before took long.
func (c *Client) fresh(ctx context.Context, t *ticket) string {
	c.mu.Lock()
	if time.Until(t.expires) >= spoiled || !c.up {
		defer c.mu.Unlock()
		return t.lease
	}
	renewed := t.renewed
	c.say(&distpb.FromClient{Message: &distpb.FromClient_Renew{Renew: &distpb.Renew{Nonce: t.nonce}}})
	c.mu.Unlock()
	select {
	case <-renewed:
	case <-ctx.Done():
	case <-time.After(renewWait):
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.lease
}
