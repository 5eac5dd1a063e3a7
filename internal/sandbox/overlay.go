package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func openLayer(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open layer: %w", err)
	}
	return f, nil
}

// mountLayers mounts an overlay of layers at a place, with the directories upper
// and work of scratch on top. Directories are given by descriptor, for in their
// names commas, colons and backslashes would mean something. ofUser: a user
// namespace may write one sort of attributes only.
func mountLayers(layers []*os.File, scratch, at string, ofUser bool) error {
	byFD := func(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }
	var lower []string
	for _, f := range layers {
		lower = append(lower, byFD(f))
	}
	options := "lowerdir=" + strings.Join(lower, ":")
	for option, name := range map[string]string{"upperdir": "upper", "workdir": "work"} {
		f, err := openLayer(filepath.Join(scratch, name))
		if err != nil {
			return err
		}
		defer f.Close()
		options += "," + option + "=" + byFD(f)
	}
	options += ",volatile" // or unmounting waits until the whole file system below is on the disk
	if ofUser {
		options += ",userxattr"
	}
	if err := unix.Mount("overlay", at, "overlay", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fmt.Errorf("mount overlay: %w", err)
	}
	return nil
}
