package cas

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
)

var (
	errSize    = errors.New("file has another length")
	errContent = errors.New("file has other content")
)

// Path returns the absolute path of the file that holds the blob called d, after
// verifying it, which costs one stat for a file that has not changed since it was
// hashed. The file is read-only and must stay so. It may be evicted at any time:
// whoever opens the path must take "no such file" for a miss. The error is a
// *storage.Miss, a *storage.Fault, or wraps context.Cause(ctx).
func (s *Store) Path(ctx context.Context, d digest.Digest) (string, error) {
	if err := done(ctx); err != nil {
		return "", err
	}
	path := s.path(d)
	info, err := safefile.Lstat(path)
	if err != nil {
		return "", s.lookupError(d, path, err)
	}
	if !s.verified(d, info.Stamp) {
		f, err := s.open(ctx, d, path)
		if err != nil {
			return "", err
		}
		f.Close()
	}
	s.used(path, info.Used)
	return path, nil
}

// Open returns the blob called d, verified, open for reading at offset 0. The
// content stays readable when the blob is evicted. Errors are those of Path.
func (s *Store) Open(ctx context.Context, d digest.Digest) (*os.File, error) {
	if err := done(ctx); err != nil {
		return nil, err
	}
	path := s.path(d)
	f, err := s.open(ctx, d, path)
	if err != nil {
		return nil, err
	}
	if info, err := safefile.Fstat(f); err == nil {
		s.used(path, info.Used)
	}
	return f, nil
}

// Has reports whether there is a file of the right name and length, which costs
// one stat and verifies nothing.
func (s *Store) Has(d digest.Digest) bool {
	info, err := safefile.Lstat(s.path(d))
	return err == nil && info.Regular && info.Size == d.Size
}

// open opens path and verifies that it is the blob called d.
func (s *Store) open(ctx context.Context, d digest.Digest, path string) (*os.File, error) {
	f, info, err := safefile.OpenRegular(path)
	if err != nil {
		return nil, s.lookupError(d, path, err)
	}
	if s.verified(d, info.Stamp) {
		return f, nil
	}
	if err := s.verify(ctx, d, f, info.Stamp); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// verified reports whether the file with that stamp is known to be d.
func (s *Store) verified(d digest.Digest, stamp safefile.Stamp) bool {
	if s.memo == nil {
		return false
	}
	known, ok := s.memo.Get(d)
	return ok && known == stamp
}

// verify hashes f. What it finds is remembered only if no later change of the
// file can go unnoticed.
func (s *Store) verify(ctx context.Context, d digest.Digest, f *os.File, stamp safefile.Stamp) error {
	now := safefile.Now() // before the reading begins, see Settled
	if stamp.Size != d.Size {
		return s.drop(d, f.Name(), stamp, errSize)
	}
	found, err := s.hash(ctx, f, d.Size)
	switch {
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("verify blob %s: %w", d, err)
	case err != nil:
		return storage.FaultOf("read", err)
	case found != d:
		return s.drop(d, f.Name(), stamp, errContent)
	}
	if s.memo != nil && stamp.Settled(now) {
		s.memo.Put(d, stamp)
	}
	return nil
}

// hash returns the digest of the first size bytes of f, or of all of it if it is
// shorter. It does not move the offset.
func (s *Store) hash(ctx context.Context, f *os.File, size int64) (digest.Digest, error) {
	b := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(b)
	h := digest.NewHasher()
	for off := int64(0); off < size; {
		if err := done(ctx); err != nil {
			return digest.Digest{}, err
		}
		n, err := f.ReadAt((*b)[:min(size-off, bufferSize)], off)
		h.Write((*b)[:n])
		off += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return digest.Digest{}, err
		}
	}
	return h.Digest(), nil
}

// drop removes a file that is not the blob that its name says, unless it has been
// replaced since, and returns the miss. Where it cannot be removed it stays a
// miss.
func (s *Store) drop(d digest.Digest, path string, stamp safefile.Stamp, why error) error {
	if err := safefile.Remove(path, stamp); err != nil {
		why = errors.Join(why, err)
	}
	return storage.CorruptBlob(d, why)
}

// lookupError classifies what a look at path gave.
func (s *Store) lookupError(d digest.Digest, path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return storage.MissingBlob(d)
	case errors.Is(err, safefile.ErrNotRegular), errors.Is(err, fs.ErrPermission):
		// The store makes only regular files that it may read.
		info, statErr := safefile.Lstat(path)
		if statErr != nil {
			return storage.FaultOf("read", err)
		}
		return s.drop(d, path, info.Stamp, err)
	}
	return storage.FaultOf("read", err)
}
