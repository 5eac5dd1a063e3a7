package worker_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/genproto/googleapis/bytestream"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/worker"
)

// upload writes pieces of a blob and returns what the worker says of it.
func (b *bench) upload(name string, pieces ...[]byte) (int64, error) {
	b.t.Helper()
	stream, err := b.bytes().Write(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	var offset int64
	for i, p := range pieces {
		err := stream.Send(&bytestream.WriteRequest{ResourceName: name, WriteOffset: offset, Data: p, FinishWrite: i == len(pieces)-1})
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			b.t.Fatal(err)
		}
		offset += int64(len(p))
	}
	resp, err := stream.CloseAndRecv()
	return resp.GetCommittedSize(), err
}

// download reads a blob.
func (b *bench) download(req *bytestream.ReadRequest) ([]byte, error) {
	stream, err := b.bytes().Read(b.t.Context(), req)
	if err != nil {
		return nil, err
	}
	var out []byte
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, resp.Data...)
	}
}

func squeeze(t *testing.T, content []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(content, nil)
}

// TestLyingUploads: content that is not what it is called is never a blob, however it
// comes.
func TestLyingUploads(t *testing.T) {
	b := start(t, options{})
	content, other := []byte("some content that is long enough"), []byte("some content that is not the one")
	d, o := digest.Of(content), digest.Of(other)
	longer := digest.Digest{Hash: d.Hash, Size: d.Size + 1}
	small := squeeze(t, content)
	bomb := squeeze(t, make([]byte, 1<<24))
	for name, try := range map[string]func() error{
		"batch":            func() error { return b.batch(&repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}, other, 0) },
		"batch, too long":  func() error { return b.batch(&repb.Digest{Hash: d.Hex(), SizeBytes: d.Size - 1}, content, 0) },
		"batch, no digest": func() error { return b.batch(&repb.Digest{Hash: "../../etc/passwd", SizeBytes: 1}, content, 0) },
		"batch, upper case": func() error {
			return b.batch(&repb.Digest{Hash: strings.ToUpper(d.Hex()), SizeBytes: d.Size}, content, 0)
		},
		"batch, negative": func() error { return b.batch(&repb.Digest{Hash: d.Hex(), SizeBytes: -1}, content, 0) },
		"batch, zstd": func() error {
			return b.batch(&repb.Digest{Hash: o.Hex(), SizeBytes: o.Size}, small, repb.Compressor_ZSTD)
		},
		"batch, bomb": func() error {
			return b.batch(&repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}, bomb, repb.Compressor_ZSTD)
		},
		"batch, no zstd": func() error {
			return b.batch(&repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}, content, repb.Compressor_ZSTD)
		},
		"batch, deflate": func() error {
			return b.batch(&repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}, content, repb.Compressor_DEFLATE)
		},
		"stream":          func() error { _, err := b.upload("uploads/1/blobs/"+d.String(), other); return err },
		"stream, longer":  func() error { _, err := b.upload("uploads/1/blobs/"+d.String(), content, content); return err },
		"stream, shorter": func() error { _, err := b.upload("uploads/1/blobs/"+longer.String(), content); return err },
		"stream, zstd":    func() error { _, err := b.upload("uploads/1/compressed-blobs/zstd/"+o.String(), small); return err },
		"stream, bomb":    func() error { _, err := b.upload("uploads/1/compressed-blobs/zstd/"+d.String(), bomb); return err },
		"stream, no zstd": func() error { _, err := b.upload("uploads/1/compressed-blobs/zstd/"+d.String(), content); return err },
		"stream, trailing": func() error {
			_, err := b.upload("uploads/1/compressed-blobs/zstd/"+d.String(), small, []byte("x"))
			return err
		},
		"stream, compressor": func() error {
			_, err := b.upload("uploads/1/compressed-blobs/deflate/"+d.String(), content)
			return err
		},
		"stream, no name": func() error { _, err := b.upload("uploads/blobs/"+d.String(), content); return err },
		"stream, path":    func() error { _, err := b.upload("uploads/1/blobs/../../../etc/passwd/7", content); return err },
	} {
		if err := try(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, d := range []digest.Digest{d, o, longer} {
		if realm, err := b.store.Realm(""); err != nil || realm.Has(d) {
			t.Errorf("%s is a blob", d)
		}
	}
	// What is honest is taken after all that, and given again both ways.
	for i, name := range []string{"uploads/2/blobs/" + d.String() + "/meta", "uploads/3/compressed-blobs/zstd/" + o.String()} {
		if _, err := b.upload(name, [][]byte{content, squeeze(t, other)}[i]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got, err := b.download(&bytestream.ReadRequest{ResourceName: "blobs/" + d.String(), ReadOffset: 5, ReadLimit: 7}); err != nil || string(got) != "content" {
		t.Errorf("read %q, %v", got, err)
	}
	got, err := b.download(&bytestream.ReadRequest{ResourceName: "compressed-blobs/zstd/" + o.String(), ReadOffset: 5})
	z, _ := zstd.NewReader(nil)
	plain, zerr := z.DecodeAll(got, nil)
	if err != nil || zerr != nil || string(plain) != string(other[5:]) {
		t.Errorf("read %q, %v, %v", plain, err, zerr)
	}
}

func (b *bench) batch(d *repb.Digest, content []byte, how repb.Compressor_Value) error {
	resp, err := b.cas().BatchUpdateBlobs(b.t.Context(), &repb.BatchUpdateBlobsRequest{
		Requests: []*repb.BatchUpdateBlobsRequest_Request{{Digest: d, Data: content, Compressor: how}},
	})
	if err != nil {
		return err
	}
	return status.ErrorProto(resp.Responses[0].Status)
}

// TestThreat21Frames: what says that it is larger than anything that is taken is refused
// before it comes. What a long upload costs is measured where the worker is a process of
// its own.
func TestThreat21Frames(t *testing.T) {
	b := start(t, options{})
	if err := b.batch(digestOf(nil), make([]byte, 6<<20), 0); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a message of 6 MiB: %v", err)
	}
	for _, size := range []int64{1 << 40, 1<<29 + 1} { // half of the limit is for one blob
		if _, err := b.upload("uploads/3/blobs/"+digest.Digest{Size: size}.String(), []byte("x")); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	big := digest.Digest{Size: 1 << 28}
	for range 2 { // both together are as much as may arrive at once
		stream, err := b.bytes().Write(t.Context())
		if err == nil {
			err = stream.Send(&bytestream.WriteRequest{ResourceName: "uploads/3/blobs/" + big.String(), Data: []byte("x")})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := b.upload("uploads/3/blobs/"+big.String(), []byte("x"))
		if status.Code(err) == codes.ResourceExhausted {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("a third one: %v", err)
		}
	}
}

// TestThreat12HostileTrees: no tree of these is laid out, and no job runs on it.
func TestThreat12HostileTrees(t *testing.T) {
	b := start(t, options{})
	x := b.put("", []byte("x"))
	file := func(name string) *repb.Directory {
		return &repb.Directory{Files: []*repb.FileNode{{Name: name, Digest: x}}}
	}
	link := func(name, target string) *repb.Directory {
		return &repb.Directory{Symlinks: []*repb.SymlinkNode{{Name: name, Target: target}}}
	}
	empty := b.putMessage("", &repb.Directory{})
	full := b.putMessage("", file("x"))
	dir := func(name string, d *repb.Digest) *repb.Directory {
		return &repb.Directory{Directories: []*repb.DirectoryNode{{Name: name, Digest: d}}}
	}
	deep, bomb := empty, empty
	for range 200 {
		deep = b.putMessage("", dir("d", deep))
	}
	for range 40 {
		bomb = b.putMessage("", &repb.Directory{Directories: []*repb.DirectoryNode{{Name: "a", Digest: bomb}, {Name: "b", Digest: bomb}}})
	}
	both := file("x")
	both.Symlinks = []*repb.SymlinkNode{{Name: "x", Target: "y"}}
	for name, root := range map[string]*repb.Directory{
		"dot dot": file(".."), "dot": file("."), "slash": file("a/b"), "climbing": file("../../etc/passwd"), "absolute": file("/etc/passwd"),
		"no name": file(""), "zero byte": file("a\x00b"), "long name": file(strings.Repeat("x", 256)), "no digest": {Files: []*repb.FileNode{{Name: "x"}}},
		"twice": {Files: []*repb.FileNode{{Name: "x", Digest: x}, {Name: "x", Digest: x}}}, "file and link": both,
		"directory dot dot": dir("..", empty), "directory slash": dir("a/b", empty), "no directory": dir("d", x),
		"absolute link": link("l", "/etc/passwd"), "empty link": link("l", ""), "zero byte in a link": link("l", "a\x00b"), "long link": link("l", strings.Repeat("x/", 3000)),
		"link for /proc": link("proc", "tmp"), "link for /tmp": link("tmp", "etc"), "file for /dev": file("dev"), "something in /proc": dir("proc", full),
		"deep": dir("d", deep), "bomb": dir("d", bomb),
	} {
		d := b.action(job{change: func(a *repb.Action, _ *repb.Command) { a.InputRootDigest = b.putMessage("", root) }})
		if resp, err := b.run(&repb.ExecuteRequest{ActionDigest: d}); code(resp, err) != codes.InvalidArgument {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
	// A name that is no UTF-8 is no message at all to the decoder, or else no name.
	raw, err := proto.Marshal(file("xyz"))
	if err != nil {
		t.Fatal(err)
	}
	raw = bytes.Replace(raw, []byte("xyz"), []byte("x\xffz"), 1)
	d := b.action(job{change: func(a *repb.Action, _ *repb.Command) { a.InputRootDigest = b.put("", raw) }})
	if resp, err := b.run(&repb.ExecuteRequest{ActionDigest: d}); code(resp, err) != codes.InvalidArgument {
		t.Errorf("no UTF-8: %v, %v", resp, err)
	}
	for _, name := range []string{"ümläut", "\u202eevil", "a b", "-rf", "~", "$(x)", "new\nline", "日本"} {
		b.must(job{tree: files{"w/" + name: "x"}, args: []string{"exists", name}})
	}
}

// code returns the status of an execution, wherever it is told.
func code(resp *repb.ExecuteResponse, err error) codes.Code {
	if err != nil {
		return status.Code(err)
	}
	return codes.Code(resp.GetStatus().GetCode())
}

// TestThreat12HostileCommands: no command of these is run.
func TestThreat12HostileCommands(t *testing.T) {
	b := start(t, options{})
	for name, change := range map[string]func(*repb.Action, *repb.Command){
		"output above the root":  func(_ *repb.Action, c *repb.Command) { c.OutputPaths = []string{"../../x"} },
		"output at the root":     func(_ *repb.Action, c *repb.Command) { c.OutputPaths = []string{".."} },
		"absolute output":        func(_ *repb.Action, c *repb.Command) { c.OutputPaths = []string{"/etc/passwd"} },
		"zero byte in an output": func(_ *repb.Action, c *repb.Command) { c.OutputPaths = []string{"a\x00"} },
		"many outputs":           func(_ *repb.Action, c *repb.Command) { c.OutputPaths = strings.Split(strings.Repeat("a,", 5000), ",") },
		"directory above":        func(_ *repb.Action, c *repb.Command) { c.WorkingDirectory = "../w" },
		"absolute directory":     func(_ *repb.Action, c *repb.Command) { c.WorkingDirectory = "/etc" },
		"no arguments":           func(_ *repb.Action, c *repb.Command) { c.Arguments = nil },
		"zero byte":              func(_ *repb.Action, c *repb.Command) { c.Arguments = []string{"/bin/probe", "a\x00b"} },
		"name of a program":      func(_ *repb.Action, c *repb.Command) { c.Arguments = []string{"probe"} },
		"variable": func(_ *repb.Action, c *repb.Command) {
			c.EnvironmentVariables = []*repb.Command_EnvironmentVariable{{Name: "A=B", Value: "C"}}
		},
		"variable without a name": func(_ *repb.Action, c *repb.Command) {
			c.EnvironmentVariables = []*repb.Command_EnvironmentVariable{{Value: "C"}}
		},
		"long timeout":     func(a *repb.Action, _ *repb.Command) { a.Timeout = durationpb.New(1 << 50) },
		"negative timeout": func(a *repb.Action, _ *repb.Command) { a.Timeout = durationpb.New(-1) },
		"no command":       func(a *repb.Action, _ *repb.Command) { a.CommandDigest = &repb.Digest{} },
		"command is a tree": func(a *repb.Action, _ *repb.Command) {
			a.CommandDigest = b.put("", []byte("\xff\xff\xff"))
		},
		"no root":         func(a *repb.Action, _ *repb.Command) { a.InputRootDigest = &repb.Digest{Hash: "..", SizeBytes: 3} },
		"another machine": func(a *repb.Action, _ *repb.Command) { a.Platform.Properties[0].Value = "arm-v8" },
		"another system":  func(a *repb.Action, _ *repb.Command) { a.Platform.Properties[1].Value = "windows" },
		"another root":    func(a *repb.Action, _ *repb.Command) { a.Platform.Properties[2].Value = "worker" },
		"no platform":     func(a *repb.Action, _ *repb.Command) { a.Platform = nil },
		"unknown property": func(a *repb.Action, _ *repb.Command) {
			a.Platform.Properties = append(a.Platform.Properties, &repb.Platform_Property{Name: "container-image", Value: "x"})
		},
	} {
		resp, err := b.run(&repb.ExecuteRequest{ActionDigest: b.action(job{change: change})})
		if code(resp, err) != codes.InvalidArgument {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
	for name, req := range map[string]*repb.ExecuteRequest{
		"no digest":        {},
		"another function": {ActionDigest: digestOf(nil), DigestFunction: repb.DigestFunction_BLAKE3},
		"no instance":      {ActionDigest: digestOf(nil), InstanceName: "../.."},
	} {
		if resp, err := b.run(req); code(resp, err) != codes.InvalidArgument {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
	}
	if resp, err := b.run(&repb.ExecuteRequest{ActionDigest: b.action(job{args: []string{"exit", "0"}, change: func(_ *repb.Action, c *repb.Command) {
		c.Arguments[0] = "/bin/none"
	}})}); code(resp, err) == codes.OK {
		t.Errorf("no such program: %v", resp)
	}
}

// panicking is a gate with a defect that some calls find.
type panicking struct{ worker.Open }

// Allow implements worker.Gate.
func (p panicking) Allow(instance string, md metadata.MD) error {
	if len(md.Get("evil")) > 0 {
		panic("a defect")
	}
	return p.Open.Allow(instance, md)
}

// TestThreat23Defects: a call or a job that the worker panics over ends, and nothing else does.
func TestThreat23Defects(t *testing.T) {
	var evil atomic.Bool
	b := start(t, options{slots: 1, gate: panicking{everybody()}, now: func() time.Time {
		if evil.Load() {
			panic("a defect")
		}
		return time.Now()
	}})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "evil", "1")
	if _, err := b.cas().FindMissingBlobs(ctx, &repb.FindMissingBlobsRequest{}); status.Code(err) != codes.Internal || strings.Contains(err.Error(), "a defect\n") {
		t.Errorf("a call: %v", err)
	}
	stream, err := b.bytes().Read(ctx, &bytestream.ReadRequest{ResourceName: "blobs/" + digest.Empty().String()})
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Internal {
		t.Errorf("a stream: %v", err)
	}
	bad := b.action(job{args: []string{"say", "bad"}})
	evil.Store(true)
	for range 2 { // it is not waited for as one that runs
		if resp, err := b.run(&repb.ExecuteRequest{ActionDigest: bad}); code(resp, err) != codes.Internal {
			t.Errorf("a job: %v, %v", resp, err)
		}
	}
	evil.Store(false)
	b.must(job{args: []string{"say", "good"}})
}

// TestLargeTree: a directory of many files, which is a layer from the second time on.
func TestLargeTree(t *testing.T) {
	b := start(t, options{})
	tree := files{}
	for i := range 400 {
		tree[fmt.Sprintf("usr/include/d%d/h%d", i%7, i)] = strconv.Itoa(i)
	}
	for i := range 4 {
		tree["w/in"] = "job " + strconv.Itoa(i)
		resp := b.must(job{tree: tree, args: []string{"spoil", "/usr/include/d0/h0", "copy", "/usr/include/d0/h7", "a", "copy", "/usr/include/d1/h1", "b", "copy", "in", "/usr/include/d1/new"},
			outputs: []string{"a", "b", "../usr/include/d1/new"}})
		want := []string{"7", "1", "job " + strconv.Itoa(i)}
		for k, o := range resp.Result.OutputFiles {
			if string(o.Contents) != want[k] {
				t.Errorf("job %d: %s is %q, want %q", i, o.Path, o.Contents, want[k])
			}
		}
	}
}
