package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cachepot/cachepot/internal/digest"
)

var errBlob = errors.New("content does not fit its name")

// ReadBlob returns the content of the blob called d, verified.
func ReadBlob(ctx context.Context, t Tier, d digest.Digest) ([]byte, error) {
	var b bytes.Buffer
	// A digest may come from elsewhere: its size is a claim, so it is not
	// allocated in one piece before the content has been seen.
	b.Grow(int(min(d.Size, 1<<20)) + bytes.MinRead)
	if err := CopyBlob(ctx, t, d, &b); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// CopyBlob writes the content of the blob called d to w. What has been written
// may be used only if the result is nil: it is verified when all of it is there.
func CopyBlob(ctx context.Context, t Tier, d digest.Digest, w io.Writer) error {
	r, err := t.GetBlob(ctx, d)
	if err != nil {
		return err
	}
	defer r.Close()
	// One byte more than there should be, to see that there is more.
	src := &source{r: io.LimitReader(r, d.Size+1)}
	h := digest.NewHasher()
	_, err = io.Copy(io.MultiWriter(w, h), src)
	switch {
	case src.err != nil:
		return tierError(ctx, src.err)
	case err != nil:
		return fmt.Errorf("copy blob %s: %w", d, err)
	case h.Digest() != d:
		return CorruptBlob(d, errBlob)
	}
	return nil
}

// source remembers an error of r, to tell it from one of the writer.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// tierError returns an error that the reader of a blob gave as one of the sorts
// that a tier's methods return.
func tierError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, ok := errors.AsType[*Fault](err); ok || IsMiss(err) {
		return err
	}
	return FaultOf("read", err)
}

// WriteBlob stores b and returns its name.
func WriteBlob(ctx context.Context, t Tier, b []byte) (digest.Digest, error) {
	d := digest.Of(b)
	if err := t.PutBlob(ctx, d, bytes.NewReader(b)); err != nil {
		return digest.Digest{}, err
	}
	return d, nil
}

// MissingBlob returns the error of a look-up for a blob that is not there.
func MissingBlob(d digest.Digest) *Miss {
	return &Miss{Reason: Absent, Object: "blob " + d.String()}
}

// CorruptBlob returns the error of a look-up for a blob that err gave away.
func CorruptBlob(d digest.Digest, err error) *Miss {
	return &Miss{Reason: Corrupt, Object: "blob " + d.String(), Err: err}
}
