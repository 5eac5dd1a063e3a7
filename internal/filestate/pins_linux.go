package filestate

import (
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pin is an O_PATH descriptor of what lay at a path. A nil pin shows nothing.
type pin struct {
	fd atomic.Int32 // gone once it is closed
}

const gone = -1

// shows reports whether the pinned file has this ID now. Where the descriptor was
// closed meanwhile and its number is another file's, the ID is another as well.
func (p *pin) shows(id *ID) bool {
	if p == nil {
		return false
	}
	var st unix.Stat_t
	return p.stat(&st) && idOf(&st) == *id
}

func (p *pin) stat(st *unix.Stat_t) bool {
	fd := p.fd.Load()
	if fd == gone {
		return false
	}
	_, _, errno := unix.Syscall(unix.SYS_FSTAT, uintptr(fd), uintptr(unsafe.Pointer(st)), 0)
	return errno == 0
}

// close gives the descriptor up. Only the pins that p is one of may call it.
func (p *pin) close() {
	if fd := p.fd.Swap(gone); fd != gone {
		_ = unix.Close(int(fd))
	}
}

// pins are the pins of a View, one for each path. They are not shared between hard
// links: on an overlay those become different files when one is written to.
type pins struct {
	most   int
	mounts *mountTable
	fits   func(fd int, st *unix.Stat_t, now int64) bool
	used   atomic.Bool // since the last Tend

	mu   sync.Mutex // guards all below; held while a pin is opened, which is once a path
	open map[cpath]*pin
	idle int // how often Tend has found nothing used
}

// Pin makes v verify what changes seldom by up to most descriptors. It fails where
// changes of mounts cannot be noticed. It must be called before v is used; Tend
// must be called now and then.
func (v *View) Pin(most int) error {
	fits, err := fitToPin()
	if err != nil {
		return fmt.Errorf("pin files: %w", err)
	}
	mounts, err := watchMounts()
	if err != nil {
		return fmt.Errorf("pin files: %w", err)
	}
	v.pins = &pins{most: most, mounts: mounts, fits: fits, open: make(map[cpath]*pin)}
	return nil
}

// MostPins returns how many descriptors this process can spare for Pin: a quarter
// of its limit, and no more than keep about 8 MB in the kernel.
func MostPins() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		return 0
	}
	return int(min(l.Cur/4, 4096))
}

// seldom is how long ago a file was changed that is taken for one that stays, in
// nanoseconds: what is being edited, and what a build makes and reads, is younger.
const seldom = 600 * second

// fitToPin returns what tells whether the file behind an O_PATH descriptor may be
// pinned at the time now: only what lies on the mount of "/", since a descriptor
// keeps any other from being unmounted; and what belongs to root, unless we are
// root, or has stayed as it is for a while. On an overlay no hard link: the path
// may come to lead to another copy than the pin.
func fitToPin() (func(fd int, st *unix.Stat_t, now int64) bool, error) {
	root, err := mountOf(unix.AT_FDCWD, "/", 0)
	if err != nil {
		return nil, err
	}
	var fs unix.Statfs_t
	if err := unix.Statfs("/", &fs); err != nil {
		return nil, fmt.Errorf("statfs /: %w", err)
	}
	overlay := uint32(fs.Type) == unix.OVERLAYFS_SUPER_MAGIC
	isRoot := unix.Geteuid() == 0
	return func(fd int, st *unix.Stat_t, now int64) bool {
		if (isRoot || st.Uid != 0) && st.Ctim.Nano() > now-seldom {
			return false
		}
		if overlay && copyable(st) {
			return false
		}
		mount, err := mountOf(fd, "", unix.AT_EMPTY_PATH)
		return err == nil && mount == root
	}, nil
}

// copyable reports whether a file has other names, of which an overlay may make
// another file.
func copyable(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT != unix.S_IFDIR && st.Nlink != 1
}

func mountOf(dir int, p string, flags int) (uint64, error) {
	var st unix.Statx_t
	if err := unix.Statx(dir, p, flags, unix.STATX_MNT_ID, &st); err != nil {
		return 0, fmt.Errorf("statx: %w", err)
	}
	if st.Mask&unix.STATX_MNT_ID == 0 {
		return 0, fmt.Errorf("statx: %w", unix.ENOSYS)
	}
	return st.Mnt_id, nil
}

// hold returns a pin of what lies at c, if that has this ID and fits; else nil.
// now is by the View's clock.
func (p *pins) hold(c cpath, id ID, now int64) *pin {
	p.mu.Lock()
	defer p.mu.Unlock()
	if old := p.open[c]; old.shows(&id) {
		return old
	} else if old != nil {
		old.close()
		delete(p.open, c)
	}
	if len(p.open) >= p.most {
		return nil
	}
	fd, err := unix.Open(c.String(), unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || idOf(&st) != id || !p.fits(fd, &st, now) {
		_ = unix.Close(fd)
		return nil
	}
	fresh := &pin{}
	fresh.fd.Store(int32(fd))
	p.open[c] = fresh
	return fresh
}

// idleTends is how many calls of Tend without a verification between them end all
// pins.
const idleTends = 30

// Tend closes the pins of deleted files, which give their space back only then,
// and all pins once v has not been used for long. It costs 0.5 us a pin.
func (v *View) Tend() {
	p := v.pins
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle++; p.used.Swap(false) {
		p.idle = 0
	}
	p.drop(func(st *unix.Stat_t) bool { return p.idle >= idleTends || st.Nlink == 0 })
}

// drop closes some pins. p.mu is held.
func (p *pins) drop(which func(*unix.Stat_t) bool) {
	for c, q := range p.open {
		var st unix.Stat_t
		if !q.stat(&st) || which(&st) {
			q.close()
			delete(p.open, c)
		}
	}
}

// mountsNow is mountTable.now; 0 where v does not pin.
func (v *View) mountsNow() uint64 {
	if v.pins == nil {
		return 0
	}
	v.pins.used.Store(true)
	return v.pins.mounts.now()
}

// hold is pins.hold for what has just been found at c and is settled.
func (v *View) hold(c cpath, id ID, now int64) *pin {
	if v.pins == nil {
		return nil
	}
	return v.pins.hold(c, id, now)
}
