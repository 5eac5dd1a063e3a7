package coordinator

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/reapi"
)

// probed is an engine whose probes take a second and end with an error.
type probed struct {
	mu     sync.Mutex // guards all below
	err    error
	probes int
}

func (p *probed) Address() string { return "engine" }
func (p *probed) Connect()        {}
func (p *probed) ProbeRoot(context.Context, string) error {
	p.mu.Lock()
	p.probes++
	err := p.err
	p.mu.Unlock()
	time.Sleep(time.Second)
	return err
}

func (p *probed) set(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
}

func (p *probed) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.probes
}

func (p *probed) Execute(context.Context, *reapi.Job) (*reapi.Result, error) { panic("not asked for") }
func (p *probed) Fetch(context.Context, []digest.Digest) (map[digest.Digest][]byte, error) {
	panic("not asked for")
}
func (p *probed) Download(context.Context, digest.Digest, io.Writer) error { panic("not asked for") }

// took calls ready and returns how long that took.
func took(r *Remote) (time.Duration, error) {
	start := time.Now()
	err := r.ready(context.Background(), "x86-64")
	return time.Since(start), err
}

// TestReady: who comes first waits for the probe. After a failure nobody waits: the
// engine is left alone, and then tried again behind the callers' backs.
func TestReady(t *testing.T) {
	gone := &reapi.Failure{Address: "engine", What: "execute", Code: codes.Unavailable}
	synctest.Test(t, func(t *testing.T) {
		e := &probed{err: gone}
		r := &Remote{Engine: e}
		want := func(what string, wait time.Duration, failed bool, probes int) {
			t.Helper()
			d, err := took(r)
			synctest.Wait() // what it has started is under way
			if n := e.count(); d != wait || (err != nil) != failed || n != probes {
				t.Errorf("%s: %v, %v, %d probes; want %v, failed %v, %d", what, d, err, n, wait, failed, probes)
			}
		}
		second := make(chan time.Duration, 1)
		go func() {
			d, _ := took(r)
			second <- d
		}()
		want("first", time.Second, true, 1)
		if d := <-second; d != time.Second {
			t.Errorf("another waits %v", d)
		}
		want("left alone", 0, true, 1)
		time.Sleep(retryAfter)
		want("tried again", 0, true, 2)
		want("while it is tried", 0, true, 2)
		time.Sleep(2 * time.Second)
		e.set(nil)
		want("left alone again", 0, true, 2)
		time.Sleep(retryAfter)
		want("tried again", 0, true, 3)
		time.Sleep(2 * time.Second)
		want("back", 0, false, 3)
		r.failed(gone)
		want("lost", 0, true, 3)
		time.Sleep(retryAfter)
		r.Strict = true
		want("strict", time.Second, false, 4)
	})
}

// TestUnfit: an engine that is not fit is not tried again.
func TestUnfit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &probed{err: &reapi.Unfit{Address: "engine", Why: "is none"}}
		r := &Remote{Engine: e}
		for range 3 {
			if _, err := took(r); err == nil || err.Error() != "engine is none" {
				t.Error(err)
			}
			time.Sleep(time.Hour)
		}
		if n := e.count(); n != 1 {
			t.Errorf("%d probes", n)
		}
		r.failed(errors.New("other"))
	})
}
