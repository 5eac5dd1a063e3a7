package lifecycle

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// eventually waits until cond holds, and fails the test where it never does.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatalf("waited in vain: %s", what)
}

// pids returns all processes for which match holds.
func pids(match func(pid int) bool) []int {
	entries, _ := os.ReadDir("/proc")
	var out []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && match(pid) {
			out = append(out, pid)
		}
	}
	return out
}

// proc reads a file of a process, "" where it is gone.
func proc(pid int, name string) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	return string(b)
}

func comm(pid int) string { return strings.TrimSpace(proc(pid, "comm")) }

// stat returns the fields of a process's stat after its name: state, parent,
// group, session and so on. It has none where the process is gone.
func stat(pid int) []string {
	b := []byte(proc(pid, "stat"))
	return strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
}

func parent(pid int) int {
	f := stat(pid)
	if len(f) < 2 {
		return -1
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

func alive(pid int) bool {
	f := stat(pid)
	return len(f) > 0 && f[0] != "Z"
}

// environ returns the environment that a process was started with.
func environ(pid int) []string {
	return strings.Split(strings.TrimRight(proc(pid, "environ"), "\x00"), "\x00")
}

// coordinators returns the coordinators of this instance, on whatever port.
func (i *instance) coordinators() []int {
	return pids(func(pid int) bool {
		return strings.HasPrefix(comm(pid), "cachepot-coordi"[:15]) && alive(pid) &&
			slices.Contains(environ(pid), "XDG_RUNTIME_DIR="+i.runtime)
	})
}

// at returns the processes called name that run in the working directory.
func (i *instance) at(name string) []int {
	return pids(func(pid int) bool {
		if comm(pid) != name || !alive(pid) {
			return false
		}
		cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
		return cwd == i.work || strings.HasPrefix(cwd, i.work+"/")
	})
}

// await waits for a process called name in the working directory.
func (i *instance) await(name string) int {
	i.t.Helper()
	pid := 0
	eventually(i.t, "a running "+name, func() bool {
		if l := i.at(name); len(l) > 0 {
			pid = l[0]
		}
		return pid != 0
	})
	return pid
}

// leftovers returns the files in the working directory and in the temporary
// directory that are not in known.
func (i *instance) leftovers(known ...string) []string {
	var out []string
	for _, d := range []string{i.work, i.dir + "/tmp"} {
		entries, err := os.ReadDir(d)
		i.must(err)
		for _, e := range entries {
			if d == i.work && slices.Contains(known, e.Name()) || strings.HasPrefix(e.Name(), "cachepot-scratch-") {
				continue
			}
			out = append(out, filepath.Join(d, e.Name()))
		}
	}
	return out
}

// needsRoot skips a test that takes another user's part or mounts.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}

// job is a command that runs in the background.
type job struct {
	i              *instance
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
	begin          time.Time
}

// background starts a command.
func (i *instance) background(argv ...string) *job {
	i.t.Helper()
	j := &job{i: i, cmd: i.command(argv...), begin: time.Now()}
	j.cmd.Stdout, j.cmd.Stderr = &j.stdout, &j.stderr
	i.must(j.cmd.Start())
	return j
}

func (j *job) pid() int { return j.cmd.Process.Pid }

func (j *job) wait() result {
	j.i.t.Helper()
	if err := j.cmd.Wait(); errors.Is(err, exec.ErrWaitDelay) {
		j.i.t.Errorf("%v: a process that was left behind holds its output open", j.cmd.Args)
	}
	return resultOf(j.cmd, j.stdout.String(), j.stderr.String(), time.Since(j.begin))
}

// freeze stops a process. Until its last thread has noticed, on a busy machine
// milliseconds later, it may answer.
func (i *instance) freeze(pid int) {
	i.t.Helper()
	i.must(syscall.Kill(pid, syscall.SIGSTOP))
	eventually(i.t, "a frozen process", func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		for _, file := range threads {
			b, err := os.ReadFile(file)
			if err == nil && !bytes.Contains(b, []byte(") T ")) {
				return false
			}
		}
		return true
	})
}

// withSlowAssembler returns the instance with an assembler that takes its time,
// but none of the processor's, to make slow.o.
func (i *instance) withSlowAssembler(seconds string) *instance {
	i.t.Helper()
	i.script("bin/as", "#!/bin/sh\ncase \"$*\" in *slow.o*) sleep "+seconds+" ;; esac\nexec /usr/bin/as \"$@\"\n")
	i.write("slow.c", "#include <stdio.h>\nint slow(void) { return puts(\"slow\"); }\n")
	return i.with("PATH=" + i.work + "/bin:" + os.Getenv("PATH"))
}

// slowCall is the compile that the slow assembler makes slow.
func slowCall() []string { return []string{"gcc", "-O2", "-c", "slow.c", "-o", "slow.o"} }

// slowC returns a source that an optimising compiler works at for a while.
func slowC() string {
	var s strings.Builder
	for i := range 60 {
		fmt.Fprintf(&s, `int f%d(const int *a, int *b, int n)
{
	int s = %d;
	for (int i = 1; i < n; i++) {
		b[i] = a[i] * s + b[i - 1];
		for (int j = 0; j < i; j++)
			s ^= (a[j] + b[i]) >> (j & 7);
		if (s & 1)
			b[i] += a[n - i] * %d;
	}
	return s;
}
`, i, i, i+3)
	}
	return s.String()
}

// slowly prepares a compile of slow.c with cc that takes a while, and returns it
// with the name of a process that shows that it runs.
func (i *instance) slowly(cc string) (j *instance, call []string, shows string) {
	j = i.withSlowAssembler("3")
	if cc == "gcc" {
		return j, slowCall(), "sleep"
	}
	i.write("slow.c", slowC())
	return j, []string{cc, "-O2", "-c", "slow.c", "-o", "slow.o"}, cc
}
