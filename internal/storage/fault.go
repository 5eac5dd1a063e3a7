package storage

import (
	"errors"
	"io/fs"
	"syscall"
)

// FaultOf returns err, which a call of the operating system gave, as a Fault.
func FaultOf(op string, err error) *Fault {
	return &Fault{Op: op, Trouble: troubleOf(err), Err: err}
}

func troubleOf(err error) Trouble {
	is := func(all ...error) bool {
		for _, e := range all {
			if errors.Is(err, e) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG): // EFBIG: the limit on file sizes
		return Full
	case is(syscall.EROFS):
		return ReadOnly
	case is(fs.ErrPermission):
		return Denied
	case is(syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM):
		return Exhausted
	}
	return Unavailable
}
