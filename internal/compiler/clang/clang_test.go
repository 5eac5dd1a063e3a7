package clang_test

import (
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/compiler/cfamily/cfamilytest"
	"github.com/cachepot/cachepot/internal/compiler/clang"
)

func suite() *cfamilytest.Suite {
	return &cfamilytest.Suite{Language: clang.New(), Command: "clang"}
}

func TestCorpus(t *testing.T) {
	for _, c := range cfamilytest.Corpus() {
		suite().Run(t, c)
	}
}

func TestOutputs(t *testing.T) {
	for _, c := range cfamilytest.OutputCases() {
		suite().Run(t, c)
	}
	for _, line := range strings.Split(strings.TrimSpace(outputCalls), "\n") {
		suite().Run(t, cfamilytest.OutputCase(line))
	}
}

const outputCalls = `
-c -- a.c
-c a.c -emit-llvm
-S a.c -emit-llvm
-c a.c -emit-llvm -o d/x.bc -MD
-c a.c -flto -MD
-c a.c -flto=thin -o d/x.o
-S a.c -flto
-c a.c -flto -g -gsplit-dwarf
-c a.c --serialize-diagnostics d/x.dia
-c a.c -MJ j ! -MJ
-c a.c -fno-integrated-as
-c t.S -fno-integrated-as -MD
-c a.c -ftime-trace ! -ftime-trace
-c a.c -Qunused-arguments -Weverything -fcolor-diagnostics
-c a.c -Xclang -disable-O0-optnone
-c a.c -Xclang -load -Xclang x.so ! unknown option: -Xclang -load
-c a.c -mllvm -x ! unknown option: -mllvm -x
-c a.c -mllvm -x86-asm-syntax=intel -mllvm -inline-threshold=50 -O2
-c a.c -Xclang -mllvm -Xclang -unroll-threshold=5 -O2
-c a.c -Xclang -mllvm -Xclang -print-after-all ! unknown option: -Xclang -mllvm
-c a.c -Xclang -fdebug-compilation-dir -Xclang /x -g
-c a.c -fdebug-compilation-dir /x -g
-c a.c -Xclang -target-feature -Xclang +avx2 -Xclang -debug-info-kind=constructor -g -O2
-c a.c -Xclang -target-cpu -Xclang native ! unknown option: -Xclang -target-cpu
-c a.c -fcrash-diagnostics-dir=d/crash
-c a.c -fno-builtin -nostdlib++ -Qunused-arguments
-c a.c --config x ! --config
-c a.c -fmodules ! -fmodule
-S t.S -o t.out
-S t.S -MD ! -S of assembler text
-c a.c -target i386-linux-gnu
-c a.c --target=x86_64-linux-gnu
-c a.c -g1 -gsplit-dwarf ! -gsplit-dwarf with -g1
-c a.c -ggdb3 -gsplit-dwarf
-c a.c -g -gsplit-dwarf=split
-c a.c -g -gsplit-dwarf=single
-c a.c -gsplit-dwarf -g -gno-column-info -gz
-c a.c -O2 -Rpass=inline
-c a.c -fno-temp-file ! -fno-temp-file
-c a.c -fprofile-instr-generate=x.profraw -fcoverage-mapping
-c a.c -working-directory=d ! -working-directory
-c a.c -stdlib=libstdc++
`

func TestRules(t *testing.T) {
	for _, c := range []cfamilytest.Case{
		{Name: "precompiled", Files: map[string]string{"a.c": "int f(void){return H;}\n", "all.h": "#define H 1\n"},
			Setup: []string{"clang all.h -o all.h.pch"}, Args: "-c a.c -include all.h", Bare: "precompiled header of clang"},
		{Name: "another assembler", Files: map[string]string{"a.c": "__asm__(\".incbin \\\"b.bin\\\"\");\n", "i/b.bin": "x"}, Args: "-c a.c -no-integrated-as -Ii"},
		{Name: "sanitizers", Files: map[string]string{"a.c": "int f(int *p){return *p;}\n"}, Args: "-c a.c -fsanitize=address,undefined"},
		{Name: "ignore list", Files: map[string]string{"a.c": "int f(void){return 1;}\n", "l": "fun:f\n"}, Args: "-c a.c -fsanitize=address -fsanitize-ignorelist=l"},
	} {
		suite().Run(t, c)
	}
}

// watchedCases are projects whose options send clang to files by rules of its own.
func watchedCases() []cfamilytest.Case {
	const source = "#include <h.h>\n#ifdef __cplusplus\n#include <vec>\n#endif\nint f(void) { return H; }\n"
	root := map[string]string{"a.c": source, "a.cc": source, "b.c": "#include <stdio.h>\n", "root/usr/include/h.h": "#define H 1\n",
		"root/usr/lib/gcc/x86_64-linux-gnu/9/crtbegin.o": "", "root/usr/include/c++/9/vec": "", "root/usr/include/c++/8/vec": "#define H 3\n",
		"gt/lib/gcc/x86_64-linux-gnu/7/crtbegin.o": "", "gt/include/c++/7/vec": ""}
	return append(cfamilytest.WatchedCases(), []cfamilytest.Case{
		{Name: "sysroot", Files: root, Args: "-c a.c --sysroot=$DIR/root"},
		{Name: "sysroot of C++", Files: root, Args: "-c a.cc --sysroot $DIR/root -MD"},
		{Name: "system root", Files: root, Args: "-c b.c -isysroot $DIR/root"},
		{Name: "toolchain", Files: root, Args: "-c a.cc --gcc-toolchain=$DIR/gt --sysroot=$DIR/root -MMD"},
		{Name: "sysroot of another target", Files: root, Args: "-c a.c --target=aarch64-linux-gnu --sysroot=root"},
		{Name: "resources", Files: map[string]string{"a.c": "#include <stddef.h>\nsize_t f;\n", "res/include/stddef.h": "typedef unsigned long size_t;\n"},
			Args: "-c a.c -resource-dir=$DIR/res"},
		{Name: "overlay", Files: map[string]string{"a.c": "#include \"v/h.h\"\nint f(void) { return H; }\n", "real.h": "#define H 1\n"},
			Setup: []string{`echo "{\"version\": 0, \"roots\": [{\"name\": \"$PWD/v\", \"type\": \"directory\", \"contents\": [{\"name\": \"h.h\", \"type\": \"file\", \"external-contents\": \"$PWD/real.h\"}]}]}" >o.yaml`},
			Args:  "-c a.c -ivfsoverlay o.yaml"},
		{Name: "framework", Files: map[string]string{"a.m": "#include <K/h.h>\nint f(void) { return H; }\n", "fw/K.framework/Headers/h.h": "#define H 1\n"},
			Args: "-c a.m -Fnone -Ffw"},
	}...)
}

func TestWatched(t *testing.T) {
	for _, c := range watchedCases() {
		suite().Run(t, c)
	}
}

func TestWatchedMutations(t *testing.T) {
	for _, c := range watchedCases() {
		if c.Bare == "" {
			suite().Mutate(t, c)
		}
	}
}

func TestNative(t *testing.T) { suite().Native(t) }

func TestPlus(t *testing.T) {
	plus := &cfamilytest.Suite{Language: clang.New(), Command: "clang++", CPlus: true}
	for _, c := range cfamilytest.PlusCases() {
		plus.Run(t, c)
	}
}

func TestCoverage(t *testing.T) {
	cfamilytest.Coverage(t, clang.Options(), "clang", 0.9, "--help", "--help-hidden")
}

func TestSurvey(t *testing.T) {
	suite().Survey(t, "c")
	(&cfamilytest.Suite{Language: clang.New(), Command: "clang++", CPlus: true}).Survey(t, "c+")
}

func TestMutations(t *testing.T) {
	for _, c := range cfamilytest.Corpus() {
		if c.Bare == "" {
			suite().Mutate(t, c)
		}
	}
}

func BenchmarkHeavy(b *testing.B) {
	plus := &cfamilytest.Suite{Language: clang.New(), Command: "clang++", CPlus: true}
	plus.Benchmark(b, cfamilytest.Case{Args: "-c a.cc -std=c++17 -Iinc -MD", Files: map[string]string{
		"a.cc": "#include <regex>\n#include <map>\n#include <filesystem>\nint f() { return 1; }\n"}})
}

func BenchmarkSmall(b *testing.B) {
	suite().Benchmark(b, cfamilytest.Case{Args: "-c a.c -O2 -Iinc -MMD", Files: map[string]string{
		"a.c": "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\nint f(void) { return 1; }\n"}})
}
