package coordinator

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// comparison is what two compiles differ in, in words. What only follows from the
// rest, files that are read because another says so, is set apart.
type comparison struct {
	was, is *action.PathSet // what the two looked at
	causes  []string
	follows []string
}

// diff returns in words what b has that a had not, and the reverse. was and is are
// what the two looked at. Where the two are not the same it says something, and names
// it.
func diff(a, b *action.Recipe, was, is *action.PathSet) []string {
	c := &comparison{was: was, is: is, causes: []string{}}
	if a.Toolchain != b.Toolchain {
		c.add(true, "the compiler or one of its helpers is another")
	}
	if a.Command.Dir != b.Command.Dir {
		c.add(true, "directory %s, was %s", b.Command.Dir, a.Command.Dir)
	}
	c.args(a.Command.Args, b.Command.Args)
	c.env(a.Command.Env, b.Command.Env)
	c.files(a.Files, b.Files)
	c.links(a.Links, b.Links)
	c.dirs(a.Dirs, b.Dirs)
	if len(c.causes) == 0 {
		return append(c.causes, c.follows...)
	}
	return c.causes
}

func (c *comparison) add(cause bool, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if cause {
		c.causes = append(c.causes, text)
	} else {
		c.follows = append(c.follows, text)
	}
}

func (c *comparison) args(a, b []string) {
	gone, come := compare(a, b)
	for _, x := range come {
		c.add(true, "argument %q is new", x)
	}
	for _, x := range gone {
		c.add(true, "argument %q is gone", x)
	}
	if len(gone)+len(come) == 0 && !slices.Equal(a, b) {
		c.add(true, "the arguments are in another order")
	}
}

func (c *comparison) env(a, b []string) {
	for _, kv := range b {
		name := compiler.Name(kv)
		old, was := compiler.Environ(a).Lookup(name)
		switch {
		case was && name+"="+old == kv:
		case kv == name+"=":
			c.variable(name, "is empty now", c.was)
		case !was:
			c.variable(name, "is set now", c.was)
		default:
			c.variable(name, "has another value", c.was)
		}
	}
	for _, kv := range a {
		if name := compiler.Name(kv); !slices.ContainsFunc(b, func(kv string) bool { return compiler.Name(kv) == name }) {
			c.variable(name, "is not set any more", c.is)
		}
	}
}

// variable adds a variable. One that a source asks for by name is no cause where the
// source of the other compile did not.
func (c *comparison) variable(name, what string, other *action.PathSet) {
	if name == streamsVariable {
		c.add(true, "the terminal, or the name that the compiler is called by, shapes messages in another way")
		return
	}
	named := slices.Contains(c.was.EnvNames, name) || slices.Contains(c.is.EnvNames, name)
	c.add(!named || slices.Contains(other.EnvNames, name), "variable %s %s", name, what)
}

// come adds a path that is new, gone one that is missing. It is a cause only if the
// other compile looked there.
func (c *comparison) come(p, format string, args ...any) {
	c.add(c.was.Covers(p), format+"%s", append(args, listed(p, c.was))...)
}

func (c *comparison) gone(p, format string, args ...any) {
	c.add(c.is.Covers(p), format+"%s", append(args, listed(p, c.was))...)
}

func (c *comparison) files(a, b []action.RecipeFile) {
	old := make(map[string]action.RecipeFile, len(a))
	for _, f := range a {
		old[f.Path] = f
	}
	for _, f := range b {
		was, ok := old[f.Path]
		switch {
		case !ok:
			c.come(f.Path, "file %s was not there", f.Path)
		case was.Digest != f.Digest:
			c.add(true, "file %s has changed", f.Path)
		case was != f:
			c.add(true, "file %s has other permissions", f.Path)
		}
		delete(old, f.Path)
	}
	for _, f := range a {
		if _, left := old[f.Path]; left {
			c.gone(f.Path, "file %s is gone or no longer read", f.Path)
		}
	}
}

func (c *comparison) links(a, b []action.RecipeLink) {
	old := make(map[string]string, len(a))
	for _, l := range a {
		old[l.Path] = l.Target
	}
	for _, l := range b {
		was, ok := old[l.Path]
		switch {
		case !ok:
			c.come(l.Path, "symbolic link %s leads to %s", l.Path, l.Target)
		case was != l.Target:
			c.add(true, "symbolic link %s leads to %s", l.Path, l.Target)
		}
		delete(old, l.Path)
	}
	for _, l := range a {
		if _, left := old[l.Path]; left {
			c.gone(l.Path, "symbolic link %s is gone or no longer followed", l.Path)
		}
	}
}

func (c *comparison) dirs(a, b []string) {
	gone, come := compare(a, b)
	for _, d := range come {
		c.come(d, "directory %s was not there", d)
	}
	for _, d := range gone {
		c.gone(d, "directory %s is gone or no longer looked at", d)
	}
}

// listed says by which listing p, which nothing else names, was met: "" where by none.
func listed(p string, looked *action.PathSet) string {
	if slices.Contains(looked.Paths, p) {
		return ""
	}
	dir, name := path.Split(p)
	for _, l := range looked.Listings {
		if path.Clean(l.Dir) == path.Clean(dir) && strings.HasPrefix(name, l.Prefix) && strings.HasSuffix(name, l.Suffix) {
			return " (names " + l.Prefix + "*" + l.Suffix + " are listed there)"
		}
	}
	return ""
}

// compare returns the elements of a that b lacks and the reverse, by count.
func compare(a, b []string) (gone, come []string) {
	n := make(map[string]int)
	for _, x := range a {
		n[x]++
	}
	for _, x := range b {
		if n[x] > 0 {
			n[x]--
		} else {
			come = append(come, x)
		}
	}
	for _, x := range a {
		if n[x] > 0 {
			n[x]--
			gone = append(gone, x)
		}
	}
	return gone, come
}
