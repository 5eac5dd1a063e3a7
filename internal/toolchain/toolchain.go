package toolchain

import (
	"context"
	"strings"
	"sync"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/spawn"
	"github.com/cachepot/cachepot/internal/tree"
)

// Toolchain is a compiler with all that it needs for one language, as it was when
// it was last looked at.
type Toolchain struct {
	Tool   compiler.Tool
	Path   string
	Part   string        // the language, as Compiler.Part takes it
	Digest digest.Digest // of its tree alone
	paths  *action.PathSet
	snap   substance
	looked map[string]struct{} // the paths of its path set
	union  *union              // nil where it is the compiler of this machine
	// asker asks a compiler that does not run here; nil where it does.
	asker func(context.Context, spawn.Command) (spawn.Output, error)

	mu      sync.Mutex // guards all below
	answers map[string]answer
	moved   map[string]digest.Digest
}

// substance is what a toolchain is made of: what was found on this machine, or an archive.
type substance interface {
	AddTo(filestate.Sink)
	Unchanged() bool
	Files() []filestate.File
}

type answer struct {
	out spawn.Output
	err error
}

func newToolchain(path, part string, tool compiler.Tool, paths *action.PathSet, snap substance) (*Toolchain, error) {
	var b tree.Builder
	snap.AddTo(&b)
	tr, err := b.Build()
	if err != nil {
		return nil, err
	}
	t := &Toolchain{Tool: tool, Path: path, Part: part, Digest: tr.Root, paths: paths, snap: snap,
		looked: make(map[string]struct{}, len(paths.Paths))}
	for _, p := range paths.Paths {
		t.looked[p] = struct{}{}
	}
	return t, nil
}

// maxMoved bounds the memory of digests at other places.
const maxMoved = 1 << 12

// DigestAt returns the digest of the toolchain's tree with what lies in places named by
// them; id tells places apart. Not only the compiler itself may lie there: programs walk
// through what LD_LIBRARY_PATH names, which for build scripts is in the project.
func (t *Toolchain) DigestAt(id string, places filestate.Places) (digest.Digest, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d, ok := t.moved[id]; ok {
		return d, nil
	}
	var b tree.Builder
	t.snap.AddTo(filestate.Moved(&b, places))
	tr, err := b.Build()
	if err != nil {
		return digest.Digest{}, err
	}
	if t.moved == nil || len(t.moved) >= maxMoved {
		t.moved = make(map[string]digest.Digest)
	}
	t.moved[id] = tr.Root
	return tr.Root, nil
}

// AddTo puts the toolchain into an input tree.
func (t *Toolchain) AddTo(b filestate.Sink) { t.snap.AddTo(b) }

// Unchanged reports whether all of the toolchain is still what it was.
func (t *Toolchain) Unchanged() bool { return t.snap.Unchanged() }

// Names reports whether the toolchain's path set names p: whoever depends on the
// toolchain need not name it again.
func (t *Toolchain) Names(p string) bool {
	if t.union != nil {
		return t.union.has(p)
	}
	_, ok := t.looked[p]
	return ok
}

// Under returns what hands on to sink what a call reads besides the toolchain.
func (t *Toolchain) Under(sink filestate.Sink) filestate.Sink {
	if t.union == nil {
		return sink
	}
	return under{t.union, sink}
}

// Here returns a function that says where on this machine lies what the compiler sees
// at a path, nil where that is the path itself.
func (t *Toolchain) Here() func(string) string {
	if t.union == nil {
		return nil
	}
	return t.union.Here
}

// Only reports whether the compiler sees a file at p, and this machine has none there.
func (t *Toolchain) Only(p string) bool { return t.union != nil && t.union.only(p) }

// Paths returns the toolchain's path set, which must not be changed.
func (t *Toolchain) Paths() *action.PathSet { return t.paths }

// Files returns the files of this machine that hold the toolchain's contents.
func (t *Toolchain) Files() []filestate.File { return t.snap.Files() }

// maxAnswers bounds the memory of answers, each some kilobytes.
const maxAnswers = 1000

// Ask runs the compiler with args and returns what it prints; the answer is
// remembered for as long as the toolchain is.
func (t *Toolchain) Ask(ctx context.Context, args, env []string, dir string) (spawn.Output, error) {
	key := strings.Join(args, "\x00") + "\x00\x00" + strings.Join(env, "\x00") + "\x00\x00" + dir
	t.mu.Lock()
	a, ok := t.answers[key]
	t.mu.Unlock()
	if ok {
		return a.out, a.err
	}
	c := spawn.Command{Path: t.Path, Args: append([]string{t.Path}, args...), Env: env, Dir: dir}
	if t.asker != nil {
		if a.out, a.err = t.asker(ctx, c); a.err != nil {
			return a.out, a.err // it may be reached next time
		}
	} else {
		a.out, a.err = spawn.Run(ctx, c)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.answers == nil || len(t.answers) >= maxAnswers {
		t.answers = make(map[string]answer)
	}
	t.answers[key] = a
	return a.out, a.err
}
