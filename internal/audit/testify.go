package audit

import (
	"context"
	"debug/elf"
	"fmt"
	"path"
	"slices"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/sandbox"
	"github.com/cachepot/cachepot/internal/witness"
)

// stranger is what replays have for the variables that tell who the user is.
const stranger = "cachepot"

// testify replays an entry that macros had a hand in at its fixed places, where none of
// them has been, and for a user whom none has met: what comes of it tells whether the macros
// care. If they do the entry is right for its own places alone, which is no fault of it.
func (a *Auditor) testify(ctx context.Context, s *subject, in *inputs) error {
	elsewhere := &Report{}
	env, roots := others(s)
	first, err := a.replay(ctx, s, in, env, elsewhere)
	if err != nil {
		return err
	}
	macros := s.result.Bound.Macros
	switch {
	case elsewhere.limited: // tells nothing of them
		return gone("its macros cannot be tried: %s", elsewhere.Faults[0])
	case len(elsewhere.Faults) > 0:
		if err := a.again(ctx, s, in, env, first, macros); err != nil {
			return err
		}
		if err := a.witnesses.Move(ctx, macros); err != nil {
			return err
		}
		return gone("at other places or for another user its macros give something else: %s", elsewhere.Faults[0])
	}
	return a.witnesses.SettleRoots(ctx, s.key, macros, roots)
}

// others returns the variables of a replay, and those roots of the entry that are others in
// it than they were.
func others(s *subject) (env []string, roots []result.Root) {
	env = slices.Clone(s.recipe.Command.Env)
	for _, r := range s.result.Bound.Roots {
		name, _ := r.Variable()
		if name != "" {
			_, held := compiler.Environ(env).Lookup(name)
			if held || r.Real == witness.Mark(stranger, true) {
				continue // the key has it, or nothing is learnt
			}
			env = append(env, name+"="+stranger)
		}
		roots = append(roots, r)
	}
	return env, roots
}

// again runs the command once more, where a first replay, for which first stands, gave
// something else than the entry has. If this one gives something else again the macros do so
// each time, which is recorded, and no fault of the entry.
func (a *Auditor) again(ctx context.Context, s *subject, in *inputs, env []string, first string, macros digest.Digest) error {
	second := ""
	err := a.play(ctx, s, in, env, &Report{}, func(got *sandbox.Result) (err error) {
		second, err = sum(s, got)
		return err
	})
	if err != nil || first == "" || second == "" || first == second {
		return err
	}
	if err := a.witnesses.Vary(ctx, macros); err != nil {
		return err
	}
	return gone("its macros give something else each time")
}

// present replays an entry that is bound to nothing: what comes of it has to be what is
// stored, unless it has macros that give something else each time.
func (a *Auditor) present(ctx context.Context, s *subject, in *inputs, r *Report) error {
	mine := &Report{}
	env := s.recipe.Command.Env
	first, err := a.replay(ctx, s, in, env, mine)
	if err != nil {
		return err
	}
	if libraries := macros(s); len(mine.Faults) > 0 && len(libraries) > 0 {
		if err := a.again(ctx, s, in, env, first, witness.Set(libraries)); err != nil {
			return err
		}
	}
	for _, f := range mine.Faults {
		r.fault("%s", f)
	}
	return nil
}

// macros returns the libraries among the inputs of an entry that rustc has made and loads.
func macros(s *subject) []digest.Digest {
	var all []digest.Digest
	for _, f := range s.here.Files {
		if path.Ext(f.Path) != ".so" {
			continue
		}
		library, err := elf.Open(f.Path)
		if err != nil {
			continue
		}
		if library.Section(".rustc") != nil {
			all = append(all, f.Digest)
		}
		library.Close()
	}
	return all
}

// sum stands for all that came of a replay.
func sum(s *subject, got *sandbox.Result) (string, error) {
	all := fmt.Sprintf("%q %q", got.Stdout, got.Stderr)
	for i, path := range s.recipe.Command.Outputs {
		if got.Outputs[i].Kind != sandbox.File {
			continue
		}
		f, err := got.Open(path)
		if err != nil {
			return "", err
		}
		d, err := digest.Read(f)
		f.Close()
		if err != nil {
			return "", fmt.Errorf("read %s of a replay: %w", path, err)
		}
		all += fmt.Sprintf(" %q %s", path, d)
	}
	return all, nil
}
