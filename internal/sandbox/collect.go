package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxDepth is how deep a directory of outputs may be.
const maxDepth = 64

// describe tells what lies at name in the root of the job. All its processes have
// ended; links on the way lead to within the root, or nowhere.
func (k *keeper) describe(name string) (Output, error) {
	out := Output{Path: "/" + name}
	info, err := k.root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENAMETOOLONG):
		return out, nil
	case err != nil && leadsOut(err):
		return out, nil
	case err != nil:
		return out, err
	}
	switch info.Mode().Type() {
	case 0:
		out.Kind, out.Size, out.Executable = File, info.Size(), info.Mode()&0o111 != 0
	case fs.ModeDir:
		out.Kind = Directory
	case fs.ModeSymlink:
		out.Kind = Symlink
		if out.Target, err = k.root.Readlink(name); err != nil {
			return out, err
		}
	default:
		out.Kind = Special
	}
	return out, nil
}

// leadsOut reports whether a path was refused as one that leads out of the root.
// The standard library has no name for that error.
func leadsOut(err error) bool {
	e, ok := errors.AsType[*fs.PathError](err)
	return ok && strings.HasSuffix(e.Err.Error(), "escapes from parent")
}

// open opens a regular file that was told of. It does not wait for what a FIFO or
// a device would have it wait for.
func (k *keeper) open(told string) (*os.File, error) {
	name, ok := k.told[told]
	if !ok {
		return nil, fmt.Errorf("%s is no output", told)
	}
	before, err := k.root.Lstat(name)
	if err != nil {
		return nil, fmt.Errorf("open output: %w", err)
	}
	f, err := k.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open output: %w", err)
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || !os.SameFile(before, info)) {
		err = fmt.Errorf("%s is no regular file", told)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// walk tells of all below a directory that was told of, parents first.
func (k *keeper) walk(told string, most int) ([]Output, error) {
	name, ok := k.told[told]
	if !ok {
		return nil, fmt.Errorf("%s is no output", told)
	}
	if info, err := k.root.Lstat(name); err != nil || !info.IsDir() {
		return nil, errors.Join(fmt.Errorf("%s is no directory", told), err)
	}
	var all []Output
	var into func(dir string, depth int) error
	into = func(dir string, depth int) error {
		if depth > maxDepth {
			return fmt.Errorf("%w: more than %d directories in each other", ErrLimit, maxDepth)
		}
		names, err := k.list(dir, most-len(all))
		if err != nil {
			return err
		}
		for _, n := range names {
			o, err := k.describe(path.Join(dir, n))
			if err != nil {
				return err
			}
			k.told[o.Path] = path.Join(dir, n)
			if all = append(all, o); len(all) > most {
				return fmt.Errorf("%w: more than %d entries in an output directory", ErrLimit, most)
			}
			if o.Kind == Directory {
				if err := into(path.Join(dir, n), depth+1); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return all, into(name, 1)
}

// list returns the names in a directory, in order, and not many more than most.
func (k *keeper) list(dir string, most int) ([]string, error) {
	f, err := k.root.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("list output directory: %w", err)
	}
	defer f.Close()
	names, err := f.Readdirnames(max(most, 0) + 1)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("list output directory: %w", err)
	}
	slices.Sort(names)
	return names, nil
}
