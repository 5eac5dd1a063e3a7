// Package blobs keeps what a worker was sent and what its jobs have left: blobs on
// disk, bounded, each verified before it has its name, and a view for each realm. A
// realm sees a blob only once somebody of that realm has uploaded it, or a job of the
// realm has left it, though it lies on the disk once: a digest alone is no key to
// what others have sent. Results of actions are kept for each realm likewise.
//
// The packages below internal/dist that make up a worker import it. It imports digest,
// safefile, storage, storage/disk and cas.
//
//	store = "tier" "/" tier            ; blobs and results, see package disk
//	        "view-" hash               ; what a realm sees; of the realm's name
//	view  = entry*
//	entry = 32 bytes hash, 8 bytes size, big-endian
package blobs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage/disk"
)

// Config says where a Store lies and how large it may become.
type Config struct {
	Dir   string // private; made where it does not exist
	Limit int64  // bytes of all blobs and results
	Now   func() time.Time
}

// Store is the blobs of a worker. One process at a time may use its directory. All
// methods are safe for concurrent use.
type Store struct {
	tier  *disk.Tier
	dir   string
	limit int64

	mu       sync.Mutex
	realms   map[string]*Realm
	pins     map[digest.Digest]int
	arriving int64         // bytes that uploads under way may take
	arrived  chan struct{} // closed, and made anew, when a blob becomes visible
}

// ErrQuota says that more would be taken in at once than there is room for.
var ErrQuota = errors.New("too much is being uploaded at once")

// ErrRealms says that there are as many realms as may be.
var ErrRealms = errors.New("too many realms")

// maxRealms bounds the realms that are known at the same time.
const maxRealms = 256

// Open returns the store in c.Dir.
func Open(c Config) (*Store, error) {
	s := &Store{dir: c.Dir, limit: c.Limit, realms: map[string]*Realm{}, pins: map[digest.Digest]int{}, arrived: make(chan struct{})}
	if err := safefile.PrivateDir(c.Dir); err != nil {
		return nil, err
	}
	tier, err := disk.Open(disk.Config{Dir: filepath.Join(c.Dir, "tier"), Limit: c.Limit, Memory: 16 << 20, Now: c.Now, Pinned: s.pinned})
	if err != nil {
		return nil, err
	}
	s.tier = tier
	return s, nil
}

// Close ends the housekeeping.
func (s *Store) Close() error {
	var errs []error
	for _, r := range s.realms {
		errs = append(errs, r.close())
	}
	return errors.Join(append(errs, s.tier.Close())...)
}

// Realm returns the realm of that name. Who asks has seen to it that it is one.
func (s *Store) Realm(name string) (*Realm, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.realms[name]; ok {
		return r, nil
	}
	if len(s.realms) >= maxRealms {
		return nil, ErrRealms
	}
	r, err := openRealm(s, s.dir, name)
	if err == nil {
		s.realms[name] = r
	}
	return r, err
}

// Has reports whether the blob is on the disk, for whatever realm, without a look at the content.
func (s *Store) Has(d digest.Digest) bool { return s.tier.Blobs().Has(d) }

// MaxBlob is the largest blob that is taken, in bytes.
func (s *Store) MaxBlob() int64 { return s.limit / 2 }

// reserve counts the bytes that an upload may bring; release them when it has ended.
func (s *Store) reserve(n int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n > s.MaxBlob() || s.arriving+n > s.limit/2 {
		return fmt.Errorf("%w: %d bytes beside %d", ErrQuota, n, s.arriving)
	}
	s.arriving += n
	return nil
}

func (s *Store) release(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arriving -= n
}

// pinned implements disk.Config.Pinned.
func (s *Store) pinned(d digest.Digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pins[d] > 0
}

// Pin keeps blobs from being evicted until release is called.
func (s *Store) Pin(blobs []digest.Digest) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range blobs {
		s.pins[d]++
	}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, d := range blobs {
			if s.pins[d]--; s.pins[d] == 0 {
				delete(s.pins, d)
			}
		}
	})
}

// announce wakes who waits for blobs.
func (s *Store) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.arrived)
	s.arrived = make(chan struct{})
}

func (s *Store) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.arrived
}

// Wait waits until the realm lacks none of blobs, or ctx is done. It returns those
// that are lacking then.
func (r *Realm) Wait(ctx context.Context, blobs []digest.Digest) []digest.Digest {
	for {
		change := r.store.next() // before the look, so that nothing is missed
		if blobs = r.Missing(blobs); len(blobs) == 0 {
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return blobs
		}
	}
}
