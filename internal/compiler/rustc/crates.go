package rustc

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
)

// How rustc 1.95 finds a crate that no --extern names, because only another
// crate depends on it: it lists every directory of -L dependency and the
// sysroot's, and takes the names that begin with "lib", the crate's name and its
// extra-filename, and end with .rmeta, .rlib or .so. For a crate of type lib,
// where there is an .rmeta of the wanted hash the others of that name are not
// opened. cargo fills those directories meanwhile, so what is not opened must
// not be claimed.

// A call that links, and one whose candidate is not what its dependent was
// compiled against, may open all of them.

// walker follows the dependencies of a call.
type walker struct {
	l       *Language
	dirs    []crateDir
	links   bool
	visited map[Dep]bool
	// asm is the assembly of all crates visited; nil where the run is watched and
	// code of the build may be loaded into rustc.
	asm *assembly

	listings []action.Listing // that stand for the search
	files    []string         // libraries that it finds
}

// crateDir is a directory of -L dependency with the names in it.
type crateDir struct {
	path  string
	names []string
}

// crateInputs claims what the search for crates looks at in a run that loads no
// code of the build, and returns the libraries that it finds. own is the assembly of the
// call's own sources.
func (l *Language) crateInputs(call *compiler.Call, c *command, own assembly, watched bool, set *action.PathSet) ([]string, error) {
	w := &walker{l: l, visited: map[Dep]bool{}, asm: &own}
	if err := w.walk(call, c); err != nil {
		return nil, err
	}
	set.Listings = append(set.Listings, w.listings...)
	if own.includes() && !watched {
		return nil, errAssembly()
	}
	return w.files, nil
}

// crates follows the search for crates of a watched run.
func (l *Language) crates(call *compiler.Call, c *command) (*walker, error) {
	w := &walker{l: l, links: c.links(), visited: map[Dep]bool{}}
	return w, w.walk(call, c)
}

func (w *walker) walk(call *compiler.Call, c *command) error {
	for _, s := range c.dirs {
		if s.kind == "dependency" || s.kind == "all" {
			w.dirs = append(w.dirs, listDir(under(c.dir, s.dir)))
		}
	}
	if len(w.dirs) > 0 {
		if err := w.sysroot(sysrootLib(call.Tool, c.target)); err != nil {
			return err
		}
	}
	for _, x := range c.externs {
		if x.path == "" {
			continue
		}
		if err := w.follow(under(c.dir, x.path)); err != nil {
			return err
		}
	}
	return nil
}

// listDir reads a directory; one that is not there is empty, as for rustc.
func listDir(dir string) crateDir {
	entries, _ := os.ReadDir(dir)
	d := crateDir{path: dir}
	for _, e := range entries {
		d.names = append(d.names, e.Name())
	}
	return d
}

// sysrootLib returns the directory of the libraries that come with rustc.
func sysrootLib(tool compiler.Tool, target string) string {
	if target == "" {
		target = tool.Target
	}
	if isTargetFile(target) {
		target = strings.TrimSuffix(filepath.Base(target), ".json")
	}
	return filepath.Join(tool.Sysroot, "lib", "rustlib", target, "lib")
}

// sysroot claims the search for the crates of the sysroot: those that std
// depends on are looked for in the directories of -L dependency too.
func (w *walker) sysroot(lib string) error {
	entries, err := os.ReadDir(lib)
	if err != nil {
		return compiler.NotCacheable("no sysroot for the target")
	}
	for _, e := range entries {
		stem, ok := strings.CutSuffix(e.Name(), ".rmeta")
		if !ok {
			stem, ok = strings.CutSuffix(e.Name(), ".rlib")
		}
		if !ok {
			continue
		}
		for _, d := range w.dirs {
			w.listings = append(w.listings, action.Listing{Dir: d.path, Prefix: stem})
		}
	}
	return nil
}

// follow claims the search for what the library file depends on.
func (w *walker) follow(file string) error {
	o, d, ok := w.l.origins.Origin(file)
	if !ok {
		return errUnknown()
	}
	self := Dep{Stem: o.Stem, Digest: d}
	if w.visited[self] {
		return nil
	}
	w.visited[self] = true
	w.files = append(w.files, file)
	if w.asm != nil {
		if o.Foreign {
			return errForeign()
		}
		asm, err := w.l.asm.of(file, d, o)
		if err != nil {
			return err
		}
		w.asm.add(asm)
	}
	for _, dep := range o.Deps {
		if err := w.search(dep); err != nil {
			return err
		}
	}
	return nil
}

// search claims the search for one crate and follows every file it may find.
func (w *walker) search(dep Dep) error {
	suffixes := []string{".rmeta"}
	if !w.settled(dep) {
		suffixes = []string{".rmeta", ".rlib", ".so"}
	}
	for _, d := range w.dirs {
		for _, suffix := range suffixes {
			l := action.Listing{Dir: d.path, Prefix: "lib" + dep.Stem, Suffix: suffix}
			w.listings = append(w.listings, l)
			for _, file := range d.match(l) {
				if suffix == ".so" && !isRustLibrary(file) {
					continue // a cdylib, in which rustc finds nothing
				}
				if err := w.follow(file); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// settled reports whether rustc is certain to be content with the .rmeta: there
// is one only, it is what the dependent was compiled against, so it has the
// wanted hash, and its name is cargo's, so no other crate's name begins with it.
func (w *walker) settled(dep Dep) bool {
	if w.links || !cargoStem(dep.Stem) {
		return false
	}
	var files []string
	for _, d := range w.dirs {
		files = append(files, d.match(action.Listing{Dir: d.path, Prefix: "lib" + dep.Stem, Suffix: ".rmeta"})...)
	}
	if len(files) != 1 || !strings.HasSuffix(files[0], "/lib"+dep.Stem+".rmeta") {
		return false
	}
	_, d, ok := w.l.origins.Origin(files[0])
	return ok && d == dep.Digest && d != digest.Digest{}
}

// cargoStem reports whether a stem ends as cargo makes them: "-" and 16
// hexadecimal digits.
func cargoStem(stem string) bool {
	const n = 16
	if len(stem) < n+2 || stem[len(stem)-n-1] != '-' {
		return false
	}
	return strings.Trim(stem[len(stem)-n:], "0123456789abcdef") == ""
}

// match returns the files of d that l stands for.
func (d *crateDir) match(l action.Listing) []string {
	var files []string
	for _, n := range d.names {
		if strings.HasPrefix(n, l.Prefix) && strings.HasSuffix(n, l.Suffix) {
			files = append(files, d.path+"/"+n)
		}
	}
	return files
}
