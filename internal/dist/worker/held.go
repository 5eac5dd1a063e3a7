package worker

import (
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/safefile"
)

// Held remembers, beyond a restart, which toolchains a worker has: by the affinities of the jobs
// that came with leases, each with the largest file that such a job had, which as a rule is of
// the toolchain. That one has been evicted says that the toolchain is not there any more. It is
// a hint for the scheduler, and nothing else rests on it. All methods are safe for concurrent use.
//
//	file    = JSON array of holding, the latest last
//	holding = { "affinity": text, "largest": digest }
type Held struct {
	file string
	has  func(digest.Digest) bool
	log  *slog.Logger

	mu   sync.Mutex // guards list, and the file
	list []holding
}

type holding struct {
	Affinity string `json:"affinity"`
	Largest  string `json:"largest"`
}

// maxHeld bounds the affinities that are remembered, as the scheduler does.
const maxHeld = 256

// OpenHeld reads what was remembered in a file; one that cannot be read is one that is not there.
// has reports whether the worker has a blob.
func OpenHeld(file string, has func(digest.Digest) bool, log *slog.Logger) *Held {
	h := &Held{file: file, has: has, log: log}
	b, err := os.ReadFile(file)
	if err == nil && json.Unmarshal(b, &h.list) != nil {
		h.list = nil
	}
	h.list = h.list[max(len(h.list)-maxHeld, 0):]
	return h
}

// Affinities returns those whose toolchains are there, the latest last.
func (h *Held) Affinities() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, l := range h.list {
		if d, err := digest.Parse(l.Largest); err == nil && l.Affinity != "" && h.has(d) {
			out = append(out, l.Affinity)
		}
	}
	return out
}

// note remembers that a job of an affinity had a file.
func (h *Held) note(affinity string, largest digest.Digest) {
	if h == nil || affinity == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := holding{affinity, largest.String()}
	i := slices.IndexFunc(h.list, func(l holding) bool { return l.Affinity == affinity })
	same := i >= 0 && h.list[i] == now
	if i >= 0 {
		h.list = slices.Delete(h.list, i, i+1)
	}
	h.list = append(h.list, now)
	h.list = h.list[max(len(h.list)-maxHeld, 0):]
	if same { // the order alone is not worth a file
		return
	}
	b, err := json.Marshal(h.list)
	if err == nil {
		err = safefile.Write(h.file, b, 0o600)
	}
	if err != nil {
		h.log.Warn("the toolchains that are here are not remembered", "error", err)
	}
}
