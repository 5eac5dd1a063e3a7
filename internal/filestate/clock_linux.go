package filestate

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Clock returns the time of the coarse clock, which the kernel stamps files with,
// in nanoseconds since 1970.
func Clock() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &ts); err != nil {
		return 0 // then nothing counts as settled
	}
	return ts.Nano()
}

// Moment is a point in time as the stamps of files tell it.
type Moment struct {
	tick int64 // Clock
	// fine is a stamp that lies between all changes before and after; 0: none known.
	fine int64
}

const second = 1e9

// separator gives out stamps that lie between what was changed before and after;
// see the package's comment.
type separator struct {
	mu sync.Mutex // one at a time, or the stamp is the other's
	fd int        // a memfd
}

// errCoarse: this kernel has nothing but the coarse clock.
var errCoarse = errors.New("time stamps are coarse")

func newSeparator() (*separator, error) {
	fd, err := makeMemfd()
	if err != nil {
		return nil, err
	}
	s := &separator{fd: fd}
	if err := s.prove(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *separator) close() { _ = unix.Close(s.fd) }

func makeMemfd() (int, error) {
	fd, err := unix.MemfdCreate("cachepot-clock", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, fmt.Errorf("make file in memory: %w", err)
	}
	return fd, nil
}

// take returns a stamp between now and then. The first change may get the time
// of the coarse clock, which other files have got in this tick; the second is of a
// file whose stamp was looked at and is not older than the clock, so it is fine.
func (s *separator) take() (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := stamp(s.fd); err != nil {
		return 0, err
	}
	return stamp(s.fd)
}

// stamp changes a file and returns the stamp that this gave it.
func stamp(fd int) (int64, error) {
	if err := unix.Fchmod(fd, 0o600); err != nil {
		return 0, fmt.Errorf("change file in memory: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, fmt.Errorf("stat file in memory: %w", err)
	}
	return st.Ctim.Nano(), nil
}

// prove shows that this kernel gives fine stamps, and then none that is older to
// a file that nobody has looked at.
func (s *separator) prove() error {
	for range 20 { // a tick may end in between, which proves nothing
		fine, err := s.take()
		if err != nil {
			return err
		}
		other, err := makeMemfd()
		if err != nil {
			return err
		}
		got, err := stamp(other)
		_ = unix.Close(other)
		if err != nil {
			return err
		}
		if got < fine {
			return errCoarse
		}
		if Clock() < fine {
			return nil // it was not the clock that made got so new
		}
	}
	return errCoarse
}

// Separate makes v tell changes apart by stamps finer than the clock's tick. It
// fails where the kernel has none; v then goes by ticks. It must be called before
// v is used.
func (v *View) Separate() error {
	s, err := newSeparator()
	if err != nil {
		return fmt.Errorf("separate time stamps: %w", err)
	}
	v.separator = s
	return nil
}

// Now returns the present moment.
func (v *View) Now() Moment {
	m := v.tick()
	if v.separator != nil {
		if fine, err := v.separator.take(); err == nil {
			m.fine = fine
		}
	}
	return m
}

// tick returns the present moment for what is judged by ticks.
func (v *View) tick() Moment { return Moment{tick: v.clock()} }

// origin says where a file system's time stamps come from.
type origin int

const (
	foreign origin = iota // another clock than this kernel's
	ticking               // the coarse clock, in nanoseconds
	floored               // the coarse clock with the floor of fine stamps, if the kernel has them
)

// origin returns where the stamps of the file system come from that p lies on.
func (v *View) origin(p string, dev uint64) origin {
	v.mu.Lock()
	o, found := v.origins[dev]
	v.mu.Unlock()
	if !found {
		o = originOf(p)
		v.mu.Lock()
		v.origins[dev] = o
		v.mu.Unlock()
	}
	return o
}

func originOf(p string) origin {
	var st unix.Statfs_t
	if err := unix.Statfs(p, &st); err != nil {
		return foreign
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC:
		return floored
	case unix.OVERLAYFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, zfsMagic, bcachefsMagic,
		unix.SQUASHFS_MAGIC, unix.EROFS_SUPER_MAGIC_V1:
		return ticking
	}
	return foreign
}

// Magic numbers of file systems that x/sys does not name.
const (
	zfsMagic      = 0x2fc12fc1
	bcachefsMagic = 0xca451a4e
)

// least returns the oldest stamp that a change after m can have where p lies.
func (v *View) least(p string, dev uint64, m Moment) int64 {
	if m.fine != 0 && v.origin(p, dev) == floored {
		return m.fine
	}
	return m.tick
}

// before reports whether the stamp of the file at p, of this ID, is older than any
// that a change after m can have.
func (v *View) before(p string, id ID, m Moment) bool {
	if id.Ctime%second == 0 { // an ext4 of small inodes keeps seconds only
		return id.Ctime+2*second <= m.tick
	}
	return id.Ctime < v.least(p, id.Dev, m)
}

// settled reports whether a change after m of the file at p with this ID is sure
// to change the ID.
func (v *View) settled(p string, id ID, m Moment) bool {
	return v.origin(p, id.Dev) != foreign && v.before(p, id, m)
}

// StampedSince reports whether a file at p, on the device dev, with this change
// time was certainly changed after m, if by this kernel's clock.
func (v *View) StampedSince(p string, dev uint64, ctime int64, m Moment) bool {
	return ctime >= v.least(p, dev, m)
}

// Quiet reports whether ChangedSince would tell of any change after m of what lies
// at p, of a link itself. Where that cannot be had by waiting, since nothing is
// there or its stamp is of a time to come, it is quiet as well.
func (v *View) Quiet(p string, m Moment) bool {
	id, err := StatLink(p)
	if err != nil || id.Ctime >= m.tick+second {
		return true
	}
	if !v.before(p, id, m) {
		return false
	}
	// A call that began before m may still be writing.
	if id.isRegular() && id.Ctime > m.tick-second {
		if fd, err := unix.Open(p, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
			awaitWriter(fd)
			_ = unix.Close(fd)
		}
	}
	return true
}

// awaitWriter waits for a write call to the file that is under way: the seek takes
// the lock that such a call holds (ext4, btrfs, tmpfs, f2fs). XFS takes it for
// every read instead.
func awaitWriter(fd int) {
	_, _ = unix.Seek(fd, 0, unix.SEEK_DATA) // fails at an empty file
	_, _ = unix.Seek(fd, 0, unix.SEEK_SET)
}
