package rustc

import (
	"path/filepath"
	"strings"
	"sync"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
)

// Files tells what files hold. Changed is the time of the last change of a file
// by Clock, the clock that files are stamped by.
type Files interface {
	Content(path string) (d digest.Digest, changed int64, err error)
	Clock() int64
}

// Records keeps encoded Origins by the content of the file.
type Records interface {
	LoadOrigin(d digest.Digest) ([]byte, bool)
	SaveOrigin(d digest.Digest, record []byte)
}

// Ledger implements Origins: it is told of every call that makes libraries.
type Ledger struct {
	files   Files
	records Records

	mu      sync.Mutex // guards all below
	running map[string]making
	known   map[digest.Digest]Origin
}

// making is a library file that a call is writing.
type making struct {
	origin Origin
	start  int64 // by Files.Clock
}

// maxKnown bounds the memory of origins, some hundred bytes each.
const maxKnown = 1 << 15

// NewLedger returns a Ledger that knows what records holds.
func NewLedger(files Files, records Records) *Ledger {
	return &Ledger{files: files, records: records, running: make(map[string]making), known: make(map[digest.Digest]Origin)}
}

// Origin implements Origins.
func (l *Ledger) Origin(file string) (Origin, digest.Digest, bool) {
	d, changed, err := l.files.Content(file)
	if err != nil {
		return Origin{}, d, false
	}
	l.mu.Lock()
	m, isRunning := l.running[plain(file)]
	l.mu.Unlock()
	if isRunning && changed >= m.start {
		return m.origin, d, true
	}
	o, ok := l.recall(d)
	return o, d, ok
}

// recall returns the origin of a content.
func (l *Ledger) recall(d digest.Digest) (Origin, bool) {
	l.mu.Lock()
	o, ok := l.known[d]
	l.mu.Unlock()
	if ok {
		return o, true
	}
	record, ok := l.records.LoadOrigin(d)
	if !ok {
		return Origin{}, false
	}
	o, err := DecodeOrigin(record)
	if err != nil {
		return Origin{}, false
	}
	l.remember(d, o)
	return o, true
}

// plain drops the "." of a -L that is the working directory.
func plain(file string) string { return strings.ReplaceAll(file, "/./", "/") }

func (l *Ledger) remember(d digest.Digest, o Origin) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.known) >= maxKnown {
		clear(l.known)
	}
	l.known[d] = o
}

// announce says that a call with this origin is writing files. The result ends
// that and, where the call succeeded, keeps the origin by their contents; see
// compiler.Producer.
func (l *Ledger) announce(files []string, o Origin) func(succeeded bool, stored map[string]digest.Digest) {
	start := l.files.Clock()
	l.mu.Lock()
	for _, f := range files {
		l.running[plain(f)] = making{o, start}
	}
	l.mu.Unlock()
	return func(succeeded bool, stored map[string]digest.Digest) {
		if succeeded {
			l.keep(files, o, start, stored)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, f := range files {
			delete(l.running, plain(f))
		}
	}
}

func (l *Ledger) keep(files []string, o Origin, start int64, stored map[string]digest.Digest) {
	for _, f := range files {
		d, ok := stored[f]
		if !ok {
			var changed int64
			var err error
			if d, changed, err = l.files.Content(f); err != nil || changed < start {
				continue // not written by this call
			}
		}
		l.save(d, o)
	}
}

func (l *Ledger) save(d digest.Digest, o Origin) {
	l.remember(d, o)
	l.records.SaveOrigin(d, o.Encode())
}

// Producing implements compiler.Producer.
func (l *Language) Producing(call *compiler.Call) func(succeeded bool, stored map[string]digest.Digest) {
	ledger, ok := l.origins.(*Ledger)
	if !ok {
		return nil
	}
	files, o, ok := l.Produces(call)
	if !ok {
		return nil
	}
	return ledger.announce(files, o)
}

// Replayed implements compiler.Producer.
func (l *Language) Replayed(call *compiler.Call, stored map[string]digest.Digest, unchanged func() bool) {
	ledger, ok := l.origins.(*Ledger)
	if !ok || ledger.knows(stored) {
		return
	}
	files, o, ok := l.Produces(call)
	if !ok || !unchanged() {
		return
	}
	for _, f := range files {
		if d, ok := stored[f]; ok {
			ledger.save(d, o)
		}
	}
}

// knows reports whether the origin of every library among the files is known.
func (l *Ledger) knows(files map[string]digest.Digest) bool {
	for f, d := range files {
		switch filepath.Ext(f) {
		case ".rlib", ".rmeta", ".so":
			if _, ok := l.recall(d); !ok {
				return false
			}
		}
	}
	return true
}
