package coordinator

import (
	"sync"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
)

// Note is what became of one call.
type Note struct {
	Time    time.Time     `json:"time"`
	Dir     string        `json:"dir"`
	Argv    []string      `json:"argv"`
	Path    string        `json:"path"`
	Env     []string      `json:"-"`
	Outcome string        `json:"outcome"` // "hit", "miss", "not stored", "not cached", "no compile", "error"
	Reason  string        `json:"reason,omitempty"`
	Recipe  digest.Digest `json:"-"` // of the entry that a miss made
	Subject digest.Digest `json:"-"`
}

// maxNotes is how many calls the journal remembers.
const maxNotes = 512

// journal remembers the latest calls, for explanations.
type journal struct {
	mu    sync.Mutex // guards notes
	notes []Note     // the latest last
}

func (l *journal) add(n Note) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.notes) == maxNotes {
		l.notes = append(l.notes[:0], l.notes[1:]...)
	}
	l.notes = append(l.notes, n)
}

// last returns the latest note that want takes.
func (l *journal) last(want func(*Note) bool) (Note, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.notes) - 1; i >= 0; i-- {
		if want(&l.notes[i]) {
			return l.notes[i], true
		}
	}
	return Note{}, false
}

func (j *job) note(outcome, reason string) Note {
	return Note{Time: j.started, Dir: j.msg.Dir, Argv: j.msg.Argv, Path: j.msg.Path, Env: j.msg.Env, Outcome: outcome, Reason: reason}
}
