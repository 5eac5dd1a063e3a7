package filestate

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/digest"
)

// View is a memory of file contents and directories; see the package's comment
// for what it takes on trust. It is safe for concurrent use.
type View struct {
	clock     func() int64
	separator *separator // nil: changes are told apart by ticks
	pins      *pins      // nil: everything is looked up by path

	mu       sync.Mutex // guards the maps, never held during a system call
	files    map[inode]known
	listings map[string]*listing
	origins  map[uint64]origin // by device
}

type inode struct{ dev, ino uint64 }

type known struct {
	id     ID
	digest digest.Digest
}

// maxKnown bounds the memory of files: about 150 bytes each.
const maxKnown = 1 << 18

// New returns an empty View, which goes by ticks and paths. clock is Clock, or a
// test's own.
func New(clock func() int64) *View {
	return &View{
		clock:    clock,
		files:    make(map[inode]known),
		listings: make(map[string]*listing),
		origins:  make(map[uint64]origin),
	}
}

// Content is what a regular file holds.
type Content struct {
	ID     ID
	Digest digest.Digest
	// Settled: a later change of the file is sure to change its ID.
	Settled bool
}

// ErrChanging is returned for a file that is being written to.
var ErrChanging = fmt.Errorf("file changes while it is read")

// File returns the content of the regular file that p leads to.
func (v *View) File(p string) (Content, error) {
	c := makeCPath(p)
	id, err := stat(c, false)
	if err != nil {
		return Content{}, &os.PathError{Op: "stat", Path: p, Err: err}
	}
	return v.content(c, id)
}

// content returns the content of the file c, whose ID was just found to be id.
func (v *View) content(c cpath, id ID) (Content, error) {
	if d, ok := v.remembered(id); ok {
		return Content{id, d, true}, nil
	}
	if !id.isRegular() {
		return Content{}, fmt.Errorf("%s: not a regular file", c)
	}
	for range maxReads - 1 {
		if found, err := v.read(c.String()); !errors.Is(err, ErrChanging) {
			return found, err
		}
	}
	return v.read(c.String())
}

// maxReads is how often a file is read that changes meanwhile. cargo sets the time
// of what rustc has made as soon as it has ended, and gives what was linked a second
// name: two changes, and none of the content. What is not known of such a file is
// missing until it is another.
const maxReads = 5

func (v *View) remembered(id ID) (digest.Digest, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	k, ok := v.files[inode{id.Dev, id.Ino}]
	return k.digest, ok && k.id == id
}

func (v *View) read(p string) (Content, error) {
	start := v.Now()
	// A FIFO put in the file's place must not block us.
	f, err := os.OpenFile(p, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return Content{}, err
	}
	defer f.Close()
	awaitWriter(int(f.Fd()))
	before, err := fstat(f)
	if err != nil {
		return Content{}, err
	}
	if !before.isRegular() {
		return Content{}, fmt.Errorf("%s: not a regular file", p)
	}
	d, err := digest.Read(f)
	if err != nil {
		return Content{}, fmt.Errorf("read %s: %w", p, err)
	}
	after, err := fstat(f)
	if err != nil {
		return Content{}, err
	}
	if after != before || d.Size != after.Size {
		return Content{}, fmt.Errorf("%s: %w", p, ErrChanging)
	}
	settled := v.settled(p, after, start)
	if settled {
		v.Learn(after, d)
	}
	return Content{after, d, settled}, nil
}

// Learn tells the View that the file of this ID holds content d. The caller
// vouches that the ID was settled when the content was read.
func (v *View) Learn(id ID, d digest.Digest) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.files) >= maxKnown {
		clear(v.files) // all of it is found again by reading
	}
	v.files[inode{id.Dev, id.Ino}] = known{id, d}
}

func fstat(f *os.File) (ID, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return ID{}, &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return idOf(&st), nil
}

// listing is the names in a directory.
type listing struct {
	id      ID
	settled bool
	names   map[string]struct{}
}

// list returns the names in the directory p, whose ID was just found to be id.
func (v *View) list(p string, id ID) (*listing, error) {
	v.mu.Lock()
	l := v.listings[p]
	v.mu.Unlock()
	if l != nil && l.settled && l.id == id {
		return l, nil
	}
	start := v.tick()
	f, err := os.Open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	before, err := fstat(f)
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	l = &listing{id: before, names: make(map[string]struct{}, len(names)), settled: v.settled(p, before, start)}
	for _, n := range names {
		l.names[n] = struct{}{}
	}
	v.mu.Lock()
	if len(v.listings) >= maxListings {
		clear(v.listings)
	}
	v.listings[p] = l
	v.mu.Unlock()
	return l, nil
}

// Names returns the names in a directory, and whether they can be told to be the same
// later by its ID.
func (v *View) Names(dir string) (names []string, steady bool, err error) {
	id, err := Stat(dir)
	if err != nil {
		return nil, false, err
	}
	l, err := v.list(dir, id)
	if err != nil {
		return nil, false, err
	}
	return slices.Collect(maps.Keys(l.names)), l.settled && l.id == id, nil
}

// maxListings bounds the memory of directories.
const maxListings = 1 << 12
