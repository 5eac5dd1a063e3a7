package safefile

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const tempPrefix = ".tmp-"

// IsTemp reports whether name, the last element of a path, is one that this
// package gives to files that are being written. A process that is killed may
// leave such a file behind; one older than an hour belongs to nobody.
func IsTemp(name string) bool { return strings.HasPrefix(name, tempPrefix) }

// Temp is a file that is being written. It ends with one call of Publish, Replace
// or Discard, whatever their results; further calls of Discard have no effect.
// It is not safe for concurrent use.
type Temp struct {
	f *os.File
	// name is the path, or "" where the file system lets a file have none: then
	// it vanishes with the process, however that ends.
	name string
}

// Create makes an empty Temp, without a name where that is possible, else in dir,
// which is made, with mode 0700, where it does not exist. The Temp can become a
// file anywhere on the file system of dir.
func Create(dir string, mode fs.FileMode) (*Temp, error) {
	t, err := create(dir, mode)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		if err := remake(dir); err != nil {
			return nil, err
		}
		t, err = create(dir, mode)
	}
	return t, err
}

func create(dir string, mode fs.FileMode) (*Temp, error) {
	if f := openUnnamed(dir, mode); f != nil {
		return &Temp{f: f}, nil
	}
	return createNamed(dir, mode)
}

func createNamed(dir string, mode fs.FileMode) (*Temp, error) {
	for {
		name := tempName(dir)
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
		if err == nil {
			return &Temp{f: f, name: name}, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
}

// File returns the open file, for reading and writing.
func (t *Temp) File() *os.File { return t.f }

// Publish gives the file its name, unless something has that name already: then
// the error is fs.ErrExist, as errors.Is sees it, and the Temp is discarded. The
// directory of path is made, with mode 0700, where it does not exist.
func (t *Temp) Publish(path string) error { return t.finish(path, t.linkNew) }

// Replace gives the file its name, in place of what had it before. The directory
// of path is made, with mode 0700, where it does not exist.
func (t *Temp) Replace(path string) error { return t.finish(path, t.linkOver) }

// Discard closes and removes the file.
func (t *Temp) Discard() {
	if t.f == nil {
		return
	}
	t.f.Close()
	if t.name != "" {
		os.Remove(t.name)
	}
	t.f = nil
}

func (t *Temp) finish(path string, link func(string) error) error {
	defer t.Discard()
	if t.name != "" {
		// Some file systems tell only now that the data found no room.
		if err := t.f.Close(); err != nil {
			return err
		}
	}
	err := link(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		if err := remake(filepath.Dir(path)); err != nil {
			return err
		}
		err = link(path)
	}
	if err != nil {
		return err
	}
	t.name = ""
	return nil
}

// linkOver gives the file its name. A file without a name can get one that is
// free in one step, which is the common case; a name that is taken needs two.
func (t *Temp) linkOver(path string) error {
	if t.name == "" {
		err := t.linkNew(path)
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		name := tempName(filepath.Dir(path))
		if err := t.linkNew(name); err != nil {
			return err
		}
		t.name = name
	}
	return replace(t.name, path)
}

// remake makes dir and those above it: a cache directory may be removed under a
// running process. A file that lies where dir belongs is removed.
func remake(dir string) error {
	if info, err := os.Lstat(dir); err == nil && !info.IsDir() {
		os.Remove(dir)
	}
	return os.MkdirAll(dir, 0o700)
}

func tempName(dir string) string {
	return filepath.Join(dir, tempPrefix+strconv.FormatUint(rand.Uint64(), 36))
}
