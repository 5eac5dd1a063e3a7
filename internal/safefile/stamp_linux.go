package safefile

import (
	"errors"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Lstat returns what path is, symbolic links not followed.
func Lstat(path string) (Info, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return Info{}, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	return newInfo(&st), nil
}

// Fstat returns what f is.
func Fstat(f *os.File) (Info, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Info{}, &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return newInfo(&st), nil
}

func newInfo(st *unix.Stat_t) Info {
	return Info{
		Stamp: Stamp{
			Dev:   uint64(st.Dev),
			Ino:   st.Ino,
			Size:  st.Size,
			Mtime: st.Mtim.Nano(),
			Ctime: st.Ctim.Nano(),
		},
		Used:    st.Atim.Nano(),
		Regular: st.Mode&unix.S_IFMT == unix.S_IFREG,
	}
}

// Touch records used as the last use of path. It leaves the modification time
// alone, since path may be a hard link to a file of a build. The change time
// moves, and so the stamp.
func Touch(path string, used time.Time) error {
	times := []unix.Timespec{unix.NsecToTimespec(used.UnixNano()), {Nsec: unix.UTIME_OMIT}}
	err := unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW)
	if err != nil {
		return &os.PathError{Op: "touch", Path: path, Err: err}
	}
	return nil
}

// Now reads the clock from which the kernel takes the time stamps of files, in
// nanoseconds since 1970. It lags behind time.Now by up to a tick.
func Now() int64 {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &ts) != nil {
		return 0 // as if the clock stood in 1970: no stamp is settled
	}
	return ts.Nano()
}

// StampsReliable reports whether the file system of dir takes time stamps from
// this machine's clock. One across a network takes them from another, which Now
// cannot read; of one in user space nothing is known.
func StampsReliable(dir string) bool {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return false
	}
	return slices.Contains([]int64{
		unix.EXT4_SUPER_MAGIC, // and ext2, ext3
		unix.XFS_SUPER_MAGIC,
		unix.BTRFS_SUPER_MAGIC,
		unix.TMPFS_MAGIC,
		unix.F2FS_SUPER_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC,
		0x2fc12fc1, // zfs
		0xca451a4e, // bcachefs
	}, int64(st.Type))
}

func openNoFollow(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) { // a link, a socket
		err = &os.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	return f, err
}
