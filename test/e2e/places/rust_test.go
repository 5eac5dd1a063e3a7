package places

import (
	"strconv"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// rustNames are scenes of rustc in which the sources or the command say where something
// lies. Variables are few, as those that cargo gives.
func rustNames() []testCase {
	const (
		begin   = "c=$CC; unset CC; mkdir -p out lib; export CARGO_MANIFEST_DIR=$PWD OUT_DIR=$PWD/o; "
		lib     = begin + "$c --edition 2021 --crate-name x --crate-type lib --emit=dep-info,metadata,link -C debuginfo=2 --out-dir $PWD/out"
		bin     = begin + "$c --edition 2021 --crate-name x --crate-type bin --emit=dep-info,link -C debuginfo=2 --out-dir $PWD/out"
		changed = "case $PWD in */one/*) ;; *) echo 'pub fn y() -> u32 { 2 }' >@ONE@/src/y.rs;; esac; "
		archive = "mkdir -p lib; gcc -c src/y.c -o lib/y.o; ar rcsD lib/liby.a lib/y.o; "
		calls   = "#[link(name = \"y\", kind = \"static\")] unsafe extern \"C\" { fn y() -> i32; }\nfn main() { println!(\"{}\", unsafe { y() }); }\n"
		where   = "pub fn f() -> &'static str { file!() }\n"
		include = "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n"
	)
	source := func(text string) map[string]string {
		return map[string]string{"Cargo.toml": "", "src/x.rs": text, "o/made.rs": "pub fn made() -> u32 { 1 }\n", "src/y.rs": "pub fn y() -> u32 { 1 }\n", "src/y.c": "int y(void) { return 1; }\n"}
	}
	on := []string{"rustc"}
	return []testCase{
		{"how long the directory of the manifest is", source("pub struct S([u8; env!(\"CARGO_MANIFEST_DIR\").len()]);\n"), on, lib + " src/x.rs", "stored", false, false},
		{"how long the directory of a program's manifest is", source("fn main() { const N: usize = env!(\"CARGO_MANIFEST_DIR\").len(); println!(\"{}\", N); }\n"), on, bin + " src/x.rs; out/x", "stored", false, false},
		{"how long a variable is", source("fn main() { const N: usize = match option_env!(\"WHERE\") { Some(s) => s.len(), None => 0 }; println!(\"{}\", N); }\n"), on, "export WHERE=$PWD/x; " + bin + " src/x.rs; out/x", "stored", false, false},
		{"OUT_DIR that is included", source(include + "pub const B: &[u8] = include_bytes!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\n"), on, lib + " src/x.rs", "hit", false, false},
		{"OUT_DIR, its name put together", source(include + "fn main() { const N: usize = env!(concat!(\"OUT_\", \"DIR\")).len(); println!(\"{} {}\", N, made()); }\n"), on, bin + " src/x.rs; out/x", "stored", false, false},
		{"a source by its full name", source("include!(\"@ONE@/src/y.rs\");\n"), on, changed + lib + " src/x.rs", "stored", false, false},
		{"a module by its full name", source("#[path = \"@ONE@/src/y.rs\"] pub mod y;\n"), on, changed + lib + " src/x.rs", "stored", false, false},
		{"a text by its full name", source("pub const S: &str = include_str!(\"@ONE@/src/y.rs\");\n"), on, changed + lib + " src/x.rs", "stored", false, false},
		{"a module of another directory", source("#[path = \"../o/made.rs\"] pub mod y;\n"), on, lib + " $PWD/src/x.rs", "hit", false, false},
		{"a note that speaks of a fixed place", source("#[deprecated(note = \"see /cachepot/src/doc\")] pub fn f() {}\npub fn g() { f() }\n"), on, lib + " src/x.rs", "stored", false, false},
		{"own map of rustc for a directory below", source(where), on, lib + " --remap-path-prefix=$PWD/src=/s $PWD/src/x.rs", "hit", false, false},
		{"own map of rustc from above", source(where), on, lib + " --remap-path-prefix=$(dirname $PWD)=/s $PWD/src/x.rs", "stored", false, false},
		{"own map of rustc in a response file", source(where), on, "echo --remap-path-prefix=$PWD=/r >args; " + lib + " @args $PWD/src/x.rs", "hit", false, false},
		{"panics and places of calls", source("pub fn f() { panic!(\"x\") }\npub fn g() -> &'static std::panic::Location<'static> { std::panic::Location::caller() }\n"), on, lib + " $PWD/src/x.rs", "hit", false, false},
		{"an argument for the linker", source(strings.Replace(calls, "#[link(name = \"y\", kind = \"static\")] ", "", 1)), on, archive + bin + " -C link-arg=$PWD/lib/y.o src/x.rs; out/x", "stored", false, false},
		{"libraries in a full directory", source(calls), on, archive + bin + " -L native=$PWD/lib src/x.rs; out/x", "hit", false, false},
		{"debug information in a package", source("fn main() { println!(\"{}\", file!()); }\n"), on, bin + " -C split-debuginfo=packed src/x.rs", "hit", false, false},
		{"paths between directories", source("fn main() {}\n"), on, bin + " -C rpath src/x.rs", "stored", false, false},
		{"libraries of any kind", source(where), on, lib + " -L $PWD/lib src/x.rs", "stored", false, false},
		{"a dynamic library", source(where), on, begin + "$c --edition 2021 --crate-name x --crate-type dylib --emit=dep-info,link -C debuginfo=2 -C prefer-dynamic --out-dir $PWD/out src/x.rs", "hit", false, false},
		{"a macro crate", source("extern crate proc_macro;\n#[proc_macro] pub fn m(_: proc_macro::TokenStream) -> proc_macro::TokenStream { format!(\"{:?}\", file!()).parse().unwrap() }\n"), on,
			begin + "$c --edition 2021 --crate-name x --crate-type proc-macro --emit=dep-info,link --out-dir $PWD/out $PWD/src/x.rs", "hit", false, false},
		{"a program optimised as a whole", source("fn main() { println!(\"{}\", file!()); }\n"), on, bin + " -C lto -C opt-level=1 $PWD/src/x.rs", "hit", false, false},
		{"another spelling of the directory", source(where), on, "ln -sfn $PWD ../spelled; cd ../spelled; " + lib + " $PWD/src/x.rs", "hit", false, false},
	}
}

// TestOutDirOfMacros: a crate that includes what lies in OUT_DIR, and has a macro of another
// crate make something else of it, is for its own directory.
func TestOutDirOfMacros(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"Cargo.toml": "", "o/made.rs": "pub fn made() -> u32 { 1 }\n", "src/m.rs": "#[macro_export] macro_rules! out { () => { env!(\"OUT_DIR\") } }\n",
		"src/x.rs": "include!(concat!(env!(\"OUT_DIR\"), \"/made.rs\"));\nfn main() { const N: usize = m::out!().len(); print!(\"{}\", N as u32 + made()); }\n",
	}
	const script = "c=$CC; unset CC; mkdir -p out; export OUT_DIR=$PWD/o; $c --edition 2021 --crate-name m --crate-type lib --emit=dep-info,metadata,link --out-dir out src/m.rs && " +
		"$c --edition 2021 --crate-name x --crate-type bin --emit=dep-info,link --extern m=out/libm.rlib --out-dir out src/x.rs && out/x"
	base, i := newBase(t), newInstance(t)
	for _, place := range []string{one, two} {
		root, dir := lay(t, base, place, files)
		r, err := harness.Run(root, dir, script, append(i.Env, "CC="+i.Wrapper+" "+rustc(t)), nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := strconv.Itoa(len(dir+"/o") + 1); r.Stdout != want {
			t.Errorf("in %s: %q, want %s\n%s", place, r.Stdout, want, r.Stderr)
		}
		if _, err := i.Outcome(); err != nil { // waits until all is stored
			t.Fatal(err)
		}
	}
	if s, err := i.Stats(); err != nil || s.CacheHits.Counts["Rust"] != 1 || s.Located["a source asks for a variable that names the project's directory"] != 2 {
		t.Errorf("hits %v, located %v, %v", s.CacheHits.Counts, s.Located, err)
	}
}
