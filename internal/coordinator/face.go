package coordinator

import (
	"slices"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/roots"
	"github.com/cachepot/cachepot/internal/tree"
)

// face is one of the two ways in which a call names what it looks at: by the places
// that are the same for everybody, or by the real ones. See docs/adr/0009.
type face struct {
	j      *job
	places *roots.Map // nil: the real ones
	req    *request
	args   []string      // argv[1:] less MessageArgs
	env    []string      // Invocation.Env
	whose  []result.Root // variables that tell who the user is, and are not in env
	tool   digest.Digest // of the toolchain's tree
}

// takeFaces finds out in which ways the call can be named, and which arguments have
// it write the names of its roots.
func (j *job) takeFaces() {
	located := &face{j: j, args: j.inv.Args, env: j.inv.Env, tool: j.tool.Digest}
	j.faces = []*face{located}
	if j.s.Roots == nil {
		located.take()
		return
	}
	j.places = &compiler.Places{Located: "paths in its arguments are not known"}
	if j.inv.Places != nil {
		j.places = j.inv.Places()
		j.keepMacros()
	}
	shared, why := j.shared()
	if j.located = why; shared != nil {
		j.maps = j.mapArgs(shared.places, shared.places.Spellings(), func(r roots.Root) string { return r.Real })
		located.args = j.withMaps(j.inv.Args)
		shared.args = slices.Insert(shared.args, j.places.MapsAt, j.mapArgs(shared.places, shared.places.Roots(), func(r roots.Root) string { return r.Fixed })...)
		j.faces = []*face{shared, located}
		shared.take()
	}
	located.take()
}

// locatedFace returns the face by real places, which every call has.
func (j *job) locatedFace() *face { return j.faces[len(j.faces)-1] }

// take finds the request of the face.
func (f *face) take() { f.req = f.j.s.requests.get(f) }

// shared returns the face by fixed places, or why there is none.
func (j *job) shared() (*face, string) {
	if j.places.Located != "" {
		return nil, j.places.Located
	}
	m := j.s.Roots(roots.Call{Dir: j.call.Dir, Source: j.at(j.inv.Source), PWD: j.call.Env.Get("PWD"), Also: j.places.Also,
		Compiler: j.call.Path, Tools: j.call.Tool.Sysroot, Home: j.places.Macros, Env: j.call.Env.Get})
	if m == nil {
		return nil, "no project around it"
	}
	if m.Within(j.call.Path) && !m.HasCompiler(j.call.Path) {
		return nil, "the compiler lies in the project"
	}
	if m = m.Spelled(j.paths()); m == nil {
		return nil, "the project's directory is spelled in two ways"
	}
	if slices.ContainsFunc(j.places.Spelled, func(p string) bool { return m.Leaves(j.at(p)) }) {
		return nil, leadsOut
	}
	if why := j.mapsBetray(m); why != "" {
		return nil, why
	}
	f := &face{j: j, places: m}
	var err error
	if f.tool, err = j.tool.DigestAt(m.String(), m); err != nil {
		j.s.Log.Warn("toolchain cannot be moved", "target", "cachepot::coordinator", "error", err)
		return nil, "the compiler cannot be moved"
	}
	for i, a := range j.inv.Args {
		at := j.places.PathAt[i]
		a = a[:at.From] + m.Fixed(a[at.From:at.To]) + a[at.To:]
		if m.Names([]byte(a)) != "" {
			return nil, "an argument that is no path names the project's directory"
		}
		f.args = append(f.args, a)
	}
	for _, name := range j.places.Whose {
		f.whose = append(f.whose, j.variable(name))
	}
	for _, kv := range j.inv.Env {
		name := compiler.Name(kv)
		if slices.Contains(j.places.Whose, name) {
			continue
		}
		kv = name + "=" + m.FixedList(kv[len(name)+1:])
		if m.Names([]byte(kv)) != "" {
			return nil, "a variable names the project's directory"
		}
		f.env = append(f.env, kv)
	}
	return f, ""
}

// paths returns the paths in the arguments.
func (j *job) paths() []string {
	var all []string
	for i, a := range j.inv.Args {
		if at := j.places.PathAt[i]; at.To > 0 {
			all = append(all, a[at.From:at.To])
		}
	}
	return all
}

// place returns the name of a path in this face.
func (f *face) place(p string) string {
	if f.places == nil {
		return p
	}
	return f.places.Fixed(p)
}

// placeVars returns variables with their values named as in this face.
func (f *face) placeVars(env []string) []string {
	if f.places == nil {
		return env
	}
	out := make([]string, len(env))
	for i, kv := range env {
		name := compiler.Name(kv)
		out[i] = name + "=" + f.places.Fixed(kv[len(name)+1:])
	}
	return out
}

// real undoes place.
func (f *face) real(p string) string {
	if f.places == nil {
		return p
	}
	return f.places.Real(p)
}

// realPaths is what a path set that was stored names here.
func (f *face) realPaths(ps *action.PathSet) *action.PathSet {
	if f.places == nil {
		return ps
	}
	return ps.Here(f.places)
}

// storedPaths undoes realPaths.
func (f *face) storedPaths(ps *action.PathSet) *action.PathSet {
	if f.places == nil {
		return ps
	}
	return ps.Shared(f.places)
}

// actions returns the action of the call over the inputs in snap, in its two
// forms: for a compiler that has nothing to say, and for one that has.
func (f *face) actions(snap *filestate.Snapshot, env []string) (silent, loud *action.Canonical, err error) {
	t, err := f.tree(snap)
	if err != nil {
		return nil, nil, err
	}
	cmd := f.command(env)
	if silent, err = action.New(cmd, t.Root, f.j.s.ISA); err != nil {
		return nil, nil, err
	}
	loud, err = action.New(f.j.loud(cmd), t.Root, f.j.s.ISA)
	return silent, loud, err
}

// tree returns the input tree of the call: the toolchain, what is in the snapshots and the
// working directory.
func (f *face) tree(snaps ...*filestate.Snapshot) (*tree.Tree, error) {
	key := treeKey{f, snaps[0]}
	if t := f.j.trees[key]; t != nil && len(snaps) == 1 {
		return t, nil
	}
	t, err := f.build(snaps)
	if err == nil && len(snaps) == 1 {
		if f.j.trees == nil {
			f.j.trees = make(map[treeKey]*tree.Tree)
		}
		f.j.trees[key] = t
	}
	return t, err
}

// treeKey names a tree: what a snapshot has found never changes.
type treeKey struct {
	f    *face
	snap *filestate.Snapshot
}

func (f *face) build(snaps []*filestate.Snapshot) (*tree.Tree, error) {
	var b tree.Builder
	f.j.tool.AddTo(through(&b, f.places))
	for _, snap := range snaps {
		snap.AddTo(f.j.tool.Under(through(&b, f.places)))
	}
	b.Dir(f.place(f.j.call.Dir))
	return b.Build()
}

// through returns what hands on to sink what is given to it, named by places.
func through(sink filestate.Sink, places *roots.Map) filestate.Sink {
	if places == nil {
		return sink
	}
	return filestate.Moved(sink, places)
}

// writer writes inputs into a recipe.
type writer struct{ r *action.Recipe }

func (w writer) File(path string, d digest.Digest, executable bool) {
	w.r.Files = append(w.r.Files, action.RecipeFile{Path: path, Digest: d, Executable: executable})
}

func (w writer) Symlink(path, target string) {
	w.r.Links = append(w.r.Links, action.RecipeLink{Path: path, Target: target})
}

func (w writer) Dir(path string) { w.r.Dirs = append(w.r.Dirs, path) }

// command is what runs, with the variables that were looked at by name.
func (f *face) command(env []string) *action.Command {
	cmd := &action.Command{
		Args: append([]string{f.place(f.j.call.Path)}, f.args...),
		Env:  merge(f.env, f.placeVars(env)),
		Dir:  f.place(f.j.call.Dir),
	}
	for _, o := range f.j.inv.Outputs {
		cmd.Outputs = append(cmd.Outputs, f.place(o.Path))
	}
	return cmd
}

// recipe writes out the action that k stands for.
func (f *face) recipe(k *known, cmd *action.Command) *action.Recipe {
	r := &action.Recipe{Request: f.req.id, Toolchain: f.tool, Part: f.j.inv.Part, PathSet: k.id, Command: *cmd}
	k.snap.AddTo(f.j.tool.Under(through(writer{r}, f.places)))
	if f.places == nil {
		r.Located = f.j.located
	} else {
		for _, root := range f.places.Roots() {
			r.Roots = append(r.Roots, action.RecipeRoot{Place: root.Fixed, Real: root.Real})
		}
	}
	return r
}
