package rustc

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/compiler"
)

// TestWhose: which variables of the user nothing but macros can read, and which of these
// the build asks for by name.
func TestWhose(t *testing.T) {
	all := []string{"USER", "LOGNAME", "USERNAME", "MAIL", "SHELL"}
	plain := func() compiler.Programs { return compiler.Programs{Plain: true} }
	script := func() compiler.Programs { return compiler.Programs{} }
	for _, tc := range []struct {
		name        string
		kind        string
		extern      string
		programs    func() compiler.Programs
		variables   compiler.Variables
		source      string
		whose, asks []string
	}{
		{name: "a library", kind: "lib", extern: "libm.so", programs: plain, whose: all},
		{name: "a program", kind: "bin", extern: "libm.so", programs: plain, whose: all},
		{name: "without macros", kind: "bin", extern: "libm.rlib", programs: plain},
		{name: "a linker that may read them", kind: "bin", extern: "libm.so", programs: script},
		{name: "a linker that is not used", kind: "lib", extern: "libm.so", programs: script, whose: all},
		{name: "keyed by the user", kind: "lib", extern: "libm.so", programs: plain, variables: compiler.Variables{Keyed: []string{"USER", "LOGNAME"}}, source: "env!(\"USER\")", whose: all[2:]},
		{name: "removed by the user", kind: "lib", extern: "libm.so", programs: plain, variables: compiler.Variables{Removed: []string{"USER*"}}, whose: []string{"LOGNAME", "MAIL", "SHELL"}},
		{name: "named", kind: "lib", extern: "libm.so", programs: plain, source: "x!(\"USER\"); const SHELL: u8 = 0; // LOGNAME", whose: all, asks: []string{"LOGNAME", "USER"}},
	} {
		dir := t.TempDir()
		project{"src/x.rs": tc.source}.write(t, dir)
		l := New(mapOrigins{filepath.Join(dir, tc.extern): {Stem: "m"}})
		call := callWith(dir, "--crate-name=x", "--crate-type="+tc.kind, "--emit=dep-info,link", "--extern=m="+filepath.Join(dir, tc.extern), "src/x.rs")
		call.Env, call.Programs = compiler.Environ{"USER=me", "MAIL=/m"}, tc.programs
		call.Variables = func([]string) (compiler.Variables, error) { return tc.variables, nil }
		inv, err := l.Parse(call)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		whose := inv.Places().Whose
		if !slices.Equal(tc.whose, whose) {
			t.Errorf("%s: %q, want %q", tc.name, whose, tc.whose)
		}
		if len(tc.whose) == len(all) && !slices.Contains(inv.Env, "USER=me") {
			t.Errorf("%s: the run does not see the user: %q", tc.name, inv.Env)
		}
		if got := l.namedVariables(call, inv.Detail.(*detail), nil); !cmp.Equal(tc.asks, got) {
			t.Errorf("%s: asks for %q, want %q", tc.name, got, tc.asks)
		}
	}
}

// TestWhoseInCode: in a library they are found however short their names are, and only where
// macros may read them.
func TestWhoseInCode(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, macros := range []bool{true, false} {
		n := newNameSearch(&classes{macros: macros}, nil)
		n.code([]byte("xyUSERpanicked"))
		if n.found["USER"] != macros || n.found["SHELL"] {
			t.Errorf("with macros %t: %v", macros, n.found)
		}
		n = newNameSearch(&classes{macros: macros}, nil)
		if !n.constants(program) || n.found["USERNAME"] != macros { // this test has it in it
			t.Errorf("with macros %t, a whole program: %v", macros, n.found)
		}
	}
}
