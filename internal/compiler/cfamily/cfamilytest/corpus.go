package cfamilytest

// Corpus returns projects that every compiler of the family must pass. They
// cover the rules by which headers and assembled files are found.
func Corpus() []Case {
	return append(searchCases(), forceCases()...)
}

const plain = "#include \"h.h\"\nint f(void) { return H; }\n"

func searchCases() []Case {
	return []Case{
		{Name: "beside", Files: files("sub/a.c", plain, "sub/h.h", "#define H 1\n"), Args: "-c sub/a.c -I inc -o a.o"},
		{Name: "shadowed", Files: files("a.c", plain, "one/x.h", "", "two/h.h", "#define H 1\n", "three/h.h", "#define H 2\n"),
			Args: "-c a.c -Ione -I two -Ithree -Inone"},
		{Name: "system order", Files: files("a.c", "#include <h.h>\nint f(void) { return H; }\n", "s/h.h", "#define H 1\n", "i/h.h", "#define H 2\n", "q/h.h", "#define H 3\n"),
			Args: "-c a.c -isystem s -I i -iquote q -idirafter d"},
		{Name: "quote dir", Files: files("a.c", plain, "q/h.h", "#define H 1\n", "i/h.h", "#define H 2\n"), Args: "-c a.c -I i -iquote q -MD"},
		{Name: "next", Files: files("a.c", plain, "one/h.h", "#include_next <h.h>\n#define H (G+1)\n", "two/h.h", "#define G 1\n"),
			Args: "-c a.c -Ione -Itwo"},
		{Name: "has include", Files: files("a.c", "#ifdef __has_include\n#if __has_include(<opt.h>) || __has_include(\"opt2.h\")\n#error no\n#endif\n#endif\n#ifndef X\nint f(void){return 1;}\n#endif\n"),
			Args: "-c a.c -Iinc -MMD"},
		{Name: "has include found", Files: files("a.c", "#if __has_include(<opt.h>)\nint f(void){return 1;}\n#endif\n", "inc/opt.h", ""),
			Args: "-c a.c -Iinc"},
		{Name: "has include computed", Files: files("a.c", "#define N <opt.h>\n#if __has_include(N)\n#endif\nint f;\n"),
			Args: "-c a.c", Bare: "__has_include with a computed name"},
		{Name: "computed", Files: files("sub/a.c", "#define N \"h.h\"\n#include N\nint f(void){return H;}\n", "i/h.h", "#define H 1\n"),
			Args: "-c sub/a.c -Io -Ii"},
		{Name: "up", Files: files("src/a.c", "#include \"../inc/h.h\"\nint f(void){return H;}\n", "inc/h.h", "#include \"../gen/g.h\"\n#define H 1\n", "gen/g.h", ""),
			Args: "-c src/a.c -Isrc/../gen -MD -MF x.d"},
		{Name: "up in dirs", Files: files("a.c", "#include <../gen/g.h>\nint f(void){return H;}\n", "inc/h.h", "", "gen/g.h", "#define H 2\n"),
			Args: "-c a.c -Inone -Iinc"},
		{Name: "absolute dir", Files: files("a.c", plain, "inc/h.h", "#define H 1\n"), Args: "-c $DIR/a.c -I$DIR/inc/ -o $DIR/out.o"},
		{Name: "symlinked dir", Files: files("a.c", plain, "real/h.h", "#include \"g.h\"\n#define H 1\n", "real/g.h", ""),
			Links: map[string]string{"inc": "real"}, Args: "-c a.c -Iinc"},
		{Name: "symlinked header", Files: files("a.c", plain, "real/h.h", "#include \"g.h\"\n#define H 1\n", "real/g.h", "", "inc/g.h", ""),
			Links: map[string]string{"inc/h.h": "../real/h.h"}, Args: "-c a.c -Iinc"},
		{Name: "symlinked source", Files: files("real/a.c", plain, "real/h.h", "#define H 2\n", "src/h.h", "#define H 1\n"),
			Links: map[string]string{"src/a.c": "../real/a.c"}, Args: "-c src/a.c -Iinc -o a.o"},
		{Name: "one directory twice", Files: files("a.c", "#include <h.h>\nint f(void){return H;}\n", "real/h.h", "#include_next <h.h>\n", "two/h.h", "#define H 1\n"),
			Links: map[string]string{"inc": "real"}, Args: "-c a.c -Iinc -Ireal -Itwo -isystem two"},
		{Name: "directory by another name", Files: files("a.c", plain, "h.h", "#define H 1\n"), Links: map[string]string{"self": "."},
			Args: "-c a.c -g", Env: []string{"PWD=$DIR/self"}},
		{Name: "stale directory name", Files: files("a.c", plain, "h.h", "#define H 1\n"), Args: "-c a.c -g", Env: []string{"PWD=/"}},
		{Name: "directory is a file", Files: files("a.c", plain, "h.h", "#define H 1\n"), Args: "-c a.c -Ih.h", Bare: "include directory is a file"},
		{Name: "variables", Files: files("a.c", plain, "one/h.h", "#include <g.h>\n#define H 1\n", "two/g.h", ""),
			Args: "-c a.c -Inone", Env: []string{"CPATH=$DIR/none:one", "C_INCLUDE_PATH=two:"}},
		{Name: "twice", Files: files("a.c", "#include \"h.h\"\n#include \"i/h.h\"\nint f(void){return H;}\n", "i/h.h", "#pragma once\n#define H 1\n"), Args: "-c a.c -Ii -isystem i"},
		{Name: "import", Files: files("a.c", "#import \"h.h\"\nint f(void){return H;}\n", "i/h.h", "#define H 1\n"), Args: "-c a.c -w -Ii"},
		{Name: "no standard dirs", Files: files("a.c", plain, "i/h.h", "#define H 1\n"), Args: "-c a.c -nostdinc -Ii"},
		{Name: "32 bits", Files: files("a.c", plain, "h.h", "#define H 1\n"), Args: "-c a.c -m32"},
		{Name: "libc", Files: files("a.c", "#include <stdio.h>\n#include <stdlib.h>\n#include <pthread.h>\nint main(void){return puts(\"\");}\n"), Args: "-c a.c -O2 -g -Iinc"},
		{Name: "libc user deps", Files: files("a.c", "#include <stdio.h>\n#include \"h.h\"\nint main(void){return puts(\"\");}\n", "i/h.h", "#include <limits.h>\n"),
			Args: "-c a.c -O2 -MMD -MP -MT a.o -MF .deps/x.d -Ii", Setup: []string{"mkdir .deps"}},
		{Name: "line markers", Files: files("a.c", "#line 3 \"gram.y\"\nint f(void){int z; return z;}\n", "gram.y", "a\nb\nint f() ...\n"), Args: "-c a.c -Wall -O"},
		{Name: "odd names", Files: files("a b$.c", "#include \"x y#.h\"\n#include \"$1.h\"\nint f(void){return H;}\n", "i i/x y#.h", "#define H 1\n", "i i/$1.h", ""),
			Setup: []string{`printf '%s' '-c "a b$.c" "-Ii i" -o a.o -MD' > resp`}, Args: "@resp"},
	}
}

func forceCases() []Case {
	return []Case{
		{Name: "forced", Files: files("sub/a.c", "int f(void){return H;}\n", "i/h.h", "#include \"g.h\"\n#define H G\n", "i/g.h", "#define G 1\n"), Args: "-c sub/a.c -include h.h -Ii -o a.o"},
		{Name: "objective C", Files: files("a.m", "#import \"h.h\"\n@interface A\n- (int)f;\n@end\n@implementation A\n- (int)f { return H; }\n@end\n", "i/h.h", "#define H 1\n"),
			Args: "-c a.m -Ii -MD -w", Env: []string{"OBJC_INCLUDE_PATH=n", "C_INCLUDE_PATH=c"}},
		{Name: "forced macros", Files: files("a.c", "int f(void){return H;}\n", "h.h", "#define H 1\n"), Args: "-c a.c -imacros h.h -MD"},
		{Name: "incbin", Files: files("a.c", "__asm__(\".incbin \\\"b\" \"lob.bin\\\"\");\n", "i/blob.bin", "xyz"), Args: "-c a.c -In -Ii"},
		{Name: "incbin here", Files: files("sub/a.c", "__asm__(\".incbin \\\"blob.bin\\\"\");\n", "i/blob.bin", "xyz", "blob.bin", "123"), Args: "-c sub/a.c -Ii -g"},
		{Name: "assembler", Files: files("a.s", ".include \"m.inc\"\n.incbin \"d/b.bin\"\n", "i/m.inc", ".globl q\nq:\n", "i/d/b.bin", "x"), Args: "-c a.s -In -Ii"},
		{Name: "assembler dirs", Files: files("a.s", ".include \"m.inc\"\n", "i/m.inc", ".globl q\nq:\n"), Args: "-c a.s -Wa,-In -Wa,-Ii"},
		{Name: "assembler with cpp", Files: files("sub/a.S", "#include \"h.h\"\n.include \"m.inc\"\n", "i/h.h", "#define X\n", "i/m.inc", ".globl q\nq:\n"), Args: "-c sub/a.S -In -Ii -MD -o x.o"},
		{Name: "assembler comments", Files: files("a.S", "# it's /* no comment\n#include \"h.h\"\n# */\n nop\n", "i/h.h", ""), Args: "-c a.S -In -Ii"},
		{Name: "preprocessed", Files: files("a.i", "# 1 \"a.c\"\n# 1 \"h.h\" 1\nint x;\n# 2 \"a.c\" 2\nint f(void){return x;}\n"), Args: "-c a.i -Ii -MD -MF x.d"},
		{Name: "dependencies by -Wp", Files: files("a.c", plain, "h.h", "#define H 1\n"), Args: "-c a.c -Wp,-MMD,.a.o.d"},
		{Name: "time", Files: files("a.c", "const char *t = __TIME__;\n"), Args: "-c a.c", Bare: "__DATE__ or __TIME__", Random: true},
		{Name: "time pasted", Files: files("a.c", "#define P(a,b) a##b\nconst char *t = P(__,DATE__);\n"), Args: "-c a.c", Bare: "__DATE__ or __TIME__"},
		{Name: "time defined", Files: files("a.c", "const char *t = T;\n"), Args: "-c a.c -DT=__TIMESTAMP__", Bare: "__TIMESTAMP__"},
		{Name: "time fixed", Files: files("a.c", "#define P(a,b) a##b\nconst char *t = __DATE__ P(__,TIME__) S;\n#pragma push_macro(\"__DATE__\")\n#undef __DATE__\n#pragma pop_macro(\"__DATE__\")\nconst char *u = __DATE__;\n"),
			Args: "-c a.c -w -D__DATE__=\"D\" -D__TIME__=\"T\" -DS=__TIMESTAMP__ -U__TIMESTAMP__ -D__TIMESTAMP__=\"S\""},
		{Name: "time fixed in part", Files: files("a.c", "const char *t = __DATE__ __TIME__;\n"), Args: "-c a.c -w -D__DATE__=\"D\"", Bare: "__DATE__ or __TIME__", Random: true},
		{Name: "time fixed by another time", Files: files("a.c", "const char *t = __DATE__;\n"), Args: "-c a.c -w -D__DATE__=__TIME__", Bare: "__DATE__ or __TIME__", Random: true},
		{Name: "time of a function", Files: files("a.c", "const char *t = __DATE__;\n"), Args: "-c a.c -w -D__DATE__x=1 -Wp,-D__TIME__=\"D\"", Bare: "__DATE__ or __TIME__"},
		{Name: "not the time", Files: files("a.c", "int my__TIME__x, __TIME__R;\n"), Args: "-c a.c"},
		{Name: "output is input", Files: files("a.c", "int f;\n"), Args: "-c a.c -o ./a.c", Bare: "output is an input"},
		{Name: "output is linked input", Files: files("a.c", "int f;\n"), Setup: []string{"ln a.c b.o"}, Args: "-c a.c -o b.o", Bare: "output is an input"},
		{Name: "dependencies over header", Files: files("a.c", plain, "h.h", "#define H 1\n"), Args: "-c a.c -MD -MF a.o", Bare: "two outputs in one file"},
		{Name: "device", Files: files("a.c", "int f;\n"), Args: "-c a.c -o /dev/null", Bare: "output to a device"},
		{Name: "no file", Args: "-c a.c", Bare: "missing input file"},
		{Name: "unknown", Files: files("a.c", ""), Args: "-c a.c -fnew-thing=x", Bare: "unknown option: -fnew-thing"},
		{Name: "native", Files: files("a.c", "double f(double *a, double b) { double s = 0; for (int i = 0; i < 64; i++) s += a[i] * b; return s; }\n"),
			Args: "-c a.c -O3 -march=native -mtune=native -ffast-math"},
		{Name: "native of another kind", Files: files("a.c", ""), Args: "-c a.c -march=native+x", Bare: "-march"},
		{Name: "link", Files: files("a.c", ""), Args: "a.c -o a", Bare: "link"},
		{Name: "two", Files: files("a.c", "", "b.c", ""), Args: "-c a.c b.c", Bare: "multiple input files"},
		{Name: "stdin", Args: "-c -x c -", Bare: "-"},
		{Name: "header", Files: files("a.h", ""), Args: "-c a.h", Bare: "precompiled header creation"},
		{Name: "plugin", Files: files("a.c", ""), Args: "-c a.c -fplugin=./x.so", Bare: "-fplugin"},
		{Name: "dependencies of caller", Files: files("a.c", ""), Args: "-c a.c", Env: []string{"SUNPRO_DEPENDENCIES=x"}, Bare: "environment: SUNPRO_DEPENDENCIES"},
	}
}

// WatchedCases returns projects whose options make the compiler look for files by
// rules that are not modelled.
func WatchedCases() []Case {
	const cpp = "int f(void) { return A + B; }\n"
	return []Case{
		{Name: "prefix", Files: files("a.c", plain, "h.h", "#define H 1\n"), Args: "-c a.c -Bbin -B$DIR/none/ -Bn/x-"},
		{Name: "prefix with programs", Files: files("a.c", plain, "h.h", "#define H 1\n"), Args: "-c a.c -Bbin -MD",
			Setup: []string{`mkdir bin && cp "$(command -v as)" bin/as`}},
		{Name: "below sysroot", Files: files("a.c", "#include <h.h>\nint f(void) { return H; }\n", "root/x/h.h", "#define H 1\n", "root/usr/include/h.h", "#define H 2\n"),
			Args: "-c a.c -isystem =/n -isystem =/x --sysroot=$DIR/root"},
		{Name: "forced behind the driver", Files: files("a.c", cpp, "i/x.h", "#define A 1\n", "j/y.h", "#include <z.h>\n", "j/z.h", "#define B 2\n"),
			Args: "-c a.c -Wp,-I,i -Wp,-Ij -Wp,-include,x.h -Xpreprocessor -include -Xpreprocessor y.h"},
		{Name: "prefixes of include", Files: files("a.c", plain, "p/inc/h.h", "#define H 1\n"), Args: "-c a.c -iprefix $DIR/p/ -iwithprefix n -iwithprefix inc"},
		{Name: "time under a watch", Files: files("a.c", "const char *t = __TIME__;\n"), Args: "-c a.c -Bnone", Bare: "__DATE__ or __TIME__", Random: true},
	}
}

// files makes a map of names and texts in turn.
func files(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return m
}

// PlusCases returns projects for the C++ drivers.
func PlusCases() []Case {
	return []Case{
		{Name: "library", Files: files("a.cpp", "#include <vector>\n#include <string>\n#include <map>\nint f() { return std::vector<int>{1}.size(); }\n"), Args: "-c a.cpp -O1 -g -Iinc -std=c++17"},
		{Name: "library deps", Files: files("a.cc", "#include <cstdlib>\n#include <memory>\nint f() { return *std::make_unique<int>(1); }\n", "i/stdlib.h", "#include_next <stdlib.h>\n"),
			Args: "-c a.cc -MMD -MP -Ii -std=c++20"},
		{Name: "C for C++", Files: files("a.c", "template <class T> T f(T x) { return x; }\nint g() { return f(1'000); }\n"), Args: "-c a.c -MD"},
		{Name: "raw strings", Files: files("a.cc", "const char *s = R\"x(\n\" /* )x\"; // \"\n#include \"h.h\"\nint f() { return H; }\n", "h.h", "#define H 1\n"), Args: "-c a.cc -In"},
		{Name: "C dirs", Files: files("a.cc", "#include <h.h>\nint f() { return H; }\n", "p/h.h", "#define H 1\n", "c/h.h", "#define H 2\n"),
			Args: "-c a.cc", Env: []string{"CPLUS_INCLUDE_PATH=n:p", "C_INCLUDE_PATH=c"}},
		{Name: "no C++ dirs", Files: files("a.cc", "#include <stdlib.h>\n"), Args: "-c a.cc -nostdinc++"},
		{Name: "language by option", Files: files("a.mm", "int f() { return 1; }\n"), Args: "-x c++ -c a.mm"},
		{Name: "save temps", Files: files("a.cc", "int f() { return 1; }\n"), Args: "-c a.cc -save-temps -o x.o"},
		{Name: "wrapped has include", Files: files("a.cc", "#include \"has.h\"\n#if HAS(<q>) || HAS(\"r\")\n#error\n#endif\nint f;\n", "has.h", "#ifndef HAS\n#define HAS(x) __has_include(x)\n#endif\n"),
			Args: "-c a.cc -Ii"},
		{Name: "wrapped too far", Files: files("a.cc", "#define HAS(x) __has_include(x)\n#define H2(x) HAS(x)\n#if H2(<q>)\n#endif\n"), Args: "-c a.cc", Bare: "__has_include with a computed name"},
	}
}
