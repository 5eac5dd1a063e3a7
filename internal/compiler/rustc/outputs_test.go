package rustc

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/compilertest"
)

// TestOutputsAreExact: a call leaves the files that outputs names and no others,
// and a second run keeps the inode of those that are written in place.
func TestOutputsAreExact(t *testing.T) {
	sysroot := sysrootOf(t)
	for _, args := range [][]string{
		{"--emit=dep-info,metadata,link", "--out-dir", "o"},
		{"--emit=dep-info,metadata", "--out-dir=o"},
		{"--emit=link,dep-info"},
		{"--emit=link,dep-info", "-C", "extra-filename=-x1", "--out-dir", "o/"},
		{"--emit=dep-info=o/d,link=o/l", "--emit", "metadata=o/m"},
		{"--emit=dep-info,metadata,link", "-g", "-C", "split-debuginfo=packed", "-C", "codegen-units=4"},
		{"--emit=dep-info,metadata,link", "-Cdebuginfo=1", "-C", "split-debuginfo=off", "-Copt-level=3"},
		{"--emit=dep-info,metadata,link", "-Cprofile-generate=p"},
		{"--emit=dep-info,metadata,link", "-Clto=thin", "-Cembed-bitcode=yes"},
		{"--emit=dep-info,metadata,link", "-Clinker-plugin-lto", "-Cstrip=symbols", "-Cpanic=abort"},
		{"--emit=dep-info,link", "--target", hostTriple(), "-Cmetadata=1", "-Crpath", "-Cprefer-dynamic"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			dir := t.TempDir()
			project{"l.rs": "pub fn f() -> u32 { 1 } pub mod m { pub fn g<T>(t: T) -> T { t } pub fn h() -> u8 { g(2) } }", "o/keep": ""}.write(t, dir)
			call := &compiler.Call{
				Path: sysroot + "/bin/rustc", Dir: dir,
				Args: append([]string{"--crate-name=l", "--crate-type=lib", "l.rs"}, args...),
				Tool: compiler.Tool{Family: "rustc", Sysroot: sysroot, Target: hostTriple()},
			}
			inv, err := New(fileOrigins{t.TempDir()}).Parse(call)
			if err != nil {
				t.Fatal(err)
			}
			inv.Outputs = slices.DeleteFunc(inv.Outputs, func(o compiler.Output) bool { return o.Unwritten })
			want := []string{"l.rs", "o/keep"}
			for _, o := range inv.Outputs {
				want = append(want, filepath.Clean(o.Path))
			}
			runIn(t, call)
			if d := cmp.Diff(sorted(want), filesBelow(t, dir)); d != "" {
				t.Errorf("files: -want +got\n%s", d)
			}
			// Without a free inode number at hand, an unlinked file's could be
			// given to its successor: hold the old ones.
			before := map[string]uint64{}
			for _, o := range inv.Outputs {
				f, err := os.Open(under(dir, o.Path))
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				before[o.Path] = inode(t, under(dir, o.Path))
			}
			runIn(t, call)
			for _, o := range inv.Outputs {
				if same := inode(t, under(dir, o.Path)) == before[o.Path]; same != o.InPlace {
					t.Errorf("%s: written in place: %v, claimed %v", o.Path, same, o.InPlace)
				}
			}
		})
	}
}

func runIn(t *testing.T, call *compiler.Call) {
	t.Helper()
	cmd := exec.Command(call.Path, call.Args...)
	cmd.Dir = call.Dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", call.Args, err, out)
	}
}

func inode(t *testing.T, file string) uint64 {
	t.Helper()
	st, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t).Ino
}

func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			files = append(files, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sorted(files)
}

// TestOutputDirectoryIsNoInput: a build script may remove the directory of a probe
// as soon as rustc has ended, before the inputs are evaluated.
func TestOutputDirectoryIsNoInput(t *testing.T) {
	sysroot := sysrootOf(t)
	for _, emit := range []string{"dep-info,metadata", "dep-info,link", "dep-info,metadata,link"} {
		dir := t.TempDir()
		project{"l.rs": "pub fn f() {}\n", "o/keep": ""}.write(t, dir)
		call := &compiler.Call{
			Path: sysroot + "/bin/rustc", Dir: dir,
			Args: []string{"--crate-name=l", "--crate-type=lib", "l.rs", "--emit=" + emit, "--out-dir=" + dir + "/o"},
			Tool: compiler.Tool{Family: "rustc", Sysroot: sysroot, Target: hostTriple()},
		}
		lang := New(fileOrigins{t.TempDir()})
		inv, err := lang.Parse(call)
		if err != nil {
			t.Fatal(err)
		}
		runIn(t, call)
		set, err := lang.Inputs(call, inv, &compiler.Observed{Output: compilertest.OutputsIn(dir)})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range set.Paths {
			if strings.HasPrefix(p, dir+"/o") {
				t.Errorf("--emit=%s: an input: %s", emit, p)
			}
		}
		write(t, dir+"/o/libl.rlib")
		write(t, dir+"/o/libl.rmeta")
		if _, err := lang.Parse(call); (err == nil) != (emit == "dep-info,metadata,link") {
			t.Errorf("--emit=%s, both libraries there: %v", emit, err)
		}
	}
}

func write(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}
