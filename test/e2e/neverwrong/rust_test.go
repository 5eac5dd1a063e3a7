package neverwrong

import "testing"

// TestRust is about rustc (rows 3, 6, 7, 8, 12, 15, 18 and 23).
func TestRust(t *testing.T) {
	runCases(t, rustSources())
	runCases(t, rustCrates())
	runCases(t, rustCalls())
	runCases(t, rustForeign())
}

const rustLib = "$CC --crate-name a --crate-type lib --emit=dep-info,metadata,link "

func rustSources() []testCase {
	one := files{"a.rs": "pub const V: u32 = 1;\n"}
	const call = rustLib + "a.rs"
	mods := files{"a.rs": "mod x;\npub use x::V;\n", "x.rs": "pub const V: u32 = 1;\n"}
	return []testCase{
		stale("rust source edited", rust(), one, call, "echo 'pub const V: u32 = 2;' >a.rs"),
		stale("rust source edited, same size and time", rust(), one, call, "touch -r a.rs r; sed -i s/1/2/ a.rs; touch -r r a.rs"),
		stale("rust module edited", rust(), mods, call, "echo 'pub const V: u32 = 2;' >x.rs"),
		right("rust module ambiguous", rust(), mods, call, "mkdir x; echo 'pub const V: u32 = 2;' >x/mod.rs"),
		{name: "rust module moves to mod.rs", on: rust(), files: mods, steps: []step{{"", call, "stored"}, {"mkdir x; mv x.rs x/mod.rs", "", "!any"}, {"", "", "hit"}, {"mv x/mod.rs x.rs", "", "!any"}, {"", "", "hit"}}},
		stale("rust module by #[path]", rust(), files{"a.rs": "#[path = \"o.rs\"] mod x;\npub use x::V;\n", "o.rs": "pub const V: u32 = 1;\n"}, call, "echo 'pub const V: u32 = 2;' >o.rs"),
		stale("rust nested module", rust(), files{"a.rs": "pub mod x;\n", "x/mod.rs": "pub mod y;\n", "x/y.rs": "pub const V: u32 = 1;\n"}, call, "echo 'pub const V: u32 = 2;' >x/y.rs"),
		stale("rust include_str", rust(), files{"a.rs": "pub const V: &str = include_str!(\"d.txt\");\n", "d.txt": "one"}, call, "printf two >d.txt"),
		stale("rust include_bytes", rust(), files{"a.rs": "pub static V: &[u8] = include_bytes!(\"d.txt\");\n", "d.txt": "one"}, call, "printf two >d.txt"),
		stale("rust include", rust(), files{"a.rs": "include!(\"d.in\");\n", "d.in": "pub const V: u32 = 1;"}, call, "echo 'pub const V: u32 = 2;' >d.in"),
		stale("rust include by env and concat", rust(), files{"a.rs": "include!(concat!(env!(\"OUT_DIR\"), \"/d.in\"));\n", "o/d.in": "pub const V: u32 = 1;"}, "OUT_DIR=$PWD/o "+call, "echo 'pub const V: u32 = 2;' >o/d.in"),
		stale("rust include of a macro's name", rust(), files{"a.rs": "macro_rules! n { () => { \"d.txt\" } }\npub const V: &str = include_str!(n!());\n", "d.txt": "one"}, call, "printf two >d.txt"),
		stale("rust doc of a file", rust(), files{"a.rs": "#![doc = include_str!(\"d.txt\")]\npub const V: u32 = 1;\n", "d.txt": "one"}, call, "printf two >d.txt"),
		stale("rust link retargeted", rust(), files{"a.rs": "mod x;\npub use x::V;\n", "o1": "pub const V: u32 = 1;\n", "o2": "pub const V: u32 = 2;\n"}, "[ -e x.rs ] || ln -s o1 x.rs; "+call, "ln -sfn o2 x.rs"),
		other("rust env", rust(), files{"a.rs": "pub const V: &str = env!(\"W\");\n", "k": ""}, "W=1 "+call, "W=2 "+call),
		other("rust env empty", rust(), files{"a.rs": "pub const V: Option<&str> = option_env!(\"W\");\n", "k": ""}, "W= "+call, "unset W; "+call),
		other("rust env unset", rust(), files{"a.rs": "pub const V: Option<&str> = option_env!(\"W\");\n", "k": ""}, call, "W=1 "+call),
		other("rust env of a CARGO name", rust(), files{"a.rs": "pub const V: &str = env!(\"CARGO_PKG_VERSION\");\n", "k": ""}, "CARGO_PKG_VERSION=1 "+call, "CARGO_PKG_VERSION=2 "+call),
		other("rust env in a macro of std", rust(), files{"a.rs": "pub const V: &str = concat!(\"a\", env!(\"W\"));\n", "k": ""}, "W=1 "+call, "W=2 "+call),
		other("rust env of plumbing", rust(), files{"a.rs": "pub const V: Option<&str> = option_env!(\"TMPDIR\");\n", "k": ""}, "TMPDIR=/tmp "+call, "TMPDIR=/var/tmp "+call),
		other("rust env of the jobserver", rust(), files{"a.rs": "pub const V: Option<&str> = option_env!(\"MAKEFLAGS\");\n", "k": ""}, "MAKEFLAGS=-s "+call, "MAKEFLAGS=-k "+call),
		other("rust env of cachepot's own", rust(), files{"a.rs": "pub const V: Option<&str> = option_env!(\"PATH\");\n", "k": ""}, call, "PATH=$PATH:/x "+call),
		other("rust env of PWD", rust(), files{"a.rs": "pub const V: Option<&str> = option_env!(\"PWD\");\n", "d/k": ""}, "env PWD=/x "+call, "env PWD=/y "+call),
		right("rust env missing", rust(), files{"a.rs": "pub const V: &str = env!(\"W\");\n", "w": "unset W"}, ". ./w; "+call, "echo export W=1 >w"),
		other("rust env! of a foreign locale", rust(), files{"a.rs": "pub const V: Option<&str> = option_env!(\"LC_ALL\");\n", "k": ""}, "LC_ALL=C "+call, "LC_ALL=C.UTF-8 "+call),
		{name: "rust fails, fixed, fails", on: rust(), files: files{"a.rs": "pub fn f( {}\n"}, steps: []step{{"", call, "failed"}, {"", "", "failed"}, {"echo 'pub fn f() {}' >a.rs", "", "!stored"}, {"", "", "hit"}, {"echo 'pub fn f( {}' >a.rs", "", "!failed"}}},
		stale("rust warnings", rust(), files{"a.rs": "fn unused() {}\n"}, call, "echo 'fn other() {}' >a.rs"),
		stale("rust line of a warning", rust(), files{"a.rs": "fn unused() {}\n"}, call, "sed -i 1i// a.rs"),
		stale("rust position of a panic", rust(), files{"a.rs": "pub fn f(x: u32) -> u32 { if x > 1 { panic!(\"x\") } x }\n"}, rustLib+"-C debuginfo=0 a.rs", "sed -i 1i// a.rs"),
		stale("rust file! and line!", rust(), files{"a.rs": "pub const V: (&str, u32) = (file!(), line!());\n"}, call, "sed -i 1i// a.rs"),
		other("rust file! by another name", rust(), files{"a.rs": "pub const V: &str = file!();\n", "k": ""}, call, rustLib+"./a.rs"),
		{name: "rust --out-dir removed at once", on: rust(), files: one, steps: []step{
			{"", "mkdir o; " + rustLib + "--out-dir o a.rs; rm -r o", "stored"}, {"", "", "hit"},
			{"", rustLib + "--out-dir o a.rs; rm -r o", "bare"}, {"", "", "bare"}}},
		{name: "rust probe whose --out-dir is removed at once", on: rust(), files: one, steps: []step{
			{"", "mkdir o; $CC --crate-name a --crate-type lib --emit=dep-info,metadata --out-dir o a.rs; rm -r o", "stored"}, {"", "", "hit"},
			{"mkdir o; :>o/liba.rlib", "$CC --crate-name a --crate-type lib --emit=dep-info,metadata --out-dir o a.rs", "bare"}}},
		{name: "rust touched", on: rust(), files: one, steps: []step{{"", call, "stored"}, {"touch a.rs", "", "hit"}}},
		{name: "rust unrelated file", on: rust(), files: one, steps: []step{{"", call, "stored"}, {":>b.rs; mkdir z; :>z/x.rs", "", "hit"}}},
	}
}

func rustCrates() []testCase {
	dep := func(name, file string) string {
		return "$CC --crate-name " + name + " --crate-type lib --emit=dep-info,metadata,link --out-dir deps " + file
	}
	f := files{"p.rs": "pub const V: u32 = 1;\n", "q.rs": "pub const V: u32 = 2;\n", "a.rs": "extern crate a; extern crate b;\npub const V: u32 = a::V * 10 + b::V;\n", "u.rs": "extern crate p;\npub const V: u32 = p::V;\n", "deps/k": ""}
	two := dep("p", "p.rs") + " && " + dep("q", "q.rs") + " && "
	use := "$CC --crate-name u --crate-type lib --emit=dep-info,metadata,link "
	return []testCase{
		{name: "rust externs swapped", on: rust(), files: f, steps: []step{
			{"", two + use + "--extern a=deps/libp.rlib --extern b=deps/libq.rlib a.rs", "stored stored stored"}, {"", "", "hit hit hit"},
			{"", use + "--extern b=deps/libp.rlib --extern a=deps/libq.rlib a.rs", "!any"}, {"", "", "hit"}}},
		{name: "rust extern changed", on: rust(), files: f, steps: []step{
			{"", dep("p", "p.rs") + " && " + use + "--extern p=deps/libp.rlib u.rs", "stored stored"}, {"", "", "hit hit"}, {"echo 'pub const V: u32 = 3;' >p.rs", "", "!any"}, {"", "", "hit hit"}}},
		// cargo sets the times of an .rmeta while dependents are compiled already.
		{name: "rust extern touched meanwhile", on: rust(), files: files{"p.rs": f["p.rs"], "deps/k": "", "w.rs": "#![allow(long_running_const_eval)]\nextern crate p;\npub const V: u64 = " +
			"{ let mut s = p::V as u64; let mut i = 0; while i < 200_000 { s = s.wrapping_mul(31) ^ i; i += 1 } s };\n"}, steps: []step{
			{"", dep("p", "p.rs"), "stored"},
			{"", "(sleep 0.2; touch -d @1000000000 deps/libp.rlib) & " + use + "--extern p=deps/libp.rlib w.rs; wait", "stored"}, {"", "", "hit"}}},
		{name: "rust extern found by -L", on: rust(), files: f, steps: []step{
			{"", dep("p", "p.rs") + " && " + use + "-L deps u.rs", "any"}, {"", "", "any"}, {"echo 'pub const V: u32 = 3;' >p.rs", "", "!any"}, {"", "", "any"}}},
		{name: "rust extern appears earlier on -L", on: rust(), files: f, steps: []step{
			{"", dep("p", "p.rs") + " && " + use + "-L early -L deps u.rs; echo $?", "any"}, {"", "", "any"},
			{"mkdir early; rustc --crate-name p --crate-type lib -C metadata=other --out-dir early q.rs", "", "any"}, {"", "", "any"}}},
		{name: "rust extern appears in a dependency directory", on: rust(), files: f, steps: []step{
			{"", dep("p", "p.rs") + " && " + use + "--extern p -L dependency=early -L dependency=deps u.rs; echo $?", "any"}, {"", "", "any"},
			{"mkdir early; rustc --crate-name p --crate-type lib -C metadata=other --out-dir early q.rs", "", "any"}, {"", "", "any"}}},
		{name: "rust a second candidate appears", on: rust(), files: f, steps: []step{
			{"", dep("p", "p.rs") + " && " + use + "-L deps u.rs; echo $?", "any"}, {"", "", "any"},
			{"rustc --crate-name p --crate-type lib -C metadata=other -C extra-filename=-other --out-dir deps q.rs", "", "!any"}, {"", "", "any"}}},
		{name: "rust transitive crate changed", on: rust(), files: files{"p.rs": "pub fn v() -> u32 { 1 }\n", "q.rs": "extern crate p;\n#[inline] pub fn v() -> u32 { p::v() }\n", "u.rs": "extern crate q;\npub fn v() -> u32 { q::v() }\n", "deps/k": ""}, steps: []step{
			{"", dep("p", "p.rs") + " && " + dep("q", "--extern p=deps/libp.rlib q.rs") + " && " + use + "--extern q=deps/libq.rlib -L dependency=deps u.rs", "any"}, {"", "", "any"},
			{"echo 'pub fn v() -> u32 { 2 }' >p.rs", "", "!any"}, {"", "", "any"}, {"rm deps/libp*", use + "--extern q=deps/libq.rlib -L dependency=deps u.rs; echo $?", "!any"}}},
		{name: "rust rmeta for rlib", on: rust(), files: f, steps: []step{
			{"", dep("p", "p.rs") + " && " + use + "--extern p=deps/libp.rmeta u.rs", "any"}, {"", "", "any"}, {"", use + "--extern p=deps/libp.rlib u.rs", "any"}, {"", "", "any"}, {"echo 'pub const V: u32 = 3;' >p.rs", dep("p", "p.rs") + " && " + use + "--extern p=deps/libp.rmeta u.rs", "any"}, {"", "", "any"}}},
		{name: "rust half a build from the cache", on: rust(), files: f, steps: []step{
			{"", dep("p", "-C opt-level=0 p.rs") + " && " + use + "--extern p=deps/libp.rmeta u.rs", "any"},
			{"", dep("p", "-C opt-level=2 p.rs") + " && " + use + "--extern p=deps/libp.rmeta u.rs", "any"},
			{"", dep("p", "-C opt-level=0 p.rs") + " && " + use + "--extern p=deps/libp.rmeta u.rs", "any"},
			{"", dep("p", "--cfg x p.rs") + " && " + use + "--extern p=deps/libp.rmeta u.rs; echo $?", "any"}}},
		{name: "rust extern missing", on: rust(), files: f, steps: []step{{"", use + "--extern p=deps/none.rlib u.rs; echo $?", "any"}, {"", "", "any"}, {"rustc --crate-name p --crate-type lib -o deps/none.rlib p.rs", "", "!any"}}},
		{name: "rust extern is junk", on: rust(), files: f, prep: "echo junk >deps/libp.rlib", steps: []step{{"", use + "--extern p=deps/libp.rlib u.rs; echo $?", "any"}, {"rm deps/libp.rlib; rustc --crate-name p --crate-type lib -o deps/libp.rlib p.rs", "", "!any"}, {"", "", "any"}}},
		{name: "rust two externs of one name", on: rust(), files: f, steps: []step{{"", two + use + "--extern p=deps/libp.rlib --extern p=deps/libq.rlib u.rs; echo $?", "any"}, {"", "", "any"}}},
		{name: "rust extern by a link retargeted", on: rust(), files: f, steps: []step{{"", two + "[ -h l.rlib ] || ln -s deps/libp.rlib l.rlib; " + use + "--extern p=l.rlib u.rs; echo $?", "any"}, {"", "", "any"}, {"ln -sfn deps/libq.rlib l.rlib", "", "any"}, {"", "", "any"}}},
	}
}

func rustCalls() []testCase {
	f := files{"a.rs": "#[cfg(x)] pub fn x() {}\npub fn f(a: &[f32]) -> f32 { a.iter().sum() }\n", "o1/k": "", "o2/k": ""}
	const call = rustLib + "a.rs"
	out := []testCase{
		other("rust --out-dir", rust(), f, rustLib+"--out-dir o1 a.rs", rustLib+"--out-dir o2 a.rs"),
		other("rust --out-dir with JSON", rust(), f, rustLib+"--error-format=json --json=artifacts --out-dir o1 a.rs", rustLib+"--error-format=json --json=artifacts --out-dir o2 a.rs"),
		other("rust --out-dir by another spelling", rust(), f, rustLib+"--out-dir o1 a.rs", rustLib+"--out-dir ./o1 a.rs"),
		other("rust extra-filename", rust(), f, rustLib+"-C extra-filename=-1 a.rs", rustLib+"-C extra-filename=-2 a.rs"),
		other("rust crate name", rust(), f, call, "$CC --crate-name b --crate-type lib --emit=dep-info,metadata,link a.rs"),
		other("rust metadata", rust(), f, rustLib+"-C metadata=1 a.rs", rustLib+"-C metadata=2 a.rs"),
		asIs("rust through rustup", proxy(), f, call, "rm -f lib* *.d"),
		other("rust cfg", rust(), f, call, rustLib+"--cfg x a.rs"),
		other("rust opt-level", rust(), f, call, rustLib+"-C opt-level=3 a.rs"),
		other("rust edition", rust(), f, call, rustLib+"--edition 2021 a.rs"),
		other("rust debuginfo", rust(), f, call, rustLib+"-C debuginfo=2 a.rs"),
		{name: "rust emit", on: rust(), files: f, steps: []step{{"", call, "stored"}, {"rm liba*", "$CC --crate-name a --crate-type lib --emit=dep-info,metadata a.rs", "!stored"}, {"", "", "hit"}, {"rm liba*", call, "!hit"}, {"", "$CC --crate-name a --crate-type lib --emit=dep-info,metadata a.rs", "any"}}},
		right("rust emit to a name", rust(), f, "$CC --crate-name a --crate-type lib --emit=dep-info=x.d,metadata=x.rmeta,link=x.rlib a.rs", "echo 'pub fn more() {}' >>a.rs"),
		other("rust directory with debuginfo", rust(), files{"d1/a.rs": "pub fn f() {}\n", "d2/a.rs": "pub fn f() {}\n"}, "cd d1; "+rustLib+"-C debuginfo=2 --out-dir .. a.rs", "cd d2; "+rustLib+"-C debuginfo=2 --out-dir .. a.rs"),
		other("rust lints", rust(), files{"a.rs": "fn u() {}\n", "k": ""}, call, rustLib+"--cap-lints allow a.rs"),
		{name: "rust deny", on: rust(), files: files{"a.rs": "fn u() {}\n"}, steps: []step{{"", call, "stored"}, {"", rustLib + "-D warnings a.rs", "!failed"}, {"", call, "!hit"}}},
		other("rust colour", rust(), files{"a.rs": "fn u() {}\n", "k": ""}, call, rustLib+"--color always a.rs"),
		other("rust remap", rust(), files{"a.rs": "pub const F: &str = file!();\n", "k": ""}, rustLib+"$PWD/a.rs", rustLib+"--remap-path-prefix=$PWD=/x $PWD/a.rs"),
		cached("rust cached", rust(), f, call, "rm -f lib* *.d"),
		cached("rust cached JSON", rust(), files{"a.rs": "fn u() {}\n"}, rustLib+"--error-format=json --json=artifacts,diagnostic-rendered-ansi,future-incompat a.rs", "rm -f lib* *.d"),
		stale("rust argument file", rust(), files{"a.rs": f["a.rs"], "r": "-Copt-level=0\n"}, rustLib+"@r a.rs", "echo -Copt-level=3 >r"),
		calm("rust target file", rust(), f, "[ -e t.json ] || echo '{' >t.json; $CC --crate-name a --crate-type lib --emit=dep-info,link --target t.json a.rs; echo $?", "echo '{}' >t.json"),
		right("rust RUSTC_BOOTSTRAP", rust(), files{"a.rs": "#![feature(never_type)]\npub fn f() {}\n", "w": ":"}, ". ./w; "+call+"; echo $?", "echo export RUSTC_BOOTSTRAP=1 >w"),
		right("rust RUSTC_LOG and RUST_BACKTRACE", rust(), f, "RUST_BACKTRACE=full RUST_MIN_STACK=16777216 "+call, "echo '//' >>a.rs; sed -i 's/sum/product/' a.rs"),
		right("rust toolchain by +name or variable", proxy(), files{"a.rs": "pub fn f() {}\n", "w": ":"}, ". ./w; "+call+"; $CC --version", "echo 'export RUSTUP_TOOLCHAIN=nightly' >w"),
		right("rust toolchain by a file", proxy(), files{"a.rs": "pub fn f() {}\n"}, call+"; $CC --version", "printf '[toolchain]\\nchannel = \"nightly\"\\n' >rust-toolchain.toml"),
		calm("rust several sources", rust(), f, "$CC --crate-type lib a.rs b.rs; echo $?", ":>b.rs; rm a.rs"),
		right("rust from standard input", rust(), f, "$CC --crate-name a --crate-type lib --emit=dep-info,link - <a.rs; echo $?", "echo 'fn u() {}' >>a.rs"),
		right("rust -o", rust(), f, "$CC --crate-name a --crate-type lib --emit=dep-info,link -o x/y.rlib a.rs; echo $?", "mkdir x"),
		right("rust --emit asm, llvm-ir, mir, obj", rust(), f, "$CC --crate-name a --crate-type lib --emit=dep-info,asm,llvm-ir,llvm-bc,mir,obj a.rs", "echo 'pub fn g() {}' >>a.rs"),
		right("rust split debuginfo", rust(), f, rustLib+"-C debuginfo=2 -C split-debuginfo=unpacked -Z unstable-options a.rs; "+rustLib+"-C debuginfo=2 -C split-debuginfo=unpacked a.rs; ls", "echo 'pub fn g() {}' >>a.rs"),
		right("rust -C save-temps", rust(), f, rustLib+"-C save-temps a.rs", "echo 'pub fn g() {}' >>a.rs"),
		right("rust -C incremental", rust(), f, rustLib+"-C incremental=inc a.rs; rm -rf inc liba.*", "echo 'fn u() {}' >>a.rs"), // libraries differ: a session leaves its mark
		right("rust target-cpu=native", rust(), f, rustLib+"-C target-cpu=native a.rs", "echo 'pub fn g() {}' >>a.rs"),
		right("rust -C linker-plugin-lto and embed-bitcode", rust(), f, rustLib+"-C embed-bitcode=no a.rs; "+rustLib+"-C linker-plugin-lto a.rs", "echo 'pub fn g() {}' >>a.rs"),
		right("rust -C profile-use", rust(), f, rustLib+"-C profile-use=$PWD/x.prof a.rs; echo $?", "echo junk >x.prof; echo 'pub fn g() {}' >>a.rs"),
		right("rust profile-generate and coverage", rust(), f, rustLib+"-C instrument-coverage a.rs; "+rustLib+"-C profile-generate=p a.rs", "echo 'pub fn g() {}' >>a.rs"),
		right("rust unknown flags", rust(), f, "$CC --nonsense a.rs; echo $?; $CC -C nonsense a.rs; echo $?; $CC none.rs; echo $?; $CC", "rm a.rs; mkdir a.rs; echo >none.rs"),
		calm("rust questions", rust(), f, "$CC -vV; $CC --print cfg; $CC --print sysroot; $CC - --crate-name ___ --print=file-names --crate-type bin --crate-type rlib </dev/null; $CC --explain E0460 | head -3", "echo >none.rs; echo 'toolchain.channel = \"nightly\"' >rust-toolchain.toml"),
	}
	for _, at := range [][2]string{{"read-only", "rm -f liba.rlib a.d; echo old >liba.rlib; echo old >a.d; chmod 444 liba.rlib a.d"}, {"of several names", "rm -f z liba.rlib; echo old >liba.rlib; ln liba.rlib z"}, {"private", "chmod 600 liba.rlib a.d liba.rmeta"},
		{"a directory", "rm -rf liba.rlib; mkdir -p liba.rlib"}, {"a link", "rm -rf liba.rlib; ln -sfn z liba.rlib"}, {"a dep file of several names", "echo old >a.d; ln -f a.d z"}, {"metadata of several names", "ln -f liba.rmeta z"}} {
		out = append(out, testCase{name: "rust output is " + at[0], on: rust(), files: f, steps: []step{{"", call, "stored"}, {at[1], "", "any"}, {at[1], "", "any"}}})
	}
	return out
}

func rustForeign() []testCase {
	nat := files{"n1.c": "int nat(void) { return 1; }\n", "n2.c": "int nat(void) { return 2; }\n", "l/k": "", "e/k": "",
		"a.rs": "#[link(name = \"nat\", kind = \"static\")] unsafe extern \"C\" { fn nat() -> i32; }\npub fn f() -> i32 { unsafe { nat() } }\n", "b.rs": "unsafe extern \"C\" { fn nat() -> i32; }\npub fn f() -> i32 { unsafe { nat() } }\n"}
	const lib = "[ -e l/libnat.a ] || { gcc -c n1.c -o n.o; ar rcsD l/libnat.a n.o; }; "
	const change = "gcc -c n2.c -o n.o; rm -f l/libnat.a; ar rcsD l/libnat.a n.o"
	macro := files{"m.rs": "extern crate proc_macro;\nuse proc_macro::TokenStream;\n#[proc_macro] pub fn m(_: TokenStream) -> TokenStream {\n let f = std::fs::read_to_string(\"data.txt\").unwrap();\n let v = std::env::var(\"MV\").unwrap_or_default();\n format!(\"pub const V: &str = {:?};\", format!(\"{}{}\", f, v)).parse().unwrap() }\n",
		"a.rs": "extern crate m;\nm::m!();\n", "u.rs": "extern crate a;\npub const V: &str = a::V;\n", "data.txt": "one"}
	const build = "$CC --crate-name m --crate-type proc-macro m.rs && $CC --crate-name a --crate-type lib --emit=dep-info,metadata,link --extern m=libm.so a.rs"
	return []testCase{
		right("rust native library by #[link]", rust(), nat, lib+rustLib+"-L native=l a.rs", change),
		right("rust native library by -l", rust(), nat, lib+rustLib+"-L native=l -l static=nat b.rs", change),
		right("rust native library by -L all", rust(), nat, lib+rustLib+"-L l -l static=nat b.rs", change),
		right("rust native library appears earlier", rust(), nat, lib+rustLib+"-L native=e -L native=l -l static=nat b.rs", "gcc -c n2.c -o n.o; ar rcsD e/libnat.a n.o"),
		right("rust native library appears earlier for #[link]", rust(), nat, lib+rustLib+"-L native=e -L native=l a.rs", "gcc -c n2.c -o n.o; ar rcsD e/libnat.a n.o"),
		right("rust native library by a link retargeted", rust(), nat, "[ -e x.a ] || { gcc -c n1.c -o n.o; ar rcsD x.a n.o; gcc -c n2.c -o n.o; ar rcsD y.a n.o; ln -s ../x.a l/libnat.a; }; "+rustLib+"-L native=l -l static=nat b.rs", "ln -sfn ../y.a l/libnat.a"),
		right("rust native library in a dependency", rust(), nat, lib+rustLib+"-L native=l a.rs && $CC --crate-name u --crate-type lib --emit=dep-info,metadata,link --extern a=liba.rlib -L native=l n.rs", "echo 'extern crate a; pub fn g() -> i32 { a::f() }' >n.rs"),
		stale("rust global_asm with a file", rust(), files{"a.rs": "core::arch::global_asm!(\".data\\n.incbin \\\"d.bin\\\"\\n.text\");\npub fn f() {}\n", "d.bin": "one"}, rustLib+"a.rs", "printf two >d.bin"),
		stale("rust global_asm of a file", rust(), files{"a.rs": "core::arch::global_asm!(include_str!(\"x.s\"));\npub fn f() {}\n", "x.s": ".data\n.incbin \"d.bin\"\n.text\n", "d.bin": "one"}, rustLib+"a.rs", "printf two >d.bin"),
		stale("rust asm with include in a function", rust(), files{"a.rs": "#[inline(never)] pub fn f() { unsafe { core::arch::asm!(\".include \\\"x.s\\\"\") } }\n", "x.s": "nop\n"}, rustLib+"a.rs", "echo 'nop; nop' >x.s"),
		stale("rust asm in a macro", rust(), files{"a.rs": "macro_rules! g { ($f:literal) => { core::arch::global_asm!(concat!(\".data\\n.inc\", \"bin \\\"\", $f, \"\\\"\\n.text\")); } }\ng!(\"d.bin\");\npub fn f() {}\n", "d.bin": "one"}, rustLib+"a.rs", "printf two >d.bin"),
		right("rust proc-macro reads a file", rust(), macro, build, "printf two >data.txt"),
		right("rust proc-macro reads a variable", rust(), macro, "MV=$(cat v 2>/dev/null) ; export MV; "+build, "echo two >v"),
		right("rust crate above one with a proc-macro", rust(), macro, build+" && $CC --crate-name u --crate-type lib --emit=dep-info,metadata,link --extern a=liba.rlib -L dependency=. u.rs", "printf two >data.txt"),
		right("rust program", rust(), files{"a.rs": "fn main() { print!(\"1\") }\n"}, "$CC a.rs -o a.out && ./a.out", "sed -i s/1/2/ a.rs"),
		right("rust program linked by another linker", rust(), files{"a.rs": "fn main() { print!(\"1\") }\n", "ld": "#!/bin/sh\necho one >&2\nexec cc \"$@\"\n"}, "$CC -C linker=./ld a.rs -o a.out && ./a.out && rm a.out", "sed -i 's/exec cc/exec cc -s/' ld"),
		right("rust dynamic libraries", rust(), files{"a.rs": "#[unsafe(no_mangle)] pub extern \"C\" fn f() -> u32 { 1 }\n"}, "$CC --crate-type cdylib a.rs && $CC --crate-type staticlib a.rs && $CC --crate-type dylib -C prefer-dynamic a.rs", "sed -i 's/{ 1/{ 2/' a.rs"),
		right("rust test", rust(), files{"a.rs": "#[test] fn f() { assert_eq!(1, 1) }\n"}, "$CC --test a.rs -o t && ./t -q | grep -v finished", "sed -i 's/1, 1/1, 2/' a.rs"),
		right("rust clippy", []string{"clippy-driver rustc"}, files{"a.rs": "pub fn f(x: bool) -> bool { if x == true { true } else { false } }\n"}, "$CC --crate-name a --crate-type lib --emit=dep-info,metadata a.rs", "sed -i 's/if x == true/if x/' a.rs"),
		right("rust clippy configuration", []string{"clippy-driver rustc"}, files{"a.rs": "pub fn f(a: u8, b: u8, c: u8) -> u8 { a + b + c }\n"}, "CLIPPY_CONF_DIR=$PWD $CC --crate-name a --crate-type lib --emit=dep-info,metadata a.rs", "echo 'too-many-arguments-threshold = 2' >clippy.toml"),
		right("rust clippy arguments", []string{"clippy-driver rustc"}, files{"a.rs": "pub fn f(x: Option<u8>) -> u8 { x.unwrap() }\n", "w": ":"}, ". ./w; $CC --crate-name a --crate-type lib --emit=dep-info,metadata a.rs", "echo 'export CLIPPY_ARGS=-Wclippy::unwrap_used__CLIPPY_HACKERY__' >w"),
		right("rust cargo project", []string{""}, files{"Cargo.toml": "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\n", "src/lib.rs": "pub fn f() -> u32 { 1 }\n"},
			"CARGO_INCREMENTAL=0 RUSTC_WRAPPER=$(set -- $CC; echo $1) cargo build --offline -q 2>&1; cp target/debug/liba.rlib out; rm -rf target Cargo.lock; CARGO_INCREMENTAL=1 RUSTC_WRAPPER=$(set -- $CC; echo $1) cargo check --offline -q; rm -rf target Cargo.lock", "sed -i 's/1/2/' src/lib.rs"),
	}
}
