package toolchain

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/filestate"
)

// TestPrograms: which directories of a PATH a compiler can start anything from.
func TestPrograms(t *testing.T) {
	cc, err := exec.LookPath("gcc")
	if err != nil {
		t.Fatal(err)
	}
	if cc, err = filepath.EvalSymlinks(cc); err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	dir := func(name string, files ...string) string {
		d := filepath.Join(base, name)
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			text := "#!/bin/sh\n"
			if err := os.WriteFile(filepath.Join(d, f), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	tools, other := dir("tools"), dir("other", "as-if", "install", "md5sum", "rustup", "rustc", "rust-gdb", "rust-lldb", "cargo")
	cross, named, script := dir("cross", "aarch64-linux-gnu-as"), dir("named", "mycc"), dir("script", "ld")
	for _, name := range []string{"cc", "gcc-12"} {
		if err := os.Symlink(cc, filepath.Join(tools, name)); err != nil {
			t.Fatal(err)
		}
	}
	gone := filepath.Join(base, "gone")
	tests := []struct {
		name, arg0 string
		path       []string
		want       []string
		plain      bool
	}{
		{"others", "gcc", []string{other, tools, gone}, []string{tools}, true},
		{"twice", "gcc", []string{tools, tools}, []string{tools}, true},
		{"of another target", "gcc", []string{cross, tools}, []string{cross, tools}, true},
		{"own name", "mycc", []string{named, tools}, []string{named, tools}, true},
		{"own name by path", "/x/mycc", []string{named, tools}, []string{tools}, true},
		{"relative", "gcc", []string{"bin", "", tools}, []string{"bin", "", tools}, true},
		{"nothing left", "gcc", []string{other}, []string{other}, true},
		{"of another file system", "gcc", []string{"/proc/sys", tools}, []string{"/proc/sys", tools}, true},
		{"a script", "gcc", []string{other, script, tools}, []string{script, tools}, false},
	}
	r := NewRegistry(filestate.New(filestate.Clock), nil, nil)
	for _, tt := range tests {
		got := r.Programs(tt.arg0, compiler.Environ{"PATH=" + strings.Join(tt.path, ":")})
		if want := (compiler.Programs{Path: strings.Join(tt.want, ":"), Plain: tt.plain}); got != want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, want)
		}
	}
	if got := r.Programs("gcc", nil); got != (compiler.Programs{}) {
		t.Errorf("without PATH: %+v", got)
	}
}

// TestProgramsChange: what was found out about a PATH holds no longer than it is so.
func TestProgramsChange(t *testing.T) {
	base := t.TempDir()
	a, b := filepath.Join(base, "a"), filepath.Join(base, "b")
	r := NewRegistry(filestate.New(filestate.Clock), nil, nil)
	env := compiler.Environ{"PATH=" + a + ":" + b}
	step := func(what, wantPath string, wantPlain bool) {
		t.Helper()
		for range 3 { // found out, and remembered once that can be
			if got := r.Programs("gcc", env); got.Path != wantPath || got.Plain != wantPlain {
				t.Errorf("%s: %+v, want %s, plain %t", what, got, wantPath, wantPlain)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	put := func(p, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	elf, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	put(b+"/ld", string(elf))
	step("one directory is not there", b, true)
	put(a+"/other", "")
	step("nothing of interest in it", b, true)
	put(a+"/as", string(elf))
	step("an assembler in it", a+":"+b, true)
	put(b+"/ld", "#!/bin/sh\n") // no change of the directory
	step("a linker that has become a script", a+":"+b, false)
	if err := os.Remove(b + "/ld"); err != nil {
		t.Fatal(err)
	}
	step("no linker", a, true)
}
