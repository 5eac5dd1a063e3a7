package sandbox

import (
	"errors"
	"fmt"
	"os"
)

// Kind is what lies at the place of an output.
type Kind int

// What can lie there. Special is a FIFO, a socket or a device.
const (
	Missing Kind = iota
	File
	Directory
	Symlink
	Special
)

// Output is what a job left at a place.
type Output struct {
	Path       string // as it was asked for; of a walk: from the root, absolute
	Kind       Kind
	Size       int64  // of a File, in bytes
	Executable bool   // of a File
	Target     string // of a Symlink: as the job wrote it
}

// Open opens a File of the job's, by the Path that Outputs or Walk gave. It is a
// regular file, and nobody is left who could change it. It has to be closed before
// the result.
func (r *Result) Open(path string) (*os.File, error) {
	_, files, err := r.ask(&request{Open: path})
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, fmt.Errorf("sandbox: %s comes as %d files", path, len(files))
	}
	return files[0], nil
}

// Walk returns all that lies below a Directory of the job's, parents first and by
// name. More than most entries are an error, and so are more than maxDepth levels.
func (r *Result) Walk(path string, most int) ([]Output, error) {
	got, _, err := r.ask(&request{Walk: path, Most: most})
	if err != nil {
		return nil, err
	}
	return got.Outputs, nil
}

func (r *Result) ask(q *request) (*reply, []*os.File, error) {
	if r.slot == nil {
		return nil, nil, errors.New("sandbox: the result is closed")
	}
	return r.slot.ask(q)
}

// Close forgets the files and frees the slot. A second call does nothing.
func (r *Result) Close() error {
	if r.slot == nil {
		return nil
	}
	err := r.slot.end()
	r.slot = nil
	r.free(err)
	return err
}
