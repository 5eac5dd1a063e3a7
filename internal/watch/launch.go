//go:build linux && (amd64 || arm64)

package watch

import (
	"errors"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// vfork makes a child that shares the memory of its parent, whose thread stands
// still until the child has called execve or exit. It returns 0 in the child and
// in the parent the child's id, or an errno, negative.
func vfork() (pid uintptr)

// launch is all that the child needs between vfork and execve, made beforehand:
// then it may neither allocate nor call anything but the kernel. The child
// installs the filter, so no thread of the caller is touched by it, and passes
// the listener up through a socket.
type launch struct {
	path     *byte
	argv     []*byte
	envv     []*byte
	dir      *byte
	files    []int
	deathsig uintptr
	nofile   *Limit
	cookie   uintptr
	prog     unix.SockFprog
	parent   uintptr // process id
	up       int     // the child's end of the socket
	down     int     // the parent's
	msg      unix.Msghdr
	iov      unix.Iovec
	control  struct {
		hdr unix.Cmsghdr
		fd  int32
		_   int32
	}
	byteSent byte
	mask     uint64 // the caller's signal mask
	action   [4]uintptr
	// Written by the child:
	stage stage
	errno uintptr
}

// stage is where a child gave up.
type stage uintptr

const (
	stageFiles stage = iota + 1
	stageDir
	stageParent // has died
	stageLimit
	stageFilter
	stageSend
	stageExec
)

func (s stage) String() string {
	switch s {
	case stageFiles:
		return "arrange descriptors"
	case stageDir:
		return "change directory"
	case stageParent:
		return "tie child to parent"
	case stageLimit:
		return "set limit of open files"
	case stageFilter:
		return "install filter"
	case stageSend:
		return "pass listener"
	}
	return "exec"
}

// startError wraps an errno with what was being done.
type startError struct {
	doing string
	errno syscall.Errno
}

func (e *startError) Error() string { return e.doing + ": " + e.errno.Error() }
func (e *startError) Unwrap() error { return e.errno }

func newLaunch(spec *Spec) (*launch, error) {
	l := &launch{deathsig: uintptr(spec.Deathsig), nofile: spec.NoFile, parent: uintptr(syscall.Getpid())}
	var errs [4]error
	l.path, errs[0] = syscall.BytePtrFromString(spec.Path)
	l.argv, errs[1] = syscall.SlicePtrFromStrings(spec.Argv)
	l.envv, errs[2] = syscall.SlicePtrFromStrings(spec.Env)
	if spec.Dir != "" {
		l.dir, errs[3] = syscall.BytePtrFromString(spec.Dir)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	for _, fd := range spec.Files {
		l.files = append(l.files, int(fd))
	}
	var cookie [8]byte
	if _, err := unix.Getrandom(cookie[:], 0); err != nil {
		return nil, err
	}
	l.cookie = uintptr(*(*uint64)(unsafe.Pointer(&cookie)))
	prog := filter(spec.Class, uint64(l.cookie))
	l.prog = unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	return l, l.openSocket()
}

// openSocket makes the socket and the message that will bring the listener. The
// child's end has a number that its own descriptors do not use.
func (l *launch) openSocket() error {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return &startError{"make socket", err.(syscall.Errno)}
	}
	l.down, l.up = pair[0], pair[1]
	if l.up < len(l.files) {
		up, err := unix.FcntlInt(uintptr(l.up), unix.F_DUPFD_CLOEXEC, len(l.files))
		if err != nil {
			l.closeSocket()
			return &startError{"move socket", err.(syscall.Errno)}
		}
		unix.Close(l.up)
		l.up = up
	}
	l.iov.Base, l.iov.Len = &l.byteSent, 1
	l.msg.Iov, l.msg.Iovlen = &l.iov, 1
	l.msg.Control = (*byte)(unsafe.Pointer(&l.control))
	l.msg.SetControllen(int(unsafe.Sizeof(l.control)))
	l.control.hdr.Level, l.control.hdr.Type = unix.SOL_SOCKET, unix.SCM_RIGHTS
	l.control.hdr.SetLen(unix.CmsgLen(4))
	return nil
}

func (l *launch) closeSocket() {
	unix.Close(l.up)
	unix.Close(l.down)
}

// run starts the child and returns its process id and the listener.
func (l *launch) run() (pid, listener int, err error) {
	// No other goroutine may be between making a descriptor and marking it
	// close-on-exec.
	syscall.ForkLock.Lock()
	p := int(l.forkMasked())
	syscall.ForkLock.Unlock()
	if p < 0 {
		return 0, 0, &startError{"fork", syscall.Errno(-p)}
	}
	if l.errno != 0 {
		reap(p)
		return 0, 0, l.failure()
	}
	l.msg.SetControllen(int(unsafe.Sizeof(l.control)))
	_, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(l.down), uintptr(unsafe.Pointer(&l.msg)), unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if errno != 0 || l.control.hdr.Len != uint64(unix.CmsgLen(4)) {
		// Out of descriptors. The child has begun, but without a listener its next
		// reported call fails; it cannot have done anything by its first.
		unix.Kill(p, unix.SIGKILL)
		reap(p)
		return 0, 0, &startError{"receive listener", max(errno, 1)}
	}
	return p, int(l.control.fd), nil
}

func reap(pid int) {
	for {
		if _, err := unix.Wait4(pid, nil, 0, nil); err != unix.EINTR {
			return
		}
	}
}

func (l *launch) failure() error {
	errno := syscall.Errno(l.errno)
	if l.stage == stageFilter {
		if errno == unix.EBUSY {
			return ErrNested
		}
		return ErrUnavailable
	}
	return &startError{l.stage.String(), errno}
}

// forkMasked forks with all signals blocked, so that no handler of the parent
// runs in the child. From here on nothing may be preempted or grow its stack.
//
//go:noinline
//go:nosplit
//go:norace
//go:nocheckptr
func (l *launch) forkMasked() uintptr {
	var all uint64 = 1<<64 - 1
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&all)), uintptr(unsafe.Pointer(&l.mask)), 8, 0, 0)
	pid := l.fork()
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&l.mask)), 0, 8, 0, 0)
	return pid
}

// fork has a frame of its own, in which and below which the child goes on and
// never returns, so that all above is untouched when the parent comes back. Of
// its frame the parent needs only what vfork returns to it. The child must not
// store a pointer: a collection may be under way.
//
//go:noinline
//go:nosplit
//go:norace
//go:nocheckptr
func (l *launch) fork() uintptr {
	pid := vfork()
	if pid != 0 {
		return pid
	}
	if l.arrangeFiles() && l.settle() && l.install() {
		l.defaultSignals()
		_, _, e := syscall.RawSyscall6(unix.SYS_EXECVE,
			uintptr(unsafe.Pointer(l.path)), uintptr(unsafe.Pointer(&l.argv[0])), uintptr(unsafe.Pointer(&l.envv[0])),
			0, 0, l.cookie)
		l.fail(stageExec, e)
	}
	for {
		syscall.RawSyscall6(unix.SYS_EXIT, 127, 0, 0, 0, 0, 0)
	}
}

//go:nosplit
//go:norace
func (l *launch) fail(s stage, e syscall.Errno) bool {
	l.stage, l.errno = s, uintptr(e)
	return false
}

// arrangeFiles first moves out of the way what a later step would overwrite. It
// takes free numbers for that, since any other may be one the child inherits.
//
//go:nosplit
//go:norace
func (l *launch) arrangeFiles() bool {
	for i, fd := range l.files {
		if fd >= 0 && fd < i {
			up, _, e := syscall.RawSyscall6(unix.SYS_FCNTL, uintptr(fd), unix.F_DUPFD_CLOEXEC, uintptr(len(l.files)), 0, 0, 0)
			if e != 0 {
				return l.fail(stageFiles, e)
			}
			l.files[i] = int(up)
		}
	}
	for i, fd := range l.files {
		var e syscall.Errno
		switch {
		case fd < 0:
			syscall.RawSyscall6(unix.SYS_CLOSE, uintptr(i), 0, 0, 0, 0, 0)
		case fd == i:
			_, _, e = syscall.RawSyscall6(unix.SYS_FCNTL, uintptr(fd), unix.F_SETFD, 0, 0, 0, 0)
		default:
			_, _, e = syscall.RawSyscall6(unix.SYS_DUP3, uintptr(fd), uintptr(i), 0, 0, 0, 0)
		}
		if e != 0 {
			return l.fail(stageFiles, e)
		}
	}
	return true
}

// settle sets what the child inherits by other means than descriptors.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (l *launch) settle() bool {
	if l.dir != nil {
		if _, _, e := syscall.RawSyscall6(unix.SYS_CHDIR, uintptr(unsafe.Pointer(l.dir)), 0, 0, 0, 0, 0); e != 0 {
			return l.fail(stageDir, e)
		}
	}
	if l.deathsig != 0 {
		if _, _, e := syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, l.deathsig, 0, 0, 0, 0); e != 0 {
			return l.fail(stageParent, e)
		}
		// It is not sent for a parent that died before it was asked for.
		if ppid, _, _ := syscall.RawSyscall6(unix.SYS_GETPPID, 0, 0, 0, 0, 0, 0); ppid != l.parent {
			return l.fail(stageParent, unix.ESRCH)
		}
	}
	if l.nofile != nil {
		if _, _, e := syscall.RawSyscall6(unix.SYS_PRLIMIT64, 0, unix.RLIMIT_NOFILE, uintptr(unsafe.Pointer(l.nofile)), 0, 0, 0); e != 0 {
			return l.fail(stageLimit, e)
		}
	}
	return true
}

// install installs the filter and sends the listener up. Where the caller may
// not do that as it is, it takes no-new-privileges on, in the child alone.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (l *launch) install() bool {
	// Without SPEC_ALLOW older kernels slow the whole tree down by mitigations
	// meant for hostile code. WAIT_KILLABLE_RECV (since 5.19) has a signal wait while
	// a call is looked at; see the package comment for what remains.
	var flags uintptr = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	for {
		fd, _, e := syscall.RawSyscall6(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&l.prog)), 0, 0, 0)
		if e == 0 {
			l.control.fd = int32(fd)
			break
		}
		switch {
		case e == unix.EINVAL && flags&unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV != 0:
			flags &^= unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
		case e == unix.EACCES && l.action[0] == 0:
			l.action[0] = 1 // asked for once
			if _, _, e := syscall.RawSyscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); e != 0 {
				return l.fail(stageFilter, e)
			}
		default:
			return l.fail(stageFilter, e)
		}
	}
	if _, _, e := syscall.RawSyscall6(unix.SYS_SENDMSG, uintptr(l.up), uintptr(unsafe.Pointer(&l.msg)), 0, 0, 0, 0); e != 0 {
		return l.fail(stageSend, e)
	}
	return true
}

// defaultSignals puts each handled signal back to its default and gives the
// child the caller's mask. Ignored signals stay ignored.
//
//go:nosplit
//go:norace
//go:nocheckptr
func (l *launch) defaultSignals() {
	const ignore = 1
	for sig := uintptr(1); sig <= 64; sig++ {
		l.action[0] = 0
		syscall.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, uintptr(unsafe.Pointer(&l.action)), 8, 0, 0)
		if l.action[0] > ignore {
			l.action = [4]uintptr{}
			syscall.RawSyscall6(unix.SYS_RT_SIGACTION, sig, uintptr(unsafe.Pointer(&l.action)), 0, 8, 0, 0)
		}
	}
	syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, uintptr(unsafe.Pointer(&l.mask)), 0, 8, 0, 0)
}
