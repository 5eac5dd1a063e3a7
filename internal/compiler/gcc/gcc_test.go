package gcc_test

import (
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/compiler/cfamily/cfamilytest"
	"github.com/cachepot/cachepot/internal/compiler/gcc"
)

func suite() *cfamilytest.Suite {
	return &cfamilytest.Suite{Language: gcc.New(), Command: "gcc"}
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
-c a.c -fcallgraph-info -o d/x.o
-c a.c -fcallgraph-info=su,da
~-c a.c --coverage -fprofile-note=n.gcno
-c a.c -aux-info aux.x
~-c a.c -Wa,-adhlns=l.lst
~-c a.c -Wa,-ahl=d/l.lst -g
-c a.c -Wa,-ag=l.lst ! unknown option: -Wa,-ag
~-c a.c -flto
~-c a.c -flto=auto -ffat-lto-objects -O2
-c a.c -fdump-tree-all ! -fdump-
-c a.c -da ! -d
-c a.c -fopt-info-all=x ! -fopt-info
-c a.c -dumpbase q ! -dumpbase
-c a.c -fsave-optimization-record ! -fsave-optimization-record
-c a.c -fprofile-use
-c a.c -Xpreprocessor -MD -Xpreprocessor d/w.d
~-c a.c -fprofile-generate -fprofile-dir=d --coverage
-c a.c -emit-llvm
-c a.c --param max-inline-insns-single=5 --param=ssp-buffer-size=4
-c a.c -fverbose-asm -fno-common -fmax-errors=3 -fdiagnostics-color=always
-S a.c -fverbose-asm
-c a.c -fplugin=x ! -fplugin
-c a.c -fmodules-ts ! -fmodules-ts
-S t.S -o t.out ! -S of assembler text
-c a.c -fno-working-directory -g
-c a.c -gtoggle -g
-c i.i -fpreprocessed -MD
-c p.q.c -fpreprocessed -MD ! -fpreprocessed
-c p.q.c -fpreprocessed
`

func TestRules(t *testing.T) {
	for _, c := range []cfamilytest.Case{
		{Name: "user deps computed", Files: map[string]string{"a.c": "#define N <stdlib.h>\n#define M N\n#include M\n#ifdef NONE\n#include NONE\n#endif\n", "h.h": "int f;\n"}, Args: "-c a.c -MMD -DX=\"h.h\""},
		{Name: "user deps too computed", Files: map[string]string{"a.c": "#define S(x) #x\n#define N(x) S(x.h)\n#include N(stdlib)\n"}, Args: "-c a.c -MMD"},
		{Name: "sysroot", Files: map[string]string{"a.c": "#include <h.h>\nint f(void){return H;}\n", "root/usr/include/h.h": "#define H 1\n"},
			Args: "-c a.c --sysroot=$DIR/root"},
		{Name: "time set", Files: map[string]string{"a.c": "const char *t = __DATE__;\n"}, Args: "-c a.c",
			Env: []string{"SOURCE_DATE_EPOCH=1"}},
		{Name: "precompiled", Files: map[string]string{"a.c": "#include \"all.h\"\n#include \"once.h\"\nint f(void){return H;}\n",
			"i/all.h": "#include <stdio.h>\n#include \"once.h\"\n#define H 1\n", "i/once.h": "#pragma once\nint q;\n"},
			Setup: []string{"gcc i/all.h"}, Args: "-c a.c -In -Ii -Winvalid-pch"},
		{Name: "precompiled and gone", Files: map[string]string{"a.c": "int f(void){return H;}\n", "i/all.h": "#include <stdio.h>\n#define H 1\n"},
			Setup: []string{"gcc i/all.h", "rm i/all.h"}, Args: "-c a.c -In -Ii -include all.h -MD"},
		{Name: "precompiled for other options", Files: map[string]string{"a.c": "#include \"all.h\"\nint f(void){return H;}\n", "i/all.h": "#include <stdio.h>\n#define H 1\n"},
			Setup: []string{"gcc i/all.h"}, Args: "-c a.c -In -Ii -O2 -MMD"},
		{Name: "precompiled directory", Files: map[string]string{"a.c": "#include \"all.h\"\nint f(void){return H;}\n", "all.h": "#define H 1\n", "all.h.gch/x": ""},
			Args: "-c a.c", Bare: "directory of precompiled headers"},
	} {
		suite().Run(t, c)
	}
}

// watchedCases are projects whose options send gcc to files that no list names.
func watchedCases() []cfamilytest.Case {
	const source = "int g(int x) { return x > 3 ? x * 2 : x - 1; }\nint main(void) { return g(1) + g(5); }\n"
	profile := []string{"gcc -O2 -fprofile-generate -c a.c -o a.o", "gcc --coverage a.o -o a && { ./a; rm a a.o; }"}
	return append(cfamilytest.WatchedCases(), []cfamilytest.Case{
		{Name: "profile", Files: map[string]string{"a.c": source}, Setup: profile, Args: "-c a.c -O2 -fprofile-use -Wmissing-profile"},
		{Name: "profile elsewhere", Files: map[string]string{"a.c": source}, Setup: append(profile, "mkdir p; mv *.gcda p/a.gcda"),
			Args: "-c a.c -O2 -fprofile-use=p/a.gcda -fbranch-probabilities"},
		{Name: "no profile", Files: map[string]string{"a.c": source}, Args: "-c a.c -O2 -fprofile-use=p -Wmissing-profile"},
		{Name: "specs", Files: map[string]string{"a.c": "#include <h.h>\nint f(void) { return H + X; }\n", "i/h.h": "#define H 1\n",
			"my.specs": "*cpp:\n+ -DX=1 -isystem n -isystem i\n\n*link:\n+ -z now\n"}, Args: "-c a.c -specs=my.specs"},
		{Name: "specs below a prefix", Files: map[string]string{"a.c": "int f(void) { return X; }\n", "b/specs": "*cpp:\n+ -DX=1\n\n"},
			Args: "-c a.c -Bb/"},
		{Name: "specs with a plugin", Files: map[string]string{"a.c": "int f;\n", "my.specs": "*cc1:\n+ %{fyes:-fplugin=annobin}\n\n"},
			Args: "-c a.c -specs=$DIR/my.specs", Bare: "specs with an option that is not cached"},
		{Name: "specs of the CPU", Files: map[string]string{"a.c": "int f;\n", "my.specs": "*cc1:\n+ -march=native\n\n"},
			Args: "-c a.c -specs=my.specs", Bare: "specs with an option that is not cached"},
		{Name: "specs of the time", Files: map[string]string{"a.c": "const char *t = T;\n", "my.specs": "*cpp:\n+ -DT=__TIME__\n\n"},
			Args: "-c a.c -specs=my.specs", Bare: "__DATE__ or __TIME__", Random: true},
		{Name: "another assembler", Files: map[string]string{"a.c": "int f;\n", "b/as": "#!/bin/sh\nexec as \"$@\"\n"},
			Setup: []string{"chmod +x b/as"}, Args: "-c a.c -Bn -Bb", Bare: "a script below -B"},
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
	plus := &cfamilytest.Suite{Language: gcc.New(), Command: "g++", CPlus: true}
	for _, c := range cfamilytest.PlusCases() {
		plus.Run(t, c)
	}
}

func TestCoverage(t *testing.T) {
	cfamilytest.Coverage(t, gcc.Options(), "gcc", 0.97, "--help=common", "--help=optimizers", "--help=warnings", "--help=target",
		"--help=params", "--help=c", "--help=c++", "--help=objc", "--help")
}

func TestSurvey(t *testing.T) {
	suite().Survey(t, "g")
	(&cfamilytest.Suite{Language: gcc.New(), Command: "g++", CPlus: true}).Survey(t, "g+")
}

func TestMutations(t *testing.T) {
	for _, c := range cfamilytest.Corpus() {
		if c.Bare == "" {
			suite().Mutate(t, c)
		}
	}
}

func BenchmarkHeavy(b *testing.B) {
	plus := &cfamilytest.Suite{Language: gcc.New(), Command: "g++", CPlus: true}
	plus.Benchmark(b, cfamilytest.Case{Args: "-c a.cc -std=c++17 -Iinc -MD", Files: map[string]string{
		"a.cc": "#include <regex>\n#include <map>\n#include <filesystem>\nint f() { return 1; }\n"}})
}

func BenchmarkSmall(b *testing.B) {
	suite().Benchmark(b, cfamilytest.Case{Args: "-c a.c -O2 -Iinc -MMD", Files: map[string]string{
		"a.c": "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\nint f(void) { return 1; }\n"}})
}
