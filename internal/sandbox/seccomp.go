package sandbox

import (
	"bytes"
	"encoding/binary"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// addrNoRandomize is the bit of personality(2) for a memory layout that is not random.
const addrNoRandomize = 0x40000

// filter returns the seccomp program for jobs, in the form that bubblewrap takes:
// a list of what compilers, linkers and shells call, and an error for the rest.
//
// The kernel remembers which numbers are let through whatever their arguments
// are, and runs no program for them.
func filter() []byte {
	p := []unix.SockFilter{
		load(4), // the architecture: a call of another one has other numbers
		jump(unix.BPF_JEQ, auditArch, 1, 0), refuse(unix.EPERM),
		load(0),
	}
	if foreignCalls != 0 {
		p = append(p, jump(unix.BPF_JGE, foreignCalls, 0, 1), refuse(unix.ENOSYS))
	}
	// The C library has other ways to do what these do, and takes them on ENOSYS.
	for _, nr := range []uint32{unix.SYS_CLONE3, unix.SYS_IO_URING_SETUP, unix.SYS_MEMFD_CREATE} {
		p = append(p, jump(unix.BPF_JEQ, nr, 0, 1), refuse(unix.ENOSYS))
	}
	const newSpaces = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWTIME
	p = append(p, onArgument(unix.SYS_CLONE, 0, jump(unix.BPF_JSET, newSpaces, 1, 0))...)
	p = append(p, onArgument(unix.SYS_SOCKET, 0, jump(unix.BPF_JEQ, unix.AF_UNIX, 0, 1))...)
	p = append(p, onArgument(unix.SYS_SOCKETPAIR, 0, jump(unix.BPF_JEQ, unix.AF_UNIX, 0, 1))...)
	p = append(p, onArgument(unix.SYS_IOCTL, 1, // not: put words into a terminal's mouth
		jump(unix.BPF_JEQ, unix.TIOCSTI, 3, 0), jump(unix.BPF_JEQ, unix.TIOCLINUX, 2, 0), jump(unix.BPF_JEQ, unix.TIOCSETD, 1, 0))...)
	p = append(p, onArgument(unix.SYS_PERSONALITY, 0, // ask, or give up the random layout
		jump(unix.BPF_JEQ, 0xffffffff, 1, 0), jump(unix.BPF_JSET, ^uint32(addrNoRandomize), 1, 0))...)
	fifo := []unix.SockFilter{{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: unix.S_IFMT}, jump(unix.BPF_JEQ, unix.S_IFIFO, 0, 1)}
	p = append(p, onArgument(unix.SYS_MKNODAT, 2, fifo...)...)
	if oldMknod != 0 {
		p = append(p, onArgument(oldMknod, 1, fifo...)...)
	}
	for _, r := range ranges(allowed()) {
		if r[0] == r[1] {
			p = append(p, jump(unix.BPF_JEQ, r[0], 0, 1), give(unix.SECCOMP_RET_ALLOW))
			continue
		}
		p = append(p, jump(unix.BPF_JGE, r[0], 0, 2), jump(unix.BPF_JGT, r[1], 1, 0), give(unix.SECCOMP_RET_ALLOW))
	}
	p = append(p, refuse(unix.EPERM))
	var b bytes.Buffer
	for _, i := range p {
		b.Write(binary.NativeEndian.AppendUint16(nil, i.Code))
		b.Write([]byte{i.Jt, i.Jf})
		b.Write(binary.NativeEndian.AppendUint32(nil, i.K))
	}
	return b.Bytes()
}

// allowed returns the numbers of the calls that jobs may make with any arguments.
// Not among them, besides what only root may do: namespaces and mounts, other
// processes' memory, keys, io_uring, performance events, user faults, what makes a
// socket one that others reach, message queues, memory without a file or a bound.
func allowed() []uint32 {
	return append(oldCalls(),
		// Descriptors.
		unix.SYS_READ, unix.SYS_WRITE, unix.SYS_READV, unix.SYS_WRITEV, unix.SYS_PREAD64, unix.SYS_PWRITE64,
		unix.SYS_PREADV, unix.SYS_PREADV2, unix.SYS_PWRITEV, unix.SYS_PWRITEV2, unix.SYS_LSEEK, unix.SYS_CLOSE,
		unix.SYS_CLOSE_RANGE, unix.SYS_DUP, unix.SYS_DUP3, unix.SYS_FCNTL, unix.SYS_FLOCK, unix.SYS_PIPE2,
		unix.SYS_SENDFILE, unix.SYS_SPLICE, unix.SYS_TEE, unix.SYS_VMSPLICE, unix.SYS_COPY_FILE_RANGE,
		// Files.
		unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_FACCESSAT, unix.SYS_FACCESSAT2, unix.SYS_FSTAT, unix.SYS_NEWFSTATAT,
		unix.SYS_STATX, unix.SYS_STATFS, unix.SYS_FSTATFS, unix.SYS_READLINKAT, unix.SYS_GETDENTS64, unix.SYS_GETCWD,
		unix.SYS_CHDIR, unix.SYS_FCHDIR, unix.SYS_MKDIRAT, unix.SYS_UNLINKAT, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2,
		unix.SYS_LINKAT, unix.SYS_SYMLINKAT, unix.SYS_FCHMOD, unix.SYS_FCHMODAT, unix.SYS_FCHMODAT2, unix.SYS_FCHOWN,
		unix.SYS_FCHOWNAT, unix.SYS_UTIMENSAT, unix.SYS_TRUNCATE, unix.SYS_FTRUNCATE, unix.SYS_FALLOCATE,
		unix.SYS_FADVISE64, unix.SYS_READAHEAD, unix.SYS_FSYNC, unix.SYS_FDATASYNC, unix.SYS_SYNC, unix.SYS_SYNCFS,
		unix.SYS_SYNC_FILE_RANGE, unix.SYS_UMASK,
		// Attributes; those of overlays cannot be reached by these.
		unix.SYS_GETXATTR, unix.SYS_LGETXATTR, unix.SYS_FGETXATTR, unix.SYS_SETXATTR, unix.SYS_LSETXATTR,
		unix.SYS_FSETXATTR, unix.SYS_LISTXATTR, unix.SYS_LLISTXATTR, unix.SYS_FLISTXATTR, unix.SYS_REMOVEXATTR,
		unix.SYS_LREMOVEXATTR, unix.SYS_FREMOVEXATTR,
		// Memory.
		unix.SYS_MMAP, unix.SYS_MUNMAP, unix.SYS_MREMAP, unix.SYS_MPROTECT, unix.SYS_MADVISE, unix.SYS_MSYNC,
		unix.SYS_MINCORE, unix.SYS_MLOCK, unix.SYS_MLOCK2, unix.SYS_MLOCKALL, unix.SYS_MUNLOCK, unix.SYS_MUNLOCKALL,
		unix.SYS_BRK, unix.SYS_MEMBARRIER, unix.SYS_PKEY_ALLOC, unix.SYS_PKEY_FREE, unix.SYS_PKEY_MPROTECT, unix.SYS_MSEAL,
		unix.SYS_MAP_SHADOW_STACK,
		// Processes and threads.
		unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_WAIT4, unix.SYS_WAITID,
		unix.SYS_SET_TID_ADDRESS, unix.SYS_SET_ROBUST_LIST, unix.SYS_GET_ROBUST_LIST, unix.SYS_RSEQ, unix.SYS_FUTEX,
		unix.SYS_FUTEX_WAITV, unix.SYS_FUTEX_WAIT, unix.SYS_FUTEX_WAKE, unix.SYS_FUTEX_REQUEUE,
		// Signals; the process namespace bounds them.
		unix.SYS_KILL, unix.SYS_TKILL, unix.SYS_TGKILL, unix.SYS_RT_SIGACTION, unix.SYS_RT_SIGPENDING,
		unix.SYS_RT_SIGPROCMASK, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_SIGRETURN, unix.SYS_RT_SIGSUSPEND,
		unix.SYS_RT_SIGTIMEDWAIT, unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_SIGALTSTACK, unix.SYS_SIGNALFD4,
		unix.SYS_RESTART_SYSCALL, unix.SYS_PIDFD_OPEN, unix.SYS_PIDFD_SEND_SIGNAL,
		// Identity, and giving up rights.
		unix.SYS_GETPID, unix.SYS_GETPPID, unix.SYS_GETTID, unix.SYS_GETUID, unix.SYS_GETEUID, unix.SYS_GETGID,
		unix.SYS_GETEGID, unix.SYS_GETRESUID, unix.SYS_GETRESGID, unix.SYS_GETGROUPS, unix.SYS_GETPGID, unix.SYS_SETPGID,
		unix.SYS_GETSID, unix.SYS_SETSID, unix.SYS_SETUID, unix.SYS_SETGID, unix.SYS_SETREUID, unix.SYS_SETREGID,
		unix.SYS_SETRESUID, unix.SYS_SETRESGID, unix.SYS_SETGROUPS, unix.SYS_SETFSUID, unix.SYS_SETFSGID, unix.SYS_CAPGET,
		unix.SYS_CAPSET, unix.SYS_PRCTL, unix.SYS_SECCOMP, unix.SYS_LANDLOCK_CREATE_RULESET, unix.SYS_LANDLOCK_ADD_RULE,
		unix.SYS_LANDLOCK_RESTRICT_SELF,
		// What the process may use.
		unix.SYS_GETRLIMIT, unix.SYS_SETRLIMIT, unix.SYS_PRLIMIT64, unix.SYS_GETRUSAGE, unix.SYS_GETPRIORITY,
		unix.SYS_SETPRIORITY, unix.SYS_IOPRIO_GET, unix.SYS_IOPRIO_SET, unix.SYS_SCHED_YIELD, unix.SYS_SCHED_GETAFFINITY,
		unix.SYS_SCHED_SETAFFINITY, unix.SYS_SCHED_GETATTR, unix.SYS_SCHED_SETATTR, unix.SYS_SCHED_GETPARAM,
		unix.SYS_SCHED_SETPARAM, unix.SYS_SCHED_GETSCHEDULER, unix.SYS_SCHED_SETSCHEDULER, unix.SYS_SCHED_GET_PRIORITY_MAX,
		unix.SYS_SCHED_GET_PRIORITY_MIN, unix.SYS_SCHED_RR_GET_INTERVAL, unix.SYS_GETCPU, unix.SYS_SYSINFO, unix.SYS_UNAME,
		unix.SYS_TIMES,
		// Time.
		unix.SYS_CLOCK_GETTIME, unix.SYS_CLOCK_GETRES, unix.SYS_CLOCK_NANOSLEEP, unix.SYS_NANOSLEEP, unix.SYS_GETTIMEOFDAY,
		unix.SYS_GETITIMER, unix.SYS_SETITIMER, unix.SYS_TIMER_CREATE, unix.SYS_TIMER_DELETE, unix.SYS_TIMER_GETOVERRUN,
		unix.SYS_TIMER_GETTIME, unix.SYS_TIMER_SETTIME, unix.SYS_TIMERFD_CREATE, unix.SYS_TIMERFD_GETTIME,
		unix.SYS_TIMERFD_SETTIME,
		// Waiting, and chance.
		unix.SYS_PPOLL, unix.SYS_PSELECT6, unix.SYS_EPOLL_CREATE1, unix.SYS_EPOLL_CTL, unix.SYS_EPOLL_PWAIT,
		unix.SYS_EPOLL_PWAIT2, unix.SYS_EVENTFD2, unix.SYS_INOTIFY_INIT1, unix.SYS_INOTIFY_ADD_WATCH,
		unix.SYS_INOTIFY_RM_WATCH, unix.SYS_GETRANDOM,
		// Unix sockets of a pair.
		unix.SYS_CONNECT, unix.SYS_SENDTO, unix.SYS_RECVFROM, unix.SYS_SENDMSG, unix.SYS_RECVMSG, unix.SYS_SENDMMSG,
		unix.SYS_RECVMMSG, unix.SYS_SHUTDOWN, unix.SYS_GETSOCKNAME, unix.SYS_GETPEERNAME, unix.SYS_GETSOCKOPT,
		unix.SYS_SETSOCKOPT,
	)
}

// ranges sorts the numbers and returns runs of them, first and last.
func ranges(numbers []uint32) [][2]uint32 {
	slices.Sort(numbers)
	var out [][2]uint32
	for _, n := range numbers {
		if last := len(out) - 1; last >= 0 && n <= out[last][1]+1 {
			out[last][1] = n
		} else {
			out = append(out, [2]uint32{n, n})
		}
	}
	return out
}

// onArgument allows the call nr if test, a jump, goes on behind it with 0, and
// refuses where it skips one more instruction: the tests look at the low half of
// an argument, which is all that the kernel takes of those asked for here.
func onArgument(nr uint32, argument int, tests ...unix.SockFilter) []unix.SockFilter {
	p := []unix.SockFilter{jump(unix.BPF_JEQ, nr, 0, uint8(len(tests)+3)), load(uint32(16 + 8*argument))}
	return append(append(p, tests...), give(unix.SECCOMP_RET_ALLOW), refuse(unix.EPERM))
}

// load takes a word of what the kernel tells of the call: at 0 its number, at 4
// the architecture, from 16 on the arguments, 8 bytes each.
func load(offset uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
}

// jump skips yes instructions where the word compares to k, no where it does not.
func jump(compare uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | compare | unix.BPF_K, K: k, Jt: yes, Jf: no}
}

func give(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}

func refuse(errno syscall.Errno) unix.SockFilter {
	return give(unix.SECCOMP_RET_ERRNO | uint32(errno))
}
