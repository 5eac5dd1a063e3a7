//go:build unix

package rendezvous

import "syscall"

// Private reports whether path is a directory, no symbolic link, that belongs to
// uid and that only its owner can enter (mode 0700).
func Private(path string, uid int) bool {
	var st syscall.Stat_t
	for {
		err := syscall.Lstat(path, &st)
		if err == syscall.EINTR { // network file systems may be interrupted
			continue
		}
		if err != nil {
			return false
		}
		break
	}
	return uint32(st.Mode)&syscall.S_IFMT == syscall.S_IFDIR &&
		uint32(st.Mode)&0o7777 == 0o700 && int64(st.Uid) == int64(uid)
}
