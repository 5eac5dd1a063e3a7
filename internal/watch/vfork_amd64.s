//go:build linux

#include "textflag.h"

// func vfork() (pid uintptr)
//
// Parent and child share the stack, and the child goes on first: its next calls
// overwrite the word that holds the return address. So that is kept in a
// register, which each of the two has for itself, and put back after the call.
TEXT ·vfork(SB), NOSPLIT|NOFRAME, $0-8
	MOVL $0x4111, DI // CLONE_VFORK | CLONE_VM | SIGCHLD
	XORL SI, SI
	XORL DX, DX
	XORL R10, R10
	XORL R8, R8
	MOVL $56, AX // clone
	POPQ R12
	SYSCALL
	PUSHQ R12
	MOVQ AX, pid+0(FP)
	RET
