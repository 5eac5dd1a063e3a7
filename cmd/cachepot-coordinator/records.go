package main

import (
	"context"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/storage"
)

// records keeps in a tier what the toolchain package and the rustc language want
// to remember across restarts. A record that cannot be kept is found out again.
type records struct{ tier storage.Tier }

// Load implements toolchain.Records.
func (r records) Load(ctx context.Context, key digest.Digest) ([]byte, bool) {
	b, err := storage.Get(ctx, r.tier, storage.Toolchain, key)
	return b, err == nil
}

// Save implements toolchain.Records.
func (r records) Save(ctx context.Context, key digest.Digest, record []byte) {
	_ = storage.Put(ctx, r.tier, storage.Toolchain, key, record)
}

// LoadOrigin implements rustc.Records.
func (r records) LoadOrigin(d digest.Digest) ([]byte, bool) {
	b, err := storage.Get(context.Background(), r.tier, storage.Origin, d)
	return b, err == nil
}

// SaveOrigin implements rustc.Records.
func (r records) SaveOrigin(d digest.Digest, record []byte) {
	_ = storage.Put(context.Background(), r.tier, storage.Origin, d, record)
}

// files are the file system as the rustc language sees it.
type files struct{ view *filestate.View }

// Content implements rustc.Files.
func (f files) Content(path string) (digest.Digest, int64, error) {
	c, err := f.view.File(path)
	return c.Digest, c.ID.Ctime, err
}

// Clock implements rustc.Files.
func (f files) Clock() int64 { return filestate.Clock() }
