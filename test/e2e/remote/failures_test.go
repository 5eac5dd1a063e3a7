package remote

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cachepot/cachepot/test/e2e/harness"
)

// TestFailures: whatever a service answers to whichever call, the compile is repeated here,
// and nothing of the attempt is seen.
func TestFailures(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.c": "const char text[] = \"" + strings.Repeat("x", 1000) + "\";\nint n = N;\n"})
	p := startProxy(t, e, nil)
	c := newClient(t, tolerant(p.url()))
	argv := func(n int) []string {
		return []string{"gcc", "-DN=" + strconv.Itoa(n), "-Wall", "-c", "a.c", "-o", "a.o"}
	}
	if r := c.Compile(dir, argv(0)...); r.Code != 0 {
		t.Fatal(r.Stderr)
	}
	c.want(1, 0)
	n := 0
	for _, code := range []codes.Code{codes.Canceled, codes.Unknown, codes.InvalidArgument, codes.NotFound, codes.AlreadyExists,
		codes.PermissionDenied, codes.ResourceExhausted, codes.FailedPrecondition, codes.Aborted, codes.OutOfRange,
		codes.Unimplemented, codes.Internal, codes.DataLoss, codes.Unauthenticated, codes.Unavailable} {
		method := []string{methodExecute, methodUpload, methodBatch}[n%3]
		n++
		p.admit = func(called string, _ metadata.MD) error {
			if called == method {
				return status.Error(code, "no")
			}
			return nil
		}
		if r := harness.Command(t, dir, c.Env, argv(n)...); r.Code != 0 {
			t.Fatal(r.Stderr)
		}
		want := read(t, dir, "a.o")
		remove(t, dir, "a.o")
		r := c.Compile(dir, argv(n)...)
		if r.Code != 0 || r.Stdout+r.Stderr != "" || read(t, dir, "a.o") != want {
			t.Errorf("%v from %s: status %d, %q", code, method, r.Code, r.Stderr)
		}
		c.want(1, uint64(n))
	}
}

// descends reports whether the process pid was started by the process root, or by one
// that was.
func descends(pid, root int) bool {
	for pid > 1 && pid != root {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return false
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		if pid, err = strconv.Atoi(fields[1]); err != nil {
			return false
		}
	}
	return pid == root
}

// compilers returns the compiler processes that the service has started.
func (e *engine) compilers() (found []string) {
	names, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		text, rerr := os.ReadFile(name)
		if err == nil && rerr == nil && string(text) == "cc1plus\n" && descends(pid, e.cmd.Process.Pid) {
			found = append(found, name)
		}
	}
	return found
}

// TestCallerGoesAwayForGood: where a wrapper is killed, so is the compiler that the service runs for it.
func TestCallerGoesAwayForGood(t *testing.T) {
	e := startEngine(t)
	dir := harness.Scratch(t)
	harness.Write(t, dir, map[string]string{"a.cc": "constexpr long f() { long s = 0; for (long i = 0; i < 2000000000; i++) s += i; return s; }\nconstexpr long x = f();\n"})
	c := newClient(t, strict(e.url()))
	cmd := exec.Command(c.Wrapper, "g++", "-std=c++17", "-fconstexpr-loop-limit=2147483647", "-fconstexpr-ops-limit=9000000000", "-c", "a.cc", "-o", "a.o")
	cmd.Dir, cmd.Env = dir, c.Env
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	await := func(what string, holds func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: not within a minute", what)
			}
		}
	}
	await("the compiler runs there", func() bool { return len(e.compilers()) == 1 })
	start := time.Now()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await("the compiler has gone there", func() bool { return len(e.compilers()) == 0 })
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	c.want(0, 0)
	if exists(dir, "a.o") {
		t.Error("there is an object")
	}
}
