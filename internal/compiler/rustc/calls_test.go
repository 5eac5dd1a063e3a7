package rustc

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/action"
)

// bench is a directory with a project, and the records of calls made in it.
type bench struct {
	t       *testing.T
	dir     string
	records string
	sysroot string
	env     []string // added to every call
}

func newBench(t *testing.T, p project) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), records: t.TempDir(), sysroot: sysrootOf(t)}
	p.write(t, b.dir)
	if err := os.Mkdir(b.dir+"/out", 0o755); err != nil {
		t.Fatal(err)
	}
	return b
}

// rustc runs the toolchain's rustc in the bench's directory and returns what was
// recorded. The call must succeed.
func (b *bench) rustc(args ...string) *record {
	b.t.Helper()
	return b.run(filepath.Join(b.sysroot, "bin", "rustc"), args...)
}

func (b *bench) run(program string, args ...string) *record {
	b.t.Helper()
	self, err := os.Executable()
	if err != nil {
		b.t.Fatal(err)
	}
	cmd := exec.Command(self, append([]string{program}, args...)...)
	cmd.Dir = b.dir
	cmd.Env = append(append(os.Environ(), b.env...), recordDir+"="+b.records, recordTool+"="+b.sysroot)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	files, _ := filepath.Glob(b.records + "/*.json")
	if len(files) != 1 {
		b.t.Fatalf("%d records of one call", len(files))
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		b.t.Fatal(err)
	}
	r := &record{}
	if err := json.Unmarshal(text, r); err != nil {
		b.t.Fatal(err)
	}
	os.Remove(files[0])
	return r
}

// cached fails unless the call was cacheable and its path set covers it.
func (b *bench) cached(r *record) {
	b.t.Helper()
	if r.Parse != "" {
		b.t.Fatalf("%v: refused: %s", r.Args, r.Parse)
	}
	checkRecord(b.t, r, b.sysroot)
}

// lib returns the arguments of a crate as cargo would build it.
func lib(name, src string, more ...string) []string {
	return append([]string{"--crate-name", name, "--edition=2021", src, "--crate-type", "lib",
		"--emit=dep-info,metadata,link", "--out-dir", "out"}, more...)
}

// claimsContent reports whether the file is an input of the recorded call.
func (r *record) claimsContent(t *testing.T, file string) bool {
	t.Helper()
	return strings.Contains(r.State, file+" "+digestOf(file).String()+"\n")
}

// TestInputsCoverCalls: single calls that cargo seldom makes, or never.
func TestInputsCoverCalls(t *testing.T) {
	for _, tc := range []struct {
		name    string
		files   project
		args    []string
		content []string // inputs that must be claimed with their content
	}{
		{"inline and nested modules", project{
			"l.rs":               "mod a { pub mod b; } mod c; #[path = \"sub\"] mod d { mod e; }\n",
			"a/b/mod.rs":         "mod f;\n",
			"a/b/f.rs":           "",
			"c.rs":               "mod g;",
			"c/g.rs":             "",
			"sub/e.rs":           "",
			"l/unrelated/mod.rs": "",
		}, lib("l", "l.rs"), []string{"a/b/mod.rs", "a/b/f.rs", "c/g.rs", "sub/e.rs"}},
		{"included twice, from a macro, as documentation", project{
			"l.rs": "#![doc = include_str!(\"doc.md\")]\nmacro_rules! m { ($f:literal) => { include_str!($f) } }\n" +
				"pub const A: &str = m!(\"t.txt\");\npub const B: &str = m!(\"t.txt\");\nmod a { include!(\"i.rs\"); } mod b { include!(\"i.rs\"); }\n",
			"doc.md": "doc", "t.txt": "text", "i.rs": "pub fn i() {}",
		}, lib("l", "l.rs"), []string{"doc.md", "t.txt", "i.rs"}},
		{"names with spaces and colons", project{
			"my dir/l: x.rs": "mod y; pub const T: &str = include_str!(\"a b: c\");", "my dir/y.rs": "", "my dir/a b: c": "x",
		}, lib("l", "my dir/l: x.rs"), []string{"my dir/a b: c"}},
		{"source by way of ..", project{"x/l.rs": "#[path = \"../y/m.rs\"] mod m;", "y/m.rs": ""},
			lib("l", "x/../x/l.rs"), []string{"x/../x/../y/m.rs"}},
		{"no_std with alloc", project{"l.rs": "#![no_std]\nextern crate alloc;\npub fn f() -> alloc::vec::Vec<u8> { alloc::vec::Vec::new() }"},
			lib("l", "l.rs", "-Copt-level=3", "-L", "dependency=out", "-Cpanic=abort"), nil},
		{"remapped", project{"l.rs": "mod m; pub const F: &str = file!();", "m.rs": ""},
			lib("l", "l.rs", "--remap-path-prefix", "l.rs=elsewhere.rs", "-g"), []string{"l.rs", "m.rs"}},
		{"debugger visualizer", project{"l.rs": "#![debugger_visualizer(gdb_script_file = \"v.py\")]", "v.py": "pass"},
			lib("l", "l.rs", "-g"), []string{"v.py"}},
		{"everything explicit", project{"l.rs": ""},
			[]string{"--crate-name", "l", "l.rs", "--crate-type", "rlib", "--emit", "dep-info=x.d,link=y.rlib", "--emit=metadata=z.rmeta"}, nil},
		{"argument file", project{"l.rs": "", "args": "--crate-name\nl\nl.rs\n--crate-type=rlib\n--emit=dep-info,link"},
			[]string{"@args"}, nil},
		{"target and cpu", project{"l.rs": "pub fn f() {}"},
			lib("l", "l.rs", "--target", hostTriple(), "-C", "target-cpu=generic", "-Cinstrument-coverage", "-C", "lto"), nil},
		{"static library by -l", project{"l.rs": "", "n2/libnat.a": "!<arch>\n", "n3/libnat.a": "!<arch>\n"},
			lib("l", "l.rs", "-L", "native=n1", "-Lnative=n2", "-L", "native=n3", "-lstatic=nat"), []string{"n2/libnat.a"}},
		{"static library, its whole name", project{"l.rs": "", "n/nat.x": "!<arch>\n"},
			lib("l", "l.rs", "-L", "native=n", "-l", "static:+verbatim,+whole-archive=nat.x"), []string{"n/nat.x"}},
		{"static library by attribute", project{
			"l.rs":       "#[cfg_attr(all(), link(name = r\"nat\", kind = \"static\"))]\nextern \"C\" {}",
			"n/libnat.a": "!<arch>\n",
		}, lib("l", "l.rs", "-L", "native=n"), []string{"n/libnat.a"}},
		{"static library renamed", project{
			"l.rs":         "#[link(name = \"nat\", kind = \"static\")]\nextern \"C\" {}",
			"n/libother.a": "!<arch>\n",
		}, lib("l", "l.rs", "-L", "native=n", "-l", "nat:other"), []string{"n/libother.a"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := newBench(t, tc.files)
			r := b.rustc(tc.args...)
			b.cached(r)
			for _, c := range tc.content {
				if !r.claimsContent(t, b.dir+"/"+c) {
					t.Errorf("content of %s is not claimed", c)
				}
			}
		})
	}
}

// TestCratesFoundBySearch: a crate that only another crate depends on is an
// input, by the names that rustc would take for it.
func TestCratesFoundBySearch(t *testing.T) {
	sources := project{
		"a.rs": "pub fn a() -> u32 { 1 }", "ab.rs": "pub fn ab() -> u32 { 2 }",
		"b.rs": "pub fn b() -> u32 { a::a() }", "c.rs": "pub fn c() -> u32 { b::b() }",
	}
	const hash = "-0123456789abcdef"
	t.Run("names of cargo", func(t *testing.T) {
		b := newBench(t, sources)
		extra := []string{"-C", "extra-filename=" + hash, "-L", "dependency=out"}
		b.cached(b.rustc(lib("a", "a.rs", extra...)...))
		b.cached(b.rustc(lib("b", "b.rs", append(extra, "--extern", "a=out/liba"+hash+".rmeta")...)...))
		r := b.rustc(lib("c", "c.rs", append(extra, "--extern", "b=out/libb"+hash+".rmeta")...)...)
		b.cached(r)
		if !r.claimsContent(t, b.dir+"/out/liba"+hash+".rmeta") {
			t.Error("the .rmeta that was found is not claimed")
		}
		if strings.Contains(r.State, "liba"+hash+".rlib") {
			t.Error("the .rlib, which cargo may still be waiting for, is claimed")
		}
	})
	t.Run("names that begin alike", func(t *testing.T) {
		b := newBench(t, sources)
		b.cached(b.rustc(lib("a", "a.rs")...))
		b.cached(b.rustc(lib("ab", "ab.rs")...))
		b.cached(b.rustc(lib("b", "b.rs", "--extern", "a=out/liba.rlib")...))
		r := b.rustc(lib("c", "c.rs", "-L", "dependency=out", "--extern", "b=out/libb.rmeta")...)
		b.cached(r)
		for _, f := range []string{"liba.rmeta", "libab.rmeta", "liba.rlib", "libab.rlib"} {
			if !r.claimsContent(t, b.dir+"/out/"+f) {
				t.Errorf("%s is not claimed", f)
			}
		}
	})
	t.Run("a second directory", func(t *testing.T) {
		b := newBench(t, sources)
		b.cached(b.rustc(lib("a", "a.rs")...))
		b.cached(b.rustc(lib("b", "b.rs", "--extern", "a=out/liba.rlib")...))
		r := b.rustc(lib("c", "c.rs", "-L", "dependency=missing", "-L", "dependency=out", "--extern", "b=out/libb.rlib")...)
		b.cached(r)
		set, err := action.DecodePathSet(r.Set)
		if err != nil {
			t.Fatal(err)
		}
		if !set.Covers(b.dir + "/missing/liba-anything.rmeta") {
			t.Error("the earlier directory is not claimed")
		}
	})
	t.Run("never for extern crate", func(t *testing.T) {
		// -L dependency, native and framework do not answer it, so no listing of
		// them is needed for the names in sources
		b := newBench(t, sources)
		b.cached(b.rustc(lib("a", "a.rs")...))
		project{"x.rs": "extern crate a;"}.write(t, b.dir)
		for _, kind := range []string{"dependency", "native", "framework"} {
			cmd := exec.Command(b.sysroot+"/bin/rustc", lib("x", "x.rs", "-L", kind+"=out")...)
			cmd.Dir = b.dir
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "E0463") {
				t.Errorf("-L %s: %v\n%s", kind, err, out)
			}
		}
	})
	t.Run("a library of unknown origin", func(t *testing.T) {
		b := newBench(t, sources)
		b.cached(b.rustc(lib("a", "a.rs")...))
		if err := os.WriteFile(b.dir+"/out/liba.rlib", append(read1(t, b.dir+"/out/liba.rlib"), '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
		r := b.rustc(lib("b", "b.rs", "--extern", "a=out/liba.rlib")...)
		if r.Parse != "extern of unknown origin" {
			t.Errorf("got %q", r.Parse)
		}
	})
}

func read1(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestProxy: rustup's proxy looks for a toolchain first.
func TestProxy(t *testing.T) {
	proxy, err := exec.LookPath("rustc")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, project{"l.rs": ""})
	r := b.run(proxy, lib("l", "l.rs")...)
	b.cached(r)
}

// TestAssemblerThatIncludes: the directive may come from the crate, from below it,
// or from both; in all cases the compiler reads the file without telling.
func TestAssemblerThatIncludes(t *testing.T) {
	b := newBench(t, project{
		"own.rs":    "core::arch::global_asm!(\".INCBIN \\\"blob\\\"\");",
		"text.rs":   "core::arch::global_asm!(include_str!(\"text.s\"));",
		"text.s":    ".incbin \"blob\"\n",
		"inline.rs": "#[inline(always)] pub fn f() { unsafe { core::arch::asm!(\".pushsection .rodata; .incbin \\\"blob\\\"; .popsection\") } }",
		"uses.rs":   "pub fn g() { inline::f() }",
		"macro.rs":  "#[macro_export] macro_rules! m { ($s:literal) => { core::arch::global_asm!($s); } }",
		"passes.rs": "x::m!(\".incbin \\\"blob\\\"\");",
		"plain.rs":  "pub fn f() { unsafe { core::arch::asm!(\"nop\") } }",
		"uses2.rs":  "pub fn g() { plain::f(); let s = [0]; s.iter(); } // .include incbin",
		"blob":      "blob",
	})
	watched := func(r *record) {
		t.Helper()
		b.cached(r)
		if !r.Watched || !r.claimsContent(t, b.dir+"/blob") {
			t.Errorf("%v: watched: %v, and the blob is not claimed", r.Args, r.Watched)
		}
	}
	watched(b.rustc(lib("own", "own.rs")...))
	watched(b.rustc(lib("text", "text.rs")...))
	b.rustc(lib("inline", "inline.rs")...) // it reads the blob or not, as it likes
	watched(b.rustc(lib("uses", "uses.rs", "--extern", "inline=out/libinline.rmeta")...))
	b.cached(b.rustc(lib("x", "macro.rs")...))
	watched(b.rustc(lib("passes", "passes.rs", "--extern", "x=out/libx.rmeta")...))
	b.cached(b.rustc(lib("plain", "plain.rs")...))
	b.cached(b.rustc(lib("uses2", "uses2.rs", "--extern", "plain=out/libplain.rmeta")...))
	// A source far from the others is not found before the run.
	project{"far/main.rs": `#[path = "../own.rs"] mod own;`}.write(t, b.dir)
	if r := b.rustc(lib("far", "far/main.rs")...); r.Inputs != "assembler that includes files" {
		t.Errorf("got %q", r.Inputs)
	}
}

// TestNativeLibraryByMacro: what another crate's macro links is not in the
// sources, but it is in the rlib.
func TestNativeLibraryByMacro(t *testing.T) {
	b := newBench(t, project{
		"m.rs":   "#[macro_export] macro_rules! m { () => { #[link(name = \"nat\", kind = \"static\")] extern \"C\" {} } }",
		"l.rs":   "m::m!();",
		"nat.c":  "int nat;",
		"n/none": "",
	})
	cmd := exec.Command("sh", "-c", "gcc -c nat.c -o nat.o && ar rcs n/libnat.a nat.o")
	cmd.Dir = b.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b.cached(b.rustc(lib("m", "m.rs")...))
	r := b.rustc(lib("l", "l.rs", "--extern", "m=out/libm.rmeta", "-L", "native=n")...)
	if r.Inputs != "native library of unknown name" {
		t.Errorf("got %q", r.Inputs)
	}
}

// TestLibraryPath: a library beside the crates would be loaded before the
// toolchain's.
func TestLibraryPath(t *testing.T) {
	b := newBench(t, project{"l.rs": "", "libs/x": "", "hw/glibc-hwcaps/x": ""})
	b.env = []string{"LD_LIBRARY_PATH=" + b.dir + "/libs::relative"}
	r := b.rustc(lib("l", "l.rs")...)
	b.cached(r)
	for _, want := range []string{"/libs/libc.so.6 absent", "/relative/libc.so.6 absent", "/libc.so.6 absent", "/libs/glibc-hwcaps absent"} {
		if !strings.Contains(r.State, b.dir+want) {
			t.Errorf("not claimed: %s", want)
		}
	}
	b.env = []string{"LD_LIBRARY_PATH=" + b.dir + "/hw"}
	if r := b.rustc(lib("l", "l.rs")...); r.Inputs != "library path with hardware directories" {
		t.Errorf("got %q", r.Inputs)
	}
}

// TestClippy: its configuration is searched upwards, and lints that look at the
// whole workspace are refused wherever they are named.
func TestClippy(t *testing.T) {
	b := newBench(t, project{
		"clippy.toml":     "msrv = \"1.60.0\"\n",
		"pkg/l.rs":        "pub fn f() {}",
		"pkg/cargo.rs":    "#![warn(clippy::wildcard_dependencies)]",
		"pkg/Cargo.toml":  manifest("l", "2021", ""),
		"Cargo.toml":      "[workspace]\nmembers = [\"pkg\"]\n",
		"pkg/none/x/keep": "",
	})
	driver := filepath.Join(b.sysroot, "bin", "clippy-driver")
	b.env = []string{"CARGO_MANIFEST_DIR=" + b.dir + "/pkg/none/x"}
	r := b.run(driver, append([]string{"rustc"}, lib("l", "pkg/l.rs")...)...)
	b.cached(r)
	for _, want := range []string{"/clippy.toml", "/Cargo.toml"} {
		if !r.claimsContent(t, b.dir+want) {
			t.Errorf("%s is not claimed", want)
		}
	}
	if want := b.dir + "/pkg/none/.clippy.toml absent"; !strings.Contains(r.State, want) {
		t.Errorf("not claimed: %s", want)
	}
	for _, tc := range []struct {
		env  string
		args []string
	}{
		{"X=", lib("l", "pkg/l.rs", "--warn=clippy::cargo-common-metadata")},
		{"CLIPPY_ARGS=-W__CLIPPY_HACKERY__clippy::cargo__CLIPPY_HACKERY__", lib("l", "pkg/l.rs")},
		{"CLIPPY_ARGS=--warn=clippy::cargo__CLIPPY_HACKERY__", lib("l", "pkg/l.rs")},
		{"X=", lib("l", "pkg/cargo.rs")},
	} {
		b.env = append(b.env[:1], tc.env)
		if r := b.run(driver, append([]string{"rustc"}, tc.args...)...); r.Inputs != "clippy cargo lints" {
			t.Errorf("%s %v: got %q", tc.env, tc.args, r.Inputs)
		}
	}
}

// TestWhatRustcWouldNotTouch: it fails for a file that it cannot write, so a hit
// must not be possible there. The directory of the outputs is no input: a build
// script may have removed it before the inputs are evaluated.
func TestWhatRustcWouldNotTouch(t *testing.T) {
	b := newBench(t, project{"l.rs": ""})
	r := b.rustc(lib("l", "l.rs")...)
	b.cached(r)
	if strings.Contains(r.State, b.dir+"/out dir\n") {
		t.Error("the directory of the outputs is claimed")
	}
	if err := os.Chmod(b.dir+"/out/libl.rmeta", 0o444); err != nil {
		t.Fatal(err)
	}
	call := callWith(b.dir, lib("l", "l.rs")...)
	if _, err := New(mapOrigins{}).Parse(call); err == nil || err.Error() != "an output that is in the way" {
		t.Errorf("a read-only output: %v", err)
	}
}
