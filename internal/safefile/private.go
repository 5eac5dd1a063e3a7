package safefile

import (
	"os"
	"path/filepath"
)

// NotPrivateError says that others own a directory or may write to it, so that
// what lies in it cannot be taken for the user's own.
type NotPrivateError struct {
	Path    string
	Problem string // "others can write to it (mode 0775)"
	Remedy  string // what the user can do
}

func (e *NotPrivateError) Error() string {
	return e.Path + ": " + e.Problem + "; " + e.Remedy
}

// PrivateDir makes dir and its parents, with mode 0700, as far as they do not
// exist, and checks that dir is a directory that belongs to the effective user
// and that nobody else may write to. A symbolic link at the end of dir is
// followed if it belongs to the user or to root. The error of the check is a
// *NotPrivateError.
func PrivateDir(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return checkPrivate(dir)
}
