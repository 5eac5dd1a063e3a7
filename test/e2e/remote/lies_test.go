package remote

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/genproto/googleapis/bytestream"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

const (
	methodExecute = "/build.bazel.remote.execution.v2.Execution/Execute"
	methodBatch   = "/build.bazel.remote.execution.v2.ContentAddressableStorage/BatchReadBlobs"
	methodRead    = "/google.bytestream.ByteStream/Read"
	methodCancel  = "/google.longrunning.Operations/CancelOperation"
)

// altered returns message with change applied, where it decodes as m.
func altered(message []byte, m proto.Message, change func()) []byte {
	if proto.Unmarshal(message, m) != nil {
		return message
	}
	change()
	b, err := proto.Marshal(m)
	if err != nil {
		return message
	}
	return b
}

// onResult returns what changes the results of executions that have an output.
func onResult(change func(r *repb.ExecuteResponse)) func(string, []byte) []byte {
	return func(method string, message []byte) []byte {
		if method != methodExecute {
			return message
		}
		op := &longrunning.Operation{}
		return altered(message, op, func() {
			resp := &repb.ExecuteResponse{}
			if !op.GetDone() || op.GetResponse().UnmarshalTo(resp) != nil || resp.GetResult().GetExitCode() == 42 { // the probe
				return
			}
			change(resp)
			if packed, err := anypb.New(resp); err == nil {
				op.Result = &longrunning.Operation_Response{Response: packed}
			}
		})
	}
}

// flipBatch changes one byte of each blob that is an object.
func flipBatch(method string, message []byte) []byte {
	if method != methodBatch {
		return message
	}
	m := &repb.BatchReadBlobsResponse{}
	return altered(message, m, func() {
		for _, r := range m.GetResponses() {
			if bytes.HasPrefix(r.GetData(), []byte("\x7fELF")) {
				r.Data[len(r.Data)/2] ^= 1
			}
		}
	})
}

func flipStream(method string, message []byte) []byte {
	if method != methodRead {
		return message
	}
	m := &bytestream.ReadResponse{}
	return altered(message, m, func() { m.Data[len(m.Data)/2] ^= 1 })
}

func shortStream(method string, message []byte) []byte {
	if method != methodRead {
		return message
	}
	m := &bytestream.ReadResponse{}
	return altered(message, m, func() { m.Data = m.Data[:len(m.Data)/2] })
}

// dropOutput leaves out the outputs whose names end in suffix.
func dropOutput(suffix string) func(string, []byte) []byte {
	return onResult(func(r *repb.ExecuteResponse) {
		var kept []*repb.OutputFile
		for _, f := range r.Result.GetOutputFiles() {
			if !strings.HasSuffix(f.GetPath(), suffix) {
				kept = append(kept, f)
			}
		}
		r.Result.OutputFiles = kept
	})
}

// lies are what a service may do wrong.
func lies() map[string]func(method string, message []byte) []byte {
	return map[string]func(string, []byte) []byte{
		"a changed blob":                flipBatch,
		"a changed blob in a stream":    flipStream,
		"half a blob":                   shortStream,
		"no object":                     dropOutput(".o"),
		"no list of what was assembled": dropOutput("/as.d"),
		"a link for an object": onResult(func(r *repb.ExecuteResponse) {
			for _, f := range r.Result.GetOutputFiles() {
				if strings.HasSuffix(f.GetPath(), ".o") {
					r.Result.OutputSymlinks = append(r.Result.OutputSymlinks, &repb.OutputSymlink{Path: f.GetPath(), Target: "/etc/passwd"})
				}
			}
			r.Result.OutputFiles = r.Result.OutputFiles[:0]
		}),
		"one output more": onResult(func(r *repb.ExecuteResponse) {
			more := proto.Clone(r.Result.GetOutputFiles()[0]).(*repb.OutputFile)
			more.Path = "../../../../../../../../etc/cachepot-was-here"
			r.Result.OutputFiles = append(r.Result.OutputFiles, more)
		}),
		"a failure":           onResult(func(r *repb.ExecuteResponse) { r.Result.ExitCode = 1 }),
		"no result":           onResult(func(r *repb.ExecuteResponse) { r.Result = nil }),
		"a digest of nothing": onResult(func(r *repb.ExecuteResponse) { r.Result.OutputFiles[0].Digest.Hash = "zz" }),
		"a digest of what it does not have": onResult(func(r *repb.ExecuteResponse) {
			for _, f := range r.Result.GetOutputFiles() {
				f.Digest.Hash = strings.Repeat("0", 64)
			}
		}),
	}
}

// TestLies: whatever the service does wrong that can be told, the build gets what the
// compiler gives here, and so does who asks the cache afterwards; in strict mode it
// fails and nothing is stored.
func TestLies(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	// One object that is fetched with others, one that comes by itself.
	harness.Write(t, dir, map[string]string{"small.c": "#include <stdio.h>\nint f(void) { return puts(\"x\"); }\n",
		"large.c": "const char large[3000000] = {1};\n"})
	want := map[string]string{}
	for _, name := range []string{"small", "large"} {
		if r := harness.Command(t, dir, os.Environ(), "gcc", "-c", name+".c", "-o", name+".o"); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		want[name] = read(t, dir, name+".o")
	}
	for lie, answer := range lies() {
		t.Run(lie, func(t *testing.T) {
			p := startProxy(t, e, nil)
			p.answer = answer
			name := "small"
			if strings.Contains(lie, "stream") || strings.Contains(lie, "half") {
				name = "large"
			}
			c := newClient(t, strict(p.url()))
			remove(t, dir, name+".o")
			r := c.Compile(dir, "gcc", "-c", name+".c", "-o", name+".o")
			if r.Code == 0 || strings.Count(r.Stderr, "\n") != 1 || exists(dir, name+".o") {
				t.Errorf("strict: status %d, %q, object there: %v", r.Code, r.Stderr, exists(dir, name+".o"))
			}
			if s := c.Counters(); s.CacheWrites != 0 || s.DistErrors != 1 {
				t.Errorf("strict: %d stored, failures %v", s.CacheWrites, s.DistFailures)
			}

			c = newClient(t, tolerant(p.url()))
			for _, hits := range []uint64{0, 1} {
				remove(t, dir, name+".o")
				if r := c.Compile(dir, "gcc", "-c", name+".c", "-o", name+".o"); r.Code != 0 || r.Stderr != "" {
					t.Errorf("status %d, %q", r.Code, r.Stderr)
				}
				if read(t, dir, name+".o") != want[name] {
					t.Error("another object")
				}
				s := c.Counters()
				if n := s.CacheHits.Total(); n != hits {
					t.Errorf("%d hits, want %d", n, hits)
				}
			}
			c.want(0, 1)
		})
	}
}

// TestFalseSuccess: a service that calls every compile a success, with an object of another, does
// not make one of a source that does not compile.
func TestFalseSuccess(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"bad.c": "int f( {\n", "other.c": "int other;\n"})
	p := startProxy(t, e, nil)
	c := newClient(t, tolerant(p.url()))
	if r := c.Compile(dir, "gcc", "-c", "other.c", "-o", "other.o"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	c.want(1, 0)
	object := read(t, dir, "other.o")
	p.answer = onResult(func(r *repb.ExecuteResponse) {
		r.Result.ExitCode = 0
		r.Result.StderrDigest, r.Result.StderrRaw = nil, nil
		r.Result.OutputFiles = []*repb.OutputFile{{Path: "bad.o", Digest: digestOf(object)}}
	})
	for range 2 {
		if r := c.Compile(dir, "gcc", "-c", "bad.c", "-o", "bad.o"); r.Code != 1 || !strings.Contains(r.Stderr, "error:") || exists(dir, "bad.o") {
			t.Errorf("status %d, %q, object there: %v", r.Code, r.Stderr, exists(dir, "bad.o"))
		}
	}
	c.want(1, 2)
}

// TestErrors: in strict mode a source that does not compile fails with the messages
// of the compiler, here with an exit status of 1.
func TestErrors(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"bad.c": "int f( {\n\nint g(;\n"})
	c := newClient(t, strict(e.url()))
	want := harness.Command(t, dir, c.Env, "gcc", "-c", "bad.c", "-o", "bad.o")
	r := c.Compile(dir, "gcc", "-c", "bad.c", "-o", "bad.o")
	last := strings.TrimPrefix(r.Stderr, want.Stderr)
	if r.Code != 1 || want.Stderr == "" || strings.Count(last, "\n") != 1 || !strings.HasPrefix(last, "cachepot: error: bad.c: ") {
		t.Errorf("status %d:\n%s\nwant\n%s", r.Code, r.Stderr, want.Stderr)
	}
	if s := c.Counters(); s.CompileFails != 1 || s.CacheErrors.Total() != 0 || s.CacheWrites != 0 {
		t.Errorf("%d failed compiles, %d errors, %d stored", s.CompileFails, s.CacheErrors.Total(), s.CacheWrites)
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func remove(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, name)); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}
