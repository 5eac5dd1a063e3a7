package main

import (
	"os"

	"github.com/cachepot/cachepot/internal/watch"
)

// unwatched says why processes cannot be watched here, "" where they can: it has
// program, this one, print its version under watch, to nowhere.
func unwatched(program string) string {
	if err := tryWatch(program); err != nil {
		return err.Error()
	}
	return ""
}

func tryWatch(program string) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	fd := null.Fd()
	t, err := watch.Start(&watch.Spec{Path: program, Argv: []string{"cachepot", "--version"}, Files: []uintptr{fd, fd, fd}, Class: watch.Opens})
	if err != nil {
		return err
	}
	_, _, err = t.Wait()
	return err
}

// ownUnwatched is unwatched for the program that runs.
func ownUnwatched() string {
	program, err := os.Executable()
	if err != nil {
		return err.Error()
	}
	return unwatched(program)
}
