package cfamily

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScan(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       Scan
	}{
		{"plain", "#include \"a.h\"\n#include <b.h>\n", Scan{Quote: []string{"a.h"}, Angle: []string{"b.h"}}},
		{"spaces", "  #\tinclude\t<b.h> // x\n", Scan{Angle: []string{"b.h"}}},
		{"no newline", "#include <b.h>", Scan{Angle: []string{"b.h"}}},
		{"byte order mark", "\xef\xbb\xbf#include <b.h>", Scan{Angle: []string{"b.h"}}},
		{"carriage returns", "#include <b.h>\r\n#include \"c.h\"\r\n", Scan{Angle: []string{"b.h"}, Quote: []string{"c.h"}}},
		{"digraph", "%: include <b.h>\n", Scan{Angle: []string{"b.h"}}},
		{"continued", "#inc\\\nlude \\  \n<b.\\\nh>\n", Scan{Angle: []string{"b.h"}}},
		{"continued hash", "\\\n#include <b.h>\n", Scan{Angle: []string{"b.h"}}},
		{"comment before", "/* x\n */ # /* y */ include /* z */ <b.h>\n", Scan{Angle: []string{"b.h"}}},
		{"in comment", "/* \n#include <b.h>\n*/\n// \\\n#include <c.h>\nint x;\n", Scan{}},
		{"after star", "/***/\n#include <b.h>\n/**\\\n/\n#include <c.h>\n", Scan{Angle: []string{"b.h", "c.h"}}},
		{"comment in string", "char *s = \"/*\";\n#include <b.h>\n", Scan{Angle: []string{"b.h"}}},
		{"lone apostrophe", "#if 0\nit's /* not\n#endif\n#include <b.h>\n", Scan{Angle: []string{"b.h"}}},
		{"character", "char c = '\"', d = '\\'';\n#include <b.h> /* ' */\n", Scan{Angle: []string{"b.h"}}},
		{"case without space", "case'\"': /* x\n#include <n.h>\n*/\n", Scan{}},
		{"separators", "int x = 1'000'000; /* \n#include <n.h>\n*/\n#include <b.h>\n", Scan{Angle: []string{"b.h"}}},
		{"raw string", "auto s = R\"x(\n/* \" )x\";\n#include <b.h>\n", Scan{Angle: []string{"b.h"}}},
		{"raw string as lines", "auto s = R\"(\n#include <a.h>\n)\";\n", Scan{Angle: []string{"a.h"}}},
		{"slashes in name", "#include <a//b.h>\n", Scan{Angle: []string{"a//b.h"}}},
		{"next", "#include_next <b.h>\n", Scan{Angle: []string{"b.h"}, Next: []string{"b.h"}}},
		{"import", "#import \"a.h\"\n", Scan{Quote: []string{"a.h"}, Once: true}},
		{"embed", "#embed <a.bin> limit(3)\n", Scan{Angle: []string{"a.bin"}}},
		{"computed", "#include X\n#include F(x)\n", Scan{Computed: []string{"X", ""}}},
		{"has include", "#if defined(__has_include) && __has_include(<a.h>) || __has_include ( \"b.h\" )\n", Scan{Angle: []string{"a.h"}, Quote: []string{"b.h"}}},
		{"has include next", "#elif __has_include_next(<a.h>)\n", Scan{Angle: []string{"a.h"}, Next: []string{"a.h"}}},
		{"has include asked for", "#ifdef __has_include\n#if !defined __has_include\n#endif\n", Scan{}},
		{"has include computed", "#if __has_include(X)\n", Scan{Unclear: unclearHas}},
		{"has include wrapped", "#define H(x) __has_include(x)\n", Scan{Wrappers: []string{"H"}}},
		{"has include in macro", "#define H defined(__has_include) && __has_include(<a.h>)\n", Scan{Angle: []string{"a.h"}}},
		{"has include renamed", "#define H __has_include\n", Scan{Unclear: unclearHas}},
		{"has include of other", "#define H(x) __has_include(y)\n", Scan{Unclear: unclearHas}},
		{"lines", "#line 3 \"a.y\"\n# 4 \"b\\\\c\" 1 3\n# 5 \"<built-in>\"\n", Scan{Lines: []string{"a.y", "b\\c"}}},
		{"dependency", "#pragma GCC dependency \"a.y\"\n", Scan{Unclear: unclearMtime}},
		{"other pragma", "#pragma once\n#pragma GCC system_header\n", Scan{Once: true}},
		{"pch", "#pragma GCC pch_preprocess \"x\"\n", Scan{Unclear: unclearPCH}},
		{"trigraph", "?" + "?=include <a.h>\n", Scan{Unclear: unclearTrigraph}},
		{"time", "x = __TIME__ __DATE__;\n", Scan{Time: TimeClock | TimeDate}},
		{"time in comment", "/* __TIMESTAMP__ */ // __DATE__\n", Scan{}},
		{"time pasted", "x = P(_,_TIMESTAMP__);\n", Scan{Time: TimeStamp, Pieces: []string{"P", "_", "_TIMESTAMP__"}}},
		{"time cut", "x = P(__TIME,__);\n", Scan{Time: TimeClock, Pieces: []string{"P", "__TIME", "__"}}},
		{"not the time", "x = a__DATE__ + __TIME__b + __TIMESIZE + DATE;\n", Scan{Pieces: []string{"DATE"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(&c.want, ScanText([]byte(c.text))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// FuzzScan checks that no text hangs or breaks the scanner, and that a name on a
// line of its own is found whatever comes behind it.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{"#if 0\n'", "R\"(", "/*", "\\", "%:\\\n:", "\"\\", "#include <", "# 1 \"", "1'", "#define H(x) __has_include(x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := ScanText(append([]byte("#include <first.h>\n"), text...))
		if !slices.Contains(s.Angle, "first.h") {
			t.Errorf("first.h lost: %q", text)
		}
		if strings.Contains(string(text), "\x00") {
			return
		}
		withoutComments(text)
	})
}
