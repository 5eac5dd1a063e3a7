package main

import (
	"slices"
	"time"
)

// Bounds of the search for a smaller history: what is left after them still
// fails, it is only longer.
const (
	mostReplays = 60
	mostSearch  = 90 * time.Second
)

// minimise leaves out steps while the last case still differs. A history that
// does not differ when it is played again is returned as it is.
func minimise(p *player, h *history, v verdict) (*history, verdict, error) {
	s := &search{player: p, deadline: time.Now().Add(mostSearch)}
	best := h.with(slices.Clone(h.steps[:v.at+1]))
	found, now, err := s.fails(best)
	if err != nil || !found {
		return best, v, err
	}
	v = now
	for size := max(1, len(best.steps)/2); size >= 1; size /= 2 {
		for at := len(best.steps) - 1 - size; at >= 0 && s.left(); at -= size {
			fewer := best.with(slices.Delete(slices.Clone(best.steps), at, at+size))
			found, now, err := s.fails(fewer)
			if err != nil {
				return best, v, err
			}
			if found {
				best, v = fewer, now
				at = min(at+size, len(best.steps)) // the loop takes size off again
			}
		}
	}
	return best, v, nil
}

// search is bounded.
type search struct {
	*player
	replays  int
	deadline time.Time
}

func (s *search) left() bool { return s.replays < mostReplays && time.Now().Before(s.deadline) }

// fails plays a history and reports whether a case of it differs; it is cut off
// after that one.
func (s *search) fails(h *history) (bool, verdict, error) {
	s.replays++
	var bad verdict
	found := false
	err := s.play(h, func(v verdict) bool {
		if v.diff != "" {
			found, bad = true, v
			bad.repeats = true
		}
		return !found
	})
	if found {
		h.steps = h.steps[:bad.at+1]
	}
	return found, bad, err
}
