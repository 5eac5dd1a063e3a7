package cfamilytest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/compilertest"
)

// Mutate checks that a path set holds all that decides a product: it changes the
// project of a case in every small way, and wherever the set does not see the
// change the compiler must not see it either.
func (s *Suite) Mutate(t *testing.T, c Case) {
	t.Helper()
	t.Run(testName(c), func(t *testing.T) {
		t.Parallel()
		dir := materialise(t, c)
		call := s.call(t, dir, strings.Fields(c.Args), c.Env)
		set, want, ok := s.learn(t, call)
		if !ok {
			return
		}
		before := s.key(call, set)
		var unseen []mutation
		for _, m := range mutations(t, dir) {
			undo, err := m.apply()
			if err != nil {
				continue
			}
			if cmp.Equal(before, s.key(call, set)) {
				unseen = append(unseen, m)
			}
			undo()
		}
		for i := 0; i < len(unseen); i += 1 + len(unseen)/maxUnseen {
			undo, err := unseen[i].apply()
			must(t, err)
			got := s.run(t, call, t.TempDir(), nil, call.Args, call.Env)
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(product{})); diff != "" {
				t.Errorf("%s: after %q the key is the same and the product is not:\n%s", c.Args, unseen[i].name, diff)
			}
			remove(t, dir, got)
			undo()
		}
	})
}

// maxUnseen bounds the changes of one project for which the compiler is run; they
// are taken evenly from all.
const maxUnseen = 10

// learn compiles once and returns the path set and the product. ok is false
// where the call is refused. The outputs are removed.
func (s *Suite) learn(t *testing.T, call *compiler.Call) (set *action.PathSet, p product, ok bool) {
	t.Helper()
	var bare *compiler.Bare
	inv, err := s.Language.Parse(call)
	if errors.As(err, &bare) {
		return nil, p, false
	}
	must(t, err)
	scratch := t.TempDir()
	plan, err := s.Language.Plan(call, inv, scratch)
	must(t, err)
	trace := filepath.Join(scratch, "trace")
	p = s.run(t, call, scratch, tracer(trace), plan.Args, slices.Concat(inv.Env, inv.Messages, plan.Env))
	seen := &compiler.Observed{Scratch: scratch, Output: compilertest.OutputsIn(call.Dir)}
	if plan.Watch {
		seen.Opened = opened(readTrace(t, trace, call.Dir))
	}
	if plan.Looks {
		seen.Looks = deeds(t, trace, call.Dir)
	}
	set, err = s.Language.Inputs(call, inv, seen)
	if errors.As(err, &bare) {
		return nil, p, false
	}
	must(t, err)
	remove(t, call.Dir, p)
	call.Args = inv.Args // a response file is part of the key by its arguments
	return set, p, true
}

func remove(t *testing.T, dir string, p product) {
	t.Helper()
	for name := range p.files {
		must(t, os.Remove(filepath.Join(dir, name)))
	}
}

// key is what a call would be looked up by: its own text and what is at each path
// of the set below its directory.
func (s *Suite) key(call *compiler.Call, set *action.PathSet) map[string]string {
	at := state(set, call.Dir)
	inv, err := s.Language.Parse(call)
	if err != nil {
		at["refused"] = err.Error()
		return at
	}
	at["call"] = strings.Join(slices.Concat(inv.Args, inv.Env, inv.Messages), "\x00")
	return at
}

// state evaluates the part of a path set that lies below dir: what is at each
// path now.
func state(set *action.PathSet, dir string) map[string]string {
	at := map[string]string{}
	look := func(p string) {
		if !strings.HasPrefix(p, dir) {
			return
		}
		info, err := os.Stat(p)
		switch {
		case err != nil:
			at[p] = "absent"
		case info.IsDir():
			at[p] = "directory"
		default:
			text, _ := os.ReadFile(p)
			at[p] = "file " + string(text)
		}
	}
	for _, p := range set.Paths {
		look(p)
	}
	for _, l := range set.Listings {
		if entries, err := os.ReadDir(l.Dir); err == nil && strings.HasPrefix(l.Dir, dir) {
			at["names in "+l.Dir] = fmt.Sprint(entries)
		}
	}
	for _, search := range set.Searches {
		for _, d := range search.Dirs {
			for _, name := range search.Names {
				look(d + "/" + name)
			}
		}
	}
	return at
}

// mutation is one change of a project, and the way back.
type mutation struct {
	name  string
	apply func() (undo func(), err error)
}

// mutations lists small changes of the tree at dir: each file changed, removed or
// made a directory; in each directory, and in those that the case only names, a
// file under each name that occurs.
func mutations(t *testing.T, dir string) []mutation {
	t.Helper()
	dirs := []string{dir}
	for _, d := range []string{"inc", "none", "n", "o", "d", "q", "i/sub"} {
		dirs = append(dirs, filepath.Join(dir, d))
	}
	names := []string{"h.h", "g.h", "opt.h", "opt2.h", "blob.bin", "m.inc", "stdio.h", "stdc-predef.h", "h.h.gch", "a.c.gch", "q", "r"}
	var all []mutation
	must(t, filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			dirs = append(dirs, p)
			return nil
		}
		names = append(names, d.Name())
		all = append(all,
			mutation{"change of " + p, func() (func(), error) { return appendTo(p, "\n\nint more_;\n") }},
			mutation{"removal of " + p, func() (func(), error) { return away(p) }})
		return nil
	}))
	slices.Sort(names)
	slices.Sort(dirs)
	for _, d := range slices.Compact(dirs) {
		for _, name := range slices.Compact(names) {
			p := filepath.Join(d, name)
			all = append(all, mutation{"new " + p, func() (func(), error) { return create(p) }})
		}
		all = append(all, mutation{"new directory " + d, func() (func(), error) { return func() { _ = os.Remove(d) }, os.Mkdir(d, 0o777) }})
	}
	return all
}

func appendTo(p, text string) (undo func(), err error) {
	old, err := os.ReadFile(p)
	if err != nil {
		return nil, err
	}
	return func() { _ = os.WriteFile(p, old, 0o666) }, os.WriteFile(p, append(slices.Clone(old), text...), 0o666)
}

func away(p string) (undo func(), err error) {
	hidden := p + ".away"
	return func() { _ = os.Rename(hidden, p) }, os.Rename(p, hidden)
}

func create(p string) (undo func(), err error) {
	if _, err := os.Lstat(p); err == nil {
		return nil, fmt.Errorf("%s exists", p)
	}
	top := p // the highest directory that is made
	for {
		if _, err := os.Lstat(filepath.Dir(top)); err == nil {
			break
		}
		top = filepath.Dir(top)
	}
	if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
		return nil, err
	}
	return func() { _ = os.RemoveAll(top) }, os.WriteFile(p, []byte("#define H 77\n#define G 78\n"), 0o666)
}
