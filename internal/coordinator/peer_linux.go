package coordinator

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// OwnPeer reports whether a process of this user is at the other end.
func OwnPeer(c net.Conn) bool {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return false
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return false
	}
	var cred *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); cerr != nil || err != nil {
		return false
	}
	return int(cred.Uid) == os.Getuid()
}
