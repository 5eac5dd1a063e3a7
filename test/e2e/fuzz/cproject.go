package main

import (
	"strings"
)

// cLanguage is a source language of gcc and clang.
type cLanguage struct {
	ext   string
	tools []string
	std   []string
}

func cLanguages() []cLanguage {
	c := cLanguage{"c", []string{"gcc", "clang"}, []string{"-std=c99", "-std=gnu11", "-std=c11", "-ansi"}}
	cxx := cLanguage{"cc", []string{"g++", "clang++"}, []string{"-std=c++11", "-std=gnu++17", "-std=c++20"}}
	return []cLanguage{c, c, c, cxx, cxx,
		{"S", []string{"gcc", "clang"}, []string{"-std=c99"}},
		{"s", []string{"gcc", "clang"}, []string{"-std=c99"}},
		{"i", []string{"gcc", "clang"}, c.std},
		{"m", []string{"clang", "gcc"}, c.std},
	}
}

// cProject is sources and headers that find each other in as many ways as fit
// into a few lines.
func cProject(d dice) *project {
	lang := cLanguages()[d.IntN(len(cLanguages()))]
	g := &cGenerator{dice: d, lang: lang, tool: d.of(lang.tools...), files: map[string]string{}}
	g.source()
	g.headers()
	p := &project{family: g.tool + " ." + lang.ext, files: g.files, fresh: g.fresh, mutate: g.mutate}
	p.prep = "mkdir -p out inc0 bin; ln -s inc2 lnk; ln -s src here"
	p.changes = g.changes()
	p.vars = some(d, 3, cVariables())
	return p
}

// cGenerator makes one project and its calls.
type cGenerator struct {
	dice
	lang  cLanguage
	tool  string
	files map[string]string
	made  int // calls
}

func (g *cGenerator) source() {
	main := "src/main." + g.lang.ext
	g.files["data.bin"] = "data = 1\n"
	g.files["src/data.bin"] = "near = 1\n"
	g.files["inc2/data.bin"] = "far = 1\n"
	g.files["inc2/sub.inc"] = ".set sub_V, 1\n"
	switch g.lang.ext {
	case "s":
		g.files[main] = ".data\nmain_v: .long 1\n" + g.maybe(".incbin \"data.bin\"\n") + g.maybe(".include \"sub.inc\"\n.long sub_V\n") + ".set main_V, 1 # = 1\n"
	case "S":
		g.files[main] = "#include \"local.h\"\n#include <pub.h>\n.data\nmain_v: .long LOCAL_V\n.long PUB_V\n" + g.maybe(".incbin \"data.bin\"\n") +
			g.maybe(".include \"sub.inc\"\n") + g.maybe("#if __has_include(<opt.h>)\n#include <opt.h>\n#endif\n") + g.maybe(".ascii __FILE__\n")
	case "i":
		g.files[main] = "# 1 \"x.c\"\n# 1 \"inc/y.h\" 1\nint unused_V = 1;\n# 2 \"x.c\" 2\nint main_v = 1;\nstatic int dead(void) { return 1; }\n" + g.maybe("int f(int n) { int u; return n + 1; }\n")
	default:
		g.files[main] = g.includes() + g.body()
	}
	g.files["src/two."+g.lang.ext] = g.files[main]
}

// maybe is the text or nothing.
func (g *cGenerator) maybe(text string) string {
	if g.one(2) {
		return text
	}
	return ""
}

// rarely is the text one time in six.
func (g *cGenerator) rarely(text string) string {
	if g.one(6) {
		return text
	}
	return ""
}

// seldom is the text one time in 24: what is never cached would hide the rest.
func (g *cGenerator) seldom(text string) string {
	if g.one(24) {
		return text
	}
	return ""
}

func (g *cGenerator) includes() string {
	return "#include \"local.h\"\n#include <pub.h>\n" +
		g.maybe("#include \"sub/deep.h\"\n") +
		g.maybe("#include <next.h>\n") +
		g.maybe("#ifndef CFG\n#define CFG \"cfg1.h\"\n#endif\n#include CFG\n") +
		g.maybe("#if __has_include(<opt.h>)\n#include <opt.h>\n#endif\n") +
		g.rarely("#if __has_include(\"near.h\")\n#define near_V 1\n#endif\n") +
		g.maybe("#include <stddef.h>\n") + g.rarely("#include <stdio.h>\n") + g.rarely("#include \"../inc2/pub.h\"\n")
}

func (g *cGenerator) body() string {
	text := "int main_v = 1 + LOCAL_V + PUB_V;\n" +
		g.maybe("#ifdef X\nint with_x = X + 0;\n#endif\n") +
		g.maybe("#ifdef OPT_V\nint opt_v = OPT_V;\n#endif\n") +
		g.maybe("#ifdef NEXT_V\nint next_v = NEXT_V;\n#endif\n") +
		g.maybe("#ifdef CFG_V\nint cfg_v = CFG_V;\n#endif\n") +
		g.maybe("#ifdef DEEP_V\nint deep_v = DEEP_V;\n#endif\n") +
		g.maybe("const char *file(void) { return __FILE__; }\n") +
		g.rarely("const char *base(void) { return __BASE_FILE__; }\n") +
		g.seldom("const char *day(void) { return __DATE__; }\n") +
		g.seldom("const char *stamp(void) { return __TIMESTAMP__; }\n") +
		g.maybe("static int unused(int n) { int u; return n == 1; }\n") +
		g.maybe("int sw(int n) { switch (n) { case 1: n = 2; /* falls through */ case 2: n++; } return n; }\n") +
		g.rarely("#pragma message \"here\"\n") +
		g.rarely("#pragma GCC diagnostic ignored \"-Wunused-variable\"\n") +
		g.rarely("__asm__(\".data\\n.incbin \\\"data.bin\\\"\\n.text\");\n") +
		g.rarely("int counter = __COUNTER__ + __INCLUDE_LEVEL__;\n")
	if g.lang.ext == "cc" {
		text += g.maybe("template <class T> T twice(T t) { return t + t; }\nint t = twice(PUB_V);\n") + g.maybe("namespace { int hidden() { return 1; } }\nint (*shown)() = hidden;\n")
	}
	if g.lang.ext == "m" {
		text += g.maybe("@class Thing;\nThing *thing;\n")
	}
	return text
}

func (g *cGenerator) headers() {
	guard := func(name, more string) string { return "#define " + name + "_V 1\n" + more }
	code := func(text string) string { return "#ifndef __ASSEMBLER__\n" + text + "#endif\n" }
	g.files["src/local.h"] = guard("LOCAL", code(g.maybe("static int local(void) { int u; return LOCAL_V; }\n")))
	g.files["inc2/pub.h"] = "#ifndef PUB_V\n" + guard("PUB", code(g.maybe("static inline int pub(int p) { return PUB_V; }\n"))) + g.rarely("#pragma GCC system_header\n") + "#endif\n"
	g.files["inc2/sub/deep.h"] = guard("DEEP", g.maybe("#include \"../pub.h\"\n")+g.maybe("#include \"peer.h\"\n"))
	g.files["inc2/sub/peer.h"] = "#pragma once\n" + guard("PEER", "")
	g.files["inc1/next.h"] = "#if defined __has_include_next\n#if __has_include_next(<next.h>)\n#include_next <next.h>\n#endif\n#endif\n"
	g.files["inc2/next.h"] = guard("NEXT", "")
	g.files["src/cfg1.h"], g.files["src/cfg2.h"] = guard("CFG", ""), "#define CFG_V 2\n"
	g.files["inc2/force.h"] = guard("FORCE", code(g.maybe("extern int forced;\n")))
	g.files["as.sh"] = "#!/bin/sh\n/usr/bin/as --defsym FZ_V=1 \"$@\"\n"
	g.files["opts.rsp"] = "-DRSP_V=1\n-Wall '-DX= 1'\n"
}

// changes are a few of all that could happen to this project.
func (g *cGenerator) changes() []toggle {
	main := "src/main." + g.lang.ext
	var out []toggle
	edited := []string{main, "src/local.h", "inc2/pub.h", "inc2/sub/deep.h", "inc2/sub/peer.h", "inc2/next.h", "src/cfg1.h", "inc2/force.h", "data.bin", "inc2/sub.inc", "opts.rsp"}
	for _, name := range append(some(g.dice, 3, edited), main) {
		out = append(out, some(g.dice, 2, fileChanges(name))...)
	}
	for _, name := range some(g.dice, 3, []string{"pub.h", "next.h", "sub/deep.h", "opt.h", "force.h", "stddef.h", "local.h", "cfg1.h", "near.h", "sub.inc", "data.bin"}) {
		like := "inc2/pub.h"
		for _, dir := range []string{"src/", "inc2/", ""} {
			if _, there := g.files[dir+name]; there {
				like = dir + name
			}
		}
		dir := g.of("inc0", "inc1", "src", "none", "inc1", ".")
		if _, there := g.files[strings.TrimPrefix(dir+"/"+name, "./")]; !there {
			out = append(out, some(g.dice, 1, appear(dir, name, like))...)
		}
	}
	out = append(out, some(g.dice, 1, directoryChanges(g.of("inc1", "inc2", "inc0", "inc2/sub")))...)
	out = append(out, some(g.dice, 2, outputChanges())...)
	return append(out, some(g.dice, 1, cOddities(g.tool))...)
}

// cOddities are changes of things that are neither source nor header.
func cOddities(tool string) []toggle {
	return []toggle{
		{"ln -sfn inc1 lnk", "ln -sfn inc2 lnk"},
		{"rm lnk; cp -a inc2 lnk; sed -i 's/_V 1/_V 8/' lnk/*.h", "rm -rf lnk; ln -s inc2 lnk"},
		{"rm here; cp -a src here", "rm -rf here; ln -s src here"},
		{"cp as.sh bin/as", "rm -f bin/as"},
		{"cp as.sh bin/as; sed -i 's/V=1/V=2/' bin/as", "chmod a-x bin/as"},
		{"echo junk >inc2/pub.h.gch", "rm -f inc2/pub.h.gch"},
		{tool + " -x c-header inc2/force.h -o inc2/force.h.gch", "rm -f inc2/force.h.gch"},
		{"mkdir inc2/pub.h.gch", "rm -rf inc2/pub.h.gch"},
		{"mv inc2/pub.h $S/swap; mv inc2/next.h inc2/pub.h; mv $S/swap inc2/next.h", "mv inc2/pub.h $S/swap; mv inc2/next.h inc2/pub.h; mv $S/swap inc2/next.h"},
		{"mv inc1 $S/swap.d; mv inc2 inc1; mv $S/swap.d inc2", "mv inc1 $S/swap.d; mv inc2 inc1; mv $S/swap.d inc2"},
		{"mv src/two.* src/cfg2.h $S/", "mv $S/two.* $S/cfg2.h src/"},
		{"printf 'junk' >bin/specs", "rm -f bin/specs"},
	}
}

// cVariables are variables that compilers read, or that one would think they do.
func cVariables() []variable {
	return []variable{
		{"CPATH", []string{"inc0", "$PWD/inc1:inc0", "../inc0:", "''"}},
		{"C_INCLUDE_PATH", []string{"inc0", "$PWD/inc0", "../inc0:../none"}},
		{"CPLUS_INCLUDE_PATH", []string{"inc0", "../inc0"}},
		{"OBJC_INCLUDE_PATH", []string{"../inc0"}},
		{"SOURCE_DATE_EPOCH", []string{"1", "100000", "''", "x"}},
		{"LANG", []string{"C.UTF-8", "de_DE.UTF-8"}},
		{"LC_ALL", []string{"C", "C.UTF-8", "''"}},
		{"COLUMNS", []string{"40", "200"}},
		{"TERM", []string{"dumb", "xterm-256color"}},
		{"GCC_COLORS", []string{"''", "'error=01;31'"}},
		{"TMPDIR", []string{"$PWD", "/none"}},
		{"PWD", []string{"/", "/wrong", "''"}},
		{"PATH", []string{"$PWD/bin:$PATH", "$PWD/../bin:$PATH", "$PATH:/none"}},
		{"COMPILER_PATH", []string{"bin", "$PWD/bin", "../bin"}},
		{"LIBRARY_PATH", []string{"inc0"}},
		{"DEPENDENCIES_OUTPUT", []string{"dep.txt"}},
		{"SUNPRO_DEPENDENCIES", []string{"sun.txt", "'sun.txt t'"}},
		{"MAKEFLAGS", []string{"-j2", "w"}},
		{"HOME", []string{"/none"}},
		{"FZ_ANY", []string{"1", "2"}},
		{"CCC_OVERRIDE_OPTIONS", []string{"'# +-DX=5'"}},
		{"GCC_EXTRA_DIAGNOSTIC_OUTPUT", []string{"fixits-v1"}},
		{"LD_LIBRARY_PATH", []string{"$PWD/bin", "/none"}},
		{"POSIXLY_CORRECT", []string{"1"}},
		{"GNUTARGET", []string{"elf32-i386"}},
	}
}
