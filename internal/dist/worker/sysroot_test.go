package worker_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"

	"github.com/cachepot/cachepot/internal/digest"
)

// TestSysroot: what a Rust sysroot in the tree, 90 files with 514 MB, adds to a job. Only
// what is far off fails here; the figures are in the log.
func TestSysroot(t *testing.T) {
	b := start(t, options{limit: 4 << 30})
	realm, err := b.store.Realm("")
	if err != nil {
		t.Fatal(err)
	}
	sysroot := &repb.Directory{}
	for i := range 90 {
		content := bytes.Repeat([]byte(fmt.Sprintf("%08d", i)), 514<<20/90/8)
		d := digest.Of(content)
		if err := realm.Put(t.Context(), d, content); err != nil {
			t.Fatal(err)
		}
		sysroot.Files = append(sysroot.Files, &repb.FileNode{Name: fmt.Sprintf("f%03d", i), Digest: &repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}})
	}
	tools := b.putMessage("", sysroot)
	job := func(i int, with bool) time.Duration {
		root := &repb.Directory{Directories: []*repb.DirectoryNode{
			{Name: "bin", Digest: b.tree("", files{"probe": string(probe)})},
		}}
		if with {
			root.Directories = append(root.Directories, &repb.DirectoryNode{Name: "tools", Digest: tools})
		}
		root.Directories = append(root.Directories, &repb.DirectoryNode{Name: "w", Digest: b.tree("", files{"in": fmt.Sprint(i, with)})})
		action := b.action(job{args: []string{"exit", "0"}, change: func(a *repb.Action, _ *repb.Command) { a.InputRootDigest = b.putMessage("", root) }})
		begun := time.Now()
		if resp, err := b.run(&repb.ExecuteRequest{ActionDigest: action}); err != nil || resp.Result.GetExitCode() != 0 {
			t.Fatal(resp, err)
		}
		return time.Since(begun)
	}
	job(0, false)
	first := job(0, true)
	var with, without []time.Duration
	for i := range 40 { // in turns, so that other load meets both alike
		with, without = append(with, job(i+1, true)), append(without, job(i+1, false))
	}
	slices.Sort(with)
	slices.Sort(without)
	t.Logf("first job %s; later ones %s with the sysroot, %s without (medians)", first, with[20], without[20])
	if first > 20*time.Second || with[20]-without[20] > 50*time.Millisecond {
		t.Error("that is far off: 2 s and 5 ms are what it should be at most")
	}
}
