package neverwrong

import "testing"

const useH = "#include \"h.h\"\nint v = V;\n"

// TestHeaders is about what a search for headers finds (rows 2 and 18).
func TestHeaders(t *testing.T) {
	runCases(t, headerEdits())
	runCases(t, headerShadows())
	runCases(t, headerKinds())
	runCases(t, headerSearch())
	runCases(t, headerPCH())
}

func headerEdits() []testCase {
	one := files{"a.c": useH, "h.h": "#define V 1\n"}
	return []testCase{
		stale("source edited", all(), files{"a.c": "int v = 1;\n"}, "$CC -c a.c -o a.o", "echo 'int v = 2;' >a.c"),
		stale("header edited", all(), one, "$CC -c a.c -o a.o", "echo '#define V 2' >h.h"),
		{name: "header made just before the call", on: ccs(), files: one, steps: []step{{"", "for n in 2 3 4 5 6; do echo \"#define V $n\" >h.h; $CC -c a.c -o a.o; done", "any"}}}, // the next edit may come before a result is stored
		stale("same size", ccs(), one, "$CC -c a.c -o a.o", "printf '#define V 2\\n' >h.h"),
		stale("same size and time", ccs(), one, "$CC -c a.c -o a.o",
			"touch -r h.h ref; printf '#define V 2\\n' >h.h; touch -r ref h.h"),
		stale("same size and time by rename", ccs(), one, "$CC -c a.c -o a.o",
			"printf '#define V 2\\n' >n.h; touch -r h.h n.h; mv n.h h.h"),
		stale("same size and time, in place", ccs(), one, "$CC -c a.c -o a.o",
			"touch -r h.h ref; printf 2 | dd of=h.h bs=1 seek=10 conv=notrunc 2>/dev/null; touch -r ref h.h"),
		stale("old time", ccs(), one, "$CC -c a.c -o a.o", "echo '#define V 2' >h.h; touch -d '2001-01-01' h.h"),
		stale("future time", ccs(), one, "$CC -c a.c -o a.o", "echo '#define V 2' >h.h; touch -d '2037-01-01' h.h"),
		{"touched only", ccs(), one, "", []step{{"", "$CC -c a.c -o a.o", "stored"}, {"touch h.h a.c", "", "hit"}}},
		{"mode only", ccs(), one, "", []step{{"", "$CC -c a.c -o a.o", "stored"}, {"chmod 600 h.h a.c", "", "hit"}}},
		{"there and back", ccs(), one, "", []step{{"", "$CC -c a.c -o a.o", "stored"}, {"echo '#define V 2' >h.h", "", "!stored"},
			{"echo '#define V 1' >h.h", "", "!hit"}, {"echo '#define V 2' >h.h", "", "!hit"}}},
		stale("hard-linked source", ccs(), files{"x.c": useH, "h.h": "#define V 1\n"}, "$CC -c a.c -o a.o",
			"sed 's/V;/V+5;/' x.c >t; cat t >x.c").prepared("ln x.c a.c"),
		stale("hard-linked header written through its other name", ccs(), files{"a.c": useH, "x": "#define V 1\n"},
			"$CC -c a.c -o a.o", "printf '#define V 7\\n' >x").prepared("ln x h.h"),
		stale("header behind a link edited", ccs(), files{"a.c": useH, "d/x.h": "#define V 1\n"},
			"$CC -c a.c -o a.o", "echo '#define V 2' >d/x.h").prepared("ln -s d/x.h h.h"),
		{"link retargeted", all(), files{"a.c": useH, "one": "#define V 1\n", "two": "#define V 2\n"}, "ln -s one h.h",
			[]step{{"", "$CC -c a.c -o a.o", "stored"}, {"", "", "hit"}, {"ln -sfn two h.h", "", "!any"}, {"", "", "hit"}, {"ln -sfn one h.h", "", "!any"}}},
		{"link to a directory retargeted", ccs(), files{"a.c": useH, "v1/h.h": "#define V 1\n", "v2/h.h": "#define V 2\n"}, "ln -s v1 inc",
			[]step{{"", "$CC -Iinc -c a.c -o a.o", "stored"}, {"", "", "hit"}, {"ln -sfn v2 inc", "", "!any"}, {"", "", "hit"}}},
		{"link in the middle of a chain", ccs(), files{"a.c": useH, "v1/h.h": "#define V 1\n", "v2/h.h": "#define V 2\n"}, "ln -s v1 cur; ln -s cur inc",
			[]step{{"", "$CC -Iinc -c a.c -o a.o", "stored"}, {"", "", "hit"}, {"ln -sfn v2 cur", "", "!any"}, {"", "", "hit"}}},
		{"directory replaced by a link", ccs(), files{"a.c": useH, "inc/h.h": "#define V 1\n", "alt/h.h": "#define V 2\n"}, "",
			[]step{{"", "$CC -Iinc -c a.c -o a.o", "stored"}, {"mv inc old; ln -s alt inc", "", "!any"}, {"", "", "hit"}}},
		{"link replaced by a file", ccs(), files{"a.c": useH, "x": "#define V 1\n"}, "ln -s x h.h",
			[]step{{"", "$CC -c a.c -o a.o", "stored"}, {"rm h.h; echo '#define V 3' >h.h", "", "!any"}, {"", "", "hit"}}},
		{"directory renamed under the caller", ccs(), files{"a.c": useH, "i1/h.h": "#define V 1\n", "i2/h.h": "#define V 2\n"}, "",
			[]step{{"", "$CC -Ii1 -c a.c -o a.o", "stored"}, {"mv i1 t; mv i2 i1; mv t i2", "", "!any"}, {"", "", "hit"}}},
		{"header removed", all(), one, "", []step{{"", "$CC -c a.c -o a.o", "stored"}, {"rm h.h", "", "!any"}, {"", "", "any"}, {"echo '#define V 1' >h.h", "", "!hit"}}},
		{"header becomes a directory", ccs(), one, "", []step{{"", "$CC -c a.c -o a.o", "stored"}, {"rm h.h; mkdir h.h", "", "!any"}}},
		{"header becomes a dangling link", ccs(), one, "", []step{{"", "$CC -c a.c -o a.o", "stored"}, {"rm h.h; ln -s nowhere h.h", "", "!any"}}},
		{"header turns empty", ccs(), files{"a.c": "#include \"h.h\"\n#ifdef V\nint v;\n#endif\n", "h.h": "#define V 1\n"}, "",
			[]step{{"", "$CC -c a.c -o a.o", "stored"}, {":>h.h", "", "!any"}, {"", "", "hit"}}},
		stale("deep header", ccs(), files{"a.c": "#include \"1.h\"\nint v = V;\n", "1.h": "#include \"2.h\"\n", "2.h": "#include \"3.h\"\n", "3.h": "#define V 1\n"},
			"$CC -c a.c -o a.o", "echo '#define V 2' >3.h"),
		stale("header in ..", ccs(), files{"s/a.c": "#include \"../h.h\"\nint v = V;\n", "h.h": "#define V 1\n"},
			"cd s; $CC -c a.c -o a.o", "echo '#define V 2' >h.h"),
		{"link that .. goes through", ccs(), files{"a.c": "#include \"p/../h.h\"\nint v = V;\n", "x/q/k": "", "y/q/k": "", "x/h.h": "#define V 1\n", "y/h.h": "#define V 2\n"}, "ln -s x/q p",
			[]step{{"", "$CC -c a.c -o a.o", "stored"}, {"", "", "hit"}, {"ln -sfn y/q p", "", "!any"}, {"", "", "hit"}}},
		stale("absolute include", ccs(), files{"h.h": "#define V 1\n"}, "$CC -c a.c -o a.o", "echo '#define V 2' >h.h").prepared("printf '#include \"%s/h.h\"\\nint v = V;\\n' $PWD >a.c"),
	}
}

func headerShadows() []testCase {
	two := files{"a.c": "#include <h.h>\nint v = V;\n", "i2/h.h": "#define V 2\n", "i1/k": "", "i0/k": ""}
	quoted := files{"a.c": useH, "i2/h.h": "#define V 2\n", "i1/k": "", "i0/k": ""}
	put := func(dir string) string { return "mkdir -p " + dir + "; echo '#define V 1' >" + dir + "/h.h" }
	return []testCase{
		stale("appears earlier on -I", all(), two, "$CC -Ii1 -Ii2 -c a.c -o a.o", put("i1")),
		stale("appears in an -I directory that was not there", all(), two, "$CC -Inew -Ii2 -c a.c -o a.o", put("new")),
		stale("appears below a directory that was not there", ccs(), two, "$CC -Inew/deep/er -Ii2 -c a.c -o a.o", put("new/deep/er")),
		stale("appears by a link to a directory", ccs(), two, "$CC -Inew -Ii2 -c a.c -o a.o", put("hid")+"; ln -s hid new"),
		stale("appears where a dangling link was", ccs(), two, "$CC -Inew -Ii2 -c a.c -o a.o", put("hid")).prepared("ln -s hid new"),
		stale("appears where a dangling file link was", ccs(), two, "$CC -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 9' >hid").prepared("ln -s ../hid i1/h.h"),
		right("appears where a file was as directory", ccs(), two, "$CC -Ii1/k -Ii2 -c a.c -o a.o", "rm i1/k; "+put("i1/k")),
		stale("appears beside the source", all(), quoted, "$CC -Ii2 -c a.c -o a.o", put(".")),
		stale("appears beside the including header", ccs(), files{"a.c": "#include \"m.h\"\nint v = V;\n", "x/m.h": "#include \"h.h\"\n", "i2/h.h": "#define V 2\n"},
			"$CC -Ix -Ii2 -c a.c -o a.o", put("x")),
		stale("appears beside the includer's includer", gcc(), files{"a.c": "#include \"s/m.h\"\nint v = V;\n", "s/m.h": "#include \"h.h\"\n", "i2/h.h": "#define V 2\n"},
			"$CC -Ii2 -c a.c -o a.o", put("s")),
		stale("appears on -iquote", all(), quoted, "$CC -iquote i1 -Ii2 -c a.c -o a.o", put("i1")),
		stale("appears on -isystem", ccs(), two, "$CC -isystem i1 -isystem i2 -c a.c -o a.o", put("i1")),
		stale("appears on -I before -isystem", ccs(), two, "$CC -isystem i2 -Ii1 -c a.c -o a.o", put("i1")),
		stale("appears on -idirafter", ccs(), two, "$CC -idirafter i1 -idirafter i2 -c a.c -o a.o", put("i1")),
		stale("appears on CPATH", ccs(), two, "CPATH=i1:i2 $CC -c a.c -o a.o", put("i1")),
		stale("appears on an empty element of CPATH", ccs(), two, "CPATH=:i2 $CC -c a.c -o a.o", put(".")),
		stale("appears on C_INCLUDE_PATH", ccs(), two, "C_INCLUDE_PATH=i1:i2 $CC -c a.c -o a.o", put("i1")),
		stale("appears on CPLUS_INCLUDE_PATH", cxxs(), two, "CPLUS_INCLUDE_PATH=i1:i2 $CC -c a.c -o a.o", put("i1")),
		right("appears on -iprefix", ccs(), two, "$CC -iprefix $PWD/ -iwithprefix i1 -iwithprefix i2 -c a.c -o a.o", put("i1")),
		right("appears on -iwithprefixbefore", ccs(), two, "$CC -iprefix $PWD/ -iwithprefixbefore i1 -iwithprefixbefore i2 -c a.c -o a.o", put("i1")),
		stale("shadows a system header", ccs(), files{"a.c": "#include <limits.h>\n#ifdef MINE\nint v;\n#endif\n", "i1/k": ""}, "$CC -Ii1 -c a.c -o a.o",
			"echo '#define MINE' >i1/limits.h"),
		stale("shadows a header of a system header", ccs(), files{"a.c": "#include <stdio.h>\n#ifdef MINE\nint v;\n#endif\n", "i1/bits/k": ""}, "$CC -Ii1 -c a.c -o a.o",
			"printf '#define MINE\\n#include_next <bits/types.h>\\n' >i1/bits/types.h"),
		stale("shadows a header of the C++ library", cxxs(), files{"a.cc": "#include <vector>\n#ifdef MINE\nint v;\n#endif\n", "i1/bits/k": ""}, "$CC -Ii1 -c a.cc -o a.o",
			"printf '#define MINE\\n#include_next <bits/stl_vector.h>\\n' >i1/bits/stl_vector.h"),
		stale("shadows a header with -MMD", ccs(), files{"a.c": "#include <stdio.h>\n#ifdef MINE\nint v;\n#endif\n", "i1/bits/k": ""}, "$CC -Ii1 -MMD -c a.c -o a.o",
			"printf '#define MINE\\n#include_next <bits/types.h>\\n' >i1/bits/types.h"),
		stale("shadows within a system directory of the caller, with -MMD", ccs(), files{"a.c": "#include <s.h>\nint v = V;\n", "sys/s.h": "#include <h.h>\n", "i2/h.h": "#define V 2\n", "i1/k": ""},
			"$CC -isystem sys -isystem i1 -isystem i2 -MMD -c a.c -o a.o", put("i1")),
		stale("system header edited, with -MMD", ccs(), files{"a.c": "#include <s.h>\nint v = V;\n", "sys/s.h": "#define V 1\n"},
			"$CC -isystem sys -MMD -MF a.d -c a.c -o a.o", "echo '#define V 2' >sys/s.h"),
		stale("appears in a subdirectory name", ccs(), files{"a.c": "#include <p/h.h>\nint v = V;\n", "i2/p/h.h": "#define V 2\n", "i1/k": ""}, "$CC -Ii1 -Ii2 -c a.c -o a.o", put("i1/p")),
		stale("appears by a second name of a directory", ccs(), files{"a.c": "#include <p/h.h>\nint v = V;\n", "i2/p/h.h": "#define V 2\n", "i1/q/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", "ln -s q i1/p"),
		{"vanishes and the next is taken", ccs(), files{"a.c": "#include <h.h>\nint v = V;\n", "i1/h.h": "#define V 1\n", "i2/h.h": "#define V 2\n"}, "",
			[]step{{"", "$CC -Ii1 -Ii2 -c a.c -o a.o", "stored"}, {"rm i1/h.h", "", "!any"}, {"", "", "hit"}}},
		{"unreadable and the next is taken", ccs(), files{"a.c": "#include <h.h>\nint v = V;\n", "i1/h.h": "#define V 1\n", "i2/h.h": "#define V 2\n"}, "",
			[]step{{"", "$CC -Ii1 -Ii2 -c a.c -o a.o", "stored"}, {"rm i1/h.h; mkdir i1/h.h", "", "!any"}, {"", "", "any"}}},
		{"an unrelated file appears", ccs(), two, "", []step{{"", "$CC -Ii1 -Ii2 -c a.c -o a.o", "stored"}, {"echo x >i1/other.h; echo y >b.c", "", "hit"}}},
	}
}

func headerKinds() []testCase {
	has := files{"a.c": "#if __has_include(<o.h>)\n#include <o.h>\n#endif\n#ifdef O\nint o = O;\n#else\nint n;\n#endif\n", "i1/k": "", "i2/k": ""}
	put := "echo '#define O 1' >i1/o.h"
	return []testCase{
		stale("__has_include appears", all(), has, "$CC -Ii1 -c a.c -o a.o", put),
		stale("__has_include quoted appears", ccs(), files{"a.c": "#if __has_include(\"o.h\")\nint o;\n#else\nint n;\n#endif\n"}, "$CC -c a.c -o a.o", ":>o.h"),
		stale("__has_include vanishes", ccs(), files{"a.c": "#if __has_include(\"o.h\")\nint o;\n#else\nint n;\n#endif\n", "o.h": ""}, "$CC -c a.c -o a.o", "rm o.h"),
		stale("__has_include becomes a directory", ccs(), files{"a.c": "#if __has_include(\"o.h\")\nint o;\n#else\nint n;\n#endif\n", "o.h": ""}, "$CC -c a.c -o a.o", "rm o.h; mkdir o.h"),
		right("__has_include of a macro", ccs(), files{"a.c": "#define NAME \"o.h\"\n#if __has_include(NAME)\nint o;\n#else\nint n;\n#endif\n"}, "$CC -c a.c -o a.o", ":>o.h"),
		right("__has_include by another name", ccs(), files{"a.c": "#define HI __has_include\n#if HI(\"o.h\")\nint o;\n#else\nint n;\n#endif\n"}, "$CC -c a.c -o a.o", ":>o.h"),
		right("__has_include of a -D macro", ccs(), files{"a.c": "#if __has_include(NAME)\nint o;\n#else\nint n;\n#endif\n"}, "$CC '-DNAME=<o.h>' -Ii1 -c a.c -o a.o", "mkdir i1; :>i1/o.h"),
		right("__has_include in -D", ccs(), files{"a.c": "#if HI\nint o;\n#else\nint n;\n#endif\n"}, "$CC '-DHI=__has_include(\"o.h\")' -c a.c -o a.o", ":>o.h"),
		right("__has_include_next", ccs(), files{"a.c": "#include <o.h>\nint v = V;\n", "i1/o.h": "#if __has_include_next(<o.h>)\n#define V 2\n#else\n#define V 1\n#endif\n", "i2/k": ""}, "$CC -Ii1 -Ii2 -c a.c -o a.o", ":>i2/o.h"),
		right("__has_include split over lines", ccs(), files{"a.c": "#if __has_\\\ninclude(\"o\\\n.h\")\nint o;\n#else\nint n;\n#endif\n"}, "$CC -c a.c -o a.o", ":>o.h"),
		right("__has_include with a comment", ccs(), files{"a.c": "#if __has_include /* x */ (\"o.h\")\nint o;\n#else\nint n;\n#endif\n"}, "$CC -c a.c -o a.o", ":>o.h"),
		stale("include_next, edited", ccs(), files{"a.c": "#include <h.h>\nint v = V;\n", "i1/h.h": "#include_next <h.h>\n", "i2/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i2/h.h"),
		stale("include_next, appears between", ccs(), files{"a.c": "#include <h.h>\nint v = V;\n", "i1/h.h": "#include_next <h.h>\n", "i2/k": "", "i3/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -Ii3 -c a.c -o a.o", "echo '#define V 2' >i2/h.h"),
		stale("include of a macro", ccs(), files{"a.c": "#define N <h.h>\n#include N\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		stale("include of a -D macro", ccs(), files{"a.c": "#include N\nint v = V;\n", "x.h": "#define V 1\n"}, "$CC '-DN=\"x.h\"' -c a.c -o a.o", "echo '#define V 2' >x.h"),
		stale("include of a pasted macro", ccs(), files{"a.c": "#define S(x) #x\n#define T(x) S(x.h)\n#define U h\n#include T(U)\nint v = V;\n", "h.h": "#define V 1\n"}, "$CC -c a.c -o a.o", "echo '#define V 2' >h.h"),
		stale("include of a macro, with -MMD", ccs(), files{"a.c": "#define N \"h.h\"\n#include N\nint v = V;\n", "h.h": "#define V 1\n"}, "$CC -c a.c -o a.o", "echo '#define V 2' >h.h"),
		stale("-include edited", ccs(), files{"a.c": "int v = V;\n", "p.h": "#define V 1\n"}, "$CC -include p.h -c a.c -o a.o", "echo '#define V 2' >p.h"),
		stale("-include appears earlier", ccs(), files{"a.c": "int v = V;\n", "i1/p.h": "#define V 1\n"}, "$CC -Ii1 -include p.h -c a.c -o a.o", "echo '#define V 2' >p.h"),
		stale("-imacros edited", ccs(), files{"a.c": "int v = V;\n", "p.h": "#define V 1\n"}, "$CC -imacros p.h -c a.c -o a.o", "echo '#define V 2' >p.h"),
		stale("#import edited", ccs(), files{"a.m": "#import \"h.h\"\nint v = V;\n", "h.h": "#define V 1\n"}, "$CC -c a.m -o a.o", "echo '#define V 2' >h.h"),
		stale("digraph include", ccs(), files{"a.c": "%:include \"h.h\"\nint v = V;\n", "h.h": "#define V 1\n"}, "$CC -c a.c -o a.o", "echo '#define V 2' >h.h"),
		right("trigraph include", ccs(), files{"a.c": "??=include <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -trigraphs -w -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		right("spliced include", ccs(), files{"a.c": "#inc\\\nlude <h\\\n.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		right("spliced with trailing space", ccs(), files{"a.c": "#inc\\ \nlude <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -w -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		right("comment before include", ccs(), files{"a.c": "/* x */ # /* y */ include /* z */ <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		right("name with a space", ccs(), files{"a.c": "#include <h h.h>\nint v = V;\n", "i1/k": "", "i 2/h h.h": "#define V 1\n"}, "$CC -Ii1 '-Ii 2' -c a.c -o a.o", "echo '#define V 2' >'i1/h h.h'"),
		right("name with odd characters", ccs(), files{"a.c": "#include <h$'#:.h>\nint v = V;\n", "i1/k": "", "i2/h$'#:.h": "#define V 1\n"}, "$CC -MD -Ii1 -Ii2 -c a.c -o a.o", `echo '#define V 2' >"i1/h\$'#:.h"`),
		right("name with a backslash", ccs(), files{"a.c": "#include <h\\x.h>\nint v = V;\n", "i1/k": "", "i2/h\\x.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", `printf '#define V 2\n' >'i1/h\x.h'`),
		right("raw string hides a quote", cxxs(), files{"a.cc": "const char *s = R\"(\")\";\n#include <h.h>\nconst char *t = R\"(\")\";\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.cc -o a.o", "echo '#define V 2' >i1/h.h"),
		right("digit separators", cxxs(), files{"a.cc": "int n = 1'000; /* '\n */\n#include <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.cc -o a.o", "echo '#define V 2' >i1/h.h"),
		right("apostrophe in skipped text", ccs(), files{"a.c": "#if 0\ndon't\n#endif\n#include <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		right("bytes that are no UTF-8", ccs(), files{"a.c": "/* \xff\xfe */\n#include <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		right("byte order mark", ccs(), files{"a.c": "\xef\xbb\xbf#include <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		right("carriage returns", ccs(), files{"a.c": "#include <h.h>\r\nint v = V;\r\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		right("lone carriage returns", ccs(), files{"a.c": "// x\r#include <h.h>\rint v = V;\r", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", "echo '#define W 2' >>a.c; echo '#define V 2' >i1/h.h; echo 'int last;' >>a.c"),
		right("include at the end without a newline", ccs(), files{"a.c": "int v;\n#include <h.h>", "i1/k": "", "i2/h.h": "int a;"}, "$CC -Ii1 -Ii2 -c a.c -o a.o", "echo 'int b;' >i1/h.h"),
	}
}
