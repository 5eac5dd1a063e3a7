package lifecycle

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestCMake: the launcher variables, with both generators.
func TestCMake(t *testing.T) {
	t.Parallel()
	for _, generator := range []string{"Ninja", "Unix Makefiles"} {
		t.Run(generator, func(t *testing.T) {
			t.Parallel()
			i := start(t)
			i.write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.20)\nproject(tiny C CXX)\nadd_library(a STATIC a.c)\nadd_executable(p main.cc)\ntarget_link_libraries(p a)\n")
			i.write("a.c", "int a(void) { return 3; }\n")
			i.write("main.cc", "#include <cstdio>\nextern \"C\" int a(void);\nint main() { std::printf(\"%d\\n\", a()); }\n")
			configure := []string{"cmake", "-G", generator, "-S", ".", "-B", "b", "-DCMAKE_BUILD_TYPE=Release",
				"-DCMAKE_C_COMPILER_LAUNCHER=" + i.wrapper(), "-DCMAKE_CXX_COMPILER_LAUNCHER=" + i.wrapper()}
			program := ""
			for _, hits := range []uint64{0, 2} {
				i.must(os.RemoveAll(i.work + "/b"))
				if r := i.run(configure...); r.code != 0 {
					t.Fatal(r.stdout, r.stderr)
				}
				i.want(hits, 2-hits, func() {
					if r := i.run("cmake", "--build", "b"); r.code != 0 {
						t.Fatal(r.stdout, r.stderr)
					}
				})
				if r := i.run("b/p"); r.stdout != "3\n" {
					t.Errorf("program prints %q", r.stdout)
				}
				if built := i.read("b/p"); program != "" && built != program {
					t.Error("the second build's program differs")
				} else {
					program = built
				}
			}
			i.write("a.c", "int a(void) { return 4; }\n")
			i.want(0, 1, func() { i.run("cmake", "--build", "b") })
			if r := i.run("b/p"); r.stdout != "4\n" {
				t.Errorf("program prints %q after the change", r.stdout)
			}
		})
	}
}

// TestCargo: RUSTC_WRAPPER with build, check and clippy.
func TestCargo(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("cargo"); err != nil {
		t.Skip("no cargo here")
	}
	i := start(t)
	i.write("Cargo.toml", "[workspace]\nresolver = \"2\"\nmembers = [\"a\", \"b\"]\n")
	for _, name := range []string{"a", "b"} {
		i.write(name+"/Cargo.toml", fmt.Sprintf("[package]\nname = %q\nversion = \"0.1.0\"\nedition = \"2021\"\n", name))
	}
	i.write("b/Cargo.toml", "[package]\nname = \"b\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\na = { path = \"../a\" }\n")
	i.write("a/src/lib.rs", "pub fn f(x: u32) -> u32 { let unused = 1; x + 1 }\n")
	i.write("b/src/main.rs", "fn main() { println!(\"{}\", a::f(2)); }\n")
	for _, args := range []string{"build", "check", "clippy", "build --release"} {
		bare := i.cargo("", args)
		if bare.code != 0 {
			t.Fatal(bare.stderr)
		}
		for n := range 2 {
			before := i.stats()
			r := i.cargo(i.wrapper(), args)
			if r.code != 0 || quietly(r.stderr) != quietly(bare.stderr) {
				t.Errorf("cargo %s: status %d\n%s\nbare\n%s", args, r.code, r.stderr, bare.stderr)
			}
			if s := i.stats(); n == 1 && s.hits()-before.hits() < 1 {
				t.Errorf("cargo %s again: %d hits, %d misses, not cached %v", args, s.hits()-before.hits(), s.misses()-before.misses(), s.NotCached)
			}
		}
		if args == "build" {
			if r := i.run("target/debug/b"); r.stdout != "3\n" {
				t.Errorf("program prints %q", r.stdout)
			}
		}
	}
}

func (i *instance) cargo(wrapper, args string) result {
	i.t.Helper()
	i.must(os.RemoveAll(i.work + "/target"))
	j := i.with("RUSTC_WRAPPER="+wrapper, "CARGO_INCREMENTAL=0", "CARGO_TERM_COLOR=never")
	return j.run(append([]string{"cargo"}, strings.Fields(args+" --offline")...)...)
}

// quietly returns what cargo prints without the time it took and the order in
// which two compiles that do not depend on each other came to their end.
func quietly(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, "Finished") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// TestMakeAndConfigure: CC="cachepot gcc", as make and configure use it.
func TestMakeAndConfigure(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("Makefile", "p: a.o b.o\n\t$(CC) -o $@ $^\n%.o: %.c\n\t$(CC) $(CFLAGS) -MMD -c $< -o $@\n-include a.d b.d\n")
	i.write("a.c", "#include \"h.h\"\nint main(void) { return b() - N; }\n")
	i.write("b.c", "#include \"h.h\"\nint b(void) { return N; }\n")
	i.write("h.h", "#define N 7\nint b(void);\n")
	make := []string{"make", "CC=" + i.wrapper() + " gcc"}
	for _, hits := range []uint64{0, 2} {
		i.want(hits, 2-hits, func() {
			if r := i.run(append(make, "-B")...); r.code != 0 || r.stderr != "" {
				t.Fatal(r.stderr)
			}
		})
	}
	if r := i.run(make...); !strings.Contains(r.stdout, "up to date") {
		t.Errorf("after hits make finds work to do: %s", r.stdout)
	}
	i.write("h.h", "#define N 8\nint b(void);\n")
	i.want(0, 2, func() { i.run(make...) })
	if r := i.run("./p"); r.code != 0 {
		t.Errorf("program ends with %d", r.code)
	}
	i.configureTests()
}

// configureTests asks what a configure script asks: each answer must be gcc's own.
func (i *instance) configureTests() {
	i.write("conftest.c", "int main(void) { return 0; }\n")
	i.write("bad.c", "#include <no/such.h>\nint main(void) { return 0; }\n")
	i.write("link.c", "int no_such_function(void);\nint main(void) { return no_such_function(); }\n")
	i.write("size.c", "int main(void) { static int test[1 - 2 * !((long) sizeof(long) == 8)]; test[0] = 0; return test[0]; }\n")
	i.write("confdefs.h", "#define X 1\n")
	for _, command := range []string{
		"CC -v", "CC -V", "CC --version", "CC -qversion", "CC -print-prog-name=ld", "CC -dumpmachine", "CC -print-search-dirs",
		"CC -o conftest conftest.c && ./conftest", "CC conftest.c && ls a.out && rm a.out", "CC -c conftest.c && ls conftest.o", "CC -E conftest.c", "CC -E bad.c",
		"CC -c bad.c", "CC -o conftest link.c", "CC -c size.c", "cat confdefs.h conftest.c | CC -E -", "CC -E -v - </dev/null", "CC -Werror -Wno-such -c conftest.c",
		"CC -dM -E - </dev/null", "CC -M conftest.c", "CC -std=gnu2x -c conftest.c", "CC -c -fno-such-flag conftest.c", "CC -S conftest.c && ls conftest.s",
		"CC -g -O2 -o conftest conftest.c -lm", "CC -Wl,--version", "CC", "CC -c no-such.c", "CC -c conftest.c -o /dev/null/x",
	} {
		ask := func(cc string) result {
			r := i.run("sh", "-c", strings.ReplaceAll(command, "CC", cc))
			r.took = 0
			r.stdout, r.stderr = steady(r.stdout), steady(r.stderr)
			return r
		}
		bare := ask("gcc")
		for range 2 {
			if r := ask(i.wrapper() + " gcc"); r != bare {
				i.t.Errorf("%s: status %d, %.300q %.300q; bare %d, %.300q %.300q", command, r.code, r.stdout, r.stderr, bare.code, bare.stdout, bare.stderr)
			}
		}
	}
}

// steady replaces the random part in the names of gcc's temporary files.
func steady(text string) string {
	for {
		at := strings.Index(text, "/cc")
		if at < 0 || len(text) < at+9 {
			return text
		}
		if strings.ContainsAny(text[at+3:at+9], "./ \n") {
			text = text[:at] + "/~c" + text[at+3:]
			continue
		}
		text = text[:at] + "/~temporary" + text[at+9:]
	}
}
