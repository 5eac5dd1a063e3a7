package audit

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/result"
	"github.com/cachepot/cachepot/internal/sandbox"
	"github.com/cachepot/cachepot/internal/tree"
	"github.com/cachepot/cachepot/internal/watch"
)

// TestJudge puts single looks before the judge, in a live directory with
//
//	dir/file  dir/stray  dir/libx-1.rlib  dir/liby-1.rlib  link -> dir  loop -> loop  out/
func TestJudge(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	at := func(p string) string { return base + "/" + p }
	for _, d := range []string{"dir", "out"} {
		if err := os.Mkdir(at(d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"dir/file", "dir/stray", "dir/libx-1.rlib", "dir/liby-1.rlib"} {
		if err := os.WriteFile(at(f), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, target := range map[string]string{"link": "dir", "loop": "loop"} {
		if err := os.Symlink(target, at(name)); err != nil {
			t.Fatal(err)
		}
	}
	nodes := map[string]tree.Node{at("dir"): {Kind: tree.Directory}, at("dir/file"): {Kind: tree.Regular}, at("dir/libx-1.rmeta"): {Kind: tree.Regular}, at("dir/liby-1.rmeta"): {Kind: tree.Regular}, at("link"): {Kind: tree.Symlink, Target: "dir"}}
	for p := base; p != "/"; p = filepath.Dir(p) {
		nodes[p] = tree.Node{Kind: tree.Directory}
	}
	s := &subject{
		recipe: &action.Recipe{Command: action.Command{Dir: base, Outputs: []string{"out/a.o"}}},
		paths: &action.PathSet{
			Paths:    []string{at("missing"), at("no/such/file")},
			Searches: []action.Search{{Dirs: []string{at("link")}, Names: []string{"x.h"}}},
			Listings: []action.Listing{{Dir: at("dir"), Prefix: "lib"}, {Dir: at("link"), Prefix: "libx-1", Suffix: ".rmeta"}},
		},
	}
	s.settle()
	j := newJudge(s, &inputs{here: nodes, toolPaths: &action.PathSet{}}, at("temp/1"))
	for _, c := range []struct {
		event watch.Event
		fault string
	}{
		{watch.Event{Op: watch.Read, Path: at("dir/file")}, ""},
		{watch.Event{Op: watch.Read, Path: at("link/../dir/./file")}, ""},
		{watch.Event{Op: watch.Read, Path: at("dir/stray"), Mode: syscall.S_IFREG}, "is read and is not in the input tree"},
		{watch.Event{Op: watch.Probe, Path: at("link/stray")}, "is looked at and is not in the input tree"},
		{watch.Event{Op: watch.Link, Path: at("dir/libx-1.rlib"), Mode: syscall.S_IFREG}, ""},
		{watch.Event{Op: watch.Read, Path: at("dir/libx-1.rlib"), Mode: syscall.S_IFREG}, "is read and is not in the input tree"},
		{watch.Event{Op: watch.Link, Path: at("dir/liby-1.rlib"), Mode: syscall.S_IFREG}, "is looked at and is not in the input tree"},
		{watch.Event{Op: watch.Exec, Path: at("dir/stray")}, "is executed and is not in the input tree"},
		{watch.Event{Op: watch.Read, Path: at("dir/stray"), Own: true}, ""},
		{watch.Event{Op: watch.Write, Path: at("dir/stray")}, ""},
		{watch.Event{Op: watch.Link, Path: at("link"), Mode: syscall.S_IFLNK}, ""},
		{watch.Event{Op: watch.Probe, Path: at("missing"), Errno: syscall.ENOENT}, ""},
		{watch.Event{Op: watch.Probe, Path: at("other"), Errno: syscall.ENOENT}, "/other is looked for and missing"},
		{watch.Event{Op: watch.Probe, Path: at("link/x.h"), Errno: syscall.ENOENT}, ""},
		{watch.Event{Op: watch.Probe, Path: at("link/y.h"), Errno: syscall.ENOENT}, "y.h is looked for and missing"},
		{watch.Event{Op: watch.Probe, Path: at("no/such"), Errno: syscall.ENOENT}, ""},
		{watch.Event{Op: watch.Probe, Path: at("no/other/file"), Errno: syscall.ENOENT}, ""},
		{watch.Event{Op: watch.Probe, Path: at("dir/file/below"), Errno: syscall.ENOTDIR}, ""},
		{watch.Event{Op: watch.Probe, Path: at("dir/stray/below"), Errno: syscall.ENOTDIR}, "is looked for and missing"},
		{watch.Event{Op: watch.Link, Path: at("-lz"), Errno: syscall.ENOENT}, ""},
		{watch.Event{Op: watch.Probe, Path: at("-lz"), Errno: syscall.ENOENT}, "is looked for and missing"},
		{watch.Event{Op: watch.Probe, Path: at("loop"), Errno: syscall.ELOOP}, "is looked for and missing"},
		{watch.Event{Op: watch.List, Path: at("link"), Mode: syscall.S_IFDIR}, ""},
		{watch.Event{Op: watch.List, Path: at("dir"), Mode: syscall.S_IFDIR}, ""},
		{watch.Event{Op: watch.List, Path: at("out"), Mode: syscall.S_IFDIR}, "is listed"},
		{watch.Event{Op: watch.Probe, Path: at("out"), Mode: syscall.S_IFDIR}, ""},
		{watch.Event{Op: watch.Probe, Path: at("out/a.o"), Errno: syscall.ENOENT}, ""},
		{watch.Event{Op: watch.Probe, Path: at("out/b.o"), Errno: syscall.ENOENT}, "is looked for and missing"},
		{watch.Event{Op: watch.Probe, Path: at("temp/1/t.s"), Errno: syscall.ENOENT}, ""},
		{watch.Event{Op: watch.Probe, Path: at("temp/2"), Errno: syscall.ENOENT}, "is looked for and missing"},
		{watch.Event{Op: watch.Read, Path: "/proc/self/maps"}, ""},
		{watch.Event{Op: watch.Read, Path: "/etc/ld.so.cache"}, ""},
		{watch.Event{Op: watch.Read, Path: "/etc/passwd", Mode: syscall.S_IFREG}, "/etc/passwd is read"},
		{watch.Event{Op: watch.Read, Path: "/proc/../etc/passwd", Mode: syscall.S_IFREG}, "is read"},
	} {
		got := j.fault(&c.event)
		if c.fault == "" && got != "" || !strings.Contains(got, c.fault) {
			t.Errorf("%s %s (%v) = %q, want %q", c.event.Op, c.event.Path, c.event.Errno, got, c.fault)
		}
	}
}

func TestCompareMessages(t *testing.T) {
	const text = "a.c:1: warning: x\n"
	for _, c := range []struct {
		name             string
		wantOut, wantErr string
		gotOut, gotErr   string
		same             bool
	}{
		{"equal", "o", "e", "o", "e", true},
		{"other text", "", text, "", "a.c:2: warning: x\n", false},
		{"swapped", "o", "e", "e", "o", false},
		{"one stream", text, "", "", text, true},
		{"one stream, other text", text, "", "", text + text, false},
		{"missing", "", text, "", "", false},
		{"added", "", "", "", text, false},
		{"colours", "", "\x1b[01m\x1b[Ka.c:1:\x1b[m\x1b[K \x1b[01;35m\x1b[Kwarning\x1b[m: x\n", "", text, true},
		{"link", "", "\x1b]8;;https://example.org/w\x1b\\a.c\x1b]8;;\x07:1: warning: x\n", "", text, true},
	} {
		var r Report
		compareMessages(&result.Result{Stdout: []byte(c.wantOut), Stderr: []byte(c.wantErr)},
			&sandbox.Result{Stdout: []byte(c.gotOut), Stderr: []byte(c.gotErr)}, &r)
		if (len(r.Faults) == 0) != c.same {
			t.Errorf("%s: faults %q", c.name, r.Faults)
		}
	}
}

func TestCompareFiles(t *testing.T) {
	for _, c := range [][3]string{
		{"same", "same", ""},
		{"", "", ""},
		{"abc", "abd", "byte 0x2 is 0x64, stored is 0x63"},
		{"abc", "abcd", "it is longer than the stored 3 bytes"},
		{"abc", "a", "it has 1 bytes, less than are stored"},
	} {
		var files [2]*os.File
		for i := range files {
			f, err := os.CreateTemp(t.TempDir(), "")
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteString(c[i]); err != nil {
				t.Fatal(err)
			}
			if _, err := f.Seek(0, 0); err != nil {
				t.Fatal(err)
			}
			files[i] = f
		}
		if got, err := compareFiles(files[0], files[1]); err != nil || got != c[2] {
			t.Errorf("compare %q with %q = %q, %v, want %q", c[1], c[0], got, err, c[2])
		}
	}
}
