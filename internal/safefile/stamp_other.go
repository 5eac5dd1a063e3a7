//go:build !linux

package safefile

import (
	"io/fs"
	"os"
	"time"
)

// Lstat returns what path is, symbolic links not followed.
func Lstat(path string) (Info, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return Info{}, err
	}
	return newInfo(info), nil
}

// Fstat returns what f is.
func Fstat(f *os.File) (Info, error) {
	info, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	return newInfo(info), nil
}

func newInfo(info fs.FileInfo) Info {
	t := info.ModTime().UnixNano()
	return Info{
		Stamp:   Stamp{Size: info.Size(), Mtime: t, Ctime: t},
		Used:    t,
		Regular: info.Mode().IsRegular(),
	}
}

// Touch records used as the last use of path, in its modification time.
func Touch(path string, used time.Time) error { return os.Chtimes(path, used, used) }

// Now returns the time in nanoseconds since 1970.
func Now() int64 { return time.Now().UnixNano() }

// StampsReliable reports false: these systems give no stamp here that shows every
// change.
func StampsReliable(string) bool { return false }

func openNoFollow(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	return os.Open(path)
}
