//go:build linux && (amd64 || arm64)

package watch

import (
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Trace runs a process to its end and reports what its tree did, by ptrace(2):
// the events of Start with class All, where Start is not permitted or the caller
// is watched itself. It stops the tree twice at every call, so it is for a compile
// that is made once. Of spec it heeds Path, Argv, Env, Dir and Files. The first
// process is killed after limit, and what is left of the tree when it has ended.
//
// Linux 5.3 or later; ErrUnavailable where tracing is not permitted either.
func Trace(spec *Spec, limit time.Duration) (syscall.WaitStatus, *Report, error) {
	program, err := absolute(spec)
	if err != nil {
		return 0, nil, err
	}
	if !kernelAtLeast(5, 3) || !memoryReadable() {
		return 0, nil, ErrUnavailable
	}
	t := &tracer{server: newServer(All), met: make(map[int]struct{}, 8)}
	t.server.begin(program)
	var ended sync.WaitGroup
	ended.Add(1)
	// Tracees belong to a thread. It is not unlocked, so it ends with the
	// goroutine, and the kernel then ends what it traced.
	go func() {
		defer ended.Done()
		runtime.LockOSThread()
		err = t.run(spec, limit)
	}()
	ended.Wait()
	return t.status, &t.server.report, err
}

// tracer is the thread that all processes of a tree are traced by.
type tracer struct {
	server *server
	pid    int
	status syscall.WaitStatus
	met    map[int]struct{} // threads that have stopped before

	mu     sync.Mutex // held while the first process is reaped, so that the limit hits it or nothing
	reaped bool
}

func (t *tracer) run(spec *Spec, limit time.Duration) error {
	if err := t.fork(spec); err != nil {
		return err
	}
	timer := time.AfterFunc(limit, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if !t.reaped {
			_ = unix.Kill(t.pid, unix.SIGKILL)
		}
	})
	defer timer.Stop()
	for !t.reaped {
		if err := t.step(); err != nil {
			_ = unix.Kill(t.pid, unix.SIGKILL)
			return &startError{"wait for traced child", err.(syscall.Errno)}
		}
	}
	return nil
}

// fork starts the program, which stops once it is executed.
func (t *tracer) fork(spec *Spec) error {
	var err error
	t.pid, err = syscall.ForkExec(spec.Path, spec.Argv, &syscall.ProcAttr{
		Dir: spec.Dir, Env: spec.Env, Files: spec.Files, Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err == unix.EPERM {
		return ErrUnavailable
	}
	if err != nil {
		return &startError{"exec", err.(syscall.Errno)}
	}
	var status unix.WaitStatus
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACEEXEC |
		unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACECLONE
	if _, err = unix.Wait4(t.pid, &status, 0, nil); err == nil {
		err = unix.PtraceSetOptions(t.pid, options)
	}
	if err == nil {
		err = unix.PtraceSyscall(t.pid, 0)
	}
	if err != nil {
		_ = unix.Kill(t.pid, unix.SIGKILL)
		reap(t.pid)
		return &startError{"trace child", err.(syscall.Errno)}
	}
	t.met[t.pid] = struct{}{}
	return nil
}

// step waits for one stop or end of a traced thread, no other child's, and has
// the thread go on.
func (t *tracer) step() error {
	var status syscall.WaitStatus
	const exitedAndStays = unix.WEXITED | unix.WSTOPPED | unix.WNOWAIT | unix.WALL | unix.WNOTHREAD
	if err := unix.Waitid(unix.P_ALL, 0, nil, exitedAndStays, nil); err != nil {
		if err == unix.EINTR {
			return nil
		}
		return err
	}
	t.mu.Lock()
	tid, err := syscall.Wait4(-1, &status, unix.WALL|unix.WNOTHREAD, nil)
	t.reaped = err == nil && tid == t.pid && !status.Stopped()
	t.mu.Unlock()
	if err == unix.EINTR {
		return nil
	}
	if err != nil {
		return err
	}
	if !status.Stopped() {
		delete(t.met, tid)
		if tid == t.pid {
			t.status = status
		}
		return nil
	}
	_ = unix.PtraceSyscall(tid, t.stopped(tid, status)) // killed meanwhile: its end comes next
	return nil
}

// stopped handles a stop and returns the signal that the thread has to get.
func (t *tracer) stopped(tid int, status syscall.WaitStatus) int {
	const atCall = unix.SIGTRAP | 0x80
	_, met := t.met[tid]
	t.met[tid] = struct{}{}
	switch sig := status.StopSignal(); {
	case sig == atCall:
		t.call(tid)
		return 0
	case sig == unix.SIGTRAP && status.TrapCause() > 0, // it forked or executed
		sig == unix.SIGSTOP && !met: // it was forked
		return 0
	default:
		return int(sig)
	}
}

// callInfo is struct ptrace_syscall_info as it is at a call's entry.
type callInfo struct {
	op     uint8
	_      [3]byte
	arch   uint32
	ip, sp uint64
	nr     uint64
	args   [6]uint64
	_      [16]byte
}

// call records what the thread is about to do, if it is about to do something.
func (t *tracer) call(tid int) {
	const entry = 1
	var info callInfo
	_, _, e := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid),
		unsafe.Sizeof(info), uintptr(unsafe.Pointer(&info)), 0, 0)
	if e != 0 && e != unix.ESRCH {
		t.server.incomplete("calls of a process cannot be read: " + e.Error())
	}
	if e != 0 || info.op != entry || !t.server.reports(info.arch, info.nr) {
		return
	}
	s := t.server
	s.n = notif{pid: uint32(tid), nr: int32(info.nr), arch: info.arch, ip: info.ip, args: info.args}
	s.found = s.found[:0]
	s.decode()
	s.record()
	s.report.Calls++
}

// reports tells what the filter of Start would report, and more of other
// interfaces: any call of these.
func (s *server) reports(arch uint32, nr uint64) bool {
	return arch != nativeArch || firstForeignCall != 0 && nr >= firstForeignCall ||
		nr < uint64(len(s.table)) && s.table[nr] != 0
}
