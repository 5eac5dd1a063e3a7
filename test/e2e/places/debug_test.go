package places

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// program is a C project whose program ends in a header, and how it is built: with $CC,
// in the project's directory. The program is called prog.
type program struct {
	name  string
	files map[string]string
	build string
	at    string // where prog is made, from the project's directory
	other string // a second directory of sources, likewise; "" for none
}

const (
	mainText   = "#include \"made.h\"\nint main(int argc, char **argv) {\n\tint here = argc; /* in the project */\n\treturn made(here);\n}\n"
	headerText = "#include <stdlib.h>\nstatic inline int made(int n) {\n\tif (n) /* in the header */\n\t\tabort();\n\treturn n;\n}\n"
)

func programs() []program {
	list := "cmake_minimum_required(VERSION 3.10)\nproject(p C)\nset(CMAKE_C_FLAGS -g)\nconfigure_file(src/made.h.in gen/made.h)\n" +
		"add_executable(prog src/main.c)\ntarget_include_directories(prog PRIVATE ${CMAKE_BINARY_DIR}/gen)\n"
	generated := map[string]string{"CMakeLists.txt": list, "src/main.c": mainText, "src/made.h.in": headerText}
	const cmake = "cmake -S . -B $B -G Ninja -DCMAKE_C_COMPILER=${CC#* } -DCMAKE_C_COMPILER_LAUNCHER=${CC% *} >/dev/null && cmake --build $B >/dev/null"
	plain := map[string]string{"Makefile": "", "src/main.c": mainText, "inc/made.h": headerText}
	return []program{
		{"by absolute paths", plain, "$CC -g -I$PWD/inc -c $PWD/src/main.c -o main.o; ${CC#* } main.o -o prog", ".", ""},
		{"in a directory below", plain, "cd src; $CC -g -I../inc -c main.c -o main.o; ${CC#* } main.o -o ../prog", ".", ""},
		{"cmake, build directory inside", generated, "B=build; " + cmake, "build", ""},
		{"cmake, build directory beside", generated, "B=$PWD-build; " + cmake, "../project-build", "../project-build"},
	}
}

// TestDebuggers: what came out of the cache is debugged in the project without further
// ado, and elsewhere after the line that the manual has.
func TestDebuggers(t *testing.T) {
	for _, p := range programs() {
		for _, cc := range []string{"gcc", "clang"} {
			t.Run(p.name+"/"+cc, func(t *testing.T) {
				t.Parallel()
				base, i := newBase(t), newInstance(t)
				for _, place := range []string{one, two} {
					root, dir := lay(t, base, place, p.files)
					r, err := harness.Run(root, dir, p.build, append(i.Env, "CC="+i.Wrapper+" "+cc), nil)
					if err != nil {
						t.Fatal(err)
					}
					if r.Status != "exit status 0" {
						t.Fatalf("%s\n%s%s", r.Status, r.Stdout, r.Stderr)
					}
					if _, err := i.Outcome(); err != nil { // waits until all is stored
						t.Fatal(err)
					}
				}
				if s, err := i.Stats(); err != nil || s.CacheHits.Counts["C/C++"] != 1 {
					t.Fatalf("hits %v, located %v, %v", s.CacheHits.Counts, s.Located, err)
				}
				project := filepath.Join(base, two)
				prog := filepath.Join(project, p.at, "prog")
				p.debug(t, project, prog, true)
				p.debug(t, "/", prog, false)
				p.symbolize(t, prog)
			})
		}
	}
}

// debug starts the debuggers in dir, which is the project or somewhere else.
func (p *program) debug(t *testing.T, dir, prog string, inProject bool) {
	t.Helper()
	project := filepath.Join(filepath.Dir(prog), map[string]string{".": ".", "build": "..", "../project-build": "../project"}[p.at])
	gdb, lldb := manual(t, "directory PROJECT"), manual(t, "settings set target.source-map . PROJECT")
	if p.other != "" {
		gdb, lldb = manual(t, "directory PROJECT:BUILD"), manual(t, "settings set target.source-map . PROJECT . BUILD")
	}
	set := strings.NewReplacer("PROJECT", project, "BUILD", filepath.Join(project, p.other))
	if inProject {
		gdb, lldb = "show version", "version"
	}
	want, lists := []string{"in the project"}, []string{"-o", "source list -n main"}
	if !inProject || p.other == "" { // else the header lies where nobody looks
		want, lists = append(want, "in the header"), append(lists, "-o", "source list -n made")
	}
	out := run(t, dir, "gdb", "-nx", "-batch", "-ex", set.Replace(gdb), "-ex", "list main", "-ex", "list made", "-ex", "run", "-ex", "backtrace", prog)
	expect(t, "gdb", out, append(want, "made.h:4", "src/main.c:4")...)
	out = run(t, dir, "lldb", append(append([]string{"-x", "-b", "-o", set.Replace(lldb)}, lists...), prog)...)
	expect(t, "lldb", out, want...)
}

// symbolize has the address of main named.
func (p *program) symbolize(t *testing.T, prog string) {
	t.Helper()
	for line := range strings.Lines(run(t, "/", "nm", prog)) {
		if f := strings.Fields(line); len(f) == 3 && f[2] == "main" {
			got := filepath.Clean(run(t, "/", "addr2line", "-e", prog, f[0]))
			if got != "src/main.c:2\n" {
				t.Errorf("addr2line says %q", got)
			}
			return
		}
	}
	t.Error("no main")
}

// manual returns a line that the manual has.
func manual(t *testing.T, line string) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/book/places.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "`"+line+"`") {
		t.Errorf("the manual does not say %q", line)
	}
	return line
}

// run returns what a program prints on its standard output. Debuggers succeed whatever
// the program that they run does.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(harness.BareEnv(), "DEBUGINFOD_URLS=")
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

func expect(t *testing.T, who, out string, want ...string) {
	t.Helper()
	for _, text := range want {
		if !strings.Contains(out, text) {
			t.Errorf("%s does not show %q:\n%s", who, text, out)
		}
	}
}
