package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Restore makes the directory root, which is now as after says, what before says
// it was, so that another run starts from the same state. It leaves alone what is
// as it was: same file, bytes and mode. after comes from a Scan that was given
// before. Names that were links to one file are links to one file again.
func Restore(root string, before, after Tree) error {
	all := names(before, after)
	for _, name := range slices.Backward(all) { // what lies in a directory before the directory
		if f, was := before[name]; was && f.Mode.Type() == after[name].Mode.Type() {
			continue
		}
		err := os.RemoveAll(filepath.Join(root, name))
		if err != nil && !errors.Is(err, unix.ENOTDIR) { // below what is a file now
			return fmt.Errorf("restore %s: %w", name, err)
		}
	}
	stale := changedFiles(before, after)
	first := map[identity]string{}
	for _, name := range all {
		f, was := before[name]
		now, is := after[name]
		is = is && now.Mode.Type() == f.Mode.Type()
		if !was || is && f.Mode == now.Mode && f.Data == now.Data && !stale[f.id] {
			continue
		}
		if err := f.put(filepath.Join(root, name), first[f.id]); err != nil {
			return fmt.Errorf("restore %s: %w", name, err)
		}
		if f.Mode.IsRegular() && first[f.id] == "" {
			first[f.id] = filepath.Join(root, name)
		}
	}
	return nil
}

// changedFiles returns the regular files of before of which a name leads
// elsewhere now, or which were written.
func changedFiles(before, after Tree) map[identity]bool {
	stale := map[identity]bool{}
	for name, f := range before {
		now := after[name]
		if f.Mode.IsRegular() && (!now.Kept || now.Fresh || now.Mode != f.Mode || now.Data != f.Data || now.Nlink != f.Nlink) {
			stale[f.id] = true
		}
	}
	return stale
}

// put makes f at path. link is another name of the same file, "" where it is the
// first.
func (f *File) put(path, link string) error {
	if f.Mode.IsDir() {
		if err := os.Mkdir(path, 0o700); err != nil && !os.IsExist(err) {
			return err
		}
		return os.Chmod(path, f.Mode)
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	switch {
	case f.Mode&fs.ModeSymlink != 0:
		return os.Symlink(f.Data, path)
	case !f.Mode.IsRegular():
		return fmt.Errorf("no file, directory or link: %s", f.Mode)
	case link != "":
		return os.Link(link, path)
	}
	if err := os.WriteFile(path, []byte(f.Data), 0o600); err != nil {
		return err
	}
	if err := os.Chmod(path, f.Mode); err != nil {
		return err
	}
	return os.Chtimes(path, time.Time{}, f.written)
}
