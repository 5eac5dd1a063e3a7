package sandbox_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cachepot/cachepot/internal/sandbox"
)

func TestParseGroups(t *testing.T) {
	for _, c := range []struct {
		name, mine, mounts string
		v1                 map[string]string
		v2                 string
	}{
		{
			name:   "version 2",
			mine:   "0::/system.slice/worker.service\n",
			mounts: "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
			v1:     map[string]string{}, v2: "/sys/fs/cgroup/system.slice/worker.service",
		},
		{
			name: "version 1, and an empty version 2",
			mine: "8:pids:/\n4:memory:/a/b\n2:cpu,cpuacct:/c\n1:name=systemd:/x\n0::/\n",
			mounts: "31 23 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n32 23 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n" +
				"33 23 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n34 23 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			v1: map[string]string{"memory": "/sys/fs/cgroup/memory/a/b", "pids": "/sys/fs/cgroup/pids", "cpu": "/sys/fs/cgroup/cpu/c"},
			v2: "/sys/fs/cgroup/unified",
		},
		{
			name:   "a container sees its own group as the root of the mount",
			mine:   "4:memory:/docker/1234/inner\n",
			mounts: "31 23 0:27 /docker/1234 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			v1:     map[string]string{"memory": "/sys/fs/cgroup/memory/inner"},
		},
		{
			name:   "a mount of somebody else's",
			mine:   "4:memory:/docker/12345\n",
			mounts: "31 23 0:27 /docker/1234 /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			v1:     map[string]string{},
		},
	} {
		v1, v2 := sandbox.ParseGroups(c.mine, c.mounts)
		if d := cmp.Diff(c.v1, v1); d != "" || v2 != c.v2 {
			t.Errorf("%s: %s, %q", c.name, d, v2)
		}
	}
}

// TestOneGroup: controllers that lie in one directory have one group for each slot, or only one
// of them would hold the job.
func TestOneGroup(t *testing.T) {
	both, other := t.TempDir(), t.TempDir()
	slots, err := sandbox.GroupsBelow(map[string]string{"memory": both, "pids": both, "cpu": other}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for _, dirs := range slots {
		if dirs["memory"] != dirs["pids"] || filepath.Dir(dirs["memory"]) != both || filepath.Dir(dirs["cpu"]) != other {
			t.Errorf("%v", dirs)
		}
	}
	if slots[0]["memory"] == slots[1]["memory"] {
		t.Error("two slots have one group")
	}
}

// TestGroupsOfVersion2 writes into files that stand for those of the kernel: where
// the controllers belong to version 1, as on some machines of CI, no real ones are to be had. On
// real ones the other tests run in the virtual machine of test/vm.
func TestGroupsOfVersion2(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"pids.max", "memory.max", "memory.oom.group", "cpu.max", "cgroup.subtree_control"} {
		write(t, filepath.Join(dir, name), "")
	}
	l := sandbox.Limits{Memory: 100, Temp: 20, Processes: 7}
	if err := sandbox.LimitGroups(dir, &l, 1.5); err != nil {
		t.Fatal(err)
	}
	if err := sandbox.EnableGroups(dir); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"pids.max": "8", "memory.max": "120", "memory.oom.group": "1", "cpu.max": "150000 100000", "cgroup.subtree_control": "+memory +pids",
	} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != want {
			t.Errorf("%s is %q, %v", name, b, err)
		}
	}
}

// TestProcessors: a job keeps no more processors busy than it may.
func TestProcessors(t *testing.T) {
	c := config(t)
	c.Slots = 1
	free := opened(t, c, 0)
	if free.Level() != sandbox.Isolated {
		t.Log("there are no control groups")
		return
	}
	l := layer(t)
	run(t, free, job(l, "burn", "150")).Close()
	if n, err := free.Throttled(); err != nil || n != 0 {
		t.Errorf("without a limit it was kept from the processor %d times, %v", n, err)
	}
	c.Dir, c.Processors = directory(t), 0.03
	bound := opened(t, c, 0)
	run(t, bound, job(l, "burn", "30")).Close()
	if n, err := bound.Throttled(); err != nil || n == 0 {
		t.Errorf("it kept a processor busy, %v", err)
	}
}

// TestNothingIsLeft: the control groups of a sandbox go with it, and those that a
// killed one left go with the next.
func TestNothingIsLeft(t *testing.T) {
	c := config(t)
	s, err := sandbox.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	run(t, s, job(layer(t), "exit", "0")).Close()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), c.Dir) {
		t.Error("something is mounted still")
	}
	left, err := os.ReadDir(c.Dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestDeathOfTheWorker: a worker that is killed takes its jobs and its keepers with it.
func TestDeathOfTheWorker(t *testing.T) {
	if dir := os.Getenv("CACHEPOT_SANDBOX_TEST_LAYER"); dir != "" { // it is the worker
		c := config(t)
		c.Slots = 1
		_, err := opened(t, c, 0).Run(t.Context(), job(dir, "hang"))
		t.Fatal(err)
	}
	dir := directory(t)
	cmd := exec.Command(filepath.Join(made, "program"), "-test.run=^TestDeathOfTheWorker$")
	cmd.Env = append(os.Environ(), "CACHEPOT_SANDBOX_TEST="+made, "CACHEPOT_SANDBOX_TEST_LAYER="+layer(t), "TMPDIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	below := func() []string { return descendants(t, cmd.Process.Pid) }
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if all := below(); len(all) > 0 && strings.Contains(strings.Join(all, ","), "/bin/probe hang") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the job does not run: %v", below())
		}
	}
	before := below()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left := 0
		for _, p := range before {
			pid, _, _ := strings.Cut(p, " ")
			if b, err := os.ReadFile("/proc/" + pid + "/cmdline"); err == nil && len(b) > 0 && strings.HasSuffix(p, strings.ReplaceAll(string(b), "\x00", " ")) {
				left++
			}
		}
		if left == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d of these are left: %v", left, before)
		}
	}
	if s := open(t); s.Level() == sandbox.Isolated {
		if left, err := s.GroupsOf(cmd.Process.Pid); err != nil || len(left) > 0 {
			t.Errorf("the next sandbox has left %v, %v", left, err)
		}
	}
}

// descendants returns the processes below pid, as number and command line.
func descendants(t *testing.T, pid int) []string {
	t.Helper()
	out, err := exec.Command("ps", "-e", "-o", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	children := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 {
			children[f[1]] = append(children[f[1]], f[0])
		}
	}
	var all []string
	for todo := children[strconv.Itoa(pid)]; len(todo) > 0; todo = todo[1:] {
		todo = append(todo, children[todo[0]]...)
		b, err := os.ReadFile("/proc/" + todo[0] + "/cmdline")
		if err == nil {
			all = append(all, todo[0]+" "+strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	return all
}
