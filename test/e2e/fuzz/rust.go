package main

import (
	"slices"
	"strings"
)

// rustProject is crates that cargo might build: a library with modules and
// files, a procedural macro that reads a file and a variable, a library above
// both, one with native code, and a program.
func rustProject(d dice) *project {
	g := &rustGenerator{dice: d, files: map[string]string{}, style: d.of("cargo", "cargo", "check", "plain")}
	g.sources()
	g.options()
	p := &project{family: "rustc " + g.style, files: g.files, mutate: g.mutate, vars: some(d, 3, rustVariables())}
	p.prep = "mkdir -p out early nat; gcc -c nat/nat.c -o nat/nat.o && ar rcsD nat/libnat.a nat/nat.o && rm nat/nat.o; ln -s base here"
	for _, name := range g.crates() {
		p.opening = append(p.opening, g.call(name))
	}
	p.fresh = func() *call { return g.call(g.of(g.crates()...)) }
	p.changes = g.changes()
	return p
}

// rustGenerator makes one project and its calls.
type rustGenerator struct {
	dice
	style  string
	files  map[string]string
	shared []string // options of all calls
}

// crates in the order in which they are built.
func (g *rustGenerator) crates() []string { return []string{"base", "mac", "mid", "native", "prog"} }

func (g *rustGenerator) maybe(text string) string {
	if g.one(2) {
		return text
	}
	return ""
}

func (g *rustGenerator) sources() {
	g.files["base/lib.rs"] = "pub mod x;\npub const BASE: u32 = 1;\npub fn base() -> u32 { x::X + BASE }\n" +
		g.maybe("pub const TEXT: &str = include_str!(\"text.txt\");\n") +
		g.maybe("pub const BYTES: &[u8] = include_bytes!(concat!(env!(\"FZ_DIR\"), \"text.txt\"));\n") +
		g.maybe("pub const OPT: Option<&str> = option_env!(\"FZ_OPT\");\n") +
		g.maybe("#[path = \"odd/p.rs\"] pub mod p;\n") +
		g.maybe("#[cfg(feature = \"f\")] pub fn feature() -> u32 { 1 }\n") +
		g.maybe("pub fn warned(n: u32) -> u32 { let m = n; 1 }\n") +
		g.maybe("pub const FILE: &str = file!();\n#[track_caller] pub fn fail() { panic!(\"x\") }\n") +
		g.maybe("include!(\"inc.rs\");\n") +
		g.maybe("pub fn gen<T: Copy + core::ops::Add<Output = T>>(t: T) -> T { t + t }\n#[inline] pub fn inl() -> u32 { 1 }\n")
	g.files["base/x.rs"], g.files["base/odd/p.rs"] = "pub const X: u32 = 1;\n", "pub const P: u32 = 1;\n"
	g.files["base/text.txt"], g.files["base/inc.rs"] = "text = 1\n", "pub const INC: u32 = 1;\n"
	g.files["mac/lib.rs"] = "extern crate proc_macro;\nuse proc_macro::TokenStream;\n#[proc_macro] pub fn mac(_: TokenStream) -> TokenStream {\n" +
		"let f = " + g.of("String::new()", "std::fs::read_to_string(\"data.txt\").unwrap_or_default()", "std::fs::read_dir(\"base\").map(|d| format!(\"{}\", d.count())).unwrap_or_default()", "format!(\"{}\", std::path::Path::new(\"early/flag\").exists())") + ";\n" +
		"let v = " + g.of("String::new()", "std::env::var(\"FZ_MAC\").unwrap_or_default()", "std::env::current_dir().unwrap().display().to_string()") + ";\n" +
		"format!(\"pub const MAC: &str = {:?};\", format!(\"{}{}{}\", f, v, 1)).parse().unwrap() }\n"
	g.files["data.txt"] = "data = 1\n"
	g.files["mid/lib.rs"] = "mac::mac!();\npub const MID: u32 = 1;\npub fn mid() -> u32 { base::base() + MID }\n" + g.maybe("pub use base::x;\n")
	g.files["native/lib.rs"] = g.of("#[link(name = \"nat\", kind = \"static\")]\n", "") + "unsafe extern \"C\" { fn nat() -> i32; }\npub fn native() -> i32 { unsafe { nat() } }\n" + g.maybe("core::arch::global_asm!(\".data\\n.incbin \\\"data.txt\\\"\\n.text\");\n")
	g.files["nat/nat.c"] = "int nat(void) { return 1; }\nint nat_V = 1;\n"
	g.files["prog/main.rs"] = "fn main() { print!(\"{}{}\", mid::mid(), 1); }\n" + g.maybe("#[test] fn t() { assert_eq!(mid::MID, 1); }\n")
	g.files["args.rsp"] = "--cfg\nfeature=\"g\"\n"
}

// options sets what all calls have in common: dependents must fit.
func (g *rustGenerator) options() {
	g.shared = []string{"--edition=2021"}
	if g.style != "plain" {
		g.shared = append(g.shared, "--error-format=json", "--json=diagnostic-rendered-ansi,artifacts,future-incompat", "-C embed-bitcode=no")
	}
	for _, kind := range some(g.dice, g.IntN(4), []words{
		{"-C opt-level=0", "-C opt-level=3", "-C opt-level=s"},
		{"-C debuginfo=2", "-C debuginfo=1", "-g"},
		{"-C debug-assertions=on", "-C overflow-checks=off", "-C panic=abort"},
		{"-C codegen-units=1", "-C codegen-units=4"},
		{"--remap-path-prefix=$PWD=/x", "--remap-path-prefix $PWD=."},
	}) {
		g.shared = append(g.shared, g.of(kind...))
	}
}

// call makes a call for a crate.
func (g *rustGenerator) call(name string) *call {
	c := &call{tool: "\"$RUSTC\"", args: append([]string{"--crate-name " + name}, g.shared...)}
	emit, lib := "dep-info,metadata,link", "rlib"
	if g.style == "check" {
		emit, lib = "dep-info,metadata", "rmeta"
	}
	dep := func(of string) string { return "--extern " + of + "=out/lib" + of + "-fz." + lib }
	switch name {
	case "base":
		c.env = []string{"FZ_DIR=" + g.of("./", "./", "../base/")}
		c.args = append(c.args, "--crate-type lib", "--emit="+emit)
	case "mac":
		c.args = append(c.args, "--crate-type proc-macro", "--emit=dep-info,link", "-C prefer-dynamic", "--extern proc_macro")
	case "mid":
		c.args = append(c.args, "--crate-type lib", "--emit="+emit, dep("base"), "--extern mac=out/libmac-fz.so")
	case "native":
		// An assembler that fails leaves a temporary file, which the next run of
		// rustc takes away and a hit does not.
		c.pre = "rm -f out/*.rcgu.o; "
		c.args = append(c.args, "--crate-type lib", "--emit="+emit, "-L native=early", "-L native=nat", "-l static=nat")
	case "prog":
		c.args = append(c.args, g.of("--crate-type bin", "--crate-type bin", "--test"), "--emit="+strings.Replace(emit, "metadata,link", "link", 1), dep("mid"))
		if lib == "rlib" {
			c.args = append(c.args, "-C strip=debuginfo")
		}
	}
	c.args = append(c.args, "-C metadata=fz", "-C extra-filename=-fz", "--out-dir out", "-L dependency=out")
	if g.one(4) {
		c.args = append(c.args, g.of(rustFlags()...))
	}
	if g.one(12) {
		c.args = append(c.args, g.of(rareRustFlags()...))
	}
	c.args = append(c.args, g.source(name))
	return c
}

func (g *rustGenerator) source(name string) string {
	switch {
	case name == "prog":
		return "prog/main.rs"
	case name == "base" && g.one(4):
		return g.of("here/lib.rs", "$PWD/base/lib.rs", "./base/lib.rs")
	}
	return name + "/lib.rs"
}

// mutate changes the call a little.
func (g *rustGenerator) mutate(c *call) {
	switch n := g.IntN(8); {
	case n < 3:
		c.args = slices.Insert(c.args, g.IntN(len(c.args)+1), g.of(rustFlags()...))
	case n < 4:
		c.args = append(c.args, g.of(rareRustFlags()...))
	case n < 6:
		at := g.IntN(len(c.args))
		c.args = slices.Delete(c.args, at, at+1)
	default:
		i, j := g.IntN(len(c.args)), g.IntN(len(c.args))
		c.args[i], c.args[j] = c.args[j], c.args[i]
	}
}

func rustFlags() words {
	return words{"--cfg 'feature=\"f\"'", "--cfg g", "--check-cfg 'cfg(g)'", "--cap-lints allow", "--cap-lints=warn", "-D warnings", "-W unused", "-A dead_code", "--color always", "--diagnostic-width=60",
		"-L early", "-L dependency=early", "-L native=early", "-C metadata=other", "-C target-cpu=x86-64-v2", "-C strip=symbols", "-C link-arg=-s", "--print native-static-libs", "@args.rsp",
		"-C split-debuginfo=off", "-C force-frame-pointers=yes", "-C debuginfo=line-tables-only", "-v", "--extern alias=out/libbase-fz.rlib", "-C lto=off", "-C inline-threshold=1", "--remap-path-prefix=base=q"}
}

// rareRustFlags has no -C incremental: the first build is then made without a
// session on purpose, and leaves none.
func rareRustFlags() words {
	return words{"-C target-cpu=native", "-Z nonsense", "--nonsense", "-C nonsense", "--emit=asm", "--emit=obj,llvm-ir", "--print cfg", "-o out/odd", "-L crate=out", "-C linker=./none",
		"--emit=metadata=out/m.rmeta", "-C profile-use=none.prof", "-C instrument-coverage", "-C split-debuginfo=unpacked -C debuginfo=2", "-C split-debuginfo=packed -C debuginfo=2", "-C llvm-args=-inline-threshold=1", "@none.rsp", "--json=timings", "--sysroot /none", "--target x86_64-unknown-linux-gnu",
		"--crate-type cdylib", "--crate-type staticlib", "--crate-type dylib", "-C lto=thin", "-C linker-plugin-lto", "-C link-arg=-Wl,-Map=out/map", "-C prefer-dynamic", "base/x.rs", "--crate-type lib --test", "-C rpath", "--error-format=short", "-C link-arg=-fuse-ld=lld", "-C link-dead-code"}
}

func (g *rustGenerator) changes() []toggle {
	var out []toggle
	files := []string{"base/x.rs", "base/text.txt", "base/inc.rs", "base/odd/p.rs", "mac/lib.rs", "data.txt", "mid/lib.rs", "native/lib.rs", "prog/main.rs", "args.rsp"}
	for _, name := range append(some(g.dice, 4, files), "base/lib.rs") {
		out = append(out, some(g.dice, 2, fileChanges(name))...)
	}
	native := func(dir, value string) string {
		return "mkdir -p " + dir + "; sed 's/= 1\\|return 1/return " + value + "/;s/int nat_V.*//' nat/nat.c >$S/n.c; gcc -c $S/n.c -o $S/n.o && rm -f " + dir + "/libnat.a; ar rcsD " + dir + "/libnat.a $S/n.o"
	}
	odd := []toggle{
		{"mkdir base/x; mv base/x.rs base/x/mod.rs", "mv base/x/mod.rs base/x.rs; rmdir base/x"},
		{"mkdir base/x; cp base/x.rs base/x/mod.rs", "rm -rf base/x"},
		{native("early", "3"), "rm -f early/libnat.a"},
		{native("nat", "2"), native("nat", "1")},
		{"cp out/libbase-fz.* early/", "rm -f early/libbase*"},
		{"cp out/libbase-fz.rlib out/libbase-old.rlib", "rm -f out/libbase-old*"},
		{": >early/flag", "rm -f early/flag"},
		{": >base/unrelated", "rm -f base/unrelated"},
		{"rm here; cp -a base here", "rm -rf here; ln -s base here"},
		{"mkdir early/x.d; : >early/libother.rlib", "rm -rf early/*"},
		{"rm -rf out/libbase-fz.rmeta", "touch out/*"},
		{"mv out $S/out && cp -a $S/out out", "rm -rf out && mv $S/out out"},
	}
	out = append(out, some(g.dice, 4, odd)...)
	return append(out, some(g.dice, 1, outputChanges())...)
}

func rustVariables() []variable {
	return []variable{
		{"FZ_OPT", []string{"one", "two", "''"}},
		{"FZ_MAC", []string{"one", "two"}},
		{"FZ_ANY", []string{"1", "2"}},
		{"CARGO_PKG_NAME", []string{"fz", "other"}},
		{"CARGO_MANIFEST_DIR", []string{"$PWD", "/none"}},
		{"LANG", []string{"C.UTF-8"}},
		{"TERM", []string{"dumb", "xterm-256color"}},
		{"RUST_BACKTRACE", []string{"1"}},
		{"RUSTC_BOOTSTRAP", []string{"1", "0"}},
		{"PWD", []string{"/", "''"}},
		{"TMPDIR", []string{"$PWD/early"}},
		{"LD_LIBRARY_PATH", []string{"$PWD/out"}},
		{"SOURCE_DATE_EPOCH", []string{"1"}},
		{"MAKEFLAGS", []string{"-j2"}},
		{"RUSTFLAGS", []string{"-g"}},
		{"CARGO_INCREMENTAL", []string{"0"}},
		{"LIBRARY_PATH", []string{"$PWD/early"}},
		{"PATH", []string{"$PWD/early:$PATH"}},
	}
}
