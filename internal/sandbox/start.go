package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The stages that the program is started for. Each reads its spec, as JSON, from
// descriptor 3. Descriptor 4 is for its reply, or a socket.
const (
	stageKeeper = "keeper" // keeps a slot
	stageAttack = "attack" // tries to do harm, in a job
)

// Descriptors of a stage.
const (
	specFD  = 3
	replyFD = 4
	selfFD  = 5 // the program
	killFD  = 6 // of a keeper: another socket
)

// start runs a stage to its end. Its environment is empty. An error means that
// there is no reply.
func (s *Sandbox) start(ctx context.Context, stage string, attr *syscall.SysProcAttr, spec, reply any, stdout, stderr io.Writer) error {
	in, err := memory("spec")
	if err != nil {
		return err
	}
	defer in.Close()
	if err := encode(in, spec); err != nil {
		return err
	}
	out, err := memory("reply")
	if err != nil {
		return err
	}
	defer out.Close()
	program, err := os.Open(s.config.Program)
	if err != nil {
		return fmt.Errorf("open program of the sandbox: %w", err)
	}
	defer program.Close()
	// By descriptor, since the job's user may not get at the program's path.
	cmd := exec.CommandContext(ctx, "/proc/self/fd/"+strconv.Itoa(selfFD))
	cmd.Args = append(append([]string{"cachepot-sandbox"}, s.config.Self...), stage)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = stdout, stderr, []*os.File{in, out, program}
	cmd.SysProcAttr = attr
	cmd.WaitDelay = 5 * time.Second
	// The signal for the death of the parent is sent when the thread dies that
	// started the child; a locked goroutine keeps its thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return startError(stage, err)
	}
	if err := readFile(out, reply); err != nil {
		return fmt.Errorf("read reply of stage %s: %w", stage, err)
	}
	return nil
}

func startError(stage string, err error) error {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		return fmt.Errorf("user namespaces are not permitted here (a container needs seccomp=unconfined): %w", err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("the sandbox's user cannot run this program: %w", err)
	}
	return fmt.Errorf("run stage %s: %w", stage, err)
}

// memory returns a file in memory, which needs no place that both sides can reach.
func memory(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func encode(f *os.File, spec any) error {
	if err := json.NewEncoder(f).Encode(spec); err != nil {
		return fmt.Errorf("write spec: %w", err)
	}
	return nil
}

// Inner is the life of a stage, in a process that was started for it: what
// Config.Program has to call, as its only doing, where its arguments are
// Config.Self and one more, the stage. It reports whether the stage is one of
// this package. The error has been told to the starter already where that can be.
func Inner(stage string) (bool, error) {
	switch stage {
	case stageKeeper:
		return true, keeperStage()
	case stageAttack:
		return true, attackStage()
	}
	return false, nil
}
