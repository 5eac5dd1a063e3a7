package broker

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/config"
	"github.com/cachepot/cachepot/internal/dist/distpb"
)

// statusPath is where the status is found by HTTP.
const statusPath = "/api/v1/scheduler/status"

const (
	// maxMessage is the longest message of a worker or a client, in bytes.
	maxMessage = 1 << 20
	// headerWait is how long a request may take to say what it wants, and idleWait how long
	// a connection stays on which nothing is asked.
	headerWait = 10 * time.Second
	idleWait   = 2 * time.Minute
	// pingAfter is after how long without a word a connection is asked for a sign of life,
	// which it has pingWait to give.
	pingAfter = 15 * time.Second
	pingWait  = 10 * time.Second
	// maxStreams is how many calls one connection may make at a time.
	maxStreams = 32
)

// Listen serves b at c's address until ctx is done. ready is called once it can be reached.
// One port is enough: calls by gRPC and the status by HTTP come apart by what they say they
// are, over TLS where c has a certificate, else in the clear.
func (b *Broker) Listen(ctx context.Context, c *config.Scheduler, ready func()) error {
	var secure *tls.Config
	if c.TLS != nil {
		pair, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
		if err != nil {
			return fmt.Errorf("tls.certificate: %w", err)
		}
		secure = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	l, err := net.Listen("tcp", c.PublicAddr.HostPort())
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	l = limit(l, b.log)
	calls := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.ChainStreamInterceptor(recoverStream(b.log)), grpc.ChainUnaryInterceptor(recoverCall(b.log)))
	distpb.RegisterSchedulerServer(calls, b)
	server := &http.Server{
		Handler: b.handler(calls), ErrorLog: slog.NewLogLogger(b.log.Handler(), slog.LevelDebug),
		ReadHeaderTimeout: headerWait, IdleTimeout: idleWait, MaxHeaderBytes: 16 << 10,
		Protocols: protocols(), TLSConfig: secure,
		HTTP2:       &http.HTTP2Config{MaxConcurrentStreams: maxStreams, SendPingTimeout: pingAfter, PingTimeout: pingWait, WriteByteTimeout: pingAfter},
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go b.Run(ctx)
	go func() {
		<-ctx.Done()
		_ = server.Close() // streams have no end of their own
	}()
	ready()
	b.log.Info("the scheduler listens", "address", l.Addr().String(), "tls", secure != nil)
	if secure != nil {
		err = server.ServeTLS(l, "", "")
	} else {
		err = server.Serve(l)
	}
	if ctx.Err() == nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// handler tells calls from requests.
func (b *Broker) handler(calls http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc"):
			calls.ServeHTTP(w, r)
		case r.URL.Path != statusPath:
			http.NotFound(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		default:
			b.showStatus(w, r)
		}
	})
}

// showStatus answers with one JSON object: num_workers, num_cpus, in_progress.
func (b *Broker) showStatus(w http.ResponseWriter, r *http.Request) {
	s, err := b.Status(r.Context(), nil)
	if err != nil {
		http.Error(w, "no status", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(struct { // who asked may be gone
		Workers    uint32 `json:"num_workers"`
		CPUs       uint32 `json:"num_cpus"`
		InProgress uint32 `json:"in_progress"`
	}{s.GetNumWorkers(), s.GetNumCpus(), s.GetInProgress()})
}

// recoverStream ends the call alone that made the scheduler panic.
func recoverStream(log *slog.Logger) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
		defer func() { err = recovered(recover(), err, log, info.FullMethod) }()
		return handler(srv, stream)
	}
}

func recoverCall(log *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (_ any, err error) {
		defer func() { err = recovered(recover(), err, log, info.FullMethod) }()
		return handler(ctx, req)
	}
}

func recovered(panicked any, err error, log *slog.Logger, method string) error {
	if panicked == nil {
		return err
	}
	log.Error("a call panicked", "method", method, "panic", fmt.Sprint(panicked))
	return status.Error(codes.Internal, "internal error")
}

// maxConnections is how many connections there may be; further ones are closed at once.
const maxConnections = 16 << 10

// limited is a listener that closes what comes beyond a number.
type limited struct {
	net.Listener
	log  *slog.Logger
	mu   sync.Mutex // guards open
	open int
}

func limit(l net.Listener, log *slog.Logger) net.Listener { return &limited{Listener: l, log: log} }

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		ok := l.open < maxConnections
		if ok {
			l.open++
		}
		l.mu.Unlock()
		if ok {
			return &counted{Conn: c, done: l.closed}, nil
		}
		_ = c.Close()
		l.log.Warn("too many connections")
	}
}

func (l *limited) closed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open--
}

// counted is a connection that is counted until it is closed.
type counted struct {
	net.Conn
	done func()
	once sync.Once
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.once.Do(c.done)
	return c.Conn.Close()
}
