package action

import (
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/cachepot/cachepot/internal/digest"
)

// PathSet names everything that a compiler looked at, found or not. It holds no
// contents: what lies at its paths at a given moment, evaluated, is the input
// tree of the action of that moment. A path that is absent puts nothing into
// the tree, so a file that appears there later makes another action.
//
// A PathSet may name more than was looked at (that costs hits) and never less.
// All paths are absolute; they may go through symbolic links and "..", since
// that is how compilers spell them.
type PathSet struct {
	Paths    []string
	Searches []Search
	Listings []Listing
	// Found are paths, of those above, that the run is known to have found: one
	// that is missing afterwards was removed meanwhile. They are no part of the
	// set's encoding and not there once it is stored.
	Found []string
	// Alone are paths whose content no other input may have: the compiler tells
	// files apart by more than that. Like Found, not for storing.
	Alone []string
	// SpeaksOfFile: a source asks for the name of a file as it was called, and what
	// becomes of that cannot be told. Not for storing.
	SpeaksOfFile bool
	// Renamed are the names that sources give to their lines. Not for storing.
	Renamed []string
	// Leading are those of EnvNames whose values only lead to files. Asked are those that
	// are known to have been asked for, nil: all. Not for storing.
	Leading, Asked []string
	// Macros are paths of code of the build that the compiler loaded and ran. Not for
	// storing.
	Macros []string
	// Climbing are paths, of those above, that were looked at because of where the call
	// stands: in each directory on the way up. Not for storing.
	Climbing []string
	// Upward: code of the build looked at some of them, which may have searched its way up,
	// for names with directories in them too (.cargo/config.toml). Not for storing.
	Upward bool
	// EnvNames are variables that were looked at by name, set or not (env! and
	// option_env! of Rust). Their values of the moment enter the action.
	EnvNames []string
}

// Search stands for every combination of a directory and a name: the places
// where a file may be found by search. Names are relative and may have slashes.
type Search struct {
	Dirs  []string
	Names []string
}

// Listing stands for all entries of Dir whose names begin with Prefix and end
// with Suffix: the predicate by which a compiler chose from a directory.
type Listing struct {
	Dir, Prefix, Suffix string
}

// Normalize sorts and removes duplicates, so that equal sets encode alike.
func (p *PathSet) Normalize() {
	p.Paths = sortUnique(p.Paths)
	p.EnvNames = sortUnique(p.EnvNames)
	for i := range p.Searches {
		p.Searches[i].Dirs = sortUnique(p.Searches[i].Dirs)
		p.Searches[i].Names = sortUnique(p.Searches[i].Names)
	}
	sort.Slice(p.Searches, func(i, j int) bool {
		a, b := p.Searches[i], p.Searches[j]
		if c := strings.Compare(strings.Join(a.Dirs, "\x00"), strings.Join(b.Dirs, "\x00")); c != 0 {
			return c < 0
		}
		return strings.Join(a.Names, "\x00") < strings.Join(b.Names, "\x00")
	})
	sort.Slice(p.Listings, func(i, j int) bool {
		a, b := p.Listings[i], p.Listings[j]
		if a.Dir != b.Dir {
			return a.Dir < b.Dir
		}
		if a.Prefix != b.Prefix {
			return a.Prefix < b.Prefix
		}
		return a.Suffix < b.Suffix
	})
}

// Same reports whether two normalized sets are stored alike.
func (p *PathSet) Same(q *PathSet) bool {
	return slices.Equal(p.Paths, q.Paths) && slices.Equal(p.EnvNames, q.EnvNames) && slices.Equal(p.Listings, q.Listings) &&
		slices.EqualFunc(p.Searches, q.Searches, func(a, b Search) bool {
			return slices.Equal(a.Dirs, b.Dirs) && slices.Equal(a.Names, b.Names)
		})
}

// Covers reports whether a look at p, found or not, is among those that the set
// names. A failed probe of a directory above a named path is covered too: only
// what lies below it could have mattered, and that is named.
func (s *PathSet) Covers(p string) bool {
	p = path.Clean(p)
	under := func(q string) bool {
		q = path.Clean(q)
		return q == p || strings.HasPrefix(q, p+"/")
	}
	for _, q := range s.Paths {
		if under(q) {
			return true
		}
	}
	for _, se := range s.Searches {
		for _, d := range se.Dirs {
			d = path.Clean(d)
			below := strings.TrimSuffix(d, "/") + "/"
			for _, n := range se.Names {
				if under(below + n) {
					return true
				}
			}
		}
	}
	for _, l := range s.Listings {
		dir, name := path.Split(p)
		if under(l.Dir) || path.Clean(dir) == path.Clean(l.Dir) && strings.HasPrefix(name, l.Prefix) && strings.HasSuffix(name, l.Suffix) {
			return true
		}
	}
	return false
}

func sortUnique(s []string) []string {
	sort.Strings(s)
	out := s[:0]
	for i, v := range s {
		if i == 0 || v != s[i-1] {
			out = append(out, v)
		}
	}
	return out
}

// Places gives directories names that are the same for everybody, as a roots.Map does.
type Places interface {
	Fixed(path string) string
	Real(path string) string
	// Above reports whether a directory holds one of those that have such names.
	Above(dir string) bool
	// Holders returns a name that stands for each of the directories that Above is true of,
	// and these.
	Holders() (name string, dirs []string)
}

// Shared returns the set by the names that are the same for everybody. What was looked for
// in a directory that holds one with such a name stands for looks at all of these: whoever
// looks there again may have climbed up from a place that lies deeper.
func (p *PathSet) Shared(places Places) *PathSet {
	holders, _ := places.Holders()
	out := *p
	out.Paths = nil
	for _, given := range p.Paths {
		clean := path.Clean(given)
		if places.Above(clean) {
			continue // programs look at it on their way; it is there because what it holds is
		}
		if name := p.above(clean, places); name != "" {
			out.Paths = append(out.Paths, holders+"/"+name)
			if slices.Contains(p.Climbing, given) {
				continue
			}
		}
		out.Paths = append(out.Paths, given)
	}
	shared := out.Mapped(places.Fixed)
	shared.Paths = sortUnique(shared.Paths)
	return shared
}

// above returns what clean, which lies in no directory with a name for everybody, is called
// from the nearest one that holds such; "" where that is the uppermost or it was not looked
// for by climbing.
func (p *PathSet) above(clean string, places Places) string {
	dir := path.Dir(clean)
	for p.Upward && dir != "/" && !places.Above(dir) {
		dir = path.Dir(dir)
	}
	if dir == "/" || !places.Above(dir) || places.Fixed(clean) != clean {
		return ""
	}
	return clean[len(dir)+1:]
}

// Here undoes Shared, by where the directories lie here.
func (p *PathSet) Here(places Places) *PathSet {
	holders, dirs := places.Holders()
	out := p.Mapped(places.Real)
	var climbing []string
	out.Paths = slices.DeleteFunc(out.Paths, func(given string) bool {
		name, ok := strings.CutPrefix(given, holders+"/")
		for _, d := range dirs {
			if ok {
				climbing = append(climbing, d+"/"+name)
			}
		}
		out.Upward = out.Upward || ok && strings.Contains(name, "/")
		return ok
	})
	for _, given := range climbing {
		if !slices.Contains(out.Paths, given) { // else the call was not climbing when it looked there
			out.Climbing = append(out.Climbing, given)
		}
	}
	out.Paths = append(out.Paths, climbing...)
	out.Normalize()
	return out
}

// Climbed reports whether a file, or a link, outside of the directories that have names for
// everybody was found by climbing up from one, as far as can be told: who does has looked
// for the same in that directory itself.
func (p *PathSet) Climbed(file string, places Places) bool {
	if places.Fixed(file) != file {
		return false
	}
	if slices.Contains(p.Climbing, file) {
		return true
	}
	name := p.above(file, places)
	return p.Upward && name != "" && slices.ContainsFunc(p.Paths, func(given string) bool {
		dir, ok := strings.CutSuffix(path.Clean(given), "/"+name)
		return ok && places.Fixed(dir) != dir && places.Above(path.Dir(dir))
	})
}

// LooksUp reports whether Shared has paths that stand for others.
func (p *PathSet) LooksUp(places Places) bool {
	return slices.ContainsFunc(p.Paths, func(given string) bool {
		clean := path.Clean(given)
		return !places.Above(clean) && p.above(clean, places) != ""
	})
}

// Mapped returns the set with each path and directory replaced by what place makes
// of it.
func (p *PathSet) Mapped(place func(string) string) *PathSet {
	each := func(list []string) []string {
		out := make([]string, len(list))
		for i, s := range list {
			out[i] = place(s)
		}
		return out
	}
	out := &PathSet{Paths: each(p.Paths), EnvNames: p.EnvNames}
	for _, s := range p.Searches {
		out.Searches = append(out.Searches, Search{Dirs: each(s.Dirs), Names: s.Names})
	}
	for _, l := range p.Listings {
		out.Listings = append(out.Listings, Listing{Dir: place(l.Dir), Prefix: l.Prefix, Suffix: l.Suffix})
	}
	return out
}

// Weight returns about how many bytes of memory the set takes.
func (p *PathSet) Weight() int64 {
	var n int64
	add := func(l []string) {
		for _, s := range l {
			n += int64(len(s)) + 16
		}
	}
	add(p.Paths)
	add(p.EnvNames)
	for _, s := range p.Searches {
		add(s.Dirs)
		add(s.Names)
	}
	return n + int64(len(p.Listings))*128
}

// ID returns the digest of the set's encoding.
func (p *PathSet) ID() digest.Digest { return digest.Of(p.Encode()) }
