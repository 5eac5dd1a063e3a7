//go:build linux && (amd64 || arm64)

package watch

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestStatus(t *testing.T) {
	dir := setUp(t)
	tests := []struct {
		args []string
		want syscall.WaitStatus
	}{
		{[]string{"exits", "0"}, 0},
		{[]string{"exits", "1"}, 1 << 8},
		{[]string{"exits", "255"}, 255 << 8},
		{[]string{"dies", "9"}, 9},
		{[]string{"dies", "15"}, 15},
		{[]string{"dies", "6"}, 6},
	}
	var none syscall.Rlimit
	must(t, unix.Prlimit(0, unix.RLIMIT_CORE, (*unix.Rlimit)(&none), nil)) // or the status has the core bit
	for _, tt := range tests {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			tree, err := Start(scene(t, All, dir, tt.args...))
			must(t, err)
			status, usage, err := tree.Wait()
			must(t, err)
			if status != tt.want {
				t.Errorf("status %#x, want %#x", status, tt.want)
			}
			if usage.Maxrss == 0 {
				t.Error("no resource usage")
			}
			if tree.Alive() {
				t.Error("alive after its end")
			}
			if err := tree.Signal(syscall.SIGKILL); err != syscall.ESRCH {
				t.Errorf("signal after the end: %v", err)
			}
		})
	}
}

// A signal gets through to a process that makes nothing but watched calls.
func TestSignals(t *testing.T) {
	for _, tt := range []struct {
		args []string
		sig  syscall.Signal
		want syscall.WaitStatus
	}{
		{[]string{"busy"}, syscall.SIGINT, 2},
		{[]string{"busy", "handler"}, syscall.SIGINT, 7 << 8},
		{[]string{"busy"}, syscall.SIGKILL, 9},
	} {
		t.Run(strings.Join(tt.args, " ")+" "+tt.sig.String(), func(t *testing.T) {
			for range 20 {
				spec := scene(t, Opens, setUp(t), tt.args...)
				r, w := pipe(t)
				spec.Files = []uintptr{0, w.Fd(), 2}
				tree, err := Start(spec)
				must(t, err)
				readByte(t, r)
				must(t, tree.Signal(tt.sig))
				status, _, err := tree.Wait()
				must(t, err)
				if status != tt.want {
					t.Fatalf("status %#x, want %#x", status, tt.want)
				}
			}
		})
	}
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

// readByte waits up to 10 s for a byte.
func readByte(t *testing.T, r *os.File) byte {
	t.Helper()
	must(t, r.SetReadDeadline(time.Now().Add(10*time.Second)))
	var b [1]byte
	_, err := io.ReadFull(r, b[:])
	must(t, err)
	return b[0]
}

func TestDescriptors(t *testing.T) {
	dir := setUp(t)
	in, inW := pipe(t)
	outR, out := pipe(t)
	var inherited [2]int // stays open across an exec, as make's jobserver does
	must(t, unix.Pipe2(inherited[:], 0))
	defer unix.Close(inherited[0])
	defer unix.Close(inherited[1])
	inW.WriteString("i")
	unix.Write(inherited[1], []byte("j"))

	spec := scene(t, All, dir, "descriptors", strconv.Itoa(inherited[0]))
	spec.Files = []uintptr{0, 1, 2, in.Fd(), out.Fd(), ^uintptr(0)}
	watched(t, spec)
	if b := readByte(t, outR); b != 'o' {
		t.Errorf("read %q", b)
	}
}

// Each number of the child's is one that another needs at some time.
func TestDescriptorsCross(t *testing.T) {
	dir := setUp(t)
	var fd [3]int
	for i := range fd {
		f, err := os.CreateTemp(dir, "")
		must(t, err)
		defer f.Close()
		fd[i] = int(f.Fd())
	}
	spec := scene(t, Opens, dir, "")
	top := max(fd[0], fd[1], fd[2]) + 1
	for i := range top + 1 {
		spec.Files = append(spec.Files[:i], uintptr(0))
	}
	spec.Files[1], spec.Files[2] = 1, 2
	for range 8 {
		spec.Files = append(spec.Files, ^uintptr(0)) // numbers that the watcher's own may have
	}
	spec.Files[fd[0]], spec.Files[fd[1]], spec.Files[fd[2]], spec.Files[top] = uintptr(fd[1]), uintptr(fd[2]), uintptr(fd[0]), uintptr(fd[0])
	spec.Path = "/bin/sh"
	spec.Argv = []string{"sh", "-c", "printf 1 >/dev/fd/" + strconv.Itoa(fd[0]) + "; printf 2 >/dev/fd/" + strconv.Itoa(fd[1]) +
		"; printf 0 >/dev/fd/" + strconv.Itoa(fd[2]) + "; printf 0 >>/dev/fd/" + strconv.Itoa(top)}
	watched(t, spec)
	for i, want := range []string{"00", "1", "2"} {
		got, err := os.ReadFile("/proc/self/fd/" + strconv.Itoa(fd[i]))
		must(t, err)
		if string(got) != want {
			t.Errorf("file %d holds %q, want %q", i, got, want)
		}
	}
}

func TestNoFile(t *testing.T) {
	var now syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &now))
	spec := scene(t, Opens, setUp(t), "limits")
	r, w := pipe(t)
	spec.Files = []uintptr{0, w.Fd(), 2}
	spec.NoFile = &Limit{123, now.Max}
	watched(t, spec)
	line, err := bufio.NewReader(r).ReadString('\n')
	must(t, err)
	if line != "123\n" {
		t.Errorf("limit %q", line)
	}
}

// A daemon that outlives the first process is served, and no longer recorded.
func TestDaemon(t *testing.T) {
	dir := setUp(t)
	in, inW := pipe(t)
	outR, out := pipe(t)
	spec := scene(t, Opens, dir, "daemonize")
	spec.Files = []uintptr{0, 1, 2, in.Fd(), out.Fd()}
	tree, err := Start(spec)
	must(t, err)
	_, _, err = tree.Wait()
	must(t, err)
	r := tree.Report()
	if !tree.Alive() {
		t.Fatal("the daemon is not alive")
	}
	inW.WriteString("x")
	if b := readByte(t, outR); b != 'k' {
		t.Errorf("read %q", b)
	}
	if diff := cmp.Diff([]string{"Exec tool"}, told(r, dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for deadline := time.Now().Add(5 * time.Second); tree.Alive(); {
		if time.Now().After(deadline) {
			t.Fatal("alive long after its end")
		}
	}
}

// What another process makes meanwhile is not taken for the tree's own.
func TestForeignFiles(t *testing.T) {
	dir := setUp(t)
	in, inW := pipe(t)
	outR, out := pipe(t)
	must(t, os.Symlink("none/x", dir+"/far"))
	spec := scene(t, Opens, dir, "reuses")
	spec.Files = []uintptr{0, 1, 2, in.Fd(), out.Fd()}
	tree, err := Start(spec)
	must(t, err)
	readByte(t, outR)
	must(t, os.WriteFile(dir+"/foreign", []byte("x\n"), 0o666))
	must(t, os.Mkdir(dir+"/none", 0o777))
	must(t, os.WriteFile(dir+"/none/x", []byte("x\n"), 0o666))
	inW.WriteString("x")
	_, _, err = tree.Wait()
	must(t, err)
	want := []string{"Exec tool", "Write own: ENOENT", "Read* own", "Remove* own", "Write far: ENOENT", "Probe none/x: ENOENT", "Read foreign", "Read none/x", "Read far"}
	if diff := cmp.Diff(want, told(tree.Report(), dir)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// role returns a command that plays a role in another process, with fds 3 and 4.
func role(t *testing.T, name, dir string, files ...*os.File) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = []string{"WATCH_TEST_ROLE=" + name, "WATCH_TEST_DIR=" + dir}
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = files
	return cmd
}

func TestLeave(t *testing.T) {
	for range 10 {
		dir := setUp(t)
		in, inW := pipe(t)
		outR, out := pipe(t)
		must(t, role(t, "leaver", dir, in, out).Run())
		inW.WriteString("x")
		if b := readByte(t, outR); b != 'k' {
			t.Errorf("read %q", b)
		}
	}
}

// A watcher that is stopped holds the tree up, and loses nothing when it goes on.
func TestStoppedWatcher(t *testing.T) {
	dir := setUp(t)
	cmd := role(t, "plain", dir)
	cmd.Env = append(cmd.Env, "WATCH_TEST_PLAY=threads")
	var out strings.Builder
	cmd.Stdout = &out
	must(t, cmd.Start())
	stops := 0
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for running := true; running; {
		select {
		case err := <-ended:
			must(t, err)
			running = false
		case <-time.After(3 * time.Millisecond):
			if unix.Kill(cmd.Process.Pid, unix.SIGSTOP) == nil {
				stops++
				time.Sleep(10 * time.Millisecond)
				_ = unix.Kill(cmd.Process.Pid, unix.SIGCONT) // it may have ended
			}
		}
	}
	if got := strings.Count(out.String(), "\n"); got != 1+3*64 || stops == 0 {
		t.Errorf("%d events after %d stops", got, stops)
	}
}

func TestDeathsig(t *testing.T) {
	in, _ := pipe(t)
	readyR, ready := pipe(t)
	cmd := role(t, "parent", setUp(t), in, ready)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	must(t, err)
	readByte(t, readyR)
	must(t, cmd.Process.Kill())
	cmd.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return
		}
		if time.Now().After(deadline) {
			unix.Kill(pid, unix.SIGKILL)
			t.Fatal("the child outlived its parent")
		}
	}
}

// Starting must not hang however the collector and the scheduler fall in with
// it, nor lose an event.
func TestStartUnderPressure(t *testing.T) {
	dir := setUp(t)
	for _, procs := range []int{runtime.GOMAXPROCS(0), 1} {
		t.Run("GOMAXPROCS="+strconv.Itoa(procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			stop := make(chan struct{})
			var busy sync.WaitGroup
			busy.Go(func() { collect(stop) })
			var starts sync.WaitGroup
			for i := range 2 {
				starts.Go(func() {
					for range 100 {
						spec := scene(t, All, dir, "execs")
						spec.Alone = i == 0
						r, err := finish(spec)
						if err != nil {
							t.Error(err)
							return
						}
						if got := strings.Join(told(r, dir), ", "); !strings.HasSuffix(got, "Exec script, Probe tool") {
							t.Errorf("events: %s", got)
						}
					}
				})
			}
			starts.Wait()
			close(stop)
			busy.Wait()
		})
	}
}

func collect(stop chan struct{}) {
	var keep [][]byte
	for {
		select {
		case <-stop:
			return
		default:
			if keep = append(keep, make([]byte, 1<<16)); len(keep) > 64 {
				keep = nil
			}
			runtime.GC()
		}
	}
}

func TestErrorsUnwrap(t *testing.T) {
	err := error(&startError{stageExec.String(), syscall.ENOENT})
	if err.Error() != "exec: no such file or directory" || !errors.Is(err, syscall.ENOENT) {
		t.Errorf("%v", err)
	}
}

func TestKernelAtLeast(t *testing.T) {
	var u unix.Utsname
	must(t, unix.Uname(&u))
	var major, minor int
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	must(t, err)
	for _, tt := range []struct {
		major, minor int
		want         bool
	}{
		{major, minor, true}, {major - 1, minor + 1, true}, {0, 99, true},
		{major, minor + 1, false}, {major + 1, 0, false},
	} {
		if got := kernelAtLeast(tt.major, tt.minor); got != tt.want {
			t.Errorf("at least %d.%d: %v", tt.major, tt.minor, got)
		}
	}
}
