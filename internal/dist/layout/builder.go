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

	"github.com/cachepot/cachepot/internal/dist/blobs"
)

// layer is a directory of a tree, laid out at its place below a root of its own.
type layer struct {
	place place
	dir   string
	once  sync.Once
	err   error
	files []*entry // once it is built; guarded by the layout's mu
	inUse int      // likewise
	used  int64    // likewise
}

const (
	// layerFrom is the number of nodes from which on a directory is worth a layer.
	// A node costs some 15 us to lay out and to remove; a layer, a look-up in one more
	// directory for each name that is not there.
	layerFrom = 32
	// maxLayers bounds the layers that are kept.
	maxLayers = 256
)

// builder lays out one tree. What is large and comes again becomes layers, the rest
// lies in dir.
type builder struct {
	layout *Layout
	ctx    context.Context
	realm  *blobs.Realm
	dir    string
	layers []*layer
	// What lies in dir, as it was made; of a layer nothing is noted.
	noted       bool
	dirs, names []string
}

func (b *builder) lower() []string {
	var out []string
	for _, l := range b.layers {
		out = append(out, l.dir)
	}
	return out
}

func (b *builder) root(t *Tree, s Shape) error {
	for name, target := range s.Links {
		if err := b.link(filepath.Join(b.dir, name), target); err != nil {
			return err
		}
	}
	at := b.dir
	if s.Prefix != "" {
		at = b.dir + s.Prefix
		if err := b.mkdirs(b.dir, s.Prefix); err != nil {
			return err
		}
	} else if err := mountable(t.root); err != nil {
		return err
	}
	return b.fill(at, s.Prefix, t.root)
}

// mountable checks that what lies where a job gets its own is a directory: nothing is
// mounted on what a client's link leads to.
func mountable(root *folder) error {
	for _, name := range []string{"proc", "dev", "sys", "tmp"} {
		for _, f := range root.files {
			if f.name == name {
				return invalid("/%s is a file", name)
			}
		}
		for _, l := range root.links {
			if l.name == name {
				return invalid("/%s is a symbolic link", name)
			}
		}
		if f := root.sub(name); f != nil && f.nodes > 0 && name != "tmp" {
			return invalid("/%s is not empty", name)
		}
	}
	return nil
}

// fill lays out what is in f below the directory at, which is the directory p of the
// root.
func (b *builder) fill(at, p string, f *folder) error {
	if err := b.files(at, f, nil); err != nil {
		return err
	}
	for _, s := range f.subs {
		path := p + "/" + s.name
		if s.folder.nodes >= layerFrom && len(b.layers) < mostLayers-1 {
			l, err := b.layer(place{path, s.folder.name}, s.folder)
			if err != nil {
				return err
			}
			if l != nil {
				b.layers = append(b.layers, l)
				continue
			}
		}
		if err := b.mkdir(at + "/" + s.name); err != nil {
			return err
		}
		if err := b.fill(at+"/"+s.name, path, s.folder); err != nil {
			return err
		}
	}
	return nil
}

// whole lays out all of f, without layers, and notes the files.
func (b *builder) whole(at string, f *folder, note *[]*entry) error {
	if err := b.files(at, f, note); err != nil {
		return err
	}
	for _, s := range f.subs {
		if err := b.mkdir(at + "/" + s.name); err != nil {
			return err
		}
		if err := b.whole(at+"/"+s.name, s.folder, note); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) files(at string, f *folder, note *[]*entry) error {
	for i := range f.files {
		file := &f.files[i]
		e, err := b.layout.pool.link(b.ctx, key{file.content, file.exec}, b.realm, at+"/"+file.name)
		if err != nil {
			return err
		}
		b.note(at + "/" + file.name)
		if note != nil {
			*note = append(*note, e)
		}
	}
	for _, l := range f.links {
		if err := b.link(at+"/"+l.name, l.target); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) link(at, target string) error {
	if err := os.Symlink(target, at); err != nil {
		return fmt.Errorf("lay out tree: %w", err)
	}
	b.note(at)
	return nil
}

func (b *builder) note(at string) {
	if b.noted {
		b.names = append(b.names, at)
	}
}

func (b *builder) mkdir(at string) error {
	if b.noted {
		b.dirs = append(b.dirs, at)
		if b.layout.spares.move(at) {
			return nil
		}
	}
	if err := os.Mkdir(at, 0o755); err != nil {
		return fmt.Errorf("lay out tree: %w", err)
	}
	return b.finish(at)
}

// clear removes dir, all but the directories that others can have.
func (b *builder) clear() {
	for _, name := range b.names {
		_ = os.Remove(name) // what is left shows below
	}
	for i := len(b.dirs) - 1; i >= 0; i-- {
		b.layout.spares.keep(b.dirs[i])
	}
	_ = os.RemoveAll(b.dir)
}

// finish gives a directory its mode, to which no umask applies.
func (b *builder) finish(at string) error {
	if b.layout.plain {
		return nil
	}
	if err := os.Chmod(at, 0o755); err != nil {
		return fmt.Errorf("lay out tree: %w", err)
	}
	return nil
}

// mkdirs makes the absolute path p below dir.
func (b *builder) mkdirs(dir, p string) error {
	for i := 1; i <= len(p); i++ {
		if i < len(p) && p[i] != '/' {
			continue
		}
		if err := b.mkdir(dir + p[:i]); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// layer returns the layer that holds f at its place, in use, or nil where f has not
// come often enough to have one.
func (b *builder) layer(at place, f *folder) (*layer, error) {
	l := b.layout.enter(at)
	if l == nil {
		return nil, nil
	}
	l.once.Do(func() {
		l.err = b.build(l, f)
	})
	if l.err != nil {
		b.layout.abandon(l)
		if errors.Is(l.err, context.Canceled) && b.ctx.Err() == nil {
			return nil, nil // another job built it, and was ended
		}
		return nil, l.err
	}
	return l, nil
}

// build lays a layer out from nothing.
func (b *builder) build(l *layer, f *folder) error {
	if err := errors.Join(os.Mkdir(l.dir, 0o755), b.finish(l.dir)); err != nil {
		return err
	}
	b = &builder{layout: b.layout, ctx: b.ctx, realm: b.realm} // which notes nothing
	if err := b.mkdirs(l.dir, l.place.path); err != nil {
		return err
	}
	var files []*entry
	if err := b.whole(l.dir+l.place.path, f, &files); err != nil {
		return err
	}
	b.layout.mu.Lock()
	defer b.layout.mu.Unlock()
	l.files = files
	return nil
}

// enter returns the layer of a place and counts its use; it may have to be built yet.
// It is nil where the place is met for the first time.
func (l *Layout) enter(at place) *layer {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now().UnixNano()
	if known := l.layers[at]; known != nil {
		known.inUse++
		known.used = now
		return known
	}
	if _, again := l.met.Get(at); !again {
		l.met.Put(at, struct{}{})
		return nil
	}
	if len(l.layers) >= maxLayers && !l.evict() {
		return nil
	}
	l.count++
	made := &layer{place: at, dir: filepath.Join(l.dir, "layers", strconv.Itoa(l.count)), inUse: 1, used: now}
	l.layers[at] = made
	return made
}

// leave ends a use.
func (l *Layout) leave(was *layer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	was.inUse--
	if was.inUse == 0 && l.layers[was.place] != was {
		l.discard(was)
	}
}

// abandon ends a use of a layer that could not be built; the next job tries anew.
func (l *Layout) abandon(was *layer) {
	l.mu.Lock()
	if l.layers[was.place] == was {
		delete(l.layers, was.place)
	}
	l.mu.Unlock()
	l.leave(was)
}

// evict removes the layer that was used last the longest ago, unless all are in use.
// The caller holds mu.
func (l *Layout) evict() bool {
	var oldest *layer
	for _, known := range l.layers {
		if known.inUse == 0 && (oldest == nil || known.used < oldest.used) {
			oldest = known
		}
	}
	if oldest == nil {
		return false
	}
	delete(l.layers, oldest.place)
	l.discard(oldest)
	return true
}

// discard removes the directory of a layer that nobody uses.
func (l *Layout) discard(was *layer) {
	l.removing.Go(func() { _ = os.RemoveAll(was.dir) })
}
