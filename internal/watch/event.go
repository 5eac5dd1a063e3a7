package watch

import "syscall"

// Op is what a process did with a path.
type Op uint8

const (
	// Read: opened so that its content can be read, or content that the tree made
	// part of something else (renamed, linked, or written to without being
	// emptied first).
	Read Op = iota + 1
	// List: a directory whose entries were asked for.
	List
	// Probe: looked at without its content: stat, access, extended attributes, a
	// directory opened or entered, an open that could not have succeeded.
	Probe
	// Link: the target of a symbolic link was asked for.
	Link
	// Exec: started as a program, or read by the kernel in order to start one (the
	// interpreter of a script, the dynamic loader).
	Exec
	// Write: made, emptied or written to; the new name of a rename or a link.
	Write
	// Remove: unlinked, or renamed away.
	Remove
)

// String returns the name of the constant.
func (o Op) String() string {
	switch o {
	case Read:
		return "Read"
	case List:
		return "List"
	case Probe:
		return "Probe"
	case Link:
		return "Link"
	case Exec:
		return "Exec"
	case Write:
		return "Write"
	case Remove:
		return "Remove"
	}
	return "Op?"
}

// Event is one path and what was done with it, told once however often it was
// done. The package comment says what exactly each field promises.
type Event struct {
	Op Op
	// Own: what was there, or that nothing was there, is the tree's own doing. For
	// Write and Remove: the file had been made by the tree before.
	Own bool
	// Errno is why nothing could be found at Path (ENOENT, ENOTDIR, EACCES, ...)
	// when the call arrived, 0 where there was something.
	Errno syscall.Errno
	Mode  uint32 // st_mode of what was there; 0 with an Errno
	// Path is absolute: as the process spelled it, after its working directory or
	// the directory of its descriptor. It is not cleaned, and symbolic links and
	// ".." are still in it.
	Path string
}

// Input reports whether the event tells of something that was there, or was not
// there, before the tree began, so that the outcome may depend on it. A Write or
// Remove is none: what it depends on has an event of its own.
func (e *Event) Input() bool { return !e.Own && e.Op < Write }

// Report is all that a tree did up to the end of its first process.
type Report struct {
	Events []Event // in order of first sight
	// Incomplete says why something may have been read that no event tells of;
	// empty: nothing was. The reasons are short and fit for a log line.
	Incomplete []string
	Calls      int // that were held up for a look, repetitions included
}
