package toolchain

import (
	"context"
	"encoding/json"
	"errors"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/spawn"
)

// Override says what of a compiler runs elsewhere.
type Override struct {
	Compiler string // the executable here that it is for
	NoDist   bool   // its calls run here
	Archive  string // of the toolchain that stands in its place elsewhere
	Inside   string // path of the compiler in there
}

// Question is a run of a compiler that only says something.
type Question struct {
	Args []string // Args[0] is the compiler's path
	Env  []string
	Dir  string
}

// Answer is what it said.
type Answer struct{ Stdout, Stderr []byte }

// Runner puts a question to a compiler elsewhere, in a root that holds its toolchain and
// the directory. A compiler that fails is an error.
type Runner func(ctx context.Context, t *Toolchain, q Question) (Answer, error)

// Stands are the toolchains of archives that stand in the place of compilers of this
// machine when these run elsewhere. It is safe for concurrent use.
type Stands struct {
	view      *filestate.View
	archives  *Archives
	run       Runner
	records   Records
	overrides []Override

	mu    sync.Mutex // guards the map
	parts map[string]*standPart
}

// standPart is one override for one part of its compiler; its lock is held while the
// archive's compiler is asked what it is.
type standPart struct {
	mu      sync.Mutex
	local   digest.Digest
	packed  *Packed
	current *Toolchain
	refused *Unusable // in place of current
}

// NewStands returns the toolchains of a configuration.
func NewStands(view *filestate.View, archives *Archives, run Runner, records Records, overrides []Override) *Stands {
	return &Stands{view: view, archives: archives, run: run, records: records, overrides: overrides, parts: make(map[string]*standPart)}
}

// Find returns the override for the compiler that was called by an absolute path, nil
// where there is none. That is the one with this path; or with one that leads to the
// same file, by links of directories or of compilers (cc, gcc and gcc-12 are one, gcc
// and g++ are not).
func (s *Stands) Find(called string) *Override {
	if s == nil {
		return nil
	}
	called = filepath.Clean(called)
	for i := range s.overrides {
		if s.overrides[i].Compiler == called {
			return &s.overrides[i]
		}
	}
	real, err := filepath.EvalSymlinks(called)
	if err != nil {
		return nil
	}
	for i := range s.overrides {
		o := &s.overrides[i]
		if other, err := filepath.EvalSymlinks(o.Compiler); err == nil && other == real && sameMode(o.Compiler, called) {
			return o
		}
	}
	return nil
}

// sameMode reports whether a compiler does the same under both names: it is told by its
// name what to compile, and rustup what to be.
func sameMode(a, b string) bool {
	a, b = path.Base(a), path.Base(b)
	if Family(a) == "rustc" || Family(b) == "rustc" {
		return a == b
	}
	return strings.Contains(a, "++") == strings.Contains(b, "++")
}

// Get returns the toolchain of the override's archive in the place of the part local of
// its compiler. The error is an *Unusable where it is no good.
func (s *Stands) Get(ctx context.Context, o *Override, local *Toolchain, show Progress) (*Toolchain, error) {
	key := o.Compiler + "\x00" + local.Path + "\x00" + local.Part
	s.mu.Lock()
	p := s.parts[key]
	if p == nil {
		p = &standPart{}
		s.parts[key] = p
	}
	s.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	packed, err := s.archives.Open(ctx, o.Archive, show)
	if err != nil {
		return nil, err
	}
	if p.local == local.Digest && p.packed == packed {
		if p.refused != nil {
			return nil, p.refused
		}
		if p.current.Unchanged() {
			return p.current, nil
		}
	}
	t, err := s.make(ctx, o, packed, local)
	refused, bad := errors.AsType[*Unusable](err)
	if err != nil && !bad {
		return nil, err
	}
	p.local, p.packed, p.current, p.refused = local.Digest, packed, t, refused
	return t, err
}

func (s *Stands) make(ctx context.Context, o *Override, packed *Packed, local *Toolchain) (*Toolchain, error) {
	u, err := newUnion(s.view, packed, local)
	if err != nil {
		return nil, err
	}
	if n, _ := u.resolve(o.Inside); n == nil || !n.Executable {
		return nil, &Unusable{"toolchain archive has no such compiler", o.Archive + ": " + o.Inside}
	}
	if why := u.otherRust(o, local); why != "" {
		return nil, &Unusable{"toolchain archive is for another compiler", why}
	}
	t, err := newToolchain(o.Inside, local.Part, compiler.Tool{}, local.paths, u)
	if err != nil {
		return nil, &Unusable{"toolchain archive does not fit on this machine", err.Error()}
	}
	t.union, t.looked = u, nil
	t.asker = func(ctx context.Context, c spawn.Command) (spawn.Output, error) { return s.ask(ctx, t, c) }
	if t.Tool, err = s.identify(ctx, t, local); err != nil {
		return nil, err
	}
	return t, nil
}

// otherRust says where an archive of rustc is another than the one here, "" where it is
// not. The language looks at the sysroot here, and runs rustc here to see what macros do.
func (u *union) otherRust(o *Override, local *Toolchain) string {
	if local.Tool.Sysroot == "" {
		return ""
	}
	_, inside := u.resolve(o.Inside)
	if real, err := filepath.EvalSymlinks(local.Path); err != nil || real != inside {
		return o.Inside + " in place of " + local.Path
	}
	for _, f := range local.Files() {
		if n := u.packed.nodes[f.Path]; within(f.Path, local.Tool.Sysroot) && (n == nil || n.Digest != f.Digest) {
			return "it has another " + f.Path
		}
	}
	return ""
}

// identify asks the archive's compiler what it is, and refuses one whose objects do not
// go with those of the compiler here.
func (s *Stands) identify(ctx context.Context, t, local *Toolchain) (compiler.Tool, error) {
	var mu sync.Mutex // two questions are asked at once
	var failed error
	ask := func(args ...string) string {
		out, err := t.Ask(ctx, args, []string{"LC_ALL=C", "PATH=" + t.Programs()}, "/")
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			failed = err
		}
		return strings.TrimSpace(string(out.Stdout))
	}
	tool := compiler.Tool{Family: Family(t.Path), CPlus: strings.Contains(path.Base(t.Path), "++")}
	var err error
	switch local.Tool.Family {
	case "rustc", "clippy":
		tool, err = identifyRust(tool, t.Path, ask)
	default:
		tool, err = identifyC(tool, ask)
	}
	if failed != nil {
		return tool, failed
	}
	if err != nil {
		return tool, &Unusable{"toolchain archive's compiler does not say what it is", t.Path}
	}
	if why := unlike(tool, local.Tool); why != "" {
		return tool, &Unusable{"toolchain archive is for another compiler", why}
	}
	return tool, nil
}

// unlike says why what one compiler makes does not go with what the other makes, "" where it does.
func unlike(other, local compiler.Tool) string {
	switch {
	case other.Family != local.Family:
		return other.Family + " in place of " + local.Family
	case (local.Family == "rustc" || local.Family == "clippy") && other.Version != local.Version:
		// Crates of one version cannot be read by another.
		return other.Version + " in place of " + local.Version
	}
	return ""
}

// ask puts a question to the archive's compiler, elsewhere. The answer is kept, since
// look-ups need it too while nobody may be there to be asked: as JSON under the digest of
//
//	"answer 1" 0 toolchain 0 directory 0 argument (0 argument)* 0 0 variable (0 variable)*
func (s *Stands) ask(ctx context.Context, t *Toolchain, c spawn.Command) (spawn.Output, error) {
	terms := append([]string{"answer 1", t.Digest.String(), c.Dir}, c.Args...)
	key := recordKey(append(append(terms, ""), c.Env...)...)
	var a Answer
	if b, ok := s.records.Load(ctx, key); ok && json.Unmarshal(b, &a) == nil {
		return spawn.Output(a), nil
	}
	a, err := s.run(ctx, t, Question{Args: c.Args, Env: c.Env, Dir: c.Dir})
	if err != nil {
		return spawn.Output{}, err
	}
	if b, err := json.Marshal(a); err == nil {
		s.records.Save(ctx, key, b)
	}
	return spawn.Output(a), nil
}

// Programs returns the value of PATH for a compiler of an archive: programs of this
// machine are not for it.
func (t *Toolchain) Programs() string {
	dir := path.Dir(t.Path)
	if dir == "/usr/bin" {
		return dir
	}
	return dir + ":/usr/bin"
}

// IsUnusable reports whether err says that a configured toolchain cannot be used.
func IsUnusable(err error) bool {
	_, ok := errors.AsType[*Unusable](err)
	return ok
}
