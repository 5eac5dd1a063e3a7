package places

// fullNames are scenes of sources that say by a full path what they are made of, and of
// texts and names that would not be the same elsewhere. The files that they name lie in the
// first place, and are changed before the second compiles: it reads them where they lie.
func fullNames() []testCase {
	with := func(name, text string) map[string]string {
		all := map[string]string{"Makefile": "", "src/x.c": "#include <h.h>\nchar t[] = TEXT;\n", "inc/h.h": "#define TEXT \"text\"\n"}
		all[name] = text
		return all
	}
	source := func(text string) map[string]string { return with("src/x.c", text) }
	const (
		changed = "case $PWD in */one/*) ;; *) echo '#define TEXT \"changed\"' >@ONE@/inc/h.h;; esac; "
		added   = "case $PWD in */one/*) ;; *) : >@ONE@/inc/g.h;; esac; "
		call    = "$CC -I$PWD/inc -c $PWD/src/x.c -o x.o"
		long    = "int g(void) { int an_unused_variable_with_a_name_that_is_long; return 0; }\n"
	)
	return []testCase{
		{"a header by its full name", source("#include \"@ONE@/inc/h.h\"\nchar t[] = TEXT;\n"), nil, changed + call, "stored", true, false},
		{"a header by its full name in angle brackets", source("#include <@ONE@/inc/h.h>\nchar t[] = TEXT;\n"), nil, changed + call, "stored", true, false},
		{"a header by its full name in a macro", source("#define H \"@ONE@/inc/h.h\"\n#include H\nchar t[] = TEXT;\n"), nil, changed + call, "stored", true, false},
		{"a header by its full name in another", with("inc/i.h", "#include \"@ONE@/inc/h.h\"\n"), nil, changed + call + " -include inc/i.h -Uq", "stored", true, false},
		{"whether there is a header of a full name", source("#if __has_include(\"@ONE@/inc/g.h\")\nint no;\n#else\nint yes;\n#endif\n"), nil, added + call, "stored", true, false},
		{"a file for the assembler by its full name", source("asm(\".incbin \\\"@ONE@/inc/h.h\\\"\");\n"), nil, changed + call, "stored", true, false},
		{"assembler, a file by its full name", with("src/x.s", "\t.incbin \"@ONE@/inc/h.h\"\n"), nil, changed + "$CC -c src/x.s -o x.o", "stored", true, false},
		{"a warning that speaks of the first place", with("inc/h.h", "#warning see @ONE@/inc/doc\n#define TEXT \"\"\n"), nil, call, "stored", true, false},
		{"a warning that speaks of a fixed place", with("inc/h.h", "#warning see /cachepot/src/inc/doc\n#define TEXT \"\"\n"), nil, call, "stored", true, false},
		{"a header with a fixed place in its name", source("#warning loud\nint x;\n"), nil, "mkdir -p cachepot/src; echo 'int y;' >cachepot/src/y.h; $CC -MD -include $PWD/cachepot/src/y.h -c src/x.c -o x.o", "stored", true, false},
		{"messages of a given width", with("inc/h.h", long+"#define TEXT \"\"\n"), nil, call + " -Wall -fmessage-length=70", "stored", true, false},
		{"messages of any width", with("inc/h.h", long+"#define TEXT \"\"\n"), nil, call + " -Wall -fmessage-length=0", "hit", true, false},
		{"own name, in pieces", source("#define C(a,b) a##b\n#define D(a,b) C(a,b)\nint n = sizeof D(__FI,LE__);\n"), nil, call, "stored", true, false},
		{"own name, in pieces of a builtin", source("#define C(a) __builtin_##a\nint n = sizeof C(FILE)();\n"), []string{"gcc"}, call, "stored", true, false},
		{"own name, in an assertion's place", source("#include <assert.h>\nvoid g(int);\n#define __assert_fail(a, b, c, d) g(sizeof(b))\nvoid f(int n) { assert(n); }\n"), nil, call, "stored", true, false},
		{"an assertion without a project's name", source("#include <assert.h>\n#include <stdio.h>\nvoid f(int n) { assert(n); }\n"), nil, "$CC -Iinc -c src/x.c -o x.o", "hit", true, false},
	}
}

// moreCases are calls of compilers with options that may record where they ran.
func moreCases() []testCase {
	code := func() map[string]string {
		return map[string]string{"Makefile": "", "src/x.c": "#include \"h.h\"\n#include <stdio.h>\nint f(void) { return puts(TEXT); }\n", "inc/h.h": "#define TEXT \"text\"\n", "src/a.s": "\t.text\n\t.globl f\nf:\tret\n"}
	}
	const absolute = "$CC -I$PWD/inc -c $PWD/src/x.c -o $PWD/x.o"
	return []testCase{
		{"the options in debug information", code(), []string{"gcc"}, absolute + " -g -grecord-gcc-switches", "hit", false, false},
		{"the options in debug information, paths among them", code(), []string{"clang"}, absolute + " -g -grecord-gcc-switches", "stored", false, false},
		{"a response file by its full name", code(), nil, "echo -I$PWD/inc -DX >args; $CC @$PWD/args -c src/x.c -o x.o", "hit", true, false},
		{"assembler with debug information", code(), []string{"gcc"}, "$CC -g -c $PWD/src/a.s -o a.o", "hit", false, false},
		{"assembler with debug information, not mapped", code(), []string{"clang"}, "$CC -g -c $PWD/src/a.s -o a.o", "stored", false, false},
		{"assembler text", code(), nil, "$CC -I$PWD/inc -g -S $PWD/src/x.c -o $PWD/x.s", "hit", false, false},
		{"files between", code(), []string{"gcc"}, absolute + " -g -save-temps", "stored", false, false},
		{"directories of all kinds", code(), nil, "$CC -iquote $PWD/inc -isystem $PWD/inc -idirafter $PWD/inc -imacros $PWD/inc/h.h -g -c src/x.c -o x.o", "hit", false, false},
		{"two own maps", code(), nil, absolute + " -g -fdebug-prefix-map=$PWD/inc=/i -fdebug-prefix-map=$PWD=/p", "hit", true, false},
		{"own map with a slash", code(), nil, absolute + " -g -fdebug-prefix-map=$PWD/=", "hit", false, false},
		{"another name of the directory", code(), []string{"clang"}, absolute + " -g -fdebug-compilation-dir=$PWD", "stored", false, false},
		{"sources in debug information", code(), []string{"clang"}, absolute + " -g -gdwarf-5 -gembed-source", "hit", false, false},
		{"messages as JSON", map[string]string{"Makefile": "", "src/x.c": "#warning loud\nint x;\n"}, []string{"gcc"}, absolute + " -fdiagnostics-format=json", "hit", true, false},
		{"dependencies, phony and quoted", code(), nil, absolute + " -MD -MP -MQ $PWD/x.o -MF dep.d", "hit", true, false},
	}
}
