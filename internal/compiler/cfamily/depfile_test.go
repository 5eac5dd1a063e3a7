package cfamily

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseDeps(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
	}{
		{"a.o: a.c b.h\n", []string{"a.c", "b.h"}},
		{"a.o b.d: \\\n a.c \\\n  b.h\n\nb.h:\n", []string{"a.c", "b.h"}},
		{"a.o:\n", nil},
		{"a.o:", nil},
		{`a.o: a\ b.h c\#d e$$f g\h i\\j` + "\n", []string{"a b.h", "c#d", "e$f", `g\h`, `i\\j`}},
		{`a.o: a\\\ b c\\ d` + "\n", []string{`a\ b`, `c\`, "d"}},
		{"c:/x.o: a.c\n", []string{"a.c"}},
	} {
		got, err := ParseDeps(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%q: %s", c.text, diff)
		}
	}
	if _, err := ParseDeps("no rule"); err == nil {
		t.Error("text without a rule is accepted")
	}
}

// FuzzParseDeps gives headers strange names and reads back what gcc says of them.
func FuzzParseDeps(f *testing.F) {
	for _, seed := range []string{"a b", "$", "#", `\`, `a\ b`, `\#`, "a\tb", "ä", ":", "%", `\\ `} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || len(name) > 50 || strings.ContainsAny(name, "/\n\r\x00\"") || strings.HasPrefix(name, "-") || strings.Contains(name, "?") ||
			strings.HasSuffix(name, `\`) || strings.Trim(name, " \t.") == "" {
			return
		}
		dir := t.TempDir()
		name += ".h"
		write(t, dir, name, "")
		write(t, dir, "a.c", "#include \""+name+"\"\n")
		cmd := exec.Command("gcc", "-c", "-MD", "a.c")
		cmd.Dir = dir
		if cmd.Run() != nil {
			return
		}
		text, err := os.ReadFile(filepath.Join(dir, "a.d"))
		if err != nil {
			t.Fatal(err)
		}
		deps, err := ParseDeps(string(text))
		if err != nil || !slices.Contains(deps, name) {
			t.Errorf("%q not in %q (%v)", name, deps, err)
		}
	})
}
