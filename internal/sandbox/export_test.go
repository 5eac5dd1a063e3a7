package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Measures are what tests leave out, to see the attack succeed that they are for.
type Measures = measures

const (
	User         = measureUser
	Capabilities = measureCapabilities
	Descriptors  = measureDescriptors
	KernelLimits = measureLimits
	RootDir      = measureRoot
	Devices      = measureDevices
	Session      = measureSession
	IPC          = measureIPC
	PID          = measurePID
	Net          = measureNet
	Userns       = measureUserns
	Environment  = measureEnvironment
	Filter       = measureFilter
	Settings     = measureSettings
	Temp         = measureTemp
	Groups       = measureGroups
	Watch        = measureWatch
	End          = measureEnd
	Check        = measureCheck
)

// RunWithout runs a job without some measures.
func (s *Sandbox) RunWithout(ctx context.Context, j *Job, without Measures) (*Result, error) {
	return s.run(ctx, &jobSpec{Job: *j, Without: without})
}

// Attack runs the self-test without some measures and returns what broke out.
func (s *Sandbox) Attack(ctx context.Context, without Measures) (map[string]string, error) {
	return s.attack(ctx, without)
}

// OpenWithout opens a sandbox whose keepers lack some measures.
func OpenWithout(ctx context.Context, c Config, without Measures) (*Sandbox, error) {
	c.without = without
	return Open(ctx, c)
}

// Older is what the version of bubblewrap is judged by.
func Older(a, b string) bool { return older(a, b) }

// Throttled returns how often the jobs of the first slot made were kept from the processor.
func (s *Sandbox) Throttled() (int, error) {
	f, err := os.Open(filepath.Join(s.groups[0].Dirs["cpu"], "cpu.stat"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return count(int(f.Fd()), "nr_throttled"), nil
}

// GroupsOf returns the control groups that sandboxes of a process have, beside those of s.
func (s *Sandbox) GroupsOf(pid int) ([]string, error) {
	return filepath.Glob(filepath.Join(filepath.Dir(s.groups[0].Dirs["pids"]), fmt.Sprintf("%s%d-*", groupPrefix, pid)))
}

// Image returns the image that becomes the command of j.
func Image(j *Job) ([]byte, []string, error) { return stepImage(&jobSpec{Job: *j}) }

// Started interprets what an image said.
func Started(said []byte, names []string) error { return started(said, names) }

// ParseGroups finds the control groups.
func ParseGroups(mine, mounts string) (map[string]string, string) { return parseGroups(mine, mounts) }

// LimitGroups sets the limits of control groups of version 2 in dir.
func LimitGroups(dir string, l *Limits, processors float64) error {
	j := &joined{groups: groups{Dirs: map[string]string{"memory": dir, "pids": dir, "cpu": dir}, V2: true}}
	return errors.Join(j.limit(l), j.share(processors))
}

// GroupsBelow makes groups of version 2 and returns where each slot has those of its controllers.
func GroupsBelow(own map[string]string, slots int) ([]map[string]string, error) {
	made, err := groupsBelow(own, true, slots)
	var out []map[string]string
	for _, g := range made {
		out = append(out, g.Dirs)
	}
	return out, err
}

// EnableGroups lets the groups below dir have controllers.
func EnableGroups(dir string) error { return enable(dir, []string{"memory", "pids"}) }
