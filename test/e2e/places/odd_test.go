package places

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// oddNames are directories whose names some syntax takes for something else: maps, makefiles,
// JSON, lists of directories, response files.
func oddNames() map[string]string {
	return map[string]string{
		"space": "a b", "unicode": "ünï-ç", "equals": "a=b", "colon": "a:b", "quote": "a'b", "double quote": "a\"b", "dollar": "a$b", "hash": "a#b",
		"percent": "a%b", "backslash": "a\\b", "comma": "a,b", "at": "@a", "plus": "c++", "dash": "-a", "semicolon": "a;b", "tilde": "~",
		"long": strings.Repeat(strings.Repeat("n", 200)+"/", 4) + "p",
	}
}

// TestOddNames: from a directory of an odd name to a plain one and back everybody gets what
// is made there, and nothing names the other.
func TestOddNames(t *testing.T) {
	files := map[string]string{
		"Makefile": "", "Cargo.toml": "", "src/x.c": "#include <h.h>\n#include <stdio.h>\n#warning loud\nint f(void) { return puts(TEXT); }\n", "inc/h.h": "#define TEXT \"text\"\n",
		"src/x.rs": "fn unused() {}\npub fn f() -> &'static str { file!() }\n",
	}
	const c = `$CC -g -MD -I"$PWD/inc" -c "$PWD/src/x.c" -o "$PWD/x.o"`
	const rust = `mkdir -p out; $CC --edition 2021 --crate-name x --crate-type lib --emit=dep-info,metadata,link --error-format=json ` +
		`--json=artifacts,diagnostic-rendered-ansi -C debuginfo=2 --out-dir "$PWD/out" "$PWD/src/x.rs"`
	for name, odd := range oddNames() {
		for cc, script := range map[string]string{"gcc": c, "clang": c, "rustc": rust} {
			t.Run(name+"/"+cc, func(t *testing.T) {
				t.Parallel()
				compiler := cc
				if cc == "rustc" {
					compiler = rustc(t)
				}
				base, i := newBase(t), newInstance(t)
				made := func(i *harness.Instance, place string) *harness.Result {
					root, dir := lay(t, base, place, files)
					r, err := harness.Run(root, dir, script, append(i.Env, "CC="+i.Wrapper+" "+compiler), nil)
					if err != nil || r.Status != "exit status 0" {
						t.Fatalf("%v\n%+v", err, r)
					}
					if _, err := i.Outcome(); err != nil { // waits until all is stored
						t.Fatal(err)
					}
					return r
				}
				made(i, "plain/p")
				there := made(i, filepath.Join("odd", odd))
				back := made(i, "back/p")
				for place, got := range map[string]*harness.Result{filepath.Join("odd", odd): there, "back/p": back} {
					if d := harness.Diff(made(newInstance(t), place), got, nil); d != "" {
						t.Errorf("as compiled in %s: %s", place, d)
					}
				}
				noneNames(t, there, base+"/plain", base+"/back")
				noneNames(t, back, base+"/plain", base+"/odd")
			})
		}
	}
}

// noneNames wants nothing of a result to name any of the places.
func noneNames(t *testing.T, r *harness.Result, places ...string) {
	t.Helper()
	for _, place := range places {
		for name, f := range r.Tree {
			if strings.Contains(f.Data, place) {
				t.Errorf("%s names %s", name, place)
			}
		}
		if strings.Contains(r.Stdout+r.Stderr, place) {
			t.Errorf("messages name %s", place)
		}
	}
}

// TestNeighbours: places whose names begin alike, that lie in each other, or that one
// directory beside all of them serves, are told apart.
func TestNeighbours(t *testing.T) {
	files := map[string]string{"Makefile": "", "src/x.c": "#include <h.h>\n#include <own.h>\nint f(struct h *h, struct own *o) { return h->a + o->a; }\n", "inc/own.h": "struct own { int a; };\n"}
	full := maps.Clone(files) // the source itself says where the header lies
	full["src/x.c"] = strings.Replace(files["src/x.c"], "<h.h>", "\"@BESIDE@/h.h\"", 1)
	for _, tc := range []struct {
		name                  string
		files                 map[string]string
		first, second, beside string
	}{
		{"a header beside that begins like the first", files, "p", "q", "p-inc"},
		{"a header beside that begins like the second", files, "q", "p", "p-inc"},
		{"a header beside by its full name that begins like the first", full, "p", "q", "p-inc"},
		{"the second begins like the first", files, "p", "p-2", "inc"},
		{"the second in the first", files, "p", "p/sub/p", "inc"},
		{"the first in the second", files, "p/sub/p", "p", "inc"},
	} {
		for _, cc := range []string{"gcc", "clang"} {
			t.Run(tc.name+"/"+cc, func(t *testing.T) {
				t.Parallel()
				base, i := newBase(t), newInstance(t)
				made := func(i *harness.Instance, place string) *harness.Result {
					dir := filepath.Join(base, place)
					beside := filepath.Join(base, tc.beside)
					for name, text := range tc.files {
						write(t, filepath.Join(dir, name), strings.ReplaceAll(text, "@BESIDE@", beside))
					}
					write(t, filepath.Join(dir, ".git/HEAD"), "")
					write(t, filepath.Join(beside, "h.h"), "struct h { int a; };\n")
					script := "$CC -g -I$PWD/inc -MD -c $PWD/src/x.c -o $PWD/src/x.o"
					if !strings.Contains(tc.files["src/x.c"], "@BESIDE@") {
						script += " -I" + beside
					}
					r, err := harness.Run(filepath.Join(dir, "src"), dir, script, append(i.Env, "CC="+i.Wrapper+" "+cc), nil)
					if err != nil || r.Status != "exit status 0" {
						t.Fatalf("%v\n%+v", err, r)
					}
					if _, err := i.Outcome(); err != nil {
						t.Fatal(err)
					}
					return r
				}
				made(i, tc.first)
				moved := made(i, tc.second)
				if d := harness.Diff(made(newInstance(t), tc.second), moved, nil); d != "" {
					t.Errorf("as compiled there: %s", d)
				}
				if out, err := i.Admin("verify"); err != nil {
					t.Errorf("verify: %v\n%s", err, out)
				}
			})
		}
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
