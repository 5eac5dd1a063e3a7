package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/storage"
)

// Memory is a tier in memory, without a bound, for tests of what stands above
// tiers. It does what storage.Tier says and nothing more; in particular it gives
// out what Rewrite has put into it.
type Memory struct {
	mu      sync.Mutex
	records map[recordName]storage.Sealed
	blobs   map[digest.Digest][]byte
}

type recordName struct {
	kind storage.Kind
	key  digest.Digest
}

// NewMemory returns an empty tier.
func NewMemory() *Memory {
	return &Memory{records: map[recordName]storage.Sealed{}, blobs: map[digest.Digest][]byte{}}
}

// GetRecord implements storage.Tier.
func (m *Memory) GetRecord(ctx context.Context, kind storage.Kind, key digest.Digest) (storage.Sealed, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.records[recordName{kind, key}]
	if !ok {
		return nil, storage.MissingRecord(kind, key)
	}
	return bytes.Clone(s), nil
}

// PutRecord implements storage.Tier.
func (m *Memory) PutRecord(ctx context.Context, kind storage.Kind, key digest.Digest, record storage.Sealed) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	name := recordName{kind, key}
	if _, ok := m.records[name]; !ok || kind.Mutable() {
		m.records[name] = bytes.Clone(record)
	}
	return nil
}

// DropRecord implements storage.Dropper.
func (m *Memory) DropRecord(ctx context.Context, kind storage.Kind, key digest.Digest) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.records, recordName{kind, key})
	return nil
}

// GetBlob implements storage.Tier.
func (m *Memory) GetBlob(ctx context.Context, d digest.Digest) (io.ReadCloser, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[d]
	if !ok {
		return nil, storage.MissingBlob(d)
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

// PutBlob implements storage.Tier.
func (m *Memory) PutBlob(ctx context.Context, d digest.Digest, content io.ReaderAt) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b, err := io.ReadAll(io.NewSectionReader(content, 0, d.Size))
	if err != nil {
		return storage.FaultOf("store", err)
	}
	if digest.Of(b) != d {
		return fmt.Errorf("store blob %s: %w", d, storage.ErrWrongContent)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.blobs[d] = b
	return nil
}

// MissingBlobs implements storage.Tier.
func (m *Memory) MissingBlobs(ctx context.Context, ds []digest.Digest) ([]digest.Digest, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var missing []digest.Digest
	for _, d := range ds {
		if _, ok := m.blobs[d]; !ok {
			missing = append(missing, d)
		}
	}
	return missing, nil
}

var errNothing = errors.New("nothing to rewrite")

// RewriteRecord implements Rewriter.
func (m *Memory) RewriteRecord(kind storage.Kind, key digest.Digest, change func([]byte) []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := recordName{kind, key}
	s, ok := m.records[name]
	if !ok {
		return errNothing
	}
	m.records[name] = change(bytes.Clone(s))
	return nil
}

// RewriteBlob implements Rewriter.
func (m *Memory) RewriteBlob(d digest.Digest, change func([]byte) []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[d]
	if !ok {
		return errNothing
	}
	m.blobs[d] = change(bytes.Clone(b))
	return nil
}
