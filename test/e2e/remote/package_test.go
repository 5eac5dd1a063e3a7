package remote

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/archive"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/test/e2e/harness"
	"io"
)

// packaged has cachepot write an archive of a compiler, and returns its path and the
// section of the configuration that is printed.
func packaged(t *testing.T, c *client, compiler, name string) (path, section string) {
	t.Helper()
	path = filepath.Join(harness.Scratch(t), name)
	r := harness.Command(t, c.Root, c.Env, c.Wrapper, "--package-toolchain", compiler, path)
	if r.Code != 0 {
		t.Fatalf("package %s: status %d\n%s", compiler, r.Code, r.Stderr)
	}
	return path, r.Stdout
}

// TestPackage: the archive of a compiler that cachepot writes is the same each time, is one
// that cachepot and icecream take, and compiles elsewhere as the compiler does here.
func TestPackage(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	files := cProject()
	files["src/d.S"] = strings.Replace(files["src/d.S"], ".incbin \"src/d.bin\"\n", "", 1)
	harness.Write(t, dir, files)
	packer := newClient(t, "")
	gcc, section := packaged(t, packer, "gcc", "gcc.tar")
	again, _ := packaged(t, packer, "gcc", "again.tar")
	a, err := os.ReadFile(gcc)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(again)
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("two archives of one compiler differ, %v", err)
	}
	if os.Geteuid() == 0 {
		if r := harness.Command(t, dir, os.Environ(), "icecc-test-env", gcc); r.Code != 0 {
			t.Errorf("icecream: status %d\n%s%s", r.Code, r.Stdout, r.Stderr)
		}
	}
	plus := strings.Replace(section, "/usr/bin/gcc\"\narchive =", "/usr/bin/g++\"\narchive =", 1)
	plus = strings.Replace(plus, "archive_compiler_executable = \"/usr/bin/gcc\"", "archive_compiler_executable = \"/usr/bin/g++\"", 1)
	c := newClient(t, strict(e.url())+storedIn(t)+section+plus)
	bare, _ := makeIn(t, dir, c.Env, "")
	got, r := makeIn(t, dir, c.Env, c.Wrapper+" ")
	if r.Code != 0 {
		t.Errorf("status %d\n%s", r.Code, r.Stderr)
	}
	harness.SameFiles(t, "with the archive", bare, got)
	c.want(4, 0)
}

// TestPackageRust: the archive of a Rust compiler holds all that it takes to compile,
// also what it links with, and stands for that compiler. One that is another is refused.
func TestPackageRust(t *testing.T) {
	packer := newClient(t, "")
	path, section := packaged(t, packer, "rustc", "rust.tar")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	members, err := archive.Read(t.Context(), f, archive.Defaults(4<<30), func(content io.Reader, size int64) (digest.Digest, error) {
		n, err := io.Copy(io.Discard, content)
		return digest.Digest{Size: n}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	root := harness.Scratch(t)
	if r := harness.Command(t, root, os.Environ(), "tar", "-xf", path); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	inside := section[strings.LastIndex(section, "= \"")+3 : strings.LastIndex(section, "\"")]
	harness.Write(t, root, map[string]string{"work/m.rs": "fn main() { println!(\"{}\", \"made inside\"); }\n"})
	r := harness.Command(t, root, os.Environ(), "bwrap", "--bind", root, "/", "--dev", "/dev", "--proc", "/proc", "--unshare-net", "--clearenv",
		"--setenv", "PATH", "/usr/bin:/bin", "--chdir", "/work", inside, "-g", "m.rs")
	if r.Code != 0 {
		t.Fatalf("%d members; status %d\n%s", len(members), r.Code, r.Stderr)
	}
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, crates())
	c := newClient(t, tolerant(e.url())+storedIn(t)+section, "CACHEPOT_PATHS_MODE=exact") // the bytes of a bare compile
	bare := cargoIn(t, dir, c.Env, "")
	harness.SameFiles(t, "with the archive", bare, cargoIn(t, dir, c.Env, c.Wrapper))
	if s := c.Counters(); sum(s.DistCompiles) < 3 || s.DistErrors != 0 {
		t.Errorf("compiled remotely %v, failed %v, here %v", s.DistCompiles, s.DistFailures, s.DistLocal)
	}
	var small bytes.Buffer
	w := tar.NewWriter(&small)
	if err := w.WriteHeader(&tar.Header{Name: inside[1:], Mode: 0o755, Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	c = newClient(t, tolerant(e.url())+storedIn(t)+override(inside, archived(t, small.Bytes(), "rust.tar"), inside))
	r = c.Compile(dir, inside, "--crate-type", "lib", "--crate-name", "l", "--emit", "link,metadata,dep-info", "--out-dir", dir, "low/src/inner/deep.rs")
	if s := c.Counters(); r.Code != 0 || s.DistFailures["toolchain archive is for another compiler"] != 1 || !strings.Contains(r.Stderr, "it has another /") {
		t.Errorf("status %d, failed %v, here %v, not cached %v\n%s", r.Code, s.DistFailures, s.DistLocal, s.NotCached, r.Stderr)
	}
	if r = harness.Command(t, root, nil, "./work/m"); r.Stdout != "made inside\n" {
		t.Errorf("the program prints %q", r.Stdout)
	}
}
