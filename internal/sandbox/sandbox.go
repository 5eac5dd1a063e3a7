package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Config is what a Sandbox is made of.
type Config struct {
	// Program is a static executable, as a rule the running one, that is started
	// for each stage: with the arguments Self and one more it calls Inner with that.
	Program string
	Self    []string
	// Bwrap is the path of bubblewrap, version 0.8 or later.
	Bwrap string
	// Dir is an empty directory that only the caller writes to. Jobs need its file
	// system to take the upper layer of an overlay; another overlay does not.
	Dir string
	// Root: the caller is root. Jobs then run as a user of their own, JobUser.
	Root bool
}

// JobUser is the user and group of jobs where the caller is root, so that no job
// is ever root to the kernel. It is below 65536, which containers map, and in a
// range (60706 to 61183) that neither distributions nor systemd hand out.
const JobUser = 61000

// Sandbox runs jobs, one at a time or several at once.
type Sandbox struct{ config Config }

// Limits bound one job.
type Limits struct {
	Wall     time.Duration // from start to end, setting up included
	CPU      uint64        // seconds, for each process
	FileSize uint64        // bytes, for each file
	Files    uint64        // open files, for each process
	Messages int64         // bytes of stdout and of stderr
	Temp     uint64        // bytes below /tmp, where the tree has no /tmp
}

// DefaultLimits are ample for any compile that is in a cache.
func DefaultLimits() Limits {
	return Limits{Wall: 15 * time.Minute, CPU: 600, FileSize: 2 << 30, Files: 1024, Messages: 16 << 20, Temp: 2 << 30}
}

// Open checks that jobs can be run as promised and returns a Sandbox. The error
// says in one line what this machine lacks.
func Open(ctx context.Context, c Config) (*Sandbox, error) {
	s := &Sandbox{c}
	if c.Root {
		// Its user has to get through; only root and jobs may.
		if err := os.Chown(c.Dir, JobUser, JobUser); err != nil {
			return nil, fmt.Errorf("give the sandbox's directory to its user: %w", err)
		}
	}
	if err := s.check(ctx); err != nil {
		return nil, fmt.Errorf("no sandbox on this machine: %w", err)
	}
	return s, nil
}

// Owner returns who must own the layers of jobs, -1 for the caller. An overlay
// copies files up only if their owner exists in its user namespace.
func (s *Sandbox) Owner() int {
	if s.config.Root {
		return JobUser
	}
	return -1
}

// scratch makes a directory for one job with the given directories in it.
func (s *Sandbox) scratch(names ...string) (string, error) {
	dir, err := os.MkdirTemp(s.config.Dir, "job-")
	if err != nil {
		return "", fmt.Errorf("make job's directory: %w", err)
	}
	for _, name := range names {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return "", fmt.Errorf("make job's directory: %w", err)
		}
	}
	return dir, nil
}

// give gives dir and what is directly in it to the user of jobs.
func (s *Sandbox) give(dir string, names ...string) error {
	if !s.config.Root {
		return nil
	}
	for _, name := range append(names, "") {
		if err := os.Chown(filepath.Join(dir, name), JobUser, JobUser); err != nil {
			return fmt.Errorf("give job's directory to its user: %w", err)
		}
	}
	return nil
}

// Remove removes a directory in which an overlay may have had its upper layer:
// the kernel leaves directories there that not even their owner may enter.
func Remove(dir string) error {
	err := os.RemoveAll(dir)
	if !errors.Is(err, unix.EACCES) {
		return err
	}
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.IsDir() {
			err = os.Chmod(path, 0o700) // before it is read
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(dir))
}
