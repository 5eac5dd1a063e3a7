package main

import "strings"

// history is one directory's life: what lies in it at first, then changes and
// compiles in turn. The same seed and number give the same history.
type history struct {
	seed   uint64
	number int
	family string            // language or compiler, for the summary
	files  map[string]string // by name; what begins with "#!" is executable
	prep   string            // shell, once the files are there
	steps  []step
}

// step is one thing that happens. Steps are shell text that stands alone and
// never fails for want of another step, so that a history stays one when steps
// are left out.
type step struct {
	kind kind
	text string
	// first: through cachepot before bare. The compile then follows the change at
	// once, and finds nothing that the bare compiler has warmed up.
	first bool
}

type kind int

const (
	change  kind = iota
	compile      // a case: bare, and twice through cachepot, with the same result
	race         // a compile through cachepot with a change during it; nothing is compared
)

// pot stands before each compiler in a step's text.
const pot = "$POT "

// through puts a wrapper in the place of pot; "" is none.
func through(wrapper, text string) string {
	if wrapper != "" {
		wrapper += " "
	}
	return strings.ReplaceAll(text, pot, wrapper)
}

// with returns the history with other steps.
func (h *history) with(steps []step) *history {
	c := *h
	c.steps = steps
	return &c
}
