package worker

import (
	"container/list"
	"context"
	"net"
	"sync"

	"google.golang.org/grpc/peer"
)

// door bounds the connections of a server. Where one comes too many, the oldest is
// closed of those that have never made a call that the gate knew: who only connects
// keeps nobody out.
type door struct {
	limit int

	mu    sync.Mutex
	count int
	fresh *list.List               // of *visitor, oldest first
	at    map[string]*list.Element // in fresh, by the address of the other end
}

// visitor is a connection.
type visitor struct {
	net.Conn
	door *door
	once sync.Once
}

func newDoor(limit int) *door {
	return &door{limit: limit, fresh: list.New(), at: map[string]*list.Element{}}
}

func (d *door) guard(l net.Listener) net.Listener { return &guarded{l, d} }

type guarded struct {
	net.Listener
	door *door
}

// Accept implements net.Listener.
func (g *guarded) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if v := g.door.enter(c); v != nil {
			return v, nil
		}
		c.Close()
	}
}

// enter counts a connection, for which another may have to go. It returns nil where all
// others are in use.
func (d *door) enter(c net.Conn) *visitor {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count >= d.limit {
		oldest := d.fresh.Front()
		if oldest == nil {
			return nil
		}
		v := oldest.Value.(*visitor)
		d.forget(v)
		go v.Close()
	}
	v := &visitor{Conn: c, door: d}
	d.count++
	d.at[c.RemoteAddr().String()] = d.fresh.PushBack(v)
	return v
}

// forget takes a connection off the list of fresh ones; the caller holds mu.
func (d *door) forget(v *visitor) {
	key := v.RemoteAddr().String()
	if e := d.at[key]; e != nil && e.Value == v {
		d.fresh.Remove(e)
		delete(d.at, key)
	}
}

// known notes that the connection of a call is put to use.
func (d *door) known(ctx context.Context) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.at[p.Addr.String()]; e != nil {
		d.forget(e.Value.(*visitor))
	}
}

// Close implements net.Conn.
func (v *visitor) Close() error {
	v.once.Do(func() {
		v.door.mu.Lock()
		defer v.door.mu.Unlock()
		v.door.count--
		v.door.forget(v)
	})
	return v.Conn.Close()
}
