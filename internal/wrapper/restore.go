package wrapper

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/cachepot/cachepot/internal/wire"
)

// restore puts a stored result in place. After an error nothing has been printed
// and the compiler can still be run; files that are in place already are then
// made again.
func (c *call) restore(r *wire.Restore) error {
	for i := range r.Files {
		if err := restoreFile(&r.Files[i]); err != nil {
			return err
		}
	}
	// As for the compiler, a reader that has gone away is no failure.
	_ = writeAll(1, r.Stdout)
	_ = writeAll(2, r.Stderr)
	return nil
}

// errNotPlain is returned for an output that lies where something lies that is
// not an ordinary file of its own: what the compiler does there is its business.
const errNotPlain = wire.Error("output is not a plain file")

func restoreFile(f *wire.RestoreFile) error {
	var st unix.Stat_t
	exists := unix.Lstat(f.Path, &st) == nil
	if exists && (st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 && f.How&wire.InPlace != 0) {
		return errNotPlain
	}
	if f.How&wire.HardLink != 0 && linkFile(f) == nil {
		return nil
	}
	src := -1
	if f.How&wire.Inline == 0 {
		var err error
		if src, err = unix.Open(f.Blob, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0); err != nil {
			return err
		}
		defer unix.Close(src)
	}
	if f.How&wire.InPlace != 0 {
		return rewrite(src, f)
	}
	return replace(src, f, exists)
}

// rewrite fills the file as a compiler does that opens it for writing: one that
// exists keeps its mode and inode.
func rewrite(src int, f *wire.RestoreFile) error {
	dst, err := unix.Open(f.Path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_CLOEXEC|unix.O_NOFOLLOW, f.Mode)
	if err != nil {
		return err
	}
	return fillAndClose(dst, src, f)
}

// replace puts a new file in the place of whatever is there, whole or not at all.
func replace(src int, f *wire.RestoreFile, exists bool) error {
	tmp := temporary(f.Path)
	dst, err := unix.Open(tmp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, f.Mode)
	if err != nil {
		return err
	}
	if f.How&wire.ExactMode != 0 {
		err = unix.Fchmod(dst, f.Mode)
	}
	if cerr := fillAndClose(dst, src, f); err == nil {
		err = cerr
	}
	if err == nil && exists {
		// As compilers do. Besides, ext4 writes a file out at once that replaces
		// another by a rename.
		err = unix.Unlink(f.Path)
	}
	if err == nil {
		err = unix.Rename(tmp, f.Path)
	}
	if err != nil {
		_ = unix.Unlink(tmp)
	}
	return err
}

// linkFile makes the output another name of the blob. The time stamp must be new:
// make and cargo compare it with those of the sources.
func linkFile(f *wire.RestoreFile) error {
	tmp := temporary(f.Path)
	if err := unix.Link(f.Blob, tmp); err != nil {
		return err
	}
	now := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_NOW}}
	err := unix.UtimesNanoAt(unix.AT_FDCWD, tmp, now, unix.AT_SYMLINK_NOFOLLOW)
	if err == nil {
		err = unix.Rename(tmp, f.Path)
	}
	// A rename onto another name of the same file leaves both.
	_ = unix.Unlink(tmp)
	return err
}

// temporary returns a name beside p that no other process uses.
func temporary(p string) string {
	return dir(p) + "/.cachepot-" + strconv.Itoa(unix.Getpid()) + "-" + base(p)[:min(len(base(p)), 200)]
}

// fillAndClose fills dst with the content of f: the blob that is open as src, whose
// blocks are shared where the file system can, or what the frame holds.
func fillAndClose(dst, src int, f *wire.RestoreFile) error {
	var err error
	if f.How&wire.Inline != 0 {
		err = writeAll(dst, []byte(f.Blob))
	} else if err = unix.IoctlFileClone(dst, src); err != nil {
		err = copyBytes(dst, src)
	}
	if cerr := unix.Close(dst); err == nil {
		err = cerr
	}
	return err
}

func copyBytes(dst, src int) error {
	for {
		n, err := unix.CopyFileRange(src, nil, dst, nil, 1<<30, 0)
		switch {
		case err == unix.EINTR:
		case err == unix.EXDEV || err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP:
			return copyThroughMemory(dst, src)
		case err != nil:
			return err
		case n == 0:
			return nil
		}
	}
}

func copyThroughMemory(dst, src int) error {
	buf := make([]byte, 256<<10)
	for {
		n, err := unix.Read(src, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		if err := writeAll(dst, buf[:n]); err != nil {
			return err
		}
	}
}
