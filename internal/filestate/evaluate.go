package filestate

import (
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
)

// maxLinks is how many symbolic links one look-up may go through, as in Linux.
const maxLinks = 40

// evaluation is one pass over a path set. Paths with the suffix "real" have no
// symbolic link and no ".." in them.
type evaluation struct {
	view   *View
	mounts uint64 // the state of mounts before start
	start  Moment // the beginning, by ticks
	snap   *Snapshot
	dirs   map[string]*dirSeen // by real path
	nodes  map[string]node     // what lies at a real path
	walks  map[string]string   // spelled directory -> real directory, "" where there is none
}

// node is what was found at a real path.
type node struct {
	kind   nodeKind
	id     ID
	target string // of a symbolic link
}

type nodeKind int

const (
	absent nodeKind = iota
	directory
	regular
	symlink
	other // a device, a socket, a pipe
)

// Evaluate looks at everything that ps names, as it is now.
func (v *View) Evaluate(ps *action.PathSet) (*Snapshot, error) {
	e := &evaluation{
		view: v, mounts: v.mountsNow(), start: v.tick(), snap: &Snapshot{view: v},
		dirs: make(map[string]*dirSeen), nodes: make(map[string]node), walks: map[string]string{"/": "/", "": "/"},
	}
	for _, p := range ps.Paths {
		if err := e.look(p, 0); err != nil {
			return nil, err
		}
	}
	for _, s := range ps.Searches {
		t := newTrie(s.Names)
		for _, d := range s.Dirs {
			if err := e.search(d, t); err != nil {
				return nil, err
			}
		}
	}
	for _, l := range ps.Listings {
		if err := e.listing(l); err != nil {
			return nil, err
		}
	}
	e.snap.finish(e)
	return e.snap, nil
}

// look finds what p leads to and records it.
func (e *evaluation) look(p string, links int) error {
	parent, name := path.Split(p)
	real, err := e.walk(parent, links)
	if err != nil || real == "" {
		return err
	}
	return e.lookIn(real, name, links)
}

// lookIn finds what name leads to in the real directory dir and records it.
func (e *evaluation) lookIn(dir, name string, links int) error {
	switch name {
	case "", ".", "..":
		d, err := e.dirOf(dir) // the directory itself
		if err == nil {
			d.counts = true
		}
		return err
	}
	real := join(dir, name)
	n, err := e.at(dir, name)
	if err != nil {
		return err
	}
	switch n.kind {
	case regular:
		return e.file(real, n.id)
	case directory:
		e.dir(real, n.id).counts = true
	case symlink:
		if links == maxLinks {
			return nil // leads nowhere, for the compiler too
		}
		return e.look(against(dir, n.target), links+1)
	case other:
		return fmt.Errorf("%s: neither a file nor a directory", real)
	}
	return nil
}

// walk resolves the spelled directory p. The result is "" where there is none;
// what is missing has then been recorded.
func (e *evaluation) walk(p string, links int) (string, error) {
	p = strings.TrimRight(p, "/")
	if real, ok := e.walks[p]; ok {
		return real, nil
	}
	real, err := e.walkLast(p, links)
	if err == nil {
		e.walks[p] = real
	}
	return real, err
}

func (e *evaluation) walkLast(p string, links int) (string, error) {
	parent, name := path.Split(p)
	dir, err := e.walk(parent, links)
	if err != nil || dir == "" {
		return "", err
	}
	switch name {
	case "", ".":
		return dir, nil
	case "..":
		d, err := e.dirOf(dir)
		if err != nil {
			return "", err
		}
		d.counts = true
		return path.Dir(dir), nil
	}
	n, err := e.at(dir, name)
	if err != nil {
		return "", err
	}
	switch n.kind {
	case directory:
		e.dir(join(dir, name), n.id)
		return join(dir, name), nil
	case symlink:
		if links == maxLinks {
			return "", nil
		}
		return e.walk(against(dir, n.target), links+1)
	case regular, other:
		return "", e.blocked(dir, name)
	}
	return "", nil
}

// at finds what lies under name in the real directory dir, itself not followed.
func (e *evaluation) at(dir, name string) (node, error) {
	real := join(dir, name)
	if n, ok := e.nodes[real]; ok {
		return n, nil
	}
	n, err := e.statNode(real)
	if err != nil {
		return n, err
	}
	e.nodes[real] = n
	if n.kind == absent {
		if err := e.absent(dir, name); err != nil {
			return n, err
		}
	} else if n.kind == symlink {
		e.snap.links = append(e.snap.links, linkSeen{path: makeCPath(real), id: n.id, target: n.target})
	}
	return n, nil
}

func (e *evaluation) statNode(real string) (node, error) {
	id, err := stat(makeCPath(real), true)
	switch {
	case isAbsent(err):
		return node{kind: absent}, nil
	case err != nil:
		return node{}, &os.PathError{Op: "lstat", Path: real, Err: err}
	case id.isDir():
		return node{kind: directory, id: id}, nil
	case id.isRegular():
		return node{kind: regular, id: id}, nil
	case id.isLink():
		target, err := os.Readlink(real)
		return node{kind: symlink, id: id, target: target}, err
	}
	return node{kind: other, id: id}, nil
}

// absent records that the real directory dir has no entry called name.
func (e *evaluation) absent(dir, name string) error {
	d, err := e.dirOf(dir)
	if err == nil {
		d.missing = append(d.missing, name)
	}
	return err
}

// blocked records that name in the real directory dir leads no further, since it
// is neither a directory nor a link.
func (e *evaluation) blocked(dir, name string) error {
	d, err := e.dirOf(dir)
	if err == nil {
		d.blocked, d.counts = append(d.blocked, name), true
	}
	return err
}

func (e *evaluation) dirOf(real string) (*dirSeen, error) {
	if d := e.dirs[real]; d != nil {
		return d, nil
	}
	id, err := stat(makeCPath(real), true)
	if err != nil {
		return nil, &os.PathError{Op: "lstat", Path: real, Err: err}
	}
	return e.dir(real, id), nil
}

// dir records that a directory lies at real.
func (e *evaluation) dir(real string, id ID) *dirSeen {
	d := e.dirs[real]
	if d == nil {
		d = &dirSeen{path: makeCPath(real), id: id}
		e.dirs[real] = d
	}
	return d
}

func (e *evaluation) file(real string, id ID) error {
	if _, seen := e.snap.index[real]; seen {
		return nil
	}
	c, err := e.view.content(makeCPath(real), id)
	if err != nil {
		return err
	}
	if e.snap.index == nil {
		e.snap.index = make(map[string]int)
	}
	e.snap.index[real] = len(e.snap.files)
	e.snap.files = append(e.snap.files, fileSeen{path: makeCPath(real), id: c.ID, digest: c.Digest, settled: c.Settled})
	return nil
}

// against spells target, the content of a symbolic link in dir, as a path.
func against(dir, target string) string {
	if strings.HasPrefix(target, "/") {
		return target
	}
	return join(dir, target)
}

func join(dir, name string) string {
	if dir == "/" {
		return "/" + name
	}
	return dir + "/" + name
}
