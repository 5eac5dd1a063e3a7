package config

import (
	"os"
	"path/filepath"
)

// ProjectFile is the name of the file by which a project sets what is its own.
const ProjectFile = "cachepot.toml"

// Project reads what the project that one of dirs belongs to says of variables:
// the first ProjectFile in one of dirs or above it, the nearest. Without one, and
// without a problem, it says nothing. dirs are absolute. The error is an *Error, or
// wraps several.
//
// The file comes with the sources, so it can only do what is no danger: what it
// says moves variables between those that are keyed and those that are not seen.
func Project(host Host, dirs []string) (Variables, error) {
	for _, dir := range dirs {
		if path := projectFile(dir, host.UID); path != "" {
			return readProject(host, path)
		}
	}
	return Variables{}, nil
}

func readProject(host Host, path string) (Variables, error) {
	l := newLoader(host, newSchema(projectSettings()))
	if f, err := os.Open(path); err != nil {
		l.problem(&Error{File: path, Text: "cannot be read: " + reason(err)})
	} else {
		defer f.Close()
		l.read(path, f)
	}
	c, err := l.result()
	if err != nil {
		return Variables{}, err
	}
	return c.Rust, nil
}

// projectFile returns the nearest ProjectFile in dir or above it that belongs to
// the user, to root, or to whom dir belongs, "" where there is none: somebody else's
// above a shared directory has no say.
func projectFile(start string, uid int) string {
	for dir := filepath.Clean(start); ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, ProjectFile)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && ownedBy(info, uid, 0, ownerOf(start)) {
			return path
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}
