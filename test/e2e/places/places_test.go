package places

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

var product harness.Product

func TestMain(m *testing.M) { os.Exit(product.Main(m)) }

// testCase is a project that is built in one place and then in another.
type testCase struct {
	name  string
	files map[string]string
	on    []string // compilers; empty: gcc and clang
	// script runs in the project's directory; $CC is the compiler behind the wrapper.
	script string
	want   string // outcome in the second place: "hit", or "stored" for what is located
	exact  bool   // what comes of it is what the bare compiler gives, too
	random bool   // no two compiles give the same
}

const (
	one = "one/p"
	two = "two/there/project"
)

func cases() []testCase {
	code := map[string]string{
		"Makefile": "", "src/x.c": "#include \"h.h\"\n#include <stdio.h>\nint f(void) { return puts(TEXT); }\n", "inc/h.h": "#define TEXT \"text\"\n",
	}
	with := func(name, text string) map[string]string {
		all := map[string]string{name: text}
		for n, t := range code {
			if n != name {
				all[n] = t
			}
		}
		return all
	}
	speaks := with("inc/h.h", "#define TEXT __FILE__\n")
	hashes := with("src/x.c", "int f(void) { return sizeof __FILE__; }\n")
	const plain = "cd src; $CC -I../inc -c x.c -o x.o"
	const absolute = "$CC -I$PWD/inc -c $PWD/src/x.c -o $PWD/x.o"
	// A build directory that begins with the name of the project's.
	const beside = "touch CMakeLists.txt; src=$PWD; mkdir -p $PWD-build; cd $PWD-build; touch CMakeCache.txt; "
	return []testCase{
		{"relative", code, nil, plain, "hit", true, false},
		{"absolute", code, nil, absolute, "hit", true, false},
		{"debug information, relative", code, nil, plain + " -g", "hit", false, false},
		{"debug information, absolute", code, nil, absolute + " -g", "hit", false, false},
		{"DWARF 4", code, nil, absolute + " -gdwarf-4", "hit", false, false},
		{"macros in debug information", code, nil, absolute + " -g3", "hit", false, false},
		{"split", code, nil, "cd src; $CC -I../inc -g -gsplit-dwarf -c x.c -o x.o", "hit", false, false},
		{"split, absolute", code, nil, "$CC -I$PWD/inc -g -gsplit-dwarf -c $PWD/src/x.c -o $PWD/x.o", "stored", false, false}, // the name of the .dwo
		{"compressed", code, nil, absolute + " -g -gz", "hit", false, false},
		{"compressed by the assembler", code, []string{"gcc"}, absolute + " -g -Wa,--compress-debug-sections=zlib", "hit", false, false},
		{"compressed in an old way", code, []string{"gcc"}, absolute + " -g -gz=zlib-gnu", "stored", false, false},
		{"types apart", with("src/x.cc", "struct S { int a; struct T { int b; } t; }; namespace { S s; } int f() { return s.t.b; }\n"), nil, "$CC -g -fdebug-types-section -c $PWD/src/x.cc -o x.o", "hit", false, false},
		{"constructors", with("src/x.cc", "namespace { struct S { S(); int a; }; S::S() : a(1) {} S s; }\n"), []string{"clang"}, "$CC -g -c $PWD/src/x.cc -o x.o", "hit", false, false},
		{"sanitizers", code, nil, absolute + " -fsanitize=address,undefined", "stored", true, false},
		{"stack usage", code, []string{"gcc"}, absolute + " -fstack-usage", "stored", true, false},
		{"stack usage, dependencies", code, []string{"gcc"}, absolute + " -MD -fstack-usage", "stored", true, false},
		{"dependencies", code, nil, absolute + " -MD -MF $PWD/x.d -MT $PWD/x.o", "hit", true, false},
		{"dependencies beside", code, nil, absolute + " -MD", "hit", true, false},
		{"dependencies for the kernel", code, []string{"gcc"}, absolute + " -Wp,-MD,$PWD/.x.o.d", "hit", true, false},
		{"build directory inside", code, nil, "mkdir -p build && cd build && $CC -g -I$PWD -I$PWD/../inc -c $PWD/../src/x.c -o x.o", "hit", false, false},
		{"a warning", with("src/x.c", "#warning loud\nint x;\n"), nil, absolute + " -Wall", "hit", true, false},
		{"a warning in a header", with("inc/h.h", "#warning loud\n#define TEXT \"\"\n"), nil, absolute, "hit", true, false},
		{"build directory beside", code, nil, beside + "$CC -g -I. -I$src/inc -c $src/src/x.c -o x.o", "hit", false, false},
		{"generated header in a build directory beside", with("src/x.c", "#include \"h.h\"\n#include <made.h>\n#include <stdio.h>\nint f(void) { return puts(TEXT MADE); }\n"), nil,
			beside + "mkdir -p gen; echo '#define MADE \"made\"' >gen/made.h; $CC -g -I$PWD/gen -I$src/inc -MD -MF x.d -c $src/src/x.c -o x.o", "hit", false, false},
		{"working directory beside", code, nil, "p=$PWD; mkdir -p $PWD-work; cd $PWD-work; $CC -g -I$p/inc -c $p/src/x.c -o x.o", "stored", true, false},
		{"relative paths from a build directory beside", code, nil, "touch meson.build; p=../$(basename $PWD); mkdir -p $PWD-build; cd $PWD-build; touch build.ninja; $CC -g -I$p/inc -c $p/src/x.c -o x.o", "stored", true, false},
		{"a header beside", with("src/x.c", "#include \"../../h.h\"\nint f(void) { return sizeof TEXT; }\n"), nil, "mv inc/h.h ..; $CC -g -c src/x.c -o x.o", "stored", false, false},
		{"a link that leads out", code, nil, "mv inc ../$(basename $PWD)-inc; ln -s ../$(basename $PWD)-inc inc; $CC -g -Iinc -c src/x.c -o x.o", "stored", false, false},
		{"a checkout in a checkout", map[string]string{".git/HEAD": "", "sub/.git": "", "sub/x.c": "#include <h.h>\nint x;\n", "sub/h.h": "#define TEXT 1\n"}, nil, "$CC -g -Isub -c sub/x.c -o x.o", "hit", false, false},
		{"a build script", map[string]string{"work/.git": "", "cargo/registry/y/y.c": "#include <made.h>\nint x = MADE;\n"}, nil,
			"export CARGO_HOME=$PWD/cargo; o=$PWD/work/target/out; mkdir -p $o; echo '#define MADE 1' >$o/made.h; cd cargo/registry/y; $CC -g -I$o -c y.c -o $o/y.o", "hit", false, false},
		{"libraries of a build", code, nil, "mkdir -p target/deps; LD_LIBRARY_PATH=$PWD/target/deps " + absolute, "hit", true, false},
		{"own map", code, nil, absolute + " -g -fdebug-prefix-map=$PWD=/elsewhere", "hit", true, false},
		{"own map of files", code, nil, absolute + " -g -ffile-prefix-map=$PWD=.", "hit", true, false},
		{"own map of files, own name", speaks, nil, absolute + " -ffile-prefix-map=$PWD=.", "hit", true, false},
		{"own map of a directory in it", code, nil, absolute + " -g -fdebug-prefix-map=$PWD/inc=/headers", "hit", false, false},
		{"own map from above", code, nil, absolute + " -g -fdebug-prefix-map=$(echo $PWD | sed 's,/one/.*,,;s,/two/.*,,')=/above", "stored", true, false},
		{"search path", code, nil, "CPATH=$PWD/inc $CC -c src/x.c -o x.o", "hit", true, false},
		{"forced header", code, nil, "$CC -include $PWD/inc/h.h -Iinc -c src/x.c -o x.o", "hit", true, false},
		{"response file", code, nil, "echo -I$PWD/inc >args; $CC @args -c src/x.c -o x.o", "hit", true, false},
		{"absent directory", code, nil, absolute + " -I$PWD/nowhere", "hit", true, false},
		{"link to a header", code, nil, "ln -sf ../inc/h.h src/h.h; $CC -c $PWD/src/x.c -o x.o", "hit", true, false},
		{"absolute link to a directory", code, nil, "ln -sfn $PWD/inc link; $CC -I$PWD/link -c $PWD/src/x.c -o x.o", "hit", true, false},
		{"assembler", with("src/a.s", "\t.text\n\t.globl f\nf:\tret\n"), nil, "$CC -c $PWD/src/a.s -o a.o", "hit", true, false},
		{"assembler with cpp", with("src/a.S", "#include \"h.h\"\n\t.globl f\nf:\tret\n"), []string{"gcc"}, "$CC -g -I$PWD/inc -c $PWD/src/a.S -o a.o", "hit", false, false},
		{"assembler with cpp, not mapped", with("src/a.S", "#include \"h.h\"\n\t.globl f\nf:\tret\n"), []string{"clang"}, "$CC -g -I$PWD/inc -c $PWD/src/a.S -o a.o", "stored", false, false},
		{"embedded file", with("src/b.c", "asm(\".incbin \\\"inc/h.h\\\"\");\n"), nil, "$CC -c $PWD/src/b.c -o b.o", "hit", true, false},
		{"another spelling of some", code, nil, "ln -sfn $PWD ../spelled; cd ../spelled; $CC -I$PWD/inc -c $(pwd -P)/src/x.c -o x.o", "stored", true, false},
		{"another spelling, dependencies", code, nil, "ln -sfn $PWD ../spelled; cd ../spelled; $CC -MD -I$PWD/inc -c $PWD/src/x.c -o $PWD/x.o", "hit", true, false},
		{"another spelling", code, nil, "ln -sfn $PWD ../spelled; cd ../spelled; $CC -g -I$PWD/inc -c $PWD/src/x.c -o x.o", "hit", false, false},

		{"own name", speaks, nil, plain, "hit", true, false}, // ../inc/h.h
		{"own name, absolute", speaks, nil, absolute, "stored", true, false},
		{"own name, hidden", hashes, nil, absolute, "stored", true, false},
		{"own name, hidden in a macro", with("src/x.c", "enum { N = sizeof WHERE }; int a[N];\n"), nil, absolute + " -DWHERE=__FILE__", "stored", true, false},
		{"a definition", code, nil, absolute + " -DDATA=\\\"$PWD/data\\\"", "stored", true, false},
		{"a definition that is counted", with("src/x.c", "int a[sizeof DATA];\n"), nil, absolute + " -DDATA=\\\"$PWD/data\\\"", "stored", true, false},
		{"coverage", code, nil, plain + " --coverage", "stored", false, true},
		{"the command line", code, nil, absolute + " -frecord-gcc-switches", "stored", true, false},
		{"bitcode", code, nil, absolute + " -flto", "stored", false, true},
		{"linemarkers", code, []string{"gcc"}, absolute + " -save-temps", "stored", true, false},
		{"profiles", code, nil, absolute + " -fprofile-arcs", "stored", false, true},
		{"names of symbols", code, []string{"clang"}, absolute + " -funique-internal-linkage-names", "stored", true, false},
		{"options whose files are watched", code, nil, "mkdir tools; $CC -B$PWD/tools -Iinc -c src/x.c -o x.o", "stored", true, false},
		{"a compiler in the project", code, nil, "w=${CC% *}; [ \"$w\" != \"$CC\" ] || w=; cc=${CC##* }; mkdir bin; ln -s $(command -v $cc) bin/$cc; $w $PWD/bin/$cc -Iinc -c src/x.c -o x.o", "stored", true, false},
		{"compressed, in macros", with("src/x.c", "#include <here.h>\nint x;\n"), nil, "pwd >inc/here.h; sed -i 's/.*/#define HERE \"&\"/' inc/here.h; $CC -g3 -gz -Iinc -c src/x.c -o x.o", "stored", false, false},
		{"text that names the place", with("src/x.c", "int x;\n"), nil, "pwd >inc/here.h; sed -i 's/.*/char here[] = \"&\";/' inc/here.h; $CC -include inc/here.h -c src/x.c -o x.o", "stored", true, false},
	}
}

func TestPlaces(t *testing.T) {
	runAll(t, slices.Concat(cases(), moreCases(), fullNames(), rustCases(), rustNames()))
}

// rustCases are calls of rustc that cargo makes for crates in a workspace.
func rustCases() []testCase {
	const call = "mkdir -p out; CARGO_MANIFEST_DIR=$PWD $CC --edition 2021 --crate-name x --crate-type lib --emit=dep-info,metadata,link --error-format=json " +
		"--json=artifacts,diagnostic-rendered-ansi -C debuginfo=2 --out-dir $PWD/out"
	source := func(text string) map[string]string { return map[string]string{"Cargo.toml": "", "src/x.rs": text} }
	on := []string{"rustc"}
	return []testCase{
		{"notices and a warning", source("fn unused() {}\npub fn f() {}\n"), on, call + " $PWD/src/x.rs", "hit", false, false},
		{"the directory of the manifest", source("pub const DIR: &str = env!(\"CARGO_MANIFEST_DIR\");\n"), on, call + " src/x.rs", "stored", false, false},
		{"own map of rustc", source("pub fn f() -> &'static str { file!() }\n"), on, call + " --remap-path-prefix=$PWD=/elsewhere $PWD/src/x.rs", "hit", false, false},
		{"coverage of rustc", source("pub fn f() {}\n"), on, call + " -C instrument-coverage src/x.rs", "stored", false, false},
		{"a macro that names files by itself", source("macro_rules! here { () => { concat!(file!(), \":\", line!()) } }\npub const HERE: &str = here!();\n"), on, call + " $PWD/src/x.rs", "hit", false, false},
	}
}

// runAll runs scenes with all compilers that each is for.
func runAll(t *testing.T, list []testCase, settings ...string) {
	for _, tc := range list {
		on := tc.on
		if on == nil {
			on = []string{"gcc", "clang"}
		}
		for _, cc := range on {
			t.Run(tc.name+"/"+cc, func(t *testing.T) {
				t.Parallel()
				tc.run(t, cc, settings...)
			})
		}
	}
}

// run builds the project in one place, then in another, and compares what comes of
// that with a build there that knows of no other place.
func (tc *testCase) run(t *testing.T, cc string, settings ...string) {
	if cc == "rustc" {
		cc = rustc(t)
	}
	base := newBase(t)
	i, fresh := newInstance(t, settings...), newInstance(t, settings...)
	tc.build(t, i, base, one, i.Wrapper+" "+cc, "stored")
	moved := tc.build(t, i, base, two, i.Wrapper+" "+cc, tc.want)
	again := tc.build(t, i, base, two, i.Wrapper+" "+cc, "hit")
	if d := harness.Diff(moved, again, nil); d != "" {
		t.Errorf("a hit in the same place: %s", d)
	}
	want := tc.build(t, fresh, base, two, fresh.Wrapper+" "+cc, "stored")
	if d := harness.Diff(want, moved, nil); d != "" && !tc.random {
		t.Errorf("as compiled there: %s", d)
	}
	if tc.exact {
		if d := harness.Diff(tc.build(t, nil, base, two, cc, ""), moved, nil); d != "" {
			t.Errorf("as by the bare compiler: %s", d)
		}
	}
	if !tc.speaks() {
		noneNames(t, moved, base+"/one")
	}
	if out, err := i.Admin("verify"); err != nil && !tc.random {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

// oneInText stands in files and scripts for the first place, wherever they lie.
const oneInText = "@ONE@"

// speaks reports whether the files themselves name the first place.
func (tc *testCase) speaks() bool {
	for _, text := range tc.files {
		if strings.Contains(text, oneInText) {
			return true
		}
	}
	return false
}

// newBase returns a directory for both places. The tests' own would have their names in
// it, which are no paths that can be moved.
func newBase(t *testing.T) string {
	t.Helper()
	base, err := os.MkdirTemp("", "places-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	if base, err = filepath.EvalSymlinks(base); err != nil {
		t.Fatal(err)
	}
	return base
}

// lay puts a fresh copy of the files in place. It returns the first directory of place,
// and place itself, as they lie in base.
func lay(t *testing.T, base, place string, files map[string]string) (root, dir string) {
	t.Helper()
	root, dir = filepath.Join(base, strings.Split(place, "/")[0]), filepath.Join(base, place)
	if err := os.RemoveAll(root); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(text, oneInText, filepath.Join(base, one))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root, dir
}

func newInstance(t *testing.T, settings ...string) *harness.Instance {
	t.Helper()
	i, err := product.NewInstance(settings...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Stop)
	return i
}

// build builds a fresh copy of the project in place and wants the outcome; i is nil
// for a bare build.
func (tc *testCase) build(t *testing.T, i *harness.Instance, base, place, cc, want string) *harness.Result {
	t.Helper()
	root, dir := lay(t, base, place, tc.files)
	env := harness.BareEnv()
	if i != nil {
		env = i.Env
	}
	r, err := harness.Run(root, dir, strings.ReplaceAll(tc.script, oneInText, filepath.Join(base, one)), append(env, "CC="+cc), nil)
	if err != nil {
		t.Fatal(err)
	}
	if i == nil {
		return r
	}
	got, err := i.Outcome()
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		s, _ := i.Stats()
		t.Errorf("in %s: %s, want %s; located: %v\n%s%s", place, got, want, s.Located, r.Stdout, r.Stderr)
	}
	return r
}
