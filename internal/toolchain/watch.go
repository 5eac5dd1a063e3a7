package toolchain

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/spawn"
	"github.com/cachepot/cachepot/internal/watch"
)

// probeLimit ends a probe, which takes 0.1 s, and traced 0.3 s.
const probeLimit = time.Minute

// Watch is the Watcher that uses this system's kernel: seccomp, and where that is
// not permitted the slower ptrace, which one probe can afford.
func Watch(_ context.Context, c spawn.Command) (*Observation, error) {
	o, err := observe(c, watched)
	if errors.Is(err, watch.ErrUnavailable) || errors.Is(err, watch.ErrNested) {
		o, err = observe(c, watch.Trace)
	}
	if errors.Is(err, watch.ErrUnavailable) {
		return nil, compiler.NotCacheable("%s", watch.ErrUnavailable.Error())
	}
	return o, err
}

// way is a way to have a process tree watched; it is ended after limit.
type way func(spec *watch.Spec, limit time.Duration) (syscall.WaitStatus, *watch.Report, error)

func observe(c spawn.Command, by way) (*Observation, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	fd := null.Fd()
	ws, r, err := by(&watch.Spec{
		Path: c.Path, Argv: c.Args, Env: c.Env, Dir: c.Dir,
		Files: []uintptr{fd, fd, fd}, Class: watch.All,
	}, probeLimit)
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", c.Path, err)
	}
	return observation(r, ws != 0), nil
}

func watched(spec *watch.Spec, limit time.Duration) (syscall.WaitStatus, *watch.Report, error) {
	t, err := watch.Start(spec)
	if err != nil {
		return 0, nil, err
	}
	stop := time.AfterFunc(limit, func() { _ = t.Signal(syscall.SIGKILL) })
	defer stop.Stop()
	ws, _, err := t.Wait()
	return ws, t.Report(), err
}

func observation(r *watch.Report, failed bool) *Observation {
	o := &Observation{Failed: failed, Incomplete: strings.Join(r.Incomplete, ", ")}
	for i := range r.Events {
		e := &r.Events[i]
		if e.Op == watch.Exec && e.Errno == 0 {
			o.Ran = append(o.Ran, e.Path)
		}
		switch {
		case !e.Input():
		case e.Op == watch.List:
			o.Listed = append(o.Listed, e.Path)
		default:
			o.Looked = append(o.Looked, Look{Path: e.Path, Found: e.Errno == 0})
		}
	}
	return o
}
