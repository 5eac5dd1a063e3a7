package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/reach"
	"github.com/cachepot/cachepot/internal/dist/register"
	"github.com/cachepot/cachepot/internal/dist/worker"
	"github.com/cachepot/cachepot/internal/lease"
	"github.com/cachepot/cachepot/internal/version"
)

// leaseHeader carries the lease of an Execute.
const leaseHeader = "cachepot-lease"

// leased is the gate for those whom the scheduler has sent, and for those that another gate
// lets in besides.
type leased struct {
	verifier *lease.Verifier
	direct   worker.Gate // nil: nobody comes by himself
}

// pass verifies the ticket by which a call comes in.
func (g *leased) pass(md metadata.MD) (*lease.Lease, error) {
	token := ""
	if v := md.Get("authorization"); len(v) == 1 {
		if scheme, rest, ok := strings.Cut(v[0], " "); ok && strings.EqualFold(scheme, "bearer") {
			token = rest
		}
	}
	l, err := g.verifier.Admit(token, time.Now())
	if err != nil {
		return nil, status.Error(codes.Unauthenticated, err.Error())
	}
	return l, nil
}

// Know implements worker.Gate.
func (g *leased) Know(md metadata.MD) error {
	_, err := g.pass(md)
	if err != nil && g.direct != nil {
		return g.direct.Know(md)
	}
	return err
}

// Allow implements worker.Gate.
func (g *leased) Allow(instance string, md metadata.MD) error {
	l, err := g.pass(md)
	switch {
	case err != nil && g.direct != nil:
		return g.direct.Allow(instance, md)
	case err != nil:
		return err
	case l.Realm != instance:
		return status.Errorf(codes.PermissionDenied, "this is not for instance %.60q", instance)
	}
	return nil
}

// Admit implements worker.Gate.
func (g *leased) Admit(ctx context.Context, instance string, action digest.Digest, md metadata.MD) (worker.Permit, error) {
	tokens := md.Get(leaseHeader)
	if len(tokens) == 0 && g.direct != nil {
		return g.direct.Admit(ctx, instance, action, md)
	}
	if len(tokens) != 1 {
		return worker.Permit{}, status.Error(codes.Unauthenticated, "a lease of the scheduler is needed to have something executed")
	}
	if err := g.Allow(instance, md); err != nil {
		return worker.Permit{}, err
	}
	l, err := g.verifier.Verify(tokens[0], action, time.Now())
	if err != nil {
		return worker.Permit{}, status.Error(codes.Unauthenticated, err.Error())
	}
	if l.Realm != instance {
		g.verifier.Done(l.Nonce, false)
		return worker.Permit{}, status.Errorf(codes.PermissionDenied, "the lease is not for instance %.60q", instance)
	}
	return worker.Permit{Leased: true, Affinity: l.Affinity, Done: func(ran bool) { g.verifier.Done(l.Nonce, ran) }}, nil
}

// registration returns what registers the worker at its scheduler. pin is of its key; nil:
// it is reached in the clear. held returns the affinities whose toolchains are there, running how
// many jobs run.
func registration(c *config.Worker, pin []byte, slots int, held func() []string, running func() int, log *slog.Logger) *register.Registration {
	if reach.Exposed(c.SchedulerURL) {
		log.Warn("the worker's token goes to the scheduler in the clear; https:// keeps it from others", "target", "cachepot::worker", "scheduler", c.SchedulerURL)
	}
	address := strings.ToLower(c.PublicAddr.HostPort())
	var r *register.Registration
	r = register.New(register.Config{
		Scheduler: reach.Config{URL: c.SchedulerURL, CA: c.SchedulerCA, Token: c.SchedulerAuth.Token.Reveal(), Agent: "cachepot-dist/" + version.Version},
		Address:   address, CPUs: slots, Pin: pin, Leases: true, Toolchains: held, Log: log,
		Unleased: func() int { return running() - len(r.Verifier().Running()) },
	})
	return r
}
