package safefile

import (
	"errors"
	"io/fs"
	"os"
)

// Stamp is what a stat tells of the content of a regular file. Equal stamps mean
// equal content only under the conditions of Settled and StampsReliable.
type Stamp struct {
	Dev, Ino uint64
	Size     int64 // bytes
	Mtime    int64 // nanoseconds since 1970
	Ctime    int64 // nanoseconds since 1970
}

// Info is a Stamp and what a stat tells beside it.
type Info struct {
	Stamp
	Used    int64 // time of the last recorded use, nanoseconds since 1970
	Regular bool
}

const (
	// tick is the longest step of the clock that time stamps are taken from:
	// 100 to 1000 a second, as the kernel is configured.
	tick = 10e6
	// coarseStep is the same for file systems that keep whole seconds only, or
	// even ones. They are recognised by a time without nanoseconds.
	coarseStep = 2e9
)

// Settled reports whether a change that happens at time now or later, on the
// clock that Now reads, must give the file another stamp. Until the tick in which
// the file changed last is over, it can change again and have the same times. So
// what was read of a file may be remembered under its stamp only if the stamp
// was settled before the reading began.
func (s Stamp) Settled(now int64) bool {
	step := int64(tick)
	if s.Ctime%1e9 == 0 {
		step = coarseStep
	}
	return s.Ctime+step < now
}

// ErrNotRegular says that a path names something other than a regular file.
var ErrNotRegular = errors.New("not a regular file")

// OpenRegular opens the regular file path for reading. It follows no symbolic
// link at the end of path and does not wait for a FIFO's writer. An error that is
// fs.ErrNotExist or ErrNotRegular, as errors.Is sees it, tells what is there.
func OpenRegular(path string) (*os.File, Info, error) {
	f, err := openNoFollow(path)
	if err != nil {
		return nil, Info{}, err
	}
	info, err := Fstat(f)
	if err == nil && !info.Regular {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		f.Close()
		return nil, Info{}, err
	}
	return f, info, nil
}

// Remove removes path, a directory with all that is in it, unless it is no longer
// the object that was. That path is gone already is no error.
func Remove(path string, was Stamp) error {
	now, err := Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && now.Stamp != was {
		return nil
	}
	if err := os.Remove(path); err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return os.RemoveAll(path)
}
