package neverwrong

import (
	"os"
	"path/filepath"
	"testing"
)

// TestRustLinked is about what rustc links (rows 5, 7, 10, 13, 18 and 21).
func TestRustLinked(t *testing.T) {
	runCases(t, rustLinked())
	runCases(t, rustLinkInputs())
	runCases(t, rustSessions())
}

// TestRustMacros is about crates that load proc-macros (row 8).
func TestRustMacros(t *testing.T) {
	runCases(t, rustMacros())
}

const (
	rustBin   = "$CC --crate-name a --crate-type bin --emit=dep-info,link "
	rustMacro = "$CC --crate-name m --crate-type proc-macro --emit=dep-info,link m.rs && "
)

func rustLinked() []testCase {
	one := files{"a.rs": "#[unsafe(no_mangle)] pub extern \"C\" fn f() -> u32 { 1 }\nfn main() { print!(\"{}\", f()) }\n"}
	out := []testCase{
		cached("rust program cached", rust(), one, rustBin+"a.rs && ./a", "rm -f a a.d"),
		stale("rust program's umask", rust(), files{"a.rs": one["a.rs"], "w": "umask 077"}, ". ./w; "+rustBin+"a.rs", "echo umask 022 >w; rm a a.d"),
		stale("rust program with debuginfo packed", rust(), one, rustBin+"-C debuginfo=2 -C split-debuginfo=packed a.rs", "sed -i 's/{ 1/{ 2/' a.rs"),
		stale("rust program stripped", rust(), one, rustBin+"-C strip=symbols a.rs", "sed -i 's/{ 1/{ 2/' a.rs"),
		stale("rust test program", rust(), files{"a.rs": "#[test] fn f() { assert_eq!(1, 1) }\n"}, "$CC --crate-name a --test --emit=dep-info,link a.rs && ./a -q | grep -v finished", "sed -i 's/1, 1/1, 2/' a.rs"),
		other("rust program or test", rust(), one, rustBin+"a.rs", rustBin+"--test a.rs"),
		other("rust program's env", rust(), files{"a.rs": "fn main() { print!(env!(\"W\")) }\n", "k": ""}, "W=1 "+rustBin+"a.rs && ./a", "W=2 "+rustBin+"a.rs && ./a"),
		other("rust program's env of plumbing", rust(), files{"a.rs": "fn main() { print!(\"{:?}\", option_env!(\"TMPDIR\")) }\n", "k": ""}, "TMPDIR=/tmp "+rustBin+"a.rs && ./a", "TMPDIR=/var/tmp "+rustBin+"a.rs && ./a"),
		right("rust program's env of the session", rust(), files{"a.rs": "fn main() { print!(\"{:?}\", option_env!(\"NO_SUCH_SESSION\")) }\n", "w": ":"}, ". ./w; "+rustBin+"a.rs && ./a", "echo export NO_SUCH_SESSION=1 >w"),
		cached("rust metadata of a program", rust(), one, "$CC --crate-name a --crate-type bin --emit=dep-info,metadata a.rs", "rm liba.rmeta"),
		stale("rust native-static-libs", rust(), one, "$CC --crate-name a --crate-type staticlib --emit=dep-info,link --print native-static-libs a.rs", "sed -i 's/{ 1/{ 2/' a.rs"),
		stale("rust all types at once", rust(), one, "$CC --crate-name a --crate-type rlib,cdylib,staticlib --emit=dep-info,link a.rs", "sed -i 's/{ 1/{ 2/' a.rs"),
		{name: "rust program output of several names", on: rust(), files: one, steps: []step{{"", rustBin + "a.rs; ./a", "stored"}, {"ln -f a z", "", "hit"}, {"ln -f a z; sed -i 's/{ 1/{ 2/' a.rs", "", "!stored"}, {"ln -f a z", "", "hit"}}},
		{name: "rust program output is a link", on: rust(), files: one, steps: []step{{"", rustBin + "a.rs", "stored"}, {"rm a; ln -s z a", "", "any"}, {"rm -f a z; mkdir a", rustBin + "a.rs 2>/dev/null; echo $?", "any"}}},
		{name: "rust program output is read-only", on: rust(), files: one, steps: []step{{"", rustBin + "a.rs", "stored"}, {"chmod 555 a", rustBin + "a.rs 2>/dev/null; echo $?", "any"}}},
		{name: "rust program fails to link", on: rust(), files: files{"a.rs": "unsafe extern \"C\" { fn nowhere(); }\nfn main() { unsafe { nowhere() } }\n"}, steps: []step{{"", rustBin + "a.rs 2>/dev/null; echo $?", "failed"}, {"", "", "failed"}, {"echo 'fn main() {}' >a.rs", "", "!stored"}, {"", "", "hit"}}},
	}
	for _, kind := range []string{"bin", "cdylib", "staticlib", "dylib -C prefer-dynamic", "dylib"} {
		out = append(out, stale("rust crate type "+kind, rust(), one, "$CC --crate-name a --emit=dep-info,link --crate-type "+kind+" a.rs", "sed -i 's/{ 1/{ 2/' a.rs"))
	}
	return out
}

func rustLinkInputs() []testCase {
	nat := files{"n1.c": "int nat(void) { return 1; }\n", "n2.c": "int nat(void) { return 2; }\n", "l/k": "", "e/k": "",
		"a.rs": "unsafe extern \"C\" { fn nat() -> i32; }\nfn main() { unsafe { print!(\"{}\", nat()) } }\n"}
	const lib = "[ -e l/libnat.a ] || { gcc -c n1.c -o n.o; ar rcsD l/libnat.a n.o; }; "
	const change = "gcc -c n2.c -o n.o; rm -f l/libnat.a; ar rcsD l/libnat.a n.o"
	const early = "gcc -c n2.c -o n.o; ar rcsD e/libnat.a n.o"
	const shared = "gcc -shared n2.c -o e/libnat.so"
	main := files{"a.rs": "fn main() { print!(\"1\") }\n", "bin/k": "", "crt/k": "", "lk": "#!/bin/sh\nexec cc \"$@\"\n", "x.ld": "INPUT(n1.o)\n"}
	const crt = "cp $(cc -print-file-name=Scrt1.o) crt/; head -c 999 a.rs >t; objcopy --add-section .new=t crt/Scrt1.o"
	script := files{"n1.c": nat["n1.c"], "n2.c": nat["n2.c"], "a.rs": nat["a.rs"], "x.ld": "INPUT(n1.o)\n"}
	const objects = "[ -e n1.o ] || { gcc -c n1.c; gcc -c n2.c; }; "
	dep := files{"p.rs": "pub fn v() -> u32 { 1 }\n", "q.rs": "#[inline(never)] pub fn v() -> u32 { p::v() }\n", "a.rs": "fn main() { print!(\"{}\", q::v()) }\n", "deps/k": ""}
	crates := "$CC --crate-name p --crate-type lib --emit=dep-info,metadata,link --out-dir deps p.rs && " +
		"$CC --crate-name q --crate-type lib --emit=dep-info,metadata,link --out-dir deps --extern p=deps/libp.rmeta q.rs && "
	return []testCase{
		stale("rust program's static library", rust(), nat, lib+rustBin+"-L native=l -l static=nat a.rs && ./a", change),
		stale("rust program's library by -L without a kind", rust(), nat, lib+rustBin+"-L l -l static=nat a.rs && ./a", change),
		stale("rust program's static library appears earlier", rust(), nat, lib+rustBin+"-L native=e -L native=l -l static=nat a.rs && ./a", early),
		stale("rust program's library appears earlier", rust(), nat, lib+rustBin+"-L native=e -L native=l -l nat a.rs && LD_LIBRARY_PATH=e ./a", shared),
		stale("rust program's library appears in a directory that was missing", rust(), nat, lib+rustBin+"-L native=d -L native=l -l nat a.rs && LD_LIBRARY_PATH=d ./a", "mkdir d; gcc -shared n2.c -o d/libnat.so"),
		stale("rust program's library by link-arg", rust(), nat, lib+rustBin+"-C link-arg=-Ll -C link-arg=-lnat a.rs && ./a", change),
		stale("rust program's library of the system is hidden", rust(), main, rustBin+"-L native=e -l c a.rs", "mkdir e; echo '__attribute__((constructor)) static void f(void) {}' | cc -x c -c -o e/x.o -; echo 'GROUP ( '$PWD/e/x.o' '$(cc -print-file-name=libc.so.6)' '$(cc -print-file-name=libc_nonshared.a)' '$(cc -print-file-name=libm.so.6)' '$(cc -print-file-name=ld-linux-x86-64.so.2)' )' >e/libc.so"),
		other("rust program's LIBRARY_PATH", rust(), nat, lib+"gcc -c n2.c -o n.o; ar rcsD e/libnat.a n.o; LIBRARY_PATH=$PWD/l "+rustBin+"-l nat a.rs && ./a", "LIBRARY_PATH=$PWD/e "+rustBin+"-l nat a.rs && ./a"),
		stale("rust program's linker script", rust(), script, objects+rustBin+"-C link-arg=x.ld a.rs && ./a", "echo 'INPUT(n2.o)' >x.ld"),
		stale("rust program's object by a linker script", rust(), script, objects+rustBin+"-C link-arg=x.ld a.rs && ./a", "cp n2.o n1.o"),
		stale("rust program's linker edited", rust(), main, rustBin+"-C linker=./lk a.rs", "sed -i 's/exec cc/exec cc -s/' lk"),
		stale("rust program's linker appears in PATH", rust(), main, "PATH=$PWD/bin:$PATH "+rustBin+"a.rs", "printf '#!/bin/sh\\nexec /usr/bin/cc -s \"$@\"\\n' >bin/cc; chmod +x bin/cc"),
		{"rust program of another user", rust(), main, "", []step{{"", rustBin + "a.rs", "stored"},
			{"", "PATH=$PWD/bin:$PATH:/nowhere USER=somebody LOGNAME=somebody SHELL=/bin/other " + rustBin + "a.rs", "hit"}}},
		{"rust program that names the user", rust(), files{"a.rs": "fn main() { print!(\"{:?} {:?}\", option_env!(\"USER\"), option_env!(\"SHELL\")) }\n", "bin/k": ""}, "", []step{
			{"", "USER=one " + rustBin + "a.rs && ./a", "stored"}, {"", "", "hit"}, {"", "USER=two " + rustBin + "a.rs && ./a", "!any"}, {"", "SHELL=/x USER=two " + rustBin + "a.rs && ./a", "!any"}}},
		stale("rust program's start file", rust(), main, rustBin+"-C link-arg=-Bcrt/ a.rs", crt),
		stale("rust program linked by bfd", rust(), main, rustBin+"-C link-arg=-fuse-ld=bfd a.rs", "sed -i s/1/2/ a.rs"),
		right("rust program's linker writes more", rust(), main, rustBin+"-C link-arg=-Wl,-Map=map a.rs; rm map", "sed -i s/1/2/ a.rs"),
		stale("rust program's linker reads a file", rust(), files{"a.rs": main["a.rs"], "opt": "", "lk": "#!/bin/sh\nread o <opt\nexec cc $o \"$@\"\n"}, rustBin+"-C linker=./lk a.rs", "echo -s >opt"),
		other("rust program's linker reads a variable", rust(), files{"a.rs": main["a.rs"], "lk": "#!/bin/sh\nexec cc $LDOPT \"$@\"\n"}, rustBin+"-C linker=./lk a.rs", "LDOPT=-s "+rustBin+"-C linker=./lk a.rs"),
		stale("rust program's linker looks for a file", rust(), files{"a.rs": main["a.rs"], "lk": "#!/bin/sh\n[ -e opt ] && o=-s\nexec cc $o \"$@\"\n"}, rustBin+"-C linker=./lk a.rs", ":>opt"),
		stale("rust program's linker lists a directory", rust(), files{"a.rs": main["a.rs"], "d/k": "", "lk": "#!/bin/sh\n[ \"$(ls d)\" = k ] || o=-s\nexec cc $o \"$@\"\n"}, rustBin+"-C linker=./lk a.rs", ":>d/x"),
		{name: "rust program's crate changed", on: rust(), files: dep, steps: []step{
			{"", crates + rustBin + "--extern q=deps/libq.rlib -L dependency=deps a.rs && ./a", "stored stored stored"}, {"", "", "hit hit hit"}, {"sed -i 's/1/2/' p.rs", "", "!any"}, {"", "", "hit hit hit"}}},
		{name: "rust program beside crates that come and go", on: rust(), files: dep, steps: []step{
			{"", crates + rustBin + "--extern q=deps/libq.rlib -L dependency=deps a.rs && ./a", "stored stored stored"}, {":>deps/libz.rlib; :>deps/z.d; mkdir deps/d", "", "hit hit hit"}}},
		{name: "rust program's second candidate", on: rust(), files: dep, steps: []step{
			{"", crates + rustBin + "--extern q=deps/libq.rlib -L dependency=deps a.rs; echo $?", "stored stored stored"}, {"", "", "hit hit hit"},
			{"echo 'pub fn v() -> u32 { 3 }' >p2.rs; $CC --crate-name p --crate-type lib -C metadata=other -C extra-filename=-other --out-dir deps p2.rs", "", "any"}, {"", "", "any"}}},
	}
}

// rustSessions: with -C incremental the first build is for the cache, the edit loop
// is the compiler's own.
func rustSessions() []testCase {
	one := files{"a.rs": "fn main() { print!(\"1\") }\n"}
	const call = rustBin + "-C incremental=inc a.rs && ./a; rm -rf inc a a.d"
	return []testCase{
		{name: "rust incremental", on: rust(), files: one, steps: []step{{"", call, "stored"}, {"", "", "hit"}, {"sed -i s/1/2/ a.rs", "", "!bare"}, {"", "", "bare"}, {"sed -i s/2/1/ a.rs", "", "!hit"}}},
		{name: "rust incremental with a session", on: rust(), files: one, steps: []step{{"mkdir -p inc/a-1", call, "bare"}, {"", "", "stored"}, {"mkdir -p inc/a-1", "", "hit"}}},
	}
}

func rustMacros() []testCase {
	m := func(body string) files {
		return files{"m.rs": "extern crate proc_macro;\nuse proc_macro::TokenStream;\n#[proc_macro] pub fn m(_: TokenStream) -> TokenStream {\n let v: String = {" + body + "};\n format!(\"pub const V: &str = {:?};\", v).parse().unwrap() }\n",
			"a.rs": "extern crate m;\nm::m!();\n", "u.rs": "pub const V: &str = a::V;\n", "data.txt": "one", "d/k": ""}
	}
	const build = rustMacro + rustLib + "--extern m=libm.so a.rs"
	const above = build + " && $CC --crate-name u --crate-type lib --emit=dep-info,metadata,link --extern a=liba.rmeta -L dependency=. u.rs"
	two := func(name string, f files, call, change string) testCase {
		return testCase{name: name, on: rust(), files: f, steps: []step{{"", call, "stored stored"}, {"", "", "hit hit"}, {change, "", "!any"}, {"", "", "hit hit"}}}
	}
	return []testCase{
		two("rust macro edited", m("\"one\".into()"), build, "sed -i s/one/two/ m.rs"),
		two("rust macro reads a file", m("std::fs::read_to_string(\"data.txt\").unwrap()"), build, "printf two >data.txt"),
		two("rust macro looks for a file", m("format!(\"{}\", std::path::Path::new(\"flag\").exists())"), build, ":>flag"),
		two("rust macro finds a file gone", m("format!(\"{}\", std::path::Path::new(\"data.txt\").exists())"), build, "rm data.txt"),
		two("rust macro lists a directory", m("format!(\"{}\", std::fs::read_dir(\"d\").unwrap().count())"), build, ":>d/new"),
		two("rust macro reads a link", m("format!(\"{:?}\", std::fs::read_link(\"l\").ok())"), build, "ln -s x l"),
		two("rust macro resolves a path", m("format!(\"{:?}\", std::fs::canonicalize(\"l\").ok().map(|p| p.file_name().unwrap().to_owned()))"), build, "ln -s data.txt l"),
		two("rust macro looks for a file below its own name", m("format!(\"{}\", std::path::Path::new(\"/proc/self/cwd/flag\").exists())"), build, ":>flag"),
		two("rust macro looks below a thread's name", m("format!(\"{}\", std::path::Path::new(\"/proc/thread-self/cwd/flag\").exists())"), build, ":>flag"),
		two("rust macro starts a program", m("String::from_utf8(std::process::Command::new(\"cat\").arg(\"data.txt\").output().unwrap().stdout).unwrap()"), build, "printf two >data.txt"),
		two("rust macro asks for a length", m("format!(\"{}\", std::fs::metadata(\"data.txt\").unwrap().len())"), build, "printf longer >data.txt"),
		{name: "rust macro reads a variable", on: rust(), files: m("format!(\"{:?}\", std::env::var(\"MV\"))"), steps: []step{
			{"", "MV=1; export MV; " + build, "stored stored"}, {"", "", "hit hit"}, {"", "MV=2; export MV; " + build, "!any"}, {"", "", "hit hit"}, {"", build, "!any"}, {"", "", "hit hit"}}},
		{name: "rust macro reads all variables", on: rust(), files: m("format!(\"{:?}\", std::env::vars().filter(|v| v.0.starts_with(\"MV\")).collect::<Vec<_>>())"), steps: []step{
			{"", "MV1=1; export MV1; " + build, "stored stored"}, {"", "", "hit hit"}, {"", "MV2=1; export MV2; " + build, "!any"}, {"", "", "hit hit"}}},
		{name: "rust macro writes a file", on: rust(), files: m("std::fs::write(\"made\", \"x\").unwrap(); \"one\".into()"), steps: []step{
			{"", build + " && rm made", "any"}, {"", "", "any"}}},
		{name: "rust macro removes a file", on: rust(), files: m("std::fs::remove_file(\"data.txt\").unwrap(); \"one\".into()"), steps: []step{
			{"", build + "; ls", "any"}, {":>data.txt", "", "any"}}},
		{name: "rust crate above a macro", on: rust(), files: m("std::fs::read_to_string(\"data.txt\").unwrap()"), steps: []step{
			{"", above, "stored stored stored"}, {"", "", "hit hit hit"}, {"printf two >data.txt", "", "!any"}, {"", "", "hit hit hit"}}},
		{name: "rust macro changed below a crate", on: rust(), files: m("\"one\".into()"), steps: []step{
			{"", above, "stored stored stored"}, {"", "", "hit hit hit"}, {"sed -i s/one/two/ m.rs", "", "!any"}, {"", "", "hit hit hit"}}},
	}
}

// TestRustProgramByHardLink: a blob is no program, so a program is copied even
// where outputs are links to blobs.
func TestRustProgramByHardLink(t *testing.T) {
	i := shared.private(t)
	config := filepath.Join(i.Root, "config", "cachepot")
	if err := os.MkdirAll(config, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(config, "config"), []byte("[cache.disk]\nrestore = \"hardlink\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := i.Admin("--start-coordinator"); err != nil {
		t.Fatal(err)
	}
	c := cached("rust program by a hard link", rust(), files{"a.rs": "fn main() { print!(\"1\") }\n"}, rustBin+"a.rs && ./a", "rm a a.d")
	c.run(t, shared.rustc, i)
}
