package toolchain

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/spawn"
)

// trial is a compiler.Trial that was made; its lock is held meanwhile, so that this
// happens once.
type trial struct {
	mu    sync.Mutex
	sight *compiler.Sight
	err   error
	snap  *filestate.Snapshot // what it looked at; nil: it was not made, or shows nothing for long
}

// maxTrials bounds the memory of trials, each some hundred kilobytes.
const maxTrials = 256

// Try makes a trial, or tells of an earlier one while all that it looked at is
// unchanged. The error is a *compiler.Bare where it shows nothing.
func (r *Registry) Try(ctx context.Context, t *compiler.Trial) (*compiler.Sight, error) {
	key := trialKey(t)
	r.mu.Lock()
	one := r.trials[key]
	if one == nil {
		if len(r.trials) >= maxTrials {
			clear(r.trials)
		}
		one = &trial{}
		r.trials[key] = one
	}
	r.mu.Unlock()
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.snap != nil && one.snap.Unchanged() {
		return one.sight, one.err
	}
	for range maxAttempts {
		if one.sight, one.snap, one.err = r.try(ctx, t); one.err != errUnsteady {
			return one.sight, one.err
		}
	}
	return nil, compiler.NotCacheable("compiler changes")
}

func trialKey(t *compiler.Trial) string {
	parts := []string{t.Program}
	for _, list := range [][]string{t.Args, t.Env, t.Leaves} {
		parts = append(append(parts, fmt.Sprint(len(list))), list...)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Files)) {
		parts = append(parts, name, t.Files[name])
	}
	return strings.Join(parts, "\x00")
}

// try makes a trial. What it looked at is unchanged from before it until after.
func (r *Registry) try(ctx context.Context, t *compiler.Trial) (*compiler.Sight, *filestate.Snapshot, error) {
	scratch, err := scratchDirectory()
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(scratch)
	for name, text := range t.Files {
		p := filepath.Join(scratch, name)
		if strings.HasSuffix(name, "/") {
			err = os.Mkdir(p, 0o700)
		} else {
			err = os.WriteFile(p, []byte(text), 0o600)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("prepare trial: %w", err)
		}
	}
	env := []string{"TMPDIR=" + scratch}
	for _, kv := range t.Env {
		env = append(env, strings.ReplaceAll(kv, "$DIR", scratch))
	}
	start := r.view.Now()
	o, err := r.watch(ctx, spawn.Command{Path: t.Program, Args: append([]string{t.Program}, t.Args...), Env: env, Dir: scratch})
	if err != nil {
		return nil, nil, err
	}
	if o.Incomplete != "" {
		return nil, nil, compiler.NotCacheable("compiler cannot be watched: %s", o.Incomplete)
	}
	return r.sight(t, o, scratch, start)
}

// sight makes of what was observed what stays true without the scratch directory.
func (r *Registry) sight(t *compiler.Trial, o *Observation, scratch string, start filestate.Moment) (*compiler.Sight, *filestate.Snapshot, error) {
	seen := &sighting{paths: &action.PathSet{Paths: []string{t.Program}}}
	seen.add(o, scratch)
	seen.paths.Normalize()
	snap, err := r.view.Evaluate(seen.paths)
	if err != nil {
		return nil, nil, fmt.Errorf("read toolchain: %w", err)
	}
	if snap.ChangedSince(start, nil) != "" || !seen.stillHolds() || !snap.Unchanged() {
		return nil, nil, errUnsteady
	}
	s := &compiler.Sight{Failed: o.Failed, Programs: o.Ran}
	for _, name := range t.Leaves {
		if _, err := os.Stat(filepath.Join(scratch, name)); err != nil {
			s.Failed = true
		}
	}
	s.Looks = append(s.Looks, compiler.Look{Path: t.Program, Deed: compiler.Read, Found: true})
	for _, l := range o.Looked {
		rest, own := strings.CutPrefix(filepath.Clean(l.Path), scratch+"/")
		switch {
		case own:
			s.Looks = append(s.Looks, compiler.Look{Path: "$DIR/" + rest, Deed: compiler.Probed, Found: l.Found})
		case within(scratch, l.Path), Volatile(l.Path):
		default:
			s.Looks = append(s.Looks, compiler.Look{Path: l.Path, Deed: compiler.Probed, Found: l.Found})
		}
	}
	for _, l := range seen.paths.Listings {
		s.Looks = append(s.Looks, compiler.Look{Path: l.Dir, Deed: compiler.Listed, Found: true})
	}
	return s, snap, nil
}
