package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRestore changes a directory in many ways, each followed by a Restore, and
// expects every time to find what was there at first, links and times included.
func TestRestore(t *testing.T) {
	root := filepath.Join(t.TempDir(), "r")
	shell := func(script string) {
		t.Helper()
		cmd := exec.Command("/bin/sh", "-ec", script)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	scan := func(before Tree) Tree {
		t.Helper()
		tree, err := Scan(root, before)
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	shell("mkdir -p d/e; echo one >a; ln a d/same; echo two >b; chmod 400 b; ln -s a l; ln -s nowhere d/l; touch -d 2001-02-03 a b")
	before := scan(nil)
	for _, script := range []string{
		":", "echo more >>a", "rm a", "rm a d/same", "rm a; echo one >a; touch -d 2001-02-03 a", "chmod 600 b", "touch b", "rm b; mkdir -p b/c/d", "rm -r d", "rm -r d; echo file >d",
		"rm l; echo file >l", "ln -sfn b l", "rm l; mkdir l", "mkdir n; echo n >n/n; ln a n/third", "ln b b2", "chmod 700 d", "mv a z; ln -s z a", "mkfifo p",
	} {
		shell(script)
		if err := Restore(root, before, scan(before)); err != nil {
			t.Fatalf("%s: %v", script, err)
		}
		if d := cmp.Diff(visible(before), visible(scan(nil))); d != "" {
			t.Fatalf("after %q: %s", script, d)
		}
	}
}

// TestRestoreLeavesAlone: what was not changed keeps its inode.
func TestRestoreLeavesAlone(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before, err := Scan(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(root, "a")); err != nil {
		t.Fatal(err)
	}
	now, err := Scan(root, before)
	if err != nil {
		t.Fatal(err)
	}
	if err := Restore(root, before, now); err != nil {
		t.Fatal(err)
	}
	if now, err = Scan(root, before); err != nil {
		t.Fatal(err)
	}
	if !now["b"].Kept || now["a"].Data != "a" {
		t.Errorf("a is %+v, b is %+v", now["a"], now["b"])
	}
}

// visible renders a tree without what a copy cannot have: inodes.
func visible(t Tree) map[string]string {
	out := map[string]string{}
	for name, f := range t {
		when := ""
		if f.Mode.IsRegular() {
			when = f.written.String()
		}
		same := ""
		for _, other := range names(t) {
			if t[other].id == f.id && f.Mode.IsRegular() {
				same += " " + other
			}
		}
		out[name] = fmt.Sprint(f.Mode, f.Nlink, f.Data, when, same)
	}
	return out
}
