package lifecycle

import (
	"strings"
	"testing"
)

// TestVerifyFlags: what a call reads because of its options is in its key, and what it
// looks for in vain; both audits agree.
func TestVerifyFlags(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "#include <stdio.h>\n#include \"h.h\"\nint f(int *p) { return puts(T) + *p; }\n")
	i.write("x.cc", "#include <vector>\n#include \"h.h\"\nint f(std::vector<int> &v) { return v.at(1); }\n")
	i.write("s.S", "#include \"h.h\"\n\t.globl f\nf:\tret\n")
	i.write("inc/h.h", "#ifndef __ASSEMBLER__\n#define T \"t\"\n#endif\n")
	i.write("list", "fun:f\n")
	both := []string{"", "-g3 -MD", "-O3 -march=native", "-fsanitize=address,undefined", "-fopenmp", "-fstack-protector-all -D_FORTIFY_SOURCE=2 -O1",
		"-include inc/h.h", "-fno-common -ffunction-sections -Wall -Wextra", "-pg", "-fpic -fvisibility=hidden", "-gdwarf-4 -gz", "-fdebug-prefix-map=/x=/y -g"}
	own := map[string][]string{
		"gcc":   {"-fsanitize=thread", "-fstack-usage", "-fanalyzer", "-gsplit-dwarf -g", "-fipa-pta -O2", "-fgnu-tm"},
		"clang": {"-fsanitize=memory", "-fsanitize=thread", "-fsanitize=dataflow", "-fsanitize-ignorelist=list -fsanitize=address", "-fxray-instrument", "-fsplit-dwarf-inlining -g", "-fno-integrated-as"},
	}
	n := 0
	for cc, flags := range own {
		for _, f := range append(flags, both...) {
			sources := []string{"x.c"}
			if f == "" || strings.Contains(f, "address") {
				sources = []string{"x.c", "x.cc", "s.S"}
			}
			for _, source := range sources {
				r := i.run(append([]string{i.wrapper(), cc, "-Iinc", "-c", source, "-o", "x.o"}, strings.Fields(f)...)...)
				if r.code == 0 { // not every option is for every language
					n++
				}
			}
		}
	}
	if n < 36 {
		t.Errorf("%d calls pass, most should", n)
	}
	if r := i.cachepot("verify"); r.code != 0 || strings.Contains(r.stdout, "passed  0") {
		t.Errorf("verify: status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// TestVerifyMessages: messages in the letters of another locale come out the same in a replay.
func TestVerifyMessages(t *testing.T) {
	t.Parallel()
	i := start(t).with("LC_ALL=C.UTF-8", "LANG=C.UTF-8")
	i.write("x.c", "static int g(void) { return 1; }\n")
	r := i.run(i.wrapper(), "gcc", "-Wall", "-c", "x.c", "-o", "x.o")
	if !strings.Contains(r.stderr, "\u2018g\u2019") {
		t.Fatalf("gcc does not quote as in this locale: %s", r.stderr)
	}
	i.run(i.wrapper(), "clang", "-Wall", "-c", "x.c", "-o", "x.o")
	if r := i.cachepot("verify"); r.code != 0 || !strings.Contains(r.stdout, "passed  2") {
		t.Errorf("verify: status %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
