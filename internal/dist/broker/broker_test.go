package broker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/auth"
	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/dist/distpb"
	"github.com/cachepot/cachepot/internal/dist/scheduler"
)

const (
	clientToken = "canary-client-token"
	secretKey   = "Y2FuYXJ5LXNlY3JldC1rZXktMzItYnl0ZXMtbG9uZyE" // a key: deriving one takes time
)

// served is a scheduler that listens.
type served struct {
	t       *testing.T
	b       *Broker
	address string
	conn    *grpc.ClientConn
	log     *journal
}

// journal is a log that is read while it may still be written.
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

func serve(t *testing.T) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	c := &config.Scheduler{PublicAddr: config.Address{Host: host, Port: port},
		ClientAuth: config.ClientAuth{Type: config.AuthToken, Token: config.NewSecret(clientToken)},
		WorkerAuth: config.WorkerAuth{Type: config.AuthJWT, SecretKey: config.NewSecret(secretKey)}}
	s := &served{t: t, address: l.Addr().String(), log: &journal{}}
	if s.b, err = New(c, slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- s.b.Listen(ctx, c, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	if s.conn, err = grpc.NewClient("passthrough:///"+s.address, grpc.WithTransportCredentials(insecure.NewCredentials())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.conn.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ends with %v", err)
		}
		for _, secret := range []string{clientToken, secretKey} {
			if strings.Contains(s.log.String(), secret) {
				t.Errorf("the log holds %s:\n%s", secret, s.log)
			}
		}
	})
	return s
}

func (s *served) context(token string) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	s.t.Cleanup(cancel)
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	return ctx
}

func (s *served) workerToken(address string) string {
	s.t.Helper()
	w, err := auth.NewWorkers(config.WorkerAuth{Type: config.AuthJWT, SecretKey: config.NewSecret(secretKey)})
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := w.Token(address, time.Time{})
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// register opens a worker's stream and returns the first answer, or how it was refused.
func (s *served) register(token string, says *distpb.Register) (distpb.Scheduler_ServeClient, codes.Code) {
	s.t.Helper()
	stream, err := distpb.NewSchedulerClient(s.conn).Serve(s.context(token))
	if err == nil {
		first := &distpb.FromWorker{Message: &distpb.FromWorker_Register{Register: says}}
		if says == nil {
			first = &distpb.FromWorker{Message: &distpb.FromWorker_Load{Load: &distpb.Load{}}}
		}
		err = stream.Send(first)
	}
	if err == nil || errors.Is(err, io.EOF) {
		var m *distpb.ToWorker
		if m, err = stream.Recv(); err == nil && len(m.GetLeaseKey()) == 0 {
			s.t.Error("a worker is not told the key")
		}
	}
	return stream, status.Code(err)
}

// TestRegister: a worker is let in at the address that its token is for, with a key where it
// can be reached from elsewhere; no header says where it comes from (threats, rows 26 to 28).
func TestRegister(t *testing.T) {
	s := serve(t)
	pin := sha256.Sum256([]byte("key"))
	a, b := s.workerToken("10.0.0.1:10501"), s.workerToken("10.0.0.2:10501")
	local := s.workerToken("127.0.0.1:10501")
	for name, test := range map[string]struct {
		token string
		says  *distpb.Register
		want  codes.Code
	}{
		"its own address":        {a, &distpb.Register{PublicAddr: "10.0.0.1:10501", Cpus: 2, KeyPin: pin[:]}, codes.OK},
		"another's":              {b, &distpb.Register{PublicAddr: "10.0.0.1:10501", Cpus: 2, KeyPin: pin[:]}, codes.Unauthenticated},
		"no token":               {"", &distpb.Register{PublicAddr: "10.0.0.1:10501", Cpus: 2, KeyPin: pin[:]}, codes.Unauthenticated},
		"a client's token":       {clientToken, &distpb.Register{PublicAddr: "10.0.0.1:10501", Cpus: 2, KeyPin: pin[:]}, codes.Unauthenticated},
		"no key":                 {a, &distpb.Register{PublicAddr: "10.0.0.1:10501", Cpus: 2}, codes.InvalidArgument},
		"half a key":             {a, &distpb.Register{PublicAddr: "10.0.0.1:10501", Cpus: 2, KeyPin: pin[:16]}, codes.InvalidArgument},
		"no key, on loopback":    {local, &distpb.Register{PublicAddr: "127.0.0.1:10501", Cpus: 2}, codes.OK},
		"four billion CPUs":      {a, &distpb.Register{PublicAddr: "10.0.0.1:10501", Cpus: 1<<32 - 1, KeyPin: pin[:]}, codes.FailedPrecondition},
		"no CPUs":                {a, &distpb.Register{PublicAddr: "10.0.0.1:10501", KeyPin: pin[:]}, codes.FailedPrecondition},
		"no port":                {s.workerToken("10.0.0.1"), &distpb.Register{PublicAddr: "10.0.0.1", Cpus: 1, KeyPin: pin[:]}, codes.InvalidArgument},
		"another message first":  {a, nil, codes.InvalidArgument},
		"a line in its address":  {s.workerToken("h\n:1"), &distpb.Register{PublicAddr: "h\n:1", Cpus: 1, KeyPin: pin[:]}, codes.FailedPrecondition},
		"toolchains without end": {a, &distpb.Register{PublicAddr: "10.0.0.1:10501", Cpus: 1, KeyPin: pin[:], Toolchains: make([]string, 1000)}, codes.FailedPrecondition},
	} {
		stream, code := s.register(test.token, test.says)
		if code != test.want {
			t.Errorf("%s: %s, want %s", name, code, test.want)
		}
		if code == codes.OK {
			_ = stream.CloseSend()
		}
	}
	ctx := metadata.AppendToOutgoingContext(s.context(b), "x-real-ip", "10.0.0.1", "x-forwarded-for", "10.0.0.1")
	stream, err := distpb.NewSchedulerClient(s.conn).Serve(ctx)
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.Send(&distpb.FromWorker{Message: &distpb.FromWorker_Register{Register: &distpb.Register{PublicAddr: "10.0.0.1:10501", Cpus: 2, KeyPin: pin[:]}}})
	if _, err := stream.Recv(); status.Code(err) != codes.Unauthenticated {
		t.Errorf("with a header of a proxy: %v", err)
	}
}

// TestLeases: a client with the token gets leases of a worker, signed by the key that the
// worker was told, and is told when the worker is gone; others get none.
func TestLeases(t *testing.T) {
	s := serve(t)
	for _, token := range []string{"", "wrong", s.workerToken("127.0.0.1:1")} {
		stream, err := distpb.NewSchedulerClient(s.conn).Lease(s.context(token))
		if err == nil {
			_, err = stream.Recv()
		}
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("with token %q: %v", token, err)
		}
	}
	worker, code := s.register(s.workerToken("127.0.0.1:1"), &distpb.Register{PublicAddr: "127.0.0.1:1", Cpus: 1, Reports: true})
	if code != codes.OK {
		t.Fatal(code)
	}
	client, err := distpb.NewSchedulerClient(s.conn).Lease(s.context(clientToken))
	if err != nil {
		t.Fatal(err)
	}
	say := func(m *distpb.FromClient) {
		t.Helper()
		if err := client.Send(m); err != nil {
			t.Fatal(err)
		}
	}
	// hear returns the next message that fits.
	hear := func(what string, fits func(*distpb.ToClient) bool) *distpb.ToClient {
		t.Helper()
		for {
			m, err := client.Recv()
			if err != nil {
				t.Fatalf("%s does not come: %v", what, err)
			}
			if fits(m) {
				return m
			}
		}
	}
	hear("welcome", func(m *distpb.ToClient) bool { return m.GetWelcome() != nil })
	hear("capacity", func(m *distpb.ToClient) bool { return m.GetCapacity().GetWorkers() == 1 })
	say(&distpb.FromClient{Message: &distpb.FromClient_Demand{Demand: &distpb.Demand{Affinity: "gcc", Idle: 1}}})
	g := hear("a lease", func(m *distpb.ToClient) bool { return m.GetGrant() != nil }).GetGrant()
	if g.GetWorker() != "127.0.0.1:1" || g.GetLease() == "" || g.GetPass() == "" || g.GetLease() == g.GetPass() || g.GetValidMillis() != 10000 {
		t.Errorf("%v", g)
	}
	say(&distpb.FromClient{Message: &distpb.FromClient_Begin{Begin: &distpb.Begin{Nonce: g.GetNonce()}}})
	say(&distpb.FromClient{Message: &distpb.FromClient_Renew{Renew: &distpb.Renew{Nonce: g.GetNonce()}}})
	again := hear("the lease anew", func(m *distpb.ToClient) bool { return m.GetGrant() != nil }).GetGrant()
	if again.GetNonce() != g.GetNonce() {
		t.Errorf("another lease: %v", again)
	}
	st, err := distpb.NewSchedulerClient(s.conn).Status(s.context(""), &distpb.StatusRequest{})
	if err != nil || st.GetNumWorkers() != 1 || st.GetNumCpus() != 1 || st.GetInProgress() != 1 {
		t.Errorf("status %v, %v", st, err)
	}
	_ = worker.CloseSend()
	if l := hear("the loss", func(m *distpb.ToClient) bool { return m.GetLost() != nil }).GetLost(); l.GetWorker() != "127.0.0.1:1" {
		t.Errorf("lost %v", l)
	}
	hear("capacity", func(m *distpb.ToClient) bool { return m.GetCapacity() != nil && m.GetCapacity().GetWorkers() == 0 })
}

// TestPort: one port has the status by HTTP, and nothing else but calls.
func TestPort(t *testing.T) {
	s := serve(t)
	for path, want := range map[string]int{statusPath: 200, "/": 404, statusPath + "/x": 404, "/api/v1/scheduler/alloc_job": 404} {
		resp, err := http.Get("http://" + s.address + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != want || want == 200 && string(body) != `{"num_workers":0,"num_cpus":0,"in_progress":0}`+"\n" {
			t.Errorf("%s: %d, %s", path, resp.StatusCode, body)
		}
	}
	resp, err := http.Post("http://"+s.address+statusPath, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", resp.StatusCode)
	}
}

// TestIdleConnections: thousands of connections that say nothing leave an honest client served,
// and are closed (threats, row 22).
func TestIdleConnections(t *testing.T) {
	s := serve(t)
	const many = 4000 // each takes two descriptors of this process
	var idle []net.Conn
	for i := range many {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 { // some begin to speak
			_, _ = io.WriteString(c, "GET /api/v1/sch")
		}
		idle = append(idle, c)
	}
	var slowest time.Duration
	for range 50 {
		start := time.Now()
		resp, err := http.Get("http://" + s.address + statusPath)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		slowest = max(slowest, time.Since(start))
	}
	if slowest > time.Second {
		t.Errorf("an honest request takes %v", slowest)
	}
	deadline := time.Now().Add(2 * headerWait)
	for i, c := range idle {
		_ = c.SetReadDeadline(deadline)
		if _, err := io.Copy(io.Discard, c); err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("connection %d is not closed: %v", i, err)
		}
		_ = c.Close()
	}
	if time.Now().After(deadline) {
		t.Error("connections that say nothing stay")
	}
}

// TestPanic: a call that makes the scheduler panic ends alone.
func TestPanic(t *testing.T) {
	s := serve(t)
	err := recoverStream(s.b.log)(nil, nil, &grpc.StreamServerInfo{}, func(any, grpc.ServerStream) error { panic("x") })
	if status.Code(err) != codes.Internal {
		t.Errorf("%v", err)
	}
	_, err = recoverCall(s.b.log)(context.Background(), nil, &grpc.UnaryServerInfo{}, func(context.Context, any) (any, error) { panic("x") })
	if status.Code(err) != codes.Internal {
		t.Errorf("%v", err)
	}
}

// FuzzMessages: whatever a worker and a client say, the scheduler goes on.
func FuzzMessages(f *testing.F) {
	f.Add([]byte("demand"), uint32(3), uint8(1))
	f.Fuzz(func(t *testing.T, text []byte, n uint32, what uint8) {
		b, err := New(&config.Scheduler{ClientAuth: config.ClientAuth{Type: config.AuthInsecure}, WorkerAuth: config.WorkerAuth{Type: config.AuthInsecure}},
			slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		w, _ := workerOf(&distpb.Register{PublicAddr: string(text), Cpus: n, KeyPin: text, Toolchains: []string{string(text)}, Running: []string{string(text)}})
		_, _, _ = b.addWorker(w)
		b.do(func(m *scheduler.Machine, now scheduler.Instant) {
			_ = m.AddClient(now, 1)
			_ = m.AddWorker(now, 2, scheduler.Worker{Addr: "h:1", CPUs: 2, Reports: true}, false)
			for i, name := range []string{string(text), "n", ""} {
				switch (int(what) + i) % 8 {
				case 0:
					m.Demand(now, 1, name, int(int32(n)))
				case 1:
					m.Begin(now, 1, name)
				case 2:
					m.Release(now, 1, name, outcome(distpb.Outcome(n)))
				case 3:
					m.Started(now, 2, name)
				case 4:
					m.Ended(now, 2, name)
				case 5:
					m.Load(now, 2, int(int32(n)))
				case 6:
					m.Tick(now + scheduler.Instant(n))
				case 7:
					m.RemoveClient(now, scheduler.ClientID(n))
				}
			}
		})
		if s := b.machine.Status(); s.CPUs < 0 || s.InProgress > 4*4096 {
			t.Errorf("%+v", s)
		}
	})
}
