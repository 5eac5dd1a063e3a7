package remote

import (
	"strings"
	"testing"

	longrunning "cloud.google.com/go/longrunning/autogen/longrunningpb"
	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestOtherRoot: nothing is executed on a service that does not use the input root as /,
// and who asks is told so.
func TestOtherRoot(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int a;\n"})
	p := startProxy(t, e, nil)
	p.answer = func(method string, message []byte) []byte {
		op := &longrunning.Operation{}
		if method != methodExecute {
			return message
		}
		return altered(message, op, func() {
			if !op.GetDone() {
				return
			}
			if packed, err := anypb.New(&repb.ExecuteResponse{Result: &repb.ActionResult{ExitCode: 127}}); err == nil { // what a shell says of no such file
				op.Result = &longrunning.Operation_Response{Response: packed}
			}
		})
	}
	c := newClient(t, tolerant(p.url()))
	for range 2 {
		remove(t, dir, "a.o")
		if r := c.Compile(dir, "gcc", "-c", "a.c", "-o", "a.o"); r.Code != 0 || r.Stderr != "" {
			t.Errorf("status %d, %q", r.Code, r.Stderr)
		}
		harness.Write(t, dir, map[string]string{"a.c": "int b;\n"})
	}
	c.want(0, 2)
	if n := p.count(methodExecute); n != 1 {
		t.Errorf("%d executions, want the probe alone", n)
	}
	out, err := c.Admin("--dist-status")
	if err != nil || !strings.Contains(out, "does not use the input root as /") {
		t.Errorf("status %s, %v", out, err)
	}
}
