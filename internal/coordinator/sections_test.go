package coordinator

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/roots"
)

// TestSections: what compressed debug information says of a root is found.
func TestSections(t *testing.T) {
	dir := t.TempDir()
	m := roots.NewMap([]roots.Root{{Real: dir, Fixed: roots.Base + "/src", Name: "."}})
	if m == nil {
		t.Fatal("no map")
	}
	if err := os.WriteFile(filepath.Join(dir, "x.c"), []byte("int f(void) { return 1; }\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for flags, want := range map[string]bool{
		"-g3 -gz":                                  true,
		"-g3 -gz=zlib-gnu":                         true,
		"-g3 -Wa,--compress-debug-sections":        true,
		"-g3 -gz -fdebug-prefix-map=" + dir + "=.": false,
		"-O2": false,
	} {
		object := filepath.Join(dir, "x.o")
		args := append([]string{"-c", "x.c", "-o", object}, strings.Fields(flags)...)
		cmd := exec.Command("gcc", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", flags, err, out)
		}
		content, err := os.Open(object)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := sectionsName(m, content); err != nil || got != want {
			t.Errorf("%s: %t, %v, want %t", flags, got, err, want)
		}
		content.Close()
	}
	if got, err := sectionsName(m, strings.NewReader("\x7fELF")); err != nil || !got {
		t.Errorf("an object that is cut off: %t, %v", got, err)
	}
	if got, err := sectionsName(m, strings.NewReader("a text")); err != nil || got {
		t.Errorf("a text: %t, %v", got, err)
	}
}
