//go:build linux && (amd64 || arm64)

package watch

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func shell(script string) *Spec {
	return &Spec{Path: "/bin/sh", Argv: []string{"sh", "-c", script}, Env: os.Environ(), Files: []uintptr{0, 1, 2}}
}

// TestTraceEnds: a traced tree ends at its limit, and with its first process; how
// that ended is told.
func TestTraceEnds(t *testing.T) {
	pids := t.TempDir() + "/pids"
	tests := []struct {
		script string
		limit  time.Duration
		want   syscall.WaitStatus
	}{
		{"exit 3", time.Minute, 3 << 8},
		{"kill -TERM $$", time.Minute, syscall.WaitStatus(syscall.SIGTERM)},
		{"trap 'exit 4' TERM; kill -TERM $$", time.Minute, 4 << 8},
		{"echo $$ >" + pids + "; sleep 100 & echo $! >>" + pids + "; wait", 500 * time.Millisecond, syscall.WaitStatus(syscall.SIGKILL)},
		{"sleep 100 & echo $! >" + pids, time.Minute, 0},
	}
	for _, tt := range tests {
		begin := time.Now()
		status, _, err := Trace(shell(tt.script), tt.limit)
		if err != nil || status != tt.want {
			t.Errorf("%s: status %#x, %v, want %#x", tt.script, status, err, tt.want)
		}
		if took := time.Since(begin); took > 20*time.Second {
			t.Errorf("%s: took %v", tt.script, took)
		}
		b, _ := os.ReadFile(pids)
		for _, f := range strings.Fields(string(b)) {
			pid, err := strconv.Atoi(f)
			must(t, err)
			for end := time.Now().Add(10 * time.Second); unix.Kill(pid, 0) == nil && !zombie(pid); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("%s: %d lives on", tt.script, pid)
				}
			}
		}
	}
}

func zombie(pid int) bool {
	b, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return strings.Contains(string(b), ") Z ")
}

// TestTraceAmongOthers: children that others of this process wait for are theirs.
func TestTraceAmongOthers(t *testing.T) {
	done := make(chan error)
	for range 4 {
		go func() {
			for range 50 {
				if err := exec.Command("true").Run(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if status, r, err := Trace(shell("for i in 1 2 3 4 5; do cat /dev/null; done"), time.Minute); err != nil || status != 0 || len(r.Events) == 0 {
			t.Errorf("status %#x, %v", status, err)
		}
	}
	for range 4 {
		must(t, <-done)
	}
}

// TestTraceFailures: what cannot be started says why.
func TestTraceFailures(t *testing.T) {
	dir := setUp(t)
	for path, want := range map[string]syscall.Errno{dir + "/nope": unix.ENOENT, dir: unix.EACCES} {
		spec := scene(t, All, dir, "opens")
		spec.Path = path
		_, _, err := Trace(spec, time.Minute)
		if e, ok := err.(*startError); !ok || e.errno != want {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
	}
}
