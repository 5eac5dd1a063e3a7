package worker_test

import (
	"sort"
	"testing"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/proto"

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

// TestOutputKinds: directories come back whole, links as links, and what is none of
// these not at all.
func TestOutputKinds(t *testing.T) {
	b := start(t, options{})
	resp := b.must(job{
		tree: files{"w/in": "content"},
		args: []string{"mkdir", "d", "mkdir", "d/sub", "mkdir", "d/void", "copy", "in", "d/a", "copy", "in", "d/sub/b", "exec", "d/sub/b", "link", "a", "d/l",
			"link", "/etc/passwd", "secret"},
		outputs: []string{"d", "secret"},
	})
	r := resp.Result
	if len(r.OutputFiles) != 0 || len(r.OutputDirectories) != 1 || len(r.OutputSymlinks) != 1 || r.OutputSymlinks[0].Target != "/etc/passwd" {
		t.Fatalf("%v", r)
	}
	enc, err := b.cas().BatchReadBlobs(t.Context(), &repb.BatchReadBlobsRequest{Digests: []*repb.Digest{r.OutputDirectories[0].TreeDigest}})
	if err != nil {
		t.Fatal(err)
	}
	tree := &repb.Tree{}
	if err := proto.Unmarshal(enc.Responses[0].Data, tree); err != nil {
		t.Fatal(err)
	}
	if len(tree.Children) != 2 || len(tree.Root.Directories) != 2 || tree.Root.Files[0].Name != "a" || tree.Root.Symlinks[0].Target != "a" ||
		tree.Root.Directories[0].Name != "sub" || tree.Root.Directories[1].Name != "void" {
		t.Errorf("%v", tree)
	}
	for _, d := range tree.Children {
		if len(d.Files) == 1 && (d.Files[0].Name != "b" || !d.Files[0].IsExecutable) {
			t.Errorf("%v", d)
		}
	}
}
