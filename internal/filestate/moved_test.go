package filestate_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/filestate"
)

// inRoot has what lies in a directory at "/fixed".
type inRoot string

func (r inRoot) Fixed(p string) string {
	if rest, ok := strings.CutPrefix(p, string(r)); ok && (rest == "" || rest[0] == '/') {
		return "/fixed" + rest
	}
	return p
}

func (r inRoot) Above(p string) bool { return p == "/" || strings.HasPrefix(string(r), p+"/") }

// dirs collects directories.
type dirs []string

func (d *dirs) File(string, digest.Digest, bool) {}
func (d *dirs) Symlink(string, string)           {}
func (d *dirs) Dir(p string)                     { *d = append(*d, p) }

// TestMovedDirectories: those that lie in no root count where they were looked at, searched
// or left by "..", and not where they were only passed on the way to nothing.
func TestMovedDirectories(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{"place/in", "passed", "seen", "searched", "listed", "left/below"} {
		if err := os.MkdirAll(filepath.Join(base, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	set := &action.PathSet{
		Paths:    []string{base + "/place/in/none", base + "/passed/none", base + "/seen", base + "/seen/none", base + "/left/below/../none", base + "/place/../passed/none"},
		Searches: []action.Search{{Dirs: []string{base + "/searched"}, Names: []string{"none"}}},
		Listings: []action.Listing{{Dir: base + "/listed", Suffix: ".none"}},
	}
	snap, err := filestate.New(filestate.Clock).Evaluate(set)
	if err != nil {
		t.Fatal(err)
	}
	var got dirs
	snap.AddTo(filestate.Moved(&got, inRoot(base+"/place")))
	slices.Sort(got)
	want := []string{base + "/left/below", base + "/listed", base + "/searched", base + "/seen", "/fixed", "/fixed/in"}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	var all dirs
	snap.AddTo(&all)
	if !slices.Contains(all, base+"/passed") {
		t.Errorf("by real paths: %q", all)
	}
}
