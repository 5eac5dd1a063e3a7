package rustc

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// stdSources is where the sources of std are said to be, below the hash of a
// commit. To show lines of its macros rustc looks there, and finds nothing.
const stdSources = "/rustc"

// Inputs implements compiler.Language.
func (l *Language) Inputs(call *compiler.Call, inv *compiler.Invocation, seen *compiler.Observed) (*action.PathSet, error) {
	d := inv.Detail.(*detail)
	if d.direct && !seen.Away {
		if err := l.checkPrograms(seen); err != nil {
			return nil, err
		}
	}
	text, err := seen.ReadOutput(d.cmd.output("dep-info"))
	if err != nil {
		return nil, compiler.NotCacheable("dep-info missing")
	}
	deps, err := parseDepInfo(string(text))
	if err != nil {
		return nil, err
	}
	if d.watched && seen.Away {
		return l.awayInputs(call, inv, deps, seen)
	}
	if d.watched {
		return l.watchedInputs(call, inv, deps, seen)
	}
	return l.ruledInputs(call, inv, deps, seen)
}

// ruledInputs serves runs that load no code of the build: what rustc looked at
// follows from the dependency list and from rules, which the tests compare with
// what strace sees. What it was seen to look at, if it was watched, is added.
func (l *Language) ruledInputs(call *compiler.Call, inv *compiler.Invocation, deps *depInfo, seen *compiler.Observed) (*action.PathSet, error) {
	d := inv.Detail.(*detail)
	c := d.cmd
	set := &action.PathSet{Paths: append(slices.Clone(inv.Known), stdSources), EnvNames: deps.env}
	if _, err := os.Lstat(stdSources); err == nil {
		return nil, compiler.NotCacheable("sources at %s", stdSources)
	}
	set.Paths = append(set.Paths, sourcePaths(c.dir, deps.files)...)
	for _, f := range deps.files {
		set.Found = append(set.Found, under(c.dir, f))
	}
	for _, s := range c.dirs {
		set.Paths = append(set.Paths, under(c.dir, s.dir))
		if s.kind == "native" || s.kind == "framework" {
			set.Listings = append(set.Listings, listedForNothing(under(c.dir, s.dir)))
		}
	}
	own, err := assemblyOf(c.dir, deps.files)
	if err != nil {
		return nil, err
	}
	libraries, err := l.crateInputs(call, c, own, len(seen.Looks) > 0, set)
	if err != nil {
		return nil, err
	}
	set.Leading = leading(c.dir, deps, libraries)
	if err := l.loaderInputs(call, set); err != nil {
		return nil, err
	}
	if err := c.scannedInputs(call, deps.files, seen, set); err != nil {
		return nil, err
	}
	if d.via == startedByProxy {
		proxyInputs(call, set)
	}
	if err := addLooks(call, c, inv, seen.Looks, set); err != nil {
		return nil, err
	}
	if c.seesOutput(set) {
		return nil, compiler.NotCacheable("an output among the crates searched")
	}
	return set, nil
}

// listedForNothing claims that rustc lists a directory of native libraries: it
// lists all of -L alike, and takes crates by name from those of other kinds.
func listedForNothing(dir string) action.Listing {
	return action.Listing{Dir: dir, Prefix: "lib", Suffix: ".rmeta"}
}

// sourcePaths returns the files of a dependency list, absolute, with the
// alternative of each: `mod x;` looks for both x.rs and x/mod.rs, and it is an
// error when both are there.
func sourcePaths(dir string, files []string) []string {
	var paths []string
	for _, f := range files {
		p := under(dir, f)
		paths = append(paths, p)
		if d, ok := strings.CutSuffix(p, "/mod.rs"); ok {
			paths = append(paths, d+".rs")
		}
		if stem, ok := strings.CutSuffix(p, ".rs"); ok {
			paths = append(paths, stem+"/mod.rs")
		}
	}
	return paths
}

// scannedInputs claims what follows from the text of the sources, and from the
// libraries named on the command line.
func (c *command) scannedInputs(call *compiler.Call, files []string, run *compiler.Observed, set *action.PathSet) error {
	var dirs []string
	for _, s := range c.dirs {
		if s.kind == "native" {
			dirs = append(dirs, under(c.dir, s.dir))
		}
	}
	seen := &scan{}
	if len(dirs) > 0 || c.clippy {
		for _, f := range files {
			src, err := os.ReadFile(under(c.dir, f))
			if err != nil {
				return compiler.NotCacheable("a source that is gone")
			}
			seen.source(src)
		}
	}
	if c.clippy {
		clippyInputs(call, set)
		if err := checkClippy(call, c, seen); err != nil {
			return err
		}
	}
	return c.nativeInputs(dirs, seen, run, set)
}

// seesOutput reports whether an output of the call answers one of the listings:
// the key would then depend on whether the call has run before.
func (c *command) seesOutput(set *action.PathSet) bool {
	for _, o := range c.outputs() {
		dir, name := filepath.Split(filepath.Clean(under(c.dir, o.Path)))
		for _, l := range set.Listings {
			if filepath.Clean(l.Dir) == filepath.Clean(dir) &&
				strings.HasPrefix(name, l.Prefix) && strings.HasSuffix(name, l.Suffix) {
				return true
			}
		}
	}
	return false
}
