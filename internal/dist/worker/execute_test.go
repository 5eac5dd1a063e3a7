package worker_test

import (
	"sort"
	"testing"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"

	"github.com/cachepot/cachepot/internal/reapi"
)

func sortNodes(d *repb.Directory) {
	sort.Slice(d.Files, func(i, j int) bool { return d.Files[i].Name < d.Files[j].Name })
	sort.Slice(d.Directories, func(i, j int) bool { return d.Directories[i].Name < d.Directories[j].Name })
	sort.Slice(d.Symlinks, func(i, j int) bool { return d.Symlinks[i].Name < d.Symlinks[j].Name })
}

// TestRoot: the input tree is the root, as our own client finds out.
func TestRoot(t *testing.T) {
	b := start(t, options{})
	c, err := reapi.New(reapi.Config{Address: b.addr})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.ProbeRoot(t.Context(), isa); err != nil {
		t.Fatal(err)
	}
}

func TestOutputs(t *testing.T) {
	b := start(t, options{})
	resp := b.must(job{
		tree:    files{"w/in": "content", "include/x": "-> no"},
		args:    []string{"copy", "in", "out/a", "copy", "/w/in", "/other/b", "exec", "/other/b", "say", "said", "complain", "grumbled"},
		outputs: []string{"out/a", "../other/b", "none"},
	})
	r := resp.Result
	if string(r.StdoutRaw) != "said" || string(r.StderrRaw) != "grumbled" || len(r.OutputFiles) != 2 {
		t.Fatalf("%v", r)
	}
	for i, want := range []*repb.OutputFile{{Path: "out/a"}, {Path: "../other/b", IsExecutable: true}} {
		if o := r.OutputFiles[i]; o.Path != want.Path || o.IsExecutable != want.IsExecutable || string(o.Contents) != "content" {
			t.Errorf("output %v", o)
		}
	}
}
