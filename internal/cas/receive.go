package cas

import (
	"context"
	"fmt"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
)

// Incoming is a blob that arrives piece by piece from somebody who is not believed.
// It is hashed on the way, so that it needs no second reading, and holds no more on
// the disk than its name says. It is not safe for concurrent use.
type Incoming struct {
	store *Store
	temp  *safefile.Temp
	want  digest.Digest
	got   *digest.Hasher
	size  int64
}

// Receive begins to take in the blob called d. The result must be committed or
// discarded; until then it holds a descriptor.
func (s *Store) Receive(d digest.Digest) (*Incoming, error) {
	t, err := s.create()
	if err != nil {
		return nil, err
	}
	return &Incoming{store: s, temp: t, want: d, got: digest.NewHasher()}, nil
}

// Size returns how many bytes have come.
func (i *Incoming) Size() int64 { return i.size }

// Write implements io.Writer. What goes beyond the blob's length is refused with an
// error that wraps storage.ErrWrongContent.
func (i *Incoming) Write(p []byte) (int, error) {
	if int64(len(p)) > i.want.Size-i.size {
		return 0, fmt.Errorf("receive blob %s: %w", i.want, storage.ErrWrongContent)
	}
	n, err := i.temp.File().Write(p)
	i.size += int64(n)
	_, _ = i.got.Write(p[:n])
	if err != nil {
		return n, storage.FaultOf("store", err)
	}
	return n, nil
}

// Commit gives the blob its name if it has come whole and is what it was called;
// else the error wraps storage.ErrWrongContent. The Incoming cannot be used
// afterwards, whatever the result.
func (i *Incoming) Commit(ctx context.Context) error {
	defer i.temp.Discard()
	if i.got.Digest() != i.want {
		return fmt.Errorf("receive blob %s: %w", i.want, storage.ErrWrongContent)
	}
	if i.store.holds(ctx, i.want) {
		return nil
	}
	return i.store.publish(i.temp, i.want)
}

// Discard drops what has come. After Commit it has no effect.
func (i *Incoming) Discard() { i.temp.Discard() }
