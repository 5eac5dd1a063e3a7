package worker_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cachepot/cachepot/internal/digest"
	"github.com/cachepot/cachepot/internal/dist/worker"
)

// processes counts those of jobs whose command line has the mark.
func processes(t *testing.T, mark string) int {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range lines {
		b, err := os.ReadFile(path)
		if err == nil && strings.HasPrefix(string(b), "/bin/probe\x00") && strings.Contains(string(b), mark) {
			n++
		}
	}
	return n
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 20 s", what)
		}
	}
}

// begin starts an execution and waits until its process runs.
func (b *bench) begin(ctx context.Context, action *repb.Digest, mark string) (repb.Execution_ExecuteClient, string) {
	b.t.Helper()
	stream, err := b.exec().Execute(ctx, &repb.ExecuteRequest{ActionDigest: action})
	if err != nil {
		b.t.Fatal(err)
	}
	op, err := stream.Recv()
	if err != nil || op.Name == "" || op.Done {
		b.t.Fatal(op, err)
	}
	eventually(b.t, "start of the job", func() bool { return processes(b.t, mark) > 0 })
	return stream, op.Name
}

// TestEqualActions: at the same time they are executed once, for all who ask.
func TestEqualActions(t *testing.T) {
	b := start(t, options{slots: 4})
	mark := fmt.Sprint("equal", time.Now().UnixNano())
	action := b.action(job{args: []string{"sleep", "1500", "say", mark}})
	var waiting sync.WaitGroup
	for range 5 {
		waiting.Go(func() {
			resp, err := b.run(&repb.ExecuteRequest{ActionDigest: action, SkipCacheLookup: true, InlineStdout: true})
			if err != nil || string(resp.Result.GetStdoutRaw()) != mark {
				t.Errorf("%v, %v", resp, err)
			}
		})
	}
	eventually(t, "start", func() bool { return processes(t, mark) > 0 })
	for range 20 {
		if n := processes(t, mark); n > 1 {
			t.Errorf("%d processes", n)
		}
		time.Sleep(20 * time.Millisecond)
	}
	waiting.Wait()
}

// TestCancel: who cancels leaves; the job ends with the last who waits for it.
func TestCancel(t *testing.T) {
	b := start(t, options{})
	mark := fmt.Sprint("cancel", time.Now().UnixNano())
	action := b.action(job{args: []string{"sleep", "60000", "say", mark}})
	first, name := b.begin(t.Context(), action, mark)
	second, other := b.begin(t.Context(), action, mark)
	if name == other {
		t.Error("two calls have one operation")
	}
	if _, err := b.ops().CancelOperation(t.Context(), &longrunning.CancelOperationRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
	if resp, err := end(first); code(resp, err) != codes.Canceled {
		t.Errorf("%v, %v", resp, err)
	}
	if op, err := b.ops().GetOperation(t.Context(), &longrunning.GetOperationRequest{Name: other}); err != nil || op.Done || processes(t, mark) != 1 {
		t.Errorf("the other: %v, %v, %d processes", op, err, processes(t, mark))
	}
	if _, err := b.ops().CancelOperation(t.Context(), &longrunning.CancelOperationRequest{Name: other}); err != nil {
		t.Fatal(err)
	}
	if resp, err := end(second); code(resp, err) != codes.Canceled {
		t.Errorf("%v, %v", resp, err)
	}
	eventually(t, "end of the job", func() bool { return processes(t, mark) == 0 })
	if _, err := b.ops().CancelOperation(t.Context(), &longrunning.CancelOperationRequest{Name: "operations/none"}); status.Code(err) != codes.NotFound {
		t.Errorf("%v", err)
	}
}

// leased is a gate that everybody has a lease for.
type leased struct{ worker.Open }

func (leased) Admit(context.Context, string, digest.Digest, metadata.MD) (worker.Permit, error) {
	return worker.Permit{Leased: true}, nil
}

// TestHangUp: a job that was leased ends 2 s after nobody waits for it any more; until
// then who lost the connection takes it up again.
func TestHangUp(t *testing.T) {
	b := start(t, options{gate: leased{everybody()}})
	mark := fmt.Sprint("hangup", time.Now().UnixNano())
	ctx, hangUp := context.WithCancel(t.Context())
	_, name := b.begin(ctx, b.action(job{args: []string{"sleep", "60000", "say", mark}}), mark)
	hangUp()
	time.Sleep(time.Second)
	ctx, hangUp = context.WithCancel(t.Context())
	again, err := repb.NewExecutionClient(b.conn).WaitExecution(ctx, &repb.WaitExecutionRequest{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	if op, err := again.Recv(); err != nil || op.Done || op.Name != name {
		t.Fatalf("%v, %v", op, err)
	}
	time.Sleep(1500 * time.Millisecond)
	if processes(t, mark) != 1 {
		t.Fatal("the job was ended though somebody waited")
	}
	hangUp()
	begun := time.Now()
	eventually(t, "end of the job", func() bool { return processes(t, mark) == 0 })
	if d := time.Since(begun); d < time.Second || d > 6*time.Second {
		t.Errorf("it ended after %s", d)
	}
}

// TestOrder: leased jobs go before others, and what is too much is refused.
func TestOrder(t *testing.T) {
	b := start(t, options{slots: 1, queue: 2, gate: byHeader{everybody()}})
	mark := fmt.Sprint("order", time.Now().UnixNano())
	b.begin(t.Context(), b.action(job{args: []string{"sleep", "1500", "say", mark}}), mark)
	var mu sync.Mutex
	var order []string
	var waiting sync.WaitGroup
	send := func(name, header string) {
		before := b.server.Load().Waiting
		waiting.Go(func() {
			ctx := metadata.AppendToOutgoingContext(t.Context(), "leased", header)
			stream, err := b.exec().Execute(ctx, &repb.ExecuteRequest{ActionDigest: b.action(job{args: []string{"say", name}})})
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := end(stream)
			mu.Lock()
			defer mu.Unlock()
			order = append(order, fmt.Sprint(name, " ", code(resp, err)))
		})
		eventually(t, "queue", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return b.server.Load().Waiting > before || len(order) > 0
		})
	}
	send("direct 1", "0")
	send("direct 2", "0")
	send("direct 3", "0")
	send("leased", "1")
	waiting.Wait()
	if got, want := strings.Join(order, ", "), "direct 3 ResourceExhausted, leased OK, direct 1 OK, direct 2 OK"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// byHeader is a gate where the client says whether it has a lease.
type byHeader struct{ worker.Open }

func (byHeader) Admit(_ context.Context, _ string, _ digest.Digest, md metadata.MD) (worker.Permit, error) {
	return worker.Permit{Leased: strings.Join(md.Get("leased"), "") == "1"}, nil
}

// TestTimeout: an action that takes longer than it may is ended, and says so.
func TestTimeout(t *testing.T) {
	b := start(t, options{})
	resp, err := b.run(&repb.ExecuteRequest{ActionDigest: b.action(job{args: []string{"sleep", "60000"}, change: func(a *repb.Action, _ *repb.Command) {
		a.Timeout = durationpb.New(time.Second)
	}})})
	if code(resp, err) != codes.DeadlineExceeded {
		t.Errorf("%v, %v", resp, err)
	}
}

// TestThreat18NextJob: what a job does to its inputs is not there for the next, whether
// they are laid out for it alone or are a layer.
func TestThreat18NextJob(t *testing.T) {
	b := start(t, options{})
	tree := files{"w/in": "good", "usr/tool": "good"}
	for i := range 100 {
		tree[fmt.Sprint("usr/", i)] = fmt.Sprint(i)
	}
	evil := job{tree: tree, args: []string{"spoil", "in", "spoil", "/usr/tool", "spoil", "/usr/new", "spoil", "/bin/probe"}}
	evil.change = func(a *repb.Action, _ *repb.Command) { a.DoNotCache = true }
	honest := evil
	honest.args, honest.outputs = []string{"copy", "in", "a", "copy", "/usr/tool", "b"}, []string{"a", "b", "../usr/new"}
	for range 3 {
		b.must(evil)
		r := b.must(honest).Result
		if len(r.OutputFiles) != 2 || string(r.OutputFiles[0].Contents) != "good" || string(r.OutputFiles[1].Contents) != "good" {
			t.Fatalf("%v", r)
		}
	}
}

// TestOldClients: what clients before 2.1 say is understood, and parents of outputs are
// made.
func TestOldClients(t *testing.T) {
	b := start(t, options{})
	resp := b.must(job{args: []string{"copy", "/bin/probe", "deep/down/out"}, change: func(a *repb.Action, c *repb.Command) {
		c.OutputFiles = []string{"deep/down/out", "none/x"}
		c.Platform, a.Platform = a.Platform, nil
	}})
	if o := resp.Result.OutputFiles; len(o) != 1 || o[0].Path != "deep/down/out" {
		t.Errorf("%v", resp)
	}
}
