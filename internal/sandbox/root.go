package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// rootSpec is what the root stage is told; the exec stage reads it too.
type rootSpec struct {
	Job     Job
	Scratch string // with directories upper, work, root and out
	Bwrap   string
	Self    []string
}

// rootReply is what the root stage answers.
type rootReply struct {
	Error  string // why the command did not run; empty where it did
	Status int
	Found  []bool // by output: copied to out
}

func rootStage() error {
	// What the caller inherited is none of bubblewrap's business.
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("mark descriptors: %w", err)
	}
	in, out := os.NewFile(specFD, "spec"), os.NewFile(replyFD, "reply")
	var spec rootSpec
	if err := readFile(in, &spec); err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	reply, err := spec.run(in)
	if err != nil {
		reply = &rootReply{Error: err.Error()}
	}
	return json.NewEncoder(out).Encode(reply)
}

// run carries the spec out; in holds it for the exec stage.
func (s *rootSpec) run(in *os.File) (*rootReply, error) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return nil, fmt.Errorf("make mounts private: %w", err)
	}
	at := filepath.Join(s.Scratch, "root")
	if err := mountOverlay(s.Job.Layers, s.Scratch, at); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return nil, fmt.Errorf("open root: %w", err)
	}
	defer root.Close()
	for _, o := range s.Job.Outputs {
		// As the Remote Execution API has it.
		if err := root.MkdirAll(path.Dir(s.inRoot(o)), 0o755); err != nil {
			return nil, fmt.Errorf("make output directory: %w", err)
		}
	}
	reply := &rootReply{}
	if reply.Status, err = s.bubblewrap(at, in); err != nil {
		return nil, err
	}
	for i, o := range s.Job.Outputs {
		found, err := s.collect(root, s.inRoot(o), filepath.Join(s.Scratch, "out", strconv.Itoa(i)))
		if err != nil {
			return nil, fmt.Errorf("collect %s: %w", o, err)
		}
		reply.Found = append(reply.Found, found)
	}
	return reply, nil
}

// mountOverlay mounts an overlay of layers at a place, with the directories upper
// and work of scratch on top. Directories are given by descriptor, for in their
// names commas, colons and backslashes would mean something.
func mountOverlay(layers []string, scratch, at string) error {
	open := func(dir string) (*os.File, string, error) {
		f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, "", fmt.Errorf("open layer: %w", err)
		}
		return f, "/proc/self/fd/" + strconv.Itoa(int(f.Fd())), nil
	}
	var names []string
	for _, dir := range append([]string{filepath.Join(scratch, "upper"), filepath.Join(scratch, "work")}, layers...) {
		f, name, err := open(dir)
		if err != nil {
			return err
		}
		defer f.Close()
		names = append(names, name)
	}
	options := "lowerdir=" + strings.Join(names[2:], ":") + ",upperdir=" + names[0] + ",workdir=" + names[1] +
		",userxattr" + // the only sort that a user namespace may write
		",volatile" // or unmounting waits until the whole file system below is on the disk
	if err := unix.Mount("overlay", at, "overlay", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount overlay (is the directory for temporary files itself on an overlay?): %w", err)
	}
	return nil
}

// inRoot returns where the output o lies, relative to the root.
func (s *rootSpec) inRoot(o string) string {
	if !path.IsAbs(o) {
		o = path.Join(s.Job.Dir, o)
	}
	return strings.TrimPrefix(path.Clean(o), "/")
}

// bubblewrap runs the command in the root that lies at the given place and
// returns its exit status. All its processes have ended then.
func (s *rootSpec) bubblewrap(root string, in *os.File) (int, error) {
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return 0, fmt.Errorf("open own program: %w", err)
	}
	defer self.Close()
	started, theirs, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make pipe: %w", err)
	}
	defer started.Close()
	cmd := exec.Command(s.Bwrap, s.arguments(root)...)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.ExtraFiles = []*os.File{in, theirs, self}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	theirs.Close()
	word, readErr := io.ReadAll(started)
	var exit *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exit):
		return 0, fmt.Errorf("run bubblewrap: %w", err)
	case readErr != nil:
		return 0, fmt.Errorf("wait for command: %w", readErr)
	case len(word) == 0:
		return 0, errors.New("bubblewrap did not start the command")
	case string(word) != begun:
		return 0, errors.New(strings.TrimPrefix(string(word), begun))
	}
	return cmd.ProcessState.ExitCode(), nil
}

// arguments returns those of bubblewrap. Each namespace is asked for by name:
// --unshare-all goes on without those it cannot have.
func (s *rootSpec) arguments(root string) []string {
	args := []string{
		"--die-with-parent", "--new-session",
		"--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup",
		"--disable-userns", "--uid", "1000", "--gid", "1000", "--hostname", "sandbox", "--cap-drop", "ALL", "--clearenv",
		"--bind", root, "/",
	}
	for _, dir := range s.Job.Shared {
		args = append(args, "--ro-bind-try", dir, dir)
	}
	if !s.Job.HasTemp {
		args = append(args, "--size", strconv.FormatUint(s.Job.Limits.Temp, 10), "--perms", "1777", "--tmpfs", "/tmp")
	}
	args = append(args, "--proc", "/proc", "--dev", "/dev", "--ro-bind", "/proc/sys", "/proc/sys", "--chdir", "/",
		"--", "/proc/self/fd/"+strconv.Itoa(selfFD))
	return append(append(args, s.Self...), stageExec)
}

// collect copies the regular file at name in root to a new file, which its owner may
// execute if it could be. It reports false
// where there is none. Symbolic links lead to files within the root only, and
// nobody is left who could swap what was looked at.
func (s *rootSpec) collect(root *os.Root, name, to string) (bool, error) {
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	from, err := root.Open(name)
	if err != nil {
		return false, err
	}
	defer from.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600|info.Mode()&0o100)
	if err != nil {
		return false, err
	}
	defer dst.Close()
	if _, err := io.Copy(dst, from); err != nil {
		return false, err
	}
	return true, dst.Close()
}
