package main

import (
	"slices"
	"strings"
)

// words are options of a kind; each string is one choice and may be several
// words.
type words []string

// cFlags are what calls are made of most often, cheap and cached.
func (g *cGenerator) cFlags() []words {
	return []words{
		{"-O0", "-O1", "-O2", "-Os", "-Og", "-O3"},
		{"-g", "-g1", "-g3", "-ggdb", "-gdwarf-4", "-gdwarf-5", "-g0"},
		{"-DX=1", "-DX=2", "-D X", "-DX", "-UX", "-DX=1 -UX", "'-DCFG=\"cfg2.h\"'", "'-DCFG=<pub.h>'", "-DX='( 1 )'"},
		{"-Wall", "-Wextra", "-w", "-Wall -Wextra -pedantic", "-Wunused", "-Wno-unused", "-Wall -Werror=format", "-Wsystem-headers -Wall", "-Wunused -fdiagnostics-color=always", "-Wimplicit-fallthrough"},
		{"-fPIC", "-fno-pic", "-fPIE"},
		g.lang.std,
		{"-MD", "-MMD", "-MD -MF $D/m.d", "-MMD -MP", "-MD -MT t", "-MD -MQ 't$x'", "-MD -MF$D/n.d -MT a -MT b", "-Wp,-MD,$D/w.d", "-Wp,-MMD,$D/w.d", "-MD -MP -MF m.d"},
		{"-save-temps", "-save-temps=obj", "-g -gsplit-dwarf", "--coverage -frandom-seed=1", "--coverage", "-ftest-coverage -frandom-seed=2", "-fprofile-arcs", "-fstack-usage"},
		{"-ffile-prefix-map=$PWD=/x", "-fdebug-prefix-map=$PWD=.", "-fmacro-prefix-map=src=y", "-g -fdebug-prefix-map=$PWD=/a -fdebug-prefix-map=/=b"},
		{"-ffunction-sections", "-fdata-sections", "-fvisibility=hidden", "-fno-builtin", "-fno-common", "-funsigned-char", "-fstack-protector-all", "-fno-asynchronous-unwind-tables"},
		{"-pipe", "-pthread", "-fopenmp", "-frecord-gcc-switches", "-grecord-gcc-switches", "-gno-record-gcc-switches", "-gz", "-m64", "-march=x86-64-v2", "-mtune=generic"},
		g.assemblerFlags(),
		{"-include force.h", "-imacros force.h", "-include local.h", "-include $R/inc2/force.h", "-includeforce.h", "--include=force.h"},
		{"-iquote $R/inc1", "-iquote$R/inc0", "-isystem $R/inc1", "-isystem $R/inc0", "-idirafter $R/inc1", "-I none", "-I$R/lnk", "-I.", "-I$R/inc1/", "-I$PWD/$R/inc2", "-I $R/inc2/sub", "-I$R/inc1/../inc0", "-iprefix $R/ -iwithprefix inc0"},
		{"@$R/opts.rsp", "-frandom-seed=1", "-Xpreprocessor -DX=4", "-Wp,-DX=3", "-Wp,-I,$R/inc0", "-P", "-undef", "-trigraphs"},
	}
}

func (g *cGenerator) assemblerFlags() words {
	if strings.HasPrefix(g.tool, "clang") {
		return words{"-Wa,--noexecstack", "-Wa,-I,$R/inc2"}
	}
	return words{"-Wa,--noexecstack", "-Wa,-I,$R/inc2", "-Wa,-I$R/inc1", "-Wa,-adhlns=$D/l.lst", "-Wa,--defsym,Q=1"}
}

// rareFlags are options with odd effects, many of them never cached.
func (g *cGenerator) rareFlags() words {
	both := words{"-v", "-H", "-E", "-M", "-MM", "-MG -MD", "-fsyntax-only", "-flto", "-march=native", "-fmax-errors=1", "-nostdinc", "-I-", "-S", "-x c", "-x c++", "-x none", "-x assembler",
		"-fnonsense", "--nonsense", "-Wnonsense", "-Wno-nonsense", "-mnonsense", "@none.rsp", "-B$R/bin", "-B $R/bin/", "--sysroot=/", "-isysroot /", "-fplugin=./none.so",
		"-fsanitize=address", "-m32", "-Werror", "-fno-working-directory", "-no-canonical-prefixes", "-P -g3", "src/two.c", "$SRC", "-", "-o $D/other.o", "-o $SRC", "-c -c", "-fprofile-use", "-fprofile-generate", "-lm", "-L$R/inc2", "-Wl,-s",
		"-fpch-preprocess", "-fno-integrated-as", "-finput-charset=latin1", "-fexec-charset=latin1", "-Wp,-MD", "-MF $D/no.d", "-MD -MF -", "-MD -MF $D/none/x.d", "-gsplit-dwarf -g0", "-ansi -pedantic-errors"}
	if strings.HasPrefix(g.tool, "clang") {
		return append(both, "-emit-llvm", "-ftime-trace", "-fsave-optimization-record", "-Rpass=inline -O2", "-fdebug-compilation-dir=.", "-fcoverage-mapping -fprofile-instr-generate", "-Xclang -disable-llvm-passes",
			"-mllvm -inline-threshold=1", "-Weverything", "-fmodules", "-serialize-diagnostics $D/s.dia", "--serialize-diagnostics $D/s.dia", "-MJ $D/c.json", "-fdepfile-entry=x", "-index-header-map", "-ivfsoverlay none", "-fcolor-diagnostics", "-fno-caret-diagnostics", "-ferror-limit=1", "-resource-dir .", "-gmodules", "-fembed-bitcode", "--config none", "-fcrash-diagnostics-dir=$D", "-g -gembed-source -gdwarf-5", "-fprofile-list=$R/opts.rsp", "-fminimize-whitespace", "-nogpulib")
	}
	return append(both, "-fdump-tree-gimple", "-fdump-rtl-all", "-da", "-aux-info $D/aux", "-fcallgraph-info", "-fopt-info-all=$D/opt.txt", "-O2 -fopt-info", "-dumpbase other", "-dumpdir $D/", "-Q", "-freport-bug", "-fdirectives-only", "-fpreprocessed", "-traditional-cpp",
		"-fprofile-note=$D/n.gcno", "-fcompare-debug", "-specs=none.specs", "-wrapper env", "-flto -ffat-lto-objects", "-flto -fno-fat-lto-objects -frandom-seed=3", "-fdiagnostics-format=json", "-fanalyzer", "-dM -E", "-fverbose-asm -S", "-fstack-usage -flto", "-gstabs", "-fdump-passes", "-fdiagnostics-generate-patch", "-fdebug-types-section -g", "-print-file-name=x", "-save-temps -dumpbase ''", "-pass-exit-codes", "-remap", "-Wa,-a=$D/a.lst", "-Wa,-MD,$D/as.d", "-Wa,-o,$D/as.o", "-Wa,-al", "-fprofile-dir=$D", "-fworking-directory -P")
}

// fresh makes a call. The first ones of a history are plain: those that come
// from them later should compile, most of them.
func (g *cGenerator) fresh() *call {
	g.made++
	plain := g.made <= 2
	c := &call{tool: g.tool, dir: g.of("", "", "src", "src", "here", "out", "src/.", "inc1/../src")}
	if !plain && g.one(4) {
		c.tool = g.of(g.lang.tools...)
	}
	if g.one(8) {
		c.pre = g.of("umask 077; ", "umask 002; ", "umask 0; ")
	}
	for _, kind := range some(g.dice, g.IntN(6), g.cFlags()) {
		c.args = append(c.args, g.of(kind...))
	}
	if !plain && g.one(8) {
		c.args = append(c.args, g.of(g.rareFlags()...))
	}
	for _, dir := range some(g.dice, 3, []string{"-I$R/inc1", "-I$R/none", "-I$R/inc0"}) {
		if g.one(2) {
			c.args = append(c.args, dir)
		}
	}
	if plain || !g.one(40) {
		c.args = append(c.args, g.of("-I$R/inc2", "-I$R/inc2", "-I $R/inc2", "-I$R/lnk", "-isystem $R/inc2", "-I$PWD/$R/inc2/"))
	}
	g.Shuffle(len(c.args), func(i, j int) { c.args[i], c.args[j] = c.args[j], c.args[i] })
	c.args = append(c.args, g.of("-c", "-c", "-c", "-c", "-c", "-c", "-c", "-c", "-S"), "$SRC")
	if !g.one(8) {
		c.args = append(c.args, g.output(plain))
	}
	g.place(c)
	return c
}

func (g *cGenerator) output(plain bool) string {
	if !plain && g.one(20) {
		return g.of("-o $D/none/main.o", "-o $D", "-o none/x.o", "-o ''")
	}
	return g.of("-o $D/main.o", "-o $D/main.o", "-o $D/main.o", "-o$D/main.o", "-o $PWD/$D/main.o", "-o $D/../out/x.o", "-o main.o", "-o $D/a.b.o", "-o $D/noext", "--output=$D/main.o", "-o ./$D/main.o", "-o $D/main.obj", "-o $D/main.s")
}

// place puts names in for where the call stands: $R the root, $D the directory
// of outputs, $SRC the source.
func (g *cGenerator) place(c *call) {
	up := map[string]string{"": ".", "src": "..", "here": "..", "out": "..", "src/.": "..", "inc1/../src": ".."}[c.dir]
	src := up + "/src/main." + g.lang.ext
	if up == ".." && c.dir != "out" && !g.one(4) {
		src = "main." + g.lang.ext
	}
	if g.one(8) {
		src = "$PWD/" + src
	}
	if g.one(16) {
		src = strings.Replace(src, "main.", "two.", 1)
	}
	names := strings.NewReplacer("$R", up, "$D", up+"/out", "$SRC", src)
	for n, a := range c.args {
		c.args[n] = names.Replace(a)
	}
}

// mutate changes the call a little.
func (g *cGenerator) mutate(c *call) {
	switch n := g.IntN(20); {
	case n < 7:
		kinds := g.cFlags()
		kind := kinds[g.IntN(len(kinds))]
		c.args = slices.Insert(c.args, g.IntN(len(c.args)+1), g.of(kind...))
	case n < 9:
		c.args = append(c.args, g.of(g.rareFlags()...))
	case n < 13:
		at := g.IntN(len(c.args))
		c.args = slices.Delete(c.args, at, at+1)
	case n < 16:
		i, j := g.IntN(len(c.args)), g.IntN(len(c.args))
		c.args[i], c.args[j] = c.args[j], c.args[i]
	case n < 18:
		c.tool = g.of(g.lang.tools...)
	default:
		at := g.IntN(len(c.args))
		c.args = slices.Insert(c.args, at, c.args[at])
	}
	g.place(c)
}
