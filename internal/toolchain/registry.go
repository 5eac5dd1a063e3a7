package toolchain

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/filestate"
)

// Registry knows the compilers that have been asked for. It is safe for
// concurrent use.
type Registry struct {
	view    *filestate.View
	watch   Watcher
	records Records

	mu       sync.Mutex // guards all below
	slots    map[string]*slot
	searched map[string]*searched
	trials   map[string]*trial
}

// slot is one executable under one environment.
type slot struct {
	path string
	env  []string // the selectors that are set

	mu      sync.Mutex // guards all below; held while the compiler is asked what it is
	file    filestate.ID
	tool    compiler.Tool // what the executable of this ID was taken for
	refused error         // why that is not cached
	parts   map[string]*part
}

// part is a toolchain under construction or made; its lock is held while it is
// examined, so that this happens once.
type part struct {
	mu      sync.Mutex
	current *Toolchain
	// refused is why it is not cached, for as long as evidence is unchanged.
	refused  error
	evidence *filestate.Snapshot
}

// NewRegistry returns an empty Registry.
func NewRegistry(view *filestate.View, watch Watcher, records Records) *Registry {
	return &Registry{view: view, watch: watch, records: records, slots: make(map[string]*slot),
		searched: make(map[string]*searched), trials: make(map[string]*trial)}
}

// selectors are the variables that decide which files a compiler is made of, by
// family; the toolchain is another for each of their values.
func selectors(family string) []string {
	loader := []string{"LD_PRELOAD", "LD_AUDIT", "GLIBC_TUNABLES"}
	if family == "rustc" || family == "clippy" {
		// LD_LIBRARY_PATH, which cargo sets to the build's own directory, is
		// taken care of by the language: it claims the libraries' names there.
		return loader
	}
	return append(loader, "PATH", "LD_LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX")
}

// Compiler is an executable that was taken for a compiler. Its Tool is what a
// call is parsed by; only a part proves that it is right.
type Compiler struct {
	Tool compiler.Tool
	r    *Registry
	slot *slot
	dir  string
}

// Get says which compiler the executable at path seems to be, as cheaply as can
// be. The error is a *compiler.Bare where calls of it are not cached.
func (r *Registry) Get(ctx context.Context, path string, env compiler.Environ, dir string) (*Compiler, error) {
	s := r.slot(path, choose(env, selectors(Family(path))))
	s.mu.Lock()
	defer s.mu.Unlock()
	file, err := filestate.Stat(path)
	if err != nil {
		return nil, compiler.NotCompilation("no such compiler")
	}
	if s.file != file {
		if err := s.take(ctx, r, file, dir); err != nil {
			return nil, err
		}
	}
	if s.refused != nil {
		return nil, s.refused
	}
	return &Compiler{Tool: s.tool, r: r, slot: s, dir: dir}, nil
}

// take finds out what the executable is, from memory or by asking it.
func (s *slot) take(ctx context.Context, r *Registry, file filestate.ID, dir string) error {
	s.file, s.refused = filestate.ID{}, nil
	tool, ok := r.recallTool(ctx, s, file)
	if !ok {
		var err error
		tool, err = identify(ctx, s.path, s.env, dir)
		if bare := (*compiler.Bare)(nil); errors.As(err, &bare) {
			s.refused = bare
		} else if err != nil {
			return err
		} else {
			r.rememberTool(ctx, s, file, tool)
		}
	}
	s.file, s.tool = file, tool
	return nil
}

func (r *Registry) slot(path string, env []string) *slot {
	key := path + "\x00" + strings.Join(env, "\x00")
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.slots[key]
	if s == nil {
		s = &slot{path: path, env: env, parts: make(map[string]*part)}
		r.slots[key] = s
	}
	return s
}

func choose(env compiler.Environ, names []string) []string {
	var out []string
	for _, n := range names {
		if v, ok := env.Lookup(n); ok {
			out = append(out, n+"="+v)
		}
	}
	return out
}

// ErrChanged says that a compiler is not the Tool that it was taken for: the call
// has to be read again from Get on.
var ErrChanged = errors.New("compiler is another than it was")

// Plain names the part that a compiler's questions about itself are put to
// before the language of a call is known.
func (c *Compiler) Plain() string {
	if c.Tool.Family == "gcc" || c.Tool.Family == "clang" {
		return "c"
	}
	return ""
}

// Part returns the compiler with all that it needs for sources of the language
// called name, as it is now: for gcc and clang a name that -x takes, for rustc and
// clippy "". The error is ErrChanged, or a *compiler.Bare where such calls are not
// cached.
func (c *Compiler) Part(ctx context.Context, name string, show Progress) (*Toolchain, error) {
	p := c.part(name)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current != nil && p.current.Unchanged() {
		return p.current, c.confirm(p.current.Tool)
	}
	if p.refused != nil && p.evidence.Unchanged() {
		return nil, p.refused
	}
	p.current, p.refused, p.evidence = nil, nil, nil
	x := examination{r: c.r, slot: c.slot, tool: c.Tool, name: name, dir: c.dir, show: show}
	t, err := x.run(ctx)
	if err != nil {
		p.refuse(err, &x)
		return nil, err
	}
	p.current = t
	return t, c.confirm(t.Tool)
}

// refuse remembers that the part cannot be used, as long as all that is known of
// the compiler stays as it is.
func (p *part) refuse(err error, x *examination) {
	var bare *compiler.Bare
	if !errors.As(err, &bare) {
		return
	}
	p.evidence = x.evidence
	if p.evidence == nil {
		var err error
		if p.evidence, err = x.r.view.Evaluate(&action.PathSet{Paths: []string{x.slot.path}}); err != nil {
			return
		}
	}
	p.refused = bare
}

// Ready returns a part if it was examined before and is unchanged, and nil where
// finding that out would take long.
func (c *Compiler) Ready(name string) *Toolchain {
	p := c.part(name)
	if !p.mu.TryLock() { // it is being examined
		return nil
	}
	defer p.mu.Unlock()
	if p.current == nil || !p.current.Unchanged() || c.confirm(p.current.Tool) != nil {
		return nil
	}
	return p.current
}

func (c *Compiler) part(name string) *part {
	c.slot.mu.Lock()
	defer c.slot.mu.Unlock()
	p := c.slot.parts[name]
	if p == nil {
		p = &part{}
		c.slot.parts[name] = p
	}
	return p
}

// confirm compares what the compiler was taken for with what a part has proven
// it to be; the next Get believes the part.
func (c *Compiler) confirm(proven compiler.Tool) error {
	if proven == c.Tool {
		return nil
	}
	c.slot.mu.Lock()
	defer c.slot.mu.Unlock()
	c.slot.tool, c.slot.refused = proven, nil
	return ErrChanged
}
