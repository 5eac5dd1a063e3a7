package disk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/internal/cas"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
)

type recordName struct {
	kind storage.Kind
	key  digest.Digest
}

// heldRecord is a record in memory. It is good as long as its file has the same
// stamp, since other coordinators write to the directory too.
type heldRecord struct {
	stamp  safefile.Stamp
	sealed storage.Sealed
}

// weight is the memory that the record takes, map entry and headers included.
func (r heldRecord) weight() int64 { return int64(len(r.sealed)) + 200 }

var (
	errLength  = errors.New("file is too long for a record")
	errChanged = errors.New("file was cut short while it was read")
)

// GetRecord implements storage.Tier. The record has been verified.
func (t *Tier) GetRecord(ctx context.Context, kind storage.Kind, key digest.Digest) (storage.Sealed, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	name := recordName{kind, key}
	path := t.recordPath(name)
	info, err := safefile.Lstat(path)
	if err != nil {
		return nil, lookupError(name, path, err)
	}
	t.ledger.Used(path, time.Unix(0, info.Used))
	if t.records != nil {
		if r, ok := t.records.Get(name); ok && r.stamp == info.Stamp {
			return bytes.Clone(r.sealed), nil
		}
	}
	return t.readRecord(name, path)
}

// readRecord reads and verifies the record in path. It is kept in memory only if
// no later change of the file can go unnoticed.
func (t *Tier) readRecord(name recordName, path string) (storage.Sealed, error) {
	now := safefile.Now() // before the reading begins, see Settled
	f, info, err := safefile.OpenRegular(path)
	if err != nil {
		return nil, lookupError(name, path, err)
	}
	defer f.Close()
	if info.Size > name.kind.MaxSize()+storage.MaxHeader {
		return nil, drop(name, path, info.Stamp, errLength)
	}
	sealed := make(storage.Sealed, info.Size)
	switch _, err := io.ReadFull(f, sealed); {
	case errors.Is(err, io.EOF) && info.Size > 0, errors.Is(err, io.ErrUnexpectedEOF):
		return nil, drop(name, path, info.Stamp, errChanged)
	case err != nil && !errors.Is(err, io.EOF):
		return nil, storage.FaultOf("read", err)
	}
	if _, err := sealed.Open(name.kind, name.key); err != nil {
		return nil, drop(name, path, info.Stamp, err)
	}
	if t.records != nil && info.Settled(now) {
		t.records.Put(name, heldRecord{info.Stamp, bytes.Clone(sealed)})
	}
	return sealed, nil
}

// PutRecord implements storage.Tier.
func (t *Tier) PutRecord(ctx context.Context, kind storage.Kind, key digest.Digest, record storage.Sealed) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	name := recordName{kind, key}
	write := safefile.Write
	if !kind.Mutable() {
		write = safefile.WriteNew
	}
	// A record that is there stays, or is the same. One that is corrupt is removed by the
	// attempt to read it and does not bar the way.
	if there, err := t.GetRecord(ctx, kind, key); err == nil && (!kind.Mutable() || bytes.Equal(there, record)) {
		return nil
	}
	switch err := write(t.recordPath(name), record, 0o600); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return storage.FaultOf("store", err)
	}
	t.ledger.Stored(int64(len(record)))
	return nil
}

// DropRecord implements storage.Dropper.
func (t *Tier) DropRecord(ctx context.Context, kind storage.Kind, key digest.Digest) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err := os.Remove(t.recordPath(recordName{kind, key}))
	if err != nil && !isAbsent(err) {
		return storage.FaultOf("remove", err)
	}
	return nil
}

func (t *Tier) recordPath(name recordName) string {
	b := make([]byte, 0, len(t.dir)+len("/ac/")+cas.MaxName)
	b = append(b, t.dir...)
	b = append(b, filepath.Separator)
	b = append(b, name.kind.String()...)
	b = append(b, filepath.Separator)
	return string(cas.AppendName(b, name.key))
}

// drop removes a file that is not the record that its name says, unless it has
// been replaced since, and returns the miss. Where it cannot be removed it stays
// a miss.
func drop(name recordName, path string, stamp safefile.Stamp, why error) error {
	if m, ok := errors.AsType[*storage.Miss](why); ok {
		why = m.Err
	}
	if err := safefile.Remove(path, stamp); err != nil {
		why = errors.Join(why, err)
	}
	return storage.CorruptRecord(name.kind, name.key, why)
}

// lookupError classifies what a look at path gave.
func lookupError(name recordName, path string, err error) error {
	switch {
	case isAbsent(err):
		return storage.MissingRecord(name.kind, name.key)
	case errors.Is(err, safefile.ErrNotRegular), errors.Is(err, fs.ErrPermission):
		// The tier makes only regular files that it may read.
		info, statErr := safefile.Lstat(path)
		if statErr != nil {
			return storage.FaultOf("read", err)
		}
		return drop(name, path, info.Stamp, err)
	}
	return storage.FaultOf("read", err)
}

func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
