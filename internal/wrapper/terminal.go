package wrapper

import (
	"golang.org/x/sys/unix"
)

// terminal makes a terminal like the one on fd and returns both its ends, or
// false where fd is none or none can be had. A compiler that writes to it
// colours, links and wraps as if it wrote to the caller's.
func terminal(fd int) (master, slave int, ok bool) {
	settings, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return -1, -1, false
	}
	master, err = unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, -1, false
	}
	slave, err = slaveOf(master)
	if err != nil {
		_ = unix.Close(master)
		return -1, -1, false
	}
	// The caller's terminal does what is to be done to output; once is enough.
	settings.Oflag &^= unix.OPOST
	settings.Lflag &^= unix.ECHO
	_ = unix.IoctlSetTermios(slave, unix.TCSETS, settings)
	if size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ); err == nil {
		_ = unix.IoctlSetWinsize(slave, unix.TIOCSWINSZ, size)
	}
	return master, slave, true
}

// slaveOf opens the other end of a terminal without a path, which a container
// may not have.
func slaveOf(master int) (int, error) {
	if err := unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0); err != nil {
		return -1, err
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), tiocgptpeer, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// tiocgptpeer is TIOCGPTPEER: the descriptor of the other end, opened with the
// flags in the argument.
const tiocgptpeer = 0x5441
