package coordinator

import (
	"sync"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/result"
)

// What is compiled from a result that is for one directory alone (a macro with the name of a
// directory in it) is as good as located: elsewhere that input is another. Its key needs not
// say so. Who asks why there are no hits is to be told.

// follows is what is counted for such a result.
const follows = "what it is made from is for its directory alone"

// lone are the contents of outputs of this session that are for one directory alone.
type lone struct {
	mu   sync.Mutex // guards seen
	seen map[digest.Digest]bool
}

// maxLone bounds the memory of lone; what is forgotten is only not counted.
const maxLone = 1 << 14

func (l *lone) add(outputs []result.Output) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil || len(l.seen) >= maxLone {
		l.seen = make(map[digest.Digest]bool)
	}
	for _, o := range outputs {
		if o.Digest.Size > 0 { // an empty file is nobody's
			l.seen[o.Digest] = true
		}
	}
}

// remain remembers the outputs of a result that is stored under the face, if it is for one
// directory alone and calls are shared between places.
func (f *face) remain(e *result.Result) {
	if f.places == nil && f.j.s.Roots != nil {
		f.j.s.lone.add(e.Outputs)
	}
}

// among returns a file of snap with such a content, "" where there is none.
func (l *lone) among(snap *filestate.Snapshot) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.seen) == 0 {
		return ""
	}
	for _, f := range snap.Files() {
		if l.seen[f.Digest] {
			return f.Path
		}
	}
	return ""
}
