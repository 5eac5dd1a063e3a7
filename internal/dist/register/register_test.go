package register_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/distpb"
	"github.com/cachepot/cachepot/internal/dist/reach"
	"github.com/cachepot/cachepot/internal/dist/register"
	"github.com/cachepot/cachepot/internal/lease"
)

const (
	address = "127.0.0.1:10501"
	token   = "canary-worker-token"
	// silence is after how long without a word a scheduler is taken for gone.
	silence = 7 * time.Second
)

// stream is what a scheduler has of a worker.
type stream = grpc.BidiStreamingServer[distpb.FromWorker, distpb.ToWorker]

// scheduler is one that does with each stream what the test says.
type scheduler struct {
	distpb.UnimplementedSchedulerServer
	t      *testing.T
	url    string
	signer *lease.Signer
	serve  func(nth int, s stream) error

	mu      sync.Mutex // guards what follows
	nth     int        // streams so far
	lasting string     // the ticket of a lease that is used again and again
}

// Serve implements the service.
func (s *scheduler) Serve(w stream) error {
	s.mu.Lock()
	s.nth++
	nth := s.nth
	s.mu.Unlock()
	return s.serve(nth, w)
}

// start listens on the loopback interface.
func start(t *testing.T, serve func(nth int, s stream) error) *scheduler {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &scheduler{t: t, url: "http://" + l.Addr().String(), signer: lease.NewSigner(bytes.Repeat([]byte{7}, ed25519.SeedSize)), serve: serve}
	// A fixed window, or what is on its way would be as much as there is room for.
	server := grpc.NewServer(grpc.InitialWindowSize(64<<10), grpc.InitialConnWindowSize(64<<10))
	distpb.RegisterSchedulerServer(server, s)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

// hello tells a worker the key and the time.
func (s *scheduler) hello(w stream) error {
	return w.Send(&distpb.ToWorker{LeaseKey: s.signer.Public(), Now: time.Now().UnixNano()})
}

// ticket signs a lease.
func (s *scheduler) ticket(nonce, affinity string) string {
	s.t.Helper()
	text, err := s.signer.Lease(lease.Lease{Client: "c", Worker: address, Nonce: nonce, Affinity: affinity, Expires: time.Now().Add(time.Minute)})
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// journal is a log that is read while it is written.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// worker keeps one registered until the test ends.
func (s *scheduler) worker() (*register.Registration, *journal) {
	s.t.Helper()
	log := &journal{}
	r := register.New(register.Config{
		Scheduler: reach.Config{URL: s.url, Token: token, Agent: "test"}, Address: address, CPUs: 3, Pin: bytes.Repeat([]byte{1}, 32), Leases: true,
		Unleased: func() int { return 5 }, Log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	s.t.Cleanup(func() {
		cancel()
		ended := make(chan struct{})
		go func() { running.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			s.t.Error("it goes on after its end")
		}
		if strings.Contains(log.String(), token) {
			s.t.Errorf("the log holds the token: %s", log)
		}
	})
	return r, log
}

// use has the worker take a lease, as an Execute does; it waits until the worker knows the key.
func (s *scheduler) use(r *register.Registration, nonce, affinity string) {
	s.t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		_, err := r.Verifier().Verify(s.ticket(nonce, affinity), digest.Empty(), time.Now())
		if err == nil {
			return
		}
		if time.Now().After(end) {
			s.t.Fatal(err)
		}
	}
}

// soon waits for what the scheduler found out.
func soon[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: nothing comes", what)
		panic("not reached")
	}
}

// word is what a worker has said, in a line.
func word(m *distpb.FromWorker) string {
	switch m := m.GetMessage().(type) {
	case *distpb.FromWorker_Register:
		g := m.Register
		return fmt.Sprintf("%s %d %x %t %v %v", g.GetPublicAddr(), g.GetCpus(), g.GetKeyPin()[:2], g.GetReports(), g.GetToolchains(), g.GetRunning())
	case *distpb.FromWorker_Load:
		return fmt.Sprint("load ", m.Load.GetUnleased())
	case *distpb.FromWorker_Started:
		return "started " + m.Started.GetNonce()
	case *distpb.FromWorker_Ended:
		return "ended " + m.Ended.GetNonce()
	}
	return "nothing"
}

// TestSession: the worker shows its token and says who it is; then what becomes of leases, in
// order, and that it lives. No lease is taken before the scheduler has told the key, nor by a key
// that is none.
func TestSession(t *testing.T) {
	words, shown := make(chan string, 100), make(chan []string, 1)
	key := make(chan struct{})
	var s *scheduler
	s = start(t, func(_ int, w stream) error {
		shown <- metadata.ValueFromIncomingContext(w.Context(), "authorization")
		_ = w.Send(&distpb.ToWorker{LeaseKey: []byte("short"), Now: time.Now().UnixNano()})
		go func() {
			<-key
			_ = s.hello(w)
		}()
		for {
			m, err := w.Recv()
			if err != nil {
				return err
			}
			words <- word(m)
		}
	})
	r, log := s.worker()
	if got := soon(t, "token", shown); len(got) != 1 || got[0] != "Bearer "+token {
		t.Errorf("shown: %q", got)
	}
	if got := soon(t, "registration", words); got != address+" 3 0101 true [] []" {
		t.Errorf("registered as %s", got)
	}
	if _, err := r.Verifier().Verify(s.ticket("early", "gcc"), digest.Empty(), time.Now()); err == nil {
		t.Error("a lease is taken before the key is known")
	}
	close(key)
	s.use(r, "n1", "gcc")
	r.Verifier().Done("n1", true)
	s.use(r, "n2", "gcc")
	seen := map[string]int{}
	var jobs []string
	for seen["load 5"] < 2 || len(jobs) < 3 {
		got := soon(t, "more", words)
		if seen[got]++; !strings.HasPrefix(got, "load") {
			jobs = append(jobs, got)
		}
	}
	if got := strings.Join(jobs, ", "); got != "started n1, ended n1, started n2" {
		t.Error(got)
	}
	if n := strings.Count(log.String(), "msg=registered"); n != 1 {
		t.Errorf("it says %d times that it is registered: %s", n, log)
	}
}

// TestComesBack: when a stream has ended the next one begins with what runs and what was run
// lately; what ended meanwhile is not in it.
func TestComesBack(t *testing.T) {
	first, cut, second := make(chan string, 10), make(chan struct{}), make(chan string, 10)
	var s *scheduler
	s = start(t, func(nth int, w stream) error {
		_ = s.hello(w)
		m, err := w.Recv()
		if err != nil {
			return err
		}
		if nth == 1 {
			first <- word(m)
			<-cut
			return status.Error(codes.Unavailable, "the scheduler is started again")
		}
		second <- word(m)
		<-w.Context().Done()
		return nil
	})
	r, _ := s.worker()
	soon(t, "registration", first)
	s.use(r, "long", "gcc")
	s.use(r, "short", "rust")
	close(cut)
	r.Verifier().Done("short", true)
	if got := soon(t, "second registration", second); got != address+" 3 0101 true [gcc rust] [long]" {
		t.Errorf("registered as %s", got)
	}
}

// TestRefused: a worker that is not let in says why, once, and tries again until it is.
func TestRefused(t *testing.T) {
	in := make(chan int, 1)
	var s *scheduler
	s = start(t, func(nth int, w stream) error {
		if nth <= 3 {
			return status.Error(codes.Unauthenticated, "the token has expired")
		}
		in <- nth
		_ = s.hello(w)
		<-w.Context().Done()
		return nil
	})
	r, log := s.worker()
	if nth := soon(t, "registration", in); nth != 4 {
		t.Errorf("let in by stream %d", nth)
	}
	s.use(r, "n", "")
	if text := log.String(); strings.Count(text, "not registered") != 1 || !strings.Contains(text, "the token has expired") {
		t.Errorf("it says %s", text)
	}
}

// TestSilent: a scheduler that says nothing any more is taken for gone, and looked for anew.
func TestSilent(t *testing.T) {
	t.Parallel()
	again := make(chan time.Time, 2)
	var s *scheduler
	s = start(t, func(_ int, w stream) error {
		_ = s.hello(w)
		again <- time.Now()
		<-w.Context().Done()
		return nil
	})
	_, log := s.worker()
	begun := soon(t, "registration", again)
	if took := soon(t, "second registration", again).Sub(begun); took < silence-time.Second || took > silence+5*time.Second {
		t.Errorf("it comes again after %s", took)
	}
	if !strings.Contains(log.String(), "it says nothing") {
		t.Errorf("it says %s", log)
	}
}

// TestDeaf: a scheduler that does not listen neither holds up jobs nor makes the worker keep
// messages without end; a new stream begins with what runs.
func TestDeaf(t *testing.T) {
	heard := make(chan string, 1)
	var s *scheduler
	s = start(t, func(nth int, w stream) error {
		_ = s.hello(w)
		if nth > 1 {
			m, err := w.Recv()
			if err != nil {
				return err
			}
			heard <- word(m)
		}
		<-w.Context().Done()
		return nil
	})
	r, log := s.worker()
	s.use(r, "kept", "gcc")
	var longest time.Duration
	for range 10_000 { // two messages each; what is on its way takes some thousands
		begun := time.Now()
		s.once(r)
		longest = max(longest, time.Since(begun))
	}
	if longest > silence/2 {
		t.Errorf("a job is held up for %s", longest)
	}
	if got := soon(t, "second registration", heard); got != address+" 3 0101 true [gcc] [kept]" {
		t.Errorf("registered as %s", got)
	}
	if !strings.Contains(log.String(), "it does not listen") {
		t.Errorf("it says %s", log)
	}
}

// once has a job of a lease tried that lacks blobs, which the scheduler hears of twice.
func (s *scheduler) once(r *register.Registration) {
	if _, err := r.Verifier().Verify(s.again(), digest.Empty(), time.Now()); err != nil {
		s.t.Fatal(err)
	}
	r.Verifier().Done("again", false)
}

// again returns the ticket of one lease.
func (s *scheduler) again() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lasting == "" {
		s.lasting = s.ticket("again", "")
	}
	return s.lasting
}
