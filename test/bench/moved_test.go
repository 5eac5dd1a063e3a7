package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestForeign: a directory is found in text, in compressed debug information and in a
// member of an archive, and in nothing else.
func TestForeign(t *testing.T) {
	dir, tree := t.TempDir(), t.TempDir()
	run := func(in string, argv ...string) {
		t.Helper()
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Dir = in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, out)
		}
	}
	write(t, filepath.Join(dir, "x.c"), "int x;\n")
	write(t, filepath.Join(tree, "x.c"), "int x;\n")
	// Enough of it that compression is worth while, and does not leave it as it is.
	for name, from := range map[string]string{"named.o": dir, "clean.o": tree} {
		run(from, "gcc", "-g3", "-gz", "-c", "x.c", "-o", filepath.Join(tree, name))
		run(tree, "ar", "rc", name+".a", "x.c", name)
	}
	plain, err := os.ReadFile(filepath.Join(tree, "named.o"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(plain, []byte(dir)) {
		t.Fatal("the object is not compressed, and shows nothing")
	}
	write(t, filepath.Join(tree, "x.d"), "x.o: "+dir+"/x.h\n")
	write(t, filepath.Join(tree, "broken"), "\x7fELF")
	if err := os.Symlink(dir, filepath.Join(tree, "link")); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	write(t, log, "in "+dir)
	got, err := foreign(dir, tree, log)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"link", "named.o", "named.o.a", "x.d", log}, got); diff != "" {
		t.Errorf("named in (-want +got):\n%s", diff)
	}
	write(t, filepath.Join(tree, "cut.a"), archiveMagic+"x.o/            0           0     0     644     99999     `\n")
	if _, err := foreign(dir, tree); err == nil {
		t.Error("an archive that is cut off was taken")
	}
}

func TestRest(t *testing.T) {
	made := products{"a": {sum: "1"}, "b": {sum: "2"}, "c": {sum: "3"}}
	r := moved{}
	left := rest([]string{"a", "b", "c"}, &r.AsFirst, products{"a": {sum: "1"}, "b": {sum: "x"}}, made)
	if diff := cmp.Diff([]string{"b", "c"}, left); diff != "" || r.AsFirst != 1 {
		t.Errorf("%d are the first's; left (-want +got):\n%s", r.AsFirst, diff)
	}
}

func TestJudgeMoved(t *testing.T) {
	located := map[string]int{"why": 1}
	tests := []struct {
		name  string
		of    moved
		fails bool
	}{
		{"all hits", moved{Again: counts{Hits: 3}}, false},
		{"located", moved{Again: counts{Hits: 3, Misses: 1, Located: located}}, false},
		{"a miss", moved{Again: counts{Hits: 3, Misses: 2, Located: located}}, true},
		{"all located", moved{Again: counts{Misses: 1, Located: located}}, false},
		{"nothing", moved{}, true},
		{"other bytes", moved{Again: counts{Hits: 3}, Differ: []string{"a.o"}}, true},
		{"the first place", moved{Again: counts{Hits: 3}, Foreign: []string{"a.d"}}, true},
	}
	for _, tt := range tests {
		if err := judgeMoved([]moved{tt.of}); (err != nil) != tt.fails {
			t.Errorf("%s: error %v, want one: %t", tt.name, err, tt.fails)
		}
	}
}
