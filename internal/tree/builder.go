// Package tree builds the input tree of an action: a Merkle tree of Directory
// messages of the Remote Execution API, whose root stands for "/". It reads no
// file: callers say what lies where. The coordinator, the worker and the audits
// may import it.
package tree

import (
	"fmt"
	"path"
	"sort"
	"strings"
	"unicode/utf8"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"

	"github.com/cachepot/cachepot/internal/digest"
)

// Builder collects the nodes of a tree. Paths are absolute and real: no "..",
// no symbolic link among their directories. Adding the same node twice is no
// fault; adding another node at its place is, and Build returns it.
type Builder struct {
	root dir
	err  error
}

type dir struct {
	dirs  map[string]*dir
	files map[string]file
	links map[string]string
}

type file struct {
	digest digest.Digest
	exec   bool
}

// Dir makes sure that p exists as a directory.
func (b *Builder) Dir(p string) { b.walk(p) }

// File puts a regular file at p.
func (b *Builder) File(p string, d digest.Digest, executable bool) {
	parent, name := b.parent(p)
	if parent == nil {
		return
	}
	f := file{d, executable}
	old, ok := parent.files[name]
	if ok && old != f || parent.dirs[name] != nil || parent.links[name] != "" {
		b.conflict(p)
		return
	}
	if parent.files == nil {
		parent.files = make(map[string]file)
	}
	parent.files[name] = f
}

// Symlink puts a symbolic link at p. An absolute target is made relative, since
// trees must not name the root they are laid out under.
func (b *Builder) Symlink(p, target string) {
	if strings.HasPrefix(target, "/") {
		target = relative(path.Dir(p), target)
	}
	parent, name := b.parent(p)
	if parent == nil {
		return
	}
	old := parent.links[name]
	_, isFile := parent.files[name]
	if old != "" && old != target || isFile || parent.dirs[name] != nil {
		b.conflict(p)
		return
	}
	if parent.links == nil {
		parent.links = make(map[string]string)
	}
	parent.links[name] = target
}

func (b *Builder) parent(p string) (*dir, string) {
	d, name := path.Split(p)
	if name == "" {
		b.conflict(p)
		return nil, ""
	}
	return b.walk(d), name
}

// walk returns the directory p, made with all above it, or nil on a conflict.
func (b *Builder) walk(p string) *dir {
	d := &b.root
	for rest := p; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if name == "" {
			continue
		}
		sub := d.dirs[name]
		if sub == nil {
			if _, isFile := d.files[name]; isFile || d.links[name] != "" || name == ".." || name == "." {
				b.conflict(p)
				return nil
			}
			if d.dirs == nil {
				d.dirs = make(map[string]*dir)
			}
			sub = &dir{}
			d.dirs[name] = sub
		}
		d = sub
	}
	return d
}

func (b *Builder) conflict(p string) {
	if b.err == nil {
		b.err = fmt.Errorf("input tree: two different nodes at %s", p)
	}
}

// relative spells the absolute path target as seen from the directory from.
func relative(from, target string) string {
	f := strings.Split(strings.Trim(path.Clean(from), "/"), "/")
	t := strings.Split(strings.Trim(path.Clean(target), "/"), "/")
	if f[0] == "" {
		f = nil
	}
	i := 0
	for i < len(f) && i < len(t) && f[i] == t[i] {
		i++
	}
	up := strings.Repeat("../", len(f)-i)
	if r := up + strings.Join(t[i:], "/"); r != "" {
		return strings.TrimSuffix(r, "/")
	}
	return "."
}

// Tree is a built input tree.
type Tree struct {
	Root digest.Digest
	Dirs map[digest.Digest][]byte // encoded Directory messages, by digest
}

// Build returns the tree of all that was added. The encoding is canonical:
// nodes in order of their names, fields as the protocol numbers them.
func (b *Builder) Build() (*Tree, error) {
	if b.err != nil {
		return nil, b.err
	}
	t := &Tree{Dirs: make(map[digest.Digest][]byte)}
	root, err := t.add(&b.root)
	t.Root = root
	return t, err
}

func (t *Tree) add(d *dir) (digest.Digest, error) {
	const typical = 112 // bytes of a node, its name included
	enc := make([]byte, 0, typical*(len(d.files)+len(d.dirs)+len(d.links)))
	for _, name := range sortedKeys(d.files) {
		f := d.files[name]
		if !utf8.ValidString(name) {
			return digest.Digest{}, errName(name)
		}
		enc = appendNode(enc, fieldFiles, name, f.digest, f.exec)
	}
	for _, name := range sortedKeys(d.dirs) {
		sub, err := t.add(d.dirs[name])
		if err != nil {
			return digest.Digest{}, err
		}
		if !utf8.ValidString(name) {
			return digest.Digest{}, errName(name)
		}
		enc = appendNode(enc, fieldDirectories, name, sub, false)
	}
	for _, name := range sortedKeys(d.links) {
		target := d.links[name]
		if !utf8.ValidString(name) || !utf8.ValidString(target) {
			return digest.Digest{}, errName(name)
		}
		enc = appendLink(enc, name, target)
	}
	dg := digest.Of(enc)
	t.Dirs[dg] = enc
	return dg, nil
}

func errName(name string) error {
	return fmt.Errorf("encode directory: a name or a link's target is no UTF-8: %q", name)
}

// Proto returns d as the API's message.
func Proto(d digest.Digest) *repb.Digest {
	return &repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
