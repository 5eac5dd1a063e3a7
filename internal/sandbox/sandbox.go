package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

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
	// Dir is an empty directory that only the caller writes to. Jobs see its name and
	// nothing of it. Where the caller is root, everybody can pass through those above it.
	Dir  string
	Root bool // the caller is root
	// Slots is how many jobs can run at once; 0: as many as there are processors.
	Slots int
	// Processors is how many one job can keep busy, at the level Isolated where control
	// groups for them exist; 0: all.
	Processors float64
	// Demand is the level that it must have; 0: any.
	Demand  Level
	without measures // tests only
}

// Level says what keeps jobs from the machine and from each other.
type Level int

// Levels, the stronger the greater. At both, a job has namespaces of its own, no
// network, a list of calls that it may make, and files in memory of limited size.
const (
	// Rootless: jobs run as one user, the one who runs the sandbox or, of root, users of
	// their own; the keeper watches how much memory they take.
	Rootless Level = iota + 1
	// Isolated: each slot has a user that nobody else has, and control groups.
	Isolated
)

func (l Level) String() string {
	switch l {
	case Rootless:
		return "rootless"
	case Isolated:
		return "isolated"
	}
	return "level " + strconv.Itoa(int(l))
}

// Sandbox runs jobs, each in a slot.
type Sandbox struct {
	config Config
	level  Level
	groups []groups
	users  []int      // of jobs, by slot; nil: the caller
	locks  []*os.File // that claim them
	slots  chan *slot // those that are free
	closed chan struct{}
	once   sync.Once
}

// Open checks that jobs can be run as promised and returns a Sandbox, which has to
// be closed. The error says in one line what this machine lacks.
func Open(ctx context.Context, c Config) (*Sandbox, error) {
	if c.Slots == 0 {
		c.Slots = runtime.NumCPU()
	}
	if c.Slots < 0 || c.Slots > maxSlots {
		return nil, fmt.Errorf("%d jobs at once, %d at most", c.Slots, maxSlots)
	}
	if err := checkVersion(ctx, c.Bwrap); err != nil {
		return nil, err
	}
	s := &Sandbox{config: c, level: Rootless, slots: make(chan *slot, c.Slots), closed: make(chan struct{}), groups: make([]groups, c.Slots)}
	if c.Root {
		made, err := makeGroups(c.Slots)
		if err == nil {
			s.level, s.groups = Isolated, made
		} else if c.Demand == Isolated {
			return nil, fmt.Errorf("no sandbox of the level %s on this machine (its users and control groups take root, and control groups that can be written): %w", c.Demand, err)
		}
	} else if c.Demand == Isolated {
		return nil, fmt.Errorf("a sandbox of the level %s takes root", c.Demand)
	}
	if c.Root {
		var err error
		if s.users, s.locks, err = claimUsers(c.Slots); err != nil {
			return nil, errors.Join(err, removeGroups(s.groups))
		}
	}
	for i, g := range s.groups {
		spec := keeperSpec{Bwrap: c.Bwrap, Self: c.Self, Dir: c.Dir, Groups: g, Processors: c.Processors}
		if c.Root {
			spec.User = s.users[i]
		}
		s.slots <- &slot{spec: spec, config: &s.config}
	}
	if err := s.passable(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.check(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("no sandbox on this machine: %w", err), s.Close())
	}
	return s, nil
}

// passable checks that the users of jobs can get to what is mounted on Dir.
func (s *Sandbox) passable() error {
	if !s.config.Root {
		return nil
	}
	dir, err := filepath.EvalSymlinks(s.config.Dir)
	if err != nil {
		return fmt.Errorf("find the sandbox's directory: %w", err)
	}
	for dir != filepath.Dir(dir) {
		dir = filepath.Dir(dir)
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("find the sandbox's directory: %w", err)
		}
		if info.Mode()&0o001 == 0 {
			return fmt.Errorf("not everybody can pass through %s, where the sandbox's directory is: chmod o+x, or choose another", dir)
		}
	}
	return nil
}

// Level returns the level that it has.
func (s *Sandbox) Level() Level { return s.level }

// Close waits until the results of jobs are closed, and frees what the slots took.
func (s *Sandbox) Close() error {
	var errs []error
	s.once.Do(func() {
		close(s.closed)
		for range s.config.Slots {
			errs = append(errs, (<-s.slots).stop())
		}
		errs = append(errs, removeGroups(s.groups), release(s.locks))
	})
	return errors.Join(errs...)
}

// leastBwrap is the version of bubblewrap that first had all the options in use.
const leastBwrap = "0.8.0"

func checkVersion(ctx context.Context, bwrap string) error {
	cmd := exec.CommandContext(ctx, bwrap, "--version")
	cmd.Env = []string{}
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("ask bubblewrap for its version (the package bubblewrap has it): %w", err)
	}
	version, ok := strings.CutPrefix(strings.TrimSpace(string(out)), "bubblewrap ")
	if !ok || older(version, leastBwrap) {
		return fmt.Errorf("%s is %q; install version %s or later of bubblewrap, or set bwrap_path to one", bwrap, bytes.TrimSpace(out), leastBwrap)
	}
	return nil
}

// older compares versions of numbers and dots.
func older(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range y {
		var m int
		if i < len(x) {
			m, _ = strconv.Atoi(x[i]) // what is no number is old
		}
		if n, _ := strconv.Atoi(y[i]); m != n {
			return m < n
		}
	}
	return false
}

// scratch makes a directory with the given directories in it.
func (s *Sandbox) scratch(names ...string) (string, error) {
	dir, err := os.MkdirTemp(s.config.Dir, "job-")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	for _, name := range names {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			return "", fmt.Errorf("make directory: %w", err)
		}
	}
	return dir, nil
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
