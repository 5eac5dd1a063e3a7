//go:build linux && (amd64 || arm64)

package watch

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Permitted reports whether Start can watch a process tree of this process's:
// nil or ErrUnavailable. It starts nothing and takes some microseconds. That the
// caller is watched itself (ErrNested) only Start finds out.
func Permitted() error {
	// Before 5.9 a call cannot be let go on, or the end of a tree is not told.
	if !kernelAtLeast(5, 9) || !interfaceFits() || !filterAllowed() || !memoryReadable() {
		return ErrUnavailable
	}
	return nil
}

// interfaceFits reports whether the kernel has notifications, of a size that
// this package knows.
func interfaceFits() bool {
	var sizes struct{ notif, resp, data uint16 }
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_GET_NOTIF_SIZES, 0, uintptr(unsafe.Pointer(&sizes)))
	return e == 0 && uintptr(sizes.notif) <= unsafe.Sizeof(notif{}) && uintptr(sizes.resp) <= unsafe.Sizeof(response{})
}

// filterAllowed asks for a filter that cannot be read: a policy that forbids the
// call or an operation of it answers before the kernel looks at the filter.
func filterAllowed() bool {
	_, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER, 0)
	return e == unix.EFAULT
}

// memoryReadable reports whether the memory of descendants can be read: a policy
// may forbid the call as such, and Yama that of other processes.
func memoryReadable() bool {
	if _, _, e := unix.RawSyscall6(unix.SYS_PROCESS_VM_READV, uintptr(unix.Getpid()), 0, 0, 0, 0, 0); e != 0 {
		return false
	}
	const onlyPrivileged, nobody = '2', '3'
	switch yamaScope() {
	case onlyPrivileged:
		return hasPtraceCapability()
	case nobody:
		return false
	}
	return true
}

// yamaScope returns the digit in the kernel's setting, '0' where there is none.
func yamaScope() byte {
	fd, err := unix.Open("/proc/sys/kernel/yama/ptrace_scope", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return '0'
	}
	defer unix.Close(fd)
	b := [1]byte{'0'}
	_, _ = unix.Read(fd, b[:]) // unreadable is as good as none: Start's report tells
	return b[0]
}

func hasPtraceCapability() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&hdr, &data[0]) == nil && data[0].Effective&(1<<unix.CAP_SYS_PTRACE) != 0
}
