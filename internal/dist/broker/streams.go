package broker

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/auth"
	"github.com/cachepot/cachepot/internal/dist/distpb"
	"github.com/cachepot/cachepot/internal/dist/scheduler"
)

// Serve implements distpb.SchedulerServer: a worker's stream.
func (b *Broker) Serve(stream grpc.BidiStreamingServer[distpb.FromWorker, distpb.ToWorker]) error {
	first, err := within(stream.Context(), stream.Recv)
	if err != nil {
		return err
	}
	says := first.GetRegister()
	if says == nil {
		return status.Error(codes.InvalidArgument, "a worker registers first")
	}
	if err := b.workers.Check(bearer(stream.Context()), says.GetPublicAddr(), time.Now()); err != nil {
		b.log.Warn("a worker is not let in", "address", says.GetPublicAddr(), "from", from(stream.Context()), "error", err)
		return refusal(err)
	}
	w, err := workerOf(says)
	if err != nil {
		return status.Error(codes.InvalidArgument, err.Error())
	}
	id, p, err := b.addWorker(w)
	if err != nil {
		b.log.Warn("a worker is not taken", "address", w.Addr, "error", err)
		return status.Error(codes.FailedPrecondition, err.Error())
	}
	b.log.Info("a worker is here", "address", w.Addr, "cpus", w.CPUs, "toolchains", len(w.Toolchains))
	err = p.converse(stream.Context(), stream.Send, func() {
		defer func() { _ = recovered(recover(), nil, b.log, "Serve") }()
		b.hearWorker(id, stream)
	})
	b.mu.Lock()
	delete(b.served, id)
	b.mu.Unlock()
	b.do(func(m *scheduler.Machine, now scheduler.Instant) { m.RemoveWorker(now, id) })
	b.log.Info("a worker is gone", "address", w.Addr, "error", err)
	return status.Error(codes.Unavailable, "the stream is over")
}

// workerOf understands what a worker says of itself.
func workerOf(says *distpb.Register) (scheduler.Worker, error) {
	w := scheduler.Worker{Addr: strings.ToLower(says.GetPublicAddr()), Pin: string(says.GetKeyPin()), CPUs: int(min(says.GetCpus(), 1<<30)),
		Toolchains: says.GetToolchains(), Running: says.GetRunning(), Reports: says.GetReports()}
	host, port, err := net.SplitHostPort(w.Addr)
	if err != nil || host == "" || port == "" {
		return w, errors.New("public_addr is not host and port")
	}
	if ip := net.ParseIP(host); len(w.Pin) != sha256.Size && !(w.Pin == "" && (host == "localhost" || ip != nil && ip.IsLoopback())) {
		return w, errors.New("a worker that can be reached from other machines needs a key")
	}
	return w, nil
}

func (b *Broker) addWorker(w scheduler.Worker) (scheduler.WorkerID, *peerOfWorker, error) {
	p := newPeer[distpb.ToWorker](w.Addr)
	p.send(b.clock())
	var id scheduler.WorkerID
	var err error
	b.do(func(m *scheduler.Machine, now scheduler.Instant) {
		b.ids++
		id = scheduler.WorkerID(b.ids)
		if err = m.AddWorker(now, id, w, b.bound || b.insecure); err == nil {
			b.served[id] = p
		}
	})
	return id, p, err
}

type (
	peerOfWorker = peerOf[distpb.ToWorker]
	peerOfClient = peerOf[distpb.ToClient]
)

// hearWorker passes on what a worker says until it says no more.
func (b *Broker) hearWorker(id scheduler.WorkerID, stream grpc.BidiStreamingServer[distpb.FromWorker, distpb.ToWorker]) {
	for {
		said, err := stream.Recv()
		if err != nil {
			return
		}
		b.do(func(m *scheduler.Machine, now scheduler.Instant) {
			switch s := said.GetMessage().(type) {
			case *distpb.FromWorker_Load:
				m.Load(now, id, int(min(s.Load.GetUnleased(), scheduler.MaxCPUs)))
			case *distpb.FromWorker_Started:
				m.Started(now, id, s.Started.GetNonce())
			case *distpb.FromWorker_Ended:
				m.Ended(now, id, s.Ended.GetNonce())
			}
		})
	}
}

// Lease implements distpb.SchedulerServer: a client's stream.
func (b *Broker) Lease(stream grpc.BidiStreamingServer[distpb.FromClient, distpb.ToClient]) error {
	if err := b.clients.Check(bearer(stream.Context())); err != nil {
		b.log.Warn("a client is not let in", "from", from(stream.Context()), "error", err)
		return refusal(err)
	}
	p := newPeer[distpb.ToClient](nonce())
	p.send(&distpb.ToClient{Message: &distpb.ToClient_Welcome{Welcome: &distpb.Welcome{Realm: realm}}})
	var id scheduler.ClientID
	var err error
	b.do(func(m *scheduler.Machine, now scheduler.Instant) {
		b.ids++
		id = scheduler.ClientID(b.ids)
		if err = m.AddClient(now, id); err == nil {
			b.toldOf[id] = p
			p.send(capacity(m.Status()))
		}
	})
	if err != nil {
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	b.log.Debug("a client is here", "from", from(stream.Context()))
	err = p.converse(stream.Context(), stream.Send, func() {
		defer func() { _ = recovered(recover(), nil, b.log, "Lease") }()
		b.hearClient(id, stream)
	})
	b.mu.Lock()
	delete(b.toldOf, id)
	b.mu.Unlock()
	b.do(func(m *scheduler.Machine, now scheduler.Instant) { m.RemoveClient(now, id) })
	b.log.Debug("a client is gone", "error", err)
	return status.Error(codes.Unavailable, "the stream is over")
}

// hearClient passes on what a client says until it says no more.
func (b *Broker) hearClient(id scheduler.ClientID, stream grpc.BidiStreamingServer[distpb.FromClient, distpb.ToClient]) {
	for {
		said, err := stream.Recv()
		if err != nil {
			return
		}
		b.do(func(m *scheduler.Machine, now scheduler.Instant) {
			switch s := said.GetMessage().(type) {
			case *distpb.FromClient_Demand:
				m.Demand(now, id, s.Demand.GetAffinity(), int(min(s.Demand.GetIdle(), 1<<20)))
			case *distpb.FromClient_Begin:
				m.Begin(now, id, s.Begin.GetNonce())
			case *distpb.FromClient_Renew:
				m.Renew(now, id, s.Renew.GetNonce())
			case *distpb.FromClient_Release:
				m.Release(now, id, s.Release.GetNonce(), outcome(s.Release.GetOutcome()))
			case *distpb.FromClient_Alive:
				m.Alive(now, id)
			}
		})
	}
}

func outcome(o distpb.Outcome) scheduler.Outcome {
	switch o {
	case distpb.Outcome_DONE:
		return scheduler.Done
	case distpb.Outcome_FAILED:
		return scheduler.Failed
	}
	return scheduler.Unused
}

// firstWait is how long somebody may take who has opened a stream and says nothing.
const firstWait = 10 * time.Second

// within waits for the first message of a stream.
func within[M any](ctx context.Context, recv func() (M, error)) (M, error) {
	type answer struct {
		m   M
		err error
	}
	got := make(chan answer, 1)
	go func() {
		m, err := recv()
		got <- answer{m, err}
	}()
	t := time.NewTimer(firstWait)
	defer t.Stop()
	var none M
	select {
	case a := <-got:
		if errors.Is(a.err, io.EOF) {
			a.err = status.Error(codes.InvalidArgument, "nothing was said")
		}
		return a.m, a.err
	case <-ctx.Done():
		return none, context.Cause(ctx)
	case <-t.C:
		return none, status.Error(codes.DeadlineExceeded, "nothing was said")
	}
}

// bearer returns the authorization header of a call.
func bearer(ctx context.Context) string {
	if v := metadata.ValueFromIncomingContext(ctx, "authorization"); len(v) == 1 {
		return v[0]
	}
	return ""
}

// from says where a call comes from, as far as the connection tells: headers that speak of
// it are anybody's word.
func from(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}

func refusal(err error) error {
	code := codes.Internal
	if errors.Is(err, auth.ErrRefused) {
		code = codes.Unauthenticated
	}
	return status.Error(code, err.Error())
}
