package disk

import (
	"context"
	"sync"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
)

const (
	// useInterval is how old the recorded last use of a file has to be before
	// another is recorded. Recording costs a write of the inode and, since it
	// moves the change time, one more verification of the file.
	useInterval = time.Hour
	// flushInterval is how long a use may wait to be recorded, and so what a
	// crash can lose.
	flushInterval = 30 * time.Second
	// block is what files are rounded up to, in bytes, when they are counted. The
	// blocks that stat tells would be nearer to the truth, but a file that was
	// just written has none yet.
	block = 4096
)

// ledger knows how much there is, roughly, and what was used. The size is that of
// the last scan plus what this process has stored since; each scan puts right
// what other processes, removals and crashes have changed.
type ledger struct {
	dir   string
	limit int64
	now   func() time.Time
	// pinned tells of blobs that must stay; nil: none.
	pinned func(digest.Digest) bool

	wake    chan struct{} // holds a token when a scan is due
	scanned chan struct{} // closed by the first scan

	mu    sync.Mutex
	size  tally
	fresh tally // stored since the last scan began
	uses  map[string]struct{}
}

// tally counts files.
type tally struct{ bytes, files int64 }

func (t *tally) add(size int64) {
	t.bytes += blocks(size)
	t.files++
}

func blocks(size int64) int64 { return (size + block - 1) / block * block }

func newLedger(dir string, limit int64, now func() time.Time) *ledger {
	l := &ledger{
		dir:     dir,
		limit:   limit,
		now:     now,
		wake:    make(chan struct{}, 1),
		scanned: make(chan struct{}),
		uses:    map[string]struct{}{},
	}
	l.wake <- struct{}{}
	return l
}

// Stored implements cas.Ledger. A scan is due when the limit is passed, and in
// any case after 5 % of the limit has been stored, since others may store too.
// The least step of 1 % keeps a full disk that cannot be cleaned from being
// scanned at each put.
func (l *ledger) Stored(size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size.add(size)
	l.fresh.add(size)
	full := l.size.bytes > l.limit && l.fresh.bytes >= l.limit/100
	if full || l.fresh.bytes >= l.limit/20 {
		select {
		case l.wake <- struct{}{}:
		default: // due already
		}
	}
}

// Used implements cas.Ledger. A last use in the future, left by a clock that was
// wrong, is put right like one that is old.
func (l *ledger) Used(path string, last time.Time) {
	if age := l.now().Sub(last); -useInterval < age && age < useInterval {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uses[path] = struct{}{}
}

// run does the housekeeping until ctx is done.
func (l *ledger) run(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			l.flush()
			return
		case <-tick.C:
			l.flush()
		case <-l.wake:
			l.flush() // eviction goes by what is recorded
			l.tidy(ctx)
		}
	}
}

// flush records the uses that wait. A file that has gone, or cannot be touched,
// only loses its place in the order of eviction.
func (l *ledger) flush() {
	l.mu.Lock()
	uses := l.uses
	l.uses = map[string]struct{}{}
	l.mu.Unlock()
	now := l.now()
	for path := range uses {
		_ = safefile.Touch(path, now)
	}
}

// begin starts a count.
func (l *ledger) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fresh = tally{}
}

// end sets the size to what a scan has counted. What was stored since begin may
// have been seen or not; counting it twice errs on the side of the limit.
func (l *ledger) end(t tally) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.size = tally{t.bytes + l.fresh.bytes, t.files + l.fresh.files}
	select {
	case <-l.scanned:
	default:
		close(l.scanned)
	}
}
