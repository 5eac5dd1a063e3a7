package cfamily

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/compiler"
)

// TestLooks: each deed becomes what the next call must meet again, or is a reason
// to store nothing.
func TestLooks(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a.c": "", "h.h": "#define H\n", "side": "x", "x.pch": "CPCH", "a.gcda": "adcg\x00\x00",
		"plugin/p.so": "\x7fELF\x00", "time.h": "__TIME__\n"} {
		p := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(p), 0o777), os.WriteFile(p, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		look compiler.Look // of a path below dir
		bare string
		path bool // the path is claimed
	}{
		{look: compiler.Look{Path: "h.h", Deed: compiler.Read, Found: true}, path: true},
		{look: compiler.Look{Path: "none.h", Deed: compiler.Read}, path: true},
		{look: compiler.Look{Path: "b/as", Deed: compiler.Probed}, path: true},
		{look: compiler.Look{Path: "plugin", Deed: compiler.Read, Found: true}, path: true},
		{look: compiler.Look{Path: "a.gcda", Deed: compiler.Read, Found: true}, path: true},
		{look: compiler.Look{Path: "x.pch", Deed: compiler.Read, Found: true}, bare: "precompiled header with time stamps"},
		{look: compiler.Look{Path: "plugin/p.so", Deed: compiler.Read, Found: true}, bare: "plugin"},
		{look: compiler.Look{Path: "time.h", Deed: compiler.Read, Found: true}, bare: "__DATE__ or __TIME__"},
		{look: compiler.Look{Path: "gone.h", Deed: compiler.Read, Found: true}, bare: "input removed during the compile"},
		{look: compiler.Look{Path: "side", Deed: compiler.Wrote, Found: true}, bare: "writes a file that is no output"},
		{look: compiler.Look{Path: "side", Deed: compiler.Removed, Found: true}, bare: "removes a file"},
		{look: compiler.Look{Path: "a-123.o.tmp", Deed: compiler.Wrote}},
		{look: compiler.Look{Path: "removed-since", Deed: compiler.Wrote, Found: true}, bare: "writes a file that is no output"},
		{look: compiler.Look{Path: "sub/../a.o", Deed: compiler.Wrote, Found: true}},
		{look: compiler.Look{Path: "a.o", Deed: compiler.Probed, Found: true}},
		{look: compiler.Look{Path: "a.o", Deed: compiler.Read, Found: true}, bare: "output is an input"},
		{look: compiler.Look{Path: "../../../../../../../../../proc/version", Deed: compiler.Read, Found: true}, bare: "reads proc"},
	} {
		cmd := &Command{Watched: true, Lang: Lang{Preprocess: true, Compile: true}}
		inv := &compiler.Invocation{Detail: cmd, Outputs: []compiler.Output{{Path: "a.o"}}}
		call := &compiler.Call{Dir: dir}
		claims, err := (&Dialect{}).Claims(NewMemo(), call, inv)
		if err != nil {
			t.Fatal(err)
		}
		c.look.Path = dir + "/" + c.look.Path
		reason := ""
		if err := claims.Looks([]compiler.Look{c.look}); err != nil {
			reason = err.Error()
		}
		if reason != c.bare {
			t.Errorf("%+v: %q, want %q", c.look, reason, c.bare)
		}
		if c.bare != "" {
			continue
		}
		set, err := claims.PathSet()
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		if c.path {
			want = []string{c.look.Path}
		}
		if diff := cmp.Diff(want, set.Paths); diff != "" {
			t.Errorf("%+v: %s", c.look, diff)
		}
	}
	claims, _ := (&Dialect{}).Claims(NewMemo(), &compiler.Call{Dir: dir}, &compiler.Invocation{Detail: &Command{Watched: true}})
	if claims.Looks(nil) == nil {
		t.Error("a run that was not watched is believed")
	}
}

// TestLooksList: names in a directory that was listed count.
func TestLooksList(t *testing.T) {
	inv := &compiler.Invocation{Detail: &Command{Watched: true}}
	claims, err := (&Dialect{}).Claims(NewMemo(), &compiler.Call{Dir: "/w"}, inv)
	if err != nil {
		t.Fatal(err)
	}
	if err := claims.Looks([]compiler.Look{{Path: "/w/root/lib/gcc", Deed: compiler.Listed, Found: true}}); err != nil {
		t.Fatal(err)
	}
	set, err := claims.PathSet()
	if err != nil || !set.Covers("/w/root/lib/gcc/x86_64-linux-gnu") {
		t.Errorf("%+v, %v", set, err)
	}
}
