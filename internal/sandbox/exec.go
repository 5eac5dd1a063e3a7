package sandbox

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// begun is what the exec stage says before anything can go wrong; what follows
// says what did.
const begun = "+"

// execStage becomes the command. Descriptor 3 is the spec, 4 the pipe for begun.
func execStage() error {
	said := os.NewFile(replyFD, "reply")
	if _, err := said.WriteString(begun); err != nil {
		return fmt.Errorf("tell of start: %w", err)
	}
	err := become()
	if err != nil {
		_, _ = said.WriteString(err.Error())
	}
	return err
}

func become() error {
	var spec rootSpec
	if err := readFile(os.NewFile(specFD, "spec"), &spec); err != nil {
		return fmt.Errorf("read spec: %w", err)
	}
	j := &spec.Job
	if err := unix.CloseRange(3, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("close descriptors: %w", err)
	}
	if len(j.Args) == 0 {
		return selfCheck()
	}
	if err := os.Chdir(j.Dir); err != nil {
		return err
	}
	if err := j.Limits.impose(); err != nil {
		return fmt.Errorf("set limits: %w", err)
	}
	syscall.Umask(0o022)
	if err := syscall.Exec(j.Args[0], j.Args, j.Env); err != nil {
		return &os.PathError{Op: "execute", Path: j.Args[0], Err: err}
	}
	return nil
}

// impose sets what the kernel keeps watch of. There is no limit of processes: it
// counts those of the same user outside too.
func (l *Limits) impose() error {
	for which, most := range map[int]uint64{
		unix.RLIMIT_CPU: l.CPU, unix.RLIMIT_FSIZE: l.FileSize, unix.RLIMIT_NOFILE: l.Files, unix.RLIMIT_CORE: 0,
	} {
		if err := syscall.Setrlimit(which, &syscall.Rlimit{Cur: most, Max: most}); err != nil {
			return err
		}
	}
	return nil
}
