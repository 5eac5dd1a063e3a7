package sandbox

import "golang.org/x/sys/unix"

const (
	auditArch    = unix.AUDIT_ARCH_AARCH64
	foreignCalls = 0
	oldMknod     = 0
)

// oldCalls returns those of allowed that only this architecture has.
func oldCalls() []uint32 { return nil }
