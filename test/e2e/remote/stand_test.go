package remote

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cachepot/cachepot/internal/archive"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/test/e2e/harness"
)

// environments are the archives that icecream's own script has made of compilers, which
// takes seconds each.
type environments struct {
	mu   sync.Mutex
	dir  string
	made map[string][]byte
}

// of returns the plain archive that the script makes of a compiler.
func (e *environments) of(t *testing.T, compiler string) []byte {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if b := e.made[compiler]; b != nil {
		return b
	}
	dir := harness.Scratch(t)
	r := harness.Command(t, dir, os.Environ(), "icecc-create-env", compiler, "--compression", "none")
	found, _ := filepath.Glob(filepath.Join(dir, "*.tar"))
	if r.Code != 0 || len(found) != 1 {
		t.Fatalf("icecc-create-env: status %d, %v\n%s%s", r.Code, found, r.Stdout, r.Stderr)
	}
	b, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	if e.made == nil {
		e.made = map[string][]byte{}
	}
	e.made[compiler] = b
	return b
}

var icecream environments

// archived writes an archive and returns its path.
func archived(t *testing.T, content []byte, name string) string {
	t.Helper()
	p := filepath.Join(harness.Scratch(t), name)
	if err := os.WriteFile(p, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return p
}

// remade returns an archive with the contents of its files changed and others added.
func remade(t *testing.T, archive []byte, change func(name string, content []byte) []byte, more map[string]string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	put := func(h *tar.Header, content []byte) {
		h.Size = int64(len(content))
		_, err := 0, w.WriteHeader(h)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		put(h, change(h.Name, content))
	}
	for name, text := range more {
		put(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, []byte(text))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// without returns an archive without some members.
func without(t *testing.T, archive []byte, leave func(name string) bool) []byte {
	return edited(t, archive, func(h *tar.Header) bool { return !leave(h.Name) })
}

// renamed returns an archive in which a member has another name.
func renamed(t *testing.T, archive []byte, from, to string) []byte {
	return edited(t, archive, func(h *tar.Header) bool {
		if h.Name == from {
			h.Name = to
		}
		return true
	})
}

// edited returns an archive of those members that keep wants, which may change headers.
func edited(t *testing.T, archive []byte, keep func(h *tar.Header) bool) []byte {
	t.Helper()
	var out bytes.Buffer
	w, r := tar.NewWriter(&out), tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if !keep(h) {
			continue
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func asItIs(_ string, content []byte) []byte { return content }

// other makes the compiler proper write another name for itself into objects.
func other(name string, content []byte) []byte {
	if name == "usr/bin/cc1" {
		return bytes.ReplaceAll(content, []byte("(Debian 12."), []byte("(Other! 12."))
	}
	return content
}

// override is a section of the configuration.
func override(compiler, archive, inside string) string {
	return fmt.Sprintf("[[dist.toolchains]]\ntype = \"path_override\"\ncompiler_executable = %q\narchive = %q\narchive_compiler_executable = %q\n",
		compiler, archive, inside)
}

// storedIn is a line of the configuration for a store of archives of the test's own.
func storedIn(t *testing.T) string {
	return fmt.Sprintf("cache_dir = %q\n", filepath.Join(harness.Scratch(t), "toolchains"))
}

// TestArchives: the archives that icecream's script makes of gcc and of clang stand in
// their place on the service. What comes of it is what the compilers give here, for the
// archives hold them.
func TestArchives(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	files := cProject()
	files["src/d.S"] = strings.Replace(files["src/d.S"], ".incbin \"src/d.bin\"\n", "", 1)
	harness.Write(t, dir, files)
	gcc, clang := archived(t, icecream.of(t, "gcc"), "gcc.tar"), archived(t, icecream.of(t, "clang"), "clang.tar")
	conf := strict(e.url()) + storedIn(t) + override("/usr/bin/gcc", gcc, "/usr/bin/gcc") + override("/usr/bin/g++", gcc, "/usr/bin/g++") +
		override("/usr/bin/clang", clang, "/usr/bin/clang") + override("/usr/bin/clang++", clang, "/usr/bin/clang")
	isObject := func(name string) bool { return strings.HasSuffix(name, ".o") }
	for _, compilers := range [][3]string{
		{"gcc", "g++", "CFLAGS=-O2 -g -Wall -Iinc"},
		// The archive has clang in another place, and so names its own headers otherwise.
		{"clang", "clang++", "CFLAGS=-O2 -Wall -Iinc"},
	} {
		t.Run(compilers[0], func(t *testing.T) {
			c := newClient(t, conf)
			build := func(prefix string) (map[string]string, harness.Ended) {
				clean(t, dir)
				r := harness.Command(t, dir, c.Env, "make", "-j2", "CC="+prefix+compilers[0], "CXX="+prefix+compilers[1], compilers[2])
				return harness.Built(t, dir, isObject), r
			}
			bare, plain := build("")
			got, r := build(c.Wrapper + " ")
			if r.Code != 0 || messages(r) != messages(plain) {
				t.Errorf("status %d, messages\n%s\nwant\n%s", r.Code, r.Stderr, plain.Stderr)
			}
			harness.SameFiles(t, "first build", bare, got)
			c.want(4, 0)
			got, _ = build(c.Wrapper + " ")
			harness.SameFiles(t, "second build", bare, got)
			if counted := c.Counters(); counted.CacheHits.Total() != 4 {
				t.Errorf("%d hits in the second build, want 4", counted.CacheHits.Total())
			}
			c.verify()
		})
	}
}

// TestAnotherCompiler: what an archive's compiler makes is only for who has configured
// it, though both go by one name and say the same of themselves.
func TestAnotherCompiler(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "#include <stddef.h>\nsize_t f(void) { return 1; }\n"})
	plain := icecream.of(t, "gcc")
	archive := archived(t, remade(t, plain, other, nil), "gcc.tar")
	argv := []string{"gcc", "-c", "a.c", "-o", "a.o"}
	object := func(r harness.Ended) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, "a.o"))
		if r.Code != 0 || err != nil {
			t.Fatalf("status %d, %v\n%s", r.Code, err, r.Stderr)
		}
		if err := os.Remove(filepath.Join(dir, "a.o")); err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	shared := "CACHEPOT_DIR=" + filepath.Join(harness.Scratch(t), "cache")
	with := newClient(t, strict(e.url())+storedIn(t)+override("/usr/bin/gcc", archive, "/usr/bin/gcc"), shared)
	bare := object(harness.Command(t, dir, with.Env, argv...))
	theirs := object(with.Compile(dir, argv...))
	if theirs == bare || !strings.Contains(theirs, "Other!") {
		t.Fatal("the object is not the other compiler's")
	}
	with.want(1, 0)

	without := newClient(t, "", shared)
	for range 2 {
		if object(without.Compile(dir, argv...)) != bare {
			t.Error("who has not configured the archive gets its compiler's object")
		}
	}
	if s := without.Counters(); s.CacheHits.Total() != 1 || s.CacheMisses.Total() != 1 {
		t.Errorf("%d hits, %d misses, want one of each", s.CacheHits.Total(), s.CacheMisses.Total())
	}

	// Another archive at the same path, of the same length.
	again := func(name string, content []byte) []byte {
		return bytes.ReplaceAll(other(name, content), []byte("Other!"), []byte("Third!"))
	}
	if err := os.WriteFile(archive, remade(t, plain, again, nil), 0o644); err != nil {
		t.Fatal(err)
	}
	harness.Write(t, dir, map[string]string{"a.c": "#include <stddef.h>\nsize_t f(void) { return 2; }\n"})
	if got := object(with.Compile(dir, argv...)); !strings.Contains(got, "Third!") {
		t.Error("the archive that was replaced is used")
	}
	with.want(2, 0)
}

// TestArchiveHeaders: headers of an archive count like others. What they include may lie
// here, earlier ones here go before, and a list of dependencies does not name them.
func TestArchiveHeaders(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "#include <only-there.h>\nint f(void) { return N; }\n", "inc/keep": ""})
	archive := archived(t, remade(t, icecream.of(t, "gcc"), asItIs, map[string]string{
		"usr/local/include/only-there.h": "#include <deeper-there.h>\n", "usr/local/include/deeper-there.h": "#define N 4\n"}), "gcc.tar")
	c := newClient(t, strict(e.url())+storedIn(t)+override("/usr/bin/gcc", archive, "/usr/bin/gcc"))
	argv := []string{"gcc", "-O2", "-Iinc", "-S", "a.c", "-o", "a.s"}
	compile := func(want string) {
		t.Helper()
		r := c.Compile(dir, argv...)
		text, err := os.ReadFile(filepath.Join(dir, "a.s"))
		if r.Code != 0 || err != nil || !strings.Contains(string(text), want) {
			t.Errorf("status %d, %v, no %s\n%s", r.Code, err, want, r.Stderr)
		}
	}
	compile("movl\t$4")
	compile("movl\t$4")
	c.want(1, 0)
	harness.Write(t, dir, map[string]string{"inc/deeper-there.h": "#define N 5\n"})
	compile("movl\t$5")
	c.want(2, 0)
	r := c.Compile(dir, append(argv, "-MD", "-MF", "a.d")...)
	if r.Code == 0 || !strings.Contains(r.Stderr, "names a file of the archive: /usr/local/include/") {
		t.Errorf("status %d\n%s", r.Code, r.Stderr)
	}
	if r = c.Compile(dir, append(argv, "-MMD", "-MF", "a.d")...); r.Code != 0 {
		t.Errorf("status %d\n%s", r.Code, r.Stderr)
	}
}

// TestUnusableArchives: whatever is wrong with an archive, the compiler here runs, the
// user is told once, and it is counted.
func TestUnusableArchives(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int a;\n", "b.c": "int b;\n"})
	plain := icecream.of(t, "gcc")
	hostile := remade(t, plain, asItIs, map[string]string{"../../etc/x": ""})
	for name, test := range map[string]struct {
		archive, inside, more, label, warning string
	}{
		"missing": {"/nowhere/gcc.tar", "/usr/bin/gcc", "", "toolchain archive is missing", "/nowhere"},
		"damaged": {archived(t, plain[:len(plain)/2], "gcc.tar"), "/usr/bin/gcc", "", "toolchain archive is refused", "archive ends early"},
		"hostile": {archived(t, hostile, "gcc.tar"), "/usr/bin/gcc", "", "toolchain archive is refused", `"../../etc/x" leads out of its directory`},
		"large":   {archived(t, plain, "gcc.tar"), "/usr/bin/gcc", "toolchain_cache_size = \"10M\"\n", "toolchain archive is refused", "more than the 10485760 bytes"},
		"empty":   {archived(t, plain, "gcc.tar"), "/opt/gcc", "", "toolchain archive has no such compiler", "/opt/gcc"},
		"clang":   {archived(t, icecream.of(t, "clang"), "clang.tar"), "/usr/bin/clang", "", "toolchain archive is for another compiler", "clang in place of gcc"},
		"no gcc":  {archived(t, plain, "gcc.tar"), "/usr/bin/objcopy", "", "toolchain archive's compiler does not run", "/usr/bin/objcopy"},
		"no libs": {archived(t, remade(t, plain, func(name string, content []byte) []byte {
			if strings.HasPrefix(name, "lib") {
				return nil
			}
			return content
		}, nil), "gcc.tar"), "/usr/bin/gcc", "", "toolchain archive's compiler does not run", "status"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, tolerant(e.url())+storedIn(t)+test.more+override("/usr/bin/gcc", test.archive, test.inside))
			warnings := ""
			for _, source := range []string{"a", "b"} {
				r := c.Compile(dir, "gcc", "-c", source+".c", "-o", source+".o")
				if r.Code != 0 {
					t.Errorf("status %d\n%s", r.Code, r.Stderr)
				}
				warnings += r.Stderr
			}
			if strings.Count(warnings, "\n") != 1 || !strings.Contains(warnings, test.label) || !strings.Contains(warnings, test.warning) {
				t.Errorf("the user is told\n%s", warnings)
			}
			if s := c.Counters(); s.DistErrors != 2 || s.DistFailures[test.label] != 2 || s.CacheMisses.Total() != 2 {
				t.Errorf("counted %d %v, %d misses", s.DistErrors, s.DistFailures, s.CacheMisses.Total())
			}
		})
	}
}

// TestNoDist: a compiler that is not to run elsewhere runs here, also where all others
// must not.
func TestNoDist(t *testing.T) {
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int a;\n"})
	c := newClient(t, strict("grpc://127.0.0.1:1")+storedIn(t)+"[[dist.toolchains]]\ntype = \"no_dist\"\ncompiler_executable = \"/usr/bin/gcc\"\n")
	for _, name := range []string{"gcc", "/usr/bin/x86_64-linux-gnu-gcc-12"} {
		if r := c.Compile(dir, name, "-c", "a.c", "-o", "a.o"); r.Code != 0 || r.Stderr != "" {
			t.Errorf("status %d\n%s", r.Code, r.Stderr)
		}
	}
	if s := c.Counters(); s.DistLocal["dist.toolchains: no_dist"] == 0 || s.DistErrors != 0 {
		t.Errorf("counted %v %v", s.DistLocal, s.DistFailures)
	}
	if r := c.Compile(dir, "g++", "-c", "a.c", "-o", "a.o"); r.Code == 0 {
		t.Error("another compiler runs here")
	}
}

// TestForms: the archive of icecream's script is the same in each way that the script
// packs it.
func TestForms(t *testing.T) {
	plain := without(t, icecream.of(t, "gcc"), func(name string) bool {
		return strings.HasPrefix(name, "usr/bin/cc1") || strings.HasPrefix(name, "lib/") // large
	})
	members := func(content []byte) []archive.Member {
		t.Helper()
		list, err := archive.Read(t.Context(), bytes.NewReader(content), archive.Defaults(1<<30),
			func(r io.Reader, _ int64) (digest.Digest, error) { return digest.Read(r) })
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	want := members(plain)
	if len(want) < 10 {
		t.Errorf("only %d members", len(want))
	}
	for _, program := range [][]string{{"gzip"}, {"bzip2"}, {"zstd", "-T0"}, {"xz", "-T0"}} {
		cmd := exec.Command(program[0], program[1:]...)
		cmd.Stdin = bytes.NewReader(plain)
		packed, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v", program, err)
		}
		if !slices.Equal(want, members(packed)) {
			t.Errorf("%v: other members", program)
		}
	}
}

// TestAnotherPlace: the example of the book. The archive has a clang with its headers in a
// place that is not here, and stands for one that lies somewhere else.
func TestAnotherPlace(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "#include <stddef.h>\n#include <stdio.h>\n#include <limits.h>\nsize_t a(void) { return sizeof(FILE *) + PATH_MAX; }\n", "clang/bin/keep": "", "clang/lib/clang/keep": ""})
	resources := strings.TrimSpace(harness.Command(t, dir, os.Environ(), "clang", "-print-resource-dir").Stdout)
	if r := harness.Command(t, dir, os.Environ(), "sh", "-c", "cp -L /usr/bin/clang clang/bin/clang && cp -rL "+resources+" clang/lib/clang/"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	const there = "builds/worker/toolchains/clang/"
	more := map[string]string{}
	for name, text := range harness.Built(t, resources, func(name string) bool { return strings.HasSuffix(name, ".h") }) {
		_, more[there+"lib/clang/"+filepath.Base(resources)+"/"+name], _ = strings.Cut(text, "\n")
	}
	content := renamed(t, remade(t, icecream.of(t, "clang"), asItIs, more), "usr/bin/clang", there+"bin/clang")
	conf := strict(e.url()) + storedIn(t) + override(filepath.Join(dir, "clang/bin/clang"), archived(t, content, "clang.tar"), "/"+there+"bin/clang")
	c := newClient(t, conf, "CACHEPOT_PATHS_MODE=exact")
	argv := []string{filepath.Join(dir, "clang/bin/clang"), "-O2", "-Wall", "-c", "a.c", "-o", "a.o"}
	var objects [2]string
	for i, r := range []func() harness.Ended{func() harness.Ended { return harness.Command(t, dir, c.Env, argv...) }, func() harness.Ended { return c.Compile(dir, argv...) }} {
		if r := r(); r.Code != 0 {
			t.Fatalf("status %d\n%s", r.Code, r.Stderr)
		}
		text, err := os.ReadFile(filepath.Join(dir, "a.o"))
		if err != nil {
			t.Fatal(err)
		}
		objects[i] = string(text)
	}
	if objects[0] != objects[1] {
		t.Error("another object")
	}
	c.want(1, 0)
}

// TestStoreLost: what is lost or damaged in the store of archives is read again.
func TestStoreLost(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int a;\n", "b.c": "int b;\n", "c.c": "int c;\n"})
	store := filepath.Join(harness.Scratch(t), "store")
	c := newClient(t, strict(e.url())+fmt.Sprintf("cache_dir = %q\n", store)+
		override("/usr/bin/gcc", archived(t, icecream.of(t, "gcc"), "gcc.tar"), "/usr/bin/gcc"))
	for i, spoil := range []func(blob string) error{
		func(string) error { return nil },
		os.Remove,
		func(blob string) error {
			if err := os.Chmod(blob, 0o644); err != nil {
				return err
			}
			return os.WriteFile(blob, []byte("damaged"), 0o644)
		},
	} {
		if i > 0 {
			stop(t, c)
		}
		e.kill() // which has what was uploaded
		e.dir = harness.Scratch(t)
		e.start()
		blobs, err := filepath.Glob(filepath.Join(store, "cas", "*", "*"))
		if err != nil || i > 0 && len(blobs) == 0 {
			t.Fatalf("no blobs, %v", err)
		}
		for _, blob := range blobs {
			if err := spoil(blob); err != nil {
				t.Fatal(err)
			}
		}
		name := string(rune('a' + i))
		if r := c.Compile(dir, "gcc", "-c", name+".c", "-o", name+".o"); r.Code != 0 {
			t.Fatalf("%d: status %d\n%s", i, r.Code, r.Stderr)
		}
	}
	c.want(3, 0)
}
