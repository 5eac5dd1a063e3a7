package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// slot is room for one job, kept by a process of its own, the keeper, which is
// started when the first job comes and again if it ends.
type slot struct {
	spec   keeperSpec
	config *Config
	jobs   int // that it was asked to run

	conn  *net.UnixConn // nil: there is no keeper
	kills *net.UnixConn
	cmd   *exec.Cmd
	said  bytes.Buffer // by the keeper, of its own end
	talk  sync.Mutex   // several may want to kill
}

// take waits for a slot with a keeper. free gives it back; with an error its
// keeper is ended first.
func (s *Sandbox) take(ctx context.Context) (*slot, func(error), error) {
	var slot *slot
	select {
	case slot = <-s.slots:
	case <-s.closed:
		return nil, nil, errors.New("sandbox: closed")
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	free := func(err error) {
		if err != nil {
			_ = slot.stop() // it has failed already
		}
		s.slots <- slot
	}
	if slot.conn == nil {
		if err := slot.start(); err != nil {
			free(err)
			return nil, nil, err
		}
	}
	return slot, free, nil
}

// start starts the keeper.
func (s *slot) start() error {
	spec, err := memory("spec")
	if err != nil {
		return err
	}
	defer spec.Close()
	if err := encode(spec, &s.spec); err != nil {
		return err
	}
	program, err := os.Open(s.config.Program)
	if err != nil {
		return fmt.Errorf("open program of the sandbox: %w", err)
	}
	defer program.Close()
	conn, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	kills, theirKills, err := socketPair()
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	defer theirKills.Close()
	s.said.Reset()
	cmd := exec.Command("/proc/self/fd/" + strconv.Itoa(selfFD))
	cmd.Args = append(append([]string{"cachepot-sandbox"}, s.config.Self...), stageKeeper)
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.Stderr, cmd.ExtraFiles = &s.said, []*os.File{spec, theirs, program, theirKills}
	cmd.SysProcAttr = keeperAttr(s.config.Root)
	if s.config.without.has(measureNet) {
		cmd.SysProcAttr.Cloneflags &^= unix.CLONE_NEWNET
	}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		return errors.Join(startError(stageKeeper, err), conn.Close(), kills.Close())
	}
	s.cmd, s.conn, s.kills = cmd, conn, kills
	return nil
}

// socketPair makes a socket, and one that blocks for a keeper.
func socketPair() (*net.UnixConn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket: %w", err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "socket")
	ours, err := connection(os.NewFile(uintptr(fds[0]), "socket"))
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return ours, theirs, nil
}

// keeperAttr is how a keeper is started: with mounts of its own and no network. Of
// anybody but root it is root in a user namespace in which there is nobody else.
func keeperAttr(asRoot bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET}
	if asRoot {
		return attr
	}
	attr.Cloneflags |= unix.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	attr.Credential = &syscall.Credential{NoSetGroups: true} // only root may leave its supplementary groups
	return attr
}

// stop ends the keeper, and with it a job that runs.
func (s *slot) stop() error {
	if s.conn == nil {
		return nil
	}
	err := errors.Join(s.kills.Close(), s.conn.Close())
	s.conn = nil
	timer := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() }) // the reason is in what Wait returns
	defer timer.Stop()
	if ended := s.cmd.Wait(); ended != nil {
		err = errors.Join(err, fmt.Errorf("sandbox: its keeper: %w%s", ended, after(s.said.Bytes())))
	}
	return err
}

func (s *slot) receive(r *reply) ([]*os.File, error) {
	files, err := receive(s.conn, r)
	if err != nil {
		return nil, fmt.Errorf("sandbox: no answer of the keeper: %w", err)
	}
	return files, nil
}

// kill asks for the end of a job. That it cannot be asked for shows elsewhere.
func (s *slot) kill(job int, why string) {
	s.talk.Lock()
	defer s.talk.Unlock()
	_ = send(s.kills, &request{Kill: why, Job: job})
}

// ask wants an answer.
func (s *slot) ask(q *request) (*reply, []*os.File, error) {
	if err := send(s.conn, q); err != nil {
		return nil, nil, err
	}
	var got reply
	files, err := s.receive(&got)
	if err != nil {
		return nil, nil, err
	}
	switch {
	case got.Bounded:
		return nil, nil, fmt.Errorf("%w: %s", ErrLimit, got.Error)
	case got.Error != "":
		return nil, nil, fmt.Errorf("sandbox: %s", got.Error)
	}
	return &got, files, nil
}

// end has the keeper forget the job.
func (s *slot) end() error { return send(s.conn, &request{End: true}) }
