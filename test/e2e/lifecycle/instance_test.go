package lifecycle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && (os.Args[1] == lockedDown || os.Args[1] == lockedDeeper) {
		fmt.Fprintln(os.Stderr, lockDown(os.Args[1], os.Args[2:]))
		os.Exit(lockFailed)
	}
	os.Exit(runTests(m))
}

// runTests builds the product in two builds, which differ in their build id.
func runTests(m *testing.M) int {
	dir := flag.String("product", "", "directory with the builds one and two to test; built from this tree where empty")
	flag.Parse()
	if *dir == "" {
		tmp, err := os.MkdirTemp("/tmp", "cachepot-lifecycle-")
		if err == nil {
			defer os.RemoveAll(tmp)
			*dir, err = tmp, build(tmp)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	// Most of these tests wait for something most of the time.
	if err := flag.Set("test.parallel", "6"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build(dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil { // other users run it, too
		return err
	}
	for _, id := range []string{"one", "two"} {
		cmd := exec.Command("go", "build", "-ldflags", "-s -w -X github.com/cachepot/cachepot/internal/wire.BuildID="+id,
			"-o", filepath.Join(dir, id)+"/", "../../../cmd/cachepot", "../../../cmd/cachepot-coordinator")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build the product: %w\n%s", err, out)
		}
	}
	return nil
}

// instance is everything that one user of cachepot has.
type instance struct {
	t       *testing.T
	dir     string // private; below it all that follows and the test's own files
	work    string // where compiles run
	bin     string // directory of the two programs
	runtime string // XDG_RUNTIME_DIR
	port    string
	env     []string
}

// start returns an instance that has no coordinator yet. The socket's path must
// stay short, so t.TempDir will not do. extra are further variables.
func start(t *testing.T, extra ...string) *instance {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "cl-")
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{t: t, dir: dir, work: dir + "/work", runtime: dir + "/run", port: "4226",
		bin: filepath.Join(flag.Lookup("product").Value.String(), "one")}
	for _, d := range []string{i.work, i.dir + "/config"} {
		i.must(os.Mkdir(d, 0o755))
	}
	i.must(os.Mkdir(i.runtime, 0o700))
	i.env = append(bareEnv(), "XDG_RUNTIME_DIR="+i.runtime, "XDG_CONFIG_HOME="+dir+"/config", "XDG_CACHE_HOME="+dir+"/cache",
		"XDG_STATE_HOME="+dir+"/state", "TMPDIR="+i.mkdir("tmp"),
		// So that an ordinary user may look at the coordinator in /proc.
		"CACHEPOT_ALLOW_CORE_DUMPS=1")
	i.env = append(i.env, extra...)
	t.Cleanup(func() {
		if t.Failed() {
			i.showLogs()
		}
		i.endAll()
		_ = os.RemoveAll(dir)
	})
	return i
}

// bareEnv is the environment without what the tests' caller may have set about
// caches, jobservers, languages and terminals.
func bareEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		for _, p := range []string{"CACHEPOT_", "XDG_", "RUST_LOG=", "RUSTC_", "RUSTFLAGS=", "CARGO_INCREMENTAL=", "CARGO_TARGET_DIR=",
			"MAKEFLAGS=", "MFLAGS=", "MAKELEVEL=", "CARGO_MAKEFLAGS=", "TMPDIR=", "LC_", "LANG=", "TERM=", "GCC_COLORS=", "CCACHE_"} {
			if strings.HasPrefix(kv, p) {
				return true
			}
		}
		return false
	})
}

func (i *instance) must(err error) {
	i.t.Helper()
	if err != nil {
		i.t.Fatal(err)
	}
}

func (i *instance) mkdir(name string) string {
	i.t.Helper()
	p := filepath.Join(i.dir, name)
	i.must(os.MkdirAll(p, 0o755))
	return p
}

// write writes a file below the working directory.
func (i *instance) write(name, text string) string {
	i.t.Helper()
	p := filepath.Join(i.work, name)
	i.must(os.MkdirAll(filepath.Dir(p), 0o755))
	i.must(os.WriteFile(p, []byte(text), 0o644))
	return p
}

func (i *instance) script(name, text string) string {
	i.t.Helper()
	p := i.write(name, text)
	i.must(os.Chmod(p, 0o755))
	return p
}

func (i *instance) read(name string) string {
	i.t.Helper()
	b, err := os.ReadFile(filepath.Join(i.work, name))
	i.must(err)
	return string(b)
}

func (i *instance) exists(name string) bool {
	_, err := os.Lstat(filepath.Join(i.work, name))
	return err == nil
}

func (i *instance) wrapper() string { return i.bin + "/cachepot" }
func (i *instance) socket() string  { return i.runtime + "/cachepot/" + i.port + ".sock" }

// with returns the same instance seen with further variables, which win.
func (i *instance) with(vars ...string) *instance {
	c := *i
	c.env = slices.DeleteFunc(slices.Clone(i.env), func(kv string) bool {
		return slices.ContainsFunc(vars, func(v string) bool {
			return v[:strings.IndexByte(v, '=')] == kv[:strings.IndexByte(kv, '=')]
		})
	})
	c.env = append(c.env, vars...)
	for _, v := range vars {
		if port, ok := strings.CutPrefix(v, "CACHEPOT_COORDINATOR_PORT="); ok {
			c.port = port
		}
	}
	return &c
}

// result is how a command ended.
type result struct {
	code           int // -1 by a signal
	signal         syscall.Signal
	stdout, stderr string
	took           time.Duration
}

// limit bounds every command. The longest, verify, takes a quarter of it where nothing else runs.
const limit = 3 * time.Minute

// command makes a command in the working directory, in a process group of its own
// that ends with it. Its pipes are given up two seconds after its end: who still
// holds one then fails the test.
func (i *instance) command(argv ...string) *exec.Cmd {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	i.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = i.work, i.env, 2*time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// run runs a command to its end.
func (i *instance) run(argv ...string) result {
	i.t.Helper()
	return i.finish(i.command(argv...))
}

func (i *instance) finish(cmd *exec.Cmd) result {
	i.t.Helper()
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	begin := time.Now()
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		i.t.Errorf("%s: a process that was left behind holds its output open", strings.Join(cmd.Args, " "))
	} else if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		i.t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	return resultOf(cmd, stdout.String(), stderr.String(), time.Since(begin))
}

func resultOf(cmd *exec.Cmd, stdout, stderr string, took time.Duration) result {
	r := result{code: cmd.ProcessState.ExitCode(), stdout: stdout, stderr: stderr, took: took}
	if ws := cmd.ProcessState.Sys().(syscall.WaitStatus); ws.Signaled() {
		r.signal = ws.Signal()
	}
	return r
}

// cachepot runs the wrapper.
func (i *instance) cachepot(args ...string) result {
	i.t.Helper()
	return i.run(append([]string{i.wrapper()}, args...)...)
}

// ok runs the wrapper and wants status 0 and nothing printed on stderr.
func (i *instance) ok(args ...string) result {
	i.t.Helper()
	r := i.cachepot(args...)
	if r.code != 0 || r.stderr != "" {
		i.t.Fatalf("cachepot %s: status %d, signal %v, stderr:\n%s", strings.Join(args, " "), r.code, r.signal, r.stderr)
	}
	return r
}

// passes runs a compile and wants status 0 and at most one line from cachepot.
func (i *instance) passes(args ...string) result {
	i.t.Helper()
	r := i.cachepot(args...)
	i.wantPassed(r, args...)
	return r
}

func (i *instance) wantPassed(r result, args ...string) {
	i.t.Helper()
	if r.code != 0 || strings.Count(r.stderr, "\n") > 1 || r.stderr != "" && !strings.HasPrefix(r.stderr, "cachepot: ") {
		i.t.Errorf("cachepot %.200s: status %d, signal %v, want 0 and one line at most; stderr:\n%.2000s", strings.Join(args, " "), r.code, r.signal, r.stderr)
	}
}

// counters are the statistics that the tests look at.
type counters struct {
	Requests    uint64                             `json:"compile_requests"`
	Executed    uint64                             `json:"requests_executed"`
	Unsupported uint64                             `json:"requests_unsupported_compiler"`
	Hits        struct{ Counts map[string]uint64 } `json:"cache_hits"`
	Misses      struct{ Counts map[string]uint64 } `json:"cache_misses"`
	Writes      uint64                             `json:"cache_writes"`
	WriteErrors uint64                             `json:"cache_write_errors"`
	Recaches    uint64                             `json:"forced_recaches"`
	Fails       uint64                             `json:"compile_fails"`
	NotCached   map[string]uint64                  `json:"not_cached"`
	NotStored   map[string]uint64                  `json:"not_stored"`
	Declined    map[string]uint64                  `json:"declined"`
}

func sum(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

func (c *counters) hits() uint64   { return sum(c.Hits.Counts) }
func (c *counters) misses() uint64 { return sum(c.Misses.Counts) }

func (i *instance) stats() *counters {
	i.t.Helper()
	r := i.cachepot("--show-stats", "--stats-format", "json")
	var out struct{ Stats counters }
	if err := json.Unmarshal([]byte(r.stdout), &out); err != nil || r.code != 0 {
		i.t.Fatalf("statistics: %v, status %d\n%s%s", err, r.code, r.stdout, r.stderr)
	}
	return &out.Stats
}

// want runs f and wants it to make this many hits and misses.
func (i *instance) want(hits, misses uint64, f func()) {
	i.t.Helper()
	before := i.stats()
	f()
	after := i.stats()
	if h, m := after.hits()-before.hits(), after.misses()-before.misses(); h != hits || m != misses {
		i.t.Errorf("%d hits and %d misses, want %d and %d; %+v", h, m, hits, misses, *after)
	}
}

// sameAsBare compiles again without cachepot and compares the object.
func (i *instance) sameAsBare(object string, argv ...string) {
	i.t.Helper()
	ours := i.read(object)
	i.must(os.Remove(filepath.Join(i.work, object)))
	if r := i.run(argv...); r.code != 0 {
		i.t.Fatalf("%v alone: status %d\n%s", argv, r.code, r.stderr)
	}
	if i.read(object) != ours {
		i.t.Errorf("%s is not what %v alone makes", object, argv)
	}
}

// dial connects to the coordinator; nil where none listens.
func (i *instance) dial() *net.UnixConn {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: i.socket()})
	if err != nil {
		return nil
	}
	return c
}

// pid returns the coordinator that listens, 0 where none does.
func (i *instance) pid() int {
	c := i.dial()
	if c == nil {
		return 0
	}
	defer c.Close()
	raw, err := c.SyscallConn()
	i.must(err)
	pid := 0
	i.must(raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	}))
	return pid
}

// endAll ends every coordinator of this instance, frozen ones too.
func (i *instance) endAll() {
	for _, pid := range i.coordinators() {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	for end := time.Now().Add(5 * time.Second); len(i.coordinators()) > 0 && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
}

func (i *instance) showLogs() {
	logs, _ := filepath.Glob(i.dir + "/state/cachepot/*.log")
	for _, l := range logs {
		if b, err := os.ReadFile(l); err == nil && len(b) > 0 {
			i.t.Logf("%s:\n%s", l, b[max(0, len(b)-4000):])
		}
	}
}
