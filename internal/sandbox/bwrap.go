package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Descriptors of bubblewrap. It closes the first; the image closes the others.
const (
	filterFD  = 3
	imageFD   = 5 // after replyFD
	programFD = 6
)

// prepare makes the places of j in its root: what is mounted over, and what is
// written to. Paths are resolved within the root.
func (k *keeper) prepare(j *jobSpec) error {
	for _, p := range append([]string{"proc", "dev"}, targets(j.Shared)...) {
		if err := k.mountPoint(p); err != nil {
			return err
		}
	}
	made := map[string]bool{}
	writable := func(dir string, mode fs.FileMode) error {
		if made[dir] {
			return nil
		}
		made[dir] = true
		if err := k.root.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		if err := k.give(dir); err != nil {
			return err
		}
		if err := k.root.Chmod(dir, mode); err != nil {
			return fmt.Errorf("make directory: %w", err)
		}
		return nil
	}
	if err := writable("tmp", 0o1777); err != nil {
		return err
	}
	dirs := slices.Clone(j.Writable)
	for _, o := range j.Outputs {
		dirs = append(dirs, path.Dir("/"+inRoot(j.Dir, o)))
	}
	// The working directory has to be of the layers.
	if info, err := k.root.Stat(inRoot("/", j.Dir)); err == nil && info.IsDir() {
		dirs = append(dirs, j.Dir)
	}
	for _, dir := range dirs {
		if err := writable(inRoot(j.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	for _, o := range j.Outputs {
		// An output that is there before is replaced, or appended to.
		if info, err := k.root.Lstat(inRoot(j.Dir, o)); err == nil && info.Mode().IsRegular() {
			if err := k.give(inRoot(j.Dir, o)); err != nil {
				return err
			}
		}
	}
	return nil
}

func targets(shared []Bind) []string {
	var out []string
	for _, b := range shared {
		if _, err := os.Stat(b.From); err == nil {
			out = append(out, inRoot("/", b.to()))
		}
	}
	return out
}

func (b Bind) to() string {
	if b.To == "" {
		return b.From
	}
	return b.To
}

// give gives a file or directory of the root to the user of jobs.
func (k *keeper) give(name string) error {
	if k.spec.User == 0 {
		return nil
	}
	if err := k.root.Chown(name, k.spec.User, k.spec.User); err != nil {
		return fmt.Errorf("give to the user of jobs: %w", err)
	}
	return nil
}

// mountPoint makes a directory that is mounted over. A symbolic link on the way
// there, of a layer, would lead the mount elsewhere.
func (k *keeper) mountPoint(name string) error {
	at := ""
	for _, part := range strings.Split(name, "/") {
		at = path.Join(at, part)
		err := k.root.Mkdir(at, 0o755)
		if errors.Is(err, fs.ErrExist) {
			var info fs.FileInfo
			if info, err = k.root.Lstat(at); err == nil && !info.IsDir() {
				err = fmt.Errorf("/%s is no directory", at)
			}
		}
		if err != nil {
			return fmt.Errorf("make mount point: %w", err)
		}
	}
	return nil
}

// start runs the command and tells in r of its exit status and what it printed. All
// its processes have ended then.
func (k *keeper) start(j *jobSpec, r *reply) error {
	image, steps, err := stepImage(j)
	if err != nil {
		return err
	}
	var ours, theirs []int // stdout, stderr, and what the image says
	defer func() { closeAll(ours) }()
	for range 3 {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			closeAll(theirs)
			return fmt.Errorf("make pipe: %w", err)
		}
		ours, theirs = append(ours, p[0]), append(theirs, p[1])
	}
	pid, err := k.launch(image, theirs, j)
	closeAll(theirs)
	if err != nil {
		return err
	}
	streams := []*stream{{fd: ours[0], left: j.Limits.Messages}, {fd: ours[1], left: j.Limits.Messages}, {fd: ours[2], left: 64}}
	status, err := k.wait(pid, streams)
	if err != nil {
		return err
	}
	killed := k.running.end()
	word := streams[2].kept
	if !j.Without.has(measureEnd) {
		if err := k.reap(status.Exited() && len(word) > 0 && !killed); err != nil {
			return err
		}
		for _, s := range streams { // nobody is left who could write
			for s.fd >= 0 && s.left >= 0 {
				s.read()
			}
		}
	}
	r.Stdout, r.Stderr = streams[0].kept, streams[1].kept
	if !killed && min(streams[0].left, streams[1].left) < 0 {
		killed, r.Limit = true, tooManyMessages
	}
	switch {
	case killed:
		r.Status = 128 + int(unix.SIGKILL)
		return nil
	case status.Signaled():
		r.Status = 128 + int(status.Signal())
		return nil
	}
	r.Status = status.ExitStatus()
	return started(word, steps)
}

const tooManyMessages = "messages"

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// stream is what comes out of a pipe.
type stream struct {
	fd   int   // -1 at its end
	left int64 // bytes that may come; negative when there were more
	kept []byte
}

// read keeps what is there, and waits for it. Nothing is kept beyond the limit.
func (s *stream) read() {
	s.kept = slices.Grow(s.kept, 512)
	n, err := unix.Read(s.fd, s.kept[len(s.kept):cap(s.kept)])
	switch {
	case errors.Is(err, unix.EINTR):
	case n <= 0:
		s.fd = -1
	default:
		keep := min(int64(n), s.left)
		s.left -= int64(n)
		s.kept = s.kept[:len(s.kept)+int(keep)]
	}
}

// wait reads the streams until bubblewrap has ended. One with too much in it ends
// the job. The thread waits in the kernel for all of it at once.
func (k *keeper) wait(pid int, streams []*stream) (unix.WaitStatus, error) {
	polled := make([]unix.PollFd, 1+len(streams))
	polled[0] = unix.PollFd{Fd: int32(k.running.process), Events: unix.POLLIN}
	for {
		for i, s := range streams {
			polled[1+i] = unix.PollFd{Fd: int32(s.fd), Events: unix.POLLIN}
		}
		if _, err := unix.Poll(polled, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("wait for bubblewrap: %w", err)
		}
		for i, s := range streams {
			if polled[1+i].Revents == 0 || s.fd < 0 {
				continue
			}
			if s.read(); s.left < 0 {
				s.fd = -1
				k.running.kill(request{Job: k.running.number, Kill: tooManyMessages})
			}
		}
		if polled[0].Revents != 0 {
			break
		}
	}
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &status, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			return status, wrapIf("wait for bubblewrap", err)
		}
	}
}

// launch starts bubblewrap as the user of jobs, in the control groups of the slot,
// with no descriptor but those it needs, and returns its process.
func (k *keeper) launch(image []byte, pipes []int, j *jobSpec) (int, error) {
	step, err := k.write("step", image)
	if err != nil {
		return 0, err
	}
	defer step.Close()
	// Opened again, for bubblewrap reads it to the end.
	rules, err := os.Open("/proc/self/fd/" + strconv.Itoa(int(k.filter.Fd())))
	if err != nil {
		return 0, fmt.Errorf("open filter: %w", err)
	}
	defer rules.Close()
	process := -1
	sys := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, PidFD: &process}
	k.groups.into(sys)
	if k.spec.User != 0 && !j.Without.has(measureUser) {
		sys.Credential = &syscall.Credential{Uid: uint32(k.spec.User), Gid: uint32(k.spec.User)}
	}
	attr := &syscall.ProcAttr{Dir: "/", Env: []string{}, Sys: sys}
	attr.Files = []uintptr{k.null.Fd(), uintptr(pipes[0]), uintptr(pipes[1]), rules.Fd(), uintptr(pipes[2]), step.Fd()}
	if j.Own {
		attr.Files = append(attr.Files, k.program.Fd())
	}
	if j.Without.has(measureEnvironment) {
		attr.Env = []string{"SECRET=1"}
	}
	k.running.Lock()
	defer k.running.Unlock()
	pid, err := syscall.ForkExec(k.spec.Bwrap, append([]string{"bwrap"}, k.arguments(j)...), attr)
	if err != nil {
		return 0, fmt.Errorf("run bubblewrap: %w", err)
	}
	k.running.process = process
	if k.running.why != "" { // while it was set up
		_ = unix.PidfdSendSignal(process, unix.SIGKILL, nil, 0) // it waits to be waited for, at least
	}
	return pid, nil
}

// write makes an executable file of the scratch and opens it for reading alone, for
// nothing that is open for writing can be executed.
func (k *keeper) write(name string, content []byte) (*os.File, error) {
	f, err := os.OpenFile(k.at(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o555)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := f.Write(content); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", name, err), f.Close())
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return os.Open(k.at(name))
}

// reap waits until no process of the job is left, and notes what the largest took. The first process of its
// namespace dies with bubblewrap, and is not gone before all others of the
// namespace are; as it has lost its parent it is now a child of this process. Where
// it may have come to an end before it could ask to die so, it is killed here.
func (k *keeper) reap(dies bool) error {
	if !dies {
		ended := make(chan struct{})
		defer close(ended)
		go func() {
			for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
				killChildren()
				select {
				case <-ended:
					return
				case <-time.After(wait):
				}
			}
		}()
	}
	for {
		var took unix.Rusage // of the largest that it has waited for, too
		_, err := unix.Wait4(-1, nil, 0, &took)
		k.peak = max(k.peak, uint64(took.Maxrss)<<10)
		switch {
		case errors.Is(err, unix.ECHILD):
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for processes of the job: %w", err)
		}
	}
}

// killChildren kills the children of this process.
func killChildren() {
	names, _ := filepath.Glob("/proc/[0-9]*/status") // a pattern that is right
	self := strconv.Itoa(os.Getpid())
	child := func(name string) bool {
		b, err := os.ReadFile(name)
		return err == nil && statusField(b, "PPid") == self
	}
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err != nil || !child(name) {
			continue
		}
		fd, err := unix.PidfdOpen(pid, 0)
		if err != nil {
			continue // it has ended
		}
		// Looked at again: now the number can have no other process that is signalled.
		if child(name) {
			_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0) // it may be dying
		}
		unix.Close(fd)
	}
}

// arguments returns those of bubblewrap. Each namespace is asked for by name:
// --unshare-all goes on without those it cannot have.
func (k *keeper) arguments(j *jobSpec) []string {
	args := []string{"--die-with-parent", "--unshare-user"}
	for _, m := range []struct {
		measure measures
		args    []string
	}{
		{measureCapabilities, []string{"--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"}},
		{measureSession, []string{"--new-session"}},
		{measureIPC, []string{"--unshare-ipc"}},
		{measurePID, []string{"--unshare-pid"}},
		{measureNet, []string{"--unshare-net"}},
		{0, []string{"--unshare-uts", "--hostname", "sandbox", "--unshare-cgroup"}},
		{measureUserns, []string{"--disable-userns"}},
		{measureEnvironment, []string{"--clearenv"}},
		{measureFilter, []string{"--seccomp", strconv.Itoa(filterFD)}},
		{measureRoot, []string{"--bind", k.at("root"), "/"}},
	} {
		if m.measure == 0 || !j.Without.has(m.measure) {
			args = append(args, m.args...)
		}
	}
	for _, b := range j.Shared {
		args = append(args, "--ro-bind-try", b.From, b.to())
	}
	args = append(args, "--proc", "/proc")
	if !j.Without.has(measureDevices) {
		// The directory for shared memory counts to what the job writes.
		args = append(args, "--dev", "/dev", "--bind", k.at("shm"), "/dev/shm", "--remount-ro", "/dev")
	}
	if !j.Without.has(measureSettings) {
		args = append(args, "--ro-bind", "/proc/sys", "/proc/sys")
	}
	return append(args, k.instead(j.Without)...)
}

// instead returns what stands for measures that are left out, and the command.
func (k *keeper) instead(without measures) []string {
	var args []string
	for _, m := range []struct {
		measure measures
		args    []string
	}{
		{measureCapabilities, []string{"--uid", "0", "--gid", "0", "--cap-add", "ALL"}},
		{measureRoot, []string{"--ro-bind", "/", "/", "--proc", "/proc"}},
		{measureDevices, []string{"--dev-bind", "/dev", "/dev"}},
		{measurePID, []string{"--ro-bind", "/proc", "/proc"}},
	} {
		if without.has(m.measure) {
			args = append(args, m.args...)
		}
	}
	return append(args, "--chdir", "/", "--", "/proc/self/fd/"+strconv.Itoa(imageFD))
}
