package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// project is a directory to be changed and compiled, as a generator makes it.
type project struct {
	family  string
	files   map[string]string
	prep    string
	opening []*call    // compiled first, in order: what others are built upon
	changes []toggle   // of files
	vars    []variable // of the environment
	fresh   func() *call
	mutate  func(*call)
}

// toggle is a change and its opposite. States come back, and with them hits.
type toggle struct{ do, undo string }

// variable is set to one of its values, or not at all.
type variable struct {
	name   string
	values []string
}

// call is one command line, in parts, so that it can be changed.
type call struct {
	dir  string // below the root, "" for itself
	pre  string // shell before it, such as umask; "" or ending in "; "
	tool string
	env  []string // assignments
	args []string // shell words
}

// text renders the call with the variables of the moment.
func (c *call) text(env []string) string {
	var b strings.Builder
	if c.dir != "" {
		fmt.Fprintf(&b, "cd %s && ", c.dir)
	}
	b.WriteString(c.pre)
	for _, e := range slices.Concat(env, c.env) {
		b.WriteString(e + " ")
	}
	b.WriteString(pot + c.tool)
	for _, a := range c.args {
		b.WriteString(" " + a)
	}
	return b.String()
}

func (c *call) clone() *call {
	d := *c
	d.env, d.args = slices.Clone(c.env), slices.Clone(c.args)
	return &d
}

// casesPerHistory is enough for states to come back several times, and few
// enough for a failed history to be played again and again.
const casesPerHistory = 24

// generate makes the history of a number.
func generate(seed uint64, number int) *history {
	d := newDice(seed, number)
	p := newProject(d)
	w := &walk{dice: d, project: p, on: map[int]bool{}, set: map[int]int{},
		h: &history{seed: seed, number: number, family: p.family, files: p.files, prep: p.prep}}
	w.pool = slices.Clone(p.opening)
	for _, c := range p.opening {
		w.compile(c)
	}
	for len(w.pool) < 3 {
		w.pool = append(w.pool, p.fresh())
	}
	for w.cases < casesPerHistory {
		w.round()
	}
	return w.h
}

// walk is a history in the making.
type walk struct {
	dice
	*project
	h     *history
	pool  []*call
	on    map[int]bool // changes that are done and not undone
	set   map[int]int  // variables: the value's place, from 1
	cases int
}

// round is changes, most often one, and a compile.
func (w *walk) round() {
	c := w.pick()
	if w.one(30) && len(w.changes) > 0 {
		w.race(c)
		return
	}
	for range []int{0, 1, 1, 1, 2}[w.IntN(5)] {
		if w.one(4) && len(w.vars) > 0 {
			w.turn()
		} else if len(w.changes) > 0 {
			w.h.steps = append(w.h.steps, step{kind: change, text: w.flip()})
		}
	}
	w.compile(c)
}

// pick takes a call made before, most often, or makes another.
func (w *walk) pick() *call {
	switch {
	case w.one(12):
		w.pool = append(w.pool, w.fresh())
		return w.pool[len(w.pool)-1]
	case w.one(6):
		c := w.pool[w.IntN(len(w.pool))].clone()
		w.mutate(c)
		w.pool = append(w.pool, c)
		return c
	}
	return w.pool[w.IntN(len(w.pool))]
}

// flip does a change, or undoes one. The more are done, the more often one is
// undone: most of the states should compile.
func (w *walk) flip() string {
	at := w.IntN(len(w.changes))
	if done := slices.Sorted(maps.Keys(w.on)); w.IntN(3) < len(done) {
		at = done[w.IntN(len(done))]
	}
	if w.on[at] {
		delete(w.on, at)
		return w.changes[at].undo
	}
	w.on[at] = true
	return w.changes[at].do
}

// turn sets a variable, or unsets it where it is set.
func (w *walk) turn() {
	at := w.IntN(len(w.vars))
	if w.set[at] > 0 {
		w.set[at] = 0
		return
	}
	w.set[at] = 1 + w.IntN(len(w.vars[at].values))
}

func (w *walk) compile(c *call) {
	w.cases++
	w.h.steps = append(w.h.steps, step{kind: compile, text: c.text(w.environ()), first: w.one(3)})
}

// race changes something while a compile runs, then compiles the same again.
func (w *walk) race(c *call) {
	text := c.text(w.environ())
	w.h.steps = append(w.h.steps, step{kind: race,
		text: fmt.Sprintf("{ sleep 0.0%02d; %s; } & ( %s ); wait", w.IntN(40), w.flip(), text)})
	w.cases++
	w.h.steps = append(w.h.steps, step{kind: compile, text: text, first: true})
}

// environ renders the variables that are set.
func (w *walk) environ() []string {
	var env []string
	for at, v := range w.vars {
		if n := w.set[at]; n > 0 {
			env = append(env, v.name+"="+v.values[n-1])
		}
	}
	return env
}
