package neverwrong

import "testing"

// TestDirectory is about directories that reach the object (row 4).
func TestDirectory(t *testing.T) {
	runCases(t, directories())
	runCases(t, prefixMaps())
}

func directories() []testCase {
	f := files{"d1/a.c": "const char *f(void) { return __FILE__; }\n", "d2/a.c": "const char *f(void) { return __FILE__; }\n", "h.h": ""}
	in := func(dir, flags string) string { return "cd " + dir + "; $CC " + flags + " -c a.c -o ../a.o" }
	return []testCase{
		other("-g in another directory", all(), f, in("d1", "-g"), in("d2", "-g")),
		other("-g3 in another directory", ccs(), f, in("d1", "-g3"), in("d2", "-g3")),
		other("-gdwarf-5 in another directory", ccs(), f, in("d1", "-gdwarf-5"), in("d2", "-gdwarf-5")),
		other("-gline-tables-only or -g1 in another directory", ccs(), f, in("d1", "-g1"), in("d2", "-g1")),
		other("-ggdb in another directory", ccs(), f, in("d1", "-ggdb -gz"), in("d2", "-ggdb -gz")),
		other("coverage in another directory", ccs(), f, in("d1", "--coverage"), in("d2", "--coverage")),
		other("-fprofile-arcs in another directory", ccs(), f, in("d1", "-fprofile-arcs"), in("d2", "-fprofile-arcs")),
		other("-fprofile-generate in another directory", gcc(), f, in("d1", "-fprofile-generate"), in("d2", "-fprofile-generate")),
		other("split dwarf in another directory", ccs(), f, in("d1", "-g -gsplit-dwarf"), in("d2", "-g -gsplit-dwarf")),
		other("__FILE__ of an absolute name", ccs(), f, "cd d1; $CC -c $PWD/a.c -o ../a.o", "cd d2; $CC -c $PWD/a.c -o ../a.o"),
		other("__FILE__ by another relative name", ccs(), f, "$CC -c d1/a.c -o a.o", "cd d1; $CC -c a.c -o ../a.o"),
		other("__FILE__ of a header", ccs(), files{"a.c": "#include \"h.h\"\n", "i/h.h": "const char *v = __FILE__;\n"}, "$CC -Ii -c a.c -o a.o", "$CC -I./i -c a.c -o a.o"),
		other("__FILE__ of a header, absolute", ccs(), files{"a.c": "#include \"h.h\"\n", "i/h.h": "const char *v = __FILE__;\n"}, "$CC -Ii -c a.c -o a.o", "$CC -I$PWD/i -c a.c -o a.o"),
		other("__BASE_FILE__", ccs(), files{"a.c": "const char *v = __BASE_FILE__;\n", "k": ""}, "$CC -c a.c -o a.o", "$CC -c ./a.c -o a.o"),
		other("assert", ccs(), files{"a.c": "#include <assert.h>\nvoid f(int x) { assert(x); }\n", "k": ""}, "$CC -c a.c -o a.o", "$CC -c $PWD/a.c -o a.o"),
		other("-E of an absolute name", ccs(), files{"a.c": "int v;\n#warning here\n", "k": ""}, "$CC -c a.c -o a.o", "$CC -c ./a.c -o a.o"),
		other("directory twice deep", ccs(), files{"x/y/a.c": "int v;\n", "z/y/a.c": "int v;\n"}, "cd x/y; $CC -g -c a.c -o a.o", "cd z/y; $CC -g -c a.c -o a.o"),
		{"PWD by a link", ccs(), f, "ln -s d1 l1", []step{{"", "cd d1; $CC -g -c a.c -o ../a.o", "stored"}, {"", "", "hit"},
			{"", "cd l1; PWD=$PWD $CC -g -c a.c -o ../a.o", "!any"}, {"", "", "any"}, {"", "cd d1; $CC -g -c a.c -o ../a.o", "!hit"}}},
		{"PWD not set, wrong, stale, relative", ccs(), f, "", []step{{"", "cd d1; $CC -g -c a.c -o ../a.o", "stored"},
			{"", "cd d1; env -u PWD $CC -g -c a.c -o ../a.o", "any"}, {"", "cd d1; env PWD=/nowhere $CC -g -c a.c -o ../a.o", "any"},
			{"", "cd d1; env PWD=. $CC -g -c a.c -o ../a.o", "any"}, {"", "cd d1; env PWD=$PWD/../d2 $CC -g -c a.c -o ../a.o", "any"}, {"", "cd d1; env PWD=$PWD/. $CC -g -c a.c -o ../a.o", "any"}, {"", "cd d1; env PWD= $CC -g -c a.c -o ../a.o", "any"}, {"", "cd d1; env PWD=$PWD/../d1 $CC -g -c a.c -o ../a.o", "any"}}},
		{"link in PWD retargeted", ccs(), f, "ln -s d1 l", []step{{"", "cd l; env PWD=$PWD $CC -g -c a.c -o ../a.o", "any"}, {"", "", "any"}, {"ln -sfn d2 l", "", "any"}, {"", "", "any"}}},
		{"coverage by PWD of a link", ccs(), f, "ln -s d1 l1", []step{{"", "cd d1; $CC --coverage -c a.c -o ../a.o", "any"}, {"", "cd l1; env PWD=$PWD $CC --coverage -c a.c -o ../a.o", "!any"}, {"", "", "any"}}},
		{"directory moved", ccs(), f, "", []step{{"", in("d1", "-g"), "stored"}, {"mv d1 d3", in("d3", "-g"), "!any"}, {"mv d2 d1; mv d3 d2", in("d1", "-g"), "any"}, {"", in("d2", "-g"), "any"}}},
		{"directory deleted under the caller", ccs(), f, "", []step{{"", "mkdir g; cd g; cp ../d1/a.c .; $CC -g -c a.c -o ../a.o", "stored"},
			{"rm -r g", "mkdir g; cd g; rmdir ../g; $CC -g -c ../d1/a.c -o ../a.o; $CC -g -c $OLDPWD/d1/a.c -o $OLDPWD/b.o", "any"}}},
		{"#line names files", ccs(), files{"a.c": "#line 7 \"other.c\"\nconst char *f(void) { return __FILE__; }\n"}, "", []step{{"", "$CC -g -c a.c -o a.o", "stored"}, {"", "", "hit"}, {"echo junk >other.c", "", "any"}, {"sed -i s/other/third/ a.c", "", "!any"}}},
		right("error snippet from a file that #line names", gcc(), files{"a.c": "#line 1 \"o.c\"\nint x = \"s\";\n", "o.c": "int one;\n"}, "$CC -c a.c -o a.o", "echo 'int two;' >o.c"),
		right("snippet from preprocessed text's origin", gcc(), files{"a.i": "# 1 \"o.c\"\nint x = \"s\";\n", "o.c": "int one;\n"}, "$CC -c a.i -o a.o", "echo 'int two;' >o.c"),
		right("snippet from an origin that appears", gcc(), files{"a.i": "# 1 \"o.c\"\nint x = \"s\";\n"}, "$CC -c a.i -o a.o", "echo 'int two;' >o.c"),
		right("MD5 of a file that #line names", clang(), files{"a.c": "#line 1 \"o.c\"\nint f(void) { return 1; }\n", "o.c": "int one;\n"}, "$CC -gdwarf-5 -c a.c -o a.o", "echo 'int two;' >o.c; echo 'int g;' >>a.c"),
	}
}

func prefixMaps() []testCase {
	f := files{"d1/a.c": "const char *f(void) { return __FILE__; }\n", "d2/a.c": "const char *f(void) { return __FILE__; }\n", "k": ""}
	in := func(dir, flags string) string { return "cd " + dir + "; $CC " + flags + " -c $PWD/a.c -o ../a.o" }
	return []testCase{
		other("-fdebug-prefix-map", all(), f, in("d1", "-g"), in("d1", "-g -fdebug-prefix-map=$PWD=/x")),
		other("-fdebug-prefix-map, another target", ccs(), f, in("d1", "-g -fdebug-prefix-map=$PWD=/x"), in("d1", "-g -fdebug-prefix-map=$PWD=/y")),
		other("-ffile-prefix-map", ccs(), f, in("d1", "-g"), in("d1", "-g -ffile-prefix-map=$PWD=/x")),
		other("-fmacro-prefix-map", ccs(), f, in("d1", ""), in("d1", "-fmacro-prefix-map=$PWD=/x")),
		other("-fdebug-prefix-map order", ccs(), f, in("d1", "-g -fdebug-prefix-map=$PWD=/x -fdebug-prefix-map=$PWD=/y"), in("d1", "-g -fdebug-prefix-map=$PWD=/y -fdebug-prefix-map=$PWD=/x")),
		right("-fprofile-prefix-path", gcc(), f, in("d1", "--coverage -frandom-seed=1 -fprofile-prefix-path=$PWD"), "echo 'int w;' >>d1/a.c"),
		other("-fdebug-compilation-dir", clang(), f, in("d1", "-g"), in("d1", "-g -fdebug-compilation-dir=/x")),
		other("mapped to the same text, other macro", ccs(), f, in("d1", "-g -fdebug-prefix-map=$PWD=/x"), in("d2", "-g -fdebug-prefix-map=$PWD=/x")),
		stale("mapped, edited", ccs(), f, in("d1", "-g -ffile-prefix-map=$PWD=/x"), "echo 'int w;' >>d1/a.c"),
		other("-fno-working-directory", gcc(), f, in("d1", "-g"), in("d1", "-g -fno-working-directory")),
		other("-grecord-gcc-switches", gcc(), files{"a.c": "int v;\n", "k": ""}, "$CC -g -c a.c -o a.o", "$CC -g -gno-record-gcc-switches -c a.c -o a.o"),
		other("-frecord-gcc-switches", gcc(), files{"a.c": "int v;\n", "k": ""}, "$CC -frecord-gcc-switches -O1 -c a.c -o a.o", "$CC -frecord-gcc-switches -O1 -fno-inline -c a.c -o a.o"),
		right("-grecord-command-line", clang(), files{"a.c": "int v;\n", "k": ""}, "$CC -g -grecord-command-line -c a.c -o a.o", "echo 'int w;' >>a.c"),
	}
}
