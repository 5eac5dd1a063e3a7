package filestate

import "github.com/cachepot/cachepot/internal/digest"

// Places gives paths other names, as a roots.Map does.
type Places interface {
	Fixed(path string) string
	Above(path string) bool // reports whether a directory is there because one that is moved is
}

// Moved returns a Sink that hands on to another what lies in places by its fixed name.
func Moved(to Sink, places Places) Sink { return moved{to, places} }

type moved struct {
	to     Sink
	places Places
}

func (m moved) File(path string, d digest.Digest, executable bool) {
	m.to.File(m.places.Fixed(path), d, executable)
}

func (m moved) Symlink(path, target string) {
	m.to.Symlink(m.places.Fixed(path), m.places.Fixed(target))
}

// Dir leaves out what is there because a root is.
func (m moved) Dir(path string) {
	if !m.places.Above(path) {
		m.to.Dir(m.places.Fixed(path))
	}
}

// Passed leaves out what lies in no root: a search up from a root passes directories that
// have other names for everybody, and finds nothing.
func (m moved) Passed(path string) {
	if m.places.Fixed(path) != path {
		m.Dir(path)
	}
}
