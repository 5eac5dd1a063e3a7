package neverwrong

import "testing"

// TestOutputs is about what a call writes besides the object, and where
// (rows 3, 9, 13, 21).
func TestOutputs(t *testing.T) {
	runCases(t, dependencyFiles())
	runCases(t, dependencyNames())
	runCases(t, sideFiles())
	runCases(t, sideFilesOfClang())
	runCases(t, oddOutputs())
	runCases(t, specialOutputs())
}

func dependencyFiles() []testCase {
	f := files{"a.c": "#include \"h.h\"\n#include <stddef.h>\nint v = V;\n", "h.h": "#define V 1\n", "d/k": ""}
	const clean = "find . -name '*.o' -o -name '*.d' -o -name '*.dep' | xargs rm -f"
	var out []testCase
	for _, flags := range []string{
		"-MD", "-MMD", "-MD -MF x.dep", "-MMD -MF x.dep", "-MD -MFx.dep", "-MD -MP", "-MMD -MP -MF d/x.d", "-MD -MT target", "-MD -MTtarget -MT two",
		"-MD -MQ '$(T)'", "-MD -MT '$(T)' -MQ 'a b'", "-MD -MF d/x.d -MT x -MP", "-Wp,-MD,x.dep", "-Wp,-MMD,x.dep", "-Wp,-MD,x.dep -MT t", "-Wp,-MD,d/x.d,-MT,t", "-Wp,-MMD,x.dep -MP",
		"-MD -MF ./d/../x.dep", "-MD -MF '.x.d'", "-MD -MV", "--write-dependencies", "--write-user-dependencies -MF x.dep", "-MMD -MD", "-MD -MMD", "-MD -MF a.dep -MF b.dep", "-MD -MQ a.o -MF x.dep -g",
		"-Xpreprocessor -MD -Xpreprocessor x.dep", "-MD -MJ x.json", "-MT never", "-MF x.dep -MD", "-MD -dumpbase foo", "-MD -dumpdir d/", "-MD -dumpbase '' ", "-MD -MF /dev/stdout", "-MD -MF -",
	} {
		out = append(out, asIs("deps "+flags, ccs(), f, "$CC "+flags+" -c a.c -o a.o", clean),
			asIs("deps to d "+flags, gcc(), f, "$CC "+flags+" -c a.c -o d/b.o", clean),
			asIs("deps without -o "+flags, gcc(), f, "cd d; $CC "+flags+" -c ../a.c", clean))
	}
	for _, flags := range []string{"-MD", "-MMD", "-MD -MF x.dep", "-MMD -MP -MF d/x.d", "-Wp,-MD,x.dep", "-Wp,-MMD,x.dep", "-MD -MT target", "-MD -MQ '$(T)'"} {
		out = append(out, cached("deps cached "+flags, ccs(), f, "$CC "+flags+" -c a.c -o a.o", clean))
	}
	for _, flags := range []string{"-M", "-MM", "-MM -MF x.dep", "-M -MG", "-MM -MG -MP", "-E -MD -MF x.dep", "-M -MT x"} {
		out = append(out, right("only deps "+flags, ccs(), files{"a.c": "#include \"h.h\"\n", "h.h": ""}, "$CC "+flags+" a.c", "echo '#include \"new.h\"' >h.h; :>new.h"))
	}
	return out
}

func dependencyNames() []testCase {
	f := files{"a.c": "#include \"h.h\"\nint v = V;\n", "h.h": "#define V 1\n", "d/k": ""}
	return []testCase{
		other("-MD named after the object", all(), f, "$CC -MD -c a.c -o a.o", "$CC -MD -c a.c -o b.o"),
		other("-MD -MF with two names", ccs(), f, "$CC -MD -MF a.d -c a.c -o a.o", "$CC -MD -MF b.d -c a.c -o b.o"),
		other("same dep file, another object", ccs(), f, "$CC -MD -MF x.d -c a.c -o a.o", "$CC -MD -MF x.d -c a.c -o b.o"),
		other("another dep file, same object", ccs(), f, "$CC -MD -MF x.d -c a.c -o a.o", "$CC -MD -MF y.d -c a.c -o a.o"),
		other("-MT", ccs(), f, "$CC -MD -MT one -c a.c -o a.o", "$CC -MD -MT two -c a.c -o a.o"),
		other("-MP", ccs(), f, "$CC -MD -c a.c -o a.o", "$CC -MD -MP -c a.c -o a.o"),
		other("-MD against -MMD", ccs(), files{"a.c": "#include <stddef.h>\n", "k": ""}, "$CC -MD -c a.c -o a.o", "$CC -MMD -c a.c -o a.o"),
		other("object in another directory", ccs(), f, "$CC -MD -c a.c -o a.o", "$CC -MD -c a.c -o d/a.o"),
		other("the source by another name", ccs(), f, "$CC -MD -c a.c -o a.o", "$CC -MD -c d/../a.c -o a.o"),
		other("the source by its absolute name", ccs(), f, "$CC -MD -c a.c -o a.o", "$CC -MD -c $PWD/a.c -o a.o"),
		other("-I by another name", ccs(), files{"a.c": "#include <h.h>\n", "d/h.h": ""}, "$CC -MD -Id -c a.c -o a.o", "$CC -MD -I$PWD/d -c a.c -o a.o"),
		other("same command in another directory", ccs(), files{"d1/a.c": "#include \"../h.h\"\n", "d2/a.c": "#include \"../h.h\"\nint x;", "h.h": ""}, "cd d1; $CC -MD -c a.c -o ../a.o", "cd d2; $CC -MD -c a.c -o ../a.o"),
		stale("header list changes, object does not", ccs(), files{"a.c": "#include \"h.h\"\nint v;\n", "h.h": "", "n.h": ""}, "$CC -MD -c a.c -o a.o", "echo '#include \"n.h\"' >h.h"),
		stale("header list changes with -MMD", ccs(), files{"a.c": "#include \"h.h\"\nint v;\n", "h.h": "", "n.h": ""}, "$CC -MMD -c a.c -o a.o", "echo '#include \"n.h\"' >h.h"),
	}
}

func sideFiles() []testCase {
	f := files{"a.c": "#include <stdlib.h>\nint g(int*);\nint f(int n) { int a[10]; a[0] = n; for (int i = 1; i < 9; i++) a[i] = a[i-1]*n; return g(a) + abs(n); }\n", "d/k": ""}
	const clean = "ls | grep -vx 'a.c\\|d' | xargs rm -rf; find d -type f ! -name k | xargs rm -f"
	var out []testCase
	for _, flags := range []string{
		"-fstack-usage", "-fcallgraph-info", "-fcallgraph-info=su,da", "-g -gsplit-dwarf", "-g -gsplit-dwarf -O2", "--coverage", "-ftest-coverage", "-fprofile-arcs -ftest-coverage", "-fprofile-arcs", "-fprofile-abs-path --coverage",
		"-save-temps", "-save-temps=obj", "-save-temps=cwd", "-save-temps -g", "-aux-info x.aux", "-aux-info=x.aux", "-fdump-tree-all", "-fdump-tree-optimized -O2", "-fdump-rtl-expand", "-fdump-ipa-all", "-fdump-tree-gimple=x.dump", "-fdump-final-insns", "-fdump-final-insns=x.dump",
		"-da", "-dP -S", "-dA -S", "-dp", "-fopt-info", "-fopt-info-all=x.opt -O3", "-fopt-info-vec-missed=x.opt -O3", "-fsave-optimization-record -O2", "-fdiagnostics-format=json-file", "-fdiagnostics-format=json",
		"-fverbose-asm -S", "-S", "-S -g", "-fdump-go-spec=x.go", "-fdump-earlydebug -g", "-fdump-noaddr -fdump-tree-cfg", "-dumpbase foo -fstack-usage", "-dumpdir d/ -fstack-usage", "-dumpbase-ext .q -fstack-usage", "-auxbase strange",
		"-fprofile-generate", "-fprofile-generate=d", "-fprofile-dir=d --coverage", "-fprofile-note=x.note --coverage", "-frecord-gcc-switches", "-Q", "-ftime-report", "-fmem-report", "-v", "-###", "-H", "-fcompare-debug", "-print-file-name=x", "-flto -fstack-usage", "-fno-working-directory -g", "-fanalyzer", "-fdiagnostics-generate-patch -Wall",
	} {
		c := asIs("gcc "+flags, gcc(), f, "$CC "+flags+" -c a.c -o a.o", clean)
		d := asIs("gcc in d "+flags, gcc(), f, "$CC "+flags+" -c a.c -o d/b.o", clean)
		out = append(out, c, d)
	}
	// What it measures differs from run to run, or happens not to.
	out = append(out, asIs("gcc -time", gcc(), f, "$CC -time -c a.c -o a.o 2>&1 | sed 's/[0-9. ]*$//'", clean),
		asIs("gcc -time=", gcc(), f, "$CC -time=x.time -c a.c -o a.o; sed -i 's/[0-9. ]*$//' x.time", clean))
	for _, flags := range []string{"-fstack-usage", "-g -gsplit-dwarf", "--coverage", "-S"} {
		out = append(out, cached("gcc cached "+flags, gcc(), f, "$CC "+flags+" -c a.c -o a.o", clean))
	}
	out = append(out,
		other("coverage with another object", ccs(), f, "$CC --coverage -c a.c -o a.o", "$CC --coverage -c a.c -o b.o"),
		other("coverage with an object elsewhere", ccs(), f, "$CC --coverage -c a.c -o a.o", "$CC --coverage -c a.c -o d/a.o"),
		other("coverage with -O2", gcc(), f, "$CC --coverage -c a.c -o a.o", "$CC -O2 --coverage -c a.c -o a.o"),
		other("split dwarf with another object", ccs(), f, "$CC -g -gsplit-dwarf -c a.c -o a.o", "$CC -g -gsplit-dwarf -c a.c -o b.o"),
		other("stack usage with another object", gcc(), f, "$CC -fstack-usage -c a.c -o a.o", "$CC -fstack-usage -c a.c -o b.o"),
	)
	return out
}

func sideFilesOfClang() []testCase {
	f := files{"a.c": "#include <stdlib.h>\nint g(int*);\nint f(int n) { int a[10]; a[0] = n; for (int i = 1; i < 9; i++) a[i] = a[i-1]*n; return g(a) + abs(n); }\n", "d/k": ""}
	const clean = "ls | grep -vx 'a.c\\|d' | xargs rm -rf; find d -type f ! -name k | xargs rm -f"
	var out []testCase
	for _, flags := range []string{
		"-fstack-usage", "-g -gsplit-dwarf", "-g -gsplit-dwarf=single", "--coverage", "-ftest-coverage", "-save-temps", "-save-temps=obj", "-save-temps=cwd", "-ftime-trace", "-ftime-trace-granularity=1 -ftime-trace",
		"-fsave-optimization-record -O2", "-foptimization-record-file=x.opt -O2", "-serialize-diagnostics x.dia", "--serialize-diagnostics x.dia -Wall", "-emit-llvm", "-emit-llvm -S", "-S", "-fverbose-asm -S", "-flto", "-flto=thin", "-emit-ast", "-fprofile-instr-generate", "-fcoverage-mapping -fprofile-instr-generate",
		"-Rpass=.* -O2", "-Xclang -ast-dump", "-Xclang -dependency-file -Xclang x.d -Xclang -MT -Xclang t", "-v", "-###", "-H", "-ftime-report", "-gen-cdb-fragment-path cdb", "-MJ x.json", "-grecord-command-line -g", "-frecord-command-line", "-index-store-path idx", "--analyze", "--analyze -Xclang -analyzer-output=html", "-fsyntax-only", "-fcrash-diagnostics-dir=d", "-fproc-stat-report=x.stat", "-fmodules", "-fembed-bitcode", "-fpch-preprocess", "-rewrite-objc", "-print-search-dirs", "-ccc-print-phases", "-Wdocumentation -fcolor-diagnostics",
		"-fuse-init-array -ffunction-sections -fdata-sections", "-fsanitize=address", "-fsanitize=undefined -fsanitize-coverage=trace-pc-guard", "-fsplit-dwarf-inlining -gsplit-dwarf -g", "-gembed-source -gdwarf-5", "-fdebug-compilation-dir=/x -g", "-fdebug-compilation-dir /y -g", "-Wa,-adhlns=x.lst",
	} {
		c := asIs("clang "+flags, clang(), f, "$CC "+flags+" -c a.c -o a.o", clean)
		out = append(out, c)
		if flags[1] == 'g' || flags[1] == 's' {
			d := asIs("clang in d "+flags, clang(), f, "$CC "+flags+" -c a.c -o d/b.o", clean)
			out = append(out, d)
		}
	}
	for _, flags := range []string{"-g -gsplit-dwarf", "--coverage", "-S"} {
		out = append(out, cached("clang cached "+flags, clang(), f, "$CC "+flags+" -c a.c -o a.o", clean))
	}
	return out
}
