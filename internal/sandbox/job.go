package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// Job is one command in a root of its own.
type Job struct {
	// Layers are directories whose union is the root, the topmost first. They stay as they
	// are. Directories in them are open to all, files readable by all.
	Layers []string
	// Shared are directories of this machine that the job may read: what shapes messages
	// and is no input, or a base that no key covers. One that is missing is left out.
	Shared []Bind
	// Writable are directories that the job may write to, besides Dir, /tmp and those that
	// Outputs lie in. All but Dir are made where no layer has them. At the level Isolated
	// the rest of the layers can be read only; where it can be written to, what is written
	// is gone when the job ends.
	Writable []string
	Args     []string // Args[0] is the absolute path of the executable
	Env      []string // the whole environment
	Dir      string   // working directory, absolute
	Outputs  []string // absolute, or relative to Dir
	Limits   Limits
}

// Bind shows the directory From of this machine as the directory To of the job,
// the same where To is empty.
type Bind struct{ From, To string }

// Limits bound one job. DefaultLimits has a value for each.
type Limits struct {
	Wall      time.Duration // from start to end, setting up included
	CPU       uint64        // seconds, for each process
	FileSize  uint64        // bytes, for each file
	Files     uint64        // open files, for each process
	Messages  int64         // bytes of stdout and of stderr
	Temp      uint64        // bytes of all files that it writes, outputs included
	Inodes    uint64        // number of all files that it makes
	Memory    uint64        // bytes, of all processes, besides Temp
	Processes uint64        // and threads, at once
}

// DefaultLimits are ample for any compile that is in a cache.
func DefaultLimits() Limits {
	return Limits{
		Wall: 15 * time.Minute, CPU: 600, FileSize: 2 << 30, Files: 1024, Messages: 16 << 20,
		Temp: 2 << 30, Inodes: 100_000, Memory: 4 << 30, Processes: 256,
	}
}

// ErrLimit is wrapped by the error for a job that was ended, or failed, because it
// took too much of something. A file or a process that has its limit may show in
// how the command fails, and no other way.
var ErrLimit = errors.New("limit exceeded")

// Result is how a job ended.
type Result struct {
	Status         int // as a shell has it: 128 and the number of the signal that ended it
	Stdout, Stderr []byte
	Outputs        []Output // in the order of Job.Outputs
	slot           *slot
	free           func(error)
}

// Run runs a job to its end, and waits for a slot before it. An error means that
// nothing can be said about the command; that it failed is none. The Result holds
// the slot until it is closed.
func (s *Sandbox) Run(ctx context.Context, j *Job) (*Result, error) {
	return s.run(ctx, &jobSpec{Job: *j})
}

func (s *Sandbox) run(ctx context.Context, spec *jobSpec) (*Result, error) {
	if len(spec.Layers) == 0 {
		return nil, errors.New("job without a layer")
	}
	slot, free, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, spec.Limits.Wall, fmt.Errorf("%w: more than %s", ErrLimit, spec.Limits.Wall))
	defer cancel()
	r, err := slot.run(limited, spec)
	if err != nil {
		free(slot.end())
		if limited.Err() != nil {
			err = context.Cause(limited)
		}
		return nil, err
	}
	r.slot, r.free = slot, free
	return r, nil
}

// run hands the job to the keeper and waits for its end, come what may: a job
// whose time is over is killed.
func (s *slot) run(ctx context.Context, spec *jobSpec) (*Result, error) {
	s.jobs++
	number := s.jobs
	if err := send(s.conn, &request{Run: spec, Job: number}); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { s.kill(number, "its time is over") })
	defer stop()
	var got reply
	if _, err := s.receive(&got); err != nil {
		return nil, err
	}
	switch {
	case got.Error != "":
		return nil, fmt.Errorf("sandbox: %s%s", got.Error, after(got.Stderr))
	case got.Limit != "":
		return nil, fmt.Errorf("%w: %s", ErrLimit, got.Limit)
	}
	return &Result{Status: got.Status, Stdout: got.Stdout, Stderr: got.Stderr, Outputs: got.Outputs}, nil
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
}

func (c *capped) Write(p []byte) (int, error) {
	if int64(len(p)) > c.left {
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
