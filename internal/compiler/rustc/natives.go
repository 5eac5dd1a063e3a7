package rustc

import (
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
)

// Of the native libraries of a link some are named by crates below: in a -l of the call
// that made the crate, or in its sources.

// nativesMemo remembers the names of native libraries by the content of the crate that
// asks for them.
type nativesMemo struct {
	mu   sync.Mutex
	seen map[digest.Digest][]string
}

// of returns the names of the native libraries that a crate may ask a linker for.
func (m *nativesMemo) of(l *Language, file string) []string {
	o, d, ok := l.origins.Origin(file)
	if !ok {
		return nil
	}
	m.mu.Lock()
	names, known := m.seen[d]
	m.mu.Unlock()
	if known {
		return names
	}
	for _, v := range o.Natives {
		names = append(names, nativeName(v)...)
	}
	deps, err := depInfoOf(file, o)
	if err != nil {
		return names // and next time again
	}
	var seen scan
	for _, f := range deps.files {
		if text, err := os.ReadFile(under(o.Dir, f)); err == nil {
			seen.source(text)
		}
	}
	names = append(names, seen.linked...)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.seen == nil || len(m.seen) >= maxNames {
		m.seen = make(map[digest.Digest][]string)
	}
	m.seen[d] = names
	return names
}

// forecastNatives adds what may be the native libraries of a link: all that lie where
// build scripts put theirs, and in the directories of the system those that the crates
// ask for.
func (l *Language) forecastNatives(call *compiler.Call, d *detail, set *action.PathSet) error {
	for _, dir := range d.cmd.nativeDirs() {
		if ofSystem(dir) {
			continue
		}
		for _, suffix := range []string{".a", ".so"} {
			set.Listings = append(set.Listings, action.Listing{Dir: dir, Prefix: "lib", Suffix: suffix})
		}
	}
	if d.linking == nil { // an archive, with a -L without a kind
		return nil
	}
	found, err := l.crates(call, d.cmd)
	if err != nil {
		return err
	}
	s := action.Search{Dirs: d.linking.libraryDirs(d.cmd)}
	for _, v := range d.cmd.natives {
		s.Names = append(s.Names, linkedForms(v)...)
	}
	for _, file := range found.files {
		for _, name := range l.natives.of(l, file) {
			if !d.linking.saw(name) {
				s.Names = append(s.Names, forms(name)...)
			}
		}
	}
	set.Searches = append(set.Searches, s)
	return nil
}

// linkedForms are the names of files that a -l may lead a linker to.
func linkedForms(v string) []string {
	var all []string
	for _, name := range nativeName(v) {
		all = append(all, forms(name)...)
	}
	return all
}

// ofSystem reports whether a directory is one that thousands of libraries may lie in.
func ofSystem(dir string) bool {
	dir = filepath.Clean(dir)
	return dir == "/lib" || strings.HasPrefix(dir, "/lib/") || strings.HasPrefix(dir, "/usr/")
}
