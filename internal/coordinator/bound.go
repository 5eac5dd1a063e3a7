package coordinator

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/witness"
)

// A result that macros had a hand in is stored in the shared face with a note of them, of
// the real roots, and of the variables that tell who the user is. It serves calls in the
// same place and of the same user at once; others only when it has been witnessed that the
// macros do not care. The first who compiles the same action elsewhere, with the same
// result, is such a witness.

// Why a result of macros is stored for its own directory.
var (
	errMoves  = errors.New("macros of the build give something else in another directory or for another user")
	errVaries = errors.New("macros of the build give something else each time")
)

// What is said of a result of macros that are not known well enough; unproven is counted,
// too.
const (
	unproven     = "macros of the build have not been seen to give the same elsewhere"
	unprovenUser = "macros of the build have not been seen to give the same for others"
)

// against returns what has been seen that speaks against macros, nil where that is nothing.
func (s *Server) against(ctx context.Context, macros digest.Digest) error {
	switch {
	case !s.witnesses.Moves(ctx, macros):
		return nil
	case s.witnesses.Varies(ctx, macros):
		return errVaries
	}
	return errMoves
}

// bound returns what the result of a run that looked at paths is bound to; nil where it
// loaded no macros.
func (f *face) bound(m *made, texts map[int][]byte) (*result.Bound, error) {
	if len(m.paths.Macros) == 0 {
		return nil, nil
	}
	var libraries []digest.Digest
	for _, p := range m.paths.Macros {
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
	for _, r := range f.whose {
		shown, err := f.shows(r.Fixed, m, texts)
		if err != nil {
			return nil, err
		}
		if shown {
			r = r.Shown()
		}
		b.Roots = append(b.Roots, r)
	}
	return b, nil
}

// variable returns a variable of the call as one that results are bound to.
func (j *job) variable(name string) result.Root {
	return result.Root{Fixed: name, Real: witness.Mark(j.call.Env.Lookup(name))}
}

// shows reports whether the value of a variable that the key does not hold stands as a word
// in what a run has left.
func (f *face) shows(name string, m *made, texts map[int][]byte) (bool, error) {
	value := word(f.j.call.Env.Get(name))
	if len(value) < minWord || slices.Contains(m.paths.EnvNames, name) {
		return false, nil
	}
	for _, text := range [][]byte{m.x.Stdout, m.x.Stderr} {
		if value.Names(f.places.FixedText(text)) != "" {
			return true, nil
		}
	}
	for i := range m.outputs {
		if text, moved := texts[i]; moved {
			if value.Names(text) != "" {
				return true, nil
			}
			continue
		}
		if named, err := m.outputs[i].speaksOf(value); named || err != nil {
			return named, err
		}
	}
	return false, nil
}

// minWord is the length of words that are told from others.
const minWord = 3

// word is a text that is looked for where it is no part of a longer word.
type word string

// Names returns the word if b has it, else "".
func (w word) Names(b []byte) string {
	letter := func(i int) bool {
		return i >= 0 && i < len(b) && (b[i] == '_' || b[i] >= '0' && b[i] <= '9' || b[i]|0x20 >= 'a' && b[i]|0x20 <= 'z')
	}
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte(w))
		if i < 0 {
			return ""
		}
		i += at
		if at = i + len(w); !letter(i-1) && !letter(at) {
			return string(w)
		}
	}
}

// proven reports whether a result that is bound by b is right in any other place.
func (s *Server) proven(ctx context.Context, b *result.Bound) bool {
	return slices.ContainsFunc(b.Roots, func(r result.Root) bool {
		name, _ := r.Variable()
		return name == "" && s.witnesses.Settled(ctx, b.Macros, r.Fixed)
	})
}

// unknown returns those roots in b of which it has not been seen that they make no difference
// to its macros.
func (s *Server) unknown(ctx context.Context, b *result.Bound) []result.Root {
	return slices.DeleteFunc(slices.Clone(b.Roots), func(r result.Root) bool {
		if name, _ := r.Variable(); name != "" {
			r.Fixed = name
		}
		return s.witnesses.Settled(ctx, b.Macros, r.Fixed)
	})
}

// wait has macros tried that are not known well enough, and counts their result, of the
// action id, where it serves no other place yet.
func (j *job) wait(ctx context.Context, id digest.Digest, b *result.Bound, n *Note) {
	unknown := j.s.unknown(ctx, b)
	if len(unknown) == 0 {
		return
	}
	j.s.trials.add(b.Macros, id)
	if !j.s.proven(ctx, b) {
		j.stay(unproven, n)
	} else {
		n.Reason = ofOthers(unknown)
	}
}

// ofOthers is what is said of a result that serves other places and not every user, because
// of the roots that are unknown; "" where it is not bound to what a user has set.
func ofOthers(unknown []result.Root) string {
	isSet := func(r result.Root) bool { name, _ := r.Variable(); return name != "" && r.Real != "" }
	if slices.ContainsFunc(unknown, isSet) {
		return own + unprovenUser
	}
	return ""
}

// elsewhere returns those roots of a result of the face's action that are not here what they
// were when it was made, by the names that they have in b. env are the variables that the
// action holds because the call asks for them by name.
func (f *face) elsewhere(b *result.Bound, env []string) []result.Root {
	var moved []result.Root
	for _, r := range f.places.Roots() {
		if here := (result.Root{Fixed: r.Fixed, Real: r.Real}); !slices.Contains(b.Roots, here) {
			moved = append(moved, here)
		}
	}
	told := map[string]bool{}
	for _, r := range b.Roots {
		if name, _ := r.Variable(); name != "" {
			told[name] = true
			if r.Real != f.j.variable(name).Real {
				moved = append(moved, r)
			}
		}
	}
	for _, r := range f.whose {
		// The action of a result that is not bound to a variable held it, if it was set.
		held := slices.Contains(env, r.Fixed+"="+f.j.call.Env.Get(r.Fixed))
		if !told[r.Fixed] && r.Real != "" && !held {
			moved = append(moved, r)
		}
	}
	return moved
}

// holds reports whether a result that is stored for the action id is right here. env is as
// for elsewhere.
func (f *face) holds(ctx context.Context, id digest.Digest, e *result.Result, env []string) bool {
	if e.Bound == nil {
		return true
	}
	if f.places == nil {
		return false
	}
	return len(f.missing(ctx, id, e.Bound, env)) == 0
}

// missing returns those roots of elsewhere for which a witness is missing.
func (f *face) missing(ctx context.Context, id digest.Digest, b *result.Bound, env []string) []result.Root {
	w := f.j.s.witnesses
	return slices.DeleteFunc(f.elsewhere(b, env), func(r result.Root) bool {
		if _, shown := r.Variable(); shown {
			return w.Settled(ctx, id, r.Fixed) && !w.Moves(ctx, b.Macros)
		}
		return w.Settled(ctx, b.Macros, r.Fixed)
	})
}

// testify compares made, which is about to be stored as the result of the action id, with
// what is there already. Where that was made elsewhere the macros in it are now known: to
// give the same, or not, which is the error. env is as for elsewhere.
func (f *face) testify(ctx context.Context, id digest.Digest, made *result.Result, env []string) error {
	if made.Bound == nil {
		return nil
	}
	s, macros := f.j.s, made.Bound.Macros
	if why := s.against(ctx, macros); why != nil {
		return why
	}
	there := s.loadEntry(ctx, id)
	if there == nil || there.Bound == nil || there.Bound.Macros != macros {
		return nil
	}
	moved := f.elsewhere(there.Bound, env)
	switch same := sameResult(there, made); {
	case same:
		return s.witnesses.SettleRoots(ctx, id, macros, moved)
	case len(moved) == 0:
		if err := s.witnesses.Vary(ctx, macros); err != nil {
			return err
		}
		return errVaries
	}
	if err := s.witnesses.Move(ctx, macros); err != nil {
		return err
	}
	s.trials.add(macros, id) // whether they vary is found out by another run where nothing changes
	return errMoves
}

// sameResult reports whether two results are the same to whoever is served with them.
func sameResult(a, b *result.Result) bool {
	return slices.Equal(a.Outputs, b.Outputs) && bytes.Equal(a.Stdout, b.Stdout) && bytes.Equal(a.Stderr, b.Stderr)
}
