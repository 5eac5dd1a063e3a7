package reapi

import (
	"sync"

	"github.com/cachepot/cachepot/internal/digest"
)

// known remembers which blobs the service has: those that were uploaded or that it
// said it has. A service may lose them at any time, so any error drops all of it.
type known struct {
	mu    sync.Mutex // guards blobs
	blobs map[digest.Digest]struct{}
}

// maxKnown bounds the memory, 40 bytes each and the map's own.
const maxKnown = 1 << 18

func newKnown() *known { return &known{blobs: make(map[digest.Digest]struct{})} }

// lacking returns those of blobs that the service is not known to have, each once.
func (k *known) lacking(blobs []Blob) []Blob {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []Blob
	once := make(map[digest.Digest]struct{})
	for _, b := range blobs {
		if _, there := k.blobs[b.Digest]; there || b.Digest.Size == 0 {
			continue // every service has the empty blob
		}
		if _, twice := once[b.Digest]; !twice {
			once[b.Digest] = struct{}{}
			out = append(out, b)
		}
	}
	return out
}

func (k *known) add(blobs []Blob) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.blobs)+len(blobs) > maxKnown {
		clear(k.blobs)
	}
	for _, b := range blobs {
		k.blobs[b.Digest] = struct{}{}
	}
}

func (k *known) drop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.blobs)
}

// empty reports whether nothing is known.
func (k *known) empty() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.blobs) == 0
}
