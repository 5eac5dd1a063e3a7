package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
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

// start runs the command and returns its exit status. All its processes have ended
// then.
func (k *keeper) start(j *jobSpec, stdout, stderr *os.File) (int, error) {
	image, steps, err := stepImage(j)
	if err != nil {
		return 0, err
	}
	said, theirs, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make pipe: %w", err)
	}
	defer said.Close()
	cmd := exec.Command(k.spec.Bwrap, k.arguments(j)...)
	err = k.launch(cmd, image, theirs, stdout, stderr, j)
	theirs.Close()
	// The reader of a stream waits for the end of all its writers.
	stdout.Close()
	stderr.Close()
	if err != nil {
		return 0, err
	}
	err = cmd.Wait()
	if reaped := k.reap(); reaped != nil {
		return 0, reaped
	}
	word, readErr := io.ReadAll(said)
	k.running.Lock()
	killed := k.running.why != ""
	k.running.pid = 0
	k.running.Unlock()
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		return 0, fmt.Errorf("run bubblewrap: %w", err)
	case readErr != nil:
		return 0, fmt.Errorf("wait for command: %w", readErr)
	case killed:
		return 128 + int(unix.SIGKILL), nil
	}
	return cmd.ProcessState.ExitCode(), started(word, steps)
}

// launch starts bubblewrap as the user of jobs, in the control groups of the slot,
// with no descriptor but those it needs.
func (k *keeper) launch(cmd *exec.Cmd, image []byte, reply, stdout, stderr *os.File, j *jobSpec) error {
	step, err := k.write("step", image)
	if err != nil {
		return err
	}
	defer step.Close()
	// Opened again, for bubblewrap reads it to the end.
	rules, err := os.Open("/proc/self/fd/" + strconv.Itoa(int(k.filter.Fd())))
	if err != nil {
		return fmt.Errorf("open filter: %w", err)
	}
	defer rules.Close()
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.ExtraFiles = []*os.File{rules, reply, step}
	if j.Own {
		cmd.ExtraFiles = append(cmd.ExtraFiles, k.program)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	k.groups.into(cmd.SysProcAttr)
	if k.spec.User != 0 && !j.Without.has(measureUser) {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(k.spec.User), Gid: uint32(k.spec.User)}
	}
	k.running.Lock()
	defer k.running.Unlock()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run bubblewrap: %w", err)
	}
	k.running.pid = cmd.Process.Pid
	if k.running.why != "" { // while it was set up
		_ = cmd.Process.Kill() // fails where it has ended
	}
	return nil
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

// reap waits until no process of the job is left. The first process of its
// namespace dies with bubblewrap, and is not gone before all others of the
// namespace are; as it has lost its parent it is now a child of this process. One
// that was killed before it could ask for that is killed here.
func (k *keeper) reap() error {
	for wait := time.Microsecond * 50; ; wait = min(2*wait, 20*time.Millisecond) {
		pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.ECHILD):
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for processes of the job: %w", err)
		case pid > 0:
			continue
		}
		if wait > 5*time.Millisecond {
			killChildren()
		}
		time.Sleep(wait)
	}
}

// killChildren kills the children of this process. None of them can be another
// process meanwhile, for only this one waits for them.
func killChildren() {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // a pattern that is right
	self := strconv.Itoa(os.Getpid())
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // it has ended
		}
		// pid SP "(" command ")" SP state SP parent SP ...
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(fields) < 2 || fields[1] != self {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			_ = unix.Kill(pid, unix.SIGKILL) // it may be dying
		}
	}
}

// arguments returns those of bubblewrap. Each namespace is asked for by name:
// --unshare-all goes on without those it cannot have.
func (k *keeper) arguments(j *jobSpec) []string {
	args := []string{"--die-with-parent", "--unshare-user", "--uid", "1000", "--gid", "1000", "--cap-drop", "ALL"}
	for _, m := range []struct {
		measure measures
		args    []string
	}{
		{measureSession, []string{"--new-session"}},
		{measureIPC, []string{"--unshare-ipc"}},
		{measurePID, []string{"--unshare-pid"}},
		{measureNet, []string{"--unshare-net"}},
		{0, []string{"--unshare-uts", "--hostname", "sandbox", "--unshare-cgroup"}},
		{measureUserns, []string{"--disable-userns"}},
		{measureEnvironment, []string{"--clearenv"}},
		{measureFilter, []string{"--seccomp", strconv.Itoa(filterFD)}},
		{0, []string{"--bind", k.at("root"), "/"}},
	} {
		if m.measure == 0 || !j.Without.has(m.measure) {
			args = append(args, m.args...)
		}
	}
	for _, b := range j.Shared {
		args = append(args, "--ro-bind-try", b.From, b.to())
	}
	// The directory for shared memory counts to what the job writes.
	args = append(args, "--proc", "/proc", "--dev", "/dev", "--bind", k.at("shm"), "/dev/shm", "--remount-ro", "/dev")
	if !j.Without.has(measureSettings) {
		args = append(args, "--ro-bind", "/proc/sys", "/proc/sys")
	}
	return append(args, "--chdir", "/", "--", "/proc/self/fd/"+strconv.Itoa(imageFD))
}
