package remote

import (
	"strings"
	"testing"

	repb "github.com/bazelbuild/remote-apis/build/bazel/remote/execution/v2"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

const (
	methodLookUp       = "/build.bazel.remote.execution.v2.ActionCache/GetActionResult"
	methodCapabilities = "/build.bazel.remote.execution.v2.Capabilities/GetCapabilities"
	methodUpload       = "/build.bazel.remote.execution.v2.ContentAddressableStorage/BatchUpdateBlobs"
)

// lookingUp is a configuration that has nothing compiled by the service.
func lookingUp(url string) string {
	return tolerant(url) + "trust = \"engine\"\nonly_look_up = true\n"
}

// onlyStores has a service say that it executes nothing.
func onlyStores(method string, message []byte) []byte {
	if method != methodCapabilities {
		return message
	}
	m := &repb.ServerCapabilities{}
	return altered(message, m, func() { m.ExecutionCapabilities.ExecEnabled = false })
}

// onLookUp changes what is in the service's cache.
func onLookUp(change func(r *repb.ActionResult)) func(string, []byte) []byte {
	return func(method string, message []byte) []byte {
		if method != methodLookUp {
			return message
		}
		m := &repb.ActionResult{}
		return altered(message, m, func() { change(m) })
	}
}

// TestLookUp: what one client had compiled by a service is a hit of another that only asks
// for such results, whether by its own wish or because the service executes nothing. What
// the service does not have, or what is not right, is compiled here.
func TestLookUp(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "#include \"a.h\"\nint f(void) { int unused; return N; }\n", "a.h": "#define N 1\n"})
	compile := func(c *client, want string) {
		t.Helper()
		remove(t, dir, "a.o")
		if r := c.Compile(dir, "gcc", "-Wall", "-c", "a.c", "-o", "a.o"); r.Code != 0 || !strings.Contains(r.Stderr, "unused") || read(t, dir, "a.o") != want {
			t.Errorf("status %d, %q", r.Code, r.Stderr)
		}
	}
	writer := newClient(t, strict(e.url()))
	if r := harness.Command(t, dir, writer.Env, "gcc", "-Wall", "-c", "a.c", "-o", "a.o"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	want := read(t, dir, "a.o")
	compile(writer, want)
	writer.want(1, 0)

	gone := digestOf("no such blob")
	for name, test := range map[string]struct {
		config       func(url string) string
		answer       func(string, []byte) []byte
		hits, errors uint64
	}{
		"asked for nothing else":     {config: lookingUp, hits: 1},
		"a service that only stores": {config: func(url string) string { return strict(url) + "trust = \"engine\"\n" }, answer: onlyStores, hits: 1},
		"a result without its object": {config: lookingUp, errors: 1, answer: onLookUp(func(r *repb.ActionResult) {
			r.OutputFiles = r.OutputFiles[1:]
		})},
		"an object that is gone": {config: lookingUp, errors: 1, answer: onLookUp(func(r *repb.ActionResult) {
			r.OutputFiles[0].Digest, r.OutputFiles[0].Contents = gone, nil
		})},
		"a compile that failed": {config: lookingUp, answer: onLookUp(func(r *repb.ActionResult) { r.ExitCode = 1 })},
	} {
		p := startProxy(t, e, nil)
		p.answer = test.answer
		c := newClient(t, test.config(p.url()))
		compile(c, want)
		s := c.Counters()
		hits := s.CacheHits.Total()
		if hits != test.hits || sum(s.DistHits) != test.hits || s.Compilations != 1-test.hits || s.DistErrors != test.errors {
			t.Errorf("%s: hits %d %v, compiles %d, errors %v, here %v", name, hits, s.DistHits, s.Compilations, s.DistFailures, s.DistLocal)
		}
		if p.count(methodExecute) != 0 || p.count(methodUpload) != 0 || p.count(methodLookUp) == 0 {
			t.Errorf("%s: calls %v", name, p.calls)
		}
		compile(c, want) // from the client's own cache
		s = c.Counters()
		if n, hits := p.count(methodLookUp), s.CacheHits.Total(); n != 1 || hits != test.hits+1 {
			t.Errorf("%s: looked up %d times, hits %d", name, n, hits)
		}
	}

	p := startProxy(t, e, nil)
	p.answer = onlyStores
	c := newClient(t, tolerant(p.url()))
	compile(c, want)
	if n := p.count(methodLookUp); n != 0 || c.Counters().Compilations != 1 {
		t.Errorf("a service that is not trusted is asked %d times", n)
	}

	p = startProxy(t, e, nil)
	c = newClient(t, lookingUp(p.url()))
	harness.Write(t, dir, map[string]string{"a.h": "#define N 2\n"})
	if r := harness.Command(t, dir, c.Env, "gcc", "-Wall", "-c", "a.c", "-o", "a.o"); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	compile(c, read(t, dir, "a.o"))
	if s := c.Counters(); s.Compilations != 1 || s.DistLocal["not in the cache of the service"] != 1 || s.DistErrors != 0 {
		t.Errorf("a source that nobody compiled: compiles %d, here %v, errors %v", s.Compilations, s.DistLocal, s.DistFailures)
	}
	c.verify()
}
