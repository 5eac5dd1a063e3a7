package coordinator

import (
	"context"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachepot/cachepot/internal/wire"
)

// lifeSign is how often a caller that waits is told that the server is alive.
// The wrapper goes on alone after two seconds of silence.
const lifeSign = 500 * time.Millisecond

// firstFrame is how long a caller may take to say what it wants.
const firstFrame = 10 * time.Second

// peer is a connected caller.
type peer struct {
	net.Conn
	mu    sync.Mutex // one frame at a time
	alive *time.Timer
}

// stopAlive ends the signs of life; none is sent once it has returned.
func (p *peer) stopAlive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alive != nil {
		p.alive.Stop()
		p.alive = nil
	}
}

// keepAlive sends signs of life from now on.
func (p *peer) keepAlive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	var beat func()
	beat = func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.alive == nil {
			return
		}
		if p.write(wire.Frame(wire.KindWorking, nil)) == nil {
			p.alive.Reset(lifeSign)
		}
	}
	p.alive = time.AfterFunc(lifeSign, beat)
}

// send sends one frame. A caller that has gone away is noticed by the next read.
func (p *peer) send(frame []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = p.write(frame)
}

// write writes one frame in good time. The caller holds the lock.
func (p *peer) write(frame []byte) error {
	// A deadline of an earlier frame would fail this one.
	if err := p.SetWriteDeadline(time.Now().Add(firstFrame)); err != nil {
		return err
	}
	_, err := p.Write(frame)
	return err
}

// whilePresent returns a context that ends when the caller goes away, which has
// nothing to say until it is answered. stop must be called before it is.
func (p *peer) whilePresent(ctx context.Context) (present context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	var stopped atomic.Bool
	go func() {
		defer close(ended)
		var b [1]byte
		if _, _ = p.Read(b[:]); !stopped.Load() {
			cancel()
		}
	}()
	return ctx, func() {
		stopped.Store(true)
		_ = p.SetReadDeadline(time.Unix(1, 0))
		<-ended
		_ = p.SetReadDeadline(time.Time{})
		cancel()
	}
}

// answer sends the frame that ends a wait.
func (p *peer) answer(frame []byte) {
	p.stopAlive()
	p.send(frame)
}

// showEvery is how often a caller is told of progress at most.
const showEvery = 100 * time.Millisecond

// toolchainProgress returns what tells the caller how far the reading of a
// toolchain has come. p may be nil: then nobody is told.
func (p *peer) toolchainProgress() func(done, total int64) {
	last := time.Now() // what is done at once is not worth showing
	return func(done, total int64) {
		if p == nil || time.Since(last) < showEvery {
			return
		}
		last = time.Now()
		pr := wire.Progress{What: "reading the toolchain", Done: uint64(done), Total: uint64(total)}
		p.send(pr.Append(nil))
	}
}

// serve holds one conversation.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	p := &peer{Conn: conn}
	defer conn.Close()
	defer p.stopAlive()
	defer func() {
		// A fault in the handling of one call must not take the others with it;
		// its caller sees the connection close and compiles.
		if r := recover(); r != nil {
			s.Log.Error("call failed", "target", "cachepot::coordinator", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	if !OwnPeer(conn) {
		s.decline("another user")
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(firstFrame))
	kind, payload, err := wire.ReadFrame(conn, s.MaxFrame, nil)
	if err != nil {
		s.Log.Debug("no request", "target", "cachepot::coordinator", "error", err)
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	switch kind {
	case wire.KindCompile:
		s.compile(ctx, p, payload)
	case wire.KindControl:
		s.control(ctx, p, payload)
	}
}
