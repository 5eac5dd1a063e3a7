package filestate

import (
	"sort"
	"strings"
	"sync"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
)

// Snapshot is what a path set led to at one moment: the content of its files,
// the targets of the links and the existence of the directories on the way, and
// all that was missing. It is safe for concurrent use.
type Snapshot struct {
	view  *View
	index map[string]int // during evaluation: files by real path

	mu    sync.Mutex // guards all below, which Unchanged renews
	files []fileSeen
	links []linkSeen
	dirs  []dirSeen // sorted by path
	// mounts is the state of mounts at which all was last looked up; 0: unknown.
	mounts uint64
	byPins bool // in the present pass, pins stand for paths
}

// none is the number of a directory that is not among those seen.
const none int32 = -1

type fileSeen struct {
	path    cpath
	id      ID
	digest  digest.Digest
	settled bool
	dir     int32 // the directory it lies in
	pin     *pin
}

type linkSeen struct {
	path   cpath
	id     ID
	target string
	dir    int32
}

// dirSeen is a directory that was walked through or searched.
type dirSeen struct {
	path    cpath
	id      ID
	settled bool
	// counts: it was looked at itself, or searched, or left by "..". Else it was only passed
	// on the way to something, or to nothing.
	counts   bool
	same     bool  // in the present pass: it is the directory that it was, with the same entries
	up       int32 // the directory above
	pin      *pin
	missing  []string // names looked for one by one and not found
	blocked  []string // names to walk through that are neither directories nor links
	probes   []probe
	listings []listingSeen
}

// probe is a search in one directory: of t's first components, present exist.
type probe struct {
	t       *trie
	present []string
}

type listingSeen struct {
	query action.Listing
	names []string
}

func (s *Snapshot) finish(e *evaluation) {
	s.index = nil
	s.mounts = e.mounts
	sorted := make([]*dirSeen, 0, len(e.dirs))
	for _, d := range e.dirs {
		sorted = append(sorted, d)
	}
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].path < sorted[j].path })
	number := make(map[string]int32, len(sorted))
	s.dirs = make([]dirSeen, 0, len(sorted))
	for i, d := range sorted {
		sort.Strings(d.missing)
		d.settled = e.view.settled(d.path.String(), d.id, e.start)
		d.up = above(number, d.path)
		if d.settled && d.up != none {
			d.pin = e.view.hold(d.path, d.id, e.start.tick)
		}
		number[d.path.String()] = int32(i)
		s.dirs = append(s.dirs, *d)
	}
	for i := range s.links {
		s.links[i].dir = above(number, s.links[i].path)
	}
	for i := range s.files {
		f := &s.files[i]
		f.dir = above(number, f.path)
		if f.settled && f.dir != none {
			f.pin = e.view.hold(f.path, f.id, e.start.tick)
		}
	}
}

// above returns the number of the directory that the real path c lies in.
func above(number map[string]int32, c cpath) int32 {
	p := c.String()
	if n, ok := number[p[:strings.LastIndexByte(p, '/')]]; ok {
		return n
	}
	return none
}

// Sink takes in what was found, by real path. A tree.Builder is one.
type Sink interface {
	File(path string, d digest.Digest, executable bool)
	Symlink(path, target string)
	Dir(path string)
}

// Passer is a Sink that is told apart of directories that were only passed on the way to
// something, which then lies in them, or to nothing.
type Passer interface{ Passed(path string) }

// AddTo puts everything found into b: files, then links, then directories, which were
// walked through or searched.
func (s *Snapshot) AddTo(b Sink) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.files {
		f := &s.files[i]
		b.File(f.path.String(), f.digest, f.id.Executable())
	}
	for _, l := range s.links {
		b.Symlink(l.path.String(), l.target)
	}
	passed := b.Dir
	if p, ok := b.(Passer); ok {
		passed = p.Passed
	}
	for i := range s.dirs {
		if p := s.dirs[i].path.String(); s.dirs[i].counts {
			b.Dir(p)
		} else {
			passed(p)
		}
	}
}

// File is one file of a snapshot.
type File struct {
	Path   string // real
	ID     ID
	Digest digest.Digest
	// Settled: a later change of the file is sure to change its ID.
	Settled bool
}

// Files returns the files found, in the order in which they were.
func (s *Snapshot) Files() []File {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]File, len(s.files))
	for i := range s.files {
		f := &s.files[i]
		out[i] = File{f.path.String(), f.id, f.digest, f.settled}
	}
	return out
}

// Links returns the symbolic links passed, as path and target.
func (s *Snapshot) Links() [][2]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([][2]string, len(s.links))
	for i, l := range s.links {
		out[i] = [2]string{l.path.String(), l.target}
	}
	return out
}

// Dirs returns the directories walked through or searched, by real path.
func (s *Snapshot) Dirs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]string, len(s.dirs))
	for i := range s.dirs {
		out[i] = s.dirs[i].path.String()
	}
	return out
}

// Weight returns about how many bytes of memory the snapshot takes.
func (s *Snapshot) Weight() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(len(s.links)) * 160
	for i := range s.files {
		n += int64(len(s.files[i].path)) + 120
	}
	tries := make(map[*trie]bool)
	for i := range s.dirs {
		d := &s.dirs[i]
		n += int64(len(d.path)) + 200
		for _, m := range d.missing {
			n += int64(len(m)) + 16
		}
		for _, b := range d.blocked {
			n += int64(len(b)) + 16
		}
		for _, p := range d.probes {
			n += 64
			if !tries[p.t] {
				tries[p.t] = true
				n += int64(len(p.t.firsts)) * 80
			}
		}
	}
	return n
}

// sameAs reports whether f is the file that c was read from, with that content.
func (f *fileSeen) sameAs(c Content) bool {
	return c.ID.Ino == f.id.Ino && c.ID.Dev == f.id.Dev && c.ID.Mode == f.id.Mode && c.Digest == f.digest
}

// ChangedSince returns a path that something has happened to after start, or
// may have, or "". Of the files in whole, which are never rewritten, the contents
// before start are given by real path: one that still is the same file with the same
// content has not changed, whatever its time stamps say. Directories whose entries came and went meanwhile are not among
// them (compilers write their outputs somewhere); one that was itself moved into
// place is.
func (s *Snapshot) ChangedSince(start Moment, whole map[string]Content) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.files {
		f := &s.files[i]
		if p := f.path.String(); !s.view.before(p, f.id, start) && !f.sameAs(whole[p]) {
			return p
		}
	}
	for i := range s.links {
		if l := &s.links[i]; !s.view.before(l.path.String(), l.id, start) {
			return l.path.String()
		}
	}
	for i := range s.dirs {
		// Adding or removing an entry stamps both times alike; a rename of the
		// directory stamps only this one.
		if d := &s.dirs[i]; d.id.Mtime < d.id.Ctime && !s.view.before(d.path.String(), d.id, start) {
			return d.path.String()
		}
	}
	return ""
}
