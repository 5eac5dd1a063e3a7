package disk

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
	"github.com/cachepot/cachepot/internal/storage"
)

// Keys returns the keys of all records of a kind, in the order of their hashes.
// Nothing is read: a record may have gone, or turn out corrupt, when it is asked
// for. The error wraps context.Cause(ctx).
func (t *Tier) Keys(ctx context.Context, kind storage.Kind) ([]digest.Digest, error) {
	var keys []digest.Digest
	top := filepath.Join(t.dir, kind.String())
	for _, shard := range names(top) {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if len(shard) != shardLen {
			continue
		}
		for _, name := range names(filepath.Join(top, shard)) {
			if key, ok := keyOf(name); ok && name[:shardLen] == shard {
				keys = append(keys, key)
			}
		}
	}
	return keys, nil
}

// keyOf reads the name of a record's file.
func keyOf(name string) (digest.Digest, bool) {
	hash, size, ok := strings.Cut(name, "-")
	if !ok || safefile.IsTemp(name) {
		return digest.Digest{}, false
	}
	key, err := digest.FromHex(hash, size)
	return key, err == nil
}
