package rustc

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/compiler"
)

// TestLooks: what one look of a watched run comes to.
func TestLooks(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	project{"deps/libx-1.rlib": "", "deps/libx-1.rmeta": "", "out/n": "", "sr/lib/rustlib/t/lib/k": "", "x/k": ""}.write(t, dir)
	if err := os.Symlink("deps", dir+"/alias"); err != nil {
		t.Fatal(err)
	}
	call := callWith(dir)
	call.Tool.Sysroot = dir + "/sr"
	call.Env = compiler.Environ{"TMPDIR=" + dir + "/tmp", "MAKEFLAGS= -j --jobserver-auth=fifo:/tmp/GMfifo1"}
	c := &command{dir: dir, dirs: []searchDir{{"dependency", "deps"}, {"native", "out"}, {"native", "/usr/lib"}}}
	inv := &compiler.Invocation{Detail: &detail{}, Outputs: []compiler.Output{{Path: "deps/a"}}}
	claimed := func(p string) *action.PathSet { return &action.PathSet{Paths: []string{p}} }
	found := func(p string) *action.PathSet { return &action.PathSet{Paths: []string{p}, Found: []string{p}} }
	listed := func(l action.Listing) *action.PathSet { return &action.PathSet{Listings: []action.Listing{l}} }
	nothing := &action.PathSet{}
	for _, tc := range []struct {
		name   string
		deed   compiler.Deed
		path   string
		found  bool
		want   *action.PathSet
		refuse string
	}{
		{"a file read", compiler.Read, "/a/../b", true, found("/a/../b"), ""},
		{"a file not there", compiler.Read, "/none", false, claimed("/none"), ""},
		{"a look", compiler.Probed, "/none", false, claimed("/none"), ""},
		{"a candidate", compiler.Probed, dir + "/deps/libx-1.rlib", true, nothing, ""},
		{"a candidate by another name", compiler.Probed, dir + "/deps/../deps/libx-1.rlib", true, nothing, ""},
		{"a candidate read", compiler.Read, dir + "/deps/libx-1.rmeta", true, found(dir + "/deps/libx-1.rmeta"), ""},
		{"no candidate", compiler.Probed, dir + "/deps/librustc_driver.so", false, claimed(dir + "/deps/librustc_driver.so"), ""},
		{"a library elsewhere", compiler.Probed, dir + "/x/libx-1.rlib", true, claimed(dir + "/x/libx-1.rlib"), ""},
		{"another file beside crates", compiler.Probed, dir + "/deps/data", true, claimed(dir + "/deps/data"), ""},
		{"the directory of the outputs", compiler.Probed, dir + "/deps", true, nothing, ""},
		{"the same by a link", compiler.Probed, dir + "/alias", true, claimed(dir + "/alias"), ""},
		{"an output", compiler.Probed, dir + "/deps/a", true, nothing, ""},
		{"an output by a link", compiler.Read, dir + "/alias/a", true, nothing, ""},
		{"an output written", compiler.Wrote, dir + "/deps/a", true, nothing, ""},
		{"an output replaced", compiler.Removed, dir + "/deps/a", true, nothing, ""},
		{"a temporary file", compiler.Wrote, dir + "/deps/rustcXYZ", false, nothing, ""},
		{"another file written", compiler.Wrote, dir + "/deps/b", true, nil, "writes a file that is no output"},
		{"another file removed", compiler.Removed, dir + "/deps/b", true, nil, "removes a file"},
		{"the crates listed", compiler.Listed, dir + "/deps", true, nothing, ""},
		{"the sysroot listed", compiler.Listed, dir + "/sr/lib/rustlib/t/lib", true, nothing, ""},
		{"above the sysroot listed", compiler.Listed, dir + "/sr/lib/rustlib", true, listed(action.Listing{Dir: dir + "/sr/lib/rustlib"}), ""},
		{"a build script's directory listed", compiler.Listed, dir + "/out", true, listed(action.Listing{Dir: dir + "/out"}), ""},
		{"a directory of the system listed", compiler.Listed, "/usr/lib", true, listed(action.Listing{Dir: "/usr/lib", Prefix: "lib", Suffix: ".rmeta"}), ""},
		{"the place of temporary files", compiler.Probed, dir + "/tmp", true, nothing, ""},
		{"a file among temporary ones", compiler.Read, dir + "/tmp/x", true, found(dir + "/tmp/x"), ""},
		{"the jobserver", compiler.Wrote, "/tmp/GMfifo1", true, nothing, ""},
		{"not the jobserver", compiler.Wrote, "/tmp/GMfifo", true, nil, "writes a file that is no output"},
		{"processors", compiler.Read, "/proc/cpuinfo", true, nothing, ""},
		{"the kernel's version", compiler.Read, "/proc/version", true, nil, "uses /pro"},
		{"the kernel's version, hidden", compiler.Read, "/usr/../proc/version", true, nil, "uses /pro"},
		{"shared memory", compiler.Wrote, "/dev/shm/x", true, nil, "uses /dev"},
		{"the loader's cache", compiler.Read, "/etc/ld.so.cache", true, nothing, ""},
	} {
		set := &action.PathSet{}
		w := newWatchedRun(call, c, inv, set)
		set.Paths = nil
		if tc.deed == compiler.Read {
			w.read[tc.path] = true
		}
		err := w.look(compiler.Look{Path: tc.path, Deed: tc.deed, Found: tc.found})
		var bare *compiler.Bare
		if tc.refuse != "" && (!errors.As(err, &bare) || bare.Reason != tc.refuse) || tc.refuse == "" && err != nil {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.refuse)
			continue
		}
		if d := cmp.Diff(tc.want, set); tc.refuse == "" && d != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, d)
		}
	}
}

// TestLinkedOutputs: the files of each crate type.
func TestLinkedOutputs(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want []compiler.Output
	}{
		{[]string{"--crate-type=bin"}, []compiler.Output{{Path: "o/x-1", Unlinks: true}}},
		{[]string{"--test", "--crate-type=lib"}, []compiler.Output{{Path: "o/x-1", Unlinks: true}}},
		{[]string{"--crate-type=proc-macro"}, []compiler.Output{{Path: "o/libx-1.so", Unlinks: true}}},
		{[]string{"--crate-type=lib,rlib,cdylib,staticlib"}, []compiler.Output{{Path: "o/libx-1.rlib", Unlinks: true}, {Path: "o/libx-1.so", Unlinks: true}, {Path: "o/libx-1.a", Unlinks: true}}},
		{[]string{"--crate-type=bin", "-Csplit-debuginfo=packed"}, []compiler.Output{{Path: "o/x-1", Unlinks: true}, {Path: "o/x-1.dwp", Optional: true, InPlace: true}}},
	} {
		inv, err := New(mapOrigins{}).Parse(callWith(t.TempDir(), append([]string{"--crate-name=x", "-Cextra-filename=-1",
			"--out-dir=o", "--emit=dep-info,link", "x.rs"}, tc.args...)...))
		if err != nil {
			t.Fatal(err)
		}
		want := append([]compiler.Output{{Path: "o/x-1.d", InPlace: true}}, tc.want...)
		want = append(want, compiler.Output{Path: "o/libx-1.rmeta", Optional: true, Unwritten: true}) // rustc looks there
		if d := cmp.Diff(want, inv.Outputs, cmpopts.IgnoreFields(compiler.Output{}, "Text")); d != "" {
			t.Errorf("%v: -want +got\n%s", tc.args, d)
		}
		if plan, err := New(mapOrigins{}).Plan(callWith("/"), inv, ""); err != nil || !plan.Looks || plan.Env != nil {
			t.Errorf("%v: a link is not watched, or sees unkeyed variables: %v, %v", tc.args, plan, err)
		}
	}
}

// TestIncremental: sessions are left out of the run, with the division into units
// that goes with them.
func TestIncremental(t *testing.T) {
	dir := t.TempDir()
	for _, tc := range []struct {
		args, want []string
	}{
		{[]string{"-C", "incremental=i", "--cfg=a"}, []string{"--cfg=a", "-C", "codegen-units=256"}},
		{[]string{"-Cincremental=i", "-Ccodegen-units=4"}, []string{"-Ccodegen-units=4"}},
	} {
		inv, err := New(mapOrigins{}).Parse(callWith(dir, cargoArgs(tc.args...)...))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(cargoArgs(tc.want...), inv.Args); d != "" || inv.Resumes == "" || inv.Resumed {
			t.Errorf("%v: resumes %q, resumed %v, arguments: -want +got\n%s", tc.args, inv.Resumes, inv.Resumed, d)
		}
	}
}

// TestSessions: what rustc has left of an earlier run of the crate.
func TestSessions(t *testing.T) {
	for name, want := range map[string]bool{
		"i*/x-abc":  true,
		"i*/xy-abc": false, // another crate's
		"ij/x-abc":  false, // which the directory's name, taken for a pattern, would match
	} {
		dir := t.TempDir()
		project{name + "/k": ""}.write(t, dir)
		c := &command{dir: dir, crate: "x", incremental: "i*"}
		if c.hasSession() != want {
			t.Errorf("with %s: %v, want %v", name, !want, want)
		}
	}
}
