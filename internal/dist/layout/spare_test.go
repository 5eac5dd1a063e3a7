package layout_test

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
)

// TestSpares: directories of a job are used again, in other trees and at other places, and
// nothing is in them but what belongs to the tree.
func TestSpares(t *testing.T) {
	dir := t.TempDir()
	y := open(t, dir, 1<<30)
	spares := func() int {
		names, err := os.ReadDir(filepath.Join(dir, "layout", "spare"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	tree := func(n string) *repb.Digest {
		below := y.tree(map[string]string{"f" + n: n, "g" + n: n}, map[string]*repb.Digest{"h" + n: y.tree(nil, nil)})
		return y.tree(map[string]string{"top" + n: n}, map[string]*repb.Digest{"d" + n: below})
	}
	want := func(n string) map[string]string {
		return map[string]string{"top" + n: n, "d" + n: "", "d" + n + "/f" + n: n, "d" + n + "/g" + n: n, "d" + n + "/h" + n: ""}
	}
	for _, n := range []string{"1", "2", "3"} {
		before := spares()
		r := y.lay(tree(n))
		if before > 0 && spares() >= before {
			t.Errorf("job %s took no spare of %d", n, before)
		}
		if got := content(t, r.Layers); !maps.Equal(got, want(n)) {
			t.Errorf("job %s has %v, want %v", n, got, want(n))
		}
		// A directory in which something is left is not kept.
		odd := filepath.Join(r.Layers[0], "d"+n, "h"+n)
		if n == "2" {
			if err := os.WriteFile(filepath.Join(odd, "left"), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r.Release()
		y.layout.Close()
		kept := 3
		if n == "2" {
			kept = 0 // what is above it is not empty either
		}
		if got := spares(); got != kept {
			t.Errorf("after job %s there are %d spares, want %d", n, got, kept)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "layout", "jobs"))
	if err != nil || len(left) > 0 {
		t.Errorf("of the jobs there is left: %v, %v", left, err)
	}
}

// content returns what lies in layers: the text of files, "" for directories.
func content(t *testing.T, layers []string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, layer := range layers {
		err := filepath.WalkDir(layer, func(p string, d os.DirEntry, err error) error {
			if err != nil || p == layer {
				return err
			}
			rel, err := filepath.Rel(layer, p)
			if err != nil || d.IsDir() {
				all[rel] = ""
				return err
			}
			text, err := os.ReadFile(p)
			all[rel] = string(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}
