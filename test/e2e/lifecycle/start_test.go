package lifecycle

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// together runs n wrappers at once and returns how they ended.
func (i *instance) together(n int, args func(int) []string) []result {
	i.t.Helper()
	out := make([]result, n)
	cmds := make([]*exec.Cmd, n)
	for k := range n {
		cmds[k] = i.command(append([]string{i.wrapper()}, args(k)...)...)
	}
	var wg sync.WaitGroup
	for k := range n {
		wg.Go(func() { out[k] = i.finish(cmds[k]) })
	}
	wg.Wait()
	return out
}

// oneCoordinator waits until one coordinator is left and listens, and tells what is
// there where that does not happen.
func (i *instance) oneCoordinator(when string) {
	i.t.Helper()
	var l []int
	var listens int
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if l, listens = i.coordinators(), i.pid(); len(l) == 1 && listens != 0 {
			return
		}
	}
	for _, pid := range l {
		i.t.Logf("%d: %q, state %v", pid, proc(pid, "cmdline"), stat(pid)[:2])
	}
	i.t.Fatalf("%s: coordinators %v, %d listens", when, l, listens)
}

// TestStartTogether: wrappers that find no coordinator get one between them.
func TestStartTogether(t *testing.T) {
	for _, n := range []int{10, 64} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			i := start(t)
			for k := range n {
				i.write(fmt.Sprintf("x%d.c", k), fmt.Sprintf("int x%d;\n", k))
			}
			call := func(k int) []string {
				return []string{"gcc", "-c", fmt.Sprintf("x%d.c", k), "-o", fmt.Sprintf("x%d.o", k)}
			}
			for _, round := range []string{"fresh", "after a stop", "after a kill"} {
				for k, r := range i.together(n, call) {
					if r.code != 0 || r.stderr != "" {
						t.Errorf("%s: wrapper %d: status %d: %s", round, k, r.code, r.stderr)
					}
				}
				i.oneCoordinator(round)
				time.Sleep(200 * time.Millisecond)
				if l := i.coordinators(); len(l) != 1 || l[0] != i.pid() {
					t.Errorf("%s: coordinators %v, %d listens", round, l, i.pid())
				}
				if s := i.stats(); round == "fresh" && s.Requests != uint64(n) {
					t.Errorf("%d of %d calls reached the coordinator", s.Requests, n)
				}
				if round == "fresh" {
					i.cachepot("--stop-coordinator")
				} else {
					i.endAll()
				}
			}
			i.sameAsBare("x0.o", call(0)...)
		})
	}
}

// TestHotTogether: 64 wrappers at once on a hot cache.
func TestHotTogether(t *testing.T) {
	i := start(t)
	i.write("x.c", "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint x;\n")
	call := func(k int) []string { return []string{"gcc", "-c", "x.c", "-o", fmt.Sprintf("x%d.o", k)} }
	for k := range 64 {
		i.ok(call(k)...)
	}
	i.want(5*64, 0, func() {
		for range 5 {
			for k, r := range i.together(64, call) {
				if r.code != 0 || r.stderr != "" {
					t.Errorf("wrapper %d: status %d: %s", k, r.code, r.stderr)
				}
			}
		}
	})
	rss := peakMemory(i.pid())
	t.Logf("the coordinator took %d MiB", rss>>20)
	if rss > 200<<20 {
		t.Errorf("the coordinator took %d MiB, want less than 200", rss>>20)
	}
	i.sameAsBare("x63.o", call(63)...)
}

// TestEqualTogether: of equal calls at once, one compiles.
func TestEqualTogether(t *testing.T) {
	t.Parallel()
	i := start(t).withSlowAssembler("1")
	call := func(int) []string { return slowCall() }
	i.want(7, 1, func() {
		for k, r := range i.together(8, call) {
			if r.code != 0 || r.stderr != "" {
				t.Errorf("wrapper %d: status %d: %s", k, r.code, r.stderr)
			}
		}
	})
	i.sameAsBare("slow.o", call(0)...)
}

// peakMemory returns the most memory that a process had resident, in bytes.
func peakMemory(pid int) int {
	_, rest, _ := strings.Cut(proc(pid, "status"), "VmHWM:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	kib, _ := strconv.Atoi(f[0])
	return kib << 10
}

// TestStarterDies: ending the process group and the session of the starter, as
// continuous integration does, leaves the coordinator alone.
func TestStarterDies(t *testing.T) {
	t.Parallel()
	i := start(t, "BUILD_ID=17", "JENKINS_NODE_COOKIE=c", "BUILD_TAG=b", "HUDSON_SERVER_COOKIE=h", "CI_JOB_ID=9", "SECRET_TOKEN=c4n4ry",
		"CACHEPOT_NO_DAEMON=0")
	i.write("x.c", "int x;\n")
	cmd := i.command("sh", "-c", i.wrapper()+" gcc -c x.c -o x.o && touch done && sleep 50 & wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	i.must(cmd.Start())
	group := cmd.Process.Pid
	eventually(t, "object", func() bool { return i.exists("done") && i.pid() != 0 })
	pid := i.pid()
	f := stat(pid)
	if f[2] == strconv.Itoa(group) || f[3] == strconv.Itoa(group) {
		t.Errorf("coordinator in group %s, session %s: that of its starter", f[2], f[3])
	}
	if p := parent(pid); p == group || comm(p) == "cachepot" {
		t.Errorf("coordinator is the child of %d (%s)", p, comm(p))
	}
	if f[4] != "0" {
		t.Errorf("coordinator has a terminal: %s", f[4])
	}
	i.must(syscall.Kill(-group, syscall.SIGKILL))
	_ = cmd.Wait()
	time.Sleep(100 * time.Millisecond)
	if !alive(pid) {
		t.Fatal("coordinator has died with its starter")
	}
	for _, kv := range environ(pid) {
		for _, mark := range []string{"BUILD_ID=", "JENKINS_", "BUILD_TAG=", "HUDSON_", "CI_", "SECRET_"} {
			if strings.HasPrefix(kv, mark) {
				t.Errorf("coordinator's environment has %s", kv)
			}
		}
	}
	if cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); cwd != "/" {
		t.Errorf("coordinator keeps %s busy", cwd)
	}
	i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
}

// TestNoDescriptors: nothing that the starter had open stays open.
func TestNoDescriptors(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.write("w.c", "#warning loud\n")
	begin := time.Now()
	for _, script := range []string{
		"%s gcc -c w.c -o w.o 2>&1 | cat",
		"exec 3>held 50>held 200>held; %s gcc -c x.c -o x.o | cat",
		"%s --start-coordinator 2>&1 | cat",
		"exec 9>held; flock 9; %s gcc -c x.c -o x.o; exec 9>&-; flock -n held true || echo locked",
	} {
		r := i.run("bash", "-c", fmt.Sprintf(script, i.wrapper()))
		if r.code != 0 || strings.Contains(r.stdout, "locked") {
			t.Errorf("%s: status %d, %q %q", script, r.code, r.stdout, r.stderr)
		}
		pid := i.pid()
		// Its own work may still hold pipes for a moment.
		eventually(t, script+": no descriptor of the starter's", func() bool { return len(inherited(pid)) == 0 })
		i.cachepot("--stop-coordinator")
	}
	if took := time.Since(begin); took > 20*time.Second {
		t.Errorf("took %v: somebody waited for the coordinator's end", took)
	}
}

// inherited returns the files of a process called held, and the pipes of which it
// has one end only: somebody else waits for its end.
func inherited(pid int) []string {
	fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	ends := map[string]int{}
	for _, fd := range fds {
		to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
		ends[to]++
	}
	var out []string
	for to, n := range ends {
		if strings.Contains(to, "held") || strings.HasPrefix(to, "pipe:") && n == 1 {
			out = append(out, to)
		}
	}
	return out
}

// TestStarterLimits: what the first caller is bounded by must not bound the
// coordinator, which serves all others.
func TestStarterLimits(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	for _, limits := range []string{"ulimit -n 40", "ulimit -f 8", "umask 000", "umask 777", "umask 077", "nice -n 19 true; renice -n 15 $$ >/dev/null"} {
		r := i.run("sh", "-c", limits+"; exec "+i.wrapper()+" gcc -c x.c -o x.o")
		if r.code != 0 || r.stderr != "" {
			t.Errorf("%s: status %d: %s", limits, r.code, r.stderr)
		}
		i.must(os.Chmod(i.work+"/x.o", 0o600))
		i.want(1, 0, func() { i.ok("gcc", "-c", "x.c", "-o", "x.o") })
		i.cachepot("--stop-coordinator")
	}
}

// TestMissingCoordinator: a wrapper that stands alone compiles.
func TestMissingCoordinator(t *testing.T) {
	t.Parallel()
	i := start(t)
	i.write("x.c", "int x;\n")
	i.must(os.Mkdir(i.dir+"/alone", 0o755))
	b, err := os.ReadFile(i.wrapper())
	i.must(err)
	i.must(os.WriteFile(i.dir+"/alone/cachepot", b, 0o755))
	i.bin = i.dir + "/alone"
	// One of that name in PATH is not to be run.
	i.script("evil/cachepot-coordinator", "#!/bin/sh\ntouch "+i.work+"/evil-ran\n")
	j := i.with("PATH=" + i.work + "/evil:" + os.Getenv("PATH"))
	r := j.passes("gcc", "-c", "x.c", "-o", "x.o")
	if !strings.Contains(r.stderr, "cachepot-coordinator") || i.exists("evil-ran") {
		t.Errorf("stderr %q, evil ran: %v", r.stderr, i.exists("evil-ran"))
	}
	if r := j.cachepot("--show-stats"); r.code != 2 || i.exists("evil-ran") {
		t.Errorf("statistics: %d %q", r.code, r.stderr)
	}
	// One that ends at once, and one that never listens.
	for _, text := range []string{"#!/bin/sh\nexit 1\n", "#!/bin/sh\nexec sleep 5\n", "not a program\n"} {
		i.must(os.WriteFile(i.bin+"/cachepot-coordinator", []byte(text), 0o755))
		r := j.passes("gcc", "-c", "x.c", "-o", "x.o")
		if r.took > 4*time.Second {
			t.Errorf("%q: took %v", text, r.took)
		}
	}
	i.sameAsBare("x.o", "gcc", "-c", "x.c", "-o", "x.o")
}
