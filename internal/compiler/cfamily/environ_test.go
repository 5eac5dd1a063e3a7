package cfamily

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/compiler"
)

func TestSplit(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	env := compiler.Environ{"LANG=de", "PATH=/bin", "PATH=/second", "SECRET=x", "PWD=" + link, "CPATH=", "LC_NUMERIC=C", "TERM=xterm"}
	for _, c := range []struct {
		localised       bool
		keyed, messages []string
	}{
		{false, []string{"CPATH=", "PATH=/bin", "PWD=" + link}, []string{"LANG=de", "LC_NUMERIC=C", "TERM=xterm"}},
		{true, []string{"CPATH=", "LANG=de", "LC_NUMERIC=C", "PATH=/bin", "PWD=" + link, "TERM=xterm"}, nil},
	} {
		keyed, messages, err := SharedEnv().Split(env, dir, c.localised)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]string{c.keyed, c.messages}, [][]string{keyed, messages}); diff != "" {
			t.Error(diff)
		}
	}
	for _, pwd := range []string{dir, "/", "relative", filepath.Join(dir, "none")} {
		if keyed, _, _ := SharedEnv().Split(compiler.Environ{"PWD=" + pwd}, dir, false); keyed != nil {
			t.Errorf("PWD=%s is keyed as %q", pwd, keyed)
		}
	}
	var bare *compiler.Bare
	if _, _, err := SharedEnv().Split(compiler.Environ{"LD_PRELOAD=x"}, dir, false); !errors.As(err, &bare) {
		t.Errorf("LD_PRELOAD gives %v", err)
	}
}

func TestEveryRuleHasAReason(t *testing.T) {
	for name, rule := range SharedEnv() {
		if rule.Class == 0 || rule.Why == "" {
			t.Errorf("%s: %+v", name, rule)
		}
	}
}

func TestAbs(t *testing.T) {
	for in, want := range map[string]string{
		"a": "/d/a", "./a": "/d/a", "../a": "/d/../a", ".": "/d", "a/./b//c/": "/d/a/b/c", "/": "/", "/./": "/", "/x/.": "/x", "a/.": "/d/a",
	} {
		if got := Abs("/d", in); got != want {
			t.Errorf("Abs(%q) = %q, want %q", in, got, want)
		}
	}
}
