package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// watchInterval is how often a job without control groups is measured. A job can
// take more than its limit between two looks; what one process takes, and how many
// there are, the kernel bounds too.
const watchInterval = 100 * time.Millisecond

// watch kills the running job when it has more memory or processes than it may,
// until stop is closed.
func (k *keeper) watch(j *jobSpec, number int, stop <-chan struct{}) {
	ticks := time.NewTicker(watchInterval)
	defer ticks.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticks.C:
		}
		u := usageBelow(os.Getpid())
		switch {
		case u.memory > j.Limits.Memory:
			k.running.kill(request{Job: number, Kill: "memory"})
		case u.processes >= j.Limits.Processes:
			k.running.kill(request{Job: number, Kill: "processes"})
		}
	}
}

// usage is what processes take.
type usage struct {
	memory    uint64 // bytes: what is not of a file, and what is shared
	processes uint64 // threads included
}

// usageBelow adds up what the descendants of a process take. What two of them share
// since a fork counts twice.
func usageBelow(pid int) usage {
	names, _ := filepath.Glob("/proc/[0-9]*/status") // a pattern that is right
	children := map[string][]string{}
	of := map[string]usage{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		self := filepath.Base(filepath.Dir(name))
		parent := statusField(b, "PPid")
		children[parent] = append(children[parent], self)
		threads, _ := strconv.ParseUint(statusField(b, "Threads"), 10, 64) // 0 where it has just ended
		of[self] = usage{kilobytes(b, "RssAnon") + kilobytes(b, "RssShmem"), threads}
	}
	var sum usage
	for todo := children[strconv.Itoa(pid)]; len(todo) > 0; {
		p := todo[0]
		todo = append(todo[1:], children[p]...)
		sum.memory += of[p].memory
		sum.processes += of[p].processes
	}
	return sum
}

func kilobytes(status []byte, field string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimSuffix(statusField(status, field), " kB"), 10, 64) // 0 where it has none
	return n << 10
}

// countsForItself reports whether this kernel counts the processes of a user in
// each user namespace, and so those of one job, which Linux does from 5.14 on.
func countsForItself() bool {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 5 || major == 5 && minor >= 14
}
