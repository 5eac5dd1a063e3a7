package jobserver

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

const jobs = 2

// TestMakeCompilers counts the compilers alive under make -j2. The control, with
// make -j6, shows that the count can exceed what is asked for.
func TestMakeCompilers(t *testing.T) {
	path, env := cachepot(t)
	files := map[string]string{"Makefile": "all: $(patsubst %.c,%.o,$(wildcard *.c))\n%.o: %.c\n\t$(CC) -O2 -c $< -o $@\n"}
	for i := range 12 {
		files[fmt.Sprintf("u%d.c", i)] = slowC(i, 8)
	}
	dir := tree(t, files)
	if _, n, _ := watched(t, dir, harness.BareEnv(), named("cc1"), "make", "-j6", "CC=gcc"); n <= jobs {
		t.Fatalf("control: make -j6 had %d compilers at once, the count can't tell", n)
	}
	// The coordinator asks a compiler once for what it is; that is no compile.
	watched(t, dir, env, named(), "make", "u0.o", "CC="+path+" gcc", "-B")
	watched(t, dir, harness.BareEnv(), named("cc1"), "sh", "-c", "rm -f *.o")
	_, n, lost := watched(t, dir, env, named("cc1"), "make", "-j2", "CC="+path+" gcc")
	if n != jobs {
		t.Errorf("%d compilers at once under make -j%d, want %d", n, jobs, jobs)
	}
	if len(lost) > 0 {
		t.Errorf("compilers that are no descendants of make: %v", lost)
	}
}

// TestMakeDescriptors lets gcc itself use make's jobserver, through the wrapper:
// the link-time optimiser starts a make of its own, which needs the descriptors
// that MAKEFLAGS names. The controls take the jobserver away.
func TestMakeDescriptors(t *testing.T) {
	path, env := cachepot(t)
	files := map[string]string{"Makefile": `LINK = $(CC)
OBJECTS = $(patsubst %.c,%.o,$(wildcard *.c))
prog: $(OBJECTS)
	+$(LINK) -O2 $(LTO) --param lto-partitions=8 --param lto-min-partition=1 -nostdlib -shared -o $@ $(OBJECTS)
%.o: %.c
	$(CC) -O2 -fPIC -flto -c $< -o $@
`}
	for i := range 8 {
		files[fmt.Sprintf("u%d.c", i)] = slowC(i, 30)
	}
	dir := tree(t, files)
	const alone = "env -u MAKEFLAGS "
	link := func(env []string, cc, prefix, lto string) (string, int, []string) {
		watched(t, dir, harness.BareEnv(), named(), "rm", "-f", "prog")
		return watched(t, dir, env, named("lto1-ltrans", "lto1"), "make", "-j2", "LTO="+lto, "CC="+cc, "LINK="+prefix+cc)
	}
	if out, _, _ := link(harness.BareEnv(), "gcc", alone, "-flto=jobserver"); !complains(out) {
		t.Fatalf("control: gcc does not say that it lacks a jobserver:\n%s", out)
	}
	if _, n, _ := link(harness.BareEnv(), "gcc", alone, "-flto=6"); n <= jobs {
		t.Fatalf("control: -flto=6 had %d optimisers at once, the count can't tell", n)
	}
	out, n, lost := link(env, path+" gcc", "", "-flto=jobserver")
	if complains(out) {
		t.Errorf("the jobserver does not reach gcc:\n%s", out)
	}
	if n != jobs {
		t.Errorf("%d link-time optimisers at once under make -j%d, want %d", n, jobs, jobs)
	}
	if len(lost) > 0 {
		t.Errorf("compilers that are no descendants of make: %v", lost)
	}
}

// complains finds what gcc and make say where they have no jobserver.
func complains(out string) bool {
	return strings.Contains(out, "jobserver") && (strings.Contains(out, "warning") || strings.Contains(out, "unavailable"))
}

// TestCargoThreads counts the code generation threads of all rustc processes
// under cargo build -j2. The control hides the jobserver from rustc, which then
// takes as many threads as it has units.
func TestCargoThreads(t *testing.T) {
	path, env := cachepot(t)
	files := map[string]string{
		"Cargo.toml": "[workspace]\nresolver = \"2\"\nmembers = [\"a\", \"b\"]\n\n[profile.release]\ncodegen-units = 12\n",
		"alone":      "#!/bin/sh\nexec env -u CARGO_MAKEFLAGS -u MAKEFLAGS \"$@\"\n",
	}
	for _, crate := range []string{"a", "b"} {
		files[crate+"/Cargo.toml"] = fmt.Sprintf("[package]\nname = %q\nversion = \"0.1.0\"\nedition = \"2021\"\n", crate)
		lib := ""
		for i := range 12 {
			lib += fmt.Sprintf("pub mod m%d;\n", i)
			files[fmt.Sprintf("%s/src/m%d.rs", crate, i)] = slowRust(i, 2)
		}
		files[crate+"/src/lib.rs"] = lib
	}
	dir := tree(t, files)
	build := func(env []string, wrapper string) (int, []string) {
		watched(t, dir, harness.BareEnv(), named(), "rm", "-rf", "target")
		_, n, lost := watched(t, dir, append(env, "RUSTC_WRAPPER="+wrapper), codegenThreads, "cargo", "build", "--release", "--offline", "-j2")
		return n, lost
	}
	watched(t, dir, harness.BareEnv(), named(), "chmod", "+x", "alone")
	if n, _ := build(harness.BareEnv(), dir+"/alone"); n <= jobs {
		t.Fatalf("control: without a jobserver %d threads at once, the count can't tell", n)
	}
	n, lost := build(env, path)
	if n != jobs {
		t.Errorf("%d code generation threads at once under cargo build -j%d, want %d", n, jobs, jobs)
	}
	if len(lost) > 0 {
		t.Errorf("compilers that are no descendants of cargo: %v", lost)
	}
}

// slowC returns a file with n functions that take an optimiser some time.
func slowC(unit, n int) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, `int f%d_%d(const int *a, int *b, int n)
{
	int s = %d;
	for (int i = 1; i < n; i++) {
		b[i] = a[i] * s + b[i - 1];
		for (int j = 0; j < i; j++)
			s ^= (a[j] + b[i]) >> (j & 7);
		if (s & 1)
			b[i] += a[n - i] * %d;
	}
	return s;
}
`, unit, i, i, i+3)
	}
	return s.String()
}

// slowRust returns a module with n functions that take LLVM some time.
func slowRust(module, n int) string {
	var s strings.Builder
	s.WriteString("use std::collections::HashMap;\n\n")
	for i := range n {
		fmt.Fprintf(&s, `pub fn f%d(text: &str) -> Vec<(String, u64)> {
    let mut seen: HashMap<String, u64> = HashMap::new();
    for (i, word) in text.split(char::is_whitespace).enumerate() {
        *seen.entry(word.to_uppercase()).or_insert(%d) += i as u64 * %d;
    }
    let mut all: Vec<_> = seen.into_iter().filter(|(w, n)| w.len() as u64 > *n %% 7).collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

`, i, module, i+1)
	}
	return s.String()
}
