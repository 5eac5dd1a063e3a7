package sandbox

import (
	"debug/elf"
	"encoding/binary"
)

const (
	machine  = uint16(elf.EM_AARCH64)
	callSize = 20 * 4
)

// Instructions: the register is in the lowest bits, a number of 16 bits above it.
const (
	move        = 0xd2800000 // movz, clears the rest
	moveMore    = 0xf2800000 // movk; plus the quarter of the register, from bit 21
	superviser  = 0xd4000001 // svc 0
	ifNegative  = 0xb7f80000 // tbnz x0, 63; the distance in words from bit 5
	numberOfNow = 19         // the register that keeps the number of the call
)

// code appends the call. Its number in the list stays in x19 for failed, which
// lies after bytes behind the call's end.
func (c *call) code(b []byte, step, after int, resolve func(word) uint64) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(b, move|uint32(step)<<5|numberOfNow)
	b = le.AppendUint32(b, move|c.nr<<5|8)
	for register := range uint32(4) {
		v := resolve(c.args[register])
		for quarter := range uint32(4) {
			instruction := uint32(moveMore)
			if quarter == 0 {
				instruction = move
			}
			b = le.AppendUint32(b, instruction|quarter<<21|uint32(v>>(16*quarter)&0xffff)<<5|register)
		}
	}
	b = le.AppendUint32(b, superviser)
	return le.AppendUint32(b, ifNegative|uint32(after/4+1)<<5)
}

// appendFailed appends the code that tells of a call that failed, and exits with 1.
func appendFailed(b []byte) []byte {
	for _, instruction := range []uint32{
		0xd10043ff,        // sub sp, sp, 16
		0xa90003f3,        // stp x19, x0, [sp]
		0x910003e1,        // mov x1, sp
		move | 16<<5 | 2,  // mov x2, 16
		move | replyFD<<5, // mov x0, replyFD
		move | 64<<5 | 8,  // mov x8, SYS_WRITE
		superviser,
		move | 1<<5, move | 94<<5 | 8, superviser, // exit_group(1)
	} {
		b = binary.LittleEndian.AppendUint32(b, instruction)
	}
	return b
}
