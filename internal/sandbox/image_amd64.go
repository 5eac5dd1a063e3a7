package sandbox

import (
	"debug/elf"
	"encoding/binary"
)

const (
	machine  = uint16(elf.EM_X86_64)
	callSize = 62
)

// code appends the call. Its number in the list stays in r12 for failed, which
// lies after bytes behind the call's end.
func (c *call) code(b []byte, step, after int, resolve func(word) uint64) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(append(b, 0x41, 0xbc), uint32(step)) // mov r12d, step
	b = le.AppendUint32(append(b, 0xb8), c.nr)               // mov eax, nr
	for i, register := range [][]byte{{0x48, 0xbf}, {0x48, 0xbe}, {0x48, 0xba}, {0x49, 0xba}} {
		b = le.AppendUint64(append(b, register...), resolve(c.args[i])) // mov rdi, rsi, rdx, r10
	}
	b = append(b, 0x0f, 0x05, 0x48, 0x85, 0xc0)                  // syscall; test rax, rax
	return le.AppendUint32(append(b, 0x0f, 0x88), uint32(after)) // js failed
}

// appendFailed appends the code that tells of a call that failed, and exits with 1.
func appendFailed(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, 0x50, 0x41, 0x54, 0x48, 0x89, 0xe6) // push rax; push r12; mov rsi, rsp
	b = le.AppendUint32(append(b, 0xba), 16)          // mov edx, 16
	b = le.AppendUint32(append(b, 0xbf), replyFD)     // mov edi, replyFD
	b = le.AppendUint32(append(b, 0xb8), 1)           // mov eax, SYS_WRITE
	b = append(b, 0x0f, 0x05)                         // syscall
	b = le.AppendUint32(append(b, 0xbf), 1)           // mov edi, 1
	b = le.AppendUint32(append(b, 0xb8), 231)         // mov eax, SYS_EXIT_GROUP
	b = append(b, 0x0f, 0x05)                         // syscall
	return b
}
