// Package safefile writes files so that nobody ever sees a part of one, makes and
// checks directories that only their owner may write to, and tells whether a file
// has changed. It is a leaf that any package may import, the wrapper included,
// and so it does without fmt.
//
// Nothing here calls fsync. After a power loss a file that was written shortly
// before may be absent, empty or hold zeros. For a cache that costs nothing but
// misses, because every reader verifies what it reads, whereas fsync would cost
// milliseconds in every miss of a build. A file whose reader cannot verify it
// must not be written with this package.
package safefile

import (
	"io/fs"
	"path/filepath"
)

// Write makes data the content of path, in place of whatever file was there.
// The mode is subject to the umask, as with open(2). A reader finds the old
// content or the new one.
func Write(path string, data []byte, mode fs.FileMode) error {
	t, err := newTemp(path, data, mode)
	if err != nil {
		return err
	}
	return t.Replace(path)
}

// WriteNew makes a file path with content data, unless something of that name is
// there already: then the error is fs.ErrExist, as errors.Is sees it, and nothing
// has changed.
func WriteNew(path string, data []byte, mode fs.FileMode) error {
	t, err := newTemp(path, data, mode)
	if err != nil {
		return err
	}
	return t.Publish(path)
}

func newTemp(path string, data []byte, mode fs.FileMode) (*Temp, error) {
	t, err := Create(filepath.Dir(path), mode)
	if err != nil {
		return nil, err
	}
	if _, err := t.File().Write(data); err != nil {
		t.Discard()
		return nil, err
	}
	return t, nil
}
