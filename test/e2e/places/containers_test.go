package places

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/stats"
)

// container is a mount namespace with a user, and with the project, the user's home, a
// compiler for other systems and the cache at places of its own. Nothing else but the
// system's programs is in it.
type container struct {
	uid                         string
	project, home, cross, cache string // where these lie in it
}

func containers() []container {
	return []container{
		{"1001", "/srv/first-place/project", "/users/first-user", "/opt/first-cross", "/var/first-cache"},
		{"1002", "/work", "/users/second-user/deeper", "/users/second-user/deeper/tools/cross", "/mnt/second-cache"},
		{"1003", "/usr/src/third-place", "/var/lib/third-user", "/srv/tools/third-cross", "/third-cache"},
	}
}

// traces are the names that no other container may meet.
func (c container) traces() []string {
	return []string{"first-place", "first-user", "first-cross", "first-cache", "second-user", "second-cache"}
}

// mixed is a project of C, with generated headers, files for the assembler and absolute
// paths, for this system and for another, and of Rust, with a crate from CARGO_HOME.
func mixed() map[string]string {
	files := crates()
	files[".git/HEAD"] = ""
	files["Makefile"] = "P := $(CURDIR)\nF = -g -O1 -MD -I$(P)/c/inc -I$(P)/out\n" +
		"all: out/a.o out/b.o out/x.o out/s.o out/split.o out/far.o\n" +
		"out/made.h:\n\tmkdir -p out\n\techo '#define MADE \"made\"' >$@\n" +
		"out/a.o: c/a.c out/made.h\n\t$(POT) gcc $(F) -c $(P)/c/a.c -o $@\n" +
		"out/b.o: c/a.c out/made.h\n\tcd out && $(POT) clang $(F) -gdwarf-5 -gz -c ../c/a.c -o b.o\n" +
		"out/x.o: c/x.cc out/made.h\n\t$(POT) g++ $(F) -gdwarf-5 -c $(P)/c/x.cc -o $@\n" +
		"out/s.o: c/s.S out/made.h\n\t$(POT) gcc $(F) -c $(P)/c/s.S -o $@\n" +
		"out/split.o: c/a.c out/made.h\n\t$(POT) gcc $(F) -gsplit-dwarf -c $(P)/c/a.c -o $@\n" +
		"out/far.o: c/a.c out/made.h\n\t$(POT) $(CROSS)/bin/x86_64-linux-gnu-gcc $(F) -c $(P)/c/a.c -o $@\n"
	files["c/inc/a.h"] = "#define TEXT \"text\"\n"
	files["c/a.c"] = "#include <a.h>\n#include <made.h>\n#include <stdio.h>\nint f(void) { return puts(TEXT MADE); }\n"
	files["c/x.cc"] = "#include <a.h>\n#include <made.h>\n#include <string>\nstd::string f() { return TEXT MADE; }\n"
	files["c/s.S"] = "#include <a.h>\n.globl s\ns: .asciz TEXT\n"
	files["a/Cargo.toml"] += "[dependencies]\nfar = \"1\"\n"
	files["a/src/lib.rs"] = strings.Replace(files["a/src/lib.rs"], "generated() +", "far::far() - 5 + generated() +", 1)
	return files
}

// far is a crate in CARGO_HOME, and the configuration that has cargo find it there.
func far(home string) map[string]string {
	return map[string]string{
		".cargo/config.toml":                           "[source.crates-io]\nreplace-with = \"here\"\n[source.here]\ndirectory = \"" + home + "/.cargo/registry/src\"\n",
		".cargo/registry/src/far/Cargo.toml":           "[package]\nname = \"far\"\nversion = \"1.0.0\"\nedition = \"2021\"\n",
		".cargo/registry/src/far/src/lib.rs":           "pub fn far() -> u32 { assert!(file!().len() > 1, \"{}\", file!()); 5 }\n",
		".cargo/registry/src/far/.cargo-checksum.json": "{\"files\":{},\"package\":\"" + strings.Repeat("0", 64) + "\"}",
	}
}

// crossTools lays a compiler out that finds all that it needs beside itself.
func crossTools(t *testing.T, dir string) {
	t.Helper()
	const script = `mkdir -p bin lib/gcc/x86_64-linux-gnu x86_64-linux-gnu/bin
		cp -L /usr/bin/gcc bin/x86_64-linux-gnu-gcc
		cp -a $(dirname $(gcc -print-prog-name=cc1)) lib/gcc/x86_64-linux-gnu/
		cp -L $(which as) x86_64-linux-gnu/bin/as`
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-euc", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("lay out a compiler: %v\n%s", err, out)
	}
}

// built is what a build in a container gave.
type built struct {
	products     map[string]string // by name
	text         string            // what was printed
	hits, misses uint64
	located      stats.Labels
}

// buildIn builds a fresh copy of the project in a container, with the cache that lies in
// the host's directory cache.
func buildIn(t *testing.T, c container, base, cache string) *built {
	t.Helper()
	wrapper, err := product.Wrapper()
	if err != nil {
		t.Fatal(err)
	}
	_, dir := lay(t, base, "project", mixed())
	_, home := lay(t, base, "home", far(c.home))
	if err := os.MkdirAll(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	args := []string{"--unshare-user", "--uid", c.uid, "--gid", c.uid, "--unshare-pid", "--unshare-ipc", "--die-with-parent", "--clearenv"}
	for _, d := range []string{"/usr", "/etc/alternatives", "/etc/ld.so.cache"} {
		args = append(args, "--ro-bind", d, d)
	}
	for _, d := range []string{"bin", "lib", "lib64", "sbin"} {
		args = append(args, "--symlink", "usr/"+d, "/"+d)
	}
	args = append(args, "--tmpfs", "/usr/src", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", dir, c.project, "--bind", home, c.home, "--bind", cache, c.cache)
	args = append(args, "--ro-bind", filepath.Join(base, "cross"), c.cross, "--ro-bind", filepath.Dir(filepath.Dir(rustc(t))), c.home+"/tools/rust",
		"--ro-bind", filepath.Dir(wrapper), "/opt/pot", "--chdir", c.project)
	for _, kv := range []string{"HOME=" + c.home, "CARGO_HOME=" + c.home + "/.cargo", "PATH=" + c.home + "/tools/rust/bin:/usr/bin:/bin", "CARGO_INCREMENTAL=0", "RUSTC_WRAPPER=/opt/pot/cachepot", "CACHEPOT_DIR=" + c.cache, "XDG_RUNTIME_DIR=/tmp", "LC_ALL=C"} {
		name, value, _ := strings.Cut(kv, "=")
		args = append(args, "--setenv", name, value)
	}
	args = append(args, "sh", "-euc", "POT=/opt/pot/cachepot; make -s POT=$POT CROSS="+c.cross+" >&2; cargo build --offline -q >&2; target/debug/app >&2; $POT --stop-coordinator >&2; $POT --show-stats --stats-format json")
	cmd := exec.Command("bwrap", args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("in the container of %s: %v\n%s", c.uid, err, stderr.String())
	}
	var reply struct{ Stats stats.Counters }
	if err := json.Unmarshal([]byte(stdout.String()), &reply); err != nil {
		t.Fatal(err)
	}
	return &built{productsOf(t, dir), stderr.String(), reply.Stats.CacheHits.Total(), reply.Stats.CacheMisses.Total(), reply.Stats.Located}
}

// productsOf are the files that compilers have made in a project.
func productsOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		name := strings.TrimPrefix(p, dir+"/")
		made := strings.HasPrefix(name, "out/") || strings.HasPrefix(name, "target/debug/")
		if err != nil || !e.Type().IsRegular() || !made || strings.Contains(name, "/.fingerprint/") || strings.HasSuffix(name, "/.cargo-lock") {
			return err
		}
		b, err := os.ReadFile(p)
		all[name] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestContainers: containers of different users with different mount points share a cache.
// The second finds all but what macros have a hand in, and is the witness that these do not
// care; the third finds everything. What it gets is what it would make itself, and names
// nothing of the others.
func TestContainers(t *testing.T) {
	t.Parallel()
	base := newBase(t)
	crossTools(t, filepath.Join(base, "cross"))
	cache := filepath.Join(base, "cache")
	all := containers()
	first := buildIn(t, all[0], base, cache)
	calls := first.hits + first.misses
	if first.hits != 0 || calls < 13 {
		t.Errorf("first: %d hits, %d misses", first.hits, first.misses)
	}
	second := buildIn(t, all[1], base, cache)
	if second.misses != 1 || second.hits != calls-1 {
		t.Errorf("second: %d hits, %d misses, located %v; there are %d calls", second.hits, second.misses, second.located, calls)
	}
	third := buildIn(t, all[2], base, cache)
	if third.misses != 0 || third.hits != calls {
		t.Errorf("third: %d hits, %d misses, located %v; there are %d calls", third.hits, third.misses, third.located, calls)
	}
	alone := buildIn(t, all[2], base, filepath.Join(base, "empty"))
	for _, name := range slices.Sorted(maps.Keys(alone.products)) {
		if third.products[name] != alone.products[name] {
			t.Errorf("%s is not what is made there", name)
		}
	}
	for _, trace := range all[2].traces() {
		for name, text := range third.products {
			if strings.Contains(text, trace) {
				t.Errorf("%s names %s", name, trace)
			}
		}
		if strings.Contains(third.text, trace) {
			t.Errorf("%s is named: %s", trace, third.text)
		}
	}
	if len(third.products) < 20 || len(third.products) != len(alone.products) {
		t.Errorf("%d products, %d made there", len(third.products), len(alone.products))
	}
}
