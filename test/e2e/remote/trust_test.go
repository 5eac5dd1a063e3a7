package remote

import (
	"testing"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestTrust: results that the service has from others are taken only where the user
// says so.
func TestTrust(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int a;\n"})
	p := startProxy(t, e, nil)
	cached := make(chan bool, 8)
	p.answer = onResult(func(r *repb.ExecuteResponse) { cached <- r.GetCachedResult() })
	for _, test := range []struct {
		name, more string
		want       bool
	}{
		{"first", "", false},
		{"another", "", false},
		{"one who trusts", "trust = \"engine\"\n", true},
	} {
		c := newClient(t, strict(p.url())+test.more)
		remove(t, dir, "a.o")
		if r := c.Compile(dir, "gcc", "-c", "a.c", "-o", "a.o"); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		if got := <-cached; got != test.want {
			t.Errorf("%s: taken from the service's cache: %v, want %v", test.name, got, test.want)
		}
		c.want(1, 0)
	}
}

// TestProperties: a service is told of the platform what the user says.
func TestProperties(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "int a;\n"})
	for _, more := range []string{"", "properties = [\"OSFamily=linux\", \"pool=fast\"]\n"} {
		c := newClient(t, strict(e.url())+more)
		if r := c.Compile(dir, "gcc", "-c", "a.c", "-o", "a.o"); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		c.want(1, 0)
	}
	// casd takes no other word for Linux.
	c := newClient(t, strict(e.url())+"properties = [\"OSFamily=vms\"]\n")
	if r := c.Compile(dir, "gcc", "-c", "a.c", "-o", "a.o"); r.Code == 0 {
		t.Error("the service was not told")
	}
}
