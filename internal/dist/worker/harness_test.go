package worker_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/genproto/googleapis/bytestream"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/blobs"
	"github.com/cachepot/cachepot/internal/dist/execute"
	"github.com/cachepot/cachepot/internal/dist/layout"
	"github.com/cachepot/cachepot/internal/dist/worker"
	"github.com/cachepot/cachepot/internal/sandbox"
)

// TestMain makes the test binary what the sandbox starts. With the race detector
// it is not static, so a second one is made; the jobs' program is made once too.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "inner" {
		if _, err := sandbox.Inner(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(withPrograms(m))
}

// program is the static test binary, probe what jobs run. Both are set once before
// the tests.
var (
	program string
	probe   []byte
)

func withPrograms(m *testing.M) int {
	dir, err := os.MkdirTemp("", "cachepot-worker-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "program")
	src, bin := filepath.Join(dir, "probe.c"), filepath.Join(dir, "probe")
	if err := os.WriteFile(src, []byte(probeSource), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	for _, argv := range [][]string{{"go", "test", "-c", "-o", program, "."}, {"gcc", "-static", "-o", bin, src}} {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "%v: %v\n%s", argv, err, out)
			return 1
		}
	}
	if probe, err = os.ReadFile(bin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// probeSource does what its arguments say, one after the other.
const probeSource = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void copy(const char *from, const char *to, const char *mode) {
	char b[65536];
	size_t n;
	FILE *i = fopen(from, "r"), *o = fopen(to, mode);
	if (!i || !o) { perror(i ? to : from); exit(3); }
	while ((n = fread(b, 1, sizeof b, i)) > 0) fwrite(b, 1, n, o);
	if (fclose(o)) exit(4);
}
int main(int argc, char **argv) {
	for (int i = 1; i < argc; i++) {
		char *a = argv[i];
		if (!strcmp(a, "say")) { fputs(argv[++i], stdout); fflush(stdout); }
		else if (!strcmp(a, "complain")) fputs(argv[++i], stderr);
		else if (!strcmp(a, "copy")) { copy(argv[i + 1], argv[i + 2], "w"); i += 2; }
		else if (!strcmp(a, "spoil")) { /* as far as it can */
			FILE *f;
			chmod(argv[++i], 0777);
			if ((f = fopen(argv[i], "a"))) { fputs("evil", f); fclose(f); }
		}
		else if (!strcmp(a, "exec")) chmod(argv[++i], 0755);
		else if (!strcmp(a, "mkdir")) mkdir(argv[++i], 0755);
		else if (!strcmp(a, "link")) { if (symlink(argv[i + 1], argv[i + 2])) perror("symlink"); i += 2; }
		else if (!strcmp(a, "exists")) { if (access(argv[++i], F_OK)) exit(5); }
		else if (!strcmp(a, "sleep")) usleep(1000 * atoi(argv[++i]));
		else if (!strcmp(a, "exit")) exit(atoi(argv[++i]));
		else exit(99);
	}
	return 0;
}
`

// options change what a worker is made of.
type options struct {
	gate    worker.Gate
	slots   int
	queue   int
	limit   int64
	limits  sandbox.Limits
	foreign *execute.Foreign
	now     func() time.Time // by which the time is told that jobs wait
	dir     string           // of an earlier worker
}

// everybody is the gate of most tests.
func everybody() worker.Open { return worker.Open{Instances: worker.Instances{"", "other", "base"}} }

// bench is a running worker and a connection to it.
type bench struct {
	t      *testing.T
	server *worker.Server
	store  *blobs.Store
	layout *layout.Layout
	box    *sandbox.Sandbox
	dir    string
	addr   string
	conn   *grpc.ClientConn
	stop   func()
}

func start(t *testing.T, o options) *bench {
	t.Helper()
	b := &bench{t: t, dir: o.dir}
	if b.dir == "" {
		// Not t.TempDir: its directories are closed to the user of jobs.
		dir, err := os.MkdirTemp("", "cachepot-worker-test-")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = sandbox.Remove(dir) })
		b.dir = dir
	}
	if o.slots == 0 {
		o.slots = 2
	}
	if o.queue == 0 {
		o.queue = 100
	}
	if o.limit == 0 {
		o.limit = 1 << 30
	}
	if o.limits == (sandbox.Limits{}) {
		o.limits = sandbox.DefaultLimits()
	}
	if o.gate == nil {
		o.gate = everybody()
	}
	if o.now == nil {
		o.now = time.Now
	}
	b.compose(o)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(l) }()
	b.conn = b.dial()
	once := false
	b.stop = func() {
		if once {
			return
		}
		once = true
		b.conn.Close()
		b.server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		b.layout.Close()
		if err := b.box.Close(); err != nil {
			t.Error(err)
		}
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(b.stop)
	return b
}

func (b *bench) compose(o options) {
	t := b.t
	t.Helper()
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		t.Fatal(err)
	}
	jobs, err := os.MkdirTemp(b.dir, "jobs-")
	if err != nil {
		t.Fatal(err)
	}
	box, err := sandbox.Open(t.Context(), sandbox.Config{Program: program, Self: []string{"inner"}, Bwrap: bwrap, Dir: jobs, Root: os.Getuid() == 0, Slots: o.slots})
	if err != nil {
		t.Fatal(err)
	}
	if b.store, err = blobs.Open(blobs.Config{Dir: filepath.Join(b.dir, "blobs"), Limit: o.limit, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	if b.layout, err = layout.Open(layout.Config{Dir: filepath.Join(b.dir, "layout"), Limit: o.limit, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	b.box = box
	b.server = worker.New(worker.Config{
		Blobs: b.store,
		Execute: execute.New(execute.Config{
			Layout: b.layout, Sandbox: box, Limits: o.limits, Worker: "test", ISA: isa, Foreign: o.foreign, Now: time.Now,
		}),
		Gate: o.gate, Slots: o.slots, Queue: o.queue, Log: slog.New(slog.DiscardHandler), Now: o.now,
	})
}

const isa = "x86-64"

func (b *bench) dial(more ...grpc.DialOption) *grpc.ClientConn {
	b.t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+b.addr, append(more, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { conn.Close() })
	return conn
}

func (b *bench) cas() repb.ContentAddressableStorageClient {
	return repb.NewContentAddressableStorageClient(b.conn)
}
func (b *bench) bytes() bytestream.ByteStreamClient { return bytestream.NewByteStreamClient(b.conn) }
func (b *bench) exec() repb.ExecutionClient         { return repb.NewExecutionClient(b.conn) }
func (b *bench) cache() repb.ActionCacheClient      { return repb.NewActionCacheClient(b.conn) }
func (b *bench) ops() longrunning.OperationsClient  { return longrunning.NewOperationsClient(b.conn) }

// put uploads a blob to an instance.
func (b *bench) put(instance string, content []byte) *repb.Digest {
	b.t.Helper()
	d := digestOf(content)
	resp, err := b.cas().BatchUpdateBlobs(b.t.Context(), &repb.BatchUpdateBlobsRequest{
		InstanceName: instance, Requests: []*repb.BatchUpdateBlobsRequest_Request{{Digest: d, Data: content}},
	})
	if err != nil || resp.Responses[0].Status.GetCode() != 0 {
		b.t.Fatal(err, resp)
	}
	return d
}

func (b *bench) putMessage(instance string, m proto.Message) *repb.Digest {
	b.t.Helper()
	enc, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	return b.put(instance, enc)
}

func digestOf(content []byte) *repb.Digest {
	d := digest.Of(content)
	return &repb.Digest{Hash: d.Hex(), SizeBytes: d.Size}
}

// files is a tree: content by path; a name that ends in "/" is a directory, content
// that begins with "->" a link, and the probe is executable.
type files map[string]string

// tree uploads files and returns the root.
func (b *bench) tree(instance string, f files) *repb.Digest {
	b.t.Helper()
	here, below := &repb.Directory{}, map[string]files{}
	for name, content := range f {
		first, rest, deeper := strings.Cut(name, "/")
		switch {
		case deeper:
			if below[first] == nil {
				below[first] = files{}
			}
			if rest != "" {
				below[first][rest] = content
			}
		case strings.HasPrefix(content, "->"):
			here.Symlinks = append(here.Symlinks, &repb.SymlinkNode{Name: name, Target: content[2:]})
		default:
			here.Files = append(here.Files, &repb.FileNode{Name: name, Digest: b.put(instance, []byte(content)), IsExecutable: content == string(probe)})
		}
	}
	for name, sub := range below {
		here.Directories = append(here.Directories, &repb.DirectoryNode{Name: name, Digest: b.tree(instance, sub)})
	}
	sortNodes(here)
	return b.putMessage(instance, here)
}

// job is an action of the tests: the probe with arguments, in /w.
type job struct {
	instance string
	tree     files
	args     []string
	env      map[string]string
	outputs  []string
	change   func(*repb.Action, *repb.Command)
}

func (j job) files() files {
	out := files{"bin/probe": string(probe), "w/": ""}
	for name, content := range j.tree {
		out[name] = content
	}
	return out
}

// action uploads an action and returns its digest.
func (b *bench) action(j job) *repb.Digest {
	b.t.Helper()
	platform := &repb.Platform{Properties: []*repb.Platform_Property{{Name: "ISA", Value: isa}, {Name: "OSFamily", Value: "linux"}, {Name: "root", Value: "input"}}}
	command := &repb.Command{Arguments: append([]string{"/bin/probe"}, j.args...), WorkingDirectory: "w", OutputPaths: j.outputs}
	for name, value := range j.env {
		command.EnvironmentVariables = append(command.EnvironmentVariables, &repb.Command_EnvironmentVariable{Name: name, Value: value})
	}
	action := &repb.Action{Platform: platform}
	if j.change != nil {
		j.change(action, command)
	}
	if action.CommandDigest == nil {
		action.CommandDigest = b.putMessage(j.instance, command)
	}
	if action.InputRootDigest == nil {
		action.InputRootDigest = b.tree(j.instance, j.files())
	}
	return b.putMessage(j.instance, action)
}

// run executes an action and returns what came of it.
func (b *bench) run(req *repb.ExecuteRequest) (*repb.ExecuteResponse, error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	stream, err := b.exec().Execute(ctx, req)
	if err != nil {
		return nil, err
	}
	return end(stream)
}

// end waits for the end of an operation.
func end(stream interface {
	Recv() (*longrunning.Operation, error)
}) (*repb.ExecuteResponse, error) {
	for {
		op, err := stream.Recv()
		if err != nil {
			return nil, err
		}
		if op.Done {
			resp := &repb.ExecuteResponse{}
			return resp, op.GetResponse().UnmarshalTo(resp)
		}
	}
}

// must runs a job that succeeds.
func (b *bench) must(j job) *repb.ExecuteResponse {
	b.t.Helper()
	resp, err := b.run(&repb.ExecuteRequest{InstanceName: j.instance, ActionDigest: b.action(j), InlineStdout: true, InlineStderr: true, InlineOutputFiles: j.outputs})
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.Status.GetCode() != 0 || resp.Result.ExitCode != 0 {
		b.t.Fatalf("%v", resp)
	}
	return resp
}
