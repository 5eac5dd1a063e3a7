package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestProject: the nearest file counts, from the first directory that has one in or
// above it, and it can say what cannot do harm and nothing else.
func TestProject(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("p/cachepot.toml", "[rust.environment]\nremoved = [\"CI_JOB_*\", # all\n \"STAMP\"]\nkeyed = ['RUN']\n")
	write("p/sub/src/k", "")
	write("q/cachepot.toml", "rust.environment.removed = []\n")
	write("dir/cachepot.toml/k", "")
	write("plumbing/cachepot.toml", "[rust.environment]\nplumbing = [\"X\"]\n")
	write("cache/cachepot.toml", "[cache.disk]\ndir = \"/x\"\n")
	write("broken/cachepot.toml", "[rust\n")
	p := Variables{Keyed: []string{"RUN"}, Removed: []string{"CI_JOB_*", "STAMP"}}
	for _, test := range []struct {
		dirs    []string
		want    Variables
		problem string
	}{
		{[]string{"p"}, p, ""},
		{[]string{"p/sub/src"}, p, ""},
		{[]string{"none/at/all", "p/sub"}, p, ""},
		{[]string{"q", "p"}, Variables{}, ""},
		{[]string{"dir"}, Variables{}, ""},
		{nil, Variables{}, ""},
		{[]string{"plumbing"}, Variables{}, "2:1: rust.environment.plumbing: unknown key"},
		{[]string{"cache"}, Variables{}, "1:2: cache: unknown key"},
		{[]string{"broken"}, Variables{}, "is no TOML"},
	} {
		var dirs []string
		for _, d := range test.dirs {
			dirs = append(dirs, filepath.Join(root, d))
		}
		got, err := Project(testHost("linux"), dirs)
		if test.problem != "" {
			if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%v: %v, want %q", test.dirs, err, test.problem)
			}
			continue
		}
		if d := cmp.Diff(test.want, got); err != nil || d != "" {
			t.Errorf("%v: %v, -want +got\n%s", test.dirs, err, d)
		}
	}
}

// TestProjectOfAnother: a file of somebody who is neither the user, nor root, nor
// the owner of the sources has no say.
func TestProjectOfAnother(t *testing.T) {
	root := t.TempDir()
	path := filepath.Join(root, ProjectFile)
	if err := os.WriteFile(path, []byte("rust.environment.removed = ['X']\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	own := ownerOf(root)
	if !ownedBy(info, own) || ownedBy(info, own+1, own+2) {
		t.Errorf("the file is not its owner's, %d, alone", own)
	}
	if projectFile(root, own+1) == "" {
		t.Error("the file of the owner of the sources is passed over")
	}
	if os.Getuid() != 0 {
		return // nobody else can give files away
	}
	if err := os.Chown(path, own+1, -1); err != nil {
		t.Fatal(err)
	}
	if f := projectFile(root, own+2); strings.HasPrefix(f, root) {
		t.Error("the file of another counts")
	}
}
