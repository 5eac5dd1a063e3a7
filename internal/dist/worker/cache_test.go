package worker_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/genproto/googleapis/bytestream"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
)

// TestCapabilities: what old and new clients need to hear.
func TestCapabilities(t *testing.T) {
	b := start(t, options{})
	caps, err := repb.NewCapabilitiesClient(b.conn).GetCapabilities(t.Context(), &repb.GetCapabilitiesRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if l, h := caps.LowApiVersion, caps.HighApiVersion; l.Major != 2 || l.Minor != 0 || h.Major != 2 || h.Minor < 3 {
		t.Errorf("versions %v to %v", l, h)
	}
	if caps.CacheCapabilities.ActionCacheUpdateCapabilities.UpdateEnabled || !caps.ExecutionCapabilities.ExecEnabled {
		t.Errorf("%v", caps)
	}
}

// TestThreat1Update: there is no way to put a result.
func TestThreat1Update(t *testing.T) {
	b := start(t, options{})
	action := b.action(job{args: []string{"say", "x"}})
	_, err := b.cache().UpdateActionResult(t.Context(), &repb.UpdateActionResultRequest{ActionDigest: action, ActionResult: &repb.ActionResult{StdoutRaw: []byte("evil")}})
	if status.Code(err) != codes.PermissionDenied {
		t.Errorf("%v", err)
	}
	if _, err := b.cache().GetActionResult(t.Context(), &repb.GetActionResultRequest{ActionDigest: action}); status.Code(err) != codes.NotFound {
		t.Errorf("%v", err)
	}
}

// TestResults: a result is given again where it may be, and only there.
func TestResults(t *testing.T) {
	b := start(t, options{})
	run := func(j job, skip bool) *repb.ExecuteResponse {
		t.Helper()
		resp, err := b.run(&repb.ExecuteRequest{InstanceName: j.instance, ActionDigest: b.action(j), SkipCacheLookup: skip, InlineStdout: true})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	plain := job{args: []string{"say", "hello", "copy", "/bin/probe", "out"}, outputs: []string{"out"}}
	failing := job{args: []string{"exit", "3"}}
	once := job{args: []string{"say", "x"}, change: func(a *repb.Action, _ *repb.Command) { a.DoNotCache = true }}
	elsewhere := plain
	elsewhere.instance = "other"
	for i, step := range []struct {
		job          job
		skip, cached bool
	}{
		{plain, false, false}, {plain, false, true}, {plain, true, false}, {plain, false, true},
		{failing, false, false}, {failing, false, false}, {once, false, false}, {once, false, false},
		{elsewhere, false, false}, {elsewhere, false, true},
	} {
		if got := run(step.job, step.skip); got.CachedResult != step.cached {
			t.Errorf("step %d: cached %v", i, got.CachedResult)
		}
	}
	action := b.action(plain)
	r, err := b.cache().GetActionResult(t.Context(), &repb.GetActionResultRequest{ActionDigest: action, InlineStdout: true, InlineOutputFiles: []string{"out"}})
	if err != nil || string(r.StdoutRaw) != "hello" || string(r.OutputFiles[0].Contents) != string(probe) {
		t.Fatalf("%v, %v", r, err)
	}
	// An output that has gone, or rotted: no result, and a new run.
	d, err := digest.Parse(r.StdoutDigest.Hash + "/5")
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(b.dir, "blobs/tier/cas", d.Hex()[:1], d.Hex()+"-5")
	if err := os.Chmod(blob, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(blob, []byte("HELLO"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.cache().GetActionResult(t.Context(), &repb.GetActionResultRequest{ActionDigest: action}); status.Code(err) != codes.NotFound {
		t.Errorf("with a rotten output: %v", err)
	}
	if got := run(plain, false); got.CachedResult || string(got.Result.StdoutRaw) != "hello" {
		t.Errorf("%v", got)
	}
}

// TestThreat39Realms: what one realm has sent is not there for another, by any call,
// though its digest is known.
func TestThreat39Realms(t *testing.T) {
	b := start(t, options{})
	secret := b.put("", []byte("secret"))
	d := digest.Of([]byte("secret"))
	found, err := b.cas().FindMissingBlobs(t.Context(), &repb.FindMissingBlobsRequest{InstanceName: "other", BlobDigests: []*repb.Digest{secret}})
	if err != nil || len(found.MissingBlobDigests) != 1 {
		t.Errorf("found: %v, %v", found, err)
	}
	read, err := b.cas().BatchReadBlobs(t.Context(), &repb.BatchReadBlobsRequest{InstanceName: "other", Digests: []*repb.Digest{secret}})
	if err != nil || codes.Code(read.Responses[0].Status.GetCode()) != codes.NotFound {
		t.Errorf("read: %v, %v", read, err)
	}
	if _, err := b.download(&bytestream.ReadRequest{ResourceName: "other/blobs/" + d.String()}); status.Code(err) != codes.NotFound {
		t.Errorf("stream: %v", err)
	}
	// The pool has it, too: the first realm has used it.
	steal := job{tree: files{"w/in": "secret"}, args: []string{"copy", "in", "out"}, outputs: []string{"out"}}
	b.must(steal)
	root := b.tree("other", files{"bin/probe": string(probe)})
	theirs := &repb.Directory{Files: []*repb.FileNode{{Name: "in", Digest: secret}}}
	w := b.putMessage("other", theirs)
	enc, err := b.cas().BatchReadBlobs(t.Context(), &repb.BatchReadBlobsRequest{InstanceName: "other", Digests: []*repb.Digest{root}})
	if err != nil {
		t.Fatal(err)
	}
	top := &repb.Directory{}
	if err := proto.Unmarshal(enc.Responses[0].Data, top); err != nil {
		t.Fatal(err)
	}
	top.Directories = append(top.Directories, &repb.DirectoryNode{Name: "w", Digest: w})
	steal.instance = "other"
	steal.change = func(a *repb.Action, _ *repb.Command) { a.InputRootDigest = b.putMessage("other", top) }
	_, err = b.run(&repb.ExecuteRequest{InstanceName: "other", ActionDigest: b.action(steal)})
	if want := []string{"blobs/" + d.String()}; status.Code(err) != codes.FailedPrecondition || strings.Join(violations(err), " ") != want[0] {
		t.Errorf("execute: %v %v", err, violations(err))
	}
}

// violations returns the blobs that an error names.
func violations(err error) []string {
	var out []string
	for _, d := range status.Convert(err).Details() {
		if p, ok := d.(*errdetails.PreconditionFailure); ok {
			for _, v := range p.Violations {
				out = append(out, v.Subject)
			}
		}
	}
	return out
}

// TestMissingBlobs: the error names what the client has to upload, at once; but where
// Execute was sent before its blobs, it waits for them.
func TestMissingBlobs(t *testing.T) {
	b := start(t, options{})
	content := []byte("late")
	d := digest.Of(content)
	root := b.tree("", files{"bin/probe": string(probe)})
	enc, err := b.cas().BatchReadBlobs(t.Context(), &repb.BatchReadBlobsRequest{Digests: []*repb.Digest{root}})
	if err != nil {
		t.Fatal(err)
	}
	top := &repb.Directory{}
	if err := proto.Unmarshal(enc.Responses[0].Data, top); err != nil {
		t.Fatal(err)
	}
	w := &repb.Directory{Files: []*repb.FileNode{{Name: "in", Digest: digestOf(content)}}}
	wEnc, err := proto.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	top.Directories = append(top.Directories, &repb.DirectoryNode{Name: "w", Digest: digestOf(wEnc)})
	j := job{args: []string{"copy", "in", "out"}, outputs: []string{"out"}, change: func(a *repb.Action, _ *repb.Command) { a.InputRootDigest = b.putMessage("", top) }}
	action := b.action(j)
	begun := time.Now()
	_, err = b.run(&repb.ExecuteRequest{ActionDigest: action})
	if got := violations(err); status.Code(err) != codes.FailedPrecondition || len(got) != 1 || got[0] != "blobs/"+digest.Of(wEnc).String() {
		t.Errorf("%v %v", err, got)
	}
	b.put("", wEnc)
	_, err = b.run(&repb.ExecuteRequest{ActionDigest: action})
	if got := violations(err); status.Code(err) != codes.FailedPrecondition || len(got) != 1 || got[0] != "blobs/"+d.String() {
		t.Errorf("%v %v", err, got)
	}
	if time.Since(begun) > 3*time.Second {
		t.Error("it waited for nothing")
	}
	ctx := metadata.AppendToOutgoingContext(t.Context(), "cachepot-pipelined", "1")
	stream, err := b.exec().Execute(ctx, &repb.ExecuteRequest{ActionDigest: action, InlineOutputFiles: []string{"out"}})
	if err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(200*time.Millisecond, func() { b.put("", content) })
	resp, err := end(stream)
	if err != nil || resp.Result.GetExitCode() != 0 || string(resp.Result.OutputFiles[0].Contents) != "late" {
		t.Errorf("%v, %v", resp, err)
	}
	// What never comes is missing after 5 s.
	begun = time.Now()
	stream, err = b.exec().Execute(ctx, &repb.ExecuteRequest{ActionDigest: digestOf([]byte("nothing"))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = end(stream); status.Code(err) != codes.FailedPrecondition || time.Since(begun) < 4*time.Second || time.Since(begun) > 10*time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
}

// TestGetTree: all directories of a tree, each once.
func TestGetTree(t *testing.T) {
	b := start(t, options{})
	root := b.tree("", files{"a/b/c": "x", "d/b/c": "x", "e": "y"})
	stream, err := b.cas().GetTree(t.Context(), &repb.GetTreeRequest{RootDigest: root})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for {
		page, err := stream.Recv()
		if err != nil {
			break
		}
		n += len(page.Directories)
	}
	if n != 3 { // the root, a and d, b
		t.Errorf("%d directories", n)
	}
}
