package roots

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// The fixed places.
const (
	workspace = Base + "/src"
	build     = Base + "/build"
	registry  = Base + "/cargo" // CARGO_HOME
	compiler  = Base + "/compiler"
	home      = Base + "/home"
	named     = Base + "/roots" // those that the user has named
)

// Finder finds the roots of calls, and remembers the tops of the directories that
// it was asked about: a checkout that becomes one later is found by the next
// Finder. It is safe for concurrent use.
type Finder struct {
	home   string
	named  []Named
	exists func(p string) bool

	mu   sync.Mutex // guards tops
	tops map[string]string
}

// maxTops bounds the memory of tops.
const maxTops = 1 << 14

// Named is a root that the user has named: Dir lies at the fixed place of that name.
type Named struct{ Name, Dir string }

// NewFinder returns a Finder for a user whose home directory is home, and who has named
// further roots.
func NewFinder(home string, further ...Named) *Finder {
	return &Finder{home: home, named: further, exists: exists, tops: make(map[string]string)}
}

func exists(p string) bool {
	_, err := os.Lstat(p)
	return err == nil
}

// Call is a call as far as its roots go.
type Call struct {
	Dir    string // working directory, free of symbolic links
	Source string // absolute, as it is spelled
	PWD    string // Dir as the caller's shell spells it, or ""
	Also   string // a further directory, or "": where cargo puts what is compiled
	// Compiler is the executable as it is spelled. Tools is the directory of all that
	// belongs to it, "" for the one above that of the executable.
	Compiler, Tools string
	Home            bool // the home directory is a root too, for all that lies in no other, and CARGO_HOME
	Env             func(name string) string
}

// Find returns the map of a call; nil where it has no root. No root lies in another, apart
// from the home directory: a path that goes through the outer one would have two names.
func (f *Finder) Find(c Call) *Map {
	spelled := path.Dir(c.Source)
	from, err := filepath.EvalSymlinks(spelled)
	if err != nil || f.exists(Base) {
		return nil
	}
	dirs := [][2]string{{from, spelled}, {c.Dir, c.PWD}}
	src, work := f.top(from), f.top(c.Dir)
	if src == "" && work == "" && below(from, c.Dir) && !f.common(c.Dir) {
		src = c.Dir // a file in a directory, and nothing that tells more
	}
	tops := []string{src, work}
	if c.Also != "" {
		if also, err := filepath.EvalSymlinks(c.Also); err == nil {
			dirs = append(dirs, [2]string{also, path.Clean(c.Also)})
			tops = append(tops, f.top(also))
		}
	}
	crates := f.cargoHome(c.Env)
	if !c.Home && !below(from, crates) {
		crates = ""
	}
	tops = outermost(append([]string{crates}, tops...))
	var list []Root
	free := []Root{{"", workspace, "."}, {"", build, build}}
	for _, top := range tops {
		switch {
		case top == crates:
			list = withSpellings(list, crates, registry, registry, dirs)
		case len(free) > 0:
			name := free[0].Name
			if below(c.Dir, top) {
				name = "." // debuggers look for "./x.c" from the name of the working directory
			}
			list = withSpellings(list, top, free[0].Fixed, name, dirs)
			free = free[1:]
		}
	}
	if tools := f.tools(c, list); tools != "" {
		bin := path.Dir(c.Compiler)
		real, err := filepath.EvalSymlinks(bin)
		if err != nil {
			return nil
		}
		list = withSpellings(list, tools, compiler, compiler, [][2]string{{real, bin}})
	}
	list = f.withNamed(list)
	if c.Home {
		list = f.withHome(list, c.Env("HOME"))
	}
	return NewMap(list)
}

// withHome adds the home directory. One that is a single name, like that of the
// superuser, is the same everywhere, and its name too common to be looked for.
func (f *Finder) withHome(list []Root, spelled string) []Root {
	real, err := filepath.EvalSymlinks(spelled)
	if err != nil || strings.Count(real, "/") < 2 || within(real, list) {
		return list
	}
	return withSpellings(list, real, home, home, [][2]string{{real, path.Clean(spelled)}})
}

// outermost returns the directories that lie in no other of them, each once.
func outermost(dirs []string) []string {
	var out []string
	for i, d := range dirs {
		in := func(other string) bool { return other != "" && other != d && below(d, other) }
		if d != "" && !slices.ContainsFunc(dirs, in) && !slices.Contains(dirs[:i], d) {
			out = append(out, d)
		}
	}
	return out
}

// withNamed adds the roots that the user has named, apart from those that lie in another
// or have one in them.
func (f *Finder) withNamed(list []Root) []Root {
	for _, n := range f.named {
		real, err := filepath.EvalSymlinks(n.Dir)
		if err != nil || within(real, list) || holds(real, list) {
			continue
		}
		fixed := named + "/" + n.Name
		list = withSpellings(list, real, fixed, fixed, [][2]string{{real, path.Clean(n.Dir)}})
	}
	return list
}

// tools returns the directory of the compiler; "" where it is the system's, or holds other
// roots or lies in one.
func (f *Finder) tools(c Call, list []Root) string {
	dir := c.Tools
	if dir == "" {
		dir = path.Join(path.Dir(c.Compiler), "..")
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil || f.common(real) || within(real, list) || holds(real, list) {
		return ""
	}
	return real
}

// cargoHome returns the directory that cargo keeps the sources of others in.
func (f *Finder) cargoHome(env func(string) string) string {
	home := env("CARGO_HOME")
	if home == "" && f.home != "" {
		home = f.home + "/.cargo"
	}
	if real, err := filepath.EvalSymlinks(home); home != "" && err == nil {
		return real
	}
	return ""
}

// within reports whether dir lies in a root that is known.
func within(dir string, list []Root) bool {
	for i := range list {
		if below(dir, list[i].Real) {
			return true
		}
	}
	return false
}

// holds reports whether a root that is known lies in dir.
func holds(dir string, list []Root) bool {
	return slices.ContainsFunc(list, func(r Root) bool { return below(r.Real, dir) })
}

// withSpellings adds the root real, if it is one, and how directories in it show it to
// be spelled: each is given as it is and as it is called.
func withSpellings(list []Root, real, fixed, name string, dirs [][2]string) []Root {
	if real == "" {
		return list
	}
	list = append(list, Root{real, fixed, name})
	for _, d := range dirs {
		if other := spelling(real, d[0], d[1]); other != "" {
			list = append(list, Root{other, fixed, name})
		}
	}
	return list
}

// spelling returns what the root real is called where the directory dir in it is called
// spelled; "" where that is nothing else, or another directory.
func spelling(real, dir, spelled string) string {
	if !below(dir, real) || !strings.HasPrefix(spelled, "/") || !strings.HasSuffix(spelled, dir[len(real):]) {
		return ""
	}
	other := strings.TrimSuffix(spelled, dir[len(real):])
	if other == real || other == "" {
		return ""
	}
	a, errA := os.Stat(other)
	b, errB := os.Stat(real)
	if errA != nil || errB != nil || !os.SameFile(a, b) {
		return ""
	}
	return other
}

// top returns the directory that dir belongs to as a project: the nearest one at or
// above it that is a checkout, else the highest that looks like a project; "" where
// there is none.
func (f *Finder) top(dir string) string {
	f.mu.Lock()
	top, ok := f.tops[dir]
	f.mu.Unlock()
	if ok {
		return top
	}
	top = f.search(dir)
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.tops) >= maxTops {
		clear(f.tops)
	}
	f.tops[dir] = top
	return top
}

func (f *Finder) search(dir string) string {
	highest := ""
	for d := path.Clean(dir); !f.common(d); d = path.Dir(d) {
		for _, name := range checkouts() {
			if f.exists(d + "/" + name) {
				return d
			}
		}
		for _, name := range projects() {
			if f.exists(d + "/" + name) {
				highest = d
				break
			}
		}
	}
	return highest
}

// common reports whether d holds many projects, or none.
func (f *Finder) common(d string) bool {
	if f.home != "" && below(f.home, d) {
		return true
	}
	switch d {
	case "/", "/home", "/root", "/tmp", "/var", "/var/tmp", "/opt", "/srv", "/mnt", "/media", "/usr/src":
		return true
	}
	if below(d, "/usr/src") { // where many containers have their project
		return false
	}
	for _, system := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/sys", "/dev", "/run"} {
		if below(d, system) {
			return true
		}
	}
	return !strings.HasPrefix(d, "/")
}

// checkouts are names that mark the top of a checkout.
func checkouts() []string { return []string{".git", ".hg", ".svn", ".jj"} }

// projects are names that a directory of sources or of a build has.
func projects() []string {
	return []string{"Makefile", "makefile", "GNUmakefile", "configure", "CMakeLists.txt", "CMakeCache.txt", "build.ninja", "meson.build",
		"Cargo.toml", "CACHEDIR.TAG", "WORKSPACE", "MODULE.bazel", "SConstruct", "BUCK", "config.status"}
}
