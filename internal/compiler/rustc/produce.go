package rustc

import (
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// Produces returns the library files that call is about to write, absolute, and
// their common Origin. It serves calls that are cached and calls that are not
// (proc-macros, incremental ones), for others depend on both. Ask before the
// start, announce the files while the call runs, and keep the Origin by the
// contents of the files when it has succeeded or was replayed.
//
// False means that a dependent could not be told what rustc will look at: then
// the files must stay of unknown origin.
func (l *Language) Produces(call *compiler.Call) ([]string, Origin, bool) {
	c, err := read(call)
	if err != nil || c.nothing != "" || c.unclear != "" || c.crate == "" || len(c.types) == 0 || c.findsUnnamed() {
		return nil, Origin{}, false
	}
	var files []string
	if _, ok := c.emit["link"]; ok {
		for _, f := range c.linked() {
			if f.kind == "rlib" || f.kind == "dylib" || f.kind == "proc-macro" {
				files = append(files, under(c.dir, f.path))
			}
		}
	}
	if _, ok := c.emit["metadata"]; ok {
		files = append(files, under(c.dir, c.output("metadata")))
	}
	if len(files) == 0 {
		return nil, Origin{}, false
	}
	o := Origin{Stem: c.crate + c.extra, Dir: c.dir, Foreign: c.isShared(), Natives: c.natives}
	if _, ok := c.emit["dep-info"]; ok {
		o.DepInfo = under(c.dir, c.output("dep-info"))
	}
	if slices.Contains(c.types, "proc-macro") {
		return files, o, true // what it was compiled against is in it
	}
	for _, x := range c.externs {
		if x.path == "" { // of the sysroot
			continue
		}
		dep, d, ok := l.origins.Origin(under(c.dir, x.path))
		if !ok {
			return nil, Origin{}, false
		}
		o.Foreign = o.Foreign || dep.Foreign
		o.Deps = append(o.Deps, Dep{Stem: dep.Stem, Digest: d})
	}
	return files, o, true
}

// findsUnnamed reports whether an `extern crate` may have been answered by a
// library that no --extern names.
func (c *command) findsUnnamed() bool {
	for _, s := range c.dirs {
		if s.kind != "all" {
			continue
		}
		for _, suffix := range []string{".rlib", ".rmeta"} {
			d := listDir(under(c.dir, s.dir))
			if len(d.match(action.Listing{Prefix: "lib", Suffix: suffix})) > 0 {
				return true
			}
		}
	}
	return false
}

func (c *command) isShared() bool {
	return slices.Contains(c.types, "proc-macro") || slices.Contains(c.types, "dylib")
}

// sharedLibrary reports whether a file given with --extern is code that rustc
// loads into itself (a proc-macro) or whose dependencies hide in it (a dylib).
func sharedLibrary(file string) bool {
	return !strings.HasSuffix(file, ".rlib") && !strings.HasSuffix(file, ".rmeta")
}

// checkExterns refuses calls that depend on what cannot be followed, and reports
// whether rustc loads code of the build.
func (l *Language) checkExterns(c *command) (foreign bool, err error) {
	for _, x := range c.externs {
		if x.path == "" {
			continue
		}
		o, _, ok := l.origins.Origin(under(c.dir, x.path))
		if !ok {
			return false, errUnknown()
		}
		foreign = foreign || o.Foreign || sharedLibrary(x.path)
	}
	return foreign, nil
}

func errForeign() error { return compiler.NotCacheable("crate that loads proc-macros") }
func errUnknown() error { return compiler.NotCacheable("extern of unknown origin") }
