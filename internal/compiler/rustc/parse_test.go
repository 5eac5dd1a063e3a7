package rustc

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/digest"
)

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}

// mapOrigins knows the origins of files by path.
type mapOrigins map[string]Origin

func (m mapOrigins) Origin(file string) (Origin, digest.Digest, bool) {
	o, ok := m[file]
	return o, digest.Of([]byte(file)), ok
}

func callWith(dir string, args ...string) *compiler.Call {
	return &compiler.Call{
		Path: "/sr/bin/rustc", Dir: dir, Args: args,
		Tool: compiler.Tool{Family: "rustc", Sysroot: "/sr", Target: hostTriple()},
	}
}

// cargoArgs is a command line of cargo with more appended.
func cargoArgs(more ...string) []string {
	return append([]string{"--crate-name", "x", "--edition=2021", "src/lib.rs", "--error-format=json",
		"--json=diagnostic-rendered-ansi,artifacts,future-incompat", "--crate-type", "lib",
		"--emit=dep-info,metadata,link", "-C", "embed-bitcode=no", "-C", "debuginfo=2",
		"--check-cfg", "cfg(docsrs,test)", "-C", "metadata=1", "-C", "extra-filename=-1f",
		"--out-dir", "/t/deps", "-L", "dependency=/t/deps"}, more...)
}

func TestParseRefuses(t *testing.T) {
	dir := t.TempDir()
	project{"libx.rlib": "", "x.d": "", "src/lib.rs": ""}.write(t, dir)
	if err := os.Mkdir(dir+"/y.d", 0o755); err != nil {
		t.Fatal(err)
	}
	origins := mapOrigins{"/t/known.rmeta": {Stem: "known"}}
	for _, tc := range []struct {
		args    []string
		reason  string
		nothing bool
	}{
		{[]string{"-vV"}, "--version", true},
		{[]string{"--version", "--verbose"}, "--version", true},
		{[]string{"--help"}, "--help", true},
		{[]string{"-C", "help"}, "--help", true},
		{[]string{"-W", "help"}, "--help", true},
		{[]string{"--explain", "E0001"}, "--explain", true},
		{[]string{"-", "--crate-name", "___", "--print=file-names", "--crate-type", "bin"}, "--print", true},
		{[]string{}, "no input", true},
		{cargoArgs("--print", "cfg"), "--print", true},
		{cargoArgs("-Zunpretty=expanded"), "-Z", false},
		{cargoArgs("-o", "x"), "-o", false},
		{cargoArgs("--sysroot=/y"), "--sysroot", false},
		{cargoArgs("--new-thing=1"), "unknown option: --new-thing", false},
		{cargoArgs("-Cnew-thing=1"), "unknown option: -C new-thing", false},
		{cargoArgs("-q"), "unknown option: -q", false},
		{cargoArgs("--cfg"), "missing value: --cfg", false},
		{cargoArgs("--crate-type=new"), "crate-type new", false},
		{cargoArgs("--crate-type=bin", "--target=x86_64-pc-windows-gnu"), "linked for another system", false},
		{cargoArgs("--test", "--target=wasm32-unknown-unknown"), "linked for another system", false},
		{cargoArgs("--crate-type=cdylib", "--target=/t/x86_64-linux-gnu.json"), "linked for another system", false},
		{[]string{"a.rs", "--crate-name=x", "--crate-type=rlib,cdylib", "--emit=dep-info,link=y"}, "one name for several crate types", false},
		{cargoArgs("-C", "incremental=/t/inc", "-Cincremental=/t/inc"), "incremental twice or nowhere", false},
		{cargoArgs("-C", "link-arg=-Wl,--build-id=uuid"), "random build id", false},
		{cargoArgs("-Ctarget-cpu=native"), "-C target-cpu=native", false},
		{cargoArgs("-Ctarget_cpu=native"), "-C target-cpu=native", false},
		{cargoArgs("-C", "save-temps"), "-C save-temps", false},
		{cargoArgs("-C", "llvm-args=-x"), "-C llvm-args", false},
		{cargoArgs("-C", "split-debuginfo=unpacked"), "-C split-debuginfo=unpacked", false},
		{cargoArgs("-Lcrate=/x"), "-L crate", false},
		{cargoArgs("--emit=asm"), "--emit asm", false},
		{cargoArgs("--emit=link"), "--emit of one kind twice", false},
		{cargoArgs("--json=timings"), "--json timings", false},
		{cargoArgs("other.rs"), "multiple input files", false},
		{cargoArgs("--extern", "pm=/t/libpm.so"), "extern of unknown origin", false},
		{cargoArgs("--extern", "u=/t/unknown.rmeta"), "extern of unknown origin", false},
		{[]string{"@missing"}, "unreadable @file", false},
		{[]string{"-", "--crate-name=x", "--crate-type=lib", "--emit=dep-info,link"}, "-", false},
		{[]string{"a.rs", "--crate-type=lib", "--emit=dep-info,link"}, "no --crate-name", false},
		{[]string{"a.rs", "--crate-name=x", "--emit=dep-info,link"}, "crate-type unknown", false},
		{[]string{"a.rs", "--crate-name=x", "--crate-type=lib"}, "no dep-info", false},
		{[]string{"a.rs", "--crate-name=x", "--crate-type=lib", "--emit=dep-info"}, "--emit dep-info only", false},
		{[]string{"a.rs", "--crate-name=x", "--crate-type=lib", "--emit=dep-info=-,link"}, "--emit to stdout", false},
		{[]string{"a.rs", "--crate-name=z", "--crate-type=lib", "--emit=dep-info=./a.rs,link"}, "an output that is an input", false},
		{[]string{"a.rs", "--crate-name=z", "--crate-type=lib", "--emit=dep-info=b,link=b"}, "an output that is an input", false},
		{[]string{"a.rs", "--crate-name=y", "--crate-type=lib", "--emit=dep-info,link"}, "an output that is in the way", false},
		{[]string{"a.rs", "--crate-name=x", "--crate-type=lib", "--emit=dep-info,metadata"}, "an output that is in the way", false},
	} {
		_, err := New(origins).Parse(callWith(dir, tc.args...))
		var bare *compiler.Bare
		if !errors.As(err, &bare) {
			t.Errorf("%q: got %v, want a Bare", tc.args, err)
			continue
		}
		want := compiler.Bare{Reason: tc.reason, NotCompilation: tc.nothing}
		if d := cmp.Diff(want, *bare); d != "" {
			t.Errorf("%q: -want +got\n%s", tc.args, d)
		}
	}
}

// TestWidth: the width of a terminal is for messages alone, if it is one.
func TestWidth(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want []string
		ok   bool
	}{
		{[]string{"--diagnostic-width=80"}, []string{"--diagnostic-width=80"}, true},
		{[]string{"--diagnostic-width", "80"}, []string{"--diagnostic-width=80"}, true},
		{[]string{"--diagnostic-width=x"}, nil, false},
		{[]string{"--diagnostic-width="}, nil, false},
		{[]string{"--diagnostic-width=-1"}, nil, false},
		{[]string{"--diagnostic-width=80", "--diagnostic-width=80"}, nil, false},
	} {
		inv, err := New(mapOrigins{}).Parse(callWith(t.TempDir(), cargoArgs(tc.args...)...))
		if (err == nil) != tc.ok {
			t.Errorf("%q: %v", tc.args, err)
		}
		if err != nil {
			continue
		}
		if d := cmp.Diff(cargoArgs(), inv.Args); d != "" || !cmp.Equal(tc.want, inv.MessageArgs) {
			t.Errorf("%q: %q, arguments: -want +got\n%s", tc.args, inv.MessageArgs, d)
		}
	}
}

// TestShapedJSON: of what rustc prints in JSON, notices of artifacts are the same for
// all callers.
func TestShapedJSON(t *testing.T) {
	const artifact = `{"$message_type":"artifact","artifact":"libl.rmeta","emit":"metadata"}` + "\n"
	for text, want := range map[string]bool{
		artifact + artifact: false,
		artifact + `{"$message_type":"diagnostic","message":"{\"$message_type\":\"artifact\","}` + "\n": true,
		"warning\n" + artifact: true, "\n": true,
	} {
		if got := shapedJSON(nil, []byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
		if got := shapedJSON([]byte(text), nil); got != want {
			t.Errorf("%q on stdout: %v", text, got)
		}
	}
}

func TestParseCargo(t *testing.T) {
	dir := t.TempDir()
	project{"args": "--extern\nalias=/t/known.rmeta\r\n--cfg\nfeature=\"f\"\n", "spec.json": "{}"}.write(t, dir)
	origins := mapOrigins{"/t/known.rmeta": {Stem: "known"}}
	inv, err := New(origins).Parse(callWith(dir, cargoArgs("@args", "--extern", "proc_macro", "--target", "spec.json", "-Cprofile-use=p.profdata")...))
	if err != nil {
		t.Fatal(err)
	}
	if inv.Shaped == nil {
		t.Error("messages in JSON may be anything")
	}
	inv.Detail, inv.Shaped = nil, nil
	want := &compiler.Invocation{
		Language: "Rust", Source: "src/lib.rs",
		Args: cargoArgs("--extern", "alias=/t/known.rmeta", "--cfg", "feature=\"f\"", "--extern", "proc_macro",
			"--target", "spec.json", "-Cprofile-use=p.profdata"),
		Outputs: []compiler.Output{
			{Path: "/t/deps/x-1f.d", InPlace: true},
			{Path: "/t/deps/libx-1f.rlib", Unlinks: true},
			{Path: "/t/deps/libx-1f.rmeta", Unlinks: true},
		},
		Known: []string{dir + "/src/lib.rs", dir + "/spec.json", dir + "/p.profdata", "/t/known.rmeta"},
	}
	inv.Places = nil // TestPlaces
	if d := cmp.Diff(want, inv, cmpopts.IgnoreFields(compiler.Output{}, "Text")); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestPlaces: where in its arguments a call names files.
func TestPlaces(t *testing.T) {
	args := []string{"--crate-name=x", "/s/lib.rs", "--out-dir", "/o", "--out-dir=/p", "-L", "dependency=/d", "-Lnative=/n", "-L", "/l", "--extern", "a=/x/liba.rlib",
		"--extern=noprelude:b=/x/libb.so", "--extern", "c", "--emit=dep-info=/e", "--emit", "link,metadata=/m", "-Cprofile-use=/u", "-C", "linker=/k",
		"-C", "metadata=/no", "--cfg", "feature=\"/no\"", "--remap-path-prefix=/f=/t", "--target", "/spec.json", "--target=x86_64", "-g"}
	var got []string
	for i, at := range pathsAt(args) {
		if at.To > 0 {
			got = append(got, args[i][at.From:at.To])
		}
	}
	want := strings.Fields("/s/lib.rs /o /p /d /n /l /x/liba.rlib /x/libb.so /e /u /k /f /spec.json")
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
}

// TestLeading: OUT_DIR that only leads to what is included can be moved.
func TestLeading(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]bool{
		"include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\"));":                                                                                       true,
		"const B: &[u8] = include_bytes![ ::core::concat!( std::env!{\"OUT_DIR\"} , \"/x\")];":                                                   true,
		"const D: &str = env!(\"OUT_DIR\");":                                                                                                     false,
		"include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\")); const D: &str = env!(\"OUT_DIR\");":                                                    false,
		"const N: usize = concat!(env!(\"OUT_DIR\"), \"/x.rs\").len();":                                                                          false,
		"include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\")); const N: usize = env!(concat!(\"OUT_\", \"DIR\")).len();":                              false,
		"include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\")); use core::env as e; const N: usize = e!(concat!(\"OUT_\", \"DIR\")).len();":            false,
		"include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\")); macro_rules! m { ($e:ident, $v:expr) => { $e!($v) } } const N: &str = m!(env, \"X\");": false,
		"include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\")); macro_rules! concat { ($a:expr, $b:expr) => { $b } }":                                  false,
		"include!(concat!(env!(\"OUT_DIR\"), \"/x.rs\")); // env!(OUT_DIR) \"OUT_DIR\"\nuse std::env; fn g() { env::var(env!(\"X\")); }":         true,
		"fn f() {}": false,
	} {
		project{"x.rs": text}.write(t, dir)
		if got := leadsOnly(dir, []string{"x.rs"}); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestWordOfMacros(t *testing.T) {
	for text, want := range map[string]bool{
		"\x07OUT_DIR\xc1": true, "OUT_DIR": true, "x\x00 see OUT_DIR\xc1": false, "\x09\"OUT_DIR\"\xc1": false, "\nOUT_DIR\n": false, "\x06OUT_DI\xc1": false,
	} {
		if hasWord([]byte(text), "OUT_DIR") != want {
			t.Errorf("%q: not %t", text, want)
		}
	}
}

func TestClippyStripsRustc(t *testing.T) {
	call := callWith(t.TempDir(), append([]string{"/any/rustc"}, cargoArgs()...)...)
	call.Tool.Family, call.Path = "clippy", "/sr/bin/clippy-driver"
	inv, err := New(mapOrigins{}).Parse(call)
	if err != nil {
		t.Fatal(err)
	}
	if inv.Source != "src/lib.rs" || inv.Args[0] != "/any/rustc" {
		t.Errorf("source %q, first argument %q", inv.Source, inv.Args[0])
	}
}

func TestProduces(t *testing.T) {
	origins := mapOrigins{"/t/libk.rmeta": {Stem: "k-1"}, "/t/libf.rmeta": {Stem: "f", Foreign: true}, "/t/libpm.so": {Stem: "pm", Foreign: true}}
	dir := t.TempDir()
	project{"libany.rlib": ""}.write(t, dir)
	k := Dep{Stem: "k-1", Digest: digest.Of([]byte("/t/libk.rmeta"))}
	libs := []string{"/t/deps/libx-1f.rlib", "/t/deps/libx-1f.rmeta"}
	for _, tc := range []struct {
		name  string
		args  []string
		files []string
		want  Origin
		ok    bool
	}{
		{"lib", cargoArgs("--extern", "alias=/t/libk.rmeta", "--extern", "alloc"), libs, Origin{Stem: "x-1f", Dir: "/w", DepInfo: "/t/deps/x-1f.d", Deps: []Dep{k}}, true},
		{"incremental", cargoArgs("-Cincremental=i", "--extern", "k=/t/libk.rmeta"), libs, Origin{Stem: "x-1f", Dir: "/w", DepInfo: "/t/deps/x-1f.d", Deps: []Dep{k}}, true},
		{"proc-macro below", cargoArgs("--extern", "pm=/t/libpm.so"), libs,
			Origin{Stem: "x-1f", Dir: "/w", DepInfo: "/t/deps/x-1f.d", Foreign: true, Deps: []Dep{{"pm", digest.Of([]byte("/t/libpm.so"))}}}, true},
		{"proc-macro of unknown origin", cargoArgs("--extern", "u=/t/libu.so"), nil, Origin{}, false},
		{"proc-macro further below", cargoArgs("--extern", "noprelude:f=/t/libf.rmeta"), libs,
			Origin{Stem: "x-1f", Dir: "/w", DepInfo: "/t/deps/x-1f.d", Foreign: true, Deps: []Dep{{"f", digest.Of([]byte("/t/libf.rmeta"))}}}, true},
		{"proc-macro, checked", []string{"--crate-name=m", "--crate-type=proc-macro", "m.rs", "--emit=dep-info,metadata", "--extern", "proc_macro"},
			[]string{"/w/libm.rmeta"}, Origin{Stem: "m", Dir: "/w", DepInfo: "/w/m.d", Foreign: true}, true},
		{"proc-macro, linked", []string{"--crate-name=m", "--crate-type=proc-macro", "m.rs", "--emit=dep-info,link", "--extern", "k=/t/libk.rmeta"},
			[]string{"/w/libm.so"}, Origin{Stem: "m", Dir: "/w", DepInfo: "/w/m.d", Foreign: true}, true},
		{"dylib and rlib", []string{"--crate-name=m", "--crate-type=dylib,rlib,cdylib", "m.rs", "--emit=link", "--extern", "k=/t/libk.rmeta"},
			[]string{"/w/libm.so", "/w/libm.rlib"}, Origin{Stem: "m", Dir: "/w", Foreign: true, Deps: []Dep{k}}, true},
		{"program", []string{"--crate-name=m", "--crate-type=bin", "m.rs", "--emit=link"}, nil, Origin{}, false},
		{"unknown option", cargoArgs("--new-thing=1"), nil, Origin{}, false},
		{"searched crates", cargoArgs("-L", dir), nil, Origin{}, false},
		{"unknown extern", cargoArgs("--extern", "u=/t/libu.rmeta"), nil, Origin{}, false},
		{"version", []string{"-vV"}, nil, Origin{}, false},
	} {
		files, o, ok := New(origins).Produces(callWith("/w", tc.args...))
		if d := cmp.Diff(tc.files, files); d != "" || ok != tc.ok {
			t.Errorf("%s: ok %v, files: -want +got\n%s", tc.name, ok, d)
		}
		if d := cmp.Diff(tc.want, o); d != "" {
			t.Errorf("%s: -want +got\n%s", tc.name, d)
		}
	}
}
