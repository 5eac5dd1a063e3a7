package coordinator

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/wire"
)

// Explanation says why a call was or would be what it is.
type Explanation struct {
	Note    Note     `json:"call"`
	Verdict string   `json:"verdict"`
	Place   string   `json:"place,omitempty"`   // why it is, or was, for one directory alone, and what would witness more
	Changes []string `json:"changes,omitempty"` // since the nearest earlier compile
}

// ExplainLast explains the latest compile that was not a hit; one that failed, which
// no cache answers, only where there is no other: builds try out what a compiler
// knows all the time.
func (s *Server) ExplainLast(ctx context.Context) (*Explanation, error) {
	noHit := func(n *Note) bool { return n.Outcome != "hit" && n.Outcome != "no compile" }
	n, ok := s.journal.last(func(n *Note) bool { return noHit(n) && n.Reason != errFailedCompile.Error() })
	if !ok {
		n, ok = s.journal.last(noHit)
	}
	if !ok {
		return nil, fmt.Errorf("no miss since this coordinator started; name a compile to have it explained")
	}
	if n.Outcome != "miss" {
		return &Explanation{Note: n, Verdict: n.Outcome + ": " + n.Reason}, nil
	}
	x := &Explanation{Note: n, Verdict: "miss: compiled and stored"}
	now := s.loadRecipe(ctx, n.Recipe)
	if now == nil {
		x.Verdict = "miss: what it was made of is no longer in the cache"
		return x, nil
	}
	x.Changes = inRealPlaces(s.nearest(ctx, n.Subject, n.Recipe, now), now)
	if x.Changes == nil {
		x.Verdict = "miss: the first compile of this source here"
	}
	if n.Reason != "" {
		x.Place = n.Reason + witnesses(n.Reason)
	}
	return x, nil
}

// ExplainCall explains what a call would be at this moment, without running it.
func (s *Server) ExplainCall(ctx context.Context, msg *wire.Request) (*Explanation, error) {
	j := &job{s: s, p: nil, started: time.Now(), msg: msg}
	x := &Explanation{Note: j.note("", "")}
	err := j.recognise(ctx)
	if err == nil {
		err = j.read(ctx)
	}
	if err != nil {
		x.Verdict = "not cached: " + err.Error()
		return x, nil
	}
	if _, e, id := j.find(ctx); e != nil {
		x.Verdict = "hit: action " + id.Hex()
		x.Place = s.placeOf(ctx, e)
		return x, nil
	}
	x.Verdict = "miss"
	x.Place = j.bound(ctx)
	for _, id := range s.recipes(ctx, j.subject()) {
		old := s.loadRecipe(ctx, id)
		switch {
		case old == nil:
		case old.Located != "" && old.Command.Dir != j.call.Dir:
			if x.Place == "" {
				x.Place = "what was compiled in " + old.Command.Dir + " is " + alone + old.Located
			}
		default:
			if c, ok := j.changesSince(ctx, old); ok && (x.Changes == nil || len(c) < len(x.Changes)) {
				x.Changes = c
			}
		}
	}
	if x.Changes == nil && x.Place == "" {
		x.Verdict = "miss: nothing like it has been compiled here"
	}
	return x, nil
}

// alone is how the reason begins for which a result is for one directory.
const alone = "stored for this directory alone: "

// own is likewise for one user.
const own = "stored for this user alone: "

// witnesses returns what would have a result serve others that is for one directory or user
// alone for the reason why, "" where nothing would.
func witnesses(why string) string {
	const or = ", or \"cachepot verify\", or the coordinator itself while nobody compiles"
	switch {
	case strings.HasSuffix(why, unproven):
		return "; the first compile in another directory is the witness" + or
	case strings.HasSuffix(why, unprovenUser):
		return "; the first compile by another user is the witness" + or
	}
	return ""
}

// placeOf says why a stored result is for its own directory or user alone, "" where it serves
// others.
func (s *Server) placeOf(ctx context.Context, e *result.Result) string {
	if e.Bound != nil {
		why := s.against(ctx, e.Bound.Macros)
		switch {
		case why != nil:
			return alone + why.Error()
		case !s.proven(ctx, e.Bound):
			return alone + unproven + witnesses(unproven)
		}
		if why := ofOthers(s.unknown(ctx, e.Bound)); why != "" {
			return why + witnesses(why)
		}
	}
	if r := s.loadRecipe(ctx, e.Recipe); r != nil && r.Located != "" {
		return alone + r.Located
	}
	return ""
}

// bound says whether there is a result of the call that was made elsewhere and does not
// serve here, and why.
func (j *job) bound(ctx context.Context) string {
	f := j.faces[0]
	if f.places == nil {
		return "" // nothing is bound that names its real places
	}
	f.req.mu.Lock()
	defer f.req.mu.Unlock()
	for _, k := range f.req.known {
		for _, id := range []digest.Digest{k.silent, k.loud} {
			e := j.s.loadEntry(ctx, id)
			if e != nil && !f.holds(ctx, id, e, k.env) {
				return f.notHere(ctx, e.Bound, f.missing(ctx, id, e.Bound, k.env))
			}
		}
	}
	return ""
}

// notHere says why a result of the face's action is not used, because of moved roots.
func (f *face) notHere(ctx context.Context, b *result.Bound, moved []result.Root) string {
	const witness = "; this compile is the witness"
	if why := f.j.s.against(ctx, b.Macros); why != nil {
		return "what was compiled elsewhere is " + alone + why.Error()
	}
	named := slices.IndexFunc(moved, func(r result.Root) bool { _, shown := r.Variable(); return shown })
	place := func(r result.Root) bool { name, _ := r.Variable(); return name == "" }
	switch {
	case slices.ContainsFunc(moved, place):
		return "what was compiled elsewhere is " + alone + unproven + witness
	case named >= 0:
		name, _ := moved[named].Variable()
		return "what was compiled by another user is " + own + "it has the value of " + name + " in it, which macros see" + witness
	}
	return "what was compiled by another user is " + own + unprovenUser + witness
}

// changesSince compares the call as it is now with an earlier compile, over the
// inputs that the earlier one had.
func (j *job) changesSince(ctx context.Context, old *action.Recipe) ([]string, bool) {
	f := j.faceLike(old)
	k := &known{id: old.PathSet, tool: j.tool.Digest}
	for _, c := range f.req.known {
		if c.id == old.PathSet {
			k.paths = c.paths
		}
	}
	if k.paths == nil {
		stored := j.s.loadPathSet(ctx, old.PathSet)
		if stored == nil {
			return nil, false
		}
		k.paths = f.realPaths(stored)
	}
	snap, err := j.s.View.Evaluate(k.paths)
	if err != nil {
		return nil, false
	}
	k.snap = snap
	cmd := f.command(lookup(j.call.Env, k.paths.EnvNames))
	if _, said := compiler.Environ(old.Command.Env).Lookup(streamsVariable); said {
		cmd = j.loud(cmd)
	}
	looked, now := f.storedPaths(k.paths), f.recipe(k, cmd)
	return inRealPlaces(diff(old, now, looked, looked), now), true
}

// inRealPlaces returns changes in words with the real places of the roots of r.
func inRealPlaces(changes []string, r *action.Recipe) []string {
	for i := range changes {
		for _, root := range r.Roots {
			changes[i] = strings.ReplaceAll(changes[i], root.Place, root.Real)
		}
	}
	return changes
}

// faceLike returns the face that names things as a recipe does.
func (j *job) faceLike(r *action.Recipe) *face {
	if len(r.Roots) > 0 {
		return j.faces[0]
	}
	return j.locatedFace()
}

// nearest returns what differs between now and the earlier compile of its subject
// that differs least; nil where there is none.
func (s *Server) nearest(ctx context.Context, subject, self digest.Digest, now *action.Recipe) []string {
	is := s.lookedAt(ctx, now)
	var best []string
	for _, id := range s.recipes(ctx, subject) {
		if id == self {
			continue
		}
		if old := s.loadRecipe(ctx, id); old != nil && len(old.Roots) == len(now.Roots) {
			if c := diff(old, now, s.lookedAt(ctx, old), is); best == nil || len(c) < len(best) {
				best = c
			}
		}
	}
	return best
}

// lookedAt returns the path set of a recipe; an empty one where it is gone.
func (s *Server) lookedAt(ctx context.Context, r *action.Recipe) *action.PathSet {
	if paths := s.loadPathSet(ctx, r.PathSet); paths != nil {
		return paths
	}
	return &action.PathSet{}
}

// Write prints x for a person.
func (x *Explanation) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  in %s\n%s\n", strings.Join(x.Note.Argv, " "), x.Note.Dir, x.Verdict)
	if x.Place != "" {
		fmt.Fprintf(&b, "%s\n", x.Place)
	}
	for _, c := range x.Changes {
		fmt.Fprintf(&b, "  - %s\n", c)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
