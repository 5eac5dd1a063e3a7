package restore

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

var product harness.Product

func TestMain(m *testing.M) { os.Exit(product.Main(m)) }

// setup is an instance and a directory with a source.
type setup struct {
	*harness.Instance
	t   *testing.T
	dir string
}

func start(t *testing.T, config string) *setup {
	t.Helper()
	i, err := product.NewInstance()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Stop)
	s := &setup{Instance: i, t: t, dir: filepath.Join(i.Root, "src")} // one file system with the cache
	s.write(filepath.Join(i.Root, "config/cachepot/config"), config)
	s.write(filepath.Join(s.dir, "a.c"), "int v[30000] = {1};\n")
	return s
}

func (s *setup) write(path, text string) {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// shell runs a script in the source directory and returns what it printed.
func (s *setup) shell(script string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-euc", script)
	cmd.Dir, cmd.Env, cmd.WaitDelay = s.dir, append(s.Env, "CACHEPOT="+s.Wrapper), 5*time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("%s: %v\n%s", script, err, out)
	}
	return string(out)
}

// compile compiles through the wrapper and expects an outcome and the bytes that
// the bare compiler gives.
func (s *setup) compile(when, want string) {
	s.t.Helper()
	s.shell("sleep 0.02; $CACHEPOT gcc -c a.c -o a.o; gcc -c a.c -o bare.o")
	outcome, err := s.Outcome()
	if err != nil {
		s.t.Fatal(err)
	}
	if outcome != want {
		s.t.Errorf("%s: %s, want %s", when, outcome, want)
	}
	if s.read("a.o") != s.read("bare.o") {
		s.t.Errorf("%s: WRONG: another object", when)
	}
}

func (s *setup) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}

func (s *setup) stat(name string) *syscall.Stat_t {
	s.t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(filepath.Join(s.dir, name), &st); err != nil {
		s.t.Fatal(err)
	}
	return &st
}

// TestHardLinks: an output is the blob itself by another name, which neither keeps
// the next compile from being cached nor lets it, or anybody, change the blob
// unnoticed.
func TestHardLinks(t *testing.T) {
	t.Parallel()
	s := start(t, "[cache.disk]\nrestore = \"hardlink\"\n")
	s.compile("first", "stored")
	s.shell("rm a.o")
	s.compile("again", "hit")
	if st := s.stat("a.o"); st.Nlink != 2 {
		t.Fatalf("the output has %d names, want 2", st.Nlink)
	}
	if s.stat("a.o").Mtim.Nano() < s.stat("a.c").Mtim.Nano() {
		t.Error("the output is older than its source")
	}
	s.compile("over itself", "hit")
	s.write(filepath.Join(s.dir, "a.c"), "int v[30000] = {2};\n")
	s.compile("edited, over the link", "stored")
	s.write(filepath.Join(s.dir, "a.c"), "int v[30000] = {1};\n")
	s.compile("edited back", "hit")
	s.shell("chmod u+w a.o; echo damaged >>a.o") // the blob as well
	s.shell("rm a.o")
	s.compile("blob damaged through the link", "stored")
	s.shell("rm a.o")
	s.compile("and mended", "hit")
	// A name that is none of ours is left to the compiler.
	s.shell("rm a.o; echo mine >mine; ln mine a.o")
	s.shell("$CACHEPOT gcc -c a.c -o a.o")
	if outcome, err := s.Outcome(); err != nil || !strings.HasPrefix(outcome, "bare(") {
		t.Errorf("over a foreign link: %s, %v", outcome, err)
	}
}

// TestReflinks needs a file system that shares blocks: one in a file, mounted in a
// namespace of its own.
func TestReflinks(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	s := start(t, "")
	s.write(filepath.Join(s.dir, "a.c"), "int v[4000000] = {1};\n") // small files are copied on their way in
	s.shell("truncate -s 400M image; mkfs.xfs -q -m reflink=1 image; mkdir m")
	if out, err := exec.Command("unshare", "-m", "mount", "-o", "loop", s.dir+"/image", s.dir+"/m").CombinedOutput(); err != nil {
		t.Skipf("no loop device: %s", out)
	}
	out := s.shell(`unshare -m sh -euc '
		mount -o loop image m
		export CACHEPOT_DIR=$PWD/m/cache
		cp a.c m; cd m; sleep 0.02
		$CACHEPOT gcc -c a.c -o a.o
		gcc -c a.c -o bare.o
		sync; echo stored; xfs_io -r -c "fiemap -v" a.o
		rm a.o
		$CACHEPOT gcc -c a.c -o a.o
		cmp a.o bare.o
		sync; echo restored; xfs_io -r -c "fiemap -v" a.o
		echo bare; xfs_io -r -c "fiemap -v" bare.o
		$CACHEPOT --show-stats --stats-format json | grep -A3 cache_hits
		$CACHEPOT --stop-coordinator >&2
	'`)
	stored, rest, _ := strings.Cut(out, "restored\n")
	restored, bare, _ := strings.Cut(rest, "bare\n")
	for name, c := range map[string]struct {
		text   string
		shared bool
	}{"stored": {stored, true}, "restored": {restored, true}, "bare": {bare, false}} {
		if got := sharedExtents(c.text); got != c.shared {
			t.Errorf("%s: blocks shared: %v, want %v\n%s", name, got, c.shared, out)
		}
	}
}

// sharedExtents reads the last column of xfs_io's fiemap, the flags of struct
// fiemap_extent: 0x2000 is FIEMAP_EXTENT_SHARED.
func sharedExtents(text string) bool {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if flags, ok := strings.CutPrefix(f[len(f)-1], "0x"); ok && len(flags) >= 4 && flags[len(flags)-4]&2 != 0 {
			return true
		}
	}
	return false
}
