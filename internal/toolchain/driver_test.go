package toolchain

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/spawn"
)

// memory keeps records in memory.
type memory struct {
	mu sync.Mutex
	m  map[digest.Digest][]byte
}

func (m *memory) Load(_ context.Context, key digest.Digest) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.m[key]
	return b, ok
}

func (m *memory) Save(_ context.Context, key digest.Digest, record []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.m[key] = record
}

func (m *memory) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.m)
}

// bench is a Registry with what a test needs to drive it.
type bench struct {
	t       *testing.T
	r       *Registry
	kept    *memory
	watches atomic.Int64
	after   func() // called when a probe has been watched
	path    string
	env     compiler.Environ
}

func newBench(t *testing.T, path string, kept *memory) *bench {
	t.Helper()
	if kept == nil {
		kept = &memory{m: make(map[digest.Digest][]byte)}
	}
	b := &bench{t: t, kept: kept, path: path, env: compiler.Environ{"PATH=" + os.Getenv("PATH")}}
	b.r = NewRegistry(filestate.New(filestate.Clock), b.watch, kept)
	return b
}

func (b *bench) watch(ctx context.Context, c spawn.Command) (*Observation, error) {
	b.watches.Add(1)
	o, err := Watch(ctx, c)
	if b.after != nil {
		b.after()
	}
	return o, err
}

func (b *bench) get() *Compiler {
	b.t.Helper()
	c, err := b.r.Get(b.t.Context(), b.path, b.env, "/")
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func quiet(int64, int64) {}

func (b *bench) part(name string) *Toolchain {
	b.t.Helper()
	t, err := b.get().Part(b.t.Context(), name, quiet)
	if err != nil {
		b.t.Fatal(err)
	}
	return t
}

// withAs returns a bench of gcc with a directory of its own first in PATH, and
// the place there where an assembler may lie.
func withAs(t *testing.T) (b *bench, as string) {
	t.Helper()
	b = newBench(t, "/usr/bin/gcc", nil)
	dir := t.TempDir()
	b.env = compiler.Environ{"PATH=" + dir + ":" + os.Getenv("PATH")}
	return b, filepath.Join(dir, "as")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	// Renamed into place: a script that is open for writing cannot be run.
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o755), os.Rename(path+".new", path)); err != nil {
		t.Error(err)
	}
}

const goodAs = "#!/bin/sh\nexec /usr/bin/as \"$@\"\n"

func has(tc *Toolchain, name string) bool {
	return slices.ContainsFunc(tc.Files(), func(f filestate.File) bool { return filepath.Base(f.Path) == name })
}

// realRustc returns the rustc behind rustup's proxy.
func realRustc(t *testing.T) string {
	t.Helper()
	out, err := spawn.Run(t.Context(), spawn.Command{Path: "/bin/sh", Args: []string{"sh", "-c", "rustc --print sysroot"}, Env: os.Environ(), Dir: "/"})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out.Stdout)) + "/bin/rustc"
}
