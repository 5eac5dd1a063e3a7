package rustc

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/action"
)

// project is a set of files: path to contents.
type project map[string]string

func (p project) write(t *testing.T, dir string) {
	t.Helper()
	for name, text := range p {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func manifest(name, edition, more string) string {
	return "[package]\nname = \"" + name + "\"\nversion = \"1.2.3\"\nedition = \"" + edition + "\"\n" + more
}

// workspace has a chain of four path dependencies in three editions, a vendored
// crate (cargo caps its lints), a build script, generated and included files,
// both styles of modules, features, and crates with a proc-macro below them.
func workspace() project {
	return project{
		"Cargo.toml":                         "[workspace]\nresolver = \"2\"\nmembers = [\"a\", \"b\", \"c\", \"d\", \"pm\", \"direct\", \"above\"]\n",
		".cargo/config.toml":                 "[source.crates-io]\nreplace-with = \"v\"\n[source.v]\ndirectory = \"vendor\"\n",
		"vendor/capped/.cargo-checksum.json": `{"files":{},"package":null}`,
		"vendor/capped/Cargo.toml":           manifest("capped", "2018", ""),
		"vendor/capped/src/lib.rs":           "pub fn capped() -> u32 { let x = 1; 2 }\n",

		"a/Cargo.toml": manifest("a", "2021", "[dependencies]\ncapped = \"1\"\n[features]\ndefault = [\"one\"]\none = []\ntwo = []\n"),
		"a/build.rs": `fn main() {
	let out = std::env::var("OUT_DIR").unwrap();
	std::fs::write(format!("{out}/generated.rs"), "pub fn generated() -> u32 { 1 }").unwrap();
	println!("cargo:rustc-link-search=native={out}");
	println!("cargo:rustc-cfg=from_build_script");
	println!("cargo:rustc-check-cfg=cfg(from_build_script)");
	println!("cargo:rustc-env=FROM_BUILD_SCRIPT=yes");
}
`,
		"a/src/lib.rs": `pub mod leaf;
pub mod branch;
#[path = "odd name.rs"] pub mod odd;
#[cfg(feature = "one")] pub mod one;
#[cfg(feature = "two")] pub mod two;
include!(concat!(env!("OUT_DIR"), "/generated.rs"));
pub const TEXT: &str = include_str!("../text.txt");
pub const BYTES: &[u8] = include_bytes!("../../shared.bin");
pub const SET: &str = env!("FROM_BUILD_SCRIPT");
pub const MAYBE: Option<&str> = option_env!("NOT_SET_ANYWHERE");
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
pub fn a() -> u32 { leaf::leaf() + branch::twig::twig() + capped::capped() + if cfg!(from_build_script) { 1 } else { 0 } }
`,
		"a/src/leaf.rs":        "pub fn leaf() -> u32 { 1 }\n",
		"a/src/branch/mod.rs":  "pub mod twig;\n",
		"a/src/branch/twig.rs": "pub fn twig() -> u32 { 1 }\n",
		"a/src/odd name.rs":    "pub mod inner { pub mod deep; }\n",
		"a/src/inner/deep.rs":  "",
		"a/src/one.rs":         "", "a/src/two.rs": "",
		"a/text.txt": "text", "shared.bin": "\x00\x01",

		"b/Cargo.toml": manifest("b", "2018", "[dependencies]\na = { path = \"../a\" }\n"),
		"b/src/lib.rs": "pub fn b() -> u32 { a::a() }\n",
		"c/Cargo.toml": manifest("c", "2024", "[dependencies]\nrenamed = { path = \"../b\", package = \"b\" }\n"),
		"c/src/lib.rs": "pub fn c<T: Into<u32>>(t: T) -> u32 { renamed::b() + t.into() }\n",
		"d/Cargo.toml": manifest("d", "2021", "[dependencies]\nc = { path = \"../c\" }\na = { path = \"../a\", features = [\"two\"] }\n"),
		"d/src/lib.rs": "pub fn d() -> u32 { c::c(1u8) + a::a() }\n",

		"pm/Cargo.toml":     manifest("pm", "2021", "[lib]\nproc-macro = true\n"),
		"pm/src/lib.rs":     "#[proc_macro] pub fn pm(_: proc_macro::TokenStream) -> proc_macro::TokenStream { \"pub fn made() {}\".parse().unwrap() }\n",
		"direct/Cargo.toml": manifest("direct", "2021", "[dependencies]\npm = { path = \"../pm\" }\nd = { path = \"../d\" }\n"),
		"direct/src/lib.rs": "pm::pm!();\npub fn direct() -> u32 { d::d() }\n",
		"above/Cargo.toml":  manifest("above", "2021", "[dependencies]\ndirect = { path = \"../direct\" }\n"),
		"above/src/lib.rs":  "pub fn above() -> u32 { direct::direct() }\n",
	}
}

// sysrootOf returns the sysroot of the rustc that cargo uses here.
func sysrootOf(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("rustc", "--print", "sysroot").Output()
	if err != nil {
		t.Fatalf("rustc: %v", err)
	}
	return strings.TrimSpace(string(out))
}

// cargo runs cargo in dir with the test binary as RUSTC_WRAPPER, and returns
// what was recorded by name of crate, and the reasons of the calls not recorded.
func cargo(t *testing.T, dir string, args ...string) (map[string]*record, map[string]bool) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	records := t.TempDir()
	cmd := exec.Command("cargo", append(args, "--offline")...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CARGO_INCREMENTAL=0", "RUSTC_WRAPPER="+self,
		recordDir+"="+records, recordTool+"="+sysrootOf(t))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cargo %v: %v\n%s", args, err, out)
	}
	byCrate, reasons := map[string]*record{}, map[string]bool{}
	files, _ := filepath.Glob(records + "/*.json")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r := &record{}
		if err := json.Unmarshal(b, r); err != nil {
			t.Fatal(err)
		}
		if r.Parse != "" {
			reasons[r.Parse] = true
			continue
		}
		byCrate[r.Crate] = r
	}
	return byCrate, reasons
}

// TestInputsCoverCargoBuilds: whatever strace sees a compiler look at outside
// its toolchain is in the path set, and the set means the same at the end of the
// build as at the end of the call.
func TestInputsCoverCargoBuilds(t *testing.T) {
	dir := t.TempDir()
	workspace().write(t, dir)
	sysroot := sysrootOf(t)
	for _, tc := range []struct {
		name string
		args []string
	}{
		{"build", []string{"build"}},
		{"check", []string{"check"}},
		{"clippy", []string{"clippy"}},
		{"release", []string{"build", "--release", "--config", "profile.release.lto=\"thin\""}},
		{"debuginfo", []string{"build", "--config", "profile.dev.debug=1", "--config", "profile.dev.split-debuginfo=\"packed\""}},
		{"one job", []string{"build", "-j1"}},
		{"target", []string{"build", "--target", hostTriple()}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			byCrate, reasons := cargo(t, dir, append(tc.args, "--target-dir", t.TempDir())...)
			for _, crate := range []string{"capped", "a", "b", "c", "d", "direct", "above", "pm", "build_script_build"} {
				r := byCrate[crate]
				if r == nil {
					t.Errorf("%s: not cached", crate)
					continue
				}
				checkRecord(t, r, sysroot)
			}
			for _, crate := range []string{"direct", "above"} {
				if r := byCrate[crate]; r != nil && !r.Watched {
					t.Errorf("%s loads a proc-macro unwatched", crate)
				}
			}
			if reasons["extern of unknown origin"] {
				t.Errorf("an origin got lost: %v", reasons)
			}
		})
	}
}

func checkRecord(t *testing.T, r *record, sysroot string) {
	t.Helper()
	if r.Inputs != "" {
		t.Errorf("%s: inputs: %s", r.Crate, r.Inputs)
		return
	}
	if !r.Watched {
		for _, p := range uncovered(t, r, sysroot) {
			t.Errorf("%s: looked at %s, which is not claimed", r.Crate, p)
		}
	}
	set, err := action.DecodePathSet(r.Set)
	if err != nil {
		t.Fatal(err)
	}
	if now := evaluate(set); now != r.State {
		t.Errorf("%s: the set changed its meaning while the build went on:\n%s\nbecame\n%s", r.Crate, r.State, now)
	}
}
