package cas

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
)

// Staged is content that belongs to the store already but has no name yet. It is
// not safe for concurrent use.
type Staged struct {
	store *Store
	temp  *safefile.Temp // nil: the content is in memory
	small []byte
	size  int64
}

// smallSize is up to how many bytes content is staged in memory: to make a file costs
// more than to copy as much, and of what is there already none has to be made.
const smallSize = 64 << 10

// Stage copies the content of src, from offset 0, to where it can become a blob,
// sharing its blocks where the file system can. Afterwards src may change. It is
// the quick half of PutFile: nothing is hashed. The offset of src is not moved.
// The result must be published or discarded; until then it may hold a descriptor.
func (s *Store) Stage(ctx context.Context, src *os.File) (*Staged, error) {
	b := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(b)
	switch n, err := io.ReadFull(io.NewSectionReader(src, 0, smallSize+1), (*b)[:smallSize+1]); {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return s.StageBytes(ctx, bytes.Clone((*b)[:n]))
	case err != nil:
		return nil, putError(ctx, err)
	}
	t, err := s.create()
	if err != nil {
		return nil, err
	}
	n, err := copyFile(ctx, t.File(), src, *b)
	if err != nil {
		t.Discard()
		return nil, putError(ctx, err)
	}
	return &Staged{store: s, temp: t, size: n}, nil
}

// StageBytes is Stage for content in memory, which must not change afterwards.
func (s *Store) StageBytes(ctx context.Context, content []byte) (*Staged, error) {
	if len(content) <= smallSize {
		return &Staged{store: s, small: content, size: int64(len(content))}, nil
	}
	t, err := s.create()
	if err != nil {
		return nil, err
	}
	if _, err := t.File().Write(content); err != nil {
		t.Discard()
		return nil, putError(ctx, err)
	}
	return &Staged{store: s, temp: t, size: int64(len(content))}, nil
}

// Size returns the length of the content in bytes.
func (g *Staged) Size() int64 { return g.size }

// Content returns the staged content. It can be read until Publish or Discard.
func (g *Staged) Content() *io.SectionReader {
	if g.temp == nil {
		return io.NewSectionReader(bytes.NewReader(g.small), 0, g.size)
	}
	return io.NewSectionReader(g.temp.File(), 0, g.size)
}

// Publish hashes the staged content, makes it a blob and returns its name. The
// Staged cannot be used afterwards, whatever the result.
func (g *Staged) Publish(ctx context.Context) (digest.Digest, error) {
	if g.temp == nil {
		return g.store.PutBytes(ctx, g.small)
	}
	defer g.temp.Discard()
	d, err := g.store.hash(ctx, g.temp.File(), g.size)
	if err != nil {
		return digest.Digest{}, putError(ctx, err)
	}
	if g.store.holds(ctx, d) {
		return d, nil
	}
	return d, g.store.publish(g.temp, d)
}

// Discard drops the staged content. After Publish it has no effect.
func (g *Staged) Discard() {
	if g.temp != nil {
		g.temp.Discard()
	}
}

// PutFile stores the content of src, from offset 0, and returns its name. The
// name is that of the bytes that were stored, even if src changes meanwhile.
func (s *Store) PutFile(ctx context.Context, src *os.File) (digest.Digest, error) {
	g, err := s.Stage(ctx, src)
	if err != nil {
		return digest.Digest{}, err
	}
	return g.Publish(ctx)
}

// PutBytes stores b and returns its name.
func (s *Store) PutBytes(ctx context.Context, b []byte) (digest.Digest, error) {
	d := digest.Of(b)
	if s.holds(ctx, d) {
		return d, nil
	}
	if err := done(ctx); err != nil {
		return d, putError(ctx, err)
	}
	t, err := s.create()
	if err != nil {
		return d, err
	}
	defer t.Discard()
	if _, err := t.File().Write(b); err != nil {
		return d, putError(ctx, err)
	}
	return d, s.publish(t, d)
}

// PutStream stores all that content yields and returns its name. An error of content is
// handed on as it is.
func (s *Store) PutStream(ctx context.Context, content io.Reader) (digest.Digest, error) {
	t, err := s.create()
	if err != nil {
		return digest.Digest{}, err
	}
	defer t.Discard()
	b := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(b)
	h := digest.NewHasher()
	src := &source{r: content}
	if _, err := copyBytes(ctx, io.MultiWriter(t.File(), h), src, *b); err != nil {
		if src.err != nil {
			return digest.Digest{}, src.err
		}
		return digest.Digest{}, putError(ctx, err)
	}
	d := h.Digest()
	if s.holds(ctx, d) {
		return d, nil
	}
	return d, s.publish(t, d)
}

// source remembers the error that reading ended with.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// Put stores the first d.Size bytes of content as the blob called d. Where those
// are other bytes the error wraps storage.ErrWrongContent and nothing is stored.
func (s *Store) Put(ctx context.Context, d digest.Digest, content io.ReaderAt) error {
	if s.holds(ctx, d) {
		return nil
	}
	t, err := s.create()
	if err != nil {
		return err
	}
	defer t.Discard()
	b := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(b)
	h := digest.NewHasher()
	src := io.NewSectionReader(content, 0, d.Size)
	if _, err := copyBytes(ctx, io.MultiWriter(t.File(), h), src, *b); err != nil {
		return putError(ctx, err)
	}
	if h.Digest() != d {
		return fmt.Errorf("store blob %s: %w", d, storage.ErrWrongContent)
	}
	return s.publish(t, d)
}

// holds reports whether the blob is there already and verified. A file of its
// name that is something else has then been removed and can be put anew.
func (s *Store) holds(ctx context.Context, d digest.Digest) bool {
	_, err := s.Path(ctx, d)
	return err == nil
}

// publish gives t the name of d. That somebody else has put the same blob in the
// meantime is as good.
func (s *Store) publish(t *safefile.Temp, d digest.Digest) error {
	err := t.Publish(s.path(d))
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return storage.FaultOf("store", err)
	}
	s.stored(d.Size)
	return nil
}

func putError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("store blob: %w", context.Cause(ctx))
	}
	return storage.FaultOf("store", err)
}

// copyBytes copies src to dst until EOF, by way of buf, and returns how many
// bytes.
func copyBytes(ctx context.Context, dst io.Writer, src io.Reader, buf []byte) (int64, error) {
	var total int64
	for {
		if err := done(ctx); err != nil {
			return total, err
		}
		n, err := src.Read(buf)
		if n > 0 {
			if _, err := dst.Write(buf[:n]); err != nil {
				return total, err
			}
			total += int64(n)
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// copyRest copies the content of src from offset off on to the same offset of
// dst, and returns the length that dst then has.
func copyRest(ctx context.Context, dst, src *os.File, off int64, buf []byte) (int64, error) {
	n, err := copyBytes(ctx, io.NewOffsetWriter(dst, off), io.NewSectionReader(src, off, math.MaxInt64-off), buf)
	return off + n, err
}
