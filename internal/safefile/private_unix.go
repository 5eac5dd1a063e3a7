//go:build unix

package safefile

import (
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

func checkPrivate(dir string) error {
	link, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	user := os.Geteuid()
	if uid := owner(link); link.Mode()&fs.ModeSymlink != 0 && uid != user && uid != 0 {
		return &NotPrivateError{dir,
			"it is a symbolic link of user " + strconv.Itoa(uid),
			"remove it or choose another directory"}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if uid := owner(info); uid != user {
		return &NotPrivateError{dir,
			"it belongs to user " + strconv.Itoa(uid) + ", not to you (user " + strconv.Itoa(user) + ")",
			"choose another directory or run: chown -R " + strconv.Itoa(user) + " " + dir}
	}
	if mode := info.Mode().Perm(); mode&0o022 != 0 {
		return &NotPrivateError{dir,
			"others can write to it (mode 0" + strconv.FormatUint(uint64(mode), 8) + ")",
			"run: chmod go-w " + dir}
	}
	return nil
}

func owner(info fs.FileInfo) int {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return int(st.Uid)
	}
	return -1
}
