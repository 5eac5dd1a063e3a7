package layout

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/storage"
)

// Invalid is the error for a tree that is none, or that no job may have.
type Invalid struct{ Why string }

func (i *Invalid) Error() string { return "input tree: " + i.Why }

func invalid(format string, args ...any) error { return &Invalid{fmt.Sprintf(format, args...)} }

// Lacking is the error for blobs that the realm does not have.
type Lacking struct{ Blobs []digest.Digest }

func (l *Lacking) Error() string { return fmt.Sprintf("%d blobs are missing", len(l.Blobs)) }

// Limits of a tree.
const (
	maxNodes  = 1 << 18
	maxDepth  = 128
	maxName   = 255  // bytes, as in Linux
	maxTarget = 4095 // bytes
	maxFolder = 16 << 20
)

// Tree is an input tree, checked.
type Tree struct{ root *folder }

// Nodes returns the number of files, links and directories in the tree.
func (t *Tree) Nodes() int { return t.root.nodes }

// Largest returns the largest file of the tree, the digest of nothing where there is none.
func (t *Tree) Largest() digest.Digest { return t.root.largest }

// folder is a directory with all below it. It is never changed: equal directories of
// all trees share one.
type folder struct {
	name  digest.Digest
	files []file
	links []link
	subs  []sub
	nodes int // below it
	depth int // of what is below it

	largest digest.Digest // of the files below it
}

type file struct {
	name    string
	content digest.Digest
	exec    bool
}

type link struct{ name, target string }

type sub struct {
	name   string
	folder *folder
}

func (f *folder) weight() int64 {
	return 200 + 120*int64(len(f.files)+len(f.links)) + 40*int64(len(f.subs))
}

func (f *folder) sub(name string) *folder {
	for _, s := range f.subs {
		if s.name == name {
			return s.folder
		}
	}
	return nil
}

// Load reads and checks the tree called root. The error is a *Lacking that names all
// blobs that are known to be missing, an *Invalid, or one of the store.
func (l *Layout) Load(ctx context.Context, realm *blobs.Realm, root digest.Digest) (*Tree, error) {
	r := &reader{layout: l, ctx: ctx, realm: realm, lacking: map[digest.Digest]bool{}, done: map[digest.Digest]*folder{}}
	f, err := r.folder(root, 0)
	if err != nil {
		return nil, err
	}
	if len(r.order) > 0 {
		return nil, &Lacking{r.order}
	}
	return &Tree{f}, nil
}

// reader reads one tree.
type reader struct {
	layout  *Layout
	ctx     context.Context
	realm   *blobs.Realm
	done    map[digest.Digest]*folder // in this tree; nil: lacking
	lacking map[digest.Digest]bool
	order   []digest.Digest
	bytes   int64 // of messages
}

func (r *reader) lacks(d digest.Digest) {
	if !r.lacking[d] {
		r.lacking[d] = true
		r.order = append(r.order, d)
	}
}

// folder returns the directory called d, or nil where a part of it is lacking.
func (r *reader) folder(d digest.Digest, depth int) (*folder, error) {
	if depth > maxDepth {
		return nil, invalid("more than %d directories deep", maxDepth)
	}
	if f, ok := r.done[d]; ok {
		return f, nil
	}
	if _, ok := r.layout.visible.Get(view{r.realm.Name(), d}); ok {
		if f, ok := r.layout.folders.Get(d); ok && depth+f.depth <= maxDepth {
			r.done[d] = f
			return f, nil
		}
	}
	f, err := r.read(d, depth)
	if err != nil {
		return nil, err
	}
	r.done[d] = f
	if f != nil {
		r.layout.folders.Put(d, f)
		r.layout.visible.Put(view{r.realm.Name(), d}, struct{}{})
	}
	return f, nil
}

func (r *reader) read(d digest.Digest, depth int) (*folder, error) {
	if d.Size > maxFolder {
		return nil, invalid("a directory of %d bytes", d.Size)
	}
	if r.bytes += d.Size; r.bytes > 4*maxFolder {
		return nil, invalid("more than %d bytes of directories", 4*maxFolder)
	}
	enc, err := r.realm.Read(r.ctx, d)
	if storage.IsMiss(err) {
		r.lacks(d)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var msg repb.Directory
	if err := proto.Unmarshal(enc, &msg); err != nil {
		return nil, invalid("%s is no directory", d)
	}
	f, err := decode(d, &msg)
	if err != nil {
		return nil, err
	}
	whole := true
	for _, file := range f.files {
		if !r.realm.Sees(file.content) || !r.layout.pool.has(file.content) && !r.realm.Has(file.content) {
			r.lacks(file.content)
			whole = false
		}
	}
	for i, s := range f.subs {
		below, err := r.folder(s.folder.name, depth+1)
		if err != nil {
			return nil, err
		}
		if below == nil {
			whole = false
			continue
		}
		f.subs[i].folder = below
		f.largest = larger(f.largest, below.largest)
		f.depth = max(f.depth, below.depth+1)
		if f.nodes += below.nodes; f.nodes > maxNodes {
			return nil, invalid("more than %d nodes", maxNodes)
		}
	}
	if !whole {
		return nil, nil
	}
	return f, nil
}

// decode checks what a directory says of itself. The folders of subs have no more than
// their names yet.
func decode(d digest.Digest, msg *repb.Directory) (*folder, error) {
	f := &folder{name: d, largest: digest.Empty()}
	taken := map[string]bool{}
	for _, n := range msg.Files {
		content, err := digestOf(n.Digest)
		if err != nil {
			return nil, err
		}
		if err := claim(taken, n.Name); err != nil {
			return nil, err
		}
		f.files = append(f.files, file{n.Name, content, n.IsExecutable})
		f.largest = larger(f.largest, content)
	}
	for _, n := range msg.Symlinks {
		if err := claim(taken, n.Name); err != nil {
			return nil, err
		}
		if n.Target == "" || len(n.Target) > maxTarget || strings.ContainsRune(n.Target, 0) || n.Target[0] == '/' {
			return nil, invalid("symbolic link %q to %.40q", n.Name, n.Target)
		}
		f.links = append(f.links, link{n.Name, n.Target})
	}
	for _, n := range msg.Directories {
		content, err := digestOf(n.Digest)
		if err != nil {
			return nil, err
		}
		if err := claim(taken, n.Name); err != nil {
			return nil, err
		}
		f.subs = append(f.subs, sub{n.Name, &folder{name: content}})
	}
	if f.nodes = len(taken); f.nodes > maxNodes {
		return nil, invalid("more than %d nodes", maxNodes)
	}
	return f, nil
}

func larger(a, b digest.Digest) digest.Digest {
	if b.Size > a.Size {
		return b
	}
	return a
}

// claim checks a name, and that no other node of the directory has it.
func claim(taken map[string]bool, name string) error {
	if name == "" || name == "." || name == ".." || len(name) > maxName || strings.ContainsAny(name, "/\x00") || !utf8.ValidString(name) {
		return invalid("%.40q is no name", name)
	}
	if taken[name] {
		return invalid("two nodes called %.40q", name)
	}
	taken[name] = true
	return nil
}

func digestOf(d *repb.Digest) (digest.Digest, error) {
	parsed, err := digest.Parse(fmt.Sprintf("%s/%d", d.GetHash(), d.GetSizeBytes()))
	if err != nil {
		return parsed, invalid("%.100q is no digest", d.GetHash())
	}
	return parsed, nil
}
