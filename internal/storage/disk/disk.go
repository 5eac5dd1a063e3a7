// Package disk is the tier on the user's own disk: one directory that any number
// of coordinators of one user share, bounded in size, without an index that could
// break. Only who composes tiers imports it.
//
//	tier   = "cas" "/" store           ; blobs, see package cas
//	         (kind "/" shard*)*        ; records; kind is storage.Kind.String
//	shard  = hex "/" record*           ; the first digit of the keys in it
//	record = hash "-" size             ; the key, mode 0600; holds a storage.Sealed
//	temp   = ".tmp-" name              ; in any of these directories, see safefile
//
// There are no locks. Files get their names when they are whole; immutable ones
// are never replaced and mutable ones only in one step; everything is verified
// when it is read, and removed if it is not what its name says. A file that
// vanishes between a look-up and its use is a miss. Eviction therefore needs
// nobody's consent, and two that evict at the same time choose the same files.
package disk

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"time"

	"github.com/cachepot/cachepot/internal/cas"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/recent"
)

// Config says where a Tier lies and how large it may become.
type Config struct {
	// Dir is the directory; it is made with mode 0700 where it does not exist.
	// One that others can write to or own is refused (safefile.PrivateDir).
	Dir string
	// Limit is the size in bytes that all files together may take, each rounded
	// up to whole blocks of 4 KiB; at least 1. It may be exceeded by 5 % for each
	// further coordinator that writes to the directory at the same time.
	Limit int64
	// Memory bounds the records that are kept in memory, in bytes. 0 keeps none.
	Memory int64
	// Now is the clock by which last uses are recorded; never nil.
	Now func() time.Time
	// Pinned reports whether a blob is needed at the moment: then it is not evicted.
	// It must be quick. nil: none is.
	Pinned func(digest.Digest) bool
}

// Tier is a storage.Tier and storage.Dropper in a directory.
type Tier struct {
	dir     string
	blobs   *cas.Store
	records *recent.Map[recordName, heldRecord] // nil where stamps do not show every change
	ledger  *ledger

	stop context.CancelFunc
	done sync.WaitGroup
}

var (
	_ storage.Tier    = (*Tier)(nil)
	_ storage.Dropper = (*Tier)(nil)
)

// Open returns the tier in c.Dir and starts its housekeeping, which ends with
// Close. An unusable directory is an error: *safefile.NotPrivateError where its
// owner or mode is at fault, else *storage.Fault.
func Open(c Config) (*Tier, error) {
	if c.Limit < 1 {
		return nil, errors.New("open disk tier: size limit below 1 byte")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, storage.FaultOf("open", err)
	}
	if err := safefile.PrivateDir(dir); err != nil {
		return nil, openError(err)
	}
	l := newLedger(dir, c.Limit, c.Now)
	l.pinned = c.Pinned
	blobs, err := cas.Open(filepath.Join(dir, blobDir), l)
	if err != nil {
		return nil, openError(err)
	}
	t := &Tier{dir: dir, blobs: blobs, ledger: l}
	if safefile.StampsReliable(dir) {
		t.records = recent.New[recordName](c.Memory, heldRecord.weight)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	t.done.Go(func() { l.run(ctx) })
	return t, nil
}

func openError(err error) error {
	if _, ok := errors.AsType[*safefile.NotPrivateError](err); ok {
		return err
	}
	return storage.FaultOf("open", err)
}

// Close records the last uses that are not recorded yet and ends the
// housekeeping. Calling it again does nothing.
func (t *Tier) Close() error {
	t.stop()
	t.done.Wait()
	return nil
}

// Blobs returns the tier's blobs, for callers that can use files.
func (t *Tier) Blobs() *cas.Store { return t.blobs }

// GetBlob implements storage.Tier.
func (t *Tier) GetBlob(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	f, err := t.blobs.Open(ctx, d)
	if err != nil {
		return nil, err // not f, which would be an interface that is not nil
	}
	return f, nil
}

// PutBlob implements storage.Tier.
func (t *Tier) PutBlob(ctx context.Context, d digest.Digest, content io.ReaderAt) error {
	return t.blobs.Put(ctx, d, content)
}

// MissingBlobs implements storage.Tier.
func (t *Tier) MissingBlobs(ctx context.Context, ds []digest.Digest) ([]digest.Digest, error) {
	var missing []digest.Digest
	for _, d := range ds {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if !t.blobs.Has(d) {
			missing = append(missing, d)
		}
	}
	return missing, nil
}
