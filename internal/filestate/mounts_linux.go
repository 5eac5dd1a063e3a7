package filestate

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// mountTable notices changes of this process's table of mounts.
type mountTable struct {
	fd int // of /proc/self/mountinfo, which polls as urgent once for each change

	mu    sync.Mutex // guards count: a change is told to one caller only
	count uint64     // changes noticed, and 1; 0: none can be noticed any more
}

func watchMounts() (*mountTable, error) {
	fd, err := unix.Open("/proc/self/mountinfo", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open table of mounts: %w", err)
	}
	return &mountTable{fd: fd, count: 1}, nil
}

// now returns a number that is another one after every change of the table; 0
// means that nothing is known.
func (m *mountTable) now() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count == 0 {
		return 0
	}
	p := [1]unix.PollFd{{Fd: int32(m.fd), Events: unix.POLLPRI}}
	for {
		_, err := unix.Poll(p[:], 0)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || p[0].Revents&unix.POLLNVAL != 0:
			m.count = 0
		case p[0].Revents != 0:
			m.count++
		}
		return m.count
	}
}
