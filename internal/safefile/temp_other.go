//go:build !linux

package safefile

import (
	"io/fs"
	"os"
)

func openUnnamed(string, fs.FileMode) *os.File { return nil }

// linkNew gives the file the name path if that is free.
func (t *Temp) linkNew(path string) error { return linkAndRemove(t.name, path) }

// replace renames old to path, whatever file path is.
func replace(old, path string) error { return os.Rename(old, path) }
