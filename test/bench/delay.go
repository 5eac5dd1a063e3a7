package main

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// delayed stands before a service and hands on all bytes a while after they came, as a
// long line does: of any bandwidth.
type delayed struct {
	address string
	back    string
	oneWay  atomic.Int64 // nanoseconds
	l       net.Listener

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func startDelayed(back string) (*delayed, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d := &delayed{address: l.Addr().String(), back: back, l: l}
	go d.serve()
	return d, nil
}

func (d *delayed) serve() {
	for {
		front, err := d.l.Accept()
		if err != nil {
			return
		}
		back, err := net.Dial("tcp", d.back)
		if err != nil {
			front.Close()
			continue
		}
		d.mu.Lock()
		d.conns = append(d.conns, front, back)
		d.mu.Unlock()
		go d.carry(front, back)
		go d.carry(back, front)
	}
}

// piece is what was read at once, and when it is to go on.
type piece struct {
	due time.Time
	b   []byte
}

// carry hands on what from sends.
func (d *delayed) carry(from, to net.Conn) {
	defer to.Close()
	queue := make(chan piece, 1<<14)
	go func() {
		defer close(queue)
		for {
			b := make([]byte, 64<<10)
			n, err := from.Read(b)
			if n > 0 {
				queue <- piece{time.Now().Add(time.Duration(d.oneWay.Load())), b[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range queue {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.b); err != nil {
			_, _ = io.Copy(io.Discard, from) // until it ends
			return
		}
	}
}

// cut ends all connections.
func (d *delayed) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		c.Close()
	}
	d.conns = nil
}

func (d *delayed) stop() {
	d.l.Close()
	d.cut()
}
