//go:build linux && (amd64 || arm64)

package watch

import (
	"bytes"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	pathMax  = unix.PathMax // with the NUL
	pageSize = 4096         // the smallest there is: a read within one never fails halfway
)

const withoutName = "a path is relative to a directory without a name"

// pathBuf holds a path that a call names, made absolute. The byte before it is
// for the Op, so that a path is found in the report's index without a copy.
type pathBuf struct {
	b   [1 + 2*pathMax + 16]byte
	n   int   // length of the path, which a NUL follows
	dir int32 // what it was relative to,
	rel int   // and where that part of it ends
}

func (p *pathBuf) path() []byte { return p.b[1 : 1+p.n] }

func (p *pathBuf) key(op Op) []byte {
	p.b[0] = byte(op)
	return p.b[:1+p.n]
}

// add appends to the path; what does not fit is dropped together with the path,
// which no call can have then.
func (p *pathBuf) add(part []byte) {
	if p.n+len(part) > len(p.b)-2 {
		p.n = 0
		return
	}
	p.n += copy(p.b[1+p.n:], part)
	p.b[1+p.n] = 0
}

func (p *pathBuf) set(path []byte) {
	p.n = 0
	p.add(path)
}

// dirArg returns the descriptor that argument i is, that of the working directory
// where there is no such argument.
func (s *server) dirArg(i int8) int32 {
	if i == none {
		return unix.AT_FDCWD
	}
	return int32(s.n.args[i])
}

// readPath reads the path that argument i points to and makes it absolute. It
// returns false where the call will fail without looking at a file, and where
// the path cannot be known; then the report is incomplete.
func (s *server) readPath(to *pathBuf, dir, i int8) bool {
	raw, ok := s.readString(s.n.args[i])
	if !ok || len(raw) == 0 {
		return false
	}
	return s.makeAbsolute(to, s.dirArg(dir), raw)
}

func (s *server) makeAbsolute(to *pathBuf, dir int32, raw []byte) bool {
	to.n, to.rel = 0, 0
	if raw[0] != '/' {
		if !s.readDir(to, dir) {
			return false
		}
		if to.n > 1 {
			to.add([]byte{'/'})
		}
		to.dir, to.rel = dir, to.n
	}
	to.add(raw)
	if link, n := processLink(to.path()); n > 0 && n < to.n {
		return s.goThrough(to, link, n)
	}
	return to.n > 0
}

// goThrough replaces the link that the first n bytes of the path are: what comes
// after it is a file like others.
func (s *server) goThrough(to *pathBuf, link string, n int) bool {
	rest := append([]byte(nil), to.path()[n:]...)
	if s.readThrough(to, link, rest) {
		return true
	}
	if to.n > 0 {
		s.incomplete(withoutName)
	}
	return false
}

// readThrough puts what rest means below the link.
func (s *server) readThrough(to *pathBuf, link string, rest []byte) bool {
	if !s.readLink(to, link) || !to.named() {
		return false
	}
	to.add(rest)
	return to.n > 0
}

// readString reads a string of less than PATH_MAX bytes from the calling thread.
func (s *server) readString(addr uint64) ([]byte, bool) {
	addr &= addressMask
	for n := 0; n < len(s.raw); {
		want := min(pageSize-int(addr%pageSize), len(s.raw)-n)
		got, e := s.readMemory(addr, s.raw[n:n+want])
		if e != 0 {
			return nil, false
		}
		if end := bytes.IndexByte(s.raw[n:n+got], 0); end >= 0 {
			return s.raw[:n+end], true
		}
		n += got
		addr += uint64(got)
	}
	return nil, false
}

// readMemory reads from the calling thread. EFAULT is what the call itself will
// meet; ESRCH means that the thread has gone.
func (s *server) readMemory(addr uint64, to []byte) (int, syscall.Errno) {
	local := unix.Iovec{Base: &to[0]}
	local.SetLen(len(to))
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(to)}
	n, _, e := unix.RawSyscall6(unix.SYS_PROCESS_VM_READV, uintptr(s.n.pid),
		uintptr(unsafe.Pointer(&local)), 1, uintptr(unsafe.Pointer(&remote)), 1, 0)
	if e != 0 && e != unix.EFAULT && (e != unix.ESRCH || s.n.pid == 0) {
		s.incomplete("memory of a process cannot be read: " + e.Error())
	}
	return int(n), e
}

// readDir puts the path of the working directory or of a descriptor.
func (s *server) readDir(to *pathBuf, dir int32) bool {
	if !s.readLink(to, linkOf(dir)) {
		return false
	}
	if !to.named() {
		s.incomplete(withoutName)
		return false
	}
	return true
}

// linkOf returns the name below /proc/<thread>/ of a link to what dir stands for.
func linkOf(dir int32) string {
	if dir == unix.AT_FDCWD {
		return "cwd"
	}
	return "fd/" + strconv.Itoa(int(dir))
}

// readLink puts the target of a link below /proc/<thread>/: a path, or a name
// such as "pipe:[1]". It returns false where there is no such link.
func (s *server) readLink(to *pathBuf, link string) bool {
	name := append(s.procName(link), 0)
	to.n, to.rel = 0, 0
	n, _, e := unix.RawSyscall6(unix.SYS_READLINKAT, atFDCWD,
		uintptr(unsafe.Pointer(&name[0])), uintptr(unsafe.Pointer(&to.b[1])), pathMax, 0, 0)
	if e != 0 {
		if e != unix.ENOENT { // no such descriptor, or the thread has gone
			s.incomplete("descriptors of a process cannot be read: " + e.Error())
		}
		return false
	}
	to.n = int(n)
	to.b[1+to.n] = 0
	return true
}

// named reports whether what readLink put is a path that leads somewhere.
func (p *pathBuf) named() bool {
	return p.b[1] == '/' && !bytes.HasSuffix(p.path(), []byte(" (deleted)"))
}

// procName returns "/proc/<calling thread>/<rest>" without a NUL, in s.proc.
func (s *server) procName(rest string) []byte {
	p := append(s.proc[:0], "/proc/"...)
	p = strconv.AppendUint(p, uint64(s.n.pid), 10)
	p = append(p, '/')
	return append(p, rest...)
}

// follow replaces a name that means something else to each process by the path
// that it leads to, as in /dev/fd/3/x or /proc/self/exe. It returns false where
// that has no name, like a pipe or an unlinked file.
func (s *server) follow(p *pathBuf) bool {
	link, n := processLink(p.path())
	if n == 0 {
		return true
	}
	return s.readThrough(p, link, append([]byte(nil), p.path()[n:]...))
}

// processLink tells which link below /proc/<thread>/ the first n bytes of path
// are; n is 0 where they are none.
func processLink(path []byte) (link string, n int) {
	if !bytes.HasPrefix(path, []byte("/dev/")) && !bytes.HasPrefix(path, []byte("/proc/")) {
		return "", 0
	}
	for i, name := range [...]string{"/dev/stdin", "/dev/stdout", "/dev/stderr"} {
		if string(path) == name {
			return linkOf(int32(i)), len(path)
		}
	}
	for _, before := range [...]string{"/dev/", "/proc/self/", "/proc/thread-self/"} {
		rest, ok := bytes.CutPrefix(path, []byte(before))
		if !ok {
			continue
		}
		start := len(before)
		prefix := ""
		if thread := threadDir(rest); before == "/proc/self/" && thread > 0 {
			prefix, start, rest = string(rest[:thread]), start+thread, rest[thread:]
		}
		first, rest, _ := bytes.Cut(rest, []byte{'/'})
		switch string(first) {
		case "exe", "cwd", "root":
			if before != "/dev/" {
				return prefix + string(first), start + len(first)
			}
		case "fd":
			number, _, _ := bytes.Cut(rest, []byte{'/'})
			if fd, err := strconv.ParseUint(string(number), 10, 31); err == nil {
				return prefix + linkOf(int32(fd)), start + len("fd/") + len(number)
			}
		}
	}
	return "", 0
}

// threadDir returns the length of "task/<number>/" at the beginning of path, 0
// where there is none.
func threadDir(path []byte) int {
	rest, ok := bytes.CutPrefix(path, []byte("task/"))
	number, _, more := bytes.Cut(rest, []byte{'/'})
	if _, err := strconv.ParseUint(string(number), 10, 31); !ok || !more || err != nil {
		return 0
	}
	return len("task/") + len(number) + 1
}

// atFDCWD is AT_FDCWD as an argument.
const atFDCWD = ^uintptr(99)

// stat looks at what the call is about to look at. It works by path, so a file
// that another process puts there between this look and the call's own is
// reported as it was a moment before; the package comment says why that is right.
func (s *server) stat(p *pathBuf, nofollow bool) syscall.Errno {
	flags := uintptr(0)
	if nofollow {
		flags = unix.AT_SYMLINK_NOFOLLOW
	}
	switch {
	case p.n >= pathMax:
		return s.statBelow(p, flags)
	case bytes.HasPrefix(p.path(), []byte("/proc/")):
		for _, self := range [...]string{"/proc/self/", "/proc/thread-self/"} {
			if rest, ok := bytes.CutPrefix(p.path(), []byte(self)); ok {
				name := append(s.procName(string(rest)), 0)
				return s.fstatat(atFDCWD, &name[0], flags)
			}
		}
	}
	return s.fstatat(atFDCWD, &p.b[1], flags)
}

// statParent looks at the directory that p's last name is in.
func (s *server) statParent(p *pathBuf) syscall.Errno {
	path := bytes.TrimRight(p.path(), "/")
	cut := bytes.LastIndexByte(path, '/') + 1 // with the slash: the root has no other name
	if cut == 0 || cut >= pathMax {
		return unix.ENAMETOOLONG
	}
	at := &p.b[1+cut]
	keep := *at
	*at = 0
	e := s.fstatat(atFDCWD, &p.b[1], 0)
	*at = keep
	return e
}

// statBelow serves relative paths that are too long once they are absolute.
func (s *server) statBelow(p *pathBuf, flags uintptr) syscall.Errno {
	name := append(s.procName(linkOf(p.dir)), 0)
	dir, _, e := unix.RawSyscall6(unix.SYS_OPENAT, atFDCWD, uintptr(unsafe.Pointer(&name[0])), unix.O_PATH|unix.O_CLOEXEC, 0, 0, 0)
	if e != 0 {
		return e
	}
	e = s.fstatat(dir, &p.b[1+p.rel], flags)
	unix.RawSyscall(unix.SYS_CLOSE, dir, 0, 0)
	return e
}

func (s *server) fstatat(dir uintptr, path *byte, flags uintptr) syscall.Errno {
	_, _, e := unix.RawSyscall6(unix.SYS_NEWFSTATAT, dir, uintptr(unsafe.Pointer(path)), uintptr(unsafe.Pointer(&s.st)), flags, 0, 0)
	return e
}
