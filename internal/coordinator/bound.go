package coordinator

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/witness"
)

// A result that macros had a hand in is stored in the shared face with a note of them and
// of the real roots. It serves calls in the same place at once; others only when it has
// been witnessed that the macros do not care. The first who compiles the same action
// elsewhere, with the same result, is such a witness.

// errMoves is why a result of macros is stored for its own directory.
var errMoves = errors.New("macros of the build give something else in another directory")

// unproven is what is counted for a result of macros that are not known well enough.
const unproven = "macros of the build have not been seen to give the same elsewhere"

// bound returns what the result of a run that looked at paths is bound to; nil where it
// loaded no macros.
func (f *face) bound(paths *action.PathSet) (*result.Bound, error) {
	if len(paths.Macros) == 0 {
		return nil, nil
	}
	var libraries []digest.Digest
	for _, p := range paths.Macros {
		c, err := f.j.s.View.File(p)
		if err != nil {
			return nil, err
		}
		libraries = append(libraries, c.Digest)
	}
	b := &result.Bound{Macros: witness.Set(libraries)}
	for _, r := range f.places.Roots() {
		b.Roots = append(b.Roots, result.Root{Fixed: r.Fixed, Real: r.Real})
	}
	return b, nil
}

// proven reports whether a result that is bound by b is right anywhere else.
func (s *Server) proven(ctx context.Context, b *result.Bound) bool {
	return slices.ContainsFunc(b.Roots, func(r result.Root) bool { return s.witnesses.Settled(ctx, b.Macros, r.Fixed) })
}

// elsewhere returns the fixed places of those roots that are not where they were when e
// was made.
func (f *face) elsewhere(e *result.Result) []string {
	var moved []string
	for _, r := range f.places.Roots() {
		if !slices.Contains(e.Bound.Roots, result.Root{Fixed: r.Fixed, Real: r.Real}) {
			moved = append(moved, r.Fixed)
		}
	}
	return moved
}

// holds reports whether a stored result of the face's action is right here.
func (f *face) holds(ctx context.Context, e *result.Result) bool {
	if e.Bound == nil {
		return true
	}
	if f.places == nil {
		return false
	}
	for _, place := range f.elsewhere(e) {
		if !f.j.s.witnesses.Settled(ctx, e.Bound.Macros, place) {
			return false
		}
	}
	return true
}

// testify compares made, which is about to be stored as the result of the action id, with
// what is there already. Where that was made elsewhere the macros in it are now known: to
// give the same, or not, which is errMoves.
func (f *face) testify(ctx context.Context, id digest.Digest, made *result.Result) error {
	if made.Bound == nil {
		return nil
	}
	s := f.j.s
	if s.witnesses.Moves(ctx, made.Bound.Macros) {
		return errMoves
	}
	there := s.loadEntry(ctx, id)
	if there == nil || there.Bound == nil || there.Bound.Macros != made.Bound.Macros {
		return nil
	}
	moved := f.elsewhere(there)
	if len(moved) == 0 {
		return nil
	}
	if !sameResult(there, made) {
		if err := s.witnesses.Move(ctx, made.Bound.Macros); err != nil {
			return err
		}
		return errMoves
	}
	return s.witnesses.Settle(ctx, made.Bound.Macros, moved...)
}

// sameResult reports whether two results are the same to whoever is served with them.
func sameResult(a, b *result.Result) bool {
	return slices.Equal(a.Outputs, b.Outputs) && bytes.Equal(a.Stdout, b.Stdout) && bytes.Equal(a.Stderr, b.Stderr)
}
