//go:build linux && (amd64 || arm64)

package watch

import (
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Tree is a process that was started by Start with all its descendants.
type Tree struct {
	pid    int
	server *server

	mu     sync.Mutex // held while the child is reaped, so that Signal finds it or nothing
	reaped bool
}

// Start starts a process and watches it. An error means that nothing was
// started: ErrUnavailable, ErrNested, or why the program could not be executed,
// as a syscall.Errno beneath.
func Start(spec *Spec) (*Tree, error) {
	if err := Permitted(); err != nil {
		return nil, err
	}
	program, err := absolute(spec)
	if err != nil {
		return nil, err
	}
	l, err := newLaunch(spec)
	if err != nil {
		return nil, err
	}
	defer l.closeSocket()
	pid, listener, err := l.run()
	if err != nil {
		return nil, err
	}
	s := newServer(spec.Class)
	s.alone = spec.Alone && runtime.GOMAXPROCS(0) > 1
	s.begin(program)
	s.listen(listener)
	s.start()
	return &Tree{pid: pid, server: s}, nil
}

// absolute returns the program's path as an event spells it.
func absolute(spec *Spec) (string, error) {
	p := spec.Path
	if spec.Dir != "" && !strings.HasPrefix(p, "/") {
		p = spec.Dir + "/" + p
	}
	if strings.HasPrefix(p, "/") {
		return p, nil
	}
	cwd, err := syscall.Getwd()
	if err != nil {
		return "", &startError{"find working directory", err.(syscall.Errno)}
	}
	return cwd + "/" + p, nil
}

// Pid returns the process id of the first process.
func (t *Tree) Pid() int { return t.pid }

// Signal sends sig to the first process; ESRCH once it has been waited for.
func (t *Tree) Signal(sig syscall.Signal) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reaped {
		return syscall.ESRCH
	}
	return syscall.Kill(t.pid, sig)
}

// Wait waits for the end of the first process, not of the others. It may be
// called once. Rusage is of that process and of the descendants that it, or they
// in turn, waited for.
func (t *Tree) Wait() (syscall.WaitStatus, syscall.Rusage, error) {
	var status syscall.WaitStatus
	var usage syscall.Rusage
	for {
		const exitedAndStays = unix.WEXITED | unix.WNOWAIT
		if err := unix.Waitid(unix.P_PID, t.pid, nil, exitedAndStays, nil); err == nil {
			break
		} else if err != unix.EINTR {
			return status, usage, &startError{"wait for child", err.(syscall.Errno)}
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := syscall.Wait4(t.pid, &status, 0, &usage)
	if err != nil {
		return status, usage, &startError{"wait for child", err.(syscall.Errno)}
	}
	t.reaped = true
	return status, usage, nil
}

// Report returns what the tree did so far and ends the recording; it is meant to
// be called after Wait, and then no call of the first process or of one that
// ended before it is missing. The report is not changed any more.
func (t *Tree) Report() *Report {
	t.server.mu.Lock()
	defer t.server.mu.Unlock()
	t.server.recording = false
	return &t.server.report
}

// Alive reports, after Wait, whether processes of the tree still run. Their
// calls are answered as long as this process lives; see Leave.
func (t *Tree) Alive() bool {
	t.server.mu.Lock()
	defer t.server.mu.Unlock()
	if t.server.gone {
		return false
	}
	// The kernel lets go of an orphan's filter a moment after its end.
	grace := unix.Timespec{Nsec: 5e6}
	p := []unix.PollFd{{Fd: int32(t.server.listener)}}
	unix.Ppoll(p, &grace, nil)
	return p[0].Revents&unix.POLLHUP == 0
}

// Leave hands the processes that Alive tells of to a program of the caller's,
// which must call Serve(3) and then exit: without it their opens would fail with
// ENOSYS when the caller exits. The program gets the listener as descriptor 3
// and a session of its own. After Leave this process answers no call any more.
func (t *Tree) Leave(path string, argv, env []string) error {
	s := t.server
	// One at a time: of two that see the same call, one would wait in vain.
	s.stop()
	err := successor(path, argv, env, s.listener)
	if err != nil {
		s.start()
	}
	return err
}

func successor(path string, argv, env []string, listener int) error {
	null, err := syscall.Open("/dev/null", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		return &startError{"open null device", err.(syscall.Errno)}
	}
	defer syscall.Close(null)
	n := uintptr(null)
	_, err = syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Dir: "/", Env: env,
		Files: []uintptr{n, n, n, uintptr(listener)},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return &startError{"start successor", err.(syscall.Errno)}
	}
	return nil
}

// Serve answers all calls that the listener brings, unrecorded, until no process
// is left that could make one.
func Serve(listener uintptr) error {
	s := newServer(Opens)
	s.listener, s.alone = int(listener), true
	s.start()
	<-s.stopped
	return nil
}
