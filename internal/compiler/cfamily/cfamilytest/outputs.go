package cfamilytest

import "strings"

// OutputCases returns calls that write files of many kinds under many names.
// Each runs in a directory with a source of every language.
func OutputCases() []Case {
	var cases []Case
	for _, line := range strings.Split(strings.TrimSpace(outputCalls), "\n") {
		cases = append(cases, OutputCase(line))
	}
	return cases
}

// OutputCase makes a case of one line: arguments and, behind " ! ", the reason
// why they are refused. A leading "~" says that the products are random.
func OutputCase(line string) Case {
	args, bare, _ := strings.Cut(line, " ! ")
	args, random := strings.CutPrefix(args, "~")
	const text = "int g(int x) { return x ? g(x - 1) : 0; }\n"
	return Case{
		Name: args, Args: args, Bare: bare, Random: random,
		Files: files("a.c", "#include \"h.h\"\n"+text, "h.h", "#define H 1\n", "s/b.c", text, "p.q.c", text, ".hidden.c", text, "x.cc", text,
			"e.c", "", "t.S", "#include \"h.h\"\n.globl g\ng: nop\n", "u.s", ".globl g\ng: nop\n", "i.i", text, "ii.ii", text, "noext", text, "d/keep", ""),
	}
}

const outputCalls = `
-c a.c
-c a.c -o d/x
-c a.c -od/x.y.o
-c s/b.c
-c p.q.c -MD
-c .hidden.c -MD
-c a.c -o d/.x.o -MD
-c a.c -o .o -MD
-c a.c -o d/.x -MD
-c a.c -o d/x. -MD
-c a.c -o ./d/../d/x.o -MD
-c a.c -o $DIR/d/x.o -MD
-c a.c -MD
-c a.c -MD -o d/x
-c a.c -MD -o d/x.y
-c a.c -MMD -o d/x.y.o
-c a.c -MD -MF d/f -MT t -MQ u -MP
-c a.c -MMD -MFd/f.d -MTd/x.o -o d/x.o
-c a.c -MD -MMD -MF q.d
-c a.c -Wp,-MD,d/w.d
-c a.c -Wp,-MMD,d/w.d -MT x
-c a.c -Wp,-MD,w.d -MD ! several dependency options
-c a.c -MD -MT a:b ! -MT with a colon or backslash
-c a.c -MD -MF - ! dependencies to standard output
-S a.c
-S a.c -o d/x.s -MD
-S a.c -o d/x -MD
-S -c a.c
-c t.S -MD
-c t.S -MMD -o d/t.o
-c u.s
-c -x assembler-with-cpp u.s -MD
-c -x c noext -MD
-xc -c noext -o n.o
-c x.cc -MD
-c i.i
-c p.q.c -MD -MF x.d -MF y.d
-c ii.ii -o d/x.o
-c e.c -MD
~-c -g a.c --coverage
~-c --coverage a.c -o d/x.y.o
~-c s/b.c -fprofile-arcs -ftest-coverage
~-c e.c --coverage -fstack-usage
~-S a.c --coverage -o d/x.s
-c t.S --coverage
~-c a.c -fprofile-arcs
-c a.c -fstack-usage
-c a.c -fstack-usage -o d/x.y.o
-S a.c -fstack-usage
-c e.c -fstack-usage
-c t.S -fstack-usage
-c u.s -fstack-usage
-c a.c -g -gsplit-dwarf
-c a.c -g -gsplit-dwarf -o d/x.y.o
-c a.c -gsplit-dwarf
-c a.c -gsplit-dwarf -g0
-c a.c -g -gz -gsplit-dwarf
-c a.c -gdwarf-5 -gsplit-dwarf -o d/x
-S a.c -g -gsplit-dwarf
-c t.S -gsplit-dwarf
-c u.s -g -gsplit-dwarf -o d/u.o
-c e.c -g -gsplit-dwarf
-c a.c -g -gsplit-dwarf -gno-split-dwarf
-c a.c -save-temps
-c a.c -save-temps -o d/x.o
-c a.c -save-temps=obj -o d/x.y.o
-c a.c -save-temps=cwd -o d/x.o
-c s/b.c -save-temps
-c s/b.c -save-temps=obj
-c s/b.c -save-temps=cwd
-S a.c -save-temps
-S a.c -save-temps -o d/x.s
-c x.cc -save-temps
-c t.S -save-temps
-c t.S -save-temps=obj -o d/x.o
-c u.s -save-temps
-c i.i -save-temps
-c a.c -g3 -O3 -fPIC -fvisibility=hidden -fno-strict-aliasing -ffunction-sections -fdata-sections -Wall -Wextra -pedantic -std=gnu11 -pipe -pthread -D_GNU_SOURCE -DX=1 -UY -L. -lm -Wl,-z,now -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wformat -Werror=format-security
-c a.c -O2 -g -fdebug-prefix-map=$DIR=. -ffile-prefix-map=/x=/y -fmacro-prefix-map=$DIR=/z
-c a.c -g -frecord-gcc-switches
-c a.c -m32 -msse2 -mfpmath=sse -march=i686 -mtune=generic
-c a.c -mcmodel=large -mno-red-zone -mavx2 -fno-omit-frame-pointer
-c a.c -fsanitize=address,undefined -fno-sanitize-recover=all
-c a.c -v ! -v
-c a.c -E ! -E
-c a.c -B. -MD
-S a.c -Bd/ -fstack-usage
~-c a.c -B d --coverage
-c a.c -Wa,--noexecstack -Wa,-mrelax-relocations=no
-c a.c -Wa,-march=native ! unknown option: -Wa,-march
-c a.c -Wa,-o,x ! unknown option: -Wa,-o
-c a.c -Xassembler --noexecstack
-c a.c -Xpreprocessor -DX -Xpreprocessor -UY
-c a.c -Xpreprocessor -DX -Xpreprocessor -MF ! unknown option: -Xpreprocessor -MF
-c a.c -Wp,-D_FORTIFY_SOURCE=2,-U_X -Wp,-w -O
-c t.S -Wa,-gdwarf-5
-c a.c -o x -o y ! multiple -o
-c a.c -o ! option without its value: -o
`
