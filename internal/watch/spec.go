package watch

import (
	"errors"
	"syscall"
)

// Class is what is reported; each class holds the one before.
type Class uint8

const (
	// Opens: opens of files, directory listings, executions, and what makes, renames
	// or removes files.
	Opens Class = iota + 1
	// Direct: the stat, access, readlink and extended attribute calls as well, but
	// not those by which realpath(3) asks at each directory of a path whether it is
	// a link. They are more than half of all calls of a link, nearly all of them
	// repetitions. What they tell beyond the rest is which links lie on a path that is
	// resolved and then looked at under its new name only, or not at all.
	Direct
	// All: those as well.
	All
)

// Spec describes the process to start.
type Spec struct {
	Path string   // the program, as for execve(2): relative to Dir, not searched for
	Argv []string // with argv[0]
	Env  []string // "NAME=value"
	Dir  string   // working directory; empty: the caller's
	// Files are descriptors of the caller that become the child's 0, 1, 2, ...;
	// none of its numbers is left open where an element is ^uintptr(0). Descriptors
	// from len(Files) on stay open in the child unless they are close-on-exec.
	Files []uintptr
	Class Class
	// Alone: this process waits for the child and does little else. The watcher then
	// keeps one of the processors that GOMAXPROCS allows (if there are two) while
	// it waits for calls. That spares the run-time system's own watchman, who wakes
	// up some hundred times in a compile, a fifth of the cost.
	Alone bool
	// Deathsig is sent to the child when the thread that called Start ends; 0: none.
	// Go ends a thread only with its process, or when a goroutine that is locked to
	// it ends, so Start is not for such goroutines.
	Deathsig syscall.Signal
	// NoFile is the child's limit of open files; nil: the caller's. A Go program
	// raises its own soft limit at start and hands the old one to the children that
	// package syscall starts; it tells nobody what it was.
	NoFile *Limit
}

// Limit is a resource limit, as prlimit(2) takes it.
type Limit struct{ Soft, Hard uint64 }

var (
	// ErrUnavailable: the kernel, a seccomp policy or the architecture does not let
	// a process tree be watched. Nothing was started.
	ErrUnavailable = errors.New("watching processes is not permitted here")
	// ErrNested: the caller itself is watched, by this package or by something else
	// with a listener, of which there can be one. Nothing was started.
	ErrNested = errors.New("this process is itself watched")
)
