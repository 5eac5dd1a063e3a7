package reapi

import (
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// TestConnect: both connections are made before there is a call, and again when they break,
// but not long after the client was in use.
func TestConnect(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	came := make(chan net.Conn, 16)
	s := grpc.NewServer()
	go func() { _ = s.Serve(&telling{l, came}) }()
	defer s.Stop()
	c, err := New(Config{Address: l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	none := func(when string) {
		t.Helper()
		select {
		case <-came:
			t.Errorf("%s a connection was made", when)
		case <-time.After(300 * time.Millisecond):
		}
	}
	both := func(when string) (conns [2]net.Conn) {
		t.Helper()
		for i := range conns {
			select {
			case conns[i] = <-came:
			case <-time.After(20 * time.Second):
				t.Fatalf("%s %d connections were made, want 2", when, i)
			}
		}
		// One that breaks before it stands is tried again soon, whoever wants it.
		for _, conn := range []*grpc.ClientConn{c.calls, c.bulk} {
			for end := time.Now().Add(20 * time.Second); conn.GetState() != connectivity.Ready; time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s a connection is %v", when, conn.GetState())
				}
			}
		}
		return conns
	}
	none("before anything is asked for")
	c.Connect()
	conns := both("after Connect")
	c.Connect()
	none("though they stand already")
	for _, conn := range conns {
		conn.Close()
	}
	conns = both("after they broke")
	c.asked.Store(time.Now().Add(-2 * inUse).UnixNano())
	for _, conn := range conns {
		conn.Close()
	}
	none("long after the client was in use")
}

// telling is a listener that tells of what it accepts.
type telling struct {
	net.Listener
	came chan<- net.Conn
}

// Accept implements net.Listener.
func (l *telling) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.came <- c
	}
	return c, err
}
