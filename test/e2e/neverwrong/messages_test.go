package neverwrong

import "testing"

// TestMessages is about what a compiler prints (rows 16 and 17), and on which
// stream.
func TestMessages(t *testing.T) {
	runCases(t, languageAndTerminal())
	runCases(t, droppedByPreprocessor())
	runCases(t, streams())
}

const warns = "int f(int x) { int unused; if (x = 1) return \"é\"; }\n"

func languageAndTerminal() []testCase {
	f := files{"a.c": warns, "k": ""}
	vary := func(name string, calls ...string) testCase {
		c := testCase{name: "messages " + name, on: ccs(), files: f}
		for _, call := range calls {
			c.steps = append(c.steps, step{"", call, "any"}, step{"", "", "any"})
		}
		c.steps = append(c.steps, step{"", calls[0], "any"})
		return c
	}
	const cc = "$CC -Wall -c a.c -o a.o"
	return []testCase{
		cached("messages replayed", all(), files{"a.c": "int f(int x) { int unused; if (x = 1) return 1; }\n"}, cc, "rm -f a.o"),
		cached("warnings replayed", ccs(), f, cc, "rm a.o"),
		vary("LC_ALL", "LC_ALL=C "+cc, "LC_ALL=C.UTF-8 "+cc, "LC_ALL=de_DE.UTF-8 "+cc, "LC_ALL= "+cc),
		vary("LANG", "LC_ALL= LANG=C "+cc, "LC_ALL= LANG=C.UTF-8 "+cc, "LC_ALL= LANG=xx "+cc),
		vary("LC_CTYPE", "LC_ALL= LC_CTYPE=C "+cc, "LC_ALL= LC_CTYPE=C.UTF-8 "+cc),
		vary("LC_MESSAGES", "LC_ALL= LC_MESSAGES=C "+cc, "LC_ALL= LC_MESSAGES=C.UTF-8 LANGUAGE=de "+cc),
		vary("colour by flag", cc, "$CC -fdiagnostics-color=always -Wall -c a.c -o a.o", "$CC -fdiagnostics-color=never -Wall -c a.c -o a.o", "$CC -fdiagnostics-color=auto -Wall -c a.c -o a.o"),
		vary("colour by variable", "GCC_COLORS='warning=01;31' $CC -fdiagnostics-color=always -Wall -c a.c -o a.o", "GCC_COLORS='warning=01;32' $CC -fdiagnostics-color=always -Wall -c a.c -o a.o", "GCC_COLORS= $CC -fdiagnostics-color=always -Wall -c a.c -o a.o"),
		vary("TERM", "TERM=dumb "+cc, "TERM=xterm-256color "+cc),
		vary("forced by CLICOLOR_FORCE or NO_COLOR", "CLICOLOR_FORCE=1 "+cc, "NO_COLOR=1 "+cc),
		vary("COLUMNS", "COLUMNS=20 "+cc, "COLUMNS=200 "+cc),
		vary("-fmessage-length", "$CC -fmessage-length=40 -Wall -c a.c -o a.o", "$CC -fmessage-length=0 -Wall -c a.c -o a.o"),
		vary("URLs", "TERM_URLS=st GCC_URLS=st $CC -fdiagnostics-color=always -Wall -c a.c -o a.o", "GCC_URLS=no $CC -fdiagnostics-color=always -Wall -c a.c -o a.o"),
		vary("arg0", cc, "$(which $CC) -Wall -c a.c -o a.o", "$CC -Wfoo -Wall -c a.c -o a.o"),
		vary("on a terminal", "script -qec '"+cc+"' /dev/null", "TERM=dumb script -qec '"+cc+"' /dev/null", cc),
		vary("on a terminal of another width", "script -qec 'stty cols 40; "+cc+"' /dev/null", "script -qec 'stty cols 150; "+cc+"' /dev/null"),
		vary("standard error alone on a terminal", "script -qec '"+cc+" >out' /dev/null", "script -qec '"+cc+" 2>out' /dev/null; cat out"),
		vary("-Werror", cc, "$CC -Wall -Werror -c a.c -o a.o"),
		vary("-fdiagnostics", "$CC -fdiagnostics-show-caret -Wall -c a.c -o a.o", "$CC -fno-caret-diagnostics -fno-diagnostics-show-caret -Wall -c a.c -o a.o"),
		vary("LC_ALL and -g", "LC_ALL=C $CC -g -Wall -c a.c -o a.o", "LC_ALL=C.UTF-8 $CC -g -Wall -c a.c -o a.o"),
		vary("-finput-charset by locale", "LC_ALL=C $CC -finput-charset=latin1 -c a.c -o a.o", "LC_ALL=C.UTF-8 $CC -finput-charset=utf-8 -c a.c -o a.o"),
		vary("assembler text in a language", "LC_ALL=C $CC -S -fverbose-asm a.c -o a.s", "LC_ALL=de_DE.UTF-8 LANGUAGE=de $CC -S -fverbose-asm a.c -o a.s"),
		vary("streams merged", cc+" 2>&1", cc+" 2>&1 | cat", cc+" 2>/dev/null", cc+" >/dev/null 2>&1"),
		vary("silent in another language", "LC_ALL=C $CC -w -c a.c -o a.o", "LC_ALL=C.UTF-8 $CC -w -c a.c -o a.o"),
	}
}

func droppedByPreprocessor() []testCase {
	src := func(text string) files { return files{"a.c": text, "h.h": "#define M 1\n"} }
	return []testCase{
		stale("a token moves with -g", ccs(), src("int f(int x) { return x + 1; }\n"), "$CC -g -c a.c -o a.o", "echo 'int f(int x) { return  x + 1; }' >a.c"),
		stale("a line moves with -g", ccs(), src("int f(int x) { return x + 1; }\n"), "$CC -g -c a.c -o a.o", "sed -i '1i/* one line more */' a.c"),
		stale("a comment that silenced a warning", ccs(), src("int f(int x) { switch (x) { case 1: x++; /* fallthrough */ case 2: return 3; } return x; }\n"), "$CC -Wextra -Wall -c a.c -o a.o", "sed -i 's,/. fallthrough ./,/*            */,; s/x++/x--/' a.c"),
		right("a comment that silenced a warning, only", gcc(), src("int f(int x) { switch (x) { case 1: x++; /* fallthrough */ case 2: return 3; } return x; }\n"), "$CC -Wextra -c a.c -o a.o", "sed -i 's,/. fallthrough ./,/*            */,' a.c"),
		stale("a comment that makes a warning", ccs(), src("int v; // x\nint w;\n"), "$CC -Wcomment -c a.c -o a.o", "printf 'int v; // x\\\\\\nint w;\\n' >a.c"),
		stale("a macro in -g3", gcc(), src("#define Q 1\nint v;\n"), "$CC -g3 -c a.c -o a.o", "sed -i 's/Q 1/Q 2/' a.c"),
		stale("a macro in -fdebug-macro", clang(), src("#define Q 1\nint v;\n"), "$CC -g -fdebug-macro -c a.c -o a.o", "sed -i 's/Q 1/Q 2/' a.c"),
		stale("a macro of a header in -g3", gcc(), src("#include \"h.h\"\nint v;\n"), "$CC -g3 -c a.c -o a.o", "echo '#define M 2' >h.h"),
		stale("an unused macro warned about", ccs(), src("int v;\n"), "$CC -Wunused-macros -c a.c -o a.o", "sed -i '1i#define ZZ 1' a.c"),
		stale("the caret line", ccs(), src("int f(void) { return \"x\"; }\n"), "$CC -c a.c -o a.o", "sed -i 's,$, /* tail */,' a.c"),
		stale("the column of a message", ccs(), src("int f(void) { return \"x\"; }\n"), "$CC -c a.c -o a.o", "sed -i 's/return/  return/' a.c"),
		stale("tabs for spaces", ccs(), src("int f(void) {        return \"x\"; }\n"), "$CC -c a.c -o a.o", "sed -i 's/        /\\t/' a.c"),
		stale("misleading indentation", ccs(), src("int f(int x) {\n if (x)\n  x++;\n  x++;\n return x; }\n"), "$CC -Wall -c a.c -o a.o", "sed -i 's/^  x++;$/ x++;/' a.c"),
		stale("#pragma that silences", ccs(), src("#pragma GCC diagnostic ignored \"-Wint-conversion\"\nint f(void) { return \"x\"; }\n"), "$CC -c a.c -o a.o", "sed -i 1s/.*// a.c"),
		stale("#warning text", ccs(), src("#warning one\nint v;\n"), "$CC -c a.c -o a.o", "sed -i s/one/two/ a.c"),
		stale("#warning in a header", ccs(), src("#include \"h.h\"\nint v;\n"), "$CC -c a.c -o a.o", "echo '#warning two' >h.h"),
		stale("a system header's warning", ccs(), files{"a.c": "#include <h.h>\nint v;\n", "i/h.h": "#pragma GCC system_header\n#warning one\n"}, "$CC -Wsystem-headers -Ii -c a.c -o a.o", "sed -i s/one/two/ i/h.h"),
		stale("__LINE__", ccs(), src("int v = __LINE__;\n"), "$CC -c a.c -o a.o", "sed -i '1i/**/' a.c"),
		stale("__COUNTER__ and __INCLUDE_LEVEL__", ccs(), src("#include \"h.h\"\nint v = __COUNTER__;\n"), "$CC -c a.c -o a.o", "echo 'static const int q = __COUNTER__;' >h.h"),
		stale("a string's bytes", ccs(), src("const char *s = \"one\";\n"), "$CC -c a.c -o a.o", "printf 'const char *s = \"o\\303\\251\";\\n' >a.c"),
		stale("__VA_OPT__, line splices", ccs(), src("#define F(x, ...) x __VA_OPT__(+ 1)\nint v = F(1, 2);\n"), "$CC -g -c a.c -o a.o", "printf '#define F(x, ...) x __VA_OPT__(+ 1)\\nint \\\\\\nv = F(1, 2);\\n' >a.c"),
		stale("#ident", gcc(), src("#ident \"one\"\n"), "$CC -c a.c -o a.o", "sed -i s/one/two/ a.c"),
		stale("a file's end without a newline", ccs(), src("int v;\n"), "$CC -Wall -pedantic -c a.c -o a.o 2>&1 | sort", "printf 'int v; int w;' >a.c"),
		stale("a failing compile then fixed", all(), src("int v = 1;\n"), "$CC -c a.c -o a.o", "echo 'int v = 2;' >a.c"),
		{"fails, fixed, fails", all(), src("int v = ;\n"), "", []step{{"", "$CC -c a.c -o a.o", "failed"}, {"", "", "failed"}, {"echo 'int v = 1;' >a.c", "", "!stored"}, {"", "", "hit"}, {"echo 'int v = ;' >a.c", "", "!failed"}, {"", "", "failed"}}},
		{"fails with an old object there", ccs(), src("int v = ;\n"), "echo old >a.o; echo old >a.d", []step{{"", "$CC -MD -c a.c -o a.o", "failed"}, {"", "", "failed"}}},
		{"fails by -Werror only", ccs(), files{"a.c": warns}, "", []step{{"", "$CC -Wall -c a.c -o a.o", "stored"}, {"", "$CC -Wall -Werror -c a.c -o a.o", "!failed"}, {"", "$CC -Wall -c a.c -o a.o", "!hit"}}},
		{"fails for want of a header, then it is there", all(), files{"a.c": useH}, "", []step{{"", "$CC -MD -c a.c -o a.o", "failed"}, {"echo '#define V 1' >h.h", "", "!stored"}, {"", "", "hit"}, {"rm h.h", "", "!any"}}},
		{"fails in the assembler", ccs(), src("__asm__(\"bogus\");\n"), "", []step{{"", "$CC -c a.c -o a.o; echo $?", "failed"}, {"", "", "failed"}}},
		{"fatal errors and limits", ccs(), src("#include \"none.h\"\n"), "", []step{{"", "$CC -c a.c -o a.o; echo $?", "failed"}, {"", "$CC -fmax-errors=1 -c a.c; echo $?", "any"}, {"", "$CC -c none.c; echo $?", "any"}}},
	}
}
