//go:build unix

package safefile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/safefile"
)

func TestPrivateDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if err := safefile.PrivateDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: mode %v, %v, want 0700", d, info.Mode(), err)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := safefile.PrivateDir(link); err != nil {
		t.Errorf("own link to an own directory: %v", err)
	}
}

func TestPrivateDirModes(t *testing.T) {
	for mode, ok := range map[os.FileMode]bool{
		0o700: true, 0o755: true, 0o750: true, 0o770: false, 0o702: false, 0o777 | os.ModeSticky: false,
	} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		err := safefile.PrivateDir(dir)
		if e, refused := errors.AsType[*safefile.NotPrivateError](err); refused == ok {
			t.Errorf("mode %v: %v", mode, err)
		} else if refused && e.Remedy != "run: chmod go-w "+dir {
			t.Errorf("mode %v: remedy %q", mode, e.Remedy)
		}
	}
}

// TestPrivateDirForeign uses a directory of root's, or gives one away where the
// test runs as root.
func TestPrivateDirForeign(t *testing.T) {
	dir := "/"
	if os.Geteuid() == 0 {
		dir = t.TempDir()
		if err := os.Chown(dir, 4711, -1); err != nil {
			t.Skipf("cannot give a directory away: %v", err)
		}
	}
	err := safefile.PrivateDir(dir)
	if e, ok := errors.AsType[*safefile.NotPrivateError](err); !ok || !strings.Contains(e.Problem, "belongs to user") {
		t.Errorf("directory of another user: %v, want it refused for its owner", err)
	}
}

func TestPrivateDirIsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := safefile.PrivateDir(path); err == nil {
		t.Error("a file was taken for a directory")
	}
}
