//go:build linux && (amd64 || arm64)

package watch

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What compilers read of a project is its sources, however many files they make
// and read again on the way; both classes say the same.
func TestInputsOfCompilers(t *testing.T) {
	tests := []struct {
		args   []string
		inputs []string // read
		makes  []string // the last of what is made
	}{
		{[]string{"gcc", "-c", "-Isub", "x.c", "-o", "x.o"}, []string{"sub/a.h", "x.c"}, []string{"x.o"}},
		{[]string{"gcc", "-c", "-save-temps", "-MD", "-Isub", "x.c"}, []string{"sub/a.h", "x.c"}, []string{"x.d", "x.i", "x.o", "x.s"}},
		{[]string{"gcc", "-Isub", "x.c", "-o", "x"}, []string{"sub/a.h", "x.c"}, []string{"x"}},
		{[]string{"clang", "-c", "-Isub", "x.c", "-o", "x.o"}, []string{"sub/a.h", "x.c"}, []string{"x.o"}},
		{[]string{"clang", "-no-integrated-as", "-c", "-Isub", "x.c", "-o", "x.o"}, []string{"sub/a.h", "x.c"}, []string{"x.o"}},
		{[]string{"rustc", "--crate-type", "lib", "x.rs"}, []string{"in.h", "part.rs", "x.rs"}, []string{"libx.rlib"}},
		{[]string{"rustc", "y.rs"}, []string{"y.rs"}, []string{"y"}},
	}
	for _, tt := range tests {
		for _, class := range []Class{Opens, Direct, All} {
			t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
				program, err := exec.LookPath(tt.args[0])
				if err != nil {
					t.Skip(err)
				}
				if tt.args[0] == "rustc" {
					program = rustc(t)
				}
				dir, scratch := project(t), t.TempDir()
				null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
				must(t, err)
				defer null.Close()
				r := watched(t, &Spec{
					Path: program, Argv: append([]string{program}, tt.args[1:]...), Env: append(plainEnv(), "TMPDIR="+scratch), Dir: dir,
					Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}, Class: class,
				})
				var inputs, makes []string
				for _, e := range r.Events {
					name, here := strings.CutPrefix(e.Path, dir+"/")
					temporary := strings.HasPrefix(e.Path, scratch+"/")
					if e.Input() && e.Op == Read && e.Errno == 0 && (here || temporary) {
						inputs = append(inputs, strings.TrimPrefix(name, "./"))
					}
					if _, err := os.Stat(e.Path); err == nil && e.Op == Write && here {
						makes = append(makes, name)
					}
				}
				slices.Sort(inputs)
				slices.Sort(makes)
				if diff := cmp.Diff(tt.inputs, slices.Compact(inputs)); diff != "" {
					t.Errorf("inputs -want +got:\n%s", diff)
				}
				if diff := cmp.Diff(tt.makes, slices.Compact(makes)); diff != "" {
					t.Errorf("outputs -want +got:\n%s", diff)
				}
			})
		}
	}
}
