package audit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"syscall"
	"time"

	"github.com/cachepot/cachepot/internal/action"
	"github.com/cachepot/cachepot/internal/sandbox"
	"github.com/cachepot/cachepot/internal/watch"
)

// stageWatch is the stage that runs a command in a shadow and watches it.
const stageWatch = "watch"

// watchReply is what it answers.
type watchReply struct {
	Status     int // as wait(2) gives it
	Incomplete []string
	Events     []watch.Event
	Temp       string
}

// Inner is what Config.Program has to call, as its only doing, where its arguments
// are Config.Self and one more, the stage.
func Inner(stage string) error {
	if known, err := sandbox.Inner(stage); known {
		return err
	}
	if stage != stageWatch {
		return fmt.Errorf("no stage %q", stage)
	}
	var cmd action.Command
	temp, reply, err := sandbox.EnterShadow(&cmd)
	if err != nil {
		return err
	}
	answer, err := watched(&cmd, temp)
	if err != nil {
		return fmt.Errorf("watch %s: %w", cmd.Args[0], err)
	}
	return reply(answer)
}

// watched runs a command to its end and tells what it looked at. Temporary files
// go to temp, which no key holds and no output shows.
func watched(cmd *action.Command, temp string) (*watchReply, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	fd := null.Fd()
	t, err := watch.Start(&watch.Spec{
		Path: cmd.Args[0], Argv: cmd.Args, Env: append([]string{"TMPDIR=" + temp}, cmd.Env...), Dir: cmd.Dir,
		Files: []uintptr{fd, fd, fd}, Class: watch.All, Deathsig: syscall.SIGKILL,
	})
	if err != nil {
		return nil, err
	}
	ws, _, err := t.Wait()
	if err != nil {
		return nil, err
	}
	r := t.Report()
	return &watchReply{Status: int(ws), Incomplete: r.Incomplete, Events: r.Events, Temp: temp}, nil
}

// maxRerun is how long a watched run may take.
const maxRerun = 15 * time.Minute

// rerun runs the command in a shadow and judges what it looks at.
func (a *Auditor) rerun(ctx context.Context, s *subject, in *inputs, r *Report) error {
	cmd := &s.here.Command
	var writable []string
	for _, o := range cmd.Outputs {
		dir := path.Dir(against(cmd.Dir, o))
		if _, err := os.Stat(dir); err != nil {
			return gone("the output directory %s is missing", dir)
		}
		writable = append(writable, dir)
	}
	limited, cancel := context.WithTimeout(ctx, maxRerun)
	defer cancel()
	var seen watchReply
	err := a.box.Shadow(limited, stageWatch, writable, cmd, &seen)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		r.fault("watched run: it takes more than %s", maxRerun)
		return nil
	case err != nil:
		return err
	}
	if ws := syscall.WaitStatus(seen.Status); ws != 0 {
		r.fault("watched run: the command failed (wait status %#x)", seen.Status)
		return nil
	}
	for _, why := range seen.Incomplete {
		r.fault("watched run: %s", why)
	}
	j := newJudge(s, in, seen.Temp)
	for i := range seen.Events {
		if fault := j.fault(&seen.Events[i]); fault != "" {
			r.fault("watched run: %s", fault)
		}
	}
	return nil
}

// against returns p as seen from the directory dir, cleaned.
func against(dir, p string) string {
	if path.IsAbs(p) {
		return path.Clean(p)
	}
	return path.Join(dir, p)
}
