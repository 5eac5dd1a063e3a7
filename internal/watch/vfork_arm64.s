//go:build linux

#include "textflag.h"

// func vfork() (pid uintptr)
//
// Parent and child share the stack; the return address is in R30, which each of
// the two has for itself.
TEXT ·vfork(SB), NOSPLIT|NOFRAME, $0-8
	MOVD $0x4111, R0 // CLONE_VFORK | CLONE_VM | SIGCHLD
	MOVD ZR, R1
	MOVD ZR, R2
	MOVD ZR, R3
	MOVD ZR, R4
	MOVD $220, R8 // clone
	SVC
	MOVD R0, pid+0(FP)
	RET
