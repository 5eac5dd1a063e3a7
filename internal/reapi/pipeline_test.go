package reapi_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/internal/reapi"
)

// arrives waits until the service has a number of blobs; false: they did not come.
func (f *fake) arrives(blobs int) bool {
	for range 500 {
		f.mu.Lock()
		n := len(f.blobs)
		f.mu.Unlock()
		if n >= blobs {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// sorted returns the calls since the last time, which may have come in any order.
func (f *fake) sorted() string {
	calls := strings.Fields(f.took())
	slices.Sort(calls)
	return strings.Join(calls, " ")
}

// TestPipelined: a service that offers it gets the action ahead of a few blobs, which come
// while it waits; any other gets them first.
func TestPipelined(t *testing.T) {
	for _, offers := range []bool{true, false} {
		f := &fake{pipelined: offers}
		want := 2
		f.execute = func(_ int, send func(*longrunning.Operation) error) error {
			if !f.arrives(want) {
				return status.Error(codes.FailedPrecondition, "blobs are missing")
			}
			return succeed(0, send)
		}
		c := f.serve(t, "main")
		for _, step := range []struct {
			what         string
			job          *reapi.Job
			blobs        int
			ahead, plain string
		}{
			{"the first", job(10, 20), 2, "caps execute(skip=true) find(2) update(2)", "caps execute(skip=true) find(2) update(2)"},
			{"a little more", job(10, 20, 30), 3, "ahead execute(skip=true) update(1)", "execute(skip=true) update(1)"},
			{"nothing more", job(10, 20, 30), 3, "execute(skip=true)", "execute(skip=true)"},
			{"more", job(10, 20, 30, 300<<10), 4, "ahead execute(skip=true) update(1)", "execute(skip=true) find(1) update(1)"},
			{"very much", job(10, 5<<20), 5, "execute(skip=true) find(1) write", "execute(skip=true) find(1) write"},
		} {
			want = step.blobs
			if _, err := c.Execute(t.Context(), step.job); err != nil {
				t.Fatalf("%s: %v", step.what, err)
			}
			expect := step.plain
			if offers {
				expect = step.ahead
			}
			if got := f.sorted(); got != expect {
				t.Errorf("offers %v, %s: %s, want %s", offers, step.what, got, expect)
			}
		}
	}
}

// TestPipelinedFails: where what was sent ahead fails, all is asked for and it is tried once
// more, in order; a blob that cannot be sent is the error, whatever the service says.
func TestPipelinedFails(t *testing.T) {
	f := &fake{pipelined: true}
	f.execute = func(n int, send func(*longrunning.Operation) error) error {
		if n == 3 {
			return status.Error(codes.FailedPrecondition, "blobs are missing")
		}
		return succeed(n, send)
	}
	c := f.serve(t, "main")
	for range 2 {
		if _, err := c.Execute(t.Context(), job(10)); err != nil {
			t.Fatal(err)
		}
	}
	f.took()
	if _, err := c.Execute(t.Context(), job(10, 20)); err != nil {
		t.Fatal(err)
	}
	if got := f.sorted(); !strings.Contains(got, "ahead") || strings.Count(got, "execute") != 2 || !strings.Contains(got, "find(2)") {
		t.Errorf("calls %s", got)
	}
	f.execute = func(_ int, send func(*longrunning.Operation) error) error {
		f.arrives(1 << 20)
		return status.Error(codes.FailedPrecondition, "blobs are missing")
	}
	gone := job(10, 20, 30)
	gone.Blobs[2].Bytes, gone.Blobs[2].Path = nil, "/nowhere"
	start := time.Now()
	_, err := c.Execute(t.Context(), gone)
	if f, ok := errors.AsType[*reapi.Failure](err); err == nil || ok {
		t.Errorf("a blob that is gone: %v %v", err, f)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("%v until a blob that is gone is noticed", took)
	}
}
