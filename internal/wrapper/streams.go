package wrapper

import (
	"golang.org/x/sys/unix"
)

// maxKept bounds what is kept of a compiler's messages, in bytes. A result that
// says more is not stored.
const maxKept = 16 << 20

// streams lead from the compiler's outputs to the caller's. There is one for both
// where the caller's are one file, so that their order stays.
type streams struct {
	read  [2]int // -1 where closed
	write [2]int
	count int
	kept  [2][]byte
	lost  bool
	quiet bool // nothing is handed on
}

// newStreams returns streams of one pipe or two, or of none where the compiler
// is to write to the caller itself.
func newStreams(none, one bool) (*streams, error) {
	s := &streams{read: [2]int{-1, -1}, write: [2]int{-1, -1}, count: 2}
	if none {
		s.count = 0
	} else if one {
		s.count = 1
	}
	for i := 0; i < s.count; i++ {
		if err := s.open(i); err != nil {
			s.closeChildEnds()
			s.close()
			return nil, err
		}
	}
	return s, nil
}

// open makes stream i: a terminal where the caller's is one, else a pipe.
func (s *streams) open(i int) error {
	var ok bool
	if s.read[i], s.write[i], ok = terminal(i + 1); !ok {
		var p [2]int
		if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
			return err
		}
		s.read[i], s.write[i] = p[0], p[1]
	}
	return unix.SetNonblock(s.read[i], true) // pump polls; blocking would only delay
}

// childFiles returns the descriptors 0, 1 and 2 of the compiler.
func (s *streams) childFiles() []uintptr {
	if s.count == 0 {
		return []uintptr{0, 1, 2}
	}
	return []uintptr{0, uintptr(s.write[0]), uintptr(s.write[s.count-1])}
}

func (s *streams) closeChildEnds() { closeAll(&s.write) }
func (s *streams) close()          { closeAll(&s.read) }

func closeAll(fds *[2]int) {
	for i, fd := range fds {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
		fds[i] = -1
	}
}

// pump hands on what is printed until the compiler, whose pidfd is given, has
// ended and its pipes are empty. Processes that it left behind may hold their
// other ends; they are not waited for, as the caller would not wait either.
func (s *streams) pump(pidfd int) {
	buf := make([]byte, 64<<10)
	ended := false
	for {
		poll := []unix.PollFd{{Fd: int32(s.read[0]), Events: unix.POLLIN}, {Fd: int32(s.read[1]), Events: unix.POLLIN},
			{Fd: int32(pidfd), Events: unix.POLLIN}}
		if ended {
			poll[2].Fd = -1
		}
		if s.read[0] < 0 && s.read[1] < 0 && (ended || pidfd < 0) {
			break
		}
		timeout := -1
		if ended {
			timeout = 0
		}
		n, err := unix.Poll(poll, timeout)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			break
		}
		ended = ended || poll[2].Revents != 0
		for i := range s.read {
			if poll[i].Revents != 0 {
				s.move(i, buf)
			}
		}
	}
	s.close()
}

// move hands on one portion of stream i.
func (s *streams) move(i int, buf []byte) {
	n, err := unix.Read(s.read[i], buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return
	}
	if err != nil || n == 0 { // a terminal ends with EIO
		_ = unix.Close(s.read[i])
		s.read[i] = -1
		return
	}
	if len(s.kept[0])+len(s.kept[1])+n > maxKept {
		s.lost = true
	} else {
		s.kept[i] = append(s.kept[i], buf[:n]...)
	}
	if !s.quiet && writeAll(i+1, buf[:n]) != nil {
		// The reader has gone: the compiler finds out when it writes again.
		s.lost = true
		_ = unix.Close(s.read[i])
		s.read[i] = -1
	}
}
