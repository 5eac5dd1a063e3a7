package stats

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// File keeps the statistics of one port across restarts. Two coordinators may
// share it for a while (one ends, the next has begun): each adds what it has
// counted since it last did, under a lock.
type File struct {
	path string

	mu      sync.Mutex // guards pending
	pending Counters
	dirty   bool
}

// OpenFile returns the statistics in path, whose directory exists. Nothing is read
// before it is asked for; a file that makes no sense counts as empty.
func OpenFile(path string) *File { return &File{path: path} }

// Do lets f change the counters; f sees only what is not saved yet.
func (s *File) Do(f func(*Counters)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.pending)
	s.dirty = true
}

// Save adds what was counted to the file.
func (s *File) Save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.dirty {
		return nil
	}
	_, err := s.update(func(c *Counters) { c.Add(&s.pending) })
	if err == nil {
		s.pending, s.dirty = Counters{}, false
	}
	return err
}

// Total returns all that was ever counted since the last Zero.
func (s *File) Total() (Counters, error) {
	if err := s.Save(); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		var c Counters // the file cannot be written: what this process knows
		c.Add(&s.pending)
		return c, nil
	}
	return s.update(nil)
}

// Zero forgets everything.
func (s *File) Zero() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending, s.dirty = Counters{}, false
	_, err := s.update(func(c *Counters) { *c = Counters{} })
	return err
}

// update reads the file, lets change change what it holds, and writes it back.
func (s *File) update(change func(*Counters)) (Counters, error) {
	var c Counters
	f, err := os.OpenFile(s.path, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return c, fmt.Errorf("open statistics: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return c, fmt.Errorf("lock statistics: %w", err)
	}
	old, err := io.ReadAll(f)
	if err != nil {
		return c, fmt.Errorf("read statistics: %w", err)
	}
	if json.Unmarshal(old, &c) != nil {
		c = Counters{}
	}
	if change == nil {
		return c, nil
	}
	change(&c)
	b, err := json.Marshal(&c)
	if err != nil {
		return c, fmt.Errorf("encode statistics: %w", err)
	}
	// One write over the old text: a crash between it and the cut leaves text that
	// does not parse, and so empty statistics.
	_, err = f.WriteAt(b, 0)
	return c, errors.Join(err, f.Truncate(int64(len(b))))
}
