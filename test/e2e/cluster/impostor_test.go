package cluster

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/dist/reach"
	"github.com/cachepot/cachepot/internal/dist/register"
	"github.com/cachepot/cachepot/test/e2e/harness"
)

// impostor serves TLS at the address of a worker and counts who says something to it.
type impostor struct {
	address string
	pin     []byte // of its own key
	met     atomic.Int64
	heard   atomic.Int64
}

func newImpostor(t *testing.T) *impostor {
	t.Helper()
	cert, key := harness.Certificate(t, harness.Scratch(t), "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	i := &impostor{address: l.Addr().String(), pin: sum[:]}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go i.listen(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12}))
		}
	}()
	return i
}

// listen takes a connection, and closes it once it has heard something.
func (i *impostor) listen(c *tls.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	i.met.Add(1)
	if n, _ := c.Read(make([]byte, 1)); n > 0 {
		i.heard.Add(1)
	}
}

// TestThreat26Impostor: who serves at a worker's address, with a certificate for its name and
// another key, is told nothing, and the compile is done here. With the key that the scheduler
// knows it would be.
func TestThreat26Impostor(t *testing.T) {
	for name, known := range map[string]bool{"the worker's own key": true, "another key": false} {
		t.Run(name, func(t *testing.T) {
			s := startScheduler(t)
			i := newImpostor(t)
			pin := i.pin
			if !known {
				other := sha256.Sum256([]byte("the key of the worker"))
				pin = other[:]
			}
			r := register.New(register.Config{Scheduler: reach.Config{URL: s.url(), Token: workerToken(t, i.address), Agent: "test"},
				Address: i.address, CPUs: 2, Pin: pin, Log: slog.New(slog.DiscardHandler)})
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() { r.Run(ctx) })
			t.Cleanup(func() { cancel(); running.Wait() })
			s.await(1)
			dir := harness.Scratch(t)
			harness.Write(t, dir, map[string]string{"a.c": "int a;\n"})
			if plain := harness.Command(t, dir, os.Environ(), "gcc", "-c", "a.c", "-o", "bare.o"); plain.Code != 0 {
				t.Fatal(plain.Stderr)
			}
			c := newClient(t, bookClient(t, s.url()))
			if r := harness.Command(t, dir, c.Env, c.Wrapper, "gcc", "-c", "a.c"); r.Code != 0 || r.Stderr != "" {
				t.Errorf("status %d: %s", r.Code, r.Stderr)
			}
			made := harness.Built(t, dir, isProduct)
			if made["a.o"] != made["bare.o"] || made["a.o"] == "" {
				t.Error("the object is not that of a bare compile")
			}
			if n := c.Counters(); n.DistErrors != 1 {
				t.Errorf("%d errors, %v", n.DistErrors, n.DistFailures)
			}
			if i.met.Load() == 0 || (i.heard.Load() > 0) != known {
				t.Errorf("of %d connections the impostor heard something on %d", i.met.Load(), i.heard.Load())
			}
		})
	}
}
