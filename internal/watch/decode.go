//go:build linux && (amd64 || arm64)

package watch

import (
	"bytes"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// finding becomes an event, and changes what is known of the tree, once the
// call has been let go.
type finding struct {
	op    Op
	path  *pathBuf
	own   bool
	errno syscall.Errno
	mode  uint32
	then  effect
	inode inode
	ctime unix.Timespec
}

type effect uint8

const (
	nothing   effect = iota
	makes            // a file where none was
	makesLink        // likewise, a symbolic link
	empties
	adopts // what moves or is linked: read so far as the tree is concerned
	frees  // the path
	drops  // the inode, whose last name goes
	starts // a program, which has interpreters
)

// decode finds out what the received call is about to look at. A fault of ours
// must not end the compile, so it only costs the report.
func (s *server) decode() {
	defer func() {
		if recover() != nil {
			s.found = s.found[:0]
			s.incomplete("the watcher failed")
		}
	}()
	nr := uint32(s.n.nr)
	if s.n.arch != nativeArch || nr >= uint32(len(s.table)) || s.table[nr] == 0 {
		s.incomplete("a program uses another system call interface")
		return
	}
	c := &s.calls[s.table[nr]-1]
	p := &s.paths[0]
	switch c.do {
	case doHide:
		s.incomplete("a process " + c.hides)
		return
	case doSocket:
		s.socket()
		return
	case doConnect:
		s.connect(p)
		return
	case doList:
		if s.readLink(p, linkOf(s.dirArg(c.dir))) && p.named() {
			s.lookAt(p, List, false)
		}
		return
	}
	if !s.readPath(p, c.dir, c.path) {
		if c.do == doExec || c.do == doLink {
			s.emptyPath(p, c)
		}
		return
	}
	s.decodePath(p, c)
}

// decodePath goes on with a call whose first path is in p.
func (s *server) decodePath(p *pathBuf, c *call) {
	switch c.do {
	case doOpen:
		s.open(p, s.n.args[c.flags])
	case doOpen2:
		s.open2(p, s.n.args[c.flags])
	case doCreat:
		s.open(p, unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC)
	case doExec:
		s.exec(p)
	case doRename:
		s.rename(p, c)
	case doLink:
		s.link(p, c)
	case doSymlink:
		s.make(p, makesLink)
	case doMkdir, doMake:
		s.make(p, makes)
	case doRemove:
		s.remove(p)
	case doTruncate:
		s.learn()
		s.write(p, unix.O_WRONLY)
	case doProbe:
		nofollow := c.nofollow || c.flags != none && s.n.args[c.flags]&unix.AT_SYMLINK_NOFOLLOW != 0
		s.lookAt(p, Probe, nofollow)
	case doReadlink:
		s.lookAt(p, Link, true)
	}
}

// lookAt finds out what a call that changes nothing is about to see, unless the
// report has it already.
func (s *server) lookAt(p *pathBuf, op Op, nofollow bool) {
	if s.knows(p, op) {
		return
	}
	s.learn()
	e := s.stat(p, nofollow)
	s.find(p, op, e, nothing)
}

// find notes what stat just found at p.
func (s *server) find(p *pathBuf, op Op, e syscall.Errno, then effect) {
	f := finding{op: op, path: p, own: s.ownNow(p, e == 0), errno: e, then: then}
	if e == 0 {
		f.mode, f.inode, f.ctime = s.st.Mode, inodeOf(&s.st), s.st.Ctim
	}
	s.found = append(s.found, f)
}

func (s *server) open(p *pathBuf, flags uint64) {
	if flags&unix.O_PATH == 0 && !s.follow(p) {
		return
	}
	nofollow := flags&unix.O_NOFOLLOW != 0
	switch {
	case flags&unix.O_PATH != 0:
		s.lookAt(p, Probe, nofollow)
	case flags&unix.O_ACCMODE != unix.O_RDONLY || flags&(unix.O_CREAT|unix.O_TRUNC) != 0:
		s.learn()
		s.write(p, flags)
	case !s.knows(p, Read):
		s.learn()
		e := s.stat(p, nofollow)
		op := Read
		if e == 0 && (isDir(s.st.Mode) || flags&unix.O_DIRECTORY != 0) {
			op = Probe
		}
		s.find(p, op, e, nothing)
	}
}

// write notes an open for writing, or one that may make or empty the file. With
// O_TMPFILE it is one of a directory; the file has no name.
func (s *server) write(p *pathBuf, flags uint64) {
	const exclusive = unix.O_CREAT | unix.O_EXCL
	e := s.stat(p, flags&exclusive == exclusive || flags&unix.O_NOFOLLOW != 0)
	access := flags & unix.O_ACCMODE
	switch {
	case flags&unix.O_CREAT != 0 && s.canMake(p, e):
		s.find(p, Write, e, makes)
	case e != 0, flags&exclusive == exclusive, isDir(s.st.Mode):
		s.find(p, Probe, e, nothing)
	case flags&unix.O_TRUNC != 0 && isRegular(s.st.Mode):
		s.find(p, Write, e, empties)
	case access == unix.O_RDONLY:
		s.find(p, Read, e, nothing)
	default:
		if access == unix.O_RDWR || isRegular(s.st.Mode) {
			s.find(p, Read, e, nothing) // old content stays, and so is a part of the new
		}
		s.find(p, Write, e, nothing)
	}
}

func (s *server) open2(p *pathBuf, how uint64) {
	var h unix.OpenHow
	b := unsafe.Slice((*byte)(unsafe.Pointer(&h)), unsafe.Sizeof(h))
	if n, e := s.readMemory(how&addressMask, b); e != 0 || n != len(b) {
		return
	}
	if h.Resolve&unix.RESOLVE_IN_ROOT != 0 {
		s.incomplete("a process opens files below a root of its own")
	}
	s.open(p, h.Flags)
}

func (s *server) exec(p *pathBuf) {
	if !s.follow(p) {
		s.incomplete("a process starts a program without a name")
		return
	}
	if s.knows(p, Exec) {
		return
	}
	s.learn()
	e := s.stat(p, false)
	s.find(p, Exec, e, starts)
}

// emptyPath serves the calls that may name a descriptor alone: fexecve(3), and
// linkat of a file without a name, which the tree itself made.
func (s *server) emptyPath(p *pathBuf, c *call) {
	if c.flags == none || s.n.args[c.flags]&unix.AT_EMPTY_PATH == 0 {
		return
	}
	p.set([]byte("/proc/self/" + linkOf(s.dirArg(c.dir))))
	if c.do == doExec {
		s.exec(p)
	} else {
		s.link(p, c)
	}
}

func (s *server) rename(p *pathBuf, c *call) {
	to := &s.paths[1]
	if !s.readPath(to, c.dir2, c.path2) {
		return
	}
	s.learn()
	if !s.moves(p, frees) {
		return
	}
	e := s.stat(to, true)
	exchange := c.flags != none && s.n.args[c.flags]&unix.RENAME_EXCHANGE != 0
	switch {
	case exchange && e == 0:
		s.moves(to, nothing)
		s.find(to, Write, e, nothing)
	case e == 0 && lastName(&s.st):
		s.find(to, Write, e, drops)
	default:
		s.find(to, Write, e, nothing)
	}
}

// moves notes that the content of p comes to be elsewhere, and returns false
// where there is nothing to move.
func (s *server) moves(p *pathBuf, then effect) bool {
	e := s.stat(p, true)
	if e != 0 {
		s.find(p, Probe, e, nothing)
		return false
	}
	if !s.ownNow(p, true) {
		if isDir(s.st.Mode) {
			s.incomplete("a process moves a directory that was there before")
		}
		s.find(p, Read, e, adopts)
	}
	if then != nothing {
		s.find(p, Remove, e, then)
	}
	return true
}

func (s *server) link(p *pathBuf, c *call) {
	to := &s.paths[1]
	if !s.readPath(to, c.dir2, c.path2) {
		return
	}
	s.learn()
	if s.follow(p) && !s.moves(p, nothing) {
		return
	}
	s.make(to, makes)
}

// make notes a call that makes p, or fails where p is there.
func (s *server) make(p *pathBuf, then effect) {
	s.learn()
	e := s.stat(p, true)
	if !s.canMake(p, e) {
		s.find(p, Probe, e, nothing)
		return
	}
	s.find(p, Write, e, then)
}

// canMake reports whether a call can make p, given why p was not found.
func (s *server) canMake(p *pathBuf, e syscall.Errno) bool {
	return e == unix.ENOENT && s.statParent(p) == 0
}

func (s *server) remove(p *pathBuf) {
	s.learn()
	e := s.stat(p, true)
	switch {
	case e != 0:
		s.find(p, Probe, e, nothing)
	case lastName(&s.st):
		s.find(p, Remove, e, drops)
	default:
		s.find(p, Remove, e, frees)
	}
}

// lastName reports whether the inode goes, and its number may be used again,
// when the name that st was found by goes.
func lastName(st *unix.Stat_t) bool { return isDir(st.Mode) || st.Nlink <= 1 }

// socket lets those through that can only be used after connect(2).
func (s *server) socket() {
	family, kind := int32(s.n.args[0]), int32(s.n.args[1])&0xf
	if family != unix.AF_UNIX || kind == unix.SOCK_DGRAM {
		s.incomplete("a process opens a network socket")
	}
}

// connect tells what stands behind the socket, unless nothing can.
func (s *server) connect(p *pathBuf) {
	var addr unix.RawSockaddrUnix
	b := unsafe.Slice((*byte)(unsafe.Pointer(&addr)), unsafe.Sizeof(addr))
	n := int(min(s.n.args[2], uint64(len(b))))
	if n == 0 {
		return
	}
	if got, e := s.readMemory(s.n.args[1]&addressMask, b[:n]); e != 0 || got != n {
		return
	}
	if addr.Family != unix.AF_UNIX {
		s.incomplete("a process connects to the network") // by a socket that it inherited, perhaps
		return
	}
	name, _, _ := bytes.Cut(b[unsafe.Offsetof(addr.Path):], []byte{0})
	if len(name) == 0 {
		s.incomplete("a process connects to a socket without a path")
		return
	}
	if !s.makeAbsolute(p, unix.AT_FDCWD, name) {
		return
	}
	s.learn()
	e := s.stat(p, false)
	s.find(p, Probe, e, nothing)
	if e == 0 && !s.found[0].own {
		s.incomplete("a process connects to " + string(p.path()))
	}
}
