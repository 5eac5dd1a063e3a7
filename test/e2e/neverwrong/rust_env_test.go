package neverwrong

import "testing"

// TestRustEnvironment is about variables where rustc links or loads macros (rows 8
// and 18): one that is removed changes a build only where the build names it, and then
// as without cachepot.
func TestRustEnvironment(t *testing.T) {
	runCases(t, rustRemoved())
	runCases(t, rustRemovedMacros())
	runCases(t, rustProjects())
	runCases(t, rustTerminals())
}

// between is a program's call under one and another environment.
func between(name string, f files, call, first, second, want string) testCase {
	return testCase{name: name, on: rust(), files: f, steps: []step{
		{"", first + call, "stored"}, {"", "", "hit"}, {"", second + call, want}, {"", "", "hit"}, {"", first + call, "hit"}}}
}

func rustRemoved() []testCase {
	asks := func(expr string) files {
		return files{"a.rs": "fn main() { print!(\"{:?}\", " + expr + ") }\n", "k": ""}
	}
	const call = rustBin + "a.rs && ./a"
	const one, two, none, empty = "export CI_JOB_ID=1; ", "export CI_JOB_ID=2; ", "unset CI_JOB_ID; ", "export CI_JOB_ID=; "
	below := files{"p.rs": "#[macro_export] macro_rules! job { () => { option_env!(\"CI_JOB_ID\") } }\n", "a.rs": "fn main() { print!(\"{:?}\", p::job!()) }\n"}
	const lib = "$CC --crate-name p --crate-type lib --emit=dep-info,link p.rs && "
	split := files{"a.rs": "mod m;\nfn main() { print!(\"{}\", m::A) }\n", "m.rs": "pub const A: &str = env!(\"CI_JOB_ID\");\n"}
	linker := files{"a.rs": "fn main() { print!(\"1\") }\n", "lk": "#!/bin/sh\n[ -z \"$BUILD_NUMBER\" ] || o=-Wl,--defsym=build_number=$BUILD_NUMBER\nexec cc $o \"$@\"\n"}
	return []testCase{
		between("rust removed variable", asks("1"), call, one, two, "hit"),
		between("rust removed variable set or not", asks("1"), call, one, none, "hit"),
		between("rust removed variable of env!", asks("env!(\"CI_JOB_ID\")"), call, one, two, "!stored"),
		between("rust removed variable of option_env!", asks("option_env!(\"CI_JOB_ID\")"), call, one, two, "!stored"),
		between("rust removed variable of option_env!, then unset", asks("option_env!(\"CI_JOB_ID\")"), call, one, none, "!stored"),
		between("rust removed variable of option_env!, then set", asks("option_env!(\"CI_JOB_ID\")"), call, none, one, "!stored"),
		between("rust removed variable of option_env!, unset then empty", asks("option_env!(\"CI_JOB_ID\")"), call, none, empty, "!stored"),
		between("rust removed variable of option_env!, empty then set", asks("option_env!(\"CI_JOB_ID\")"), call, empty, one, "!stored"),
		between("rust removed variable beside one of env!", asks("option_env!(\"CI_JOB_ID\")"), call, one+"SSH_TTY=1; export SSH_TTY; ", one+"SSH_TTY=2; export SSH_TTY; ", "hit"),
		between("rust short removed variable of option_env!", asks("option_env!(\"TMUX\")"), call, "export TMUX=1; ", "export TMUX=2; ", "!stored"),
		between("rust PWD of env!", asks("option_env!(\"PWD\")"), call, "PWD=/a; export PWD; ", "PWD=/b; export PWD; ", "!stored"),
		between("rust PWD", asks("1"), call, "PWD=/a; export PWD; ", "PWD=/b; export PWD; ", "hit"),
		between("rust removed variable in another source", split, call, one, two, "!stored"),
		{name: "rust removed variable by a macro of a crate below", on: rust(), files: below, steps: []step{
			{"", one + lib + rustBin + "--extern p=libp.rlib a.rs && ./a", "stored stored"}, {"", "", "hit hit"},
			{"", two + lib + rustBin + "--extern p=libp.rlib a.rs && ./a", "!hit stored"}, {"", "", "hit hit"}}},
		between("rust linker that names a removed variable", linker, rustBin+"-C linker=./lk a.rs", "export BUILD_NUMBER=1; ", "export BUILD_NUMBER=2; ", "!stored"),
		between("rust program's commit", asks("1"), call, "export GITHUB_SHA=1; ", "export GITHUB_SHA=2; ", "stored"), // for a linker may read it
		{name: "rust removed variable that is asked for later", on: rust(), files: asks("1"), steps: []step{
			{"", one + call, "stored"}, {"", two + call, "hit"}, {"sed -i 's/ 1)/ env!(\"CI_JOB_ID\"))/' a.rs", "", "!stored"}, {"", "", "hit"}, {"", one + call, "!stored"}}},
		{name: "rust removed variable that is missing", on: rust(), files: asks("env!(\"CI_JOB_ID\")"), steps: []step{
			{"", none + rustBin + "a.rs 2>/dev/null; echo $?", "failed"}, {"", one + rustBin + "a.rs 2>/dev/null; echo $?", "!stored"}}},
	}
}

func rustRemovedMacros() []testCase {
	macro := func(body string) files {
		return files{"m.rs": "extern crate proc_macro;\nuse proc_macro::TokenStream;\n#[proc_macro] pub fn m(_: TokenStream) -> TokenStream {\n let v: String = {" + body + "};\n v.parse().unwrap() }\n",
			"a.rs": "extern crate m;\npub const A: Option<&str> = m::m!();\n"}
	}
	const make = rustMacro + rustLib + "--extern m=libm.so a.rs"
	const one, two = "export CI_JOB_ID=1; ", "export CI_JOB_ID=2; "
	return []testCase{
		{name: "rust macro beside a removed variable", on: rust(), files: macro(`"None".into()`), steps: []step{
			{"", one + make, "stored stored"}, {"", two + make, "hit hit"}}},
		{name: "rust macro reads a removed variable by name", on: rust(), files: macro(`format!("Some({:?})", std::env::var("CI_JOB_ID").unwrap())`), steps: []step{
			{"", one + make, "stored stored"}, {"", "", "hit hit"}, {"", two + make, "!any"}, {"", "", "hit hit"}}},
		{name: "rust macro writes env! of a removed variable", on: rust(), files: macro(`"option_env!(\"CI_JOB_ID\")".into()`), steps: []step{
			{"", one + make, "stored stored"}, {"", "", "hit hit"}, {"", two + make, "!any"}, {"", "", "hit hit"}}},
	}
}

// rustProjects: what a project's own file says counts at the next call.
func rustProjects() []testCase {
	f := files{"a.rs": "fn main() { print!(\"1\") }\n", "cachepot.toml": "[rust.environment]\nremoved = [\"STAMP*\"]\nkeyed = [\"CI_JOB_ID\"]\n", "sub/k": ""}
	named := files{"a.rs": "fn main() { print!(\"{}\", env!(\"STAMP\")) }\n", "cachepot.toml": f["cachepot.toml"]}
	const call = rustBin + "a.rs && ./a"
	return []testCase{
		between("rust variable that the project has removed", f, call, "export STAMP_A=1; ", "export STAMP_A=2; ", "hit"),
		between("rust variable that the project has removed and names", named, call, "export STAMP=1; ", "export STAMP=2; ", "!stored"),
		between("rust variable that the project has keyed", f, call, "export CI_JOB_ID=1; ", "export CI_JOB_ID=2; ", "stored"),
		{name: "rust project that changes its mind", on: rust(), files: f, steps: []step{
			{"", "export STAMP=1; " + call, "stored"}, {"rm cachepot.toml", "", "stored"}, {"", "export STAMP=2; " + call, "stored"}}},
		{name: "rust project with a mistake", on: rust(), files: files{"a.rs": f["a.rs"], "cachepot.toml": "[rust.environment]\nplumbing = [\"X\"]\n"}, steps: []step{
			{"", call, "bare"}, {"rm cachepot.toml", "", "stored"}}},
	}
}

// rustTerminals: who calls from a terminal and who does not get the same, but for
// messages.
func rustTerminals() []testCase {
	quiet := files{"a.rs": "fn main() { print!(\"1\") }\n", "l.rs": "pub fn f() {}\n"}
	warns := files{"a.rs": "fn main() { let unused_variable_with_a_name_of_some_length = \"and a value that makes this line wider than eighty columns\"; }\n"}
	const jsonBin = rustBin + "--error-format=json --json=diagnostic-rendered-ansi,artifacts,future-incompat "
	const jsonLib = "$CC --crate-name l --crate-type lib --emit=dep-info,metadata,link --error-format=json --json=diagnostic-rendered-ansi,future-incompat "
	const wide, narrow = "--diagnostic-width=200 ", "--diagnostic-width=80 "
	return []testCase{
		between("rust program for another terminal", quiet, jsonBin+"-C debuginfo=2 a.rs && ./a", "export TERM=xterm COLORTERM=truecolor; ", "export TERM=dumb NO_COLOR=1 CARGO_TERM_COLOR=never RUSTC_WRAPPER=/other; ", "hit"),
		{name: "rust program of another width", on: rust(), files: quiet, steps: []step{
			{"", jsonBin + wide + "-C debuginfo=2 a.rs 2>/dev/null && ./a", "stored"}, {"", jsonBin + narrow + "-C debuginfo=2 a.rs 2>/dev/null", "hit"}, {"", jsonBin + "-C debuginfo=2 a.rs 2>/dev/null", "hit"}}},
		{name: "rust library of another width", on: rust(), files: quiet, steps: []step{
			{"", jsonLib + wide + "-C debuginfo=2 l.rs", "stored"}, {"", jsonLib + narrow + "-C debuginfo=2 l.rs", "hit"}, {"", jsonLib + "-C debuginfo=2 l.rs", "hit"}}},
		{name: "rust width that is none", on: rust(), files: quiet, steps: []step{
			{"", jsonLib + wide + "l.rs; echo $?", "stored"}, {"", jsonLib + "--diagnostic-width=x l.rs; echo $?", "!any"}, {"", jsonLib + wide + narrow + "l.rs; echo $?", "any"}}},
		{name: "rust warnings of another width", on: rust(), files: warns, steps: []step{
			{"", jsonBin + wide + "a.rs", "stored"}, {"", "", "hit"}, {"", jsonBin + narrow + "a.rs", "!stored"}, {"", "", "hit"}, {"", jsonBin + wide + "a.rs", "!hit"}, {"", jsonBin + "a.rs", "any"}}},
		{name: "rust warnings of another width for people", on: rust(), files: warns, steps: []step{
			{"", rustBin + wide + "a.rs", "stored"}, {"", rustBin + narrow + "a.rs", "!stored"}, {"", "", "hit"}, {"", rustBin + wide + "a.rs", "!hit"}}},
	}
}
