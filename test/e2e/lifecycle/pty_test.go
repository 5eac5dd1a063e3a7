package lifecycle

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal starts cmd as the leader of a session on a new terminal and returns
// the terminal's other end.
func (i *instance) terminal(cmd *exec.Cmd) *os.File {
	i.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	i.must(err)
	i.t.Cleanup(func() { master.Close() })
	raw, err := master.SyscallConn()
	i.must(err)
	n := 0
	i.must(raw.Control(func(fd uintptr) {
		i.must(unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0))
		n, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		i.must(err)
		i.must(unix.IoctlSetWinsize(int(fd), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}))
	}))
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	i.must(err)
	defer slave.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	i.must(cmd.Start())
	return master
}

// onTerminal runs a command to its end on a terminal and returns what it showed.
func (i *instance) onTerminal(argv ...string) (string, result) {
	i.t.Helper()
	cmd := i.command(argv...)
	master := i.terminal(cmd)
	shown := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(master) // ends with EIO
		shown <- string(b)
	}()
	_ = cmd.Wait()
	return <-shown, resultOf(cmd, "", "", 0)
}

// TestInterrupt: Ctrl-C ends the compile as it ends the bare compiler.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	for _, cc := range []string{"gcc", "clang"} {
		t.Run(cc, func(t *testing.T) {
			t.Parallel()
			i, call, shows := start(t).slowly(cc)
			i.write("x.c", "int x;\n")
			interrupted := func(argv ...string) result {
				cmd := i.command(argv...)
				master := i.terminal(cmd)
				i.await(shows)
				_, err := master.Write([]byte{3})
				i.must(err)
				_, _ = io.ReadAll(master)
				begin := time.Now()
				_ = cmd.Wait()
				if took := time.Since(begin); took > 2*time.Second {
					t.Errorf("%v: ended %v after Ctrl-C", argv, took)
				}
				return resultOf(cmd, "", "", 0)
			}
			bare := interrupted(call...)
			i.ok(cc, "-c", "x.c", "-o", "x.o")
			got := interrupted(append([]string{i.wrapper()}, call...)...)
			if got.code != bare.code || got.signal != bare.signal {
				t.Errorf("status %d, signal %v; bare %d, %v", got.code, got.signal, bare.code, bare.signal)
			}
			eventually(t, "end of the compiler", func() bool { return len(i.at(cc)) == 0 })
			if l := i.leftovers("bin", "slow.c", "x.c", "x.o"); len(l) > 0 {
				t.Errorf("left behind: %v", l)
			}
			if s := i.stats(); s.Writes > 1 || s.hits() != 0 {
				t.Errorf("counted %+v", *s)
			}
			i.want(0, 1, func() { i.ok(call...) })
			i.sameAsBare("slow.o", call...)
		})
	}
}

// TestSignals: a signal that is sent to the wrapper alone reaches the compiler.
func TestSignals(t *testing.T) {
	t.Parallel()
	i := start(t).withSlowAssembler("3")
	call := slowCall()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		signalled := func(argv ...string) result {
			j := i.background(argv...)
			as := parent(i.await("sleep"))
			i.must(syscall.Kill(j.pid(), sig))
			time.Sleep(100 * time.Millisecond)
			_ = syscall.Kill(as, syscall.SIGKILL) // bare gcc leaves it, too
			for _, pid := range i.at("sleep") {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			eventually(t, "end of the compiler", func() bool { return len(i.at("sleep")) == 0 })
			return j.wait()
		}
		bare := signalled(call...)
		got := signalled(append([]string{i.wrapper()}, call...)...)
		if got.code != bare.code || got.signal != bare.signal || got.stderr != bare.stderr {
			t.Errorf("%v: status %d, signal %v, %q; bare %d, %v, %q", sig, got.code, got.signal, got.stderr, bare.code, bare.signal, bare.stderr)
		}
		if i.exists("slow.o") {
			t.Errorf("%v: an object", sig)
		}
	}
	if s := i.stats(); s.Writes != 0 {
		t.Errorf("stored: %+v", *s)
	}
}

// TestEarlySignals: one that comes while the coordinator is being asked ends the
// wrapper as it would end the compiler.
func TestEarlySignals(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	i.freeze(i.pid())
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT} {
		j := i.background(i.wrapper(), "gcc", "-c", "x.c", "-o", "y.o")
		time.Sleep(300 * time.Millisecond) // of the 2 s that it waits
		i.must(syscall.Kill(j.pid(), sig))
		if r := j.wait(); r.signal != sig || r.stderr != "" {
			t.Errorf("%v: status %d, signal %v, %.200s", sig, r.code, r.signal, r.stderr)
		}
	}
}

// TestIgnoredSignals: what the caller has ignored stays ignored, as under nohup.
func TestIgnoredSignals(t *testing.T) {
	t.Parallel()
	i := start(t).withSlowAssembler("1")
	j := i.background("sh", "-c", "trap '' INT HUP; exec "+i.wrapper()+" gcc -O2 -c slow.c -o slow.o")
	i.await("sleep")
	i.must(syscall.Kill(-j.pid(), syscall.SIGHUP))
	i.must(syscall.Kill(-j.pid(), syscall.SIGINT))
	if r := j.wait(); r.code != 0 || r.stderr != "" {
		t.Errorf("status %d, signal %v: %s", r.code, r.signal, r.stderr)
	}
	i.sameAsBare("slow.o", slowCall()...)
}

// TestTerminalColour: on a terminal messages look as bare gcc's do, compiled or
// restored.
func TestTerminalColour(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("w.c", "#warning loud\nint f(void) { int unused; return 0; }\n")
	i.write("bad.c", "int f(void) { return y; }\n")
	for _, cc := range []string{"gcc", "clang"} {
		for _, vars := range [][]string{{"TERM=xterm-256color"}, {"TERM=dumb"}, {"TERM=xterm", "GCC_COLORS=warning=01;34"}, {"TERM=xterm", "NO_COLOR=1"}, {"LC_ALL=C"}} {
			j := i.with(vars...)
			for _, args := range [][]string{{"-Wall", "-c", "w.c", "-o", "w.o"}, {"-c", "bad.c", "-o", "bad.o"},
				{"-Wall", "-fdiagnostics-color=never", "-c", "w.c", "-o", "w.o"}, {"-Wall", "-fdiagnostics-color=always", "-c", "w.c", "-o", "w.o"}} {
				bare, want := j.onTerminal(append([]string{cc}, args...)...)
				for range 2 {
					shown, r := j.onTerminal(append([]string{i.wrapper(), cc}, args...)...)
					// A progress bar may have come and gone.
					if _, after, bar := strings.Cut(shown, "\r\x1b[K"); bar && strings.HasPrefix(shown, "\rcachepot: ") {
						shown = after
					}
					if r.code != want.code || shown != bare {
						t.Errorf("%s %v %v: status %d, want %d, shows\n%.300q\nbare\n%.300q", cc, vars, args, r.code, want.code, shown, bare)
					}
				}
			}
		}
	}
}

// TestTerminalInput: the compiler can read what is typed.
func TestTerminalInput(t *testing.T) {
	t.Parallel()
	i := start(t)
	cmd := i.command(i.wrapper(), "gcc", "-x", "c", "-c", "-", "-o", "typed.o")
	master := i.terminal(cmd)
	_, err := master.Write([]byte("int typed;\n\x04"))
	i.must(err)
	_, _ = io.ReadAll(master)
	if err := cmd.Wait(); err != nil || !i.exists("typed.o") {
		t.Errorf("%v, object %v", err, i.exists("typed.o"))
	}
}
