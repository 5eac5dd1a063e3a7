//go:build linux && (amd64 || arm64)

package watch

import "golang.org/x/sys/unix"

// Offsets into struct seccomp_data, on which the filter runs. Arguments are
// 64-bit and little-endian; a filter loads 32 bits at a time.
const (
	offNr   = 0
	offArch = 4
	offArgs = 16
)

func argLow(n int8) uint32  { return offArgs + 8*uint32(n) }
func argHigh(n int8) uint32 { return argLow(n) + 4 }

// cookieArg is an argument that execve(2) does not have. The kernel ignores it
// and the filter sees it: the first execve, of the child that the watcher itself
// forked, carries the cookie there and is let through. Nobody could answer for
// it: in a Go process a vforked child that waits for an answer holds up its
// parent's thread, for which a collection waits, for which the answer waits.
const cookieArg = 5

// filter returns the program that notifies the listener of calls, marks foreign
// interfaces, and lets all else through. The kernel remembers the numbers that
// are let through whatever the arguments, and runs no filter for them.
func filter(class Class, cookie uint64) []unix.SockFilter {
	foreign := []unix.SockFilter{load(offNr)}
	for _, nr := range foreignCalls() {
		foreign = append(foreign, notifyIf(nr)...)
	}
	foreign = append(foreign, give(unix.SECCOMP_RET_ALLOW))

	calls := calls(class)
	p := make([]unix.SockFilter, 0, 3*len(calls)+len(foreign))
	p = append(p, load(offArch), jumpIf(unix.BPF_JEQ, nativeArch, uint8(len(foreign)), 0))
	p = append(p, foreign...)
	p = append(p, load(offNr))
	if firstForeignCall != 0 {
		p = append(p, jumpIf(unix.BPF_JGE, firstForeignCall, 0, 1), give(unix.SECCOMP_RET_USER_NOTIF))
	}
	for _, c := range calls {
		switch {
		case c.nr == unix.SYS_EXECVE:
			p = append(p, letFirstThrough(c, cookie)...)
		case c.nr == unix.SYS_NEWFSTATAT || c.nr == unix.SYS_STATX:
			p = append(p, letFstatThrough(c)...)
		case c.do == doOpen && class == Opens:
			p = append(p, letDirectoriesThrough(c)...)
		case c.do == doReadlink && class == Direct:
			p = append(p, letRealpathThrough(c)...)
		default:
			p = append(p, notifyIf(c.nr)...)
		}
	}
	return append(p, give(unix.SECCOMP_RET_ALLOW))
}

// letFirstThrough notifies of the call unless it carries the cookie.
func letFirstThrough(c call, cookie uint64) []unix.SockFilter {
	return []unix.SockFilter{
		jumpIf(unix.BPF_JEQ, c.nr, 0, 6),
		load(argLow(cookieArg)), jumpIf(unix.BPF_JEQ, uint32(cookie), 0, 3),
		load(argHigh(cookieArg)), jumpIf(unix.BPF_JEQ, uint32(cookie>>32), 0, 1),
		give(unix.SECCOMP_RET_ALLOW),
		give(unix.SECCOMP_RET_USER_NOTIF),
	}
}

// letFstatThrough spares the reports of fstat(2), which C libraries and Rust
// spell as a stat of "" relative to the descriptor with AT_EMPTY_PATH alone.
// They are a third to a half of all stats of a compiler. A filter cannot see
// that the path is empty; see the package comment.
func letFstatThrough(c call) []unix.SockFilter {
	cwd := int32(unix.AT_FDCWD)
	return []unix.SockFilter{
		jumpIf(unix.BPF_JEQ, c.nr, 0, 6),
		load(argLow(c.flags)), jumpIf(unix.BPF_JEQ, unix.AT_EMPTY_PATH, 0, 3),
		load(argLow(c.dir)), jumpIf(unix.BPF_JEQ, uint32(cwd), 1, 0),
		give(unix.SECCOMP_RET_ALLOW),
		give(unix.SECCOMP_RET_USER_NOTIF),
	}
}

// letDirectoriesThrough spares the reports of opendir(3), which are no news in a
// class without probes: who lists the directory is reported for that.
func letDirectoriesThrough(c call) []unix.SockFilter {
	const makes = unix.O_ACCMODE | unix.O_CREAT | unix.O_TRUNC // and with O_TMPFILE, which has O_DIRECTORY in it
	return []unix.SockFilter{
		jumpIf(unix.BPF_JEQ, c.nr, 0, 5),
		load(argLow(c.flags)), jumpIf(unix.BPF_JSET, makes, 2, 0),
		jumpIf(unix.BPF_JSET, unix.O_DIRECTORY, 0, 1),
		give(unix.SECCOMP_RET_ALLOW),
		give(unix.SECCOMP_RET_USER_NOTIF),
	}
}

// realpathBuffer is the size with which realpath(3) of the GNU C library, from
// 2.33 on, asks for the target of a link: a buffer of 1 KiB less the NUL. Others
// are not told from who wants the link for its own sake, and reported.
const realpathBuffer = 1023

func letRealpathThrough(c call) []unix.SockFilter {
	return []unix.SockFilter{
		jumpIf(unix.BPF_JEQ, c.nr, 0, 4),
		load(argLow(c.size)), jumpIf(unix.BPF_JEQ, realpathBuffer, 0, 1),
		give(unix.SECCOMP_RET_ALLOW),
		give(unix.SECCOMP_RET_USER_NOTIF),
	}
}

func notifyIf(nr uint32) []unix.SockFilter {
	return []unix.SockFilter{jumpIf(unix.BPF_JEQ, nr, 0, 1), give(unix.SECCOMP_RET_USER_NOTIF)}
}

func load(off uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: off}
}

// jumpIf skips yes instructions where the loaded word compares to k, no where
// it does not.
func jumpIf(compare uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | compare | unix.BPF_K, K: k, Jt: yes, Jf: no}
}

func give(action uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: action}
}
