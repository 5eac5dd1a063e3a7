package toolchain

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/spawn"
	"github.com/cachepot/cachepot/internal/watch"
)

// TestPartsAreApart: a language has its own compiler in its part and no other's.
func TestPartsAreApart(t *testing.T) {
	b := newBench(t, "/usr/bin/gcc", nil)
	programs := []string{"cc1", "cc1plus", "cc1obj"}
	for _, c := range []struct {
		part, program string
		as            bool
	}{
		{"c", "cc1", true}, {"cpp-output", "cc1", true}, {"assembler-with-cpp", "cc1", true}, {"assembler", "", true},
		{"c++", "cc1plus", true}, {"c++-cpp-output", "cc1plus", true}, {"objective-c", "cc1obj", true},
	} {
		tc := b.part(c.part)
		for _, p := range programs {
			if has(tc, p) != (p == c.program) {
				t.Errorf("%s: has %s: %v", c.part, p, has(tc, p))
			}
		}
		if !has(tc, "x86_64-linux-gnu-as") && !has(tc, "aarch64-linux-gnu-as") {
			t.Errorf("%s: has no assembler", c.part)
		}
		if tc.Tool.Family != "gcc" || tc.Part != c.part {
			t.Errorf("%s: tool %+v, part %q", c.part, tc.Tool, tc.Part)
		}
	}
}

// TestPartsSuffice: real compiles of a language look at nothing of the system's
// that the part does not name.
func TestPartsSuffice(t *testing.T) {
	for _, path := range []string{"/usr/bin/gcc", "/usr/bin/g++", "/usr/bin/clang"} {
		b := newBench(t, path, nil)
		for _, c := range []struct{ part, file, text string }{
			{"c", "a.c", "int f(int x) { return x * 7; }\n"},
			{"cpp-output", "a.i", "int f(int x) { return x * 7; }\n"},
			{"c++", "a.cc", "struct S { int x; ~S(); }; S::~S() { throw x; }\n"},
			{"c++-cpp-output", "a.ii", "int f(int x) { return x * 7; }\n"},
			{"objective-c", "a.m", "int f(int x) { return x * 7; }\n"},
			{"assembler", "a.s", "\tnop\n"},
			{"assembler-with-cpp", "a.S", "#define X nop\n\tX\n"},
		} {
			if path == "/usr/bin/g++" && (c.part == "c" || c.part == "cpp-output") {
				continue // g++ takes them for C++
			}
			tc := b.part(c.part)
			for _, p := range strays(t, tc, c.file, c.text) {
				t.Errorf("%s -c %s looks at %s, which part %s does not name", path, c.file, p, c.part)
			}
		}
	}
}

// strays compiles a file and returns what was looked at and is not in tc.
func strays(t *testing.T, tc *Toolchain, file, text string) []string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, file), text)
	o, err := Watch(t.Context(), spawn.Command{
		Path: tc.Path, Args: []string{tc.Path, "-g", "-O2", "-c", file}, Env: []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + dir}, Dir: dir})
	if err != nil || o.Failed || o.Incomplete != "" {
		t.Fatalf("%s %s: %v %+v", tc.Path, file, err, o)
	}
	var out []string
	for _, l := range o.Looked {
		if !within(l.Path, dir) && !within(dir, l.Path) && !Volatile(l.Path) && !tc.Paths().Covers(l.Path) {
			out = append(out, l.Path)
		}
	}
	return out
}

// TestAssembler: whatever happens to the assembler that is found along PATH makes
// another toolchain, and that alone.
func TestAssembler(t *testing.T) {
	b, as := withAs(t)
	seen := map[digest.Digest]string{}
	for _, c := range []struct {
		what string
		do   func()
	}{
		{"none of its own", func() {}},
		{"appears", func() { write(t, as, goodAs) }},
		{"changes", func() { write(t, as, goodAs+"# 2\n") }},
		{"is a link", func() {
			if err := errors.Join(os.Remove(as), os.Symlink("/usr/bin/as", as)); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		c.do()
		tc := b.part("c")
		if other, ok := seen[tc.Digest]; ok {
			t.Errorf("%s: the same toolchain as when it %s", c.what, other)
		}
		seen[tc.Digest] = c.what
		watches := b.watches.Load()
		if again := b.part("c"); again != tc || b.watches.Load() != watches {
			t.Errorf("%s: examined again though nothing changed", c.what)
		}
	}
	if err := os.Remove(as); err != nil {
		t.Fatal(err)
	}
	if what := seen[b.part("c").Digest]; what != "none of its own" {
		t.Errorf("removed: the toolchain is that of %q", what)
	}
}

// TestProven: what a compiler was taken for is corrected by its part.
func TestProven(t *testing.T) {
	for family, path := range map[string]string{"clang": "/usr/bin/clang", "rustc": realRustc(t)} {
		// Some rustc look for their sysroot where the link to them lies.
		dir := t.TempDir()
		cc := filepath.Join(dir, "bin", "cc")
		if err := errors.Join(os.Mkdir(filepath.Dir(cc), 0o755), os.Symlink("/usr/bin/gcc", cc),
			os.Symlink(filepath.Join(filepath.Dir(filepath.Dir(realRustc(t))), "lib"), filepath.Join(dir, "lib"))); err != nil {
			t.Fatal(err)
		}
		b := newBench(t, cc, nil)
		c := b.get()
		if err := errors.Join(os.Remove(cc), os.Symlink(path, cc)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Part(t.Context(), "c", quiet); err != ErrChanged {
			t.Fatalf("part of a compiler that became %s: %v, want ErrChanged", family, err)
		}
		if f := b.part(b.get().Plain()).Tool.Family; f != family {
			t.Errorf("then it is %s, want %s", f, family)
		}
	}
}

// TestToolRecord: a wrong record of what a compiler is leads to ErrChanged, never
// to a part, and to the same part in the end.
func TestToolRecord(t *testing.T) {
	another := t.TempDir()
	if err := os.MkdirAll(filepath.Join(another, "lib/rustlib/x/lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, falsify := range map[string]func(*compiler.Tool){
		"/usr/bin/gcc": func(tool *compiler.Tool) { tool.Version = "gcc 99" },
		realRustc(t):   func(tool *compiler.Tool) { tool.Sysroot = another },
	} {
		first := newBench(t, path, nil)
		right := first.part(first.get().Plain())
		b := newBench(t, path, nil)
		wrong := right.Tool
		falsify(&wrong)
		file, err := filestate.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		b.r.rememberTool(t.Context(), b.r.slot(path, choose(b.env, selectors(wrong.Family))), file, wrong)
		c := b.get()
		if c.Tool != wrong {
			t.Fatalf("the record was not used: %+v", c.Tool)
		}
		if _, err := c.Part(t.Context(), c.Plain(), quiet); err != ErrChanged {
			t.Errorf("part by a wrong record: %v, want ErrChanged", err)
		}
		got := b.part(c.Plain())
		if diff := cmp.Diff(right.Tool, got.Tool); diff != "" || got.Digest != right.Digest {
			t.Errorf("%s: then another toolchain; tool (-want +got):\n%s", path, diff)
		}
		if diff := cmp.Diff(right.Paths(), got.Paths()); diff != "" {
			t.Errorf("%s: then path set (-want +got):\n%s", path, diff)
		}
	}
}

// TestRecall: another process examines nothing again and hashes nothing again,
// and believes the record only as a whole.
func TestRecall(t *testing.T) {
	first := newBench(t, "/usr/bin/gcc", nil)
	want := first.part("c")
	second := newBench(t, "/usr/bin/gcc", first.kept)
	got := second.part("c")
	if got.Digest != want.Digest || got.Tool != want.Tool || second.watches.Load() != 0 {
		t.Errorf("recalled %s after %d watches, want %s after none", got.Digest, second.watches.Load(), want.Digest)
	}
	if diff := cmp.Diff(want.Paths(), got.Paths()); diff != "" {
		t.Errorf("path set (-want +got):\n%s", diff)
	}
	// Content that is another by the record: were files read, it would be found
	// to be what it is, and the record to be right.
	tampered := 0
	for key, b := range first.kept.m {
		var rec partRecord
		if json.Unmarshal(b, &rec) != nil || len(rec.Files) == 0 {
			continue
		}
		rec.Files[0].Digest = digest.Of([]byte("another")).String()
		enc, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		first.kept.m[key] = enc
		tampered++
	}
	third := newBench(t, "/usr/bin/gcc", first.kept)
	if third.part("c"); third.watches.Load() == 0 || tampered != 1 {
		t.Errorf("%d records with another content, and the compiler was watched %d times", tampered, third.watches.Load())
	}
}

// TestRefused: a part that fails is looked at again only when something changed.
func TestRefused(t *testing.T) {
	b, as := withAs(t)
	write(t, as, "#!/bin/sh\nexit 1\n")
	for range 2 {
		_, err := b.get().Part(t.Context(), "assembler", quiet)
		if bare := (*compiler.Bare)(nil); !errors.As(err, &bare) || b.watches.Load() != 1 {
			t.Fatalf("failing assembler: %v after %d watches, want a refusal after one", err, b.watches.Load())
		}
	}
	write(t, as, goodAs)
	b.part("assembler")
}

// TestUnsteady: what changes while it is examined is examined again, and given up
// if it goes on so.
func TestUnsteady(t *testing.T) {
	edits := map[string]func(t *testing.T, as string, n int64){
		"edited":  func(t *testing.T, as string, n int64) { write(t, as, goodAs+strings.Repeat("#\n", int(n))) },
		"removed": func(t *testing.T, as string, _ int64) { _ = os.Remove(as) },
	}
	for name, edit := range edits {
		t.Run(name, func(t *testing.T) {
			b, as := withAs(t)
			write(t, as, goodAs)
			b.after = func() {
				if n := b.watches.Load(); n == 1 {
					edit(t, as, n)
				}
			}
			got := b.part("c")
			if b.watches.Load() != 2 {
				t.Errorf("watched %d times, want 2", b.watches.Load())
			}
			fresh := newBench(t, b.path, nil)
			fresh.env = b.env
			if want := fresh.part("c"); got.Digest != want.Digest || !slices.Equal(got.Paths().Paths, want.Paths().Paths) {
				t.Error("the toolchain is not that of a quiet examination")
			}
		})
	}
	t.Run("for ever", func(t *testing.T) {
		b, as := withAs(t)
		write(t, as, goodAs)
		b.after = func() { edits["edited"](t, as, b.watches.Load()) }
		kept := b.kept.count()
		b.get()
		_, err := b.get().Part(t.Context(), "c", quiet)
		if bare := (*compiler.Bare)(nil); !errors.As(err, &bare) {
			t.Errorf("got %v, want a refusal", err)
		}
		if n := b.kept.count(); n != kept+1 { // what the executable is
			t.Errorf("%d records, want 1", n)
		}
	})
}

// TestReady: a part is ready when it was examined, and until it changes.
func TestReady(t *testing.T) {
	b, as := withAs(t)
	if b.get().Ready("c") != nil {
		t.Error("ready before it was examined")
	}
	tc := b.part("c")
	if b.get().Ready("c") != tc || b.get().Ready("c++") != nil {
		t.Error("not ready though examined, or ready though not")
	}
	write(t, as, goodAs)
	if b.get().Ready("c") != nil {
		t.Error("ready though an assembler appeared")
	}
}

// TestScratchIsNoPart: where the coordinator keeps its temporary files does not
// show in the toolchain.
func TestScratchIsNoPart(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	a := newBench(t, "/usr/bin/gcc", nil).part("c")
	t.Setenv("TMPDIR", t.TempDir())
	b := newBench(t, "/usr/bin/gcc", nil).part("c")
	if diff := cmp.Diff(a.Paths(), b.Paths()); diff != "" || a.Digest != b.Digest {
		t.Errorf("another toolchain by TMPDIR:\n%s", diff)
	}
}

// TestTogether: callers at once examine each part once.
func TestTogether(t *testing.T) {
	b := newBench(t, "/usr/bin/gcc", nil)
	var wg sync.WaitGroup
	for range 4 {
		for _, name := range []string{"c", "c++", "assembler"} {
			wg.Go(func() {
				if _, err := b.get().Part(t.Context(), name, quiet); err != nil {
					t.Error(err)
				}
				b.get().Ready(name)
			})
		}
	}
	wg.Wait()
	if n := b.watches.Load(); n != 3 {
		t.Errorf("%d probes watched, want 3", n)
	}
}

// TestTraced: where the kernel has the compiler traced instead of watched, it is
// made of the same.
func TestTraced(t *testing.T) {
	for _, path := range []string{"/usr/bin/gcc", "/usr/bin/clang", realRustc(t)} {
		b := newBench(t, path, nil)
		name := b.get().Plain()
		want := b.part(name)
		b.r = NewRegistry(filestate.New(filestate.Clock), func(_ context.Context, c spawn.Command) (*Observation, error) {
			return observe(c, watch.Trace)
		}, &memory{m: make(map[digest.Digest][]byte)})
		got := b.part(name)
		if got.Digest != want.Digest || !slices.Equal(got.Paths().Paths, want.Paths().Paths) {
			t.Errorf("%s: %v, of %d paths; watched %v, of %d", path, got.Digest, len(got.Paths().Paths), want.Digest, len(want.Paths().Paths))
		}
	}
}

// TestNoTemporaryDirectory: the one that the coordinator was started with may be gone.
func TestNoTemporaryDirectory(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/gone")
	if !has(newBench(t, "/usr/bin/gcc", nil).part("c"), "cc1") {
		t.Error("no compiler")
	}
}
