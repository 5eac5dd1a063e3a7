package toolchain

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/safefile"
)

// Of PATH, a compiler or linker uses the directories that hold programs which it
// starts. The others differ from user to user and from shell to shell. So PATH is
// reduced to those that have anything which goes by the name of such a program: whatever
// puts one into another directory puts that into the reduced PATH, and so into the key.

// searched is what was found out about one PATH. It holds as long as all that it was
// made of is the same.
type searched struct {
	compiler.Programs
	states []state
}

type state struct {
	path string
	id   filestate.ID // zero: it is not there
}

// maxSearched bounds the memory of PATHs.
const maxSearched = 1 << 10

// Programs says what of PATH matters to a compiler that was called as arg0 under env.
func (r *Registry) Programs(arg0 string, env compiler.Environ) compiler.Programs {
	path, set := env.Lookup("PATH")
	if !set {
		return compiler.Programs{}
	}
	if strings.Contains(arg0, "/") {
		arg0 = ""
	}
	key := arg0 + "\x00" + path
	r.mu.Lock()
	s := r.searched[key]
	r.mu.Unlock()
	if s != nil && s.holds() {
		return s.Programs
	}
	s = r.search(arg0, path)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.searched) >= maxSearched {
		clear(r.searched)
	}
	if s.states != nil {
		r.searched[key] = s
	}
	return s.Programs
}

func (s *searched) holds() bool {
	for _, st := range s.states {
		if id, err := filestate.Stat(st.path); id != st.id && (err == nil || st.id != filestate.ID{}) {
			return false
		}
	}
	return true
}

// search looks into the directories of path. Where one cannot be remembered (it has
// just changed, or is relative) states is nil.
func (r *Registry) search(arg0, path string) *searched {
	s := &searched{states: []state{}}
	forget := false
	var kept []string
	for _, dir := range strings.Split(path, ":") {
		if slices.Contains(kept, dir) {
			continue
		}
		if !filepath.IsAbs(dir) { // what it is depends on where the call is made
			kept, forget = append(kept, dir), true
			continue
		}
		id, err := filestate.Stat(dir)
		if err == nil && !safefile.StampsReliable(dir) {
			// To keep one is always right, and across a network looking is slow.
			kept = append(kept, dir)
			continue
		}
		s.states = append(s.states, state{dir, id})
		if os.IsNotExist(err) {
			continue
		}
		names, steady, err := r.view.Names(dir)
		if err != nil || slices.ContainsFunc(names, func(n string) bool { return n == arg0 || isHelper(n) }) {
			kept = append(kept, dir)
		}
		forget = forget || !steady
	}
	s.Path, s.Plain = path, true
	if len(kept) > 0 { // an empty PATH would be the working directory
		s.Path = strings.Join(kept, ":")
	}
	for _, name := range []string{"cc", "ld", "as"} {
		s.see(kept, name)
	}
	if forget {
		s.states = nil
	}
	return s
}

// see looks at the first program called name. One that is a script, or anything else in
// its place, may need any variable and any other program.
func (s *searched) see(dirs []string, name string) {
	for _, dir := range dirs {
		p := filepath.Join(dir, name)
		id, err := filestate.Stat(p)
		if err != nil || !id.Executable() {
			continue
		}
		s.states = append(s.states, state{p, id})
		real, err := filepath.EvalSymlinks(p)
		if err != nil || !isELF(real) || !isHelper(filepath.Base(real)) {
			s.Plain = false
		}
		return
	}
}

// isHelper reports whether a file may be a program that a C compiler or linker starts, by
// its name: perhaps after a target ("x86_64-linux-gnu-") and before a version ("-12").
// None starts rustc, which many have in their home.
func isHelper(name string) bool {
	if i := strings.LastIndexByte(name, '-'); i > 0 && strings.Trim(name[i+1:], "0123456789.") == "" {
		name = name[:i]
	}
	for _, prefix := range []string{"cc1", "lto", "ld.", "clang", "llvm-", "gcc-"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	name = name[strings.LastIndexByte(name, '-')+1:]
	switch name {
	case "as", "gas", "ld", "ld64", "lld", "gold", "mold", "wild", "collect2", "cc", "c++", "gcc", "g++", "cpp",
		"ar", "nm", "ranlib", "objcopy", "objdump", "strip", "dwp", "dsymutil", "server": // g++-mapper-server
		return true
	}
	return strings.HasPrefix(name, "ld.") || strings.HasPrefix(name, "clang")
}
