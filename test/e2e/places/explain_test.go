package places

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// explained runs a call in a project that lies in place, for the first time there, and
// returns what is said of it before, of the last miss, and of it afterwards.
func explained(t *testing.T, i *harness.Instance, base, place string, files map[string]string, prep, call string) (before, last, after string) {
	t.Helper()
	root, dir := lay(t, base, place, files)
	shell := func(script string) string {
		r, err := harness.Run(root, dir, script, append(i.Env, "RUSTC="+rustc(t)), nil)
		if err != nil || r.Status != "exit status 0" {
			t.Fatalf("%s: %v\n%+v", script, err, r)
		}
		return r.Stdout
	}
	shell(strings.ReplaceAll(prep, "$POT", i.Wrapper))
	explain := i.Wrapper + " explain "
	before = shell(explain + call)
	shell(i.Wrapper + " " + call)
	if _, err := i.Outcome(); err != nil { // waits until it is stored
		t.Fatal(err)
	}
	return before, shell(explain), shell(explain + call)
}

// rustc is the compiler itself, behind whatever proxy.
func rustc(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("rustc", "--print", "sysroot").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out)) + "/bin/rustc"
}

// TestExplain: it is said why a result is for one directory alone, there and elsewhere,
// and what would change that.
func TestExplain(t *testing.T) {
	t.Parallel()
	const (
		alone   = "stored for this directory alone: "
		speaks  = alone + "a source asks for its own name, which holds the project's directory"
		unseen  = alone + "macros of the build have not been seen to give the same elsewhere"
		witness = "the first compile in another directory is the witness"
	)
	c := map[string]string{"Makefile": "", "x.c": "const char *f(void) { return __FILE__; }\n"}
	macros := map[string]string{"Cargo.toml": "", "u.rs": "m::m!();\n",
		"m.rs": "extern crate proc_macro;\n#[proc_macro] pub fn m(_: proc_macro::TokenStream) -> proc_macro::TokenStream { \"pub fn made() {}\".parse().unwrap() }\n"}
	const useMacro = "$RUSTC --edition 2021 --crate-name u --crate-type lib --emit=dep-info,metadata,link --extern m=libm.so u.rs"
	const makeMacro = "$POT $RUSTC --crate-name m --crate-type proc-macro --emit=dep-info,link m.rs"
	var base string
	var i *harness.Instance
	for _, tc := range []struct {
		name, place         string
		files               map[string]string
		prep, call          string
		before, last, after []string
	}{
		{"own name", one, c, ":", "gcc -c $PWD/x.c -o x.o", []string{"nothing like it"}, []string{"miss", speaks}, []string{"hit", speaks}},
		{"own name", two, c, ":", "gcc -c $PWD/x.c -o x.o", []string{"miss", "what was compiled in /", speaks}, []string{"miss", speaks}, []string{"hit", speaks}},
		{"macros", one, macros, makeMacro, useMacro, []string{"nothing like it"}, []string{"miss", unseen, witness}, []string{"hit", unseen, witness}},
		{"macros", two, macros, makeMacro, useMacro, []string{"miss", unseen, "this compile is the witness"}, []string{"miss"}, []string{"hit"}},
	} {
		if tc.place == one {
			base, i = newBase(t), newInstance(t)
		}
		before, last, after := explained(t, i, base, tc.place, tc.files, tc.prep, tc.call)
		for when, said := range map[string]string{"before": before, "last": last, "after": after} {
			for _, want := range map[string][]string{"before": tc.before, "last": tc.last, "after": tc.after}[when] {
				if !strings.Contains(said, want) {
					t.Errorf("%s in %s, %s: %q is not said:\n%s", tc.name, tc.place, when, want, said)
				}
			}
		}
		if tc.place == two && tc.name == "macros" && strings.Contains(last+after, alone) {
			t.Errorf("witnessed macros are still for one directory:\n%s%s", last, after)
		}
	}
}
