// Package worker is a Remote Execution service: it keeps blobs, executes actions in
// sandboxes, and answers from what it has executed. Clients can put blobs and nothing
// else; results come from its own jobs alone. What it promises on the wire is specified
// in docs/spec/wire.md.
//
// Who may use it is decided by a Gate, which who composes the worker chooses. Command
// cachepot-dist imports it, and nothing else does.
package worker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/genproto/googleapis/bytestream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/dist/execute"
)

// Config is what a Server is made of.
type Config struct {
	Blobs   *blobs.Store
	Execute *execute.Executor
	Gate    Gate
	TLS     *tls.Config // nil: in the clear
	Slots   int         // jobs at the same time
	Queue   int         // jobs that wait at most, leased and direct ones each
	Held    *Held       // is told of what leased jobs need; may be nil
	Log     *slog.Logger
	Now     func() time.Time
}

// Server is a worker's services. All methods are safe for concurrent use.
type Server struct {
	config Config
	grpc   *grpc.Server
	slots  *slots
	jobs   *jobs
	door   *door
}

const (
	// What a connection may hold unread, in bytes; docs/spec/wire.md says why.
	streamWindow     = 8 << 20
	connectionWindow = 16 << 20
	// maxMessage bounds what a client can send in one message.
	maxMessage = 4<<20 + 64<<10
	// maxStreams bounds the calls of one connection at the same time.
	maxStreams = 256
	// maxConnections bounds the connections at the same time; see door.
	maxConnections = 1024
	handshakeTime  = 5 * time.Second
	idleTime       = 10 * time.Minute
)

// New returns a server, which does not listen yet.
func New(c Config) *Server {
	s := &Server{config: c, slots: newSlots(c.Slots, c.Queue), jobs: newJobs()}
	s.door = newDoor(maxConnections)
	options := []grpc.ServerOption{
		grpc.InitialWindowSize(streamWindow), grpc.InitialConnWindowSize(connectionWindow),
		grpc.MaxRecvMsgSize(maxMessage), grpc.MaxConcurrentStreams(maxStreams), grpc.MaxHeaderListSize(64 << 10),
		grpc.ConnectionTimeout(handshakeTime), grpc.SharedWriteBuffer(true),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idleTime, Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.InTapHandle(s.greet),
		grpc.UnaryInterceptor(s.unary), grpc.StreamInterceptor(s.stream),
	}
	if c.TLS != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(c.TLS)))
	}
	s.grpc = grpc.NewServer(options...)
	repb.RegisterCapabilitiesServer(s.grpc, &capabilities{server: s})
	repb.RegisterContentAddressableStorageServer(s.grpc, &contents{server: s})
	bytestream.RegisterByteStreamServer(s.grpc, &streams{server: s})
	repb.RegisterActionCacheServer(s.grpc, &results{server: s})
	repb.RegisterExecutionServer(s.grpc, &execution{server: s})
	longrunning.RegisterOperationsServer(s.grpc, &operations{server: s})
	return s
}

// Serve answers on l until Stop; l is closed then.
func (s *Server) Serve(l net.Listener) error {
	err := s.grpc.Serve(s.door.guard(l))
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// Stop ends all calls and jobs.
func (s *Server) Stop() {
	s.jobs.cancelAll()
	s.grpc.Stop()
	s.jobs.wait()
}

// Load is how busy a worker is.
type Load struct{ Slots, Running, Waiting int }

// Load returns how busy the worker is.
func (s *Server) Load() Load { return s.slots.load() }

// greet lets a call in, before anything of it but its headers is read.
func (s *Server) greet(ctx context.Context, info *tap.Info) (context.Context, error) {
	if err := s.config.Gate.Know(info.Header); err != nil {
		return ctx, err
	}
	s.door.known(ctx)
	return ctx, nil
}

// unary logs what fails on our side and survives a panic.
func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (resp any, err error) {
	defer s.recovered(info.FullMethod, &err)
	return handle(ctx, req)
}

func (s *Server) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	defer s.recovered(info.FullMethod, &err)
	return handle(srv, stream)
}

func (s *Server) recovered(method string, err *error) {
	if r := recover(); r != nil {
		*err = s.defect(method, r)
	}
	if status.Code(*err) == codes.Internal {
		s.config.Log.Error("call failed", "method", method, "error", *err)
	}
}

// defect logs a panic and returns what the client hears of it.
func (s *Server) defect(where string, panicked any) error {
	s.config.Log.Error("defect", "method", where, "panic", fmt.Sprint(panicked), "stack", string(debug.Stack()))
	return status.Error(codes.Internal, "a defect of the worker; its log says more")
}

// enter returns the realm of an instance if the caller may use it.
func (s *Server) enter(ctx context.Context, instance string) (*blobs.Realm, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if err := s.config.Gate.Allow(instance, md); err != nil {
		return nil, err
	}
	realm, err := s.config.Blobs.Realm(instance)
	return realm, failed(ctx, err)
}

// supported checks the digest function of a request.
func supported(f repb.DigestFunction_Value) error {
	if f != repb.DigestFunction_UNKNOWN && f != repb.DigestFunction_SHA256 {
		return status.Errorf(codes.InvalidArgument, "digest function %s: SHA256 is the one", f)
	}
	return nil
}

// parse reads a digest of a request.
func parse(d *repb.Digest) (digest.Digest, error) {
	out, err := digest.Parse(fmt.Sprintf("%s/%d", d.GetHash(), d.GetSizeBytes()))
	if err != nil {
		return out, status.Errorf(codes.InvalidArgument, "%.100q with %d bytes is no digest", d.GetHash(), d.GetSizeBytes())
	}
	return out, nil
}

func message(d digest.Digest) *repb.Digest {
	return &repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}
}
