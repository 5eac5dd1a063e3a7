package places

import (
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// macroCases are scenes of sources that ask for their own names, where these are mapped.
func macroCases() []testCase {
	header := map[string]string{"Makefile": "", "src/x.cc": "#include \"h.h\"\nchar a[] = TEXT; int n = sizeof TEXT;\n", "inc/h.h": "#define TEXT __FILE__\n"}
	source := func(text string) map[string]string { return map[string]string{"Makefile": "", "src/x.cc": text} }
	speaks := source("const char *f() { return __FILE__; }\nint n = sizeof __FILE__;\nconst char *g() { return __BASE_FILE__; }\nconst char *h() { return __builtin_FILE(); }\n")
	const absolute = "$CC -I$PWD/inc -c $PWD/src/x.cc -o $PWD/x.o"
	return []testCase{
		{"relative", header, nil, "cd src; $CC -I../inc -c x.cc -o x.o", "hit", true, false},
		{"absolute", speaks, nil, absolute, "hit", false, false},
		{"in a header", header, nil, absolute, "hit", false, false},
		{"with debug information", speaks, nil, absolute + " -g", "hit", false, false},
		{"with macros in debug information", speaks, nil, absolute + " -g3", "hit", false, false},
		{"in a macro of the command", source("enum { N = sizeof WHERE }; int a[N];\n"), nil, absolute + " -DWHERE=__FILE__", "hit", false, false},
		{"of the caller", source("#include <source_location>\nconst char *f(const char *p = std::source_location::current().file_name()) { return p; }\nconst char *p = f();\n"),
			[]string{"gcc"}, absolute + " -std=c++20", "hit", false, false},
		{"in assertions", source("#include <cassert>\nvoid f(int n) { assert(n); }\n"), nil, absolute, "hit", false, false},
		{"in a build directory beside", header, nil, "touch CMakeLists.txt; src=$PWD; mkdir -p $PWD-build; cd $PWD-build; touch CMakeCache.txt; $CC -I$src/inc -c $src/src/x.cc -o x.o", "hit", false, false},
		{"mapped by the command", speaks, nil, absolute + " -fmacro-prefix-map=$PWD=/mine", "hit", true, false},
		{"files mapped by the command", speaks, nil, absolute + " -g -ffile-prefix-map=$PWD=/mine", "hit", true, false},
		{"a directory mapped by the command", header, nil, absolute + " -fmacro-prefix-map=$PWD/inc=/mine", "hit", false, false},
		{"mapped from above by the command", speaks, nil, absolute + " -ffile-prefix-map=$(echo $PWD | sed 's,/one/.*,,;s,/two/.*,,')=/above", "stored", true, false},
		{"preprocessed", map[string]string{"Makefile": "", "x.ii": "int x;\n"}, nil, "$CC -c $PWD/x.ii -o x.o", "hit", true, false},
		{"assembler", map[string]string{"Makefile": "", "a.s": "\t.text\n\t.globl f\nf:\tret\n"}, nil, "$CC -c $PWD/a.s -o a.o", "hit", true, false},
		{"assembler with cpp", map[string]string{"Makefile": "", "a.S": "\t.ascii __FILE__\n"}, nil, "$CC -c $PWD/a.S -o a.o", "hit", false, false},
		{"not asked for", source("int f() { return 1; }\n"), nil, absolute, "hit", true, false},
	}
}

// TestFileMacros: with mapped names what asks for its own is shared, and gets what debug
// information has.
func TestFileMacros(t *testing.T) { runAll(t, macroCases(), "CACHEPOT_PATHS_FILE_MACROS=map") }

// TestNamesOfFiles: what a program gets for its sources.
func TestNamesOfFiles(t *testing.T) {
	t.Parallel()
	base := newBase(t)
	files := map[string]string{"Makefile": "", "src/x.c": "#include <stdio.h>\nint main(void) { puts(__FILE__); return 0; }\n"}
	for _, tc := range []struct{ macros, script, want string }{
		{"map", "$CC -c $PWD/src/x.c -o x.o; gcc x.o -o x; ./x", "./src/x.c\n"},
		{"map", "$CC -c src/x.c -o x.o; gcc x.o -o x; ./x", "src/x.c\n"},
		{"keep", "$CC -c $PWD/src/x.c -o x.o; gcc x.o -o x; ./x", base + "/one/p/src/x.c\n"},
	} {
		i := newInstance(t, "CACHEPOT_PATHS_FILE_MACROS="+tc.macros)
		root, dir := lay(t, base, one, files)
		r, err := harness.Run(root, dir, tc.script, append(i.Env, "CC="+i.Wrapper+" gcc"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Stdout != tc.want {
			t.Errorf("%s, %s: %q, want %q\n%s", tc.macros, tc.script, r.Stdout, tc.want, r.Stderr)
		}
	}
}
