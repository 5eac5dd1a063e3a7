package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/roots"
	"github.com/cachepot/cachepot/internal/storage"
	"github.com/cachepot/cachepot/internal/toolchain"
	"github.com/cachepot/cachepot/internal/tree"
)

// subject is an entry with all that was recorded of it.
type subject struct {
	key    digest.Digest
	result *result.Result
	recipe *action.Recipe
	paths  *action.PathSet
	// here is the recipe with the real places of its roots, hereFor the path set; both are
	// the same as above where the recipe names real places anyway.
	here    *action.Recipe
	hereFor *action.PathSet
	places  *roots.Map // what the recipe calls them; nil where it names real places
}

// fixed returns what hands on to sink the files of the compiler, by the names of the recipe.
func (s *subject) fixed(sink filestate.Sink) filestate.Sink {
	if s.places == nil {
		return sink
	}
	return filestate.Moved(sink, s.places)
}

// kept returns what hands on to b what the tree of the recipe holds, by its real name.
func (s *subject) kept(b *tree.Builder) filestate.Sink {
	if s.places == nil {
		return b
	}
	return kept{b, s.places}
}

type kept struct {
	*tree.Builder
	places *roots.Map
}

// Passed implements filestate.Passer, as the Sink of moved files does.
func (k kept) Passed(path string) {
	if k.places.Within(path) {
		k.Dir(path)
	}
}

// settle finds the real places of a recipe.
func (s *subject) settle() {
	s.here, s.hereFor = s.recipe, s.paths
	if len(s.recipe.Roots) == 0 {
		return
	}
	var list []roots.Root
	for _, r := range s.recipe.Roots {
		list = append(list, roots.Root{Real: r.Real, Fixed: r.Place})
	}
	if m := roots.NewMap(list); m != nil {
		s.here, s.hereFor, s.places = moved(s.recipe, m), s.paths.Here(m), m
	}
}

// moved returns r with real places for fixed ones.
func moved(r *action.Recipe, m *roots.Map) *action.Recipe {
	texts := func(list []string) []string {
		var out []string
		for _, t := range list {
			out = append(out, m.RealArg(t))
		}
		return out
	}
	out := *r
	out.Roots = nil
	out.Command = action.Command{Args: texts(r.Command.Args), Env: texts(r.Command.Env), Dir: m.Real(r.Command.Dir), Outputs: texts(r.Command.Outputs)}
	out.Files, out.Links, out.Dirs = nil, nil, texts(r.Dirs)
	for _, f := range r.Files {
		f.Path = m.Real(f.Path)
		out.Files = append(out.Files, f)
	}
	for _, l := range r.Links {
		out.Links = append(out.Links, action.RecipeLink{Path: m.Real(l.Path), Target: m.Real(l.Target)})
	}
	return &out
}

// load reads an entry. The subject is nil where it is so broken that nothing can
// be audited; the report then says why.
func (a *Auditor) load(ctx context.Context, key digest.Digest, r *Report) (*subject, error) {
	b, err := storage.Get(ctx, a.store, storage.Entry, key)
	if err != nil {
		return nil, missing("the entry", err)
	}
	s := &subject{key: key}
	if s.result, err = result.Decode(b); err != nil {
		r.fault("%s", err)
		return nil, nil
	}
	if s.result.Recipe.IsZero() {
		r.fault("the entry names no recipe")
		return nil, nil
	}
	if b, err = storage.ReadBlob(ctx, a.store, s.result.Recipe); err != nil {
		return nil, missing("the recipe", err)
	}
	if s.recipe, err = action.DecodeRecipe(b); err != nil {
		r.fault("decode recipe: %s", err)
		return nil, nil
	}
	if len(s.recipe.Command.Args) == 0 {
		r.fault("the recipe has no command")
		return nil, nil
	}
	if b, err = storage.Get(ctx, a.store, storage.PathSet, s.recipe.PathSet); err != nil {
		return nil, missing("the path set", err)
	}
	if s.paths, err = action.DecodePathSet(b); err != nil {
		r.fault("decode path set: %s", err)
		return nil, nil
	}
	s.settle()
	return s, nil
}

// missing is the error for a part of an entry that err kept from being read.
func missing(what string, err error) error {
	if storage.IsMiss(err) {
		return gone("%s is no longer in the cache", what)
	}
	return fmt.Errorf("read %s: %w", what, err)
}

// inputs are the action's input tree in its two parts.
type inputs struct {
	tool      *toolchain.Toolchain
	toolTree  *tree.Tree
	ownTree   *tree.Tree
	root      digest.Digest // of both together
	nodes     map[string]tree.Node
	here      map[string]tree.Node // by the real places
	toolPaths *action.PathSet
}

// inputs makes the input tree from the recipe, and the toolchain as it is now.
func (a *Auditor) inputs(ctx context.Context, s *subject) (*inputs, error) {
	in := &inputs{}
	var err error
	if in.tool, err = a.part(ctx, s.here); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, gone("the compiler cannot be used: %s", err)
	}
	in.toolPaths = in.tool.Paths()
	var toolPart, ownPart, whole tree.Builder
	in.tool.AddTo(s.fixed(&toolPart))
	in.tool.AddTo(s.fixed(&whole))
	for _, b := range []*tree.Builder{&ownPart, &whole} {
		addRecipe(b, s.recipe)
	}
	if in.toolTree, err = toolPart.Build(); err != nil {
		return nil, err
	}
	if in.toolTree.Root != s.recipe.Toolchain {
		return nil, gone("the compiler is another now")
	}
	if in.ownTree, err = ownPart.Build(); err != nil {
		return nil, err
	}
	t, err := whole.Build()
	if err != nil {
		return nil, err
	}
	in.root = t.Root
	if in.nodes, err = nodesOf(t); err != nil {
		return nil, err
	}
	if in.here = in.nodes; s.here != s.recipe {
		in.here, err = in.nodesHere(s)
	}
	return in, err
}

// nodesHere returns the nodes of the input tree by their real places.
func (in *inputs) nodesHere(s *subject) (map[string]tree.Node, error) {
	var b tree.Builder
	in.tool.AddTo(s.kept(&b))
	addRecipe(&b, s.here)
	t, err := b.Build()
	if err != nil {
		return nil, err
	}
	return nodesOf(t)
}

// maxChanges is how often a compiler may turn out to be another than it seemed.
const maxChanges = 3

// part returns the part of the compiler that the recipe names, as it is now.
func (a *Auditor) part(ctx context.Context, r *action.Recipe) (*toolchain.Toolchain, error) {
	silent := func(int64, int64) {}
	for range maxChanges {
		found, err := a.tools.Get(ctx, r.Command.Args[0], compiler.Environ(r.Command.Env), r.Command.Dir)
		if err != nil {
			return nil, err
		}
		t, err := found.Part(ctx, r.Part, silent)
		if !errors.Is(err, toolchain.ErrChanged) {
			return t, err
		}
	}
	return nil, toolchain.ErrChanged
}

func addRecipe(b *tree.Builder, r *action.Recipe) {
	for _, f := range r.Files {
		b.File(f.Path, f.Digest, f.Executable)
	}
	for _, l := range r.Links {
		b.Symlink(l.Path, l.Target)
	}
	for _, d := range r.Dirs {
		b.Dir(d)
	}
	b.Dir(r.Command.Dir)
}

// checkKey recomputes the key from the recipe.
func (a *Auditor) checkKey(s *subject, in *inputs, r *Report) error {
	c, err := action.New(&s.recipe.Command, in.root, a.isa)
	if err != nil {
		return err
	}
	if c.Digest != s.key {
		r.fault("the recipe is of another action, %s", c.Digest.Hex())
	}
	return nil
}

// checkLive compares the recipe with what the path set leads to now. What has
// changed since is no fault of the entry; a file that is what it was and to which
// the path set does not lead is one.
func (a *Auditor) checkLive(s *subject, in *inputs, r *Report) error {
	now, err := a.evaluate(s, in)
	if err != nil {
		return err
	}
	for _, path := range slices.Sorted(maps.Keys(now)) {
		switch n, found := in.here[path]; {
		case !found:
			return gone("%s is new", path)
		case n != now[path]:
			return gone("%s has changed", path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(in.here)) {
		if _, led := now[path]; led {
			continue
		}
		if !a.still(path, in.here[path]) {
			return gone("%s has changed", path)
		}
		r.fault("the path set does not lead to %s", path)
	}
	return nil
}

// evaluate returns the nodes of the input tree that the path set leads to now.
func (a *Auditor) evaluate(s *subject, in *inputs) (map[string]tree.Node, error) {
	snap, err := a.view.Evaluate(s.hereFor)
	if err != nil {
		return nil, gone("inputs cannot be read: %s", err)
	}
	var b tree.Builder
	in.tool.AddTo(s.kept(&b))
	snap.AddTo(s.kept(&b))
	b.Dir(s.here.Command.Dir)
	t, err := b.Build()
	if err != nil {
		return nil, gone("inputs change: %s", err)
	}
	return nodesOf(t)
}

// nodesOf returns the nodes of t by path.
func nodesOf(t *tree.Tree) (map[string]tree.Node, error) {
	nodes := make(map[string]tree.Node)
	return nodes, t.Walk(func(path string, n tree.Node) error {
		nodes[path] = n
		return nil
	})
}

// still reports whether the node lies in the live file system as it is in the
// input tree.
func (a *Auditor) still(path string, n tree.Node) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	switch n.Kind {
	case tree.Regular:
		c, err := a.view.File(path)
		return err == nil && info.Mode().IsRegular() && c.Digest == n.Digest
	case tree.Symlink: // the tree may spell its target in another way
		return info.Mode()&os.ModeSymlink != 0
	}
	return info.IsDir()
}
