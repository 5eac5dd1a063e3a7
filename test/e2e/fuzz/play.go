package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// subject is what stands before the compiler.
type subject interface {
	// Outcome says what became of the calls since it was last asked, in the words
	// of the harness.
	Outcome() (string, error)
}

// player plays histories, one at a time.
type player struct {
	wrapper string
	mapped  string // stands before compilers that are run bare, "" for none
	subject subject
	env     []string
	base    string // directory of the histories' directories
	serial  int
}

// verdict is what a case came to.
type verdict struct {
	at            int // step
	diff          string
	random        bool   // bare runs differ from each other
	good          bool   // the bare compiler is content
	first, second string // outcomes of the two calls
	repeats       bool   // differed when the history was played again
}

// play plays a history in a new directory and tells observe of each case, until
// observe returns false.
func (p *player) play(h *history, observe func(verdict) bool) error {
	p.serial++
	root := filepath.Join(p.base, fmt.Sprintf("h%06d", p.serial)) // one length: it is in the objects
	saved := root + ".saved"
	defer os.RemoveAll(root)
	defer os.RemoveAll(saved)
	if err := lay(root, h.files); err != nil {
		return err
	}
	if err := os.Mkdir(saved, 0o755); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	g := &game{player: p, root: root}
	if err := g.change(h.prep); err != nil {
		return err
	}
	if _, err := p.subject.Outcome(); err != nil {
		return err
	}
	for at, s := range h.steps {
		switch s.kind {
		case change:
			if err := g.change(s.text); err != nil {
				return err
			}
		case race:
			if err := g.change(through(p.wrapper, s.text)); err != nil {
				return err
			}
			if _, err := p.subject.Outcome(); err != nil {
				return err
			}
		case compile:
			v, err := g.compile(s)
			v.at = at
			if err != nil {
				return fmt.Errorf("step %d, %s: %w", at, s.text, err)
			}
			if !observe(v) {
				return nil
			}
		}
	}
	return nil
}

// lay writes the files.
func lay(root string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(root, name)
		mode := os.FileMode(0o644)
		if strings.HasPrefix(text, "#!") {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("lay out a project: %w", err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			return fmt.Errorf("lay out a project: %w", err)
		}
	}
	return nil
}

// game is a history being played.
type game struct {
	*player
	root  string
	tree  harness.Tree // as it is now
	ended time.Time    // of the last run
}

// change runs a script whose success does not matter. $S is a directory beside
// the project for what a change puts away.
func (g *game) change(script string) error {
	r, err := harness.Run(g.root, g.root, "S="+g.root+".saved; "+script, g.env, nil)
	if err == nil {
		g.tree = r.Tree
	}
	return err
}

// nextSecond is long enough for a clock of seconds to show another one.
const nextSecond = 1100 * time.Millisecond

// moreBare is how often the bare compiler may show that what differs is random.
const moreBare = 3

// compile runs a case. The tree is at the start of each run what it was before
// the first, and stays as the last run leaves it.
func (g *game) compile(s step) (verdict, error) {
	start, began := g.tree, time.Now()
	var v verdict
	var results [3]*harness.Result
	order := [3]string{g.mapped, g.wrapper, g.wrapper}
	if s.first {
		order = [3]string{g.wrapper, g.mapped, g.wrapper}
	}
	bare := 0
	for n, wrapper := range order {
		if n > 0 {
			time.Sleep(time.Until(g.ended.Add(settled)))
		}
		r, err := g.from(start, s.text, wrapper)
		if err != nil {
			return v, err
		}
		results[n] = r
		if wrapper == g.mapped {
			bare = n
			continue
		}
		outcome, err := g.subject.Outcome()
		if err != nil {
			return v, err
		}
		if n < 2 && v.first == "" {
			v.first = outcome
		}
		v.second = outcome
	}
	alikeFresh(results[0], results[bare])
	v.good = results[bare].Status == "exit status 0"
	j := &judge{g: g, start: start, call: s.text, began: began, v: &v, results: results, bare: bare}
	if err := j.judge(); err != nil {
		return v, err
	}
	if strings.Contains(v.first+v.second, "error") {
		v.diff += fmt.Sprintf("%q: cache error, %s then %s\n", s.text, v.first, v.second)
	}
	return v, nil
}

// judge compares the runs of a case with each other.
type judge struct {
	g       *game
	start   harness.Tree
	call    string
	began   time.Time
	v       *verdict
	results [3]*harness.Result
	bare    int // which of the results is that of the bare compiler, run by g.mapped
	right   []*reference
}

// reference is what the bare compiler gives, run by wrapper, and once more.
type reference struct {
	wrapper      string
	first, again *harness.Result
}

// judge says how the runs differ, as far as that is not random.
func (j *judge) judge() error {
	j.right = []*reference{{wrapper: j.g.mapped, first: j.results[j.bare]}}
	j.differ()
	if j.v.diff != "" && j.g.mapped != "" { // a call whose words say that it cannot be moved is run as it is
		exact, err := j.g.from(j.start, j.call, "")
		if err != nil {
			return err
		}
		j.right = append(j.right, &reference{first: exact})
		j.differ()
	}
	for try := 0; j.v.diff != "" && try < moreBare; try++ {
		for _, r := range j.right {
			time.Sleep(time.Until(j.began.Add(nextSecond)))
			var err error
			if r.again, err = j.g.from(j.start, j.call, r.wrapper); err != nil {
				return err
			}
		}
		j.differ()
		j.v.random = j.v.diff == ""
	}
	return nil
}

// differ says which runs of cachepot differ from all that is right, and how from the first
// of it, apart from what is random.
func (j *judge) differ() {
	j.v.diff = ""
	for n, r := range j.results {
		wrong := func(ref *reference) string { return harness.Diff(ref.first, r, ref.again) }
		if n != j.bare && !slices.ContainsFunc(j.right, func(ref *reference) bool { return wrong(ref) == "" }) {
			j.v.diff += fmt.Sprintf("run %d of %q, %s then %s:\n%s\n", n+1, j.call, j.v.first, j.v.second, wrong(j.right[0]))
		}
	}
}

// settled is longer than the tick of the clock that files are stamped by.
const settled = 12 * time.Millisecond

// alikeFresh takes r's word for what was written from another run. The first run
// of a case may come so soon after the case before that an output gets the very
// stamp that it had.
func alikeFresh(r, other *harness.Result) {
	for name, f := range r.Tree {
		f.Fresh = other.Tree[name].Fresh
		r.Tree[name] = f
	}
}

// from runs a call on a tree that is first made what it was at the start.
func (g *game) from(start harness.Tree, text, wrapper string) (*harness.Result, error) {
	now, err := harness.Scan(g.root, start)
	if err != nil {
		return nil, err
	}
	if err := harness.Restore(g.root, start, now); err != nil {
		return nil, err
	}
	if now, err = harness.Scan(g.root, start); err != nil {
		return nil, err
	}
	r, err := harness.Run(g.root, g.root, through(wrapper, text), g.env, now)
	g.ended = time.Now()
	if err == nil {
		g.tree = r.Tree
	}
	return r, err
}
