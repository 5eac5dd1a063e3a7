//go:build unix

package config

import (
	"io/fs"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// untrusted says why what an open file holds may be somebody else's words: whoever
// writes this configuration decides what is compiled from what. It is "" where
// only the user and root can. A group may write: many systems give each user one
// of its own.
func untrusted(f *os.File, uid int) string {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return "cannot be looked at: " + err.Error()
	}
	if int(st.Uid) != uid && st.Uid != 0 {
		return "belongs to another user; allowed: you, root"
	}
	if st.Mode&unix.S_IFMT == unix.S_IFREG && st.Mode&0o002 != 0 {
		return "can be written by everybody; allowed: you, root, your group (chmod o-w)"
	}
	return ""
}

// stateAt returns the state of the file at path, symbolic links followed.
func stateAt(path string) fileState {
	if path == "" {
		return fileState{}
	}
	return stateBy(func(st *unix.Stat_t) error { return unix.Stat(path, st) })
}

// stateOf returns the state of an open file.
func stateOf(f *os.File) fileState {
	return stateBy(func(st *unix.Stat_t) error { return unix.Fstat(int(f.Fd()), st) })
}

func stateBy(stat func(*unix.Stat_t) error) fileState {
	var st unix.Stat_t
	err := stat(&st)
	for err == unix.EINTR { // network file systems may be interrupted
		err = stat(&st)
	}
	if err != nil {
		return fileState{}
	}
	return fileState{
		present: true,
		dev:     uint64(st.Dev),
		inode:   uint64(st.Ino),
		size:    st.Size,
		mtime:   st.Mtim.Nano(),
		ctime:   st.Ctim.Nano(),
	}
}

// ownedBy reports whether a file belongs to one of owners.
func ownedBy(info fs.FileInfo, owners ...int) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && slices.Contains(owners, int(st.Uid))
}

// ownerOf returns whom the file at path belongs to, -1 where that is not known.
func ownerOf(path string) int {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return -1
	}
	return int(st.Uid)
}
