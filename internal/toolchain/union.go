package toolchain

import (
	"debug/elf"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/archive"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
)

// union is an archive laid over the files of this machine, without the programs of the
// compiler that it stands for: what a compiler of the archive would see if it ran here.
// Of what is not in the archive, a toolchain holds what that compiler looked at.
type union struct {
	packed *Packed
	rest   *filestate.Snapshot // what the compiler here looked at
	hidden map[string]bool     // its programs and libraries, by real path
}

// newUnion lays an archive over what the part local of a compiler looked at.
func newUnion(view *filestate.View, packed *Packed, local *Toolchain) (*union, error) {
	u := &union{packed: packed, hidden: make(map[string]bool)}
	for _, f := range local.Files() {
		if isCode(f.Path) {
			u.hidden[f.Path] = true
		}
	}
	rest := &action.PathSet{Searches: local.paths.Searches, Listings: local.paths.Listings}
	for _, p := range local.paths.Paths {
		if real, err := filepath.EvalSymlinks(p); err != nil || !u.hidden[real] {
			rest.Paths = append(rest.Paths, p)
		}
	}
	var err error
	u.rest, err = view.Evaluate(rest)
	return u, err
}

// isCode reports whether a file is a program or a shared library.
func isCode(p string) bool {
	f, err := elf.Open(p)
	if err != nil {
		return false
	}
	defer f.Close()
	return f.Type == elf.ET_EXEC || f.Type == elf.ET_DYN
}

// AddTo puts the archive into b, and of the rest what it leaves room for.
func (u *union) AddTo(b filestate.Sink) {
	for i := range u.packed.members {
		m := &u.packed.members[i]
		switch m.Kind {
		case archive.Regular:
			b.File(m.Path, m.Digest, m.Executable)
		case archive.Symlink:
			b.Symlink(m.Path, m.Target)
		case archive.Directory:
			b.Dir(m.Path)
		}
	}
	u.rest.AddTo(room{u, b})
}

// Unchanged reports whether the archive and the rest are what they were.
func (u *union) Unchanged() bool { return u.packed.Unchanged() && u.rest.Unchanged() }

// Files returns where the contents of all that AddTo adds lie on this machine.
func (u *union) Files() []filestate.File {
	var out []filestate.File
	for i := range u.packed.members {
		if m := &u.packed.members[i]; m.Kind == archive.Regular {
			out = append(out, filestate.File{Path: u.packed.blobs.Name(m.Digest), Digest: m.Digest})
		}
	}
	return append(out, u.rest.Files()...)
}

// room hands on to a sink what neither takes the place of anything in the archive nor
// lies below what is no directory there.
type room struct {
	u  *union
	to filestate.Sink
}

func (r room) fits(p string, directory bool) bool {
	if r.u.hidden[p] {
		return false
	}
	nodes := r.u.packed.nodes
	if n := nodes[p]; n != nil && (n.Kind != archive.Directory || !directory) {
		return false
	}
	for d := path.Dir(p); d != "/"; d = path.Dir(d) {
		if n := nodes[d]; n != nil && n.Kind != archive.Directory {
			return false
		}
	}
	return true
}

func (r room) File(p string, d digest.Digest, executable bool) {
	if r.fits(p, false) {
		r.to.File(p, d, executable)
	}
}

func (r room) Symlink(p, target string) {
	if r.fits(p, false) {
		r.to.Symlink(p, target)
	}
}

func (r room) Dir(p string) {
	if r.fits(p, true) {
		r.to.Dir(p)
	}
}

// under hands on to a sink what a call reads besides its compiler. What the archive has
// in the same place is what the call sees. Anything else that does not fit is handed on:
// the tree cannot be built then, and the call runs here.
type under struct {
	u  *union
	to filestate.Sink
}

func (x under) covered(p string) bool {
	n := x.u.packed.nodes[p]
	return x.u.hidden[p] || n != nil && n.Kind != archive.Directory
}

func (x under) File(p string, d digest.Digest, executable bool) {
	if !x.covered(p) {
		x.to.File(p, d, executable)
	}
}

func (x under) Symlink(p, target string) {
	if !x.covered(p) {
		x.to.Symlink(p, target)
	}
}

func (x under) Dir(p string) { x.to.Dir(p) }

// maxHops is how many links one look-up may go through, as in Linux.
const maxHops = 40

// nowhere is a path at which nothing can be.
const nowhere = "/dev/null/nowhere"

// resolve finds what p leads to: a member of the archive, nil where it has none there,
// and the real path.
func (u *union) resolve(p string) (*archive.Member, string) {
	at, todo := "/", strings.Split(p, "/")
	var node *archive.Member
	for hops := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at, node = path.Dir(at), nil
			continue
		}
		if node != nil && node.Kind == archive.Regular {
			return nil, nowhere
		}
		next := path.Join(at, part)
		node = u.packed.nodes[next]
		target := ""
		if node == nil {
			target, _ = os.Readlink(next) // "" for all that is no link
		} else {
			target = node.Target
		}
		if target == "" {
			at = next
			continue
		}
		if hops++; hops > maxHops {
			return nil, nowhere
		}
		node = nil
		todo = append(strings.Split(target, "/"), todo...)
		if path.IsAbs(target) {
			at = "/"
		}
	}
	return u.packed.nodes[at], at
}

// Here returns where on this machine lies what the compiler sees at p.
func (u *union) Here(p string) string {
	switch n, real := u.resolve(p); {
	case n == nil && u.hidden[real]:
		return nowhere
	case n == nil:
		return real
	case n.Kind == archive.Regular:
		return u.packed.blobs.Name(n.Digest)
	default:
		if info, err := os.Stat(real); err == nil && info.IsDir() {
			return real
		}
		return "/" // a directory, as good as any
	}
}

// only reports whether a file of the archive lies at p and none of this machine.
func (u *union) only(p string) bool {
	n, _ := u.resolve(p)
	if n == nil || n.Kind != archive.Regular {
		return false
	}
	_, err := os.Stat(p)
	return err != nil
}

// has reports whether what lies at p belongs to the compiler.
func (u *union) has(p string) bool {
	n, real := u.resolve(p)
	return n != nil && n.Kind == archive.Regular || u.hidden[real]
}
