package wrapper

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/rendezvous"
)

// silence is how long the coordinator may say nothing before the wrapper goes on
// without it. A coordinator at work sends a sign of life four times as often.
const silence = 2 // seconds

// startWait is how long a coordinator that has just been started may take until
// it listens; startStep is the pause between two tries to reach it.
const (
	startWait = 1000 // milliseconds
	startStep = 2    // milliseconds
)

// conn is a connected socket.
type conn int

// Read implements wire.Reader.
func (c conn) Read(p []byte) (int, error) {
	for {
		n, err := unix.Read(int(c), p)
		if err != unix.EINTR {
			return max(n, 0), err // -1 with an error
		}
	}
}

func (c conn) close() { _ = unix.Close(int(c)) }

// connect reaches the coordinator, starting one if there is none.
func (c *call) connect() bool {
	port, ok := rendezvous.Port(c.getenv("CACHEPOT_COORDINATOR_PORT"))
	if !ok {
		c.warn("CACHEPOT_COORDINATOR_PORT: want a port number, 1 to 65535; compiling without cache")
		return false
	}
	uid := unix.Getuid()
	meeting := rendezvous.Dir(c.getenv, uid)
	if rendezvous.Private(meeting, uid) {
		switch c.dial(rendezvous.Socket(meeting, port)) {
		case 0:
			return true
		case unix.EAGAIN:
			return false
		}
	} else if err := unix.Mkdir(meeting, 0o700); err != nil && err != unix.EEXIST || !rendezvous.Private(meeting, uid) {
		// Another wrapper may have made it meanwhile, hence the second look.
		c.warn(meeting + " belongs to somebody else or is open to others; compiling without cache")
		return false
	}
	return c.start(meeting, port)
}

// dial connects to the socket, if a process of the same user listens there:
// anyone else would be sent the environment.
func (c *call) dial(path string) syscall.Errno {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err.(syscall.Errno)
	}
	limit := unix.Timeval{Sec: silence}
	// SO_SNDTIMEO bounds connect too: a frozen coordinator's queue fills up.
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &limit)
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit)
	err = unix.Connect(fd, &unix.SockaddrUnix{Name: path})
	if err == nil {
		var peer *unix.Ucred
		peer, err = unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil && int(peer.Uid) != unix.Getuid() {
			err = unix.EPERM
		}
	}
	if err != nil {
		_ = unix.Close(fd)
		errno, _ := err.(syscall.Errno)
		return errno
	}
	c.conn = conn(fd)
	return 0
}

// start makes sure that one coordinator is started, whoever else is about to do
// the same, and connects to it.
func (c *call) start(meeting, port string) bool {
	lock, err := unix.Open(rendezvous.StartLock(meeting, port), unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return false
	}
	defer unix.Close(lock)
	socket := rendezvous.Socket(meeting, port)
	spawned := false
	for begin := now(); now()-begin < startWait; pause(startStep) { // a try may take long, too
		// The lock is held from the start of the coordinator until it answers, and
		// given up by the kernel if this process dies.
		if !spawned && unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB) == nil {
			switch c.dial(socket) {
			case 0:
				return true
			case unix.EAGAIN:
				return false
			}
			if !c.spawn() {
				return false
			}
			spawned = true
		}
		switch c.dial(socket) {
		case 0:
			return true
		case unix.EAGAIN: // its queue is full: it is there, and frozen
			return false
		}
	}
	c.trace("the coordinator does not start; compiling")
	return false
}

// spawn starts the coordinator in a session of its own, out of reach of whoever
// ends this process's group, and with none of its descriptors as streams.
func (c *call) spawn() bool {
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(null)
	program, env := c.coordinator(), c.env
	if wd, err := syscall.Getwd(); err == nil {
		env = rendezvous.Absolute(env, wd)
	}
	fd := uintptr(null)
	_, err = syscall.ForkExec(program, []string{"cachepot-coordinator", "--daemon"}, &syscall.ProcAttr{
		Dir:   "/",
		Env:   env,
		Files: []uintptr{fd, fd, fd},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		c.warn("cannot start " + program + ": " + err.Error() + "; compiling without cache")
	}
	return err == nil
}

// coordinator returns the program that is installed beside this one.
func (w *wrapper) coordinator() string { return dir(w.self) + "/cachepot-coordinator" }

// now returns a time in milliseconds that nobody sets back.
func now() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // always there
	return ts.Nano() / 1e6
}

func pause(milliseconds int) {
	ts := unix.NsecToTimespec(int64(milliseconds) * 1e6)
	_ = unix.Nanosleep(&ts, nil)
}

func writeAll(fd int, p []byte) error {
	for len(p) > 0 {
		n, err := unix.Write(fd, p)
		if err == unix.EINTR {
			continue
		}
		if err == unix.EAGAIN { // the caller's descriptor may be non-blocking
			poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			_, _ = unix.Poll(poll, -1)
			continue
		}
		if err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}
