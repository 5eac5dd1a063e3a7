//go:build linux

package watch

import "golang.org/x/sys/unix"

const (
	nativeArch = unix.AUDIT_ARCH_X86_64
	// Numbers from here on belong to the x32 interface, which has the same
	// architecture and other layouts.
	firstForeignCall = 0x40000000
	nativeMachine    = 62 // EM_X86_64
	addressMask      = ^uint64(0)
)

// oldCalls are those that newer architectures leave out.
func oldCalls() []call {
	const cwd = none
	return []call{
		{nr: unix.SYS_OPEN, do: doOpen, dir: cwd, path: 0, flags: 1},
		{nr: unix.SYS_CREAT, do: doCreat, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_GETDENTS, do: doList, dir: 0, path: none, flags: none},
		{nr: unix.SYS_RENAME, do: doRename, dir: cwd, path: 0, dir2: cwd, path2: 1, flags: none},
		{nr: unix.SYS_LINK, do: doLink, dir: cwd, path: 0, dir2: cwd, path2: 1, flags: none},
		{nr: unix.SYS_SYMLINK, do: doSymlink, dir: cwd, path: 1, flags: none},
		{nr: unix.SYS_MKDIR, do: doMkdir, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_MKNOD, do: doMake, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_UNLINK, do: doRemove, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_RMDIR, do: doRemove, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_STAT, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_LSTAT, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none, nofollow: true},
		{nr: unix.SYS_ACCESS, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_READLINK, class: Direct, do: doReadlink, dir: cwd, path: 0, flags: none, size: 2},
		{nr: unix.SYS_CHMOD, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_CHOWN, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_LCHOWN, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none, nofollow: true},
		{nr: unix.SYS_UTIME, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_UTIMES, class: Direct, do: doProbe, dir: cwd, path: 0, flags: none},
		{nr: unix.SYS_FUTIMESAT, class: Direct, do: doProbe, dir: 0, path: 1, flags: none},
	}
}

// foreignCalls are numbers of the i386 interface. Each program that looks at a
// file makes one of them, or brk when it starts, so none of that kind goes
// unnoticed; the rest is let through because a report of each would be slow.
func foreignCalls() []uint32 {
	return []uint32{
		5, 8, 11, 33, 45, 85, // open, creat, execve, access, brk, readlink
		106, 107, 195, 196, // stat, lstat, stat64, lstat64
		295, 300, 305, 307, 358, 383, 437, 439, // openat, fstatat64, readlinkat, faccessat, execveat, statx, openat2, faccessat2
		102, 342, 359, 362, 425, // socketcall, open_by_handle_at, socket, connect, io_uring_setup
	}
}
