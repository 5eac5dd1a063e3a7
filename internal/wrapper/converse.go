package wrapper

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/place"
	"github.com/cachepot/cachepot/internal/wire"
)

// failed is the exit status of a call that may not run here and could not elsewhere.
const failed = 1

// converse asks the coordinator and does what it answers.
func (c *call) converse() int {
	frame, err := c.request()
	if err == nil {
		err = c.send(frame)
	}
	if err != nil {
		c.trace("cannot ask the coordinator: " + err.Error() + "; compiling")
		return c.bare()
	}
	for {
		kind, payload, err := c.receive()
		if err != nil {
			c.trace("no answer from the coordinator: " + err.Error() + "; compiling")
			return c.bare()
		}
		if status, ended := c.obey(kind, payload); ended {
			return status
		}
	}
}

// obey does what an answer says. The call goes on after a scout alone.
func (c *call) obey(kind wire.Kind, payload []byte) (status int, ended bool) {
	switch kind {
	case wire.KindRestore:
		r, err := wire.DecodeRestore(payload)
		if err == nil {
			err = c.restore(r)
		}
		if err == nil {
			return 0, true
		}
		c.trace("cannot restore: " + err.Error() + "; compiling")
	case wire.KindRun:
		r, err := wire.DecodeRun(payload)
		switch {
		case err == nil && r.Scout:
			return c.scout(r)
		case err == nil:
			return c.run(r), true
		}
	case wire.KindFail:
		if f, err := wire.DecodeFail(payload); err == nil {
			_ = writeAll(2, f.Stderr)
			c.warn("error: " + f.Reason)
			return failed, true
		}
	case wire.KindDecline:
		if d, err := wire.DecodeDecline(payload); err == nil && d.Warning != "" {
			c.warn(d.Warning)
		}
		c.trace("declined; compiling")
	}
	return c.bare(), true
}

func (c *call) request() ([]byte, error) {
	wd, err := syscall.Getwd()
	if err != nil {
		return nil, err
	}
	req := wire.Request{
		Protocol: wire.Protocol,
		Build:    wire.BuildID,
		Place:    place.Here(),
		Umask:    umask(),
		SameFile: sameFile(1, 2),
		Device:   oddDevice(1) || oddDevice(2),
		Columns:  columns(2),
		Dir:      wd,
		Path:     c.path,
		Argv:     c.argv,
		Env:      c.env,
	}
	return req.Append(make([]byte, 0, 16<<10)), nil
}

func (c *call) send(frame []byte) error {
	for len(frame) > 0 {
		n, err := unix.SendmsgN(int(c.conn), frame, nil, nil, unix.MSG_NOSIGNAL)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		frame = frame[n:]
	}
	return nil
}

// receive returns the next frame that is an answer, showing progress meanwhile.
func (c *call) receive() (wire.Kind, []byte, error) {
	var bar bar
	defer bar.clear()
	for {
		kind, payload, err := wire.ReadFrame(c.conn, wire.DefaultMaxFrame, nil)
		if err != nil {
			return 0, nil, err
		}
		switch kind {
		case wire.KindWorking:
		case wire.KindProgress:
			if p, err := wire.DecodeProgress(payload); err == nil {
				bar.show(p)
			}
		case wire.KindNotice:
			if n, err := wire.DecodeNotice(payload); err == nil {
				bar.clear()
				c.warn(n.Text)
			}
		default:
			return kind, payload, nil
		}
	}
}

// sameFile reports whether two descriptors lead to one file.
func sameFile(a, b int) bool {
	var x, y unix.Stat_t
	return unix.Fstat(a, &x) == nil && unix.Fstat(b, &y) == nil && x.Dev == y.Dev && x.Ino == y.Ino
}

// oddDevice reports whether fd leads to a device that is neither a terminal nor
// the null device.
func oddDevice(fd int) bool {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK:
		return true
	case unix.S_IFCHR:
		_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		return err != nil && st.Rdev != unix.Mkdev(1, 3)
	}
	return false
}

// columns returns the width of the terminal that fd leads to, 0 if it is none.
func columns(fd int) uint64 {
	ws, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	if ws.Col == 0 {
		return 80
	}
	return uint64(ws.Col)
}
