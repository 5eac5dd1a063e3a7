package rustc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/compiler/compilertest"
	"github.com/cachepot/cachepot/internal/filestate"
	"github.com/cachepot/cachepot/internal/watch"
)

// A link in which all is reached through symbolic links depends on the same
// links, files and directories whether the resolutions are reported or not.
func TestDirectLosesNothing(t *testing.T) {
	sysroot, err := exec.Command("rustc", "--print", "sysroot").Output()
	if err != nil {
		t.Skip(err)
	}
	root := strings.TrimSpace(string(sysroot))
	dir, err := filepath.EvalSymlinks(t.TempDir())
	check(t, err)
	origins := fileOrigins{t.TempDir()}
	linkedProject(t, dir, root, origins)
	linkers := []string{""}
	for _, name := range []string{"bfd", "gold", "lld", "mold"} {
		if _, err := exec.LookPath("ld." + name); err == nil {
			linkers = append(linkers, name)
		}
	}
	for _, linker := range linkers {
		t.Run(linker, func(t *testing.T) {
			args := []string{"--crate-name", "app", "--edition=2021", "l/src/main.rs", "--crate-type", "bin", "--emit=dep-info,link", "--out-dir", "l/out",
				"-L", "dependency=l/deps", "-L", "native=l/native", "--extern", "part=l/deps/libpart.rlib", "-l", "n"}
			if linker != "" {
				args = append(args, "-C", "link-arg=-fuse-ld="+linker)
			}
			all, direct := linked(t, origins, dir, root, args, watch.All), linked(t, origins, dir, root, args, watch.Direct)
			if diff := cmp.Diff(all, direct); diff != "" {
				t.Errorf("-all +direct:\n%s", diff)
			}
			for _, want := range []string{"link " + dir + "/l ", "link " + dir + "/real/deps ", "link " + dir + "/real/deps2/libpart.rlib ",
				"link " + dir + "/real/native ", "link " + dir + "/real/native2/libn.so ", "link " + dir + "/real/src "} {
				if !slices.ContainsFunc(direct, func(s string) bool { return strings.HasPrefix(s, want) }) {
					t.Errorf("missing: %s", want)
				}
			}
		})
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// linkedProject makes a program's sources, a crate and a native library, with a
// link at each step of the way.
func linkedProject(t *testing.T, dir, root string, origins fileOrigins) {
	t.Helper()
	for _, d := range []string{"real/src2", "real/deps2", "real/deps3", "real/native2", "real/native3", "real/out2"} {
		check(t, os.MkdirAll(dir+"/"+d, 0o777))
	}
	for name, target := range map[string]string{"l": "real", "real/src": "src2", "real/deps": "deps2", "real/native": dir + "/real/native2",
		"real/out": "out2", "real/deps2/libpart.rlib": "../deps3/libpart.rlib", "real/native2/libn.so": "../native3/libn.so"} {
		check(t, os.Symlink(target, dir+"/"+name))
	}
	check(t, os.WriteFile(dir+"/real/src2/main.rs", []byte("extern \"C\" { fn n() -> i32; }\nfn main() { std::process::exit(part::f() + unsafe { n() }) }\n"), 0o666))
	check(t, os.WriteFile(dir+"/part.rs", []byte("pub fn f() -> i32 { 1 }\n"), 0o666))
	check(t, os.WriteFile(dir+"/n.c", []byte("int n(void) { return 2; }\n"), 0o666))
	part := []string{"--crate-name", "part", "--crate-type", "lib", "part.rs", "--emit=link", "--out-dir", "real/deps3"}
	files, origin, _ := New(origins).Produces(&compiler.Call{Arg0: "rustc", Path: root + "/bin/rustc", Args: part, Dir: dir,
		Tool: compiler.Tool{Family: "rustc", Target: hostTriple(), Sysroot: root}})
	for _, args := range [][]string{
		append([]string{"env", "-C", dir, root + "/bin/rustc"}, part...),
		{"gcc", "-shared", "-fPIC", dir + "/n.c", "-o", dir + "/real/native3/libn.so"},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	origins.keep(files, origin)
}

// linked runs a call watched for class and returns what its path set evaluates
// to: each link, file and directory that a hit would look at.
func linked(t *testing.T, origins Origins, dir, root string, args []string, class watch.Class) []string {
	t.Helper()
	env := []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LD_LIBRARY_PATH=" + root + "/lib"}
	call := &compiler.Call{Arg0: "rustc", Path: root + "/bin/rustc", Args: args, Dir: dir, Env: env,
		Tool: compiler.Tool{Family: "rustc", Target: hostTriple(), Sysroot: root}}
	lang := New(origins)
	inv, err := lang.Parse(call)
	check(t, err)
	plan, err := lang.Plan(call, inv, "")
	check(t, err)
	if !plan.Direct {
		t.Error("not a call for Direct")
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	check(t, err)
	defer null.Close()
	tree, err := watch.Start(&watch.Spec{Path: call.Path, Argv: append([]string{"rustc"}, plan.Args...), Env: env, Dir: dir,
		Files: []uintptr{null.Fd(), 2, 2}, Class: class})
	check(t, err)
	if ws, _, err := tree.Wait(); err != nil || ws != 0 {
		t.Fatalf("%v, %v", ws, err)
	}
	seen := &compiler.Observed{Output: compilertest.OutputsIn(dir)}
	report := tree.Report()
	seen.Looks = looksOf(report)
	for _, e := range report.Events {
		if e.Op == watch.Exec && e.Errno == 0 {
			seen.Programs = append(seen.Programs, e.Path)
		}
	}
	set, err := lang.Inputs(call, inv, seen)
	check(t, err)
	return stateOf(t, set)
}

func stateOf(t *testing.T, set *action.PathSet) []string {
	t.Helper()
	snap, err := filestate.New(filestate.Clock).Evaluate(set)
	check(t, err)
	var all []string
	for _, l := range snap.Links() {
		all = append(all, "link "+l[0]+" "+l[1])
	}
	for _, f := range snap.Files() {
		all = append(all, "file "+f.Path)
	}
	for _, d := range snap.Dirs() {
		all = append(all, fmt.Sprint("dir ", d))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestKnownProgram(t *testing.T) {
	dir := t.TempDir()
	check(t, os.WriteFile(dir+"/ccache", nil, 0o777))
	for name, want := range map[string]bool{"cc": true, "x86_64-linux-gnu-gcc-12": true, "ld.bfd": true, "ld.lld-14": true, "clang++-14": true,
		"mold": true, "sh": false, "python3.11": false, "my-ld": false, "collect2": true, "gcc-wrapper": false, "ld-linux-x86-64.so.2": true} {
		check(t, os.WriteFile(dir+"/"+name, nil, 0o777))
		if got := knownProgram(dir + "/" + name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	check(t, os.Remove(dir+"/cc"))
	check(t, os.Symlink("ccache", dir+"/cc"))
	if knownProgram(dir + "/cc") {
		t.Error("cc that is another program")
	}
}

func TestResolvesOnly(t *testing.T) {
	dir := t.TempDir()
	for kind, head := range map[string]string{"script": "#!/bin/sh\n", "program": "\x7fELF"} {
		check(t, os.Mkdir(dir+"/"+kind, 0o777))
		check(t, os.WriteFile(dir+"/"+kind+"/cc", []byte(head), 0o777))
	}
	tests := []struct {
		args []string
		env  compiler.Environ
		want bool
	}{
		{nil, nil, true},
		{[]string{"-C", "link-arg=-fuse-ld=mold"}, nil, true},
		{[]string{"-Clink-args=-fuse-ld=lld -Wl,-plugin,x.so"}, nil, false},
		{[]string{"-C", "link-arg=-fuse-ld=/x/ld"}, nil, false},
		{[]string{"-C", "link-arg=-Wl,--as-needed"}, nil, false},
		{[]string{"-C", "linker=./cc.sh"}, nil, false},
		{nil, compiler.Environ{"LD_PRELOAD=/x.so"}, false},
		{[]string{"--crate-type=bin", "--emit=dep-info,link"}, compiler.Environ{"PATH=/none:" + dir + "/program"}, true},
		{[]string{"--crate-type=bin", "--emit=dep-info,link"}, compiler.Environ{"PATH=" + dir + "/script:" + dir + "/program"}, false},
		{[]string{"--crate-type=rlib", "--emit=dep-info,link"}, compiler.Environ{"PATH=" + dir + "/script"}, true},
	}
	for _, tt := range tests {
		c, err := read(&compiler.Call{Arg0: "rustc", Path: "rustc", Dir: "/", Args: append([]string{"x.rs"}, tt.args...), Tool: compiler.Tool{Family: "rustc", Target: hostTriple()}})
		check(t, err)
		if got := c.resolvesOnly(tt.env); got != tt.want {
			t.Errorf("%q, %q: %v", tt.args, tt.env, got)
		}
	}
}
