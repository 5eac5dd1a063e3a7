package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// processors tells for how long processors have worked for this process and all that it
// has started since, whoever has waited for them. Where there is no control group for that,
// it counts for everybody.
type processors struct {
	home, dir string // of version 1; "": none
}

// cpuacct is where the controller of version 1 is mounted.
const cpuacct = "/sys/fs/cgroup/cpuacct"

// countProcessors moves this process to a group of its own, if it may.
func countProcessors() (*processors, error) {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	p := &processors{}
	for line := range strings.Lines(string(own)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		if list, path, _ := strings.Cut(rest, ":"); strings.Contains(","+list+",", ",cpuacct,") {
			p.home = filepath.Join(cpuacct, path)
		}
	}
	if p.home == "" {
		return p, nil
	}
	p.dir = filepath.Join(p.home, "bench-"+strconv.Itoa(os.Getpid()))
	if err := os.Mkdir(p.dir, 0o755); err != nil {
		p.dir = "" // no group of version 1, or not ours to make
		return p, nil
	}
	return p, moveTo(p.dir)
}

func moveTo(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
		return fmt.Errorf("count processor time: %w", err)
	}
	return nil
}

// seconds returns the time so far. Only differences mean something.
func (p *processors) seconds() float64 {
	if p.dir == "" {
		return busySeconds()
	}
	text, err := os.ReadFile(filepath.Join(p.dir, "cpuacct.usage"))
	if err != nil {
		return 0
	}
	ns, _ := strconv.ParseFloat(strings.TrimSpace(string(text)), 64) // 0 where it is none
	return ns / 1e9
}

// leave moves back. What was started has to have ended.
func (p *processors) leave() error {
	if p.dir == "" {
		return nil
	}
	return errors.Join(moveTo(p.home), os.Remove(p.dir))
}
