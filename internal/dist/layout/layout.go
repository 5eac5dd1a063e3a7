// Package layout turns the input tree of an action into directories that can be the
// layers of a job's root. A tree comes from somebody who is not believed: it is checked
// whole before anything of it is laid out, and its blobs count only if the realm that
// asks has them.
//
// Each file lies once in a pool, verified and read-only; trees are hard links to it,
// which serve as lower layers and are never written to. A directory that comes again
// at the same path with the same content, if it is not small, is laid out once as a
// layer of its own; of a tree only the rest is laid out for each job. A union of
// layers is the tree exactly: a layer holds a directory whole or not at all.
//
//	layout = "pool" "/" file*          ; survives; each is hashed before its first use after a start
//	         "layers" "/" number       ; shaped like a root; made anew after a start
//	         "jobs" "/" number         ; the rest, for one job
//	         "spare" "/" number        ; empty directories, for the next
//	file   = hash "-" size [ "x" ]     ; "x": executable, mode 0555, else 0444
//
// The packages of a worker, below internal/dist, import it.
package layout

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/storage/recent"
)

// Config says where trees are laid out.
type Config struct {
	Dir   string // nobody else writes to it; made where it does not exist
	Limit int64  // bytes of the files in the pool
	Now   func() time.Time
}

// Layout lays out trees. One process at a time may use its directory. All methods are
// safe for concurrent use.
type Layout struct {
	dir     string
	now     func() time.Time
	pool    *pool
	folders *recent.Map[digest.Digest, *folder] // checked, whole
	visible *recent.Map[view, struct{}]         // trees of which a realm has all

	plain  bool // directories have the mode that they are made with
	spares *spares
	jobs   atomic.Uint64 // laid out so far, which names the next

	mu     sync.Mutex // guards what follows
	layers map[place]*layer
	met    *recent.Map[place, struct{}] // directories that came once
	count  int                          // of layers made, which names the next

	removing sync.WaitGroup
}

// view is a tree as a realm sees it.
type view struct {
	realm string
	tree  digest.Digest
}

// place is a directory at its place in a root.
type place struct {
	path string
	tree digest.Digest
}

const (
	foldersWeight = 64 << 20 // bytes of memory, roughly
	rememberViews = 1 << 16
	rememberMet   = 1 << 15
)

func one(struct{}) int64 { return 1 }

// Open returns the layout in c.Dir.
func Open(c Config) (*Layout, error) {
	l := &Layout{
		dir: c.Dir, now: c.Now,
		folders: recent.New[digest.Digest](foldersWeight, (*folder).weight),
		visible: recent.New[view](rememberViews, one),
		layers:  map[place]*layer{},
		met:     recent.New[place](rememberMet, one),
		spares:  &spares{dir: filepath.Join(c.Dir, "spare")},
	}
	for _, name := range []string{"layers", "jobs", "spare"} { // of a process that is no more
		if err := os.RemoveAll(filepath.Join(c.Dir, name)); err != nil {
			return nil, fmt.Errorf("clear layout: %w", err)
		}
	}
	for _, name := range []string{"", "pool", "layers", "jobs", "spare"} {
		dir := filepath.Join(c.Dir, name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make layout: %w", err)
		}
		// The users of jobs get through to what is laid out for them, whose names they
		// are told by nobody.
		if err := os.Chmod(dir, 0o711); err != nil {
			return nil, fmt.Errorf("make layout: %w", err)
		}
	}
	var err error
	if l.plain, err = modesStay(filepath.Join(c.Dir, "jobs", "probe")); err != nil {
		return nil, fmt.Errorf("make layout: %w", err)
	}
	l.pool, err = openPool(filepath.Join(c.Dir, "pool"), c.Limit, c.Now)
	return l, err
}

// modesStay reports whether directories have the mode that they are made with: that no umask
// or default list takes anything away, which changes for no process behind its back. A second
// call for each directory takes as long as the first.
func modesStay(dir string) (bool, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return false, err
	}
	info, err := os.Stat(dir)
	return err == nil && info.Mode() == fs.ModeDir|0o755, errors.Join(err, os.Remove(dir))
}

// Close waits until what is not needed any more has been removed.
func (l *Layout) Close() { l.removing.Wait() }

// Shape is what a root holds besides the tree, and where the tree lies in it.
type Shape struct {
	Prefix string            // "" or an absolute path: the tree lies there
	Links  map[string]string // symbolic links in the root itself: name, target
}

// Root is a tree that is laid out.
type Root struct {
	Layers  []string // directories, the topmost first
	release func()
}

// Release gives the layers up. They must not be used any more.
func (r *Root) Release() { r.release() }

// mostLayers bounds the layers of one root: each look-up of a name that is not there
// goes through all.
const mostLayers = 12

// Materialise lays the tree out. The error is a *Lacking where a blob of it has gone.
func (l *Layout) Materialise(ctx context.Context, realm *blobs.Realm, t *Tree, s Shape) (*Root, error) {
	job := filepath.Join(l.dir, "jobs", strconv.FormatUint(l.jobs.Add(1), 10))
	b := &builder{layout: l, ctx: ctx, realm: realm, dir: job, noted: true}
	if err := b.mkdir(job); err != nil {
		return nil, err
	}
	err := b.root(t, s)
	r := &Root{Layers: append([]string{job}, b.lower()...)}
	r.release = sync.OnceFunc(func() {
		for _, layer := range b.layers {
			l.leave(layer)
		}
		// It takes as long as laying out, and nobody needs to wait for it.
		l.removing.Go(func() {
			b.clear()
			l.trim()
		})
	})
	if err != nil {
		r.Release()
		if _, gone := errors.AsType[*Lacking](err); gone {
			l.visible.Clear()
		}
		return nil, err
	}
	return r, nil
}
