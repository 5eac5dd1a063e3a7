package remote

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// natives puts static archives and a shared library into dir: each has one function of
// the archive's name.
func natives(t *testing.T, dir string, values map[string]string) {
	t.Helper()
	for name, value := range values {
		stem := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(name), "lib"), filepath.Ext(name))
		harness.Write(t, dir, map[string]string{"n.c": "int " + stem + "(void) { return " + value + "; }\n"})
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		argv := []string{"sh", "-c", "gcc -c n.c -o n.o && rm -f " + name + " && ar rc " + name + " n.o"}
		if strings.HasSuffix(name, ".so") {
			argv = []string{"gcc", "-shared", "-fPIC", "n.c", "-o", name}
		}
		if r := harness.Command(t, dir, os.Environ(), argv...); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
	}
}

// rustc returns the compiler itself: what goes by its name may be rustup's.
func rustc(t *testing.T) string {
	t.Helper()
	r := harness.Command(t, "/", os.Environ(), "rustc", "--print", "sysroot")
	if r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	return filepath.Join(strings.TrimSpace(r.Stdout), "bin", "rustc")
}

// linkedCalls are calls of rustc that link, each with what it needs besides the source.
func linkedCalls(rustc string) [][]string {
	call := func(source, name string, more ...string) []string {
		return append([]string{rustc, source, "--crate-name", name, "--edition", "2021", "--emit=dep-info,link", "--out-dir", "out",
			"-L", "dependency=out", "-C", "metadata=" + name}, more...)
	}
	low := []string{"--extern", "low=out/liblow.rlib"}
	return [][]string{
		call("low.rs", "low", "--crate-type", "lib", "-l", "static=one", "-L", "native=n/first", "-L", "native=n"),
		call("low.rs", "low2", "--crate-type", "lib", "-l", "static=one", "-L", "n"),
		call("main.rs", "main", append(low, "--crate-type", "bin", "-L", "native=n", "-l", "two")...),
		call("main.rs", "main_test", append(low, "--test", "-L", "n", "-l", "two")...),
		call("main.rs", "main_debug", append(low, "--crate-type", "bin", "-L", "native=n", "-l", "two", "-g", "-C", "strip=debuginfo")...),
		call("c.rs", "cdy", append(low, "--crate-type", "cdylib", "-L", "native=n", "-L", "native=/usr/lib/x86_64-linux-gnu")...),
		call("c.rs", "dy", append(low, "--crate-type", "dylib", "-C", "prefer-dynamic")...),
		call("c.rs", "st", append(low, "--crate-type", "staticlib", "-C", "panic=abort")...),
		call("mac.rs", "mac", "--crate-type", "proc-macro", "--extern", "proc_macro"),
		call("uses.rs", "uses", "--crate-type", "bin", "--extern", "mac=out/libmac.so"),
		call("uses.rs", "bfd", "--crate-type", "bin", "--extern", "mac=out/libmac.so", "-C", "link-arg=-fuse-ld=bfd"),
	}
}

// TestLinks: whatever links in Rust is linked by the service when it is seen for the
// first time, to the bytes of a link here; an audit finds that all the linker looked at
// is in the key.
func TestLinks(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{
		"low.rs":  "extern \"C\" { fn one() -> i32; }\n#[link(name = \"m\")] extern \"C\" { fn cos(x: f64) -> f64; }\npub fn low() -> i32 { unsafe { one() + cos(0.0) as i32 } }\n",
		"main.rs": "extern \"C\" { fn two() -> i32; }\nfn main() { println!(\"{}\", low::low() + unsafe { two() }); }\n#[test] fn works() { assert!(low::low() > 0); }\n",
		"c.rs":    "#[no_mangle] pub extern \"C\" fn c() -> i32 { low::low() }\n",
		"mac.rs":  "extern crate proc_macro;\n#[proc_macro] pub fn five(_: proc_macro::TokenStream) -> proc_macro::TokenStream { \"5\".parse().unwrap() }\n",
		"uses.rs": "fn main() { println!(\"{}\", mac::five!()); }\n",
	})
	natives(t, dir, map[string]string{"n/libone.a": "1", "n/first/libnone.a": "0", "n/libtwo.so": "2"})
	c := newClient(t, strict(e.url())+exact)
	for _, argv := range linkedCalls(rustc(t)) {
		name := argv[3]
		if err := os.MkdirAll(filepath.Join(dir, "out"), 0o755); err != nil {
			t.Fatal(err)
		}
		product := func(p string) bool {
			base := strings.TrimPrefix(filepath.Base(p), "lib")
			return strings.TrimSuffix(base, filepath.Ext(base)) == name && strings.HasPrefix(p, dir+"/out/")
		}
		if r := harness.Command(t, dir, c.Env, argv...); r.Code != 0 {
			t.Fatalf("%s: %s", name, r.Stderr)
		}
		want := harness.Built(t, dir, product)
		for p := range want {
			if err := os.Remove(filepath.Join(dir, p)); err != nil {
				t.Fatal(err)
			}
		}
		before := sum(c.Counters().DistCompiles)
		if r := c.Compile(dir, argv...); r.Code != 0 {
			t.Fatalf("%s: %s", name, r.Stderr)
		}
		harness.SameFiles(t, name, want, harness.Built(t, dir, product))
		if s := c.Counters(); sum(s.DistCompiles) != before+1 {
			t.Errorf("%s is not linked there: %v %v %v", name, s.DistLocal, s.DistFailures, s.NotCached)
		}
	}
	c.verify()
}

// TestLinkSearch: a library that appears where the linker looks first, and that the
// client did not foresee, is not passed over: the link is repeated here.
func TestLinkSearch(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{
		"a.rs": "extern \"C\" { fn one() -> i32; }\nfn main() { println!(\"{}\", unsafe { one() }); }\n",
	})
	natives(t, dir, map[string]string{"n/libone.a": "1", "other/libone.a": "7"})
	argv := []string{rustc(t), "a.rs", "--crate-name", "a", "--crate-type", "bin", "--emit=dep-info,link", "--out-dir", ".",
		"-L", "native=first", "-L", "native=n", "-l", "dylib=one", "-C", "link-arg=-Wl,-Bstatic"}
	if err := os.Mkdir(filepath.Join(dir, "first"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, tolerant(e.url()))
	prints := func(want string) {
		t.Helper()
		if r := c.Compile(dir, argv...); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		if r := harness.Command(t, dir, c.Env, "./a"); r.Stdout != want {
			t.Errorf("the program prints %q, want %q; failed %v, here %v", r.Stdout, want, c.Counters().DistFailures, c.Counters().DistLocal)
		}
	}
	prints("1\n")
	c.want(1, 0)
	if err := os.Rename(filepath.Join(dir, "other/libone.a"), filepath.Join(dir, "first/libone.a")); err != nil {
		t.Fatal(err)
	}
	prints("7\n")
	if err := os.Remove(filepath.Join(dir, "first/libone.a")); err != nil {
		t.Fatal(err)
	}
	prints("1\n")
	c.verify()
}

// onLinkList has the list of a linker, which comes back in a message of blobs, changed.
func onLinkList(change func(text string) string) func(string, []byte) []byte {
	return onResult(func(r *repb.ExecuteResponse) {
		for _, f := range r.Result.GetOutputFiles() {
			if !strings.HasSuffix(f.GetPath(), "/link.d") {
				continue
			}
			text := change("out: \\\n /nowhere/x.o\n\n")
			f.Contents, f.Digest = []byte(text), digestOf(text)
		}
	})
}

// TestLinkLists: a link counts only if the linker says what it read, and all of that was
// sent, and so was all that it would have found on its way there.
func TestLinkLists(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.rs": "fn main() {}\n", "here.o": "never sent", "first/q": "nor this", "second/libq.so": "", "out/keep": ""})
	says := func(file string) func(string, []byte) []byte {
		return onLinkList(func(text string) string { return strings.Replace(text, "/nowhere/x.o", file, 1) })
	}
	p := startProxy(t, e, nil)
	c := newClient(t, tolerant(p.url()))
	var failed uint64
	for name, lie := range map[string]func(string, []byte) []byte{
		"no list":                                dropOutput("/link.d"),
		"a list in other words":                  onLinkList(func(string) string { return "out:" }),
		"a file that was not sent":               says(dir + "/here.o"),
		"a file that is not here":                says("/nowhere/x.o"),
		"a search that passed what was not sent": says(dir + "/second/libq.so"),
	} {
		p.answer = lie
		failed++
		if r := c.Compile(dir, rustc(t), "a.rs", "--crate-name", "a", "--crate-type", "bin", "--emit=dep-info,link", "--out-dir", "out",
			"-L", "native=first", "-L", "native=second", "-C", fmt.Sprintf("metadata=%d", failed)); r.Code != 0 {
			t.Errorf("%s: %s", name, r.Stderr)
		}
		if s := c.Counters(); sum(s.DistCompiles) != 0 || s.DistErrors != failed || s.CacheWrites != failed {
			t.Errorf("%s: believed %v, failed %v, here %v, stored %d", name, s.DistCompiles, s.DistFailures, s.DistLocal, s.CacheWrites)
		}
	}
	t.Log(c.Counters().DistFailures)
}
