package toolchain

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/spawn"
)

// Observation is what a process tree looked at. Paths are absolute.
type Observation struct {
	Looked []Look   // files read, links followed, probes
	Listed []string // directories whose names were read
	Ran    []string // programs that were started, interpreters included
	// Incomplete says what may have escaped the watch; empty where nothing did.
	Incomplete string
	Failed     bool // the program did not exit with 0
}

// Look is one look at a path.
type Look struct {
	Path  string
	Found bool // something was there
}

// Watcher runs a program to its end and observes it. The error says that
// watching is not possible; it then has run nothing.
type Watcher func(ctx context.Context, c spawn.Command) (*Observation, error)

// probe is the compile that shows what a compiler needs for a language.
type probe struct {
	name, content string // source file in the scratch directory
	args          []string
}

// probeOf returns the probe of a part. Sources are as small as can be, so that
// what is read belongs to the compiler.
func probeOf(family, part string) probe {
	switch family {
	case "rustc":
		return probe{"r.rs", "", []string{"--crate-type", "lib", "--crate-name", "r", "--emit", "link,metadata,dep-info", "r.rs"}}
	case "clippy":
		// Clippy looks for its configuration from the directory named below, and
		// what it finds there is an input of each call.
		return probe{"r.rs", "", []string{"--rustc", "--crate-type", "lib", "--crate-name", "r", "--emit", "metadata,dep-info", "r.rs"}}
	}
	content := "int x;\n"
	if strings.HasPrefix(part, "assembler") {
		content = "\t.text\n"
	}
	return probe{"source", content, []string{"-x", part, "-c", "source", "-o", "object"}}
}

// sighting is what a probe looked at, less its own scratch directory.
type sighting struct {
	paths  *action.PathSet
	looks  []Look
	failed bool
}

// scratchDirectory makes a directory of its own. TMPDIR is that of whoever started the
// coordinator, and may have gone with the job that it was for.
func scratchDirectory() (string, error) {
	dir, err := os.MkdirTemp("", "cachepot-probe-")
	for _, base := range []string{"/tmp", "/var/tmp"} {
		if err == nil {
			return dir, nil
		}
		dir, err = os.MkdirTemp(base, "cachepot-probe-")
	}
	return dir, err
}

// observe runs the probe of the part.
func (x *examination) observe(ctx context.Context) (*sighting, error) {
	scratch, err := scratchDirectory()
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(scratch)
	p := probeOf(x.tool.Family, x.name)
	if err := os.WriteFile(filepath.Join(scratch, p.name), []byte(p.content), 0o600); err != nil {
		return nil, err
	}
	path := x.slot.path
	o, err := x.r.watch(ctx, spawn.Command{
		Path: path, Args: append([]string{path}, p.args...), Env: append([]string{"TMPDIR=" + scratch}, x.slot.env...), Dir: scratch})
	if err != nil {
		return nil, err
	}
	if o.Incomplete != "" {
		return nil, compiler.NotCacheable("compiler cannot be watched: %s", o.Incomplete)
	}
	seen := &sighting{paths: &action.PathSet{Paths: []string{path}}, failed: o.Failed}
	seen.add(o, scratch)
	if x.tool.Family == "clang" {
		seen.onlyROCm()
	}
	if x.tool.Sysroot != "" {
		listings, err := sysrootListings(x.tool.Sysroot)
		if err != nil {
			return nil, fmt.Errorf("read sysroot: %w", err)
		}
		seen.paths.Listings = append(seen.paths.Listings, listings...)
	}
	seen.paths.Normalize()
	return seen, nil
}

// add takes in what was observed. The scratch directory and the way to it are the
// coordinator's, so they are no part of the compiler.
func (s *sighting) add(o *Observation, scratch string) {
	ours := func(p string) bool { return within(p, scratch) || within(scratch, p) || Volatile(p) }
	for _, l := range o.Looked {
		if !ours(l.Path) {
			s.paths.Paths = append(s.paths.Paths, l.Path)
			s.looks = append(s.looks, l)
		}
	}
	for _, d := range o.Listed {
		if !ours(d) {
			s.paths.Listings = append(s.paths.Listings, action.Listing{Dir: filepath.Clean(d)})
		}
	}
}

// onlyROCm says what clang looks for in /opt, where everybody has something else: whatever
// the language, AMD's libraries, in directories called "rocm-" and a version.
func (s *sighting) onlyROCm() {
	for i := range s.paths.Listings {
		if l := &s.paths.Listings[i]; l.Dir == "/opt" {
			l.Prefix = "rocm-"
		}
	}
}

// stillHolds reports whether what the probe found is there now, and what it
// missed is not.
func (s *sighting) stillHolds() bool {
	for _, l := range s.looks {
		// A link that leads nowhere was found or not by how it was looked at.
		_, err := filestate.Stat(l.Path)
		_, linkErr := filestate.StatLink(l.Path)
		if l.Found != (err == nil) && l.Found != (linkErr == nil) {
			return false
		}
	}
	return true
}

// sysrootListings names the standard library of every installed target: crates
// choose from it by name.
func sysrootListings(sysroot string) ([]action.Listing, error) {
	base := filepath.Join(sysroot, "lib", "rustlib")
	targets, err := os.ReadDir(base)
	if err != nil {
		return nil, err
	}
	var out []action.Listing
	for _, t := range targets {
		dir := filepath.Join(base, t.Name(), "lib")
		if st, err := os.Stat(dir); err == nil && st.IsDir() {
			out = append(out, action.Listing{Dir: dir, Prefix: "lib"})
		}
	}
	return out, nil
}

// within reports whether p is dir or lies below it.
func within(p, dir string) bool {
	rel, err := filepath.Rel(dir, filepath.Clean(p))
	return err == nil && filepath.IsLocal(rel)
}

// Volatile reports whether a path is of the closed list that is looked at by
// every program and is no input: see docs/spec/inputs.md.
func Volatile(p string) bool {
	p = filepath.Clean(p)
	switch p {
	case "/etc/ld.so.cache", "/usr/share/locale/locale.alias", "/usr/lib/locale/locale-archive", "/dev", "/proc", "/sys":
		return true
	}
	for _, d := range append(LocaleData(), "/proc", "/sys", "/dev") {
		if within(p, d) {
			return true
		}
	}
	// Where a C library looks for how letters are converted, before it has to: for messages.
	return strings.HasPrefix(p, "/usr/lib") && strings.HasSuffix(p, "/gconv/gconv-modules.cache")
}

// LocaleData returns the directories of that list that a program needs to say in a language
// what it says.
func LocaleData() []string {
	return []string{"/usr/lib/locale", "/usr/share/locale", "/usr/share/locale-langpack"}
}
