package lifecycle

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These are the first argument of this program where it is to run the rest of them
// as a strict container does.
const (
	lockedDown   = "locked-down"   // no process may filter system calls
	lockedDeeper = "locked-deeper" // nor trace another
)

// lockDown becomes the command argv under a filter that refuses seccomp(2), and
// prctl(2) for the same purpose, and perhaps ptrace(2). It returns only if that
// fails.
func lockDown(how string, argv []string) error {
	const deny = unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	refused := uint32(unix.SYS_SECCOMP)
	if how == lockedDeeper {
		refused = unix.SYS_PTRACE
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: refused, Jt: 4},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_SECCOMP, Jt: 3},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_PRCTL, Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 16}, // its first argument
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.PR_SET_SECCOMP, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: deny},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	runtime.LockOSThread() // the filter is the thread's
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up privileges: %w", err)
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&prog)), 0, 0); err != nil {
		return fmt.Errorf("install filter: %w", err)
	}
	path, err := exec.LookPath(argv[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, argv, os.Environ())
}

// lockedDown runs the wrapper where watching is not permitted.
func (i *instance) lockedDown(args ...string) result {
	i.t.Helper()
	return i.locked(lockedDown, args)
}

func (i *instance) locked(how string, args []string) result {
	i.t.Helper()
	self, err := os.Executable()
	i.must(err)
	r := i.run(append([]string{self, how, i.wrapper()}, args...)...)
	if r.code == lockFailed {
		i.t.Fatalf("the test cannot lock down: %s", r.stderr)
	}
	return r
}

// lockFailed is the exit status where lockDown has failed.
const lockFailed = 96

const notPermitted = "watching processes is not permitted here"

// watching returns what the statistics that r printed say of watching.
func (i *instance) watching(r result) string {
	i.t.Helper()
	var out struct{ Watching string }
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil || r.code != 0 {
		i.t.Fatalf("statistics: %v, status %d\n%s%s", err, r.code, r.stdout, r.stderr)
	}
	return out.Watching
}

// TestLockedDown: where a caller may not watch its compilers, what is known by rules
// is cached, what is not is built as without cachepot and counted with the reason,
// and the statistics say so. The coordinator has been started elsewhere.
func TestLockedDown(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.write("a.rs", "fn main() {}\n")
	jsonStats := []string{"--show-stats", "--stats-format", "json"}
	i.cachepot("--start-coordinator")
	if w := i.watching(i.cachepot(jsonStats...)); w != "seccomp" {
		t.Errorf("watching is %q, want seccomp", w)
	}
	if w := i.watching(i.lockedDown(jsonStats...)); w != "rules only: "+notPermitted {
		t.Errorf("locked down, watching is %q", w)
	}
	for _, call := range []struct {
		stored bool
		args   []string
	}{
		{true, []string{"gcc", "-c", "x.c", "-o", "x.o"}},
		{false, []string{"clang", "-c", "x.c", "-o", "y.o"}},
		{true, []string{"rustc", "--crate-name", "l", "--crate-type", "lib", "--emit=dep-info,link", "a.rs"}},
		{false, []string{"rustc", "--crate-name", "a", "--crate-type", "bin", "--emit=dep-info,link", "a.rs"}},
	} {
		before := i.stats()
		for range 2 {
			if r := i.lockedDown(realRustc(t, call.args)...); r.code != 0 {
				t.Fatalf("%v: status %d: %s", call.args, r.code, r.stderr)
			}
		}
		after := i.stats()
		refused := after.NotStored["not watched: "+notPermitted] - before.NotStored["not watched: "+notPermitted]
		if hits := after.hits() - before.hits(); call.stored && (hits != 1 || refused != 0) || !call.stored && (hits != 0 || refused != 2) {
			t.Errorf("%v: %d hits, %d not stored for not being watched, want it cached: %v; %v", call.args, hits, refused, call.stored, after.NotStored)
		}
	}
	i.sameAsBare("y.o", "clang", "-c", "x.c", "-o", "y.o")
}

// TestLockedDownCoordinator: a coordinator that may not filter system calls finds
// out by tracing what a compiler is made of, and what is known by rules is cached.
func TestLockedDownCoordinator(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.write("a.rs", "fn main() {}\n")
	i.lockedDown("--start-coordinator")
	lib := realRustc(t, []string{"rustc", "--crate-name", "l", "--crate-type", "lib", "--emit=dep-info,link", "a.rs"})
	for _, call := range [][]string{{"gcc", "-c", "x.c", "-o", "x.o"}, lib} {
		i.want(0, 1, func() { i.lockedDown(call...) })
		i.want(1, 0, func() { i.lockedDown(call...) })
	}
	i.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
	i.lockedDown("clang", "-c", "x.c", "-o", "y.o")
	if s := i.stats(); s.NotStored["not watched: "+notPermitted] != 1 {
		t.Errorf("counted %+v", *s)
	}
	r := i.cachepot("--show-stats")
	if want := "rules only: the coordinator says: " + notPermitted; !strings.Contains(r.stdout, want) {
		t.Errorf("statistics do not say %q:\n%s", want, r.stdout)
	}
}

// TestLockedDeeper: a coordinator that may not trace either cannot find out what a
// compiler is made of: compiles pass, and the reason is counted.
func TestLockedDeeper(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	call := []string{"gcc", "-c", "x.c", "-o", "x.o"}
	if r := i.locked(lockedDeeper, call); r.code != 0 || r.stderr != "" {
		t.Fatalf("status %d: %s", r.code, r.stderr)
	}
	i.sameAsBare("x.o", call...)
	if s := i.stats(); s.NotCached[notPermitted] != 1 || s.Requests != 1 {
		t.Errorf("counted %+v", *s)
	}
	// What another coordinator has found out serves it.
	i.cachepot("--stop-coordinator")
	i.ok(call...)
	i.cachepot("--stop-coordinator")
	i.locked(lockedDeeper, []string{"--start-coordinator"})
	i.want(1, 0, func() { i.lockedDown(call...) })
}

// realRustc puts the compiler itself in the place of the proxy that is installed
// under its name.
func realRustc(t *testing.T, args []string) []string {
	t.Helper()
	if args[0] != "rustc" {
		return args
	}
	out, err := exec.Command("rustc", "--print", "sysroot").Output()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{strings.TrimSpace(string(out)) + "/bin/rustc"}, args[1:]...)
}
