package action

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// checkout is a project that lies at a directory.
type checkout string

func (c checkout) Fixed(p string) string { return replacePrefix(p, string(c), "/fixed/src") }
func (c checkout) Real(p string) string  { return replacePrefix(p, "/fixed/src", string(c)) }
func (c checkout) Above(dir string) bool {
	return dir != string(c) && (dir == "/" || strings.HasPrefix(string(c), dir+"/"))
}

func (c checkout) Holders() (name string, dirs []string) {
	for d := path.Dir(string(c)); d != "/"; d = path.Dir(d) {
		dirs = append(dirs, d)
	}
	return "/fixed/above", dirs
}

func replacePrefix(p, from, to string) string {
	if p == from || strings.HasPrefix(p, from+"/") {
		return to + p[len(from):]
	}
	return p
}

// TestHolders: what was looked for above a project is looked for in all directories above
// another place of it, and where a call did not climb there also where it was.
func TestHolders(t *testing.T) {
	here := checkout("/srv/me/p")
	set := &PathSet{
		Paths:    []string{"/srv", "/srv/me", "/srv/me/p/x", "/srv/me/conf", "/srv/conf", "/conf", "/srv/me/lib", "/usr/x"},
		Climbing: []string{"/srv/me/p/conf", "/srv/me/conf", "/srv/conf", "/conf"},
	}
	shared := set.Shared(here)
	want := []string{"/conf", "/fixed/above/conf", "/fixed/above/lib", "/fixed/src/x", "/srv/me/lib", "/usr/x"}
	if !slices.Equal(shared.Paths, want) {
		t.Errorf("shared: %q, want %q", shared.Paths, want)
	}
	if !set.LooksUp(here) || (&PathSet{Paths: []string{"/srv/me", "/srv/me/p/x", "/conf"}}).LooksUp(here) {
		t.Error("which sets look up is not told")
	}
	there := shared.Here(checkout("/mnt/deep/er"))
	want = []string{"/conf", "/mnt/conf", "/mnt/deep/conf", "/mnt/deep/er/x", "/mnt/deep/lib", "/mnt/lib", "/srv/me/lib", "/usr/x"}
	if !slices.Equal(there.Paths, want) {
		t.Errorf("there: %q, want %q", there.Paths, want)
	}
	for _, c := range []checkout{here, "/mnt/deep/er"} {
		if again := shared.Here(c).Shared(c); !slices.Equal(again.Paths, shared.Paths) {
			t.Errorf("shared again by %s: %q, want %q", c, again.Paths, shared.Paths)
		}
	}
}

// TestHoldersUpward: code of the build may climb for names with directories in them.
func TestHoldersUpward(t *testing.T) {
	here := checkout("/srv/me/p")
	set := &PathSet{Paths: []string{"/srv/me/.x/conf", "/srv/me/p/.x/conf", "/usr/.x/conf"}}
	if got := set.Shared(here).Paths; !slices.Equal(got, []string{"/fixed/src/.x/conf", "/srv/me/.x/conf", "/usr/.x/conf"}) {
		t.Errorf("without code of the build: %q", got)
	}
	set.Upward = true
	shared := set.Shared(here)
	if want := []string{"/fixed/above/.x/conf", "/fixed/src/.x/conf", "/srv/me/.x/conf", "/usr/.x/conf"}; !slices.Equal(shared.Paths, want) || !set.LooksUp(here) {
		t.Errorf("shared: %q, want %q", shared.Paths, want)
	}
	set.Paths = append(set.Paths, "/srv/me/.once")
	for file, climbed := range map[string]bool{"/srv/me/.x/conf": true, "/srv/me/.once": false, "/srv/me/p/.x/conf": false, "/usr/.x/conf": false} {
		if set.Climbed(file, here) != climbed {
			t.Errorf("%s is climbed: %t", file, !climbed)
		}
	}
	there := shared.Here(checkout("/mnt/er"))
	if want := []string{"/mnt/.x/conf", "/mnt/er/.x/conf", "/srv/me/.x/conf", "/usr/.x/conf"}; !slices.Equal(there.Paths, want) {
		t.Errorf("there: %q, want %q", there.Paths, want)
	}
	for _, c := range []checkout{here, "/mnt/er"} {
		if again := shared.Here(c).Shared(c); !slices.Equal(again.Paths, shared.Paths) {
			t.Errorf("shared again by %s: %q, want %q", c, again.Paths, shared.Paths)
		}
	}
}
