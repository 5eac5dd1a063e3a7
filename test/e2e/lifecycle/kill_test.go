package lifecycle

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// phase is a moment in the life of a compile, and how to bring it about.
type phase struct {
	name string
	// call starts the compile in the background and returns once it is there.
	call func(i *instance) *job
}

func phases() []phase {
	run := func(i *instance, args []string) *job {
		return i.background(append([]string{i.wrapper()}, args...)...)
	}
	return []phase{
		{"while the toolchain is probed", func(i *instance) *job {
			// Another assembler makes another toolchain, which is probed.
			i.script("probed/as", "#!/bin/sh\ncase \"$*\" in *slow.o*) ;; *) touch "+i.work+"/probing; sleep 0.5 ;; esac\nexec /usr/bin/as \"$@\"\n")
			j := run(i.with("PATH="+i.work+"/probed:"+os.Getenv("PATH")), slowCall())
			eventually(i.t, "probe", func() bool { return i.exists("probing") })
			return j
		}},
		{"while the compiler runs", func(i *instance) *job {
			j := run(i, slowCall())
			i.await("sleep")
			return j
		}},
	}
}

// TestCoordinatorDies: in every phase and by every means, the compile ends as if
// there were no coordinator, soon, and the next one finds a new one.
func TestCoordinatorDies(t *testing.T) {
	t.Parallel()
	for _, p := range phases() {
		for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGSTOP} {
			t.Run(p.name+", "+sig.String(), func(t *testing.T) {
				t.Parallel()
				i := start(t).withSlowAssembler("1")
				i.write("x.c", "int x;\n")
				i.ok("gcc", "-c", "x.c", "-o", "x.o")
				pid := i.pid()
				j := p.call(i)
				i.must(syscall.Kill(pid, sig))
				struck := time.Now()
				r := j.wait()
				if r.code != 0 || r.stderr != "" {
					t.Errorf("status %d, signal %v: %s", r.code, r.signal, r.stderr)
				}
				// 1 s to compile, 2 to notice, and one for other tests beside this.
				if d := time.Since(struck); d > 4*time.Second {
					t.Errorf("ended %v after that", d)
				}
				i.sameAsBare("slow.o", slowCall()...)
				i.recovers(pid, sig)
			})
		}
	}
}

// TestScratchOutlives: a compile goes on when its coordinator has been killed, and
// what it writes on the side finds its directory although another coordinator has
// come by then.
func TestScratchOutlives(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	var slow string // for some seconds, whoever buries the dead takes his time
	for n := range 16 {
		slow += strings.ReplaceAll(slowC(), "int f", fmt.Sprintf("int f%d_", n))
	}
	i.write("slow.c", slow)
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	call := []string{"gcc", "-O2", "-c", "slow.c", "-o", "slow.o"}
	j := i.background(append([]string{i.wrapper()}, call...)...)
	i.await("cc1")
	pid := i.pid()
	i.must(syscall.Kill(pid, syscall.SIGKILL))
	eventually(t, "end of the coordinator", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
	i.ok("gcc", "-c", "x.c", "-o", "y.o")
	if len(i.at("cc1")) == 0 {
		t.Fatalf("the compile ended too early to prove anything: %+v", j.wait())
	}
	if r := j.wait(); r.code != 0 || r.stderr != "" {
		t.Errorf("status %d: %s", r.code, r.stderr)
	}
	i.sameAsBare("slow.o", call...)
}

// recovers wants the next calls to find a coordinator.
func (i *instance) recovers(pid int, sig syscall.Signal) {
	i.t.Helper()
	if sig == syscall.SIGSTOP {
		r := i.passes("gcc", "-c", "x.c", "-o", "x.o")
		if r.took > 4*time.Second {
			i.t.Errorf("a call to a frozen coordinator takes %v", r.took)
		}
		i.must(syscall.Kill(pid, syscall.SIGCONT))
		i.passes("gcc", "-c", "x.c", "-o", "x.o")
	}
	i.passes("gcc", "-c", "x.c", "-o", "x.o")
	if now := i.pid(); now == 0 || (now == pid) != (sig == syscall.SIGSTOP) {
		i.t.Errorf("%v: coordinator %d, was %d", sig, now, pid)
	}
	i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
}

// TestFrozenQueue: a coordinator that was frozen for so long that its queue is
// full costs no more than any frozen one.
func TestFrozenQueue(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
	pid := i.pid()
	i.freeze(pid)
	full := false
	for range 5000 {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		i.must(err)
		defer syscall.Close(fd)
		if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: i.socket()}); err == syscall.EAGAIN {
			full = true
			break
		}
	}
	if !full {
		t.Skip("the queue is longer than this test has descriptors for")
	}
	r := i.passes("gcc", "-c", "x.c", "-o", "x.o")
	if r.took > 6*time.Second {
		t.Errorf("took %v", r.took)
	}
	i.must(syscall.Kill(pid, syscall.SIGCONT))
	i.ok("gcc", "-c", "x.c", "-o", "x.o")
}

// TestKilledAtRandom kills the coordinator again and again below a build.
func TestKilledAtRandom(t *testing.T) {
	t.Parallel()
	i := start(t, "CACHEPOT_PATHS_MODE=exact") // as a compile has without coordinator
	const n = 25
	names := []string{}
	for k := range n {
		i.write(fmt.Sprintf("x%d.c", k), fmt.Sprintf("#include <stdio.h>\n#include <stdlib.h>\nint x%d = %d;\n", k, k))
		names = append(names, fmt.Sprintf("x%d.o", k))
	}
	i.write("Makefile", "all: "+strings.Join(names, " ")+"\n%.o: %.c\n\t$(CC) -g -c $< -o $@\n")
	bare := map[string]string{}
	if r := i.run("make", "CC=gcc"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	for _, o := range names {
		bare[o] = i.read(o)
	}
	random := rand.New(rand.NewPCG(1, 2))
	total := 0
	for round := range 6 {
		for _, o := range names {
			i.must(os.Remove(filepath.Join(i.work, o)))
		}
		stop := make(chan struct{})
		killed := make(chan int)
		go func() {
			n := 0
			for {
				select {
				case <-stop:
					killed <- n
					return
				case <-time.After(time.Duration(5+random.IntN(50)) * time.Millisecond):
					for _, pid := range i.coordinators() {
						if syscall.Kill(pid, syscall.SIGKILL) == nil {
							n++
						}
					}
				}
			}
		}()
		r := i.run("make", "-j3", "CC="+i.wrapper()+" gcc")
		close(stop)
		total += <-killed
		if r.code != 0 || r.stderr != "" {
			t.Fatalf("round %d: status %d: %s", round, r.code, r.stderr)
		}
		for _, o := range names {
			if i.read(o) != bare[o] {
				t.Errorf("round %d: %s differs", round, o)
			}
		}
	}
	if total < 6 { // a build of hits alone may be over before its turn comes
		t.Errorf("%d coordinators were killed in all", total)
	}
	// Quiet again: everything is stored at last, and all is right.
	for range 2 {
		i.must(os.Remove(i.work + "/x0.o"))
		if r := i.run("make", "-B", "-j3", "CC="+i.wrapper()+" gcc"); r.code != 0 || r.stderr != "" {
			t.Fatalf("status %d: %s", r.code, r.stderr)
		}
	}
	i.want(n, 0, func() { i.run("make", "-B", "-j3", "CC="+i.wrapper()+" gcc") })
	for _, o := range names {
		if i.read(o) != bare[o] {
			t.Errorf("afterwards: %s differs", o)
		}
	}
}

// TestWrapperKilled: the compiler goes with its wrapper, nothing is stored or
// left half made, and another call for the same takes over.
func TestWrapperKilled(t *testing.T) {
	t.Parallel()
	for _, cc := range []string{"gcc", "clang"} {
		t.Run(cc, func(t *testing.T) {
			t.Parallel()
			i, call, shows := start(t).slowly(cc)
			leader := i.background(append([]string{i.wrapper()}, call...)...)
			child := i.childOf(leader, cc)
			i.await(shows)
			follower := i.background(append([]string{i.wrapper()}, call...)...)
			time.Sleep(200 * time.Millisecond)
			if n := len(i.at(shows)); n != 1 {
				t.Errorf("%d compiles of the same, want 1", n)
			}
			i.must(syscall.Kill(leader.pid(), syscall.SIGKILL))
			for _, pid := range i.at("sleep") { // a grandchild, which bare gcc leaves, too
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			_ = leader.wait()
			eventually(t, "end of the compiler", func() bool { return !alive(child) })
			if r := follower.wait(); r.code != 0 || r.stderr != "" {
				t.Errorf("follower: status %d: %s", r.code, r.stderr)
			}
			i.want(1, 0, func() { i.ok(call...) })
			if s := i.stats(); s.Writes != 1 || s.misses() != 1 { // a killed compile is no miss
				t.Errorf("counted %+v", *s)
			}
			i.sameAsBare("slow.o", call...)
		})
	}
}

// childOf waits until a wrapper has a child called name.
func (i *instance) childOf(j *job, name string) int {
	i.t.Helper()
	child := 0
	eventually(i.t, "a compiler that is the wrapper's child", func() bool {
		for _, pid := range i.at(name) {
			if parent(pid) == j.pid() {
				child = pid
			}
		}
		return child != 0
	})
	return child
}

// TestCompilerDies: a compiler that ends by a signal has the wrapper end so, too.
func TestCompilerDies(t *testing.T) {
	t.Parallel()
	i := start(t).withSlowAssembler("3")
	for _, sig := range []syscall.Signal{syscall.SIGSEGV, syscall.SIGABRT, syscall.SIGILL, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGKILL,
		syscall.SIGTERM, syscall.SIGXCPU, syscall.SIGXFSZ, syscall.SIGSYS, syscall.SIGTRAP, syscall.SIGUSR1, syscall.SIGALRM} {
		j := i.background(append([]string{i.wrapper()}, slowCall()...)...)
		child := i.childOf(j, "gcc")
		as := parent(i.await("sleep"))
		i.must(syscall.Kill(child, sig))
		_ = syscall.Kill(as, syscall.SIGKILL)
		for _, pid := range i.at("sleep") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		r := j.wait()
		// gcc itself turns some signals into an exit status.
		if r.signal != sig && !(r.code > 0 && strings.HasPrefix(r.stderr, "gcc: ")) || strings.Contains(r.stderr, "goroutine") {
			t.Errorf("%v: status %d, signal %v, %.200s", sig, r.code, r.signal, r.stderr)
		}
		eventually(t, "end of the compiler", func() bool { return len(i.at("sleep")) == 0 })
	}
	if s := i.stats(); s.Writes != 0 {
		t.Errorf("stored: %+v", *s)
	}
}

// TestWrapperKilledAlone: without a follower nothing is there.
func TestWrapperKilledAlone(t *testing.T) {
	t.Parallel()
	i := start(t).withSlowAssembler("2")
	j := i.background(append([]string{i.wrapper()}, slowCall()...)...)
	pid := i.await("sleep")
	i.must(syscall.Kill(j.pid(), syscall.SIGKILL))
	_ = syscall.Kill(parent(pid), syscall.SIGKILL) // the assembler, which would go on
	_ = j.wait()
	time.Sleep(300 * time.Millisecond)
	if i.exists("slow.o") {
		t.Error("an object is there")
	}
	if s := i.stats(); s.Writes != 0 {
		t.Errorf("stored: %+v", *s)
	}
	i.want(0, 1, func() { i.ok(slowCall()...) })
	i.sameAsBare("slow.o", slowCall()...)
}
