package cfamily

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTokenize(t *testing.T) {
	for _, c := range []struct {
		text string
		want []string
		ok   bool
	}{
		{"", nil, true},
		{" \n\t", nil, true},
		{"-c a.c\n-o 'a b.o'", []string{"-c", "a.c", "-o", "a b.o"}, true},
		{`-DX="a\"b" \'x`, []string{`-DX=a"b`, "'x"}, true},
		{`'a\'b'c`, []string{"a'bc"}, true},
		{"a\\ b", []string{"a b"}, true},
		{"a\\\nb", []string{"a\nb"}, true},
		{"a\\", nil, false},
		{"'a", []string{"a"}, false},
		{"a '' b", nil, false},
		{"a\vb", nil, false},
	} {
		got, ok := tokenize(c.text)
		if ok != c.ok || ok && cmp.Diff(c.want, got) != "" {
			t.Errorf("tokenize(%q) = %q, %v; want %q, %v", c.text, got, ok, c.want, c.ok)
		}
	}
}

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "one", "-c @two")
	write(t, dir, "two", "a.c @three")
	write(t, dir, "loop", "@loop")
	got, err := expand([]string{"-x", "@one", "@none", "@"}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"-x", "-c", "a.c", "@three", "@none", "@"}, got); diff != "" {
		t.Error(diff)
	}
	if _, err := expand([]string{"@loop"}, dir); err == nil {
		t.Error("a file that names itself is expanded")
	}
	if _, err := expand([]string{"@."}, dir); err == nil {
		t.Error("a directory is expanded")
	}
}

// FuzzTokenize holds the tokenizer against gcc, which names the arguments that it
// read as files that are not there.
func FuzzTokenize(f *testing.F) {
	for _, seed := range []string{`a b`, `'a b' "c\"d"`, `a\ b\\`, "a\tb\rc\nd", `"'"'"'`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		args, ok := tokenize(text)
		if !ok {
			return
		}
		for _, a := range args {
			if strings.Trim(a, "abcdefgh \\\"'\t\n") != "" {
				return
			}
		}
		dir := t.TempDir()
		write(t, dir, "resp", text)
		cmd := exec.Command("gcc", "-c", "@resp")
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, _ := cmd.CombinedOutput()
		for _, a := range args {
			if !strings.Contains(string(out), a) {
				t.Errorf("%q: gcc does not read %q:\n%s", text, a, out)
			}
		}
	})
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}
