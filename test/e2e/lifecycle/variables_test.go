package lifecycle

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTwoPorts(t *testing.T) {
	t.Parallel()
	i := start(t)
	a, b := i.with("CACHEPOT_COORDINATOR_PORT=5001"), i.with("CACHEPOT_COORDINATOR_PORT=5002")
	i.write("x.c", "int x;\n")
	a.ok("gcc", "-c", "x.c", "-o", "x.o")
	a.stats() // the compile is over before its result is stored; this waits for that
	b.ok("gcc", "-c", "x.c", "-o", "x.o")
	if p, q := a.pid(), b.pid(); p == 0 || q == 0 || p == q {
		t.Errorf("coordinators %d and %d, want two", p, q)
	}
	if s := b.stats(); s.Requests != 1 || s.hits() != 1 {
		t.Errorf("second port: %+v, want one hit from the shared directory", *s)
	}
	if r := a.cachepot("--stop-coordinator"); r.code != 0 {
		t.Error(r.stderr)
	}
	if b.pid() == 0 {
		t.Error("stopping one port has stopped the other")
	}
}

func TestBadPort(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	for _, port := range []string{"0", "65536", "-1", "x", "4226 ", "04226", "1e3", "4226/../9"} {
		j := i.with("CACHEPOT_COORDINATOR_PORT=" + port)
		r := j.passes("gcc", "-c", "x.c", "-o", "x.o")
		if !strings.Contains(r.stderr, "CACHEPOT_COORDINATOR_PORT") {
			t.Errorf("port %q: no line about it: %q", port, r.stderr)
		}
		for _, arg := range []string{"--start-coordinator", "--show-stats", "--stop-coordinator"} {
			if r := j.cachepot(arg); r.code != 2 || !strings.Contains(r.stderr, "CACHEPOT_COORDINATOR_PORT") {
				t.Errorf("port %q: %s ends with %d: %s", port, arg, r.code, r.stderr)
			}
		}
	}
	if l := i.coordinators(); len(l) != 0 {
		t.Errorf("coordinators %v", l)
	}
	i.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
}

func TestIdleTimeout(t *testing.T) {
	t.Parallel()
	i := start(t, "CACHEPOT_IDLE_TIMEOUT=1").withSlowAssembler("2.5")
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	pid := i.pid()
	// A call under way is no idleness, however long it takes.
	i.ok(slowCall()...)
	if !alive(pid) {
		t.Fatal("the coordinator has ended below a compile")
	}
	begin := time.Now()
	eventually(t, "idle end", func() bool { return !alive(pid) })
	if quiet := time.Since(begin); quiet < 500*time.Millisecond || quiet > 5*time.Second {
		t.Errorf("ended after %v, want about 1 s", quiet)
	}
	i.want(2, 0, func() {
		i.ok("gcc", "-c", "x.c", "-o", "x.o")
		i.ok(slowCall()...)
	})
	j := i.with("CACHEPOT_IDLE_TIMEOUT=0", "CACHEPOT_COORDINATOR_PORT=4300")
	j.ok("gcc", "-c", "x.c", "-o", "x.o")
	pid = j.pid()
	time.Sleep(1500 * time.Millisecond)
	if !alive(pid) {
		t.Error("a time-out of 0 has ended the coordinator")
	}
}

// TestIdleRace lets calls meet the idle end again and again.
func TestIdleRace(t *testing.T) {
	t.Parallel()
	i := start(t, "CACHEPOT_IDLE_TIMEOUT=1")
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	for n := range 12 {
		time.Sleep(time.Duration(990+2*n) * time.Millisecond)
		i.ok("gcc", "-c", "x.c", "-o", "x.o")
	}
	if n := len(i.coordinators()); n != 1 {
		t.Errorf("%d coordinators, want 1", n)
	}
}

func TestNoDaemon(t *testing.T) {
	t.Parallel()
	i := start(t)
	cmd := i.with("CACHEPOT_NO_DAEMON=1", "CACHEPOT_LOG=debug").command(i.wrapper(), "--start-coordinator")
	log, err := os.Create(i.dir + "/log")
	i.must(err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	i.must(cmd.Start())
	eventually(t, "coordinator", func() bool { return i.pid() != 0 })
	if i.pid() != cmd.Process.Pid {
		t.Errorf("process %d listens, want the one in the foreground, %d", i.pid(), cmd.Process.Pid)
	}
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	if s := i.stats(); s.Requests != 1 {
		t.Errorf("counted %+v", *s)
	}
	i.must(cmd.Process.Signal(syscall.SIGTERM))
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v, want status 0", err)
	}
	if b, _ := os.ReadFile(i.dir + "/log"); len(b) == 0 {
		t.Error("nothing logged to the terminal in the foreground")
	}
	if s := i.stats(); s.Requests != 1 {
		t.Errorf("statistics after SIGTERM: %+v", *s)
	}
	// Ctrl-C ends it as well.
	cmd = i.with("CACHEPOT_NO_DAEMON=1").command(i.wrapper(), "--start-coordinator")
	i.must(cmd.Start())
	eventually(t, "coordinator", func() bool { return i.pid() == cmd.Process.Pid })
	i.must(cmd.Process.Signal(syscall.SIGINT)) // it may just be starting
	late := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGINT: %v, want status 0", err)
	}
	late.Stop()
	// Compiles with that variable set must not stay in the foreground themselves.
	i.with("CACHEPOT_NO_DAEMON=1").ok("gcc", "-c", "x.c", "-o", "x.o")
}

func TestStartupNotify(t *testing.T) {
	t.Parallel()
	i := start(t)
	path := i.dir + "/notify"
	l, err := net.Listen("unix", path)
	i.must(err)
	defer l.Close()
	said := make(chan string, 4)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 500)
			n, _ := c.Read(buf)
			c.Close()
			said <- string(buf[:n])
		}
	}()
	hear := func() string {
		select {
		case s := <-said:
			return s
		case <-time.After(10 * time.Second):
			return "nothing"
		}
	}
	j := i.with("CACHEPOT_STARTUP_NOTIFY=" + path)
	if r := j.cachepot("--start-coordinator"); r.code != 0 {
		t.Errorf("start: %d %s", r.code, r.stderr)
	}
	if got := hear(); got != "ok\n" {
		t.Errorf("told %q, want ok", got)
	}
	i.cachepot("--stop-coordinator")
	// A cache that cannot be used: the one who waits must not wait for ever.
	i.must(os.WriteFile(i.dir+"/file", nil, 0o644))
	i.write("x.c", "int x;\n")
	j.with("CACHEPOT_DIR="+i.dir+"/file/cache").passes("gcc", "-c", "x.c", "-o", "x.o")
	if got := hear(); !strings.HasPrefix(got, "error: ") {
		t.Errorf("told %q, want an error", got)
	}
	i.cachepot("--stop-coordinator")
	// Nor for a configuration that cannot be read.
	i.must(os.WriteFile(i.dir+"/bad", []byte("[cache\n"), 0o644))
	j.with("CACHEPOT_CONF="+i.dir+"/bad").passes("gcc", "-c", "x.c", "-o", "x.o")
	if got := hear(); !strings.HasPrefix(got, "error: ") {
		t.Errorf("told %q of a broken configuration, want an error", got)
	}
	i.cachepot("--stop-coordinator")
	i.with("CACHEPOT_STARTUP_NOTIFY="+i.dir+"/nobody").ok("gcc", "-c", "x.c", "-o", "x.o")
}

// TestFrameLimit: a request that is longer than the coordinator takes is no
// reason to fail.
func TestFrameLimit(t *testing.T) {
	t.Parallel()
	i := start(t, "CACHEPOT_MAX_FRAME_LENGTH=64K")
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	args := []string{"gcc", "-c", "x.c", "-o", "long.o"}
	for n := range 2000 {
		args = append(args, fmt.Sprintf("-DLONG_ENOUGH_TO_FILL_A_FRAME_%d=%d", n, n))
	}
	i.passes(args...)
	if !i.exists("long.o") {
		t.Error("no object")
	}
	// What a compiler prints must not be cut either.
	i.write("loud.c", "#define W(x) _Pragma(#x)\n"+strings.Repeat("W(message \"0123456789012345678901234567890123456789\")\n", 600))
	bare := i.run("gcc", "-c", "loud.c", "-o", "loud.o")
	for range 2 {
		if r := i.cachepot("gcc", "-c", "loud.c", "-o", "loud.o"); r.code != 0 || r.stderr != bare.stderr {
			t.Errorf("messages of %d bytes, want %d; status %d", len(r.stderr), len(bare.stderr), r.code)
		}
	}
	i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") }) // it has survived all that
	bad := i.with("CACHEPOT_MAX_FRAME_LENGTH=1", "CACHEPOT_COORDINATOR_PORT=4300")
	if r := bad.passes("gcc", "-c", "x.c", "-o", "x.o"); !strings.Contains(r.stderr, "CACHEPOT_MAX_FRAME_LENGTH") {
		t.Errorf("a bad limit is not named: %q", r.stderr)
	}
}

func TestCoreDumps(t *testing.T) {
	t.Parallel()
	needsRoot(t) // an undumpable process shows its limits to root alone
	i := start(t)
	for _, test := range []struct{ value, want string }{{"1", "unlimited"}, {"0", "0"}, {"", "0"}} {
		j := i.with("CACHEPOT_ALLOW_CORE_DUMPS=" + test.value)
		if r := j.run("sh", "-c", "ulimit -c unlimited; exec "+i.wrapper()+" --start-coordinator"); r.code != 0 {
			t.Fatal(r.stderr)
		}
		limits := proc(i.pid(), "limits")
		_, line, _ := strings.Cut(limits, "Max core file size")
		if soft := strings.Fields(line)[0]; soft != test.want {
			t.Errorf("CACHEPOT_ALLOW_CORE_DUMPS=%s: limit %s, want %s", test.value, soft, test.want)
		}
		i.cachepot("--stop-coordinator")
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	for n, test := range []struct {
		vars []string
		logs bool
	}{
		{[]string{"CACHEPOT_LOG=trace"}, true},
		{[]string{"RUST_LOG=debug"}, true},
		{[]string{"RUST_LOG=cachepot=debug"}, true},
		{[]string{"RUST_LOG=other=debug,off"}, false},
		{[]string{"CACHEPOT_LOG=off", "RUST_LOG=trace"}, false},
	} {
		j := i.with(append(test.vars, fmt.Sprint("CACHEPOT_COORDINATOR_PORT=", 5000+n))...)
		// Something to log: a call that is declined. The wrapper may say so, too.
		j.passes("gcc", "-c", "x.c", "-o", "x.o")
		o := j.with("CACHEPOT_DIR=" + i.dir + "/other")
		o.passes("gcc", "-c", "x.c", "-o", "x.o")
		logs, _ := filepath.Glob(i.dir + "/state/cachepot/coordinator-" + j.port + ".log")
		size := 0
		for _, l := range logs {
			b, _ := os.ReadFile(l)
			size += len(b)
		}
		if (size > 0) != test.logs {
			t.Errorf("%v: %d bytes logged", test.vars, size)
		}
	}
}

// TestLogLines: what a caller passes stays within its line, and values of
// variables stay out.
func TestLogLines(t *testing.T) {
	t.Parallel()
	// The names have neither blanks nor equals signs, for which alone they would be quoted.
	i := start(t, "CACHEPOT_LOG=trace", "SECRET_TOKEN=c4n4ry", "CPATH=")
	// The service that is not there has the log tell what was not compiled on it.
	i.must(os.WriteFile(i.mkdir("config/cachepot")+"/config", []byte("[dist]\nscheduler_url = \"grpc://127.0.0.1:1\"\n"), 0o644))
	i.write("x\n2026:forged\x1b[31m.c", "int x;\n")
	i.passes("gcc", "-c", "x\n2026:forged\x1b[31m.c", "-o", "x.o", "-Dforged=\x1b[31m")
	i.cachepot("gcc", "-c", "x\n2026:forged\x1b[31m.c", "-o", "x.o", "-fno-such\r\n2026:forged")
	i.cachepot("gcc", "-c", "x\n2026:forged\x1b[31m.c", "-o", "no\nsuch/x.o")
	i.cachepot("no/such\nfile.c")
	i.cachepot("--stop-coordinator")
	logs, _ := filepath.Glob(i.dir + "/state/cachepot/*.log")
	forged := 0
	for _, l := range logs {
		b, err := os.ReadFile(l)
		i.must(err)
		forged += strings.Count(string(b), "2026:forged")
		if strings.Contains(string(b), "c4n4ry") {
			t.Error("the log holds the value of a variable")
		}
		if strings.Contains(string(b), "\n2026:forged") || strings.ContainsAny(string(b), "\x1b\r") {
			t.Errorf("the log can be forged:\n%q", b)
		}
	}
	if forged == 0 {
		t.Error("no log has the names in it")
	}
}

func TestRecacheAndNoCache(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	call := []string{"gcc", "-c", "x.c", "-o", "x.o"}
	i.ok(call...)
	before := i.stats()
	i.with("CACHEPOT_RECACHE=1").ok(call...)
	i.with("CACHEPOT_RECACHE=true").ok(call...)
	s := i.stats()
	if s.Recaches-before.Recaches != 2 || s.Writes-before.Writes != 2 || s.hits() != 0 {
		t.Errorf("recache: %+v", *s)
	}
	i.want(0, 0, func() {
		i.with("CACHEPOT_NO_CACHE=1").ok(call...)
		i.with("CACHEPOT_NO_CACHE=true").ok(call...)
		i.with("CACHEPOT_NO_CACHE=yes").ok(call...)
	})
	i.want(2, 0, func() {
		i.with("CACHEPOT_RECACHE=0", "CACHEPOT_NO_CACHE=0").ok(call...)
		i.with("CACHEPOT_RECACHE=no", "CACHEPOT_NO_CACHE=off").ok(call...)
	})
	i.sameAsBare("x.o", call...)
}
