package places

import (
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestExact: with exact paths every byte is the bare compiler's, in each place, whatever has
// the names of directories in it; and each place has its own results.
func TestExact(t *testing.T) {
	c := map[string]string{"Makefile": "", "src/x.c": "#include <h.h>\n#warning loud\nconst char *f(void) { return __FILE__ TEXT; }\n", "inc/h.h": "#define TEXT \"text\"\n"}
	rust := map[string]string{"Cargo.toml": "", "src/x.rs": "fn unused() {}\npub fn f() -> &'static str { if file!().len() > 99 { panic!() } file!() }\n"}
	const compile = "$CC -g3 -MD -I$PWD/inc -c $PWD/src/x.c -o $PWD/x.o"
	const crate = "mkdir -p out; $CC --edition 2021 --crate-name x --crate-type lib --emit=dep-info,metadata,link --error-format=json " +
		"--json=artifacts,diagnostic-rendered-ansi -C debuginfo=2 --out-dir $PWD/out $PWD/src/x.rs"
	for cc, tc := range map[string]testCase{
		"gcc":   {name: "C", files: c, script: compile},
		"clang": {name: "C", files: c, script: compile},
		"rustc": {name: "Rust", files: rust, script: crate},
	} {
		t.Run(tc.name+"/"+cc, func(t *testing.T) {
			t.Parallel()
			if cc == "rustc" {
				cc = rustc(t)
			}
			base, i := newBase(t), newInstance(t, "CACHEPOT_PATHS_MODE=exact")
			for _, place := range []string{one, two} {
				bare := tc.build(t, nil, base, place, cc, "")
				for _, want := range []string{"stored", "hit"} {
					if d := harness.Diff(bare, tc.build(t, i, base, place, i.Wrapper+" "+cc, want), nil); d != "" {
						t.Errorf("%s in %s: %s", want, place, d)
					}
				}
			}
			if s, err := i.Stats(); err != nil || len(s.Located) > 0 {
				t.Errorf("located: %v, %v", s.Located, err)
			}
		})
	}
}
