package reapi

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"golang.org/x/sys/unix"
	"google.golang.org/genproto/googleapis/bytestream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// Config says where a service is and how it is spoken to.
type Config struct {
	Address  string      // host:port
	TLS      *tls.Config // nil: in the clear
	Instance string      // instance name, "" where the service has one alone
	// Headers are sent with every call, as name and value in turn. They may hold
	// secrets: nothing prints them.
	Headers []string
	// Credentials add to the headers of each call what is known only when it is made; nil:
	// nothing.
	Credentials credentials.PerRPCCredentials
	// Agent is what the client calls itself.
	Agent string
}

// Client speaks to one instance of one service. It connects when it is first used, or
// Connect is called, and again whenever it has to. It is safe for concurrent use.
type Client struct {
	config Config
	calls  *grpc.ClientConn
	bulk   *grpc.ClientConn // of its own, so that a large blob holds up no small call
	known  *known
	prefix string       // of the names of blobs: the instance and a slash, or nothing
	asked  atomic.Int64 // when Connect was called last, or a call made; nanoseconds since 1970
	close  context.CancelFunc

	uploading sync.Mutex // held while much is uploaded, so that it is not uploaded twice

	mu     sync.Mutex // guards limits
	limits *Limits    // nil: not asked for, or the service may be another by now
}

const (
	// What a connection may hold unread, in bytes. With the defaults 1.8 MB took
	// 88 ms at a round trip of 10 ms, and 15 ms with these.
	streamWindow     = 8 << 20
	connectionWindow = 16 << 20
	// maxMessage is the longest message that is taken: outputs may come in one.
	maxMessage = 16 << 20
)

// New returns a client. It does not connect.
func New(c Config) (*Client, error) {
	cl := &Client{config: c, known: newKnown()}
	if c.Instance != "" {
		cl.prefix = c.Instance + "/"
	}
	var err error
	if cl.calls, err = dial(c); err != nil {
		return nil, err
	}
	if cl.bulk, err = dial(c); err != nil {
		_ = cl.calls.Close()
		return nil, err
	}
	ctx, end := context.WithCancel(context.Background())
	cl.close = end
	go cl.hold(ctx, cl.calls)
	go cl.hold(ctx, cl.bulk)
	return cl, nil
}

func dial(c Config) (*grpc.ClientConn, error) {
	secure := insecure.NewCredentials()
	if c.TLS != nil {
		secure = credentials.NewTLS(c.TLS)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secure),
		grpc.WithContextDialer(connect),
		// One that is there again is soon of use again, however long it was gone.
		grpc.WithConnectParams(grpc.ConnectParams{MinConnectTimeout: connectWait, Backoff: backoff.Config{
			BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: connectAgain,
		}}),
		grpc.WithUserAgent(c.Agent),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
	}
	if c.Credentials != nil {
		options = append(options, grpc.WithPerRPCCredentials(c.Credentials))
	}
	conn, err := grpc.NewClient("passthrough:///"+c.Address, options...)
	if err != nil {
		return nil, fmt.Errorf("set up connection to %s: %w", c.Address, err)
	}
	return conn, nil
}

// connect opens a connection whose other end is noticed to have gone within half
// a minute. The kernel asks; services end connections that ping too often. It does not ask while
// something is under way that was not acknowledged, but sends that ever more seldom, for a quarter
// of an hour, and nothing else meanwhile, even where the way is free again.
func connect(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: connectWait, Control: boundSilence, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4,
	}}
	return d.DialContext(ctx, "tcp", address)
}

// boundSilence ends a connection on which nothing was acknowledged for a while.
func boundSilence(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(ackWait/time.Millisecond))
	})
	return errors.Join(err, failed)
}

// Time limits; docs/spec/wire.md has them.
const (
	connectWait  = 5 * time.Second
	connectAgain = 3 * time.Second  // between two tries, at most
	ackWait      = 15 * time.Second // what was sent is acknowledged
	callWait     = 30 * time.Second // a call with a short answer
	bulkWait     = 10 * time.Minute // one blob
	executeWait  = time.Hour        // a whole execution
	cancelWait   = 2 * time.Second
)

// Close gives up the connections.
func (c *Client) Close() error {
	c.close()
	err := c.calls.Close()
	if other := c.bulk.Close(); err == nil {
		err = other
	}
	return err
}

// Address returns where the service is, as host:port.
func (c *Client) Address() string { return c.config.Address }

// outgoing adds the headers to the calls of ctx.
func (c *Client) outgoing(ctx context.Context) context.Context {
	if len(c.config.Headers) == 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, c.config.Headers...)
}

func (c *Client) cas() repb.ContentAddressableStorageClient {
	return repb.NewContentAddressableStorageClient(c.calls)
}

func (c *Client) execution() repb.ExecutionClient { return repb.NewExecutionClient(c.calls) }

func (c *Client) operations() longrunning.OperationsClient {
	return longrunning.NewOperationsClient(c.calls)
}

func (c *Client) bytes() bytestream.ByteStreamClient { return bytestream.NewByteStreamClient(c.bulk) }
