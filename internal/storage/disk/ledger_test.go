package disk

import (
	"math"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/safefile"
)

// TestUsed: a use is written down only where the one in the file is an hour old,
// or an hour ahead.
func TestUsed(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for age, want := range map[time.Duration]int{
		0:                 0,
		59 * time.Minute:  0,
		61 * time.Minute:  1,
		-59 * time.Minute: 0,
		-61 * time.Minute: 1,
	} {
		l := newLedger("", 1, func() time.Time { return now })
		l.Used("path", now.Add(-age))
		l.Used("path", now.Add(-age))
		if len(l.uses) != want {
			t.Errorf("last use %v ago: %d uses to write down, want %d", age, len(l.uses), want)
		}
	}
}

// TestWake: a scan is due when the limit is passed, and after each 5 % of it.
func TestWake(t *testing.T) {
	const limit = 1000 * block
	due := func(l *ledger) bool {
		select {
		case <-l.wake:
			return true
		default:
			return false
		}
	}
	for name, test := range map[string]struct {
		held   int64 // blocks
		stored int   // blocks
		want   bool
	}{
		"little":             {0, 49, false},
		"much":               {0, 50, true},
		"at the limit":       {990, 10, false},
		"past the limit":     {995, 10, true},
		"cannot be cleaned":  {2000, 9, false},
		"cannot be cleaned+": {2000, 10, true},
	} {
		l := newLedger("", limit, time.Now)
		if !due(l) {
			t.Errorf("%s: no scan due at the start", name)
		}
		l.begin()
		l.end(tally{bytes: test.held * block})
		for range test.stored {
			l.Stored(1)
		}
		if got := due(l); got != test.want {
			t.Errorf("%s: scan due: %v, want %v", name, got, test.want)
		}
	}
}

func TestHorizon(t *testing.T) {
	all := []age{{used: 30, bytes: 4}, {used: 10, bytes: 8}, {used: 20, bytes: 4}, {used: 20, bytes: 4}}
	for excess, want := range map[int64]int64{1: 10, 8: 10, 9: 20, 16: 20, 17: 30, 20: 30, 21: math.MaxInt64} {
		if got := horizon(all, excess); got != want {
			t.Errorf("to free %d: horizon %d, want %d", excess, got, want)
		}
	}
}

func TestLastUse(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	for ahead, wanted := range map[time.Duration]bool{-time.Hour: true, 0: true, 59 * time.Minute: true, 61 * time.Minute: false} {
		used := now.Add(ahead).UnixNano()
		got := lastUse(safefile.Info{Used: used}, now)
		if (got == used) != wanted || !wanted && got != 0 {
			t.Errorf("used %v from now: %d", ahead, got)
		}
	}
}
