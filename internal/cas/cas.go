// Package cas keeps blobs on disk, each in a file named by its digest, and hands
// out only those whose content it has verified. The disk tier, the toolchains of
// clients and workers build on it; it imports digest, safefile and storage.
//
// A store is a directory:
//
//	store = shard*
//	shard = hex "/" blob*              ; the first digit of the hashes in it
//	blob  = hash "-" size              ; digest.Digest, mode 0444 less the umask
//	temp  = ".tmp-" name               ; in the directory itself, see safefile
//
// Several processes need no lock. A blob gets its name only when it is whole, and
// what has the name already stays, so two that put the same blob do no harm. One
// that is removed stays readable to those who have it open; others find no such
// file, which is a miss. A file that is not what its name says is removed by who
// notices, unless it has been replaced since.
package cas

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/storage/recent"
)

// Ledger is told what happens to the files of a Store, so that whoever bounds
// the size of the directory needs no look at it. Its methods must be quick and
// safe for concurrent use.
type Ledger interface {
	// Stored is called when a file of size bytes has appeared.
	Stored(size int64)
	// Used is called when the blob in path was asked for, with the time of the
	// last use that the file itself records.
	Used(path string, last time.Time)
}

// Store is a directory of blobs. Any number of processes may use one directory
// at the same time. All methods are safe for concurrent use.
type Store struct {
	dir    string
	ledger Ledger
	// memo tells under which stamp a blob was verified last; nil where stamps do
	// not show every change, so that each use verifies.
	memo    *recent.Map[digest.Digest, safefile.Stamp]
	buffers sync.Pool // of *[]byte, bufferSize long
}

const (
	// memoSize is the number of blobs that are remembered as verified. All of
	// them take about 15 MB; the objects of a build of Chromium are 60,000.
	memoSize = 1 << 17
	// bufferSize is large enough that the calls to read cost nothing beside the
	// hashing, and small enough to stay in the processor's cache.
	bufferSize = 128 << 10
)

// Open returns the store in dir, which is made where it does not exist and must
// be private (safefile.PrivateDir). ledger may be nil.
func Open(dir string, ledger Ledger) (*Store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := safefile.PrivateDir(dir); err != nil {
		return nil, err
	}
	s := &Store{dir: dir, ledger: ledger}
	s.buffers.New = func() any {
		b := make([]byte, bufferSize)
		return &b
	}
	if safefile.StampsReliable(dir) {
		s.memo = recent.New[digest.Digest](memoSize, func(safefile.Stamp) int64 { return 1 })
	}
	return s, nil
}

// Name returns where the blob called d lies if the store has it. What lies there
// is not verified: use Path or Open for the content.
func (s *Store) Name(d digest.Digest) string { return s.path(d) }

// path returns where the blob called d lies.
func (s *Store) path(d digest.Digest) string {
	b := make([]byte, 0, len(s.dir)+1+MaxName)
	b = append(b, s.dir...)
	b = append(b, filepath.Separator)
	return string(AppendName(b, d))
}

// MaxName is the length that AppendName adds, at most.
const MaxName = len("a/") + 2*sha256.Size + len("-") + 20

// AppendName appends shard, "/", hash, "-" and size of d, as in the grammar above,
// to b: the name of a file in a directory of files that digests name. There are 16 shards: of 256 a new
// store would make one for almost every blob of its first build, which costs more
// than the blob, and a million blobs in 16 directories are found as quickly.
func AppendName(b []byte, d digest.Digest) []byte {
	b = append(b, "0123456789abcdef"[d.Hash[0]>>4], filepath.Separator)
	b = hex.AppendEncode(b, d.Hash[:])
	b = append(b, '-')
	return strconv.AppendInt(b, d.Size, 10)
}

func (s *Store) used(path string, last int64) {
	if s.ledger != nil {
		s.ledger.Used(path, time.Unix(0, last))
	}
}

func (s *Store) stored(size int64) {
	if s.ledger != nil {
		s.ledger.Stored(size)
	}
}

// create returns a new file that can become a blob.
func (s *Store) create() (*safefile.Temp, error) {
	t, err := safefile.Create(s.dir, 0o444)
	if err != nil {
		return nil, storage.FaultOf("store", err)
	}
	return t, nil
}

// done returns an error if ctx is done.
func done(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
