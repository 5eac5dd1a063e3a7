package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Job is one command in a root of its own.
type Job struct {
	// Layers are directories whose union is the root, the topmost first. They
	// belong to Owner and stay as they are.
	Layers []string
	// Shared are directories of this machine that the job may read, where they are: what
	// shapes messages and is no input. One that is missing is left out.
	Shared []string
	// HasTemp: a layer has /tmp. Otherwise the job gets an empty one.
	HasTemp bool
	Args    []string // Args[0] is the absolute path of the executable
	Env     []string // the whole environment
	Dir     string   // working directory, absolute
	Outputs []string // absolute, or relative to Dir
	Limits  Limits
}

// Result is how a job ended.
type Result struct {
	Status         int // as a shell has it: 128 and the number of the signal that ended it
	Stdout, Stderr []byte
	// Outputs are the files, in the order of Job.Outputs, that the job left: paths
	// below the directory that Close removes, "" where there is no regular file.
	Outputs []string
	dir     string
}

// Close removes the outputs.
func (r *Result) Close() error { return Remove(r.dir) }

// ErrLimit is wrapped by the error for a job that was ended because it took too
// long or printed too much. Other limits show in how the command fails.
var ErrLimit = errors.New("limit exceeded")

// Run runs a job to its end. An error means that nothing can be said about the
// command; that it failed is none.
func (s *Sandbox) Run(ctx context.Context, j *Job) (*Result, error) {
	dir, err := s.scratch("upper", "work", "root", "out")
	if err != nil {
		return nil, err
	}
	r, err := s.runIn(ctx, j, dir)
	if err != nil {
		return nil, errors.Join(err, Remove(dir))
	}
	return r, nil
}

func (s *Sandbox) runIn(ctx context.Context, j *Job, dir string) (*Result, error) {
	if err := s.give(dir, "upper", "work", "root", "out"); err != nil {
		return nil, err
	}
	spec := rootSpec{Job: *j, Scratch: dir, Bwrap: s.config.Bwrap, Self: s.config.Self}
	if len(j.Layers) == 0 {
		return nil, errors.New("job without a layer")
	}
	limited, cancel := context.WithTimeoutCause(ctx, j.Limits.Wall, fmt.Errorf("%w: more than %s", ErrLimit, j.Limits.Wall))
	defer cancel()
	stdout, stderr := &capped{left: j.Limits.Messages}, &capped{left: j.Limits.Messages}
	var reply rootReply
	err := s.start(limited, stageRoot, rootAttr(s.config.Root), spec, &reply, stdout, stderr)
	switch {
	case limited.Err() != nil:
		return nil, context.Cause(limited)
	case stdout.full || stderr.full:
		return nil, fmt.Errorf("%w: more than %d bytes of messages", ErrLimit, j.Limits.Messages)
	case err != nil:
		return nil, err
	case reply.Error != "":
		return nil, fmt.Errorf("sandbox: %s%s", reply.Error, after(stderr.Bytes()))
	}
	r := &Result{Status: reply.Status, Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), dir: dir, Outputs: make([]string, len(j.Outputs))}
	for i, found := range reply.Found {
		if found && i < len(r.Outputs) {
			r.Outputs[i] = filepath.Join(dir, "out", strconv.Itoa(i))
		}
	}
	return r, nil
}

// after spells what a helper printed before it failed, as the rest of an error.
func after(text []byte) string {
	text = bytes.TrimSpace(text)
	if len(text) == 0 {
		return ""
	}
	const most = 500
	return ": " + string(text[:min(len(text), most)])
}

// capped keeps what is written to it up to a number of bytes, and then fails, so
// that the writer's pipe breaks. The buffer is no embedded field: io.Copy would
// use its ReadFrom, which has no limit.
type capped struct {
	kept bytes.Buffer
	left int64
	full bool
}

func (c *capped) Write(p []byte) (int, error) {
	if int64(len(p)) > c.left {
		c.full = true
		return 0, ErrLimit
	}
	c.left -= int64(len(p))
	return c.kept.Write(p)
}

func (c *capped) Bytes() []byte { return c.kept.Bytes() }

// readFile decodes the JSON in f from its beginning.
func readFile(f *os.File, to any) error {
	if _, err := f.Seek(0, 0); err != nil {
		return err
	}
	return json.NewDecoder(f).Decode(to)
}
