package coordinator

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
)

// TestTrialBudget: macros are tried for a tenth of the time at most, each set once, and never
// while somebody calls or has just called.
func TestTrialBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const takes, hours = 30 * time.Second, 2
		var busy time.Duration
		tried := map[digest.Digest]int{}
		var s *Server
		s = New(Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Try: func(_ context.Context, batch []digest.Digest) error {
			if s.inFlight.Load() > 0 {
				t.Error("macros are tried while somebody calls")
			}
			if quiet := time.Since(time.Unix(0, s.touched.Load())); quiet < trialQuiet {
				t.Errorf("macros are tried %s after a call", quiet)
			}
			for _, act := range batch {
				tried[act]++
			}
			busy += takes
			time.Sleep(takes)
			return nil
		}})
		s.touched.Store(time.Now().UnixNano())
		const sets = 1000
		for n := range sets {
			d := digest.Of([]byte{byte(n), byte(n >> 8)})
			s.trials.add(d, d)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.tryMacros(t.Context())
		}()
		for range hours * 12 { // in five minutes somebody calls for a long time, and then often
			for n := range 12 {
				length := 2 * time.Second
				if n == 0 {
					length = 40 * time.Second
				}
				s.inFlight.Add(1)
				time.Sleep(length)
				s.leave()
				time.Sleep(3 * time.Second)
			}
			time.Sleep(4 * time.Minute)
		}
		s.Drain()
		<-done
		if share := busy.Hours() / hours; share > 0.1 {
			t.Errorf("a share of %.2f of the time is taken", share)
		}
		if len(tried) < sets/8 {
			t.Errorf("%d of %d sets are tried in %d hours", len(tried), sets, hours)
		}
		for act, n := range tried {
			if n != 1 {
				t.Errorf("%s is tried %d times", act, n)
			}
		}
	})
}
