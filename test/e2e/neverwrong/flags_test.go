package neverwrong

import "testing"

// TestFlags is about what a command line may hold (rows 12, 15 and 20).
func TestFlags(t *testing.T) {
	runCases(t, responseFiles())
	runCases(t, sourceKinds())
	runCases(t, timeAndChance())
	runCases(t, filesByFlags())
}

func responseFiles() []testCase {
	f := files{"a.c": "const char *s = X;\n", "r": "'-DX=\"one\"'\n", "r1": "@r2 -c", "r2": "-DX=\\\"two\\ words\\\"", "d/k": ""}
	return []testCase{
		stale("response file changed", all(), f, "$CC @r -c a.c -o a.o", "echo \"'-DX=\\\"three\\\"'\" >r"),
		stale("response file changed, same size and time", ccs(), f, "$CC @r -c a.c -o a.o", "touch -r r s; sed -i s/one/six/ r; touch -r s r"),
		asIs("response file and -save-temps", ccs(), f, "$CC @r -Id -save-temps -c a.c -o d/a.o; $CC @r -isystem d -save-temps=cwd -c a.c -o a.o; $CC @r -iquote d -save-temps=obj -c a.c -o d/a.o; ls -A . d", "rm -f a.o d/* d/.a*"),
		stale("nested response files", ccs(), f, "$CC @r1 a.c -o a.o", "echo '-DX=4' >r2; echo 'int X2;' >>a.c"),
		other("quotes in response files", ccs(), files{"a.c": "const char *s = X;\n", "p": "\"-DX=\\\"a\\\"\"", "q": "'-DX=\"a b\"'"}, "$CC @p -c a.c -o a.o", "$CC @q -c a.c -o a.o"),
		cached("a whole command in a response file", ccs(), files{"all": "-c\n  a.c\t-o a.o -O2\n\n", "a.c": "int v;\n"}, "$CC @all", "rm a.o"),
		right("missing response file", ccs(), f, "$CC @none -c a.c -o a.o; echo $?", "echo '-DX=1' >none"),
		right("response file that includes itself", ccs(), files{"a.c": "int v;\n", "r": "@r"}, "timeout 20 $CC @r -c a.c -o a.o 2>&1 | head -c 300; echo $?", "echo '-DX=1' >r"),
		right("response file that is a directory", ccs(), f, "$CC @d -c a.c -DX=0 -o a.o; echo $?", "rm -r d; echo -Wall >d; echo 'int f(void){int u;}' >>a.c"),
		calm("response file from a FIFO", ccs(), files{"a.c": "int v = X;\n", "x": "-DX=1"}, "[ -p p ] || mkfifo p; { timeout 5 cat x >p & }; timeout 5 $CC @p -c a.c -o a.o; echo $?", "echo '-DX=2' >x"),
		right("response file with odd text", ccs(), files{"a.c": "const char *s = X;\n", "r": "'-DX=\"a\\b\nc\"' \\\n -O1 \"\" "}, "$CC @r -c a.c -o a.o; echo $?", "echo -DX=0 >r"),
		right("response file with an open quote", ccs(), files{"a.c": "int s = X;\n", "r": "-DX=1 '-DY=2"}, "$CC @r -c a.c -o a.o; echo $?", "echo -DX=0 >r"),
		right("a file called @r", ccs(), files{"a.c": "int s = X;\n", "@r.c": "int v;\n"}, "$CC -c @r.c -o a.o; $CC -c ./@r.c -o b.o", "echo 'int w;' >>@r.c"),
		right("response file with zero bytes", ccs(), files{"a.c": "int s = X;\n", "r": "-DX=1\x00-DY=2"}, "$CC @r -c a.c -o a.o; echo $?", "echo -DX=0 >r"),
		right("response file with comments or escapes of other systems", ccs(), files{"a.c": "int s = X;\n", "r": "-DX=1 # -DX=3\r\n"}, "$CC @r -c a.c -o a.o; echo $?", "echo -DX=0 >r"),
	}
}

func sourceKinds() []testCase {
	src := files{"a.c": "int v = sizeof('a');\n", "a.cc": "int v;\n", "k": ""}
	out := []testCase{
		other("-x", ccs(), src, "$CC -c a.c -o a.o", "$CC -x c++ -c a.c -o a.o"),
		other("-x none", ccs(), src, "$CC -x c++ -c a.c -o a.o", "$CC -x c++ -x none -c a.c -o a.o"),
		other("-x after the source", ccs(), src, "$CC -x c++ -c a.c -o a.o", "$CC -c a.c -x c++ -o a.o"),
		right("-x cpp-output", ccs(), files{"a.c": "#define X 1\nint v = X;\n"}, "$CC -x cpp-output -c a.c -o a.o", "echo 'int v = 2;' >a.c"),
		stale("preprocessed source", ccs(), files{"a.i": "int v = 1;\n"}, "$CC -c a.i -o a.o", "echo 'int v = 2;' >a.i"),
		calm("preprocessed source with an #include", ccs(), files{"a.i": "#include \"h.h\"\nint v;\n", "h.h": "int one;\n"}, "$CC -c a.i -o a.o", "echo 'int two;' >h.h; echo 'int w;' >>a.i"),
		calm("-fpreprocessed with an #include", gcc(), files{"a.c": "#include \"h.h\"\nint v;\n", "h.h": "int one;\n"}, "$CC -fpreprocessed -c a.c -o a.o", "echo 'int two;' >h.h; echo 'int w;' >>a.c"),
		right("-fdirectives-only on preprocessed text", gcc(), files{"a.c": "#define N V\nint v = N;\n", "h.h": "int one;\n"}, "$CC -fdirectives-only -DV=1 -c a.c -o a.o", "echo 'int w;' >>a.c"),
		right("-traditional-cpp", gcc(), files{"a.c": "int v;\n"}, "$CC -traditional-cpp -c a.c -o a.o; $CC -traditional-cpp -E a.c", "echo 'int w;' >>a.c"),
		right("gch_preprocess pragma", gcc(), files{"a.i": "#pragma GCC pch_preprocess \"x.gch\"\nint v;\n"}, "$CC -fpreprocessed -c a.i -o a.o; echo $?", "echo junk >x.gch; echo 'int w;' >>a.i"),
		asIs("-xc joined", ccs(), src, "$CC -xc++ -c a.c -o a.o; $CC -xassembler -c /dev/null -o b.o; $CC -x unknown -c a.c; $CC -x", "rm -f *.o"),
		asIs("IR as a source", clang(), files{"a.ll": "@v = global i32 1\n"}, "$CC -c a.ll -o a.o; $CC -S -emit-llvm a.ll -o -; $CC -emit-llvm -c a.ll -o a.bc; $CC -c a.bc -o b.o", "rm -f *.o"),
		asIs("a source with an unknown extension", ccs(), files{"a.foo": "int v;\n"}, "$CC -c a.foo; echo $?", ":"),
		asIs("a source called like an option", ccs(), files{"-a.c": "int v;\n"}, "$CC -c ./-a.c -o a.o; $CC -c -- -a.c; echo $?", ":"),
	}
	for _, ext := range []string{"cc", "cpp", "cxx", "C", "c++", "cp", "CPP", "ii", "m", "mm", "mi", "mii", "M", "sx", "h", "hpp"} {
		out = append(out, calm("extension "+ext, ccs(), files{"a." + ext: "#define W 1\n"}, "$CC -c a."+ext+" -o a.o; echo $?", "echo 'int v' >a."+ext+"; echo 'nop' >>a."+ext))
	}
	return out
}

func timeAndChance() []testCase {
	never := func(name string, on []string, f files, call string) testCase {
		return testCase{name: "time " + name, on: on, files: f, steps: []step{{"", call, "bare"}, {"", "", "bare"}}}
	}
	src := func(text string) files { return files{"a.c": text, "h.h": "#define NOW __TIME__\n"} }
	return []testCase{
		never("__TIME__", all(), src("const char *s = __TIME__;\n"), "$CC -c a.c -o a.o"),
		never("__DATE__", all(), src("const char *s = __DATE__;\n"), "$CC -c a.c -o a.o"),
		never("in a header's macro", ccs(), src("#include \"h.h\"\nconst char *s = NOW;\n"), "$CC -c a.c -o a.o"),
		never("in a system header's macro, -MMD", ccs(), files{"a.c": "#include <h.h>\nconst char *s = NOW;\n", "sys/h.h": "#define NOW __TIME__\n"}, "$CC -isystem sys -MMD -c a.c -o a.o"),
		never("by -D", ccs(), src("const char *s = X;\n"), "$CC -DX=__TIME__ -c a.c -o a.o"),
		never("pasted", ccs(), src("#define P(a,b) a##b\nconst char *s = P(__TI,ME__);\n"), "$CC -c a.c -o a.o"),
		never("pasted in small pieces", ccs(), src("#define P_(a,b) a##b\n#define P(a,b) P_(a,b)\nconst char *s = P(P(__,TI),P(ME,__));\n"), "$CC -c a.c -o a.o"),
		never("split over lines", ccs(), src("const char *s = __TI\\\nME__;\n"), "$CC -c a.c -o a.o"),
		never("in assembler", ccs(), files{"a.S": ".ascii __TIME__\n"}, "$CC -c a.S -o a.o"),
		never("by -include", ccs(), files{"a.c": "const char *s = NOW;\n", "h.h": "#define NOW __TIME__\n"}, "$CC -include h.h -c a.c -o a.o"),
		never("in a response file's -D", ccs(), files{"a.c": "const char *s = NOW;\n", "r": "-DNOW=__TIME__\n"}, "$CC @r -c a.c -o a.o"),
		right("__TIMESTAMP__", ccs(), src("const char *s = __TIMESTAMP__;\n"), "[ -e z ] || touch -d 2020-01-01 a.c; $CC -c a.c -o a.o", ":>z; touch -d 2021-01-01 a.c"),
		right("__TIMESTAMP__ in a header's macro", ccs(), files{"a.c": "#include \"h.h\"\nconst char *s = NOW;\n", "h.h": "#define NOW __TIMESTAMP__\n"}, "[ -e z ] || touch -d 2020-01-01 a.c h.h; $CC -c a.c -o a.o", ":>z; touch -d 2021-01-01 a.c h.h"),
		right("__TIMESTAMP__ pasted", ccs(), src("#define P_(a,b) a##b\n#define P(a,b) P_(a,b)\nconst char *s = P(__TIME,STAMP__);\n"), "[ -e z ] || touch -d 2020-01-01 a.c; $CC -c a.c -o a.o", ":>z; touch -d 2021-01-01 a.c"),
		other("SOURCE_DATE_EPOCH", gcc(), src("const char *s = __DATE__ __TIME__;\n"), "SOURCE_DATE_EPOCH=1 $CC -c a.c -o a.o", "SOURCE_DATE_EPOCH=100000 $CC -c a.c -o a.o"),
		right("SOURCE_DATE_EPOCH of clang", clang(), src("const char *s = __DATE__ \"x\";\n"), "SOURCE_DATE_EPOCH=1 $CC -c a.c -o a.o", "echo 'int w;' >>a.c"),
		calm("SOURCE_DATE_EPOCH, bad", ccs(), src("const char *s = __DATE__;\n"), "SOURCE_DATE_EPOCH=x $CC -c a.c -o a.o; echo $?", "echo 'int w;' >>a.c"),
		{name: "the word in a comment or string", on: ccs(), files: src("/* not __TIME__ */ const char *s = \"x\";\n"), steps: []step{{"", "$CC -c a.c -o a.o", "any"}, {"", "", "any"}}},
		right("-frandom-seed", gcc(), src("namespace { int f() { return 1; } } int (*p)() = f;\n"), "$CC -x c++ -frandom-seed=1 -c a.c -o a.o", "echo 'int w;' >>a.c"),
		other("-frandom-seed changed", gcc(), src("int v;\n"), "$CC -flto -frandom-seed=1 -c a.c -o a.o", "$CC -flto -frandom-seed=2 -c a.c -o a.o"),
		stale("-frandom-seed and coverage", gcc(), src("int f(void) { return 1; }\n"), "$CC --coverage -frandom-seed=1 -c a.c -o a.o", "echo 'int g(void) { return 2; }' >>a.c"),
		right("-flto", ccs(), src("int v = 1;\n"), "$CC -flto -c a.c -o a.o", "echo 'int w;' >>a.c"),
		right("-flto, fixed seed, and its link", gcc(), src("int main(void) { return 1; }\n"), "$CC -flto -frandom-seed=1 -c a.c -o a.o && gcc -flto a.o -o a.out; ./a.out; echo $?", "sed -i s/1/2/ a.c"),
		right("-flto -ffat-lto-objects", gcc(), src("int v = 1;\n"), "$CC -flto -ffat-lto-objects -c a.c -o a.o", "echo 'int w;' >>a.c"),
		right("-march=native", all(), src("int f(int x) { return __builtin_popcount(x); }\n"), "$CC -O2 -march=native -c a.c -o a.o", "echo 'int w;' >>a.c"),
		right("-mtune=native and -mcpu=native", ccs(), src("int f(int x) { return x; }\n"), "$CC -O2 -mtune=native -c a.c -o a.o", "echo 'int w;' >>a.c"),
		right("-march=native in a response file", ccs(), files{"a.c": "int v;\n", "r": "-march=native"}, "$CC @r -c a.c -o a.o", "echo 'int w;' >>a.c"),
		calm("-march=native by a pragma", gcc(), src("#pragma GCC target(\"arch=native\")\nint f(int x) { return __builtin_popcount(x); }\n"), "$CC -O2 -c a.c -o a.o; echo $?", "echo 'int w;' >>a.c"),
		calm("-march=native by an attribute", gcc(), src("__attribute__((target(\"arch=native\"))) int f(int x) { return __builtin_popcount(x); }\n"), "$CC -O2 -c a.c -o a.o; echo $?", "echo 'int w;' >>a.c"),
	}
}

func filesByFlags() []testCase {
	f := func(extra string) files {
		return files{"a.c": "int f(int n) { int a[10]; return a[n]; }\n", "x": extra}
	}
	const more = "echo 'int more;' >>a.c; "
	prof := "int g(int); int f(int n) { if (n > 3) return g(n); return 1; }\n"
	return []testCase{
		right("-fprofile-use with changed counts", gcc(), files{"a.c": "int main(int c, char **v) { return c > 1; }\n"},
			"[ -e a.gcda ] || { gcc -O2 -fprofile-generate a.c -o a.out -dumpbase a.c -dumpdir '' && ./a.out; ls *.gcda >/dev/null; }; $CC -O2 -fprofile-use=a.gcda -Wno-missing-profile -c a.c -o a.o; $CC -O2 -fprofile-use -c a.c -o a.o", "./a.out 1 || for i in 1 2 3 4 5 6 7 8 9; do ./a.out 1 || :; done; echo 'int w;' >>a.c"),
		right("-fprofile-use, counts appear", gcc(), files{"a.c": prof}, "$CC -O2 -fprofile-use -Wmissing-profile -c a.c -o a.o", "echo junk >a.gcda; echo 'int w;' >>a.c"),
		right("-fprofile-use=directory", gcc(), files{"a.c": prof, "p/k": ""}, "$CC -O2 -fprofile-use=p -Wmissing-profile -c a.c -o a.o", "echo junk >p/a.gcda; echo 'int w;' >>a.c"),
		right("-fauto-profile", gcc(), files{"a.c": prof}, "$CC -O2 -fauto-profile=x.afdo -c a.c -o a.o; echo $?", "echo junk >x.afdo; echo 'int w;' >>a.c"),
		right("-fprofile-instr-use", clang(), files{"a.c": prof}, "$CC -O2 -fprofile-instr-use=x.prof -c a.c -o a.o; echo $?", "echo junk >x.prof; echo 'int w;' >>a.c"),
		right("-fprofile-sample-use", clang(), files{"a.c": prof, "x.prof": "f:100:10\n 1: 10\n"}, "$CC -O2 -gline-tables-only -fprofile-sample-use=x.prof -c a.c -o a.o; echo $?", "printf 'f:90000:1000\\n 0: 10\\n 1: 90\\n' >x.prof"),
		right("-fsanitize-ignorelist", clang(), f("fun:f\n"), "$CC -fsanitize=address -fsanitize-ignorelist=x -c a.c -o a.o", "echo 'fun:nothing' >x"),
		right("-fsanitize-blacklist", clang(), f("fun:f\n"), "$CC -fsanitize=address -fsanitize-blacklist=x -c a.c -o a.o", "echo 'fun:nothing' >x"),
		right("-fsanitize-coverage-allowlist", clang(), f("fun:f\nsrc:*\n"), "$CC -fsanitize-coverage=trace-pc-guard -fsanitize-coverage-allowlist=x -c a.c -o a.o", "printf 'src:*\\nfun:none\\n' >x"),
		right("-fxray-attr-list", clang(), f("[always]\nfun:f\n"), "$CC -fxray-instrument -fxray-attr-list=x -c a.c -o a.o", "printf '[never]\\nfun:f\\n' >x"),
		right("-fprofile-list", clang(), f("fun:f\n"), "$CC -fprofile-instr-generate -fprofile-list=x -c a.c -o a.o", "printf '!fun:f\\n' >x"),
		right("-mllvm", clang(), f(""), "$CC -O2 -mllvm -inline-threshold=1 -c a.c -o a.o", more),
		right("--param", gcc(), f(""), "$CC -O2 --param max-inline-insns-single=1 -c a.c -o a.o", more),
		right("-Xclang", clang(), f(""), "$CC -Xclang -disable-llvm-passes -O2 -c a.c -o a.o", more),
		right("-Xclang -include", clang(), files{"a.c": "int v = V;\n", "h.h": "#define V 1\n"}, "$CC -Xclang -include -Xclang h.h -c a.c -o a.o", "echo '#define V 2' >h.h"),
		right("-Wp,-include", gcc(), files{"a.c": "int v = V;\n", "h.h": "#define V 1\n"}, "$CC -Wp,-include,h.h -c a.c -o a.o", "echo '#define V 2' >h.h"),
		right("-Wp,-I", ccs(), files{"a.c": "#include <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Wp,-Ii1 -Wp,-Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		right("-Xpreprocessor -I", ccs(), files{"a.c": "#include <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -Xpreprocessor -Ii1 -Xpreprocessor -Ii2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		right("-I joined and apart", ccs(), files{"a.c": "#include <h.h>\nint v = V;\n", "i1/k": "", "i2/h.h": "#define V 1\n"}, "$CC -I i1 --include-directory=i2 -c a.c -o a.o; $CC -I i1 -I i2 -c a.c -o a.o", "echo '#define V 2' >i1/h.h"),
		right("-fdump-* to a named file", gcc(), f(""), "$CC -fdump-tree-gimple=g.txt -c a.c -o a.o", more),
		right("-fopt-info to a named file", gcc(), f(""), "$CC -O3 -fopt-info-all=g.txt -c a.c -o a.o", more),
		calm("-fdiagnostics-add-output or sarif", gcc(), files{"a.c": warns}, "$CC -Wall -fdiagnostics-format=sarif-file -c a.c -o a.o; echo $?", more),
		calm("-frecord-gcc-switches with a response file", gcc(), files{"a.c": "int v;\n", "r": "-DX=1"}, "$CC -frecord-gcc-switches @r -c a.c -o a.o", "echo '-DX=2' >r"),
		calm("-fcompare-debug by a variable", gcc(), f(""), "GCC_COMPARE_DEBUG=-fcompare-debug $CC -c a.c -o a.o", more),
		calm("DEPENDENCIES_OUTPUT", ccs(), files{"a.c": useH, "h.h": "#define V 1\n"}, "DEPENDENCIES_OUTPUT=x.d $CC -c a.c -o a.o", "echo '#include \"n.h\"' >>h.h; :>n.h"),
		calm("SUNPRO_DEPENDENCIES", ccs(), files{"a.c": useH, "h.h": "#define V 1\n"}, "SUNPRO_DEPENDENCIES='x.d t' $CC -c a.c -o a.o", "echo '#include \"n.h\"' >>h.h; :>n.h"),
		right("CC_PRINT_HEADERS", clang(), files{"a.c": useH, "h.h": "#define V 1\n"}, "CC_PRINT_HEADERS=1 CC_PRINT_HEADERS_FILE=$PWD/x.log $CC -c a.c -o a.o", "echo '#include \"n.h\"' >>h.h; :>n.h"),
		right("CC_PRINT_OPTIONS", clang(), f(""), "CC_PRINT_OPTIONS=1 CC_PRINT_OPTIONS_FILE=$PWD/x.log $CC -c a.c -o a.o", more),
		right("CC_LOG_DIAGNOSTICS", clang(), files{"a.c": warns}, "CC_LOG_DIAGNOSTICS=1 CC_LOG_DIAGNOSTICS_FILE=$PWD/x.log $CC -Wall -c a.c -o a.o", more),
		right("CCC_OVERRIDE_OPTIONS", clang(), files{"a.c": "int v = V;\n", "w": ":"}, ". ./w; $CC -DV=1 -c a.c -o a.o", "echo \"export CCC_OVERRIDE_OPTIONS='# +-DV=2'\" >w"),
		right("COLLECT_GCC_OPTIONS", gcc(), f(""), "COLLECT_GCC_OPTIONS=x $CC -c a.c -o a.o", more),
		right("POSIXLY_CORRECT and MALLOC_PERTURB_", ccs(), f(""), "POSIXLY_CORRECT=1 MALLOC_PERTURB_=7 $CC -c a.c -o a.o", more),
		right("TMPDIR missing", ccs(), f(""), "TMPDIR=/none $CC -c a.c -o a.o", more),
		right("TMPDIR of the caller", ccs(), f(""), "mkdir -p t; TMPDIR=$PWD/t $CC -c a.c -o a.o; ls t", more),
		other("GNUTARGET", gcc(), files{"a.c": "int v;\n", "k": ""}, "$CC -c a.c -o a.o", "GNUTARGET=elf32-i386 $CC -c a.c -o a.o; echo $?"),
		right("ASAN or other runtime options", gcc(), f(""), "GLIBC_TUNABLES=glibc.malloc.check=1 $CC -c a.c -o a.o", more),
		right("a header given by -D from a variable", ccs(), files{"a.c": "#include H\nint v = V;\n", "h1.h": "#define V 1\n", "w": "1"}, "$CC \"-DH=\\\"h$(cat w).h\\\"\" -c a.c -o a.o", "echo '#define V 2' >h2.h; echo 2 >w"),
	}
}
