// Package storage is the waist between those who look results up and the places
// where results lie: one small interface, Tier, with its contract, and the
// functions that verify what a tier returns so that no tier can forget to.
// Tiers live in the packages below it; storagetest is the suite that all of
// them pass. Every package may import it. It imports only digest.
//
// A tier keeps objects of two sorts. A blob is a sequence of bytes named by its
// own digest. A record is a small sequence of bytes under a kind and a key.
// A tier may lose any object at any time, so everything here is a cache and
// nothing is a promise to find what was put.
package storage

import (
	"context"
	"io"

	"github.com/cachepot/cachepot/internal/digest"
)

// Tier is a place where objects lie. Callers use the functions Get, Put,
// ReadBlob, CopyBlob and WriteBlob rather than the methods: those verify.
//
// Concurrency: all methods may be called at the same time, and other processes
// may use the same place at the same time. What a reader sees is always one
// whole object that somebody put, never a part of it and never a mixture.
//
// Idempotence: putting an object again has no effect that a reader can see, and
// any call may be repeated after any error.
//
// Errors are of three sorts, beside those of a put that say that its arguments
// are wrong (ErrWrongContent, ErrTooLong):
//   - *Miss: the object is not there or was not what its name says. Reading
//     methods only. The tier works.
//   - *Fault: the tier does not work, for reading or for writing. The object may
//     or may not be there; after a put that failed, nothing of it is visible.
//   - an error that wraps context.Cause(ctx), once ctx is done.
//
// None of them is a reason to fail a build.
//
// Context: a method returns soon after ctx is done. What a cancelled put has
// written is not visible, unless it was already whole.
type Tier interface {
	// GetRecord returns the bytes that were put under kind and key. They belong
	// to the caller. A tier need not check them, since Get does; one that does
	// returns a *Miss with reason Corrupt and removes the record.
	GetRecord(ctx context.Context, kind Kind, key digest.Digest) (Sealed, error)

	// PutRecord stores record under kind and key and keeps no reference to it.
	// Where kind is mutable the last writer wins. Otherwise the first one does:
	// a record that is already there stays, whatever it holds, and the result is
	// nil.
	PutRecord(ctx context.Context, kind Kind, key digest.Digest, record Sealed) error

	// GetBlob opens the blob called d. Reading it may fail at any time and with
	// any error, and may yield other bytes than d names; CopyBlob sees to both.
	GetBlob(ctx context.Context, d digest.Digest) (io.ReadCloser, error)

	// PutBlob stores the first d.Size bytes of content. It may read them more than
	// once and from several goroutines, but not after it has returned. Bytes that
	// d does not name are not stored; the error then wraps ErrWrongContent. An
	// error of content itself makes the result a *Fault.
	PutBlob(ctx context.Context, d digest.Digest, content io.ReaderAt) error

	// MissingBlobs returns those of ds, in their order, that the tier does not
	// have. It may be wrong either way: a blob may go or come at once, or turn
	// out corrupt when it is read.
	MissingBlobs(ctx context.Context, ds []digest.Digest) ([]digest.Digest, error)
}

// Dropper is implemented by tiers from which their user may remove. A record of
// an immutable kind that leads to blobs which have gone has to be dropped before
// another can take its place.
type Dropper interface {
	// DropRecord removes the record under kind and key. That there is none is no
	// error.
	DropRecord(ctx context.Context, kind Kind, key digest.Digest) error
}
