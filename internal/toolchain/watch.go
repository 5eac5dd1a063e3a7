package toolchain

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/internal/compiler"
	"github.com/cachepot/cachepot/internal/spawn"
	"github.com/cachepot/cachepot/internal/watch"
)

// Watch is the Watcher that uses this system's kernel.
func Watch(ctx context.Context, c spawn.Command) (*Observation, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	fd := null.Fd()
	t, err := watch.Start(&watch.Spec{
		Path: c.Path, Argv: c.Args, Env: c.Env, Dir: c.Dir,
		Files: []uintptr{fd, fd, fd}, Class: watch.All,
	})
	if err == watch.ErrUnavailable || err == watch.ErrNested {
		return nil, compiler.NotCacheable("%s", err.Error())
	}
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", c.Path, err)
	}
	stop := time.AfterFunc(time.Minute, func() { _ = t.Signal(syscall.SIGKILL) }) // a probe takes 0.1 s
	defer stop.Stop()
	ws, _, err := t.Wait()
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", c.Path, err)
	}
	r := t.Report()
	o := &Observation{Failed: ws != 0, Incomplete: strings.Join(r.Incomplete, ", ")}
	for i := range r.Events {
		e := &r.Events[i]
		switch {
		case !e.Input():
		case e.Op == watch.List:
			o.Listed = append(o.Listed, e.Path)
		default:
			o.Looked = append(o.Looked, Look{Path: e.Path, Found: e.Errno == 0})
		}
	}
	return o, nil
}
