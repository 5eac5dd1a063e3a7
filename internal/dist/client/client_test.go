package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/bazelbuild/remote-apis/build/bazel/semver"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/broker"
	"github.com/cachepot/cachepot/internal/dist/client"
	"github.com/cachepot/cachepot/internal/dist/reach"
	"github.com/cachepot/cachepot/internal/dist/register"
	"github.com/cachepot/cachepot/internal/lease"
	"github.com/cachepot/cachepot/internal/reapi"
)

// cluster is a scheduler that listens, of a configuration without tokens.
type cluster struct {
	t       *testing.T
	address string
	conf    *config.Scheduler
	stop    func()
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	host, port, _ := net.SplitHostPort(l.Addr().String())
	c := &cluster{t: t, address: l.Addr().String(), conf: &config.Scheduler{PublicAddr: config.Address{Host: host, Port: port},
		ClientAuth: config.ClientAuth{Type: config.AuthToken, Token: config.NewSecret("t")},
		WorkerAuth: config.WorkerAuth{Type: config.AuthToken, Token: config.NewSecret("w")}}}
	t.Cleanup(func() { c.stop() })
	return c
}

func (c *cluster) start() {
	c.t.Helper()
	b, err := broker.New(c.conf, slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- b.Listen(ctx, c.conf, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		c.t.Fatal(err)
	}
	c.stop = sync.OnceFunc(func() { cancel(); <-done })
}

func (c *cluster) scheduler(token string) reach.Config {
	return reach.Config{URL: "http://" + c.address, Token: token, Agent: "test"}
}

func (c *cluster) client(patient bool) *client.Client {
	cl := client.New(client.Config{Scheduler: c.scheduler("t"), Patient: patient, Log: slog.New(slog.DiscardHandler)})
	c.t.Cleanup(cl.Close)
	return cl
}

// worker answers every action at once, or not at all, to those with a lease.
type worker struct {
	repb.UnimplementedExecutionServer
	repb.UnimplementedCapabilitiesServer
	verifier *lease.Verifier
	delay    time.Duration
	broken   atomic.Bool
	now, max atomic.Int64
	ran      atomic.Int64
	address  string
}

func (c *cluster) worker(cpus int, delay time.Duration) *worker {
	c.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	w := &worker{delay: delay, address: l.Addr().String()}
	r := register.New(register.Config{Scheduler: c.scheduler("w"), Address: w.address, CPUs: cpus, Leases: true, Log: slog.New(slog.DiscardHandler)})
	w.verifier = r.Verifier()
	s := grpc.NewServer()
	repb.RegisterExecutionServer(s, w)
	repb.RegisterCapabilitiesServer(s, w)
	go func() { _ = s.Serve(l) }()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	c.t.Cleanup(func() {
		cancel()
		running.Wait()
		s.Stop()
	})
	return w
}

// GetCapabilities implements the service.
func (w *worker) GetCapabilities(ctx context.Context, _ *repb.GetCapabilitiesRequest) (*repb.ServerCapabilities, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	pass, _ := strings.CutPrefix(strings.Join(md.Get("authorization"), " "), "Bearer ")
	if _, err := w.verifier.Admit(pass, time.Now()); err != nil || len(md.Get("cachepot-lease")) != 0 {
		return nil, status.Errorf(codes.Unauthenticated, "%v", err)
	}
	return &repb.ServerCapabilities{
		LowApiVersion: &semver.SemVer{Major: 2}, HighApiVersion: &semver.SemVer{Major: 2, Minor: 3},
		CacheCapabilities:     &repb.CacheCapabilities{DigestFunctions: []repb.DigestFunction_Value{repb.DigestFunction_SHA256}},
		ExecutionCapabilities: &repb.ExecutionCapabilities{ExecEnabled: true, DigestFunction: repb.DigestFunction_SHA256},
	}, nil
}

// Execute implements the service.
func (w *worker) Execute(req *repb.ExecuteRequest, stream repb.Execution_ExecuteServer) error {
	if w.broken.Load() {
		return status.Error(codes.Unavailable, "broken")
	}
	md, _ := metadata.FromIncomingContext(stream.Context())
	action, err := digest.Parse(fmt.Sprintf("%s/%d", req.GetActionDigest().GetHash(), req.GetActionDigest().GetSizeBytes()))
	if err != nil {
		return err
	}
	l, err := w.verifier.Verify(strings.Join(md.Get("cachepot-lease"), " "), action, time.Now())
	if err != nil {
		return status.Error(codes.Unauthenticated, err.Error())
	}
	defer w.verifier.Done(l.Nonce, true)
	w.max.Store(max(w.max.Load(), w.now.Add(1)))
	defer w.now.Add(-1)
	w.ran.Add(1)
	time.Sleep(w.delay)
	done, err := anypb.New(&repb.ExecuteResponse{Result: &repb.ActionResult{}})
	if err != nil {
		return err
	}
	return stream.Send(&longrunning.Operation{Name: "x", Done: true, Result: &longrunning.Operation_Response{Response: done}})
}

// do has n actions executed, so many at a time, and returns the errors.
func do(cl *client.Client, n, atOnce int, name string) []error {
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range n {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			_, err := cl.Execute(context.Background(), &reapi.Job{Action: digest.Of(fmt.Append(nil, name, i)), Affinity: "gcc"})
			if err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			}
		})
	}
	all.Wait()
	return errs
}

// TestLeases: several clients have actions executed on several workers, never more at a time
// than these have slots, each with a lease of its own; and all slots are free afterwards.
func TestLeases(t *testing.T) {
	c := newCluster(t)
	c.start()
	workers := []*worker{c.worker(2, 2*time.Millisecond), c.worker(3, 2*time.Millisecond)}
	clients := []*client.Client{c.client(true), c.client(true)}
	var all sync.WaitGroup
	start := time.Now()
	for i, cl := range clients {
		all.Go(func() {
			for _, err := range do(cl, 150, 8, fmt.Sprint("c", i, " ")) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	t.Logf("300 jobs in %v", time.Since(start))
	if n := workers[0].ran.Load() + workers[1].ran.Load(); n != 300 {
		t.Errorf("%d jobs ran, want 300", n)
	}
	// A worker says that a job has ended a moment before it is over.
	if a, b := workers[0].max.Load(), workers[1].max.Load(); a > 3 || b > 4 || a == 0 || b == 0 {
		t.Errorf("%d and %d jobs at a time, with 2 and 3 slots", a, b)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		s, err := clients[0].Status(context.Background())
		if err == nil && *s == (client.Status{Workers: 2, CPUs: 5}) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("status %+v, %v", s, err)
		}
	}
}

// TestElsewhere: what one worker fails is executed by another.
func TestElsewhere(t *testing.T) {
	c := newCluster(t)
	c.start()
	bad, good := c.worker(2, 0), c.worker(2, 0)
	bad.broken.Store(true)
	cl := c.client(true)
	for _, err := range do(cl, 40, 4, "") {
		t.Error(err)
	}
	if bad.ran.Load() != 0 || good.ran.Load() != 40 {
		t.Errorf("%d and %d jobs ran", bad.ran.Load(), good.ran.Load())
	}
}

// TestRestart: a scheduler that is started again while jobs run and wait costs none of them.
func TestRestart(t *testing.T) {
	c := newCluster(t)
	c.start()
	c.worker(2, 20*time.Millisecond)
	cl := c.client(true)
	done := make(chan []error)
	go func() { done <- do(cl, 60, 6, "") }()
	time.Sleep(200 * time.Millisecond)
	c.stop()
	time.Sleep(100 * time.Millisecond)
	c.start()
	for _, err := range <-done {
		t.Error(err)
	}
}

// TestNoSlot: a client that may compile by itself does not wait for long: not at all where no
// worker is there, and for what jobs take where all slots are taken.
func TestNoSlot(t *testing.T) {
	c := newCluster(t)
	c.start()
	cl := c.client(false)
	refused := func(what string, within time.Duration) {
		t.Helper()
		start := time.Now()
		_, err := cl.Execute(context.Background(), &reapi.Job{Action: digest.Of([]byte(what)), Affinity: "gcc"})
		f, ok := errors.AsType[*reapi.Failure](err)
		if !ok || f.Code != codes.ResourceExhausted || reapi.Gone(err) || time.Since(start) > within {
			t.Errorf("%s: %v after %v", what, err, time.Since(start))
		}
	}
	refused("no worker", 4*time.Second)
	w := c.worker(1, 6*time.Second)
	go func() { // as soon as it is there
		for w.ran.Load() == 0 {
			_, _ = cl.Execute(context.Background(), &reapi.Job{Action: digest.Of([]byte("long")), Affinity: "gcc"})
		}
	}()
	for end := time.Now().Add(20 * time.Second); w.ran.Load() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing runs")
		}
	}
	refused("all slots taken", 4*time.Second)
}
