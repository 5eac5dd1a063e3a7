package neverwrong

func headerSearch() []testCase {
	three := files{"a.c": "#include <h.h>\nint v = V;\n", "i1/h.h": "#define V 1\n", "i2/h.h": "#define V 2\n"}
	return []testCase{
		other("-I order", all(), three, "$CC -Ii1 -Ii2 -c a.c -o a.o", "$CC -Ii2 -Ii1 -c a.c -o a.o"),
		other("-isystem order", ccs(), three, "$CC -isystem i1 -isystem i2 -c a.c -o a.o", "$CC -isystem i2 -isystem i1 -c a.c -o a.o"),
		other("-I before -isystem", ccs(), three, "$CC -isystem i1 -c a.c -o a.o", "$CC -isystem i1 -Ii2 -c a.c -o a.o"),
		other("-iquote does not serve brackets", ccs(), files{"a.c": useH, "i1/h.h": "#define V 1\n", "i2/h.h": "#define V 2\n"}, "$CC -iquote i1 -Ii2 -c a.c -o a.o", "$CC -Ii2 -c a.c -o a.o"),
		other("same directory as -I and -isystem", ccs(), three, "$CC -Ii1 -Ii2 -c a.c -o a.o", "$CC -Ii1 -Ii2 -isystem i1 -c a.c -o a.o"),
		other("CPATH set", ccs(), three, "CPATH=i1 $CC -c a.c -o a.o", "CPATH=i2 $CC -c a.c -o a.o"),
		other("C_INCLUDE_PATH against CPATH", ccs(), three, "CPATH=i1 C_INCLUDE_PATH=i2 $CC -c a.c -o a.o", "C_INCLUDE_PATH=i2 $CC -c a.c -o a.o"),
		other("variable of the other language", []string{"gcc"}, files{"a.cc": "#include <h.h>\nint v = V;\n", "i1/h.h": "#define V 1\n", "i2/h.h": "#define V 2\n"},
			"CPLUS_INCLUDE_PATH=i1 C_INCLUDE_PATH=i2 $CC -c a.cc -o a.o", "CPLUS_INCLUDE_PATH=i2 C_INCLUDE_PATH=i1 $CC -c a.cc -o a.o"),
		right("-isysroot or --sysroot edited", ccs(), files{"a.c": "#include <h.h>\nint v = V;\n", "root/usr/include/h.h": "#define V 1\n"}, "$CC --sysroot=$PWD/root -c a.c -o a.o", "echo '#define V 2' >root/usr/include/h.h"),
		right("--sysroot, appears earlier", ccs(), files{"a.c": "#include <h.h>\nint v = V;\n", "root/usr/include/h.h": "#define V 1\n", "root/usr/local/include/k": ""}, "$CC --sysroot=$PWD/root -c a.c -o a.o", "echo '#define V 2' >root/usr/local/include/h.h"),
		other("--sysroot changed", gcc(), files{"a.c": "#include <h.h>\nint v = V;\n", "r1/usr/include/h.h": "#define V 1\n", "r2/usr/include/h.h": "#define V 2\n"}, "$CC --sysroot=$PWD/r1 -c a.c -o a.o", "$CC --sysroot=$PWD/r2 -c a.c -o a.o"),
		right("-I=dir below the sysroot", gcc(), files{"a.c": "#include <h.h>\nint v = V;\n", "root/x/h.h": "#define V 1\n", "root/w/k": ""}, "$CC --sysroot=$PWD/root -I=/w -I=/x -c a.c -o a.o", "echo '#define V 2' >root/w/h.h"),
		stale("-nostdinc", ccs(), files{"a.c": "#include <stdio.h>\nint v = V;\n", "i1/k": "", "i2/stdio.h": "#define V 1\n"}, "$CC -nostdinc -Ii1 -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/stdio.h"),
		right("-I-", gcc(), files{"s/a.c": useH, "s/h.h": "#define V 1\n", "i1/k": "", "i2/h.h": "#define V 2\n"}, "$CC -Ii1 -I- -Ii2 -c s/a.c -o a.o", "echo '#define V 3' >i1/h.h"),
		right("working directory is searched for quotes?", ccs(), files{"s/a.c": useH, "i2/h.h": "#define V 2\n"}, "$CC -I. -Ii2 -c s/a.c -o a.o", "echo '#define V 3' >h.h"),
		right("-B adds include directories", ccs(), files{"a.c": "#include <h.h>\nint v = V;\n", "b/include/k": "", "i2/h.h": "#define V 2\n"}, "$CC -B b -idirafter i2 -c a.c -o a.o",
			"echo '#define V 3' >b/include/h.h; echo '#define V 4' >i2/h.h"),
		right("-B directory appears", ccs(), files{"a.c": "#include <h.h>\nint v = V;\n", "i2/h.h": "#define V 2\n"}, "$CC -B b -idirafter i2 -c a.c -o a.o",
			"mkdir -p b/include; echo '#define V 3' >b/include/h.h; echo 'int w;' >>a.c"),
		right("source given by another spelling", ccs(), files{"s/a.c": useH, "s/h.h": "#define V 1\n"}, "$CC -c ./s/../s//a.c -o a.o", "echo '#define V 3' >s/h.h"),
		right("source is a link, headers beside its target", ccs(), files{"real/a.c": useH, "real/h.h": "#define V 1\n", "h.h": "#define V 2\n"}, "ln -sfn real/a.c a.c; $CC -c a.c -o a.o", "rm h.h"),
		right("source is a link, retargeted", ccs(), files{"one.c": "int a;\n", "two.c": "int b;\n"}, "[ -e a.c ] || ln -s one.c a.c; $CC -c a.c -o a.o", "ln -sfn two.c a.c"),
		{"same header under two names and #pragma once", ccs(), files{"a.c": "#include \"i1/h.h\"\n#include \"i2/h.h\"\nint v = V;\n", "i1/h.h": "#pragma once\n#ifdef V\n#undef V\n#define V 2\n#else\n#define V 1\n#endif\n"}, "mkdir i2; ln i1/h.h i2/h.h",
			// Whether the two are one file depends on more than their content: not cached.
			[]step{{"", "$CC -c a.c -o a.o", "bare"}, {"", "", "bare"}, {"rm i2/h.h; sed 's/2/3/' i1/h.h >i2/h.h", "", "!any"}, {"", "", "hit"}}},
		{"#pragma once and a copy that was a link", ccs(), files{"a.c": "#include \"i1/h.h\"\n#include \"i2/h.h\"\nint v = V;\n", "i1/h.h": "#pragma once\n#ifndef V\n#define V 1\n#else\n#error twice\n#endif\n"}, "mkdir i2; ln i1/h.h i2/h.h",
			[]step{{"", "$CC -c a.c -o a.o", "any"}, {"", "", "any"}, {"cp --remove-destination i1/h.h x; rm i2/h.h; mv x i2/h.h; touch -d 2001-01-01 i2/h.h", "", "any"}}},
		{"clang -include-pch or .gch by #include", clang(), files{"a.c": useH, "h.h": "#define V 1\n"}, "",
			[]step{{"", "$CC -c a.c -o a.o", "stored"}, {"echo junk >h.h.gch", "", "any"}, {"", "", "any"}}},
		{"module map appears", clang(), files{"a.c": useH, "h.h": "#define V 1\n"}, "",
			[]step{{"", "$CC -c a.c -o a.o", "any"}, {"", "", "any"}, {"echo 'module X { header \"h.h\" }' >module.modulemap", "", "any"}, {"", "$CC -fmodules -fmodules-cache-path=mc -c a.c -o a.o", "any"}}},
		right("-ivfsoverlay", clang(), files{"a.c": useH, "real.h": "#define V 1\n"},
			"printf '{\"version\":0,\"roots\":[{\"type\":\"file\",\"name\":\"%s/h.h\",\"external-contents\":\"%s/real.h\"}]}' $PWD $PWD >o.yaml; $CC -ivfsoverlay o.yaml -c a.c -o a.o", "echo '#define V 2' >real.h"),
		right("clang config file", clang(), files{"a.c": "int v = V;\n", "x.cfg": "-DV=1\n"}, "$CC --config $PWD/x.cfg -c a.c -o a.o", "echo '-DV=2' >x.cfg"),
		right("computed include, found earlier", ccs(), files{"a.c": "#define D <sub/N.h>\n#include D\nint v = V;\n", "i2/sub/N.h": "#define V 1\n", "i1/k": ""}, "$CC -Ii1 -Ii2 -MMD -c a.c -o a.o", "mkdir i1/sub; echo '#define V 2' >i1/sub/N.h"),
	}
}

func headerPCH() []testCase {
	f := files{"a.c": useH, "h.h": "#define V 1\n"}
	return []testCase{
		// The bare compiler does take a stale .gch: so must we.
		{"a .gch appears", []string{"gcc", "g++"}, f, "echo '#define V 5' >g.h", []step{
			{"", "$CC -c a.c -o a.o", "stored"}, {"", "", "hit"},
			{"$CC -x c-header g.h -o h.h.gch 2>/dev/null; case $CC in g++) $CC -x c++-header g.h -o h.h.gch;; esac", "", "!any"}, {"", "", "any"},
			{"rm h.h.gch", "", "!hit"}}},
		{"a .gch for another language appears", gcc(), f, "echo '#define V 5' >g.h", []step{
			{"", "$CC -c a.c -o a.o", "stored"}, {"$CC -x c++-header g.h -o h.h.gch", "", "any"}, {"", "", "any"}}},
		{"a directory of .gch appears", gcc(), f, "echo '#define V 5' >g.h", []step{
			{"", "$CC -c a.c -o a.o", "stored"}, {"mkdir h.h.gch; $CC -x c-header g.h -o h.h.gch/one", "", "!any"}, {"", "", "any"}, {"rm h.h.gch/one", "", "!any"}}},
		{"a .gch appears earlier on -I", gcc(), files{"a.c": "#include <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "echo '#define V 5' >g.h", []step{
			{"", "$CC -Ii1 -Ii2 -c a.c -o a.o", "stored"}, {"$CC -x c-header g.h -o i1/h.h.gch", "", "!any"}, {"", "", "any"}}},
		{"a .gch for -include appears", gcc(), files{"a.c": "int v = V;\n", "p.h": "#define V 1\n"}, "echo '#define V 5' >g.h", []step{
			{"", "$CC -include p.h -c a.c -o a.o", "stored"}, {"$CC -x c-header g.h -o p.h.gch", "", "!any"}, {"", "", "any"}}},
		{"a .gch changes", gcc(), f, "$CC -x c-header h.h -o h.h.gch", []step{
			{"", "$CC -c a.c -o a.o", "any"}, {"", "", "any"}, {"echo '#define V 5' >h.h; $CC -x c-header h.h -o h.h.gch", "", "!any"}, {"", "", "any"}}},
		{"a .gch that does not fit appears", gcc(), f, "echo '#define V 5' >g.h", []step{
			{"", "$CC -O2 -Winvalid-pch -c a.c -o a.o", "stored"}, {"$CC -O0 -DX -x c-header g.h -o h.h.gch", "", "any"}, {"", "", "any"}}},
		{"junk as .gch", gcc(), f, "", []step{
			{"", "$CC -c a.c -o a.o", "stored"}, {"echo junk >h.h.gch", "", "any"}, {"", "", "any"}}},
		{"-include and .pch or .gch", clang(), files{"a.c": "int v = V;\n", "p.h": "#define V 1\n"}, "echo '#define V 5' >g.h", []step{
			{"", "$CC -include p.h -c a.c -o a.o", "stored"}, {"$CC -x c-header g.h -o p.h.pch", "", "!any"}, {"", "", "any"}, {"rm p.h.pch; $CC -x c-header g.h -o p.h.gch", "", "any"}}},
		{"-include-pch changes", clang(), files{"a.c": "int v = V;\n", "p.h": "#define V 1\n"}, "$CC -x c-header p.h -o p.pch", []step{
			{"", "$CC -include-pch p.pch -c a.c -o a.o", "any"}, {"", "", "any"}, {"echo '#define V 3' >p.h; $CC -x c-header p.h -o p.pch", "", "!any"}, {"", "", "any"}}},
		{"header of a .pch changes", clang(), files{"a.c": "int v = V;\n", "p.h": "#define V 1\n"}, "$CC -x c-header p.h -o p.h.pch", []step{
			{"", "$CC -include p.h -c a.c -o a.o", "any"}, {"", "", "any"}, {"echo '#define V 33' >p.h", "", "!any"}, {"", "", "any"}}},
		{"making a precompiled header", all(), f, "", []step{{"", "$CC -x c-header h.h -o out.gch", "any"}, {"", "", "any"}, {"rm out.gch", "", "any"}, {"", "$CC h.h", "any"}}},
	}
}
