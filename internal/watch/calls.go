//go:build linux && (amd64 || arm64)

package watch

import "golang.org/x/sys/unix"

// call says how a system call is laid out and what is made of it. Fields are
// numbers of arguments, none where the call has no such argument (a path
// without a descriptor is relative to the working directory).
type call struct {
	nr          uint32
	class       Class // the narrowest that reports it; the zero Class: each
	do          deed
	dir, path   int8
	dir2, path2 int8 // second path of a rename or a link
	flags       int8 // of the open(2) kind for opens, of the AT_ kind else
	size        int8 // of the buffer for a link's target
	nofollow    bool // the call never follows a symbolic link at the path's end
	hides       string
}

const none = -1

type deed uint8

const (
	doHide deed = iota // can read what is not reported: call.hides says how
	doOpen
	doOpen2 // flags point to a struct open_how
	doCreat
	doExec
	doList // dir is the descriptor
	doRename
	doLink
	doSymlink
	doMkdir
	doMake // a file that is no directory
	doRemove
	doTruncate
	doProbe
	doReadlink
	doSocket
	doConnect
)

// calls returns every call that the class reports, the frequent ones first: the
// filter tries them in this order.
func calls(class Class) []call {
	const cwd = none
	all := append([]call{
		{nr: unix.SYS_OPENAT, do: doOpen, dir: 0, path: 1, flags: 2},
		{nr: unix.SYS_NEWFSTATAT, class: Direct, do: doProbe, dir: 0, path: 1, flags: 3},
		{nr: unix.SYS_STATX, class: Direct, do: doProbe, dir: 0, path: 1, flags: 2},
		{nr: unix.SYS_FACCESSAT, class: Direct, do: doProbe, dir: 0, path: 1, flags: none},
		{nr: unix.SYS_FACCESSAT2, class: Direct, do: doProbe, dir: 0, path: 1, flags: 3},
		{nr: unix.SYS_READLINKAT, class: Direct, do: doReadlink, dir: 0, path: 1, flags: none, size: 3},
		{nr: unix.SYS_GETDENTS64, do: doList, dir: 0, path: none, flags: none},
		{nr: unix.SYS_EXECVE, do: doExec, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_EXECVEAT, do: doExec, dir: 0, path: 1, flags: 4},
		{nr: unix.SYS_OPENAT2, do: doOpen2, dir: 0, path: 1, flags: 2},
		{nr: unix.SYS_RENAMEAT, do: doRename, dir: 0, path: 1, dir2: 2, path2: 3, flags: none},
		{nr: unix.SYS_RENAMEAT2, do: doRename, dir: 0, path: 1, dir2: 2, path2: 3, flags: 4},
		{nr: unix.SYS_LINKAT, do: doLink, dir: 0, path: 1, dir2: 2, path2: 3, flags: 4},
		{nr: unix.SYS_SYMLINKAT, do: doSymlink, dir: 1, path: 2, flags: none},
		{nr: unix.SYS_MKDIRAT, do: doMkdir, dir: 0, path: 1, flags: none},
		{nr: unix.SYS_MKNODAT, do: doMake, dir: 0, path: 1, flags: none},
		{nr: unix.SYS_UNLINKAT, do: doRemove, dir: 0, path: 1, flags: none},
		{nr: unix.SYS_TRUNCATE, do: doTruncate, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_SOCKET, do: doSocket, dir: none, path: none, flags: none},
		{nr: unix.SYS_CONNECT, do: doConnect, dir: none, path: none, flags: none},
		{nr: unix.SYS_CHDIR, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_STATFS, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_GETXATTR, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_LGETXATTR, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none, nofollow: true},
		{nr: unix.SYS_LISTXATTR, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_LLISTXATTR, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none, nofollow: true},
		{nr: unix.SYS_GETXATTRAT, class: Direct, do: doProbe, dir: 0, path: 1, flags: 2},
		{nr: unix.SYS_LISTXATTRAT, class: Direct, do: doProbe, dir: 0, path: 1, flags: 2},
		{nr: unix.SYS_FILE_GETATTR, class: Direct, do: doProbe, dir: 0, path: 1, flags: 4},
		{nr: unix.SYS_NAME_TO_HANDLE_AT, class: Direct, do: doProbe, dir: 0, path: 1, flags: 4},
		{nr: unix.SYS_INOTIFY_ADD_WATCH, class: Direct, do: doProbe, dir: cwd, path: 1, flags: none},
		{nr: unix.SYS_FCHMODAT, class: Direct, do: doProbe, dir: 0, path: 1, flags: none},
		{nr: unix.SYS_FCHMODAT2, class: Direct, do: doProbe, dir: 0, path: 1, flags: 3},
		{nr: unix.SYS_FCHOWNAT, class: Direct, do: doProbe, dir: 0, path: 1, flags: 4},
		{nr: unix.SYS_UTIMENSAT, class: Direct, do: doProbe, dir: 0, path: 1, flags: 3},
		{nr: unix.SYS_SETXATTR, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_LSETXATTR, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none, nofollow: true},
		{nr: unix.SYS_REMOVEXATTR, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_LREMOVEXATTR, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none, nofollow: true},
		{nr: unix.SYS_SETXATTRAT, class: Direct, do: doProbe, dir: 0, path: 1, flags: 2},
		{nr: unix.SYS_REMOVEXATTRAT, class: Direct, do: doProbe, dir: 0, path: 1, flags: 2},
	}, oldCalls()...)
	out := hidingCalls()
	for i := range out {
		out[i].dir, out[i].path, out[i].flags = none, none, none
	}
	kept := all[:0]
	for _, c := range all {
		if c.class <= class {
			kept = append(kept, c)
		}
	}
	return append(kept, out...)
}

// hidingCalls are those through which content, or another view of the file
// system, may reach a process without a report.
func hidingCalls() []call {
	const (
		view   = "changes its view of the file system"
		memory = "reads the memory or descriptors of another process"
		shared = "uses shared memory or message queues"
	)
	return []call{
		{nr: unix.SYS_IO_URING_SETUP, hides: "uses io_uring"},
		{nr: unix.SYS_OPEN_BY_HANDLE_AT, hides: "opens files by handle"},
		{nr: unix.SYS_BIND, hides: "waits for connections on a socket"},
		{nr: unix.SYS_CHROOT, hides: view},
		{nr: unix.SYS_PIVOT_ROOT, hides: view},
		{nr: unix.SYS_SETNS, hides: view},
		{nr: unix.SYS_MOUNT, hides: view},
		{nr: unix.SYS_UMOUNT2, hides: view},
		{nr: unix.SYS_MOVE_MOUNT, hides: view},
		{nr: unix.SYS_MOUNT_SETATTR, hides: view},
		{nr: unix.SYS_OPEN_TREE, hides: view},
		{nr: unix.SYS_OPEN_TREE_ATTR, hides: view},
		{nr: unix.SYS_FSOPEN, hides: view},
		{nr: unix.SYS_FSPICK, hides: view},
		{nr: unix.SYS_PTRACE, hides: memory},
		{nr: unix.SYS_PROCESS_VM_READV, hides: memory},
		{nr: unix.SYS_PIDFD_GETFD, hides: memory},
		{nr: unix.SYS_SHMGET, hides: shared},
		{nr: unix.SYS_SHMAT, hides: shared}, // of an id that somebody else told
		{nr: unix.SYS_MSGGET, hides: shared},
		{nr: unix.SYS_MSGRCV, hides: shared},
		{nr: unix.SYS_SEMGET, hides: shared},
		{nr: unix.SYS_MQ_OPEN, hides: shared},
		{nr: unix.SYS_KEYCTL, hides: "uses the kernel's key rings"},
		{nr: unix.SYS_FANOTIFY_INIT, hides: "gets files that others open"},
		{nr: unix.SYS_BPF, hides: "loads programs into the kernel"},
	}
}
