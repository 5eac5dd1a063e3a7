package sandbox_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/sandbox"
)

// layer makes a directory with the probe and an input in it.
func layer(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "cachepot-layer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"bin", "w", "w/in"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(filepath.Join(made, "probe"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/probe"), b, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "w/input"), "input")
	return dir
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, r *sandbox.Result, path string) string {
	t.Helper()
	f, err := r.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func job(layer string, args ...string) *sandbox.Job {
	return &sandbox.Job{Layers: []string{layer}, Args: append([]string{"/bin/probe"}, args...), Dir: "/w", Limits: sandbox.DefaultLimits()}
}

func run(t *testing.T, s *sandbox.Sandbox, j *sandbox.Job) *sandbox.Result {
	t.Helper()
	r, err := s.Run(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// TestWhatAJobSees: the tree, its environment and nothing else.
func TestWhatAJobSees(t *testing.T) {
	s := open(t)
	leak, err := os.Open("/etc/passwd") // without close-on-exec, as a shell may leave one
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	clearCloseOnExec(t, leak)
	t.Setenv("SECRET_OF_CALLER", "x")
	j := job(layer(t), "see")
	j.Env = []string{"B=2", "A=1", "A=3"}
	r := run(t, s, j)
	// Descriptor 3 is the listing's own; process 1 is bubblewrap's.
	want := "root: bin dev proc tmp w \nprocesses: 1 2 \ndescriptors: 0 1 2 3 \nuid: 1000\nmask: 22\ncwd: /w\nenv: B=2\nenv: A=1\nenv: A=3\n"
	if d := cmp.Diff(want, string(r.Stdout)); d != "" || r.Status != 0 || len(r.Stderr) > 0 {
		t.Errorf("status %d, stderr %q, %s", r.Status, r.Stderr, d)
	}
	j = job(j.Layers[0], "see")
	if r := run(t, s, j); strings.Contains(string(r.Stdout), "env:") {
		t.Errorf("with an empty environment: %s", r.Stdout)
	}
}

func TestOutputs(t *testing.T) {
	s := open(t)
	j := job(layer(t), "write")
	j.Outputs = []string{"out/a", "/w/sub/b", "missing", "link", "fifo", "in", "../w/input"}
	r := run(t, s, j)
	if r.Status != 0 || string(r.Stderr) != "wrote" {
		t.Fatalf("status %d, stderr %q", r.Status, r.Stderr)
	}
	var got []string
	for _, o := range r.Outputs {
		switch o.Kind {
		case sandbox.File:
			got = append(got, content(t, r, o.Path))
		default:
			got = append(got, fmt.Sprint(o.Kind, o.Target))
		}
	}
	if d := cmp.Diff([]string{"A", "B", "0", "3/etc/passwd", "4", "2", "input"}, got); d != "" {
		t.Error(d)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestLayersStay: a job may change what it sees, and the next job sees none of it.
func TestLayersStay(t *testing.T) {
	s := open(t)
	l := layer(t)
	r := run(t, s, job(l, "spoil"))
	if may := r.Status == 0; may == (s.Level() == sandbox.Isolated) {
		t.Errorf("status %d of a job that changes its inputs, at the level %s", r.Status, s.Level())
	}
	r.Close()
	j := job(l, "exit", "7")
	j.Outputs = []string{"input"}
	r = run(t, s, j)
	if b := content(t, r, "input"); b != "input" || r.Status != 7 {
		t.Errorf("next job: status %d, input %q", r.Status, b)
	}
}

func TestUpperLayerFirst(t *testing.T) {
	s := open(t)
	top, err := os.MkdirTemp("", "cachepot-layer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(top) })
	if err := os.Chmod(top, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"w", "tmp"} {
		if err := os.Mkdir(filepath.Join(top, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(top, "w/input"), "top")
	write(t, filepath.Join(top, "tmp/input"), "in /tmp")
	j := job(layer(t), "exit", "0")
	j.Layers = append([]string{top}, j.Layers...)
	j.Outputs = []string{"input", "/tmp/input"}
	r := run(t, s, j)
	for i, want := range []string{"top", "in /tmp"} {
		if b := content(t, r, j.Outputs[i]); b != want {
			t.Errorf("%s = %q", j.Outputs[i], b)
		}
	}
}

func TestEnds(t *testing.T) {
	s := open(t)
	l := layer(t)
	if r := run(t, s, job(l, "die")); r.Status != 128+15 {
		t.Errorf("status of a job that SIGTERM ended: %d", r.Status)
	}
	for name, change := range map[string]func(*sandbox.Job){
		"no such program":   func(j *sandbox.Job) { j.Args[0] = "/bin/none" },
		"no such directory": func(j *sandbox.Job) { j.Dir = "/none" },
		"not a program":     func(j *sandbox.Job) { j.Args[0] = "/w/input" },
		"no layer":          func(j *sandbox.Job) { j.Layers = nil },
		"missing layer":     func(j *sandbox.Job) { j.Layers = []string{"/none"} },
	} {
		j := job(l, "exit", "0")
		change(j)
		if r, err := s.Run(t.Context(), j); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestLimits: a job that does not end is ended, with all its processes.
func TestLimits(t *testing.T) {
	s := open(t)
	l := layer(t)
	before := probes(t)
	j := job(l, "hang")
	j.Limits.Wall = 700 * time.Millisecond
	if _, err := s.Run(t.Context(), j); !errors.Is(err, sandbox.ErrLimit) {
		t.Errorf("hanging: %v", err)
	}
	j = job(l, "talk")
	j.Limits.Messages = 1 << 20
	if _, err := s.Run(t.Context(), j); !errors.Is(err, sandbox.ErrLimit) {
		t.Errorf("talking: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.Run(ctx, job(l, "hang")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
	for end := time.Now().Add(5 * time.Second); probes(t) > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("processes are left")
		}
	}
}

// probes counts the processes that run the probe.
func probes(t *testing.T) int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	return len(slices.DeleteFunc(lines, func(path string) bool {
		b, err := os.ReadFile(path)
		return err != nil || !strings.HasPrefix(string(b), "/bin/probe\x00")
	}))
}

// TestUsers: row 19. No two jobs that run at once are the same user, not even of two
// sandboxes, and none is root or the caller where the caller is root.
func TestUsers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("only root has other users")
		return
	}
	l := layer(t)
	seen := map[uint32]bool{0: true}
	for range 2 {
		c := config(t)
		c.Slots = 2
		s := opened(t, c, 0)
		for range c.Slots {
			j := job(l, "write")
			j.Outputs = []string{"out/a"}
			r := run(t, s, j) // its slot stays taken
			f, err := r.Open("out/a")
			if err != nil {
				t.Fatal(err)
			}
			info, err := f.Stat()
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			if stat, ok := info.Sys().(*syscall.Stat_t); !ok || seen[stat.Uid] {
				t.Errorf("user %d again", stat.Uid)
			} else {
				seen[stat.Uid] = true
			}
		}
	}
}

// TestRefusals: what Open says about a machine or a configuration that will not do.
func TestRefusals(t *testing.T) {
	old := filepath.Join(directory(t), "bwrap")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho bubblewrap 0.7.0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	closed := filepath.Join(directory(t), "closed")
	if err := os.MkdirAll(filepath.Join(closed, "dir"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		change func(*sandbox.Config)
		says   string
		asRoot bool
	}{
		{func(c *sandbox.Config) { c.Bwrap = old }, "install version 0.8.0 or later", false},
		{func(c *sandbox.Config) { c.Bwrap = "/none/bwrap" }, "the package bubblewrap has it", false},
		{func(c *sandbox.Config) { c.Slots = 1000 }, "1000 jobs at once", false},
		{func(c *sandbox.Config) { c.Dir = filepath.Join(closed, "dir") }, "not everybody can pass through " + closed, true},
		{func(c *sandbox.Config) { c.Root, c.Demand = false, sandbox.Isolated }, "takes root", false},
		{func(c *sandbox.Config) { c.Root, c.Demand = false, 0 }, "root to the kernel", true},
	} {
		if c.asRoot && os.Getuid() != 0 {
			continue
		}
		conf := config(t)
		c.change(&conf)
		s, err := sandbox.Open(t.Context(), conf)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%v, want %q", err, c.says)
		}
	}
	for _, c := range []struct {
		a, b  string
		older bool
	}{{"0.7.9", "0.8.0", true}, {"0.8.0", "0.8.0", false}, {"0.11.1", "0.8.0", false}, {"1", "0.8.0", false}, {"", "0.8.0", true}} {
		if sandbox.Older(c.a, c.b) != c.older {
			t.Errorf("%s older than %s", c.a, c.b)
		}
	}
}

// TestShared: a directory of the machine at its own place and at another, read-only.
func TestShared(t *testing.T) {
	s := open(t)
	dir := directory(t)
	write(t, filepath.Join(dir, "shared"), "S")
	top := directory(t)
	if err := os.Symlink("usr/bin", filepath.Join(top, "bin")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"lib", "lib64"} {
		if err := os.Symlink("usr/"+name, filepath.Join(top, name)); err != nil {
			t.Fatal(err)
		}
	}
	j := &sandbox.Job{
		Layers: []string{top}, Shared: []sandbox.Bind{{From: "/usr"}, {From: dir, To: "/other/place"}, {From: "/none/such"}},
		Args: []string{"/bin/sh", "-c", "cat /other/place/shared; touch /usr/x /other/place/x; ls / | tr '\\n' ' '"}, Env: []string{"PATH=/usr/bin"},
		Dir: "/", Limits: sandbox.DefaultLimits(),
	}
	r := run(t, s, j)
	if got := string(r.Stdout); r.Status != 0 || got != "Sbin dev lib lib64 other proc tmp usr " || strings.Count(string(r.Stderr), "Read-only") != 2 {
		t.Errorf("status %d: %q, %q", r.Status, r.Stdout, r.Stderr)
	}
	// A link on the way to the place leads nowhere.
	j.Shared = []sandbox.Bind{{From: dir, To: "/bin/x"}}
	if r, err := s.Run(t.Context(), j); err == nil {
		r.Close()
		t.Error("a directory was mounted through a symbolic link")
	}
}

// TestCompilers: real compilers, on the /usr of the machine, need no call that is not
// allowed.
func TestCompilers(t *testing.T) {
	s := open(t)
	top := directory(t)
	for _, name := range []string{"bin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+name, filepath.Join(top, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(top, "w"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(top, "w/a.c"), "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n")
	write(t, filepath.Join(top, "w/b.cc"), "#include <iostream>\nint main() { std::cout << \"hello\\n\"; }\n")
	const script = `set -e
gcc -O2 -g -flto -pipe a.c -o a; ./a
gcc -O2 -c a.c -save-temps
g++ -O2 b.cc -o b; ./b
clang -O2 -c a.c -o clang.o; gcc clang.o -o c; ./c
ar rcs liba.a a.o; printf 'all:\n\t@echo hello\n' | make -s -j2 -f -`
	j := &sandbox.Job{
		Layers: []string{top}, Shared: []sandbox.Bind{{From: "/usr"}}, Args: []string{"/bin/sh", "-c", script}, Env: []string{"PATH=/usr/bin"},
		Dir: "/w", Outputs: []string{"a", "b"}, Limits: sandbox.DefaultLimits(),
	}
	r := run(t, s, j)
	if r.Status != 0 || string(r.Stdout) != strings.Repeat("hello\n", 4) || len(r.Stderr) > 0 {
		t.Errorf("status %d: %s, %s", r.Status, r.Stdout, r.Stderr)
	}
	for _, o := range r.Outputs {
		if o.Kind != sandbox.File || !o.Executable {
			t.Errorf("%+v", o)
		}
	}
}
