package rustc

import (
	"debug/elf"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// watchedRun turns what a process tree was seen to do into a path set.
type watchedRun struct {
	call    *compiler.Call
	c       *command
	set     *action.PathSet
	outputs map[string]bool // absolute, by the real path of the directory
	bases   map[string]bool // the last elements of outputs
	// places are the directories of the outputs. They have to be there for any answer
	// at all, and are no inputs: a build script may remove that of a probe before its
	// inputs are evaluated.
	places  map[string]bool
	read    map[string]bool // paths opened
	crates  map[string]bool // directories that crates are searched for in, also by real path
	natives map[string]bool // likewise of native libraries
	temp    string          // where temporary files go
	foreign bool            // code of the build may be loaded
}

// watchedInputs serves runs that were watched, of which everything is known but
// why rustc looked: it lists the directories of -L and chooses from them by name.
func (l *Language) watchedInputs(call *compiler.Call, inv *compiler.Invocation, deps *depInfo, seen *compiler.Observed) (*action.PathSet, error) {
	c := inv.Detail.(*detail).cmd
	if len(seen.Looks) == 0 {
		return nil, compiler.NotCacheable("not watched")
	}
	set, err := l.crateSearch(call, inv, deps)
	if err != nil {
		return nil, err
	}
	if err := addLooks(call, c, inv, seen.Looks, set); err != nil {
		return nil, err
	}
	if c.seesOutput(set) {
		return nil, compiler.NotCacheable("an output among the files that are listed")
	}
	return set, nil
}

// crateSearch begins the path set of a run that may see no variables but those that
// are keyed: how it searches for crates, and the variables it asked for by name.
func (l *Language) crateSearch(call *compiler.Call, inv *compiler.Invocation, deps *depInfo) (*action.PathSet, error) {
	d := inv.Detail.(*detail)
	c := d.cmd
	for _, name := range deps.env {
		if _, set := call.Env.Lookup(name); set && !slices.Contains(d.named, name) && d.classes.of(name) == classRemoved {
			return nil, compiler.NotCacheable("env! of a removed variable, by a name that is not in the sources")
		}
	}
	found, err := l.crates(call, c)
	if err != nil {
		return nil, err
	}
	names := append(slices.Clone(d.named), deps.env...)
	slices.Sort(names)
	set := &action.PathSet{Paths: slices.Clone(inv.Known), EnvNames: slices.Compact(names), Listings: found.listings, Leading: leading(c.dir, deps, found.files), Asked: deps.env}
	for _, s := range c.dirs { // crates in them are opened by their resolved names
		set.Paths = append(set.Paths, under(c.dir, s.dir))
	}
	return set, nil
}

// addLooks adds to set what a run was seen to look at.
func addLooks(call *compiler.Call, c *command, inv *compiler.Invocation, looks []compiler.Look, set *action.PathSet) error {
	if len(looks) == 0 {
		return nil
	}
	w := newWatchedRun(call, c, inv, set)
	if err := c.unkindedDirs(set); err != nil {
		return err
	}
	for _, k := range looks {
		if k.Deed == compiler.Read {
			w.read[k.Path] = true
		}
	}
	for _, k := range looks {
		if err := w.look(k); err != nil {
			return err
		}
	}
	return nil
}

func newWatchedRun(call *compiler.Call, c *command, inv *compiler.Invocation, set *action.PathSet) *watchedRun {
	w := &watchedRun{call: call, c: c, set: set, foreign: inv.Detail.(*detail).foreign,
		outputs: map[string]bool{}, bases: map[string]bool{}, places: map[string]bool{}, read: map[string]bool{}, crates: map[string]bool{}, natives: map[string]bool{},
		temp: filepath.Clean(under(call.Dir, tempDir(call.Env)))}
	for _, o := range inv.Outputs {
		if o.Unwritten {
			continue // a look at it tells which links lead to the directory: -C rpath asks
		}
		p := under(c.dir, o.Path)
		w.outputs[realName(p)], w.bases[filepath.Base(p)] = true, true
		w.places[filepath.Clean(filepath.Dir(p))], w.places[filepath.Dir(realName(p))] = true, true
	}
	for _, s := range c.dirs {
		dirs := w.crates
		if s.kind != "dependency" && s.kind != "all" {
			dirs = w.natives
		}
		dir := filepath.Clean(under(c.dir, s.dir))
		dirs[dir] = true
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dirs[real] = true
		}
	}
	return w
}

func tempDir(env compiler.Environ) string {
	if dir := env.Get("TMPDIR"); dir != "" {
		return dir
	}
	return "/tmp"
}

// realName returns p with the links in its directory resolved. Where there is no
// such directory it is p, cleaned.
func realName(p string) string {
	dir, name := filepath.Split(p)
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || name == "" || name == "." || name == ".." {
		return filepath.Clean(p)
	}
	return filepath.Join(real, name)
}

// unkindedDirs claims what an `extern crate` without --extern could be found as
// in the directories of a -L without a kind: nothing, or the call is refused.
func (c *command) unkindedDirs(set *action.PathSet) error {
	if c.findsUnnamed() {
		return errUnkinded()
	}
	for _, s := range c.dirs {
		if s.kind == "all" {
			dir := under(c.dir, s.dir)
			set.Listings = append(set.Listings,
				action.Listing{Dir: dir, Prefix: "lib", Suffix: ".rlib"}, action.Listing{Dir: dir, Prefix: "lib", Suffix: ".rmeta"})
		}
	}
	return nil
}

func errUnkinded() error { return compiler.NotCacheable("crates in a -L without a kind") }

// look takes in one look.
func (w *watchedRun) look(k compiler.Look) error {
	place := placeOf(k.Path)
	if strings.HasPrefix(place, "/proc/") || strings.HasPrefix(place, "/sys/") || strings.HasPrefix(place, "/dev/") {
		if harmless(place) || w.isJobserver(place) {
			return nil
		}
		return compiler.NotCacheable("uses %s", place[:4])
	}
	if w.isOutput(k.Path) || w.places[place] && k.Deed == compiler.Probed || w.isJobserver(place) {
		return nil
	}
	if err := k.Trace(); err != nil {
		return err
	}
	switch k.Deed {
	case compiler.Wrote:
		return nil // a temporary file
	case compiler.Listed:
		return w.list(place)
	}
	return w.input(k, place)
}

// isOutput reports whether p is an output. Resolving links is dear, and of thousands
// of looks few have the name of one.
func (w *watchedRun) isOutput(p string) bool {
	return w.bases[filepath.Base(p)] && w.outputs[realName(p)]
}

// placeOf returns p without "." and ".." for comparison with names that are known.
func placeOf(p string) string {
	clean := filepath.Clean(p)
	if !strings.Contains(p, "/..") {
		return clean
	}
	if real, err := filepath.EvalSymlinks(p); err == nil {
		return real
	}
	return p
}

// harmless is the closed list of what programs read of their system that decides
// nothing: how much memory and how many processors there are, and themselves.
func harmless(p string) bool {
	switch p {
	case "/dev/null", "/dev/tty", "/dev/urandom", "/proc/meminfo", "/proc/cpuinfo", "/proc/filesystems",
		"/proc/sys/vm/overcommit_memory", "/sys/kernel/mm/transparent_hugepage/enabled",
		"/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "/sys/fs/selinux":
		return true
	}
	for _, dir := range []string{"/proc/self/", "/sys/devices/system/", "/sys/fs/cgroup/"} {
		if strings.HasPrefix(p, dir) {
			return true
		}
	}
	return p == "/sys/fs/cgroup" || p == "/proc/self"
}

// isJobserver reports whether p is the FIFO of make's jobserver.
func (w *watchedRun) isJobserver(p string) bool {
	return strings.Contains(w.call.Env.Get("MAKEFLAGS")+" ", "fifo:"+p+" ") ||
		strings.Contains(w.call.Env.Get("CARGO_MAKEFLAGS")+" ", "fifo:"+p+" ")
}

// input claims what was read or looked at, unless it decides nothing.
func (w *watchedRun) input(k compiler.Look, place string) error {
	switch {
	case place == "/etc/ld.so.cache", isLocale(place), place == w.temp && k.Deed == compiler.Probed:
		return nil
	case !k.Found:
	case k.Deed == compiler.Read:
		if w.crates[filepath.Dir(place)] && w.c.anyKind && isRustLibrary(k.Path) {
			return errUnkinded()
		}
		w.set.Found = append(w.set.Found, k.Path)
		if w.foreign && strings.HasSuffix(place, ".so") && isRustLibrary(place) {
			w.set.Macros = append(w.set.Macros, k.Path)
			w.set.Upward = true
		}
	case w.isCandidate(place) && !w.read[k.Path]:
		// All candidates for a crate have the links in their names resolved before
		// the kinds that are wanted are opened; cargo may be writing the others.
		return nil
	}
	w.set.Paths = append(w.set.Paths, k.Path)
	return nil
}

func isLocale(p string) bool {
	for _, dir := range []string{"/usr/lib/locale", "/usr/share/locale", "/usr/share/locale-langpack"} {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	return false
}

// isCandidate reports whether p is a file that the listings of the search for
// crates stand for where it matters.
func (w *watchedRun) isCandidate(p string) bool {
	dir, name := filepath.Split(p)
	if !w.crates[filepath.Clean(dir)] || !strings.HasPrefix(name, "lib") {
		return false
	}
	switch filepath.Ext(name) {
	case ".rlib", ".rmeta", ".so":
		return true
	}
	return false
}

// isRustLibrary reports whether a file is a shared library of rustc's, which
// rustc reads and not only the linker.
func isRustLibrary(p string) bool {
	f, err := elf.Open(p)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.Section(".rustc") != nil
}

// list claims the names in a directory that was listed. Of the directories of -L
// dependency the search for crates has been claimed already; that a proc-macro
// listed them too cannot be told. A directory of native libraries may be a build
// script's own, which proc-macros do list, or one of the system, which holds
// thousands of files; rustc takes nothing from either by listing.
func (w *watchedRun) list(dir string) error {
	switch {
	case w.crates[dir], w.isSysroot(dir):
	case w.natives[dir] && ofSystem(dir):
		w.set.Listings = append(w.set.Listings, listedForNothing(dir))
	default:
		w.set.Listings = append(w.set.Listings, action.Listing{Dir: dir})
	}
	return nil
}

// isSysroot reports whether dir is one of the library directories that the
// toolchain holds whole.
func (w *watchedRun) isSysroot(dir string) bool {
	root := filepath.Join(w.call.Tool.Sysroot, "lib", "rustlib")
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	return filepath.Base(dir) == "lib" && filepath.Dir(filepath.Dir(dir)) == root
}
