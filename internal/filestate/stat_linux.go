package filestate

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// ID is the identity of a file's content: while a file's ID stays, its content
// does (see the package's comment for the one exception and its cure).
type ID struct {
	Dev, Ino     uint64
	Size         int64
	Mtime, Ctime int64 // nanoseconds since 1970
	Mode         uint32
}

func (id ID) isDir() bool     { return id.Mode&unix.S_IFMT == unix.S_IFDIR }
func (id ID) isLink() bool    { return id.Mode&unix.S_IFMT == unix.S_IFLNK }
func (id ID) isRegular() bool { return id.Mode&unix.S_IFMT == unix.S_IFREG }

// Executable reports whether anybody may execute the file.
func (id ID) Executable() bool { return id.Mode&0o111 != 0 }

// cpath is a path with the NUL byte that the kernel wants at its end, so that a
// hit makes no copy of each of its paths.
type cpath string

func makeCPath(p string) cpath { return cpath(p + "\x00") }

func (c cpath) String() string { return string(c[:len(c)-1]) }

// stat returns the ID of what c leads to; with nofollow, of c itself.
func stat(c cpath, nofollow bool) (ID, error) {
	var st unix.Stat_t
	flags := 0
	if nofollow {
		flags = unix.AT_SYMLINK_NOFOLLOW
	}
	for {
		_, _, errno := unix.Syscall6(unix.SYS_NEWFSTATAT, atFdCwd, uintptr(unsafe.Pointer(unsafe.StringData(string(c)))),
			uintptr(unsafe.Pointer(&st)), uintptr(flags), 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return ID{}, errno
		}
		return idOf(&st), nil
	}
}

// Stat returns the ID of what p leads to.
func Stat(p string) (ID, error) { return stat(makeCPath(p), false) }

// StatLink returns the ID of what lies at p itself, a symbolic link perhaps.
func StatLink(p string) (ID, error) { return stat(makeCPath(p), true) }

// atFdCwd is AT_FDCWD as a system call's argument.
const atFdCwd = ^uintptr(99)

func idOf(st *unix.Stat_t) ID {
	return ID{
		Dev: st.Dev, Ino: st.Ino, Size: st.Size, Mode: st.Mode,
		Mtime: st.Mtim.Nano(), Ctime: st.Ctim.Nano(),
	}
}

// isAbsent reports whether err says that nothing lies at a path, or that we, and
// so our compilers, may not know: the directory's mode is part of its identity.
func isAbsent(err error) bool {
	return err == unix.ENOENT || err == unix.ENOTDIR || err == unix.EACCES
}
