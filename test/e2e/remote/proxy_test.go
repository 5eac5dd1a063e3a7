package remote

import (
	"crypto/tls"
	"net"
	"sync"
	"testing"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// proxy stands between client and service, and changes what goes through.
type proxy struct {
	address string
	// answer changes one message of the service; nil: it goes through as it is.
	answer func(method string, message []byte) []byte
	// drop ends the call where answer has been asked about the end of an execution.
	drop bool
	// admit refuses calls.
	admit func(method string, md metadata.MD) error

	mu    sync.Mutex // guards calls
	calls map[string]int
}

// count returns how often a method was called.
func (p *proxy) count(method string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[method]
}

// startProxy starts a proxy before the service; with security it speaks TLS.
func startProxy(t *testing.T, e *engine, security *tls.Config) *proxy {
	t.Helper()
	back, err := grpc.NewClient("passthrough:///"+e.address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(harness.Raw{}), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String(), calls: map[string]int{}}
	options := []grpc.ServerOption{grpc.ForceServerCodec(harness.Raw{}), grpc.MaxRecvMsgSize(64 << 20),
		grpc.UnknownServiceHandler(func(_ any, front grpc.ServerStream) error { return p.forward(front, back) })}
	if security != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(security)))
	}
	s := grpc.NewServer(options...)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		back.Close()
	})
	return p
}

// isEnd reports whether a message ends an execution, other than the probe.
func isEnd(message []byte) bool {
	op := &longrunning.Operation{}
	return proto.Unmarshal(message, op) == nil && op.GetDone() && !isProbe(op)
}

func (p *proxy) url() string { return "grpc://" + p.address }

// forward carries one call.
func (p *proxy) forward(front grpc.ServerStream, back *grpc.ClientConn) error {
	method, _ := grpc.MethodFromServerStream(front)
	p.mu.Lock()
	p.calls[method]++
	p.mu.Unlock()
	if p.admit != nil {
		md, _ := metadata.FromIncomingContext(front.Context())
		if err := p.admit(method, md); err != nil {
			return err
		}
	}
	return harness.Forward(front, back, nil, func(method string, b []byte) ([]byte, error) {
		if p.answer == nil {
			return b, nil
		}
		b = p.answer(method, b)
		if p.drop && method == methodExecute && front.Context().Err() == nil && isEnd(b) {
			return nil, status.Error(codes.Unavailable, "gone")
		}
		return b, nil
	})
}
