package coordinator

import (
	"context"
	"sync"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
)

// trials are the sets of macros that no witness has spoken of yet, each with an action in
// which they had a hand: where nobody compiles for a while these are tried.
type trials struct {
	mu   sync.Mutex // guards open
	open map[digest.Digest]digest.Digest
}

const (
	// maxTrials is how many sets may wait; the others are met again.
	maxTrials = 1 << 10
	// trialBatch is how many are tried before callers are thought of again: one lays out
	// the compiler for all.
	trialBatch = 16
	// trialQuiet is how long nobody may have called.
	trialQuiet = 10 * time.Second
	// trialRest is for how many times the length of a batch no other follows: a tenth of
	// one processor at most.
	trialRest = 9
)

func (t *trials) add(macros, act digest.Digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = make(map[digest.Digest]digest.Digest)
	}
	if len(t.open) < maxTrials {
		t.open[macros] = act
	}
}

// take returns actions to try. Their macros are taken for known then: a trial that tells
// nothing now tells nothing later.
func (t *trials) take() []digest.Digest {
	t.mu.Lock()
	defer t.mu.Unlock()
	var batch []digest.Digest
	for macros, act := range t.open {
		if len(batch) == trialBatch {
			break
		}
		batch = append(batch, act)
		delete(t.open, macros)
	}
	return batch
}

// tryMacros tries macros while nobody calls, until the server ends.
func (s *Server) tryMacros(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		<-s.drain
		cancel()
	}()
	wait := trialQuiet
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = trialQuiet
		if s.inFlight.Load() > 0 || time.Since(time.Unix(0, s.touched.Load())) < trialQuiet {
			continue
		}
		batch := s.trials.take()
		if len(batch) == 0 {
			continue
		}
		began := time.Now()
		if err := s.Try(ctx, batch); err != nil && ctx.Err() == nil {
			s.Log.Info("macros cannot be tried", "target", "cachepot::coordinator", "error", err)
		}
		wait = max(trialQuiet, trialRest*time.Since(began))
	}
}
