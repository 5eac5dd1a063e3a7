package remote

import (
	"testing"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestOneTrip: a call whose source is new takes an upload and an execution, and on a worker of
// ours, which waits for the one and sends outputs with the other, nothing more.
func TestOneTrip(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	p := startProxy(t, e, nil)
	c := newClient(t, strict(p.url()))
	for i, text := range []string{"int a;\n", "int b;\n"} {
		harness.Write(t, dir, map[string]string{"a.c": text})
		p.mu.Lock()
		clear(p.calls)
		p.mu.Unlock()
		if r := c.Compile(dir, "gcc", "-Wall", "-c", "a.c", "-o", "a.o"); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		if i == 0 {
			continue // what the service is and has was found out
		}
		calls := 2
		if !onWorker() {
			calls = 3 // the outputs
		}
		p.mu.Lock()
		if len(p.calls) != calls || p.calls[methodExecute] != 1 || p.calls[methodUpload] != 1 {
			t.Errorf("calls %v", p.calls)
		}
		p.mu.Unlock()
	}
}
