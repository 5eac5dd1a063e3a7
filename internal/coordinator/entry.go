package coordinator

import (
	"context"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/storage"
)

// loadEntry returns the result of an action, nil where there is none.
func (s *Server) loadEntry(ctx context.Context, id digest.Digest) *result.Result {
	b, err := storage.Get(ctx, s.Tier, storage.Entry, id)
	if err != nil {
		s.readFailed(err)
		return nil
	}
	r, err := result.Decode(b)
	if err != nil {
		s.readFailed(err)
		return nil
	}
	return r
}

// A request record is the digests of its path sets, the latest first:
//
//	record = (hash[32] size[8, big endian])*
func encodeDigests(ds []digest.Digest) []byte {
	var b []byte
	for _, d := range ds {
		b = append(b, d.Hash[:]...)
		for shift := 56; shift >= 0; shift -= 8 {
			b = append(b, byte(d.Size>>shift))
		}
	}
	return b
}

// decodeDigests reads what encodeDigests wrote, up to where it makes sense.
func decodeDigests(b []byte) []digest.Digest {
	var out []digest.Digest
	for ; len(b) >= 40; b = b[40:] {
		var d digest.Digest
		copy(d.Hash[:], b)
		for _, c := range b[32:40] {
			d.Size = d.Size<<8 | int64(c)
		}
		if d.Size < 0 {
			break
		}
		out = append(out, d)
	}
	return out
}
