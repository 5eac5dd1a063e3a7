//go:build linux

package watch

import "golang.org/x/sys/unix"

const (
	nativeArch       = unix.AUDIT_ARCH_AARCH64
	firstForeignCall = 0   // there is one interface to an architecture
	nativeMachine    = 183 // EM_AARCH64
	// The top byte of an address may carry a tag, which a call by another process
	// does not take.
	addressMask = ^uint64(0) >> 8
)

// oldCalls are those that newer architectures leave out.
func oldCalls() []call { return nil }

// foreignCalls are numbers of the 32-bit ARM interface. Each program that looks
// at a file makes one of them, or brk when it starts, so none of that kind goes
// unnoticed; the rest is let through because a report of each would be slow.
func foreignCalls() []uint32 {
	return []uint32{
		5, 8, 11, 33, 45, 85, // open, creat, execve, access, brk, readlink
		106, 107, 195, 196, // stat, lstat, stat64, lstat64
		322, 327, 332, 334, 387, 397, 437, 439, // openat, fstatat64, readlinkat, faccessat, execveat, statx, openat2, faccessat2
		281, 283, 371, 425, // socket, connect, open_by_handle_at, io_uring_setup
	}
}
