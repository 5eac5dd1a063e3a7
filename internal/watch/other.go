//go:build !linux || !(amd64 || arm64)

package watch

import (
	"syscall"
	"time"
)

// Tree is a process that was started by Start; there is none here.
type Tree struct{}

// Permitted returns ErrUnavailable.
func Permitted() error { return ErrUnavailable }

// Start returns ErrUnavailable: there is no way to watch a tree here.
func Start(*Spec) (*Tree, error) { return nil, ErrUnavailable }

// Trace returns ErrUnavailable.
func Trace(*Spec, time.Duration) (s syscall.WaitStatus, r *Report, err error) {
	return s, r, ErrUnavailable
}

// Serve returns ErrUnavailable.
func Serve(uintptr) error { return ErrUnavailable }

// Pid and the other methods are never called: no Tree is ever made.
func (*Tree) Pid() int { return 0 }

// Signal returns ErrUnavailable.
func (*Tree) Signal(syscall.Signal) error { return ErrUnavailable }

// Wait returns ErrUnavailable.
func (*Tree) Wait() (s syscall.WaitStatus, u syscall.Rusage, err error) {
	return s, u, ErrUnavailable
}

// Report returns an empty report.
func (*Tree) Report() *Report { return &Report{Incomplete: []string{ErrUnavailable.Error()}} }

// Alive returns false.
func (*Tree) Alive() bool { return false }

// Leave returns ErrUnavailable.
func (*Tree) Leave(path string, argv, env []string) error { return ErrUnavailable }
