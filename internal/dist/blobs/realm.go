package blobs

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/cachepot/cachepot/internal/cas"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
)

// Realm is what those of one realm see. All methods are safe for concurrent use.
type Realm struct {
	store *Store
	name  string

	mu   sync.Mutex // guards what follows
	view map[digest.Digest]struct{}
	log  *os.File // nil where it cannot be written: then the view lasts as long as we do
}

// entryLen is the length of an entry of a view's file.
const entryLen = 32 + 8

// openRealm reads the view of a realm, less what is not on the disk any more. An entry
// that a crash has spoilt is the digest of nothing.
func openRealm(s *Store, dir, name string) (*Realm, error) {
	r := &Realm{store: s, name: name, view: map[digest.Digest]struct{}{digest.Empty(): {}}}
	if _, err := s.tier.Blobs().PutBytes(context.Background(), nil); err != nil {
		return nil, err
	}
	sum := digest.Of([]byte(name))
	path := filepath.Join(dir, "view-"+hex.EncodeToString(sum.Hash[:8]))
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read view: %w", err)
	}
	var kept bytes.Buffer
	for ; len(old) >= entryLen; old = old[entryLen:] {
		var d digest.Digest
		copy(d.Hash[:], old)
		d.Size = int64(binary.BigEndian.Uint64(old[32:]))
		if _, twice := r.view[d]; !twice && d.Size >= 0 && s.tier.Blobs().Has(d) {
			r.view[d] = struct{}{}
			kept.Write(old[:entryLen])
		}
	}
	if err := safefile.Write(path, kept.Bytes(), 0o600); err != nil {
		return nil, fmt.Errorf("write view: %w", err)
	}
	if r.log, err = os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0); err != nil {
		return nil, fmt.Errorf("open view: %w", err)
	}
	return r, nil
}

func (r *Realm) close() error { return r.log.Close() }

// Name returns the name of the realm.
func (r *Realm) Name() string { return r.name }

// Store returns the store that the realm is a view of.
func (r *Realm) Store() *Store { return r.store }

// admit makes a blob that is in the store visible.
func (r *Realm) admit(d digest.Digest) {
	r.mu.Lock()
	_, known := r.view[d]
	if !known {
		r.view[d] = struct{}{}
		var b [entryLen]byte
		copy(b[:], d.Hash[:])
		binary.BigEndian.PutUint64(b[32:], uint64(d.Size))
		_, _ = r.log.Write(b[:]) // what is not written is uploaded once more
	}
	r.mu.Unlock()
	r.store.announce()
}

// Sees reports whether the realm has ever had the blob, which may be gone since.
func (r *Realm) Sees(d digest.Digest) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.view[d]
	return ok
}

// Has reports whether the realm has the blob, without a look at the content.
func (r *Realm) Has(d digest.Digest) bool { return r.Sees(d) && r.store.tier.Blobs().Has(d) }

// Missing returns those of blobs that the realm does not have, in their order.
func (r *Realm) Missing(blobs []digest.Digest) []digest.Digest {
	var out []digest.Digest
	for _, d := range blobs {
		if !r.Has(d) {
			out = append(out, d)
		}
	}
	return out
}

// Touch returns those of blobs that the realm does not have, or has no more once their
// content is verified, in their order. The others were used just now.
func (r *Realm) Touch(ctx context.Context, blobs []digest.Digest) ([]digest.Digest, error) {
	var out []digest.Digest
	for _, d := range blobs {
		if !r.Sees(d) {
			out = append(out, d)
			continue
		}
		switch _, err := r.store.tier.Blobs().Path(ctx, d); {
		case storage.IsMiss(err):
			out = append(out, d)
		case err != nil:
			return nil, err
		}
	}
	return out, nil
}

// Open returns the blob, verified. The error is a *storage.Miss where the realm does
// not have it.
func (r *Realm) Open(ctx context.Context, d digest.Digest) (*os.File, error) {
	if !r.Sees(d) {
		return nil, storage.MissingBlob(d)
	}
	return r.store.tier.Blobs().Open(ctx, d)
}

// Read returns the content of a small blob, as Open does.
func (r *Realm) Read(ctx context.Context, d digest.Digest) ([]byte, error) {
	f, err := r.Open(ctx, d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, d.Size)
	if _, err := io.ReadFull(f, b); err != nil {
		return nil, storage.FaultOf("read", err)
	}
	return b, nil
}

// Put stores a blob that somebody of the realm has in whole.
func (r *Realm) Put(ctx context.Context, d digest.Digest, content []byte) error {
	if digest.Of(content) != d {
		return fmt.Errorf("receive blob %s: %w", d, storage.ErrWrongContent)
	}
	if err := r.store.tier.Blobs().Put(ctx, d, bytes.NewReader(content)); err != nil {
		return err
	}
	r.admit(d)
	return nil
}

// PutFile stores the content of f, from its beginning.
func (r *Realm) PutFile(ctx context.Context, f *os.File) (digest.Digest, error) {
	d, err := r.store.tier.Blobs().PutFile(ctx, f)
	if err == nil {
		r.admit(d)
	}
	return d, err
}

// Incoming is a blob that arrives. It is not safe for concurrent use.
type Incoming struct {
	*cas.Incoming
	realm *Realm
	name  digest.Digest
	free  func()
}

// Receive begins to take in a blob. The error is ErrQuota where there is no room. The
// result must be committed or discarded.
func (r *Realm) Receive(d digest.Digest) (*Incoming, error) {
	if err := r.store.reserve(d.Size); err != nil {
		return nil, err
	}
	free := sync.OnceFunc(func() { r.store.release(d.Size) })
	in, err := r.store.tier.Blobs().Receive(d)
	if err != nil {
		free()
		return nil, err
	}
	return &Incoming{in, r, d, free}, nil
}

// Commit stores the blob if it is what it was called.
func (i *Incoming) Commit(ctx context.Context) error {
	defer i.free()
	if err := i.Incoming.Commit(ctx); err != nil {
		return err
	}
	i.realm.admit(i.name)
	return nil
}

// Discard drops what has come. After Commit it has no effect.
func (i *Incoming) Discard() {
	i.Incoming.Discard()
	i.free()
}

// resultKey is under what the result of an action of the realm is kept.
func (r *Realm) resultKey(action digest.Digest) digest.Digest {
	return digest.Of([]byte(action.String() + "\n" + r.name))
}

// Result returns what was kept for an action. The error is a *storage.Miss where
// nothing is.
func (r *Realm) Result(ctx context.Context, action digest.Digest) ([]byte, error) {
	return storage.Get(ctx, r.store.tier, storage.Entry, r.resultKey(action))
}

// KeepResult keeps the result of an action in place of an older one.
func (r *Realm) KeepResult(ctx context.Context, action digest.Digest, result []byte) error {
	if err := r.DropResult(ctx, action); err != nil {
		return err
	}
	return storage.Put(ctx, r.store.tier, storage.Entry, r.resultKey(action), result)
}

// DropResult forgets the result of an action.
func (r *Realm) DropResult(ctx context.Context, action digest.Digest) error {
	return r.store.tier.DropRecord(ctx, storage.Entry, r.resultKey(action))
}
