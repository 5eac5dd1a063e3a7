package storage

import (
	"errors"
	"fmt"
)

// ErrWrongContent is wrapped by the error of a put whose bytes are not those
// that the digest names. It is a defect of the caller or a source that changed.
var ErrWrongContent = errors.New("content does not have this digest")

// ErrTooLong is wrapped by the error of a put whose payload exceeds the MaxSize
// of its kind.
var ErrTooLong = errors.New("record too long")

// Reason says why an object was not found.
type Reason uint8

const (
	// Absent: there is no object of that name.
	Absent Reason = iota + 1
	// Corrupt: there was something of that name, and it was not what the name
	// says. A tier that can removes it, so that the next look-up finds it Absent.
	Corrupt
)

// String returns one lower-case word, fit as a label of a counter.
func (r Reason) String() string {
	switch r {
	case Absent:
		return "absent"
	case Corrupt:
		return "corrupt"
	}
	return "?"
}

// Miss is the error of a look-up that found nothing usable in a tier that works.
type Miss struct {
	Reason Reason
	Object string // "ac <digest>" or "blob <digest>"
	Err    error  // what gave it away; nil where nothing more is known
}

func (m *Miss) Error() string {
	if m.Err == nil {
		return m.Object + ": " + m.Reason.String()
	}
	return fmt.Sprintf("%s: %s: %v", m.Object, m.Reason, m.Err)
}

// Unwrap returns Err.
func (m *Miss) Unwrap() error { return m.Err }

// IsMiss reports whether err says that an object was not found, as opposed to a
// tier that does not work.
func IsMiss(err error) bool {
	_, ok := errors.AsType[*Miss](err)
	return ok
}

// Trouble is the class of a Fault.
type Trouble uint8

const (
	// Unavailable: the tier did not answer, or gave an error of no other class
	// (an I/O error, a lost connection).
	Unavailable Trouble = iota + 1
	// Full: no space, or the quota is used up.
	Full
	// ReadOnly: the tier takes no writes at all.
	ReadOnly
	// Denied: this user or these credentials may not.
	Denied
	// Exhausted: this process or machine is out of descriptors or memory.
	Exhausted
)

// String returns a few lower-case words, fit for messages and as a label.
func (t Trouble) String() string {
	switch t {
	case Unavailable:
		return "storage unavailable"
	case Full:
		return "disk full"
	case ReadOnly:
		return "storage is read-only"
	case Denied:
		return "permission denied"
	case Exhausted:
		return "out of descriptors or memory"
	}
	return "?"
}

// Fault is the error of a tier that does not work.
type Fault struct {
	Op      string // "open", "store", "read" or "remove"
	Trouble Trouble
	Err     error
}

// Error returns, for example, "cannot store: disk full: write /c/cas/ab: no space left on device".
func (f *Fault) Error() string {
	return fmt.Sprintf("cannot %s: %s: %v", f.Op, f.Trouble, f.Err)
}

// Unwrap returns Err.
func (f *Fault) Unwrap() error { return f.Err }
