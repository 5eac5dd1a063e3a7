package harness

import (
	"fmt"
	"strings"
	"time"

	"github.com/cachepot/cachepot/internal/stats"
)

// Mark waits for the calls so far and notes the counters, for the next Outcome.
func (i *Instance) Mark() error {
	_, err := i.Outcome()
	return err
}

// Outcome says what became of the calls since the last Mark or Outcome, once all
// of them are counted and stored: one word each, joined by spaces, in no order:
//
//	outcome = "hit" | "stored" | "failed" | "unstored(" reason ")" | "bare(" reason ")" |
//	          "unknown" | "error" | "declined(" reason ")" | "none"
//
// "none" stands for a call that never reached the coordinator.
func (i *Instance) Outcome() (string, error) {
	deadline := time.Now().Add(5 * time.Second)
	for {
		now, err := i.Stats()
		if err != nil {
			return "", err
		}
		words, open := outcomes(&i.last, &now)
		if !open || time.Now().After(deadline) {
			i.last = now
			if len(words) == 0 {
				return "none", nil
			}
			return strings.Join(words, " "), nil
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// maxWords is more calls than any one step makes.
const maxWords = 100

// outcomes tells calls apart by counters; open says that some call is not at its
// end.
func outcomes(a, b *stats.Counters) (words []string, open bool) {
	add := func(word string, n uint64) {
		if n > maxWords { // counters that went back, or were damaged on purpose
			words = append(words, word+" without end")
			return
		}
		for range n {
			words = append(words, word)
		}
	}
	labels := func(word string, x, y stats.Labels) (n uint64) {
		for name, count := range y {
			add(fmt.Sprintf("%s(%s)", word, name), count-x[name])
			n += count - x[name]
		}
		return n
	}
	hits := b.CacheHits.Total() - a.CacheHits.Total()
	add("hit", hits)
	writes, fails := b.CacheWrites-a.CacheWrites, b.CompileFails-a.CompileFails
	add("stored", writes)
	add("failed", fails)
	unstored := labels("unstored", a.NotStored, b.NotStored)
	bare := labels("bare", a.NotCached, b.NotCached)
	questions := (b.NotCompile - a.NotCompile) + (b.NotCacheable - a.NotCacheable) - bare
	add("answered", questions)
	unknown := b.UnsupportedCompiler - a.UnsupportedCompiler
	add("unknown", unknown)
	errs := b.CacheErrors.Total() - a.CacheErrors.Total()
	add("error", errs)
	labels("declined", a.Declined, b.Declined)
	misses := b.CacheMisses.Total() - a.CacheMisses.Total()
	requests := b.CompileRequests - a.CompileRequests
	open = writes+unstored < misses || hits+misses+fails+bare+questions+unknown+errs < requests
	return words, open
}
