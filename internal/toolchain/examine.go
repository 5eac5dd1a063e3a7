package toolchain

import (
	"context"
	"errors"
	"fmt"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/filestate"
)

// examination finds out what one part of a compiler is made of.
type examination struct {
	r    *Registry
	slot *slot
	tool compiler.Tool // what the compiler is taken for
	name string        // of the part
	dir  string
	show Progress
	// evidence is what the compiler looked at, where that is known.
	evidence *filestate.Snapshot
}

// errUnsteady: something changed during an attempt, so its findings do not fit
// together.
var errUnsteady = errors.New("compiler changes")

// maxAttempts is how often an unsteady compiler is looked at. A compiler that was
// just installed has a time stamp of the present tick; at the second attempt that
// is past.
const maxAttempts = 3

func (x *examination) run(ctx context.Context) (*Toolchain, error) {
	if t := x.recall(ctx); t != nil {
		return t, nil
	}
	for range maxAttempts {
		t, err := x.attempt(ctx)
		if err == nil {
			x.remember(ctx, t)
			return t, nil
		}
		if err != errUnsteady && !x.mistaken(ctx) {
			return nil, err
		}
	}
	return nil, compiler.NotCacheable("compiler changes")
}

// mistaken reports whether the compiler is another than it was taken for, which
// explains any failure, and takes it for that.
func (x *examination) mistaken(ctx context.Context) bool {
	tool, err := identify(ctx, x.slot.path, x.slot.env, x.dir)
	if err != nil || tool == x.tool {
		return false
	}
	x.tool = tool
	return true
}

// attempt has the compiler watched, evaluates what it looked at and only then
// asks it what it is: with everything unchanged from before the watch until after
// the answer, the paths, the contents and the answer belong together.
func (x *examination) attempt(ctx context.Context) (*Toolchain, error) {
	start := x.r.view.Now()
	ahead := newReader(x.r.view, x.show)
	ahead.expect(ctx, x)
	seen, err := x.observe(ctx)
	if err != nil {
		ahead.wait()
		return nil, err
	}
	snap, err := x.evaluate(seen.paths, ahead)
	if err != nil {
		return nil, err
	}
	x.evidence = snap
	if seen.failed {
		return nil, compiler.NotCacheable("compiler fails at an empty source")
	}
	tool, err := identify(ctx, x.slot.path, x.slot.env, x.dir)
	if err != nil {
		return nil, err
	}
	if snap.ChangedSince(start, nil) != "" || !seen.stillHolds() || !snap.Unchanged() {
		return nil, errUnsteady
	}
	if tool != x.tool {
		x.tool = tool // and another probe may be the right one
		return nil, errUnsteady
	}
	t, err := newToolchain(x.slot.path, x.name, tool, seen.paths, snap)
	if err != nil {
		return nil, fmt.Errorf("toolchain: %w", err)
	}
	return t, nil
}

// evaluate looks at everything that paths names, with all files read ahead.
func (x *examination) evaluate(paths *action.PathSet, ahead *reader) (*filestate.Snapshot, error) {
	ahead.wantAll(paths)
	ahead.wait()
	snap, err := x.r.view.Evaluate(paths)
	if err != nil {
		return nil, fmt.Errorf("read toolchain: %w", err)
	}
	return snap, nil
}
