package neverwrong

func streams() []testCase {
	loud := "seq 1 20000 | sed 's/.*/#warning w & and some more text to make it long/' >a.c; "
	f := files{"a.c": warns, "k": ""}
	return []testCase{
		cached("huge standard error", ccs(), f, loud+"$CC -c a.c -o a.o", "rm -f a.o"),
		asIs("huge standard error into a pipe that ends", ccs(), f, "seq 1 300 | sed 's/.*/#warning w &/' >a.c; $CC -c a.c -o a.o 2>&1 | head -1; rm -f a.o", ":"),
		asIs("output into a pipe that ends", ccs(), f, loud+"$CC -c a.c -o a.o 2>&1 | head -1; rm -f a.o", ":"),
		asIs("preprocessed text into a pipe that ends", ccs(), files{"a.c": "#include <stdio.h>\n#include <math.h>\n"}, "$CC -E a.c | head -3", ":"),
		cached("bytes that are no text", ccs(), files{"a.c": "#warning \xff\xfe\x01\x1b[31m\x7f\nint v;\n"}, "$CC -c a.c -o a.o", "rm -f a.o"),
		asIs("zero bytes in messages", ccs(), f, "printf '#warning a\\000b\\nint v\\000;\\n' >a.c; $CC -c a.c -o a.o", "rm -f a.o"),
		asIs("standard output closed", ccs(), f, "$CC -Wall -c a.c -o a.o >&-; echo $? >&2", "rm -f a.o"),
		asIs("standard error closed", clang(), f, "$CC -Wall -c a.c -o a.o 2>&-; echo $?", "rm -f a.o"),
		asIs("standard input closed", ccs(), f, "$CC -Wall -c a.c -o a.o <&-; echo $?", "rm -f a.o"),
		asIs("all closed", ccs(), f, "$CC -Wall -c a.c -o a.o <&- >&- 2>&-; echo $?", "rm -f a.o"),
		asIs("standard error to a full device", ccs(), f, "$CC -Wall -c a.c -o a.o 2>/dev/full; echo $?", "rm -f a.o"),
		asIs("standard error to a file, appended", ccs(), f, "echo x >log; $CC -Wall -c a.c -o a.o 2>>log; cat log", "rm -f a.o"),
		asIs("both to one file", ccs(), f, "$CC -Wall -c a.c -o a.o >log 2>&1; cat log", "rm -f a.o"),
		asIs("both to one file opened twice", ccs(), f, ":>log; $CC -Wall -c a.c -o a.o >>log 2>>log; cat log", "rm -f a.o"),
		asIs("streams interleaved", gcc(), files{"a.c": warns}, "$CC -Wall -Wa,-a -c a.c -o a.o 2>&1", "rm -f a.o"),
		asIs("preprocessed text", all(), files{"a.c": useH, "h.h": "#define V 1\n"}, "$CC -E a.c", ":"),
		right("preprocessed text to a file", ccs(), files{"a.c": useH, "h.h": "#define V 1\n"}, "$CC -E a.c -o a.i", "echo '#define V 2' >h.h"),
		right("preprocessed with directives", ccs(), files{"a.c": useH, "h.h": "#define V 1\n"}, "$CC -E -dD a.c; $CC -E -P -C a.c; $CC -fdirectives-only -E a.c", "echo '#define V 2' >h.h"),
		right("-fsyntax-only", ccs(), files{"a.c": useH, "h.h": "#define V 1\n"}, "$CC -Wall -fsyntax-only a.c", "echo '#define V x' >h.h"),
		asIs("several sources", ccs(), files{"a.c": "int a;\n", "b.c": "int b;\n"}, "$CC -c a.c b.c", "rm *.o"),
		asIs("several sources, one fails", ccs(), files{"a.c": "int a;\n", "b.c": "int ;;b\n"}, "$CC -c a.c b.c", "rm -f *.o"),
		asIs("several sources with -o", ccs(), files{"a.c": "int a;\n", "b.c": "int b;\n"}, "$CC -c a.c b.c -o c.o", "rm -f *.o"),
		right("compile and link", ccs(), files{"a.c": "int main(void) { return 1; }\n"}, "$CC a.c -o a && ./a; echo $?", "echo 'int main(void) { return 2; }' >a.c"),
		right("compile and link a library", ccs(), files{"a.c": "int f(void) { return 1; }\n"}, "$CC -shared -fPIC a.c -o a.so", "echo 'int g;' >>a.c"),
		right("link", ccs(), files{"a.c": "int main(void) { return 1; }\n"}, "$CC -c a.c && $CC a.o -o a && ./a; echo $?", "echo 'int main(void) { return 2; }' >a.c"),
		asIs("questions", all(), f, "$CC -dumpmachine; $CC -print-search-dirs; $CC -print-prog-name=cc1; $CC -dM -E -x c /dev/null | cksum", ":"),
		asIs("no arguments", all(), f, "$CC; echo $?; $CC -c; echo $?; $CC -v 2>&1 | tail -1; $CC --help | head -3; $CC --version", ":"),
		asIs("missing input", all(), f, "$CC -c none.c -o a.o; echo $?", ":"),
		asIs("input is a directory", ccs(), files{"d.c/k": ""}, "$CC -c d.c -o a.o; echo $?", ":"),
		asIs("input without rights", ccs(), files{"a.c": "int v;\n"}, "chmod 0 a.c; setpriv --reuid 65534 --clear-groups $CC -c a.c -o a.o 2>/dev/null; echo $?", ":"),
		asIs("unknown flags", all(), f, "$CC -fno-such-thing -c a.c -o a.o; echo $?; $CC --nonsense -c a.c; echo $?; $CC -Wno-such-warning -c a.c -o b.o; echo $?", "rm -f *.o"),
		asIs("empty arguments", ccs(), f, "$CC '' -c a.c -o a.o; echo $?", ":"),
		asIs("arguments that are odd", ccs(), f, "$CC -c a.c -o a.o -D'X=\"a b\"' '-DY=$(id)' \"-DZ='\" -D'N=\n' '-DU=\xff'; echo $?", "rm -f a.o"),
	}
}
