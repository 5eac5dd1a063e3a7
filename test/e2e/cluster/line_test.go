package cluster

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// line carries the calls that parts make at an address of the loopback interface of one host to the same
// address on another. Between the two there is nothing else, so that what is dropped on the loopback
// interface of the first, by port and direction, is lost between them.
type line struct {
	address  string
	from, to *harness.Host
	trap     atomic.Pointer[trap]

	server *grpc.Server
	back   *grpc.ClientConn
}

// trap holds messages of a kind from the first one on, until it is let go.
type trap struct {
	is      func(method string, up bool, message []byte) bool
	once    sync.Once
	reached chan *line // has room for one: where it was reached first
	gone    chan struct{}
}

func newTrap(is func(method string, up bool, message []byte) bool) *trap {
	return &trap{is: is, reached: make(chan *line, 1), gone: make(chan struct{})}
}

func (t *trap) reach(l *line) { t.once.Do(func() { t.reached <- l }) }

// start lets the line carry calls, for the first time or after cut.
func (l *line) start() error {
	dial := func(context.Context, string) (conn net.Conn, err error) {
		err = l.to.Do(func() error {
			conn, err = net.DialTimeout("tcp4", l.address, 5*time.Second)
			return err
		})
		return conn, err
	}
	var err error
	l.back, err = grpc.NewClient("passthrough:///"+l.address, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dial),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(harness.Raw{}), grpc.MaxCallRecvMsgSize(64<<20)))
	if err != nil {
		return err
	}
	var listener net.Listener
	if err := l.from.Do(func() (err error) {
		listener, err = net.Listen("tcp4", l.address)
		return err
	}); err != nil {
		return errors.Join(err, l.back.Close())
	}
	back := l.back
	l.server = grpc.NewServer(grpc.ForceServerCodec(harness.Raw{}), grpc.MaxRecvMsgSize(64<<20),
		grpc.UnknownServiceHandler(func(_ any, front grpc.ServerStream) error {
			return harness.Forward(front, back, l.seen(front, true), l.seen(front, false))
		}))
	server := l.server
	go func() { _ = server.Serve(listener) }()
	return nil
}

// seen holds what the trap of the line is for.
func (l *line) seen(front grpc.ServerStream, up bool) harness.Seen {
	return func(method string, b []byte) ([]byte, error) {
		if t := l.trap.Load(); t != nil && t.is(method, up, b) {
			t.reach(l)
			select {
			case <-t.gone:
			case <-front.Context().Done():
			}
		}
		return b, nil
	}
}

// end closes all connections of the line, and lets nobody make one, as where the other end has
// died.
func (l *line) end() {
	if l.server != nil {
		l.server.Stop()
		_ = l.back.Close()
		l.server = nil
	}
}
